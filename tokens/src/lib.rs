//! Token counts made for a WebAssembly VM: exact for OpenAI's encodings, an estimate that says so for
//! every other model.
//!
//! Owns: counting, and which encoding belongs to a model name. Called by the engine and the plugin.
//! Must not know: JSON, HTTP, budgets, clocks, files.

mod count;
mod models;

pub use count::{Count, Counter};
pub use models::{Estimator, ModelCounter, ModelEncoding, encoding_for_model};

/// An encoding whose counts are exact.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Encoding {
    /// `cl100k_base`: gpt-4, gpt-3.5-turbo, the third generation of embeddings.
    Cl100k,
    /// `o200k_base`: gpt-4o, gpt-4.1, the o-series, gpt-5; and the text of `o200k_harmony` (gpt-oss).
    O200k,
}

impl Encoding {
    /// The number of tokens in `text`. Text that looks like a special token is plain text.
    #[must_use]
    pub fn count(self, text: &str) -> u64 {
        let mut counter = Counter::new(self);
        counter.push(text.as_bytes());
        counter.finish()
    }

    /// The number of tokens in `text`, or `None` as soon as it is certain that there are more than `limit`.
    #[must_use]
    pub fn count_until(self, text: &str, limit: u64) -> Option<u64> {
        Some(self.count(text)).filter(|&tokens| tokens <= limit)
    }
}

/// The most tokens that `bytes` bytes of text can have in any encoding: each token has at least one byte.
#[must_use]
pub const fn upper_bound(bytes: u64) -> u64 {
    bytes
}
