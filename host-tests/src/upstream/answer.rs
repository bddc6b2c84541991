//! The JSON shapes of the provider's answers: completion, chunk, usage, error, list of models; and the text.
//!
//! Used by `chat`, `stream` and the router. Shapes as in OpenAI's API reference for chat completions.

use super::{Answer, full};
use hyper::header::{CONTENT_TYPE, HeaderName, HeaderValue};
use serde_json::{Value, json};

/// The moment every answer claims to be made: the simulator has no clock, so that goldens stay the same.
const CREATED: u64 = 1_795_392_000;

/// Each is one token in both of OpenAI's encodings when a space stands before it, so that an answer of N words is
/// an answer of N tokens, wherever a stream is cut (a test holds that).
const WORDS: [&str; 16] = [
    " the", " budget", " is", " a", " number", " that", " every", " team", " can", " read", " and", " plan",
    " with", " before", " it", " ends",
];

/// One call's answer, known before the first byte of it leaves.
#[derive(Debug, Clone)]
pub(super) struct Completion {
    pub(super) id: String,
    pub(super) model: String,
    pub(super) choices: u64,
    /// Tokens of each choice.
    pub(super) words: u64,
    pub(super) prompt_tokens: u64,
    pub(super) cached_tokens: u64,
    pub(super) finish_reason: &'static str,
    pub(super) tells_usage: bool,
}

impl Completion {
    pub(super) fn to_json(&self) -> Value {
        let text: String = (0..self.words).map(word).collect();
        let choices: Vec<Value> = (0..self.choices)
            .map(|index| {
                json!({"index": index, "message": {"role": "assistant", "content": text, "refusal": null,
                    "annotations": []}, "logprobs": null, "finish_reason": self.finish_reason})
            })
            .collect();
        let mut body = json!({"id": self.id, "object": "chat.completion", "created": CREATED,
            "model": dated(&self.model), "choices": choices, "service_tier": "default",
            "system_fingerprint": "fp_simulated"});
        if self.tells_usage {
            body["usage"] = self.usage();
        }
        body
    }

    pub(super) fn chunk(&self, choices: &Value, usage: Option<Value>) -> Value {
        let mut body = json!({"id": self.id, "object": "chat.completion.chunk", "created": CREATED,
            "model": dated(&self.model), "service_tier": "default", "system_fingerprint": "fp_simulated",
            "choices": choices});
        if let Some(usage) = usage {
            body["usage"] = usage;
        }
        body
    }

    pub(super) fn completion_tokens(&self) -> u64 {
        self.words.saturating_mul(self.choices)
    }

    pub(super) fn usage(&self) -> Value {
        let completion = self.completion_tokens();
        json!({
            "prompt_tokens": self.prompt_tokens,
            "completion_tokens": completion,
            "total_tokens": self.prompt_tokens.saturating_add(completion),
            "prompt_tokens_details": {"cached_tokens": self.cached_tokens, "audio_tokens": 0},
            "completion_tokens_details": {"reasoning_tokens": 0, "audio_tokens": 0,
                "accepted_prediction_tokens": 0, "rejected_prediction_tokens": 0}
        })
    }
}

/// The `k`th word of every answer.
pub(super) fn word(k: u64) -> &'static str {
    usize::try_from(k % WORDS.len() as u64).ok().and_then(|k| WORDS.get(k)).copied().unwrap_or(" the")
}

/// The dated name under which the provider answers for an alias.
fn dated(model: &str) -> &str {
    match model {
        "gpt-4o" => "gpt-4o-2024-08-06",
        "gpt-4o-mini" => "gpt-4o-mini-2024-07-18",
        "gpt-4.1" => "gpt-4.1-2025-04-14",
        "gpt-4.1-mini" => "gpt-4.1-mini-2025-04-14",
        other => other,
    }
}

pub(super) fn models() -> Value {
    let list: Vec<Value> = ["gpt-4o", "gpt-4o-mini", "gpt-4.1", "gpt-4.1-mini"]
        .map(|id| json!({"id": id, "object": "model", "created": CREATED, "owned_by": "system"}))
        .to_vec();
    json!({"object": "list", "data": list})
}

/// An error as the provider words it.
pub(super) fn error(status: u16, message: &str) -> Answer {
    let kind = match status {
        429 => "requests",
        500.. => "server_error",
        _ => "invalid_request_error",
    };
    let code = if status == 429 { Value::from("rate_limit_exceeded") } else { Value::Null };
    json(status, &json!({"error": {"message": message, "type": kind, "param": null, "code": code}}))
}

pub(super) fn json(status: u16, body: &Value) -> Answer {
    let mut answer = Answer::new(full(body.to_string()));
    if let Ok(status) = hyper::StatusCode::from_u16(status) {
        *answer.status_mut() = status;
    }
    answer.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    answer
}

/// The headers which OpenAI puts on every answer and which a proxy must not lose.
pub(super) fn stamp(answer: &mut Answer, id: &str) {
    let headers = answer.headers_mut();
    headers.insert(HeaderName::from_static("openai-version"), HeaderValue::from_static("2020-10-01"));
    if let Ok(id) = HeaderValue::from_str(&id.replace("chatcmpl-", "req_")) {
        headers.insert(HeaderName::from_static("x-request-id"), id);
    }
}

#[cfg(test)]
mod tests {
    use super::{WORDS, word};
    use tiktoken_rs::{cl100k_base_singleton, o200k_base_singleton};

    #[test]
    fn an_answer_of_n_words_is_n_tokens_wherever_it_is_cut() {
        for length in 0..=40 {
            let text: String = (0..length).map(word).collect();
            assert_eq!(o200k_base_singleton().count_ordinary(&text) as u64, length, "{text}");
            assert_eq!(cl100k_base_singleton().count_ordinary(&text) as u64, length, "{text}");
        }
        assert_eq!(WORDS.len(), 16);
    }
}
