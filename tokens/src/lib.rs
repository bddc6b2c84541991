//! Token counts made for a WebAssembly VM: exact for OpenAI's encodings, an estimate that says so for
//! every other model.
//!
//! Owns: counting, and which encoding belongs to a model name. Called by the engine and the plugin.
//! Must not know: JSON, HTTP, budgets, clocks, files.

#![cfg_attr(
    test,
    allow(
        clippy::unwrap_used,
        clippy::indexing_slicing,
        clippy::arithmetic_side_effects,
        reason = "a test may stop where it fails"
    )
)]

mod classes;
mod count;
mod counter;
mod encoding;
mod estimate;
mod greedy;
mod long;
mod models;
mod pair;
mod piece;
mod run;
mod scripts;
mod split;
mod vocabulary;
mod window;

pub use count::Count;
pub use counter::Counter;
pub use encoding::Encoding;
pub use estimate::Estimator;
pub use models::{ModelCounter, ModelEncoding, encoding_for_model};
pub use scripts::{Script, Scripts};

/// The most tokens that `bytes` bytes of text can have in any encoding: each token has at least one byte.
#[must_use]
pub const fn upper_bound(bytes: u64) -> u64 {
    bytes
}
