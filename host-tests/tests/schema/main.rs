//! The JSON Schemas of policies, scenarios and cost records. `TOKENSTILE_UPDATE=1 cargo test -p tokenstile-host --test
//! schema` writes them anew.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test fails by a panic")]

mod policy;
mod record;
mod scenario;
mod types;
