//! One answer before it is written in an API's words, the text that every answer says, and how JSON is sent.
//!
//! Used by `chat`, `stream`, the APIs and the router. It knows no API's shapes: those are `openai`, `responses`,
//! `anthropic` and `gemini`.

use super::api::Api;
use super::{Answer, full};
use hyper::header::{CONTENT_TYPE, HeaderName, HeaderValue};
use serde_json::Value;

/// Each is one token in both of OpenAI's encodings when a space stands before it, so that an answer of N words is
/// an answer of N tokens, wherever a stream is cut (a test holds that).
const WORDS: [&str; 16] = [
    " the", " budget", " is", " a", " number", " that", " every", " team", " can", " read", " and", " plan",
    " with", " before", " it", " ends",
];

/// One call's answer, known before the first byte of it leaves.
#[derive(Debug, Clone)]
pub(super) struct Completion {
    /// Whose words it is written in.
    pub(super) api: &'static Api,
    /// Which request of the simulator's life it answers.
    pub(super) number: u64,
    pub(super) model: String,
    pub(super) choices: u64,
    /// Tokens of each choice.
    pub(super) words: u64,
    pub(super) prompt_tokens: u64,
    pub(super) cached_tokens: u64,
    /// The caller's own bound cut it.
    pub(super) is_cut_short: bool,
    pub(super) tells_usage: bool,
}

impl Completion {
    pub(super) fn completion_tokens(&self) -> u64 {
        self.words.saturating_mul(self.choices)
    }

    pub(super) fn total_tokens(&self) -> u64 {
        self.prompt_tokens.saturating_add(self.completion_tokens())
    }

    /// The whole text of one choice.
    pub(super) fn text(&self) -> String {
        (0..self.words).map(word).collect()
    }
}

/// The `k`th word of every answer.
pub(super) fn word(k: u64) -> &'static str {
    usize::try_from(k % WORDS.len() as u64).ok().and_then(|k| WORDS.get(k)).copied().unwrap_or(" the")
}

pub(super) fn json(status: u16, body: &Value) -> Answer {
    let mut answer = Answer::new(full(body.to_string()));
    if let Ok(status) = hyper::StatusCode::from_u16(status) {
        *answer.status_mut() = status;
    }
    answer.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    answer
}

/// Puts an API's own headers on an answer: a proxy must not lose or change them.
pub(super) fn stamp(answer: &mut Answer, headers: &[(&'static str, String)]) {
    for (name, value) in headers {
        if let Ok(value) = HeaderValue::from_str(value) {
            answer.headers_mut().insert(HeaderName::from_static(name), value);
        }
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
