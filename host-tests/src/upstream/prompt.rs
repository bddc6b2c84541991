//! Reads a chat request as the provider does: model, bound, stream options, and the prompt's tokens.
//!
//! Called by the APIs and `chat`. The count follows OpenAI's published recipe ("How to count tokens with tiktoken": three
//! tokens a message, one for a name, three for the reply's start) with the reference encoder; tools and images
//! are left out, a test which has them says `x-sim-prompt-tokens`.

use serde::Deserialize;
use serde_json::Value;
use tiktoken_rs::{CoreBPE, cl100k_base_singleton, o200k_base_singleton};

const TOKENS_PER_MESSAGE: u64 = 3;
const TOKENS_PER_NAME: u64 = 1;
const TOKENS_TO_START_THE_REPLY: u64 = 3;

/// The fields of a chat request which decide how the provider answers and what it bills.
#[derive(Debug, Default, Deserialize)]
pub(super) struct ChatRequest {
    #[serde(default)]
    pub(super) model: String,
    #[serde(default)]
    messages: Vec<Value>,
    #[serde(default)]
    pub(super) stream: Option<bool>,
    #[serde(default)]
    stream_options: Option<StreamOptions>,
    #[serde(default)]
    max_tokens: Option<u64>,
    #[serde(default)]
    max_completion_tokens: Option<u64>,
    #[serde(default)]
    n: Option<u64>,
}

#[derive(Debug, Default, Deserialize)]
struct StreamOptions {
    #[serde(default)]
    include_usage: Option<bool>,
}

impl ChatRequest {
    /// The request which a body that cannot be read stands for when a test wants an answer all the same.
    pub(super) fn unread() -> Self {
        Self { model: "gpt-4o".to_owned(), ..Self::default() }
    }

    /// APIs whose streams state their usage unasked.
    pub(super) fn that_is_told_usage(self) -> Self {
        Self { stream_options: Some(StreamOptions { include_usage: Some(true) }), ..self }
    }

    pub(super) fn streams(&self) -> bool {
        self.stream.unwrap_or(false)
    }

    pub(super) fn wants_usage(&self) -> bool {
        self.stream_options.as_ref().and_then(|options| options.include_usage).unwrap_or(false)
    }

    pub(super) fn choices(&self) -> u64 {
        self.n.unwrap_or(1).clamp(1, 128)
    }

    /// The caller's bound on each choice; the newer name wins.
    pub(super) fn bound(&self) -> Option<u64> {
        self.max_completion_tokens.or(self.max_tokens)
    }

    pub(super) fn prompt_tokens(&self) -> u64 {
        let encoder = encoder(&self.model);
        let messages: u64 = self.messages.iter().map(|message| message_tokens(encoder, message)).sum();
        messages.saturating_add(TOKENS_TO_START_THE_REPLY)
    }
}

fn message_tokens(encoder: &CoreBPE, message: &Value) -> u64 {
    let text = |name: &str| message.get(name).map_or(0, |value| value_tokens(encoder, value));
    let name = message.get("name").map_or(0, |_| TOKENS_PER_NAME);
    TOKENS_PER_MESSAGE + name + text("role") + text("content") + text("name")
}

/// Text, or a list of parts of which the texts count.
fn value_tokens(encoder: &CoreBPE, value: &Value) -> u64 {
    match value {
        Value::String(text) => encoder.count_ordinary(text) as u64,
        Value::Array(parts) => {
            parts.iter().filter_map(|part| part.get("text")).map(|text| value_tokens(encoder, text)).sum()
        }
        _ => 0,
    }
}

fn encoder(model: &str) -> &'static CoreBPE {
    let older = model.starts_with("gpt-3.5") || model == "gpt-4" || model.starts_with("gpt-4-");
    if older { cl100k_base_singleton() } else { o200k_base_singleton() }
}

/// Loads the encoding before the first request: it takes a noticeable part of a second.
pub(super) fn warm_up() {
    let _ = o200k_base_singleton().count_ordinary("warm");
}

#[cfg(test)]
mod tests {
    use super::ChatRequest;

    #[test]
    fn the_prompt_counts_as_in_the_providers_recipe() {
        // The cookbook's example for gpt-4o: 124 tokens.
        let body = r#"{"model":"gpt-4o","messages":[
            {"role":"system","content":"You are a helpful, pattern-following assistant that translates corporate jargon into plain English."},
            {"role":"system","name":"example_user","content":"New synergies will help drive top-line growth."},
            {"role":"system","name":"example_assistant","content":"Things working well together will increase revenue."},
            {"role":"system","name":"example_user","content":"Let's circle back when we have more bandwidth to touch base on opportunities for increased leverage."},
            {"role":"system","name":"example_assistant","content":"Let's talk later when we're less busy about how to do better."},
            {"role":"user","content":"This late pivot means we don't have time to boil the ocean for the client deliverable."}]}"#;
        let request: ChatRequest = serde_json::from_str(body).unwrap();
        assert_eq!(request.prompt_tokens(), 124);
    }
}
