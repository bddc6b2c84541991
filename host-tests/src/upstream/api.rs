//! What tells the simulated APIs apart: how each reads a request, answers it, streams the answer, and fails.
//!
//! One static value an API, in `openai`, `responses`, `anthropic` and `gemini`; used by the router, `chat` and `stream`.

use super::answer::Completion;
use super::prompt::ChatRequest;
use bytes::Bytes;
use serde_json::Value;

/// One API.
pub(super) struct Api {
    /// What a request's body and path ask for; `None` if the body cannot be read.
    pub(super) read: fn(path: &str, body: &[u8]) -> Option<ChatRequest>,
    /// The answer as one document.
    pub(super) document: fn(&Completion) -> Value,
    /// The `k`th event of the answer's stream, and how many tokens are billed when it leaves.
    pub(super) event: fn(&Completion, k: u64) -> Option<Piece>,
    /// An error as the provider words it.
    pub(super) error: fn(status: u16, message: &str) -> Value,
    /// What it says of a body that is no JSON.
    pub(super) unreadable: &'static str,
    /// What it says where the model is missing.
    pub(super) no_model: &'static str,
    /// Headers on every answer.
    pub(super) headers: fn(number: u64) -> Vec<(&'static str, String)>,
    /// The `content-type` of its streams.
    pub(super) stream_type: &'static str,
}

impl std::fmt::Debug for Api {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Api")
    }
}

/// A piece of the answer and the tokens that are billed when it leaves.
pub(super) struct Piece {
    pub(super) bytes: Bytes,
    pub(super) tokens: u64,
}
