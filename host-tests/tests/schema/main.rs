//! The JSON Schemas of policies and scenarios. `TOKENSTILE_UPDATE=1 cargo test -p tokenstile-host --test schema` writes
//! them anew.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test fails by a panic")]

mod policy;
mod scenario;
mod types;
