//! OpenAI chat completions: `POST …/chat/completions`, and the many servers that speak it.
//!
//! Shapes: <https://platform.openai.com/docs/api-reference/chat>.

use super::{Dialect, Facts, Opaque};
use crate::json::{Container, Event, Key, Reader, Visitor};
use crate::refusal::{Refusal, RefusalKind};
use crate::usage::Answer;
use serde_json::json;
use tokenstile_tokens::{ModelCounter, ModelEncoding};

pub(super) const DIALECT: Dialect = Dialect {
    name: "openai-chat",
    recognises: |method, path| method == b"POST" && path.ends_with("/chat/completions"),
    read,
    count_prompt,
    observe,
    refusal_body,
};

// --- the request ---

/// Longer than any model's name, and short enough for a header.
const MODEL_MAX: usize = 256;

fn read(body: &[u8]) -> Result<Facts, Opaque> {
    if std::str::from_utf8(body).is_err() {
        return Err(Opaque("the body is not UTF-8".to_owned()));
    }
    let mut finder = Finder {
        facts: Facts { choices: 1, ..Facts::default() },
        seen: Vec::new(),
        twice: None,
        model: Vec::new(),
    };
    let mut reader = Reader::new();
    reader
        .feed(body, &mut finder)
        .and_then(|()| reader.finish(&mut finder))
        .map_err(|error| Opaque(error.to_string()))?;
    finder.facts()
}

/// Finds the values that decide about money, wherever they stand at the top level.
struct Finder {
    facts: Facts,
    seen: Vec<Key>,
    twice: Option<Key>,
    model: Vec<u8>,
}

impl Finder {
    fn facts(mut self) -> Result<Facts, Opaque> {
        if let Some(key) = self.twice {
            // Most parsers keep the last of two equal keys and some the first: never guess.
            return Err(Opaque(format!("the key `{key:?}` stands twice").to_lowercase()));
        }
        if self.model.is_empty() {
            return Err(Opaque("the body names no model".to_owned()));
        }
        if self.model.len() > MODEL_MAX {
            return Err(Opaque(format!("the model's name is longer than {MODEL_MAX} bytes")));
        }
        self.facts.model = String::from_utf8_lossy(&self.model).into_owned();
        Ok(self.facts)
    }
}

impl Visitor for Finder {
    fn key(&mut self, path: &[Key], _: &[u8]) {
        use Key::{MaxCompletionTokens, MaxTokens, Messages, Model, N, Stream, Tools};
        if let [key @ (MaxCompletionTokens | MaxTokens | Messages | Model | N | Stream | Tools)] = path {
            if self.seen.contains(key) {
                self.twice = Some(*key);
            }
            self.seen.push(*key);
        }
    }

    fn event(&mut self, path: &[Key], event: Event<'_>) {
        match (path, event) {
            ([Key::Model], Event::TextBegin { at }) => self.facts.model_span.start = at,
            ([Key::Model], Event::Text(piece)) => self.model.extend_from_slice(piece),
            ([Key::Model], Event::TextEnd { end }) => self.facts.model_span.end = end,
            ([Key::MaxTokens | Key::MaxCompletionTokens], Event::Number(n)) => {
                // The newer name wins where both stand; both are bounds, so the higher one is safe.
                self.facts.output_bound = self.facts.output_bound.max(n.as_count());
            }
            ([Key::N], Event::Number(n)) => self.facts.choices = n.as_count().unwrap_or(1).max(1),
            ([Key::Stream], Event::Bool(stream)) => self.facts.stream = stream,
            _ => {}
        }
    }
}

// --- counting ---

/// Tokens around each message, the reply's priming, and a `name`: OpenAI's cookbook, "How to count
/// tokens with tiktoken", section 6.
const PER_MESSAGE: u64 = 3;
const PER_NAME: u64 = 1;
const PRIMING: u64 = 3;
/// Tools: the same page, section 7 (gpt-4o and later).
const PER_FUNCTION: u64 = 7;
const PER_PROPERTY_LIST: u64 = 3;
const PER_PROPERTY: u64 = 3;
const AFTER_FUNCTIONS: u64 = 12;
/// An image of unknown size in high detail, 1024 × 1024: OpenAI's vision guide (85 + 4 × 170), and in
/// low detail. An estimate until sizes are read.
const IMAGE: u64 = 765;
const IMAGE_LOW: u64 = 85;

fn count_prompt(body: &[u8], encoding: ModelEncoding) -> u64 {
    let mut prompt = Prompt { encoding, text: None, tokens: PRIMING, functions: 0, low_detail: Vec::new() };
    let mut reader = Reader::new();
    if reader.feed(body, &mut prompt).and_then(|()| reader.finish(&mut prompt)).is_err() {
        return tokenstile_tokens::upper_bound(body.len() as u64);
    }
    let after = if prompt.functions > 0 { AFTER_FUNCTIONS } else { 0 };
    prompt.tokens.saturating_add(after)
}

struct Prompt {
    encoding: ModelEncoding,
    /// The text at hand, if it counts.
    text: Option<ModelCounter>,
    tokens: u64,
    functions: u64,
    /// The `detail` value at hand.
    low_detail: Vec<u8>,
}

impl Prompt {
    fn add(&mut self, tokens: u64) {
        self.tokens = self.tokens.saturating_add(tokens);
    }

    fn image(&mut self, path: &[Key], event: Event<'_>) {
        match (path, event) {
            ([.., Key::ImageUrl], Event::Begin(_)) => self.low_detail.clear(),
            ([.., Key::Detail], Event::Text(piece)) if self.low_detail.len() < 8 => {
                self.low_detail.extend_from_slice(piece);
            }
            ([.., Key::ImageUrl], Event::End) => {
                let low = self.low_detail == b"low";
                self.add(if low { IMAGE_LOW } else { IMAGE });
            }
            _ => {}
        }
    }
}

impl Visitor for Prompt {
    fn key(&mut self, path: &[Key], name: &[u8]) {
        if let [Key::Tools | Key::Functions, Key::Item, .., Key::Properties, _] = path {
            let mut counter = self.encoding.counter();
            counter.push(name);
            self.add(PER_PROPERTY.saturating_add(counter.finish().tokens()));
        }
    }

    fn event(&mut self, path: &[Key], event: Event<'_>) {
        match (path, event) {
            ([Key::Messages, Key::Item], Event::Begin(Container::Object)) => self.add(PER_MESSAGE),
            ([Key::Messages, Key::Item, Key::Name], Event::TextBegin { .. }) => {
                self.add(PER_NAME);
                self.text = Some(self.encoding.counter());
            }
            ([Key::Messages, Key::Item, Key::Content, Key::Item, Key::ImageUrl, ..], _) => {
                self.image(path, event);
            }
            ([Key::Tools, Key::Item, Key::Function] | [Key::Functions, Key::Item], Event::Begin(_)) => {
                self.functions = self.functions.saturating_add(1);
                self.add(PER_FUNCTION);
            }
            ([Key::Tools | Key::Functions, Key::Item, .., Key::Properties], Event::Begin(_)) => {
                self.add(PER_PROPERTY_LIST);
            }
            (path, Event::TextBegin { .. }) if is_prompt_text(path) => {
                self.text = Some(self.encoding.counter());
            }
            (_, Event::Text(piece)) => {
                if let Some(counter) = &mut self.text {
                    counter.push(piece);
                }
            }
            (_, Event::TextEnd { .. }) => {
                let tokens = self.text.take().map_or(0, |counter| counter.finish().tokens());
                self.add(tokens);
            }
            _ => {}
        }
    }
}

/// Whether the string at this path reaches the model.
fn is_prompt_text(path: &[Key]) -> bool {
    use Key::{
        Arguments, Content, Description, Enum, Function, FunctionCall, Functions, Item, Messages, Name,
        Refusal, ResponseFormat, Role, Text, ToolCalls, Tools, Type,
    };
    match path {
        [Messages, Item, Role | Content | Refusal]
        | [Messages, Item, Content, Item, Text | Refusal]
        | [Messages, Item, ToolCalls, Item, Function, Name | Arguments]
        | [Messages, Item, FunctionCall, Name | Arguments] => true,
        [Tools, Item, Function, .., last] | [Functions, Item, .., last] | [ResponseFormat, .., last] => {
            matches!(last, Name | Description | Type | Enum) || matches!(path, [.., Enum, Item])
        }
        _ => false,
    }
}

// --- the answer ---

fn observe(answer: &mut Answer, path: &[Key], event: Event<'_>) {
    use Key::{
        Arguments, CachedTokens, Choices, CompletionTokens, Content, Delta, Function, Item, Message, Model,
        Name, PromptTokens, PromptTokensDetails, Reasoning, ReasoningContent, Refusal, ToolCalls, Usage,
    };
    match (path, event) {
        ([Model], Event::TextBegin { .. }) => answer.model.clear(),
        ([Model], Event::Text(piece)) => answer.push_model(piece),
        ([Usage, PromptTokens], Event::Number(n)) => answer.stated().input = n.as_count().unwrap_or(0),
        ([Usage, CompletionTokens], Event::Number(n)) => answer.stated().output = n.as_count().unwrap_or(0),
        ([Usage, PromptTokensDetails, CachedTokens], Event::Number(n)) => {
            answer.stated().cached = n.as_count().unwrap_or(0);
        }
        (
            [Choices, Item, Delta | Message, Content | Refusal | ReasoningContent | Reasoning]
            | [Choices, Item, Delta | Message, ToolCalls, Item, Function, Name | Arguments],
            Event::Text(piece),
        ) => answer.push_output(piece),
        _ => {}
    }
}

// --- the refusal ---

/// OpenAI's error shape: <https://platform.openai.com/docs/guides/error-codes/api-errors>. The SDKs
/// choose their exception by the status and show `message`, `type` and `code`.
fn refusal_body(refusal: &Refusal) -> Vec<u8> {
    let (kind, code) = match refusal.kind {
        RefusalKind::Quota => ("insufficient_quota", "insufficient_quota"),
        RefusalKind::Rate => ("tokens", "rate_limit_exceeded"),
        RefusalKind::Unreadable => ("invalid_request_error", "unreadable_body"),
        RefusalKind::TooLarge => ("invalid_request_error", "request_too_large"),
        RefusalKind::Unavailable => ("server_error", "tokenstile_unavailable"),
    };
    let mut error = json!({ "message": refusal.message, "type": kind, "param": null, "code": code });
    if let (Some(fields), Some(state)) = (error.as_object_mut(), &refusal.budget) {
        fields.extend(state.machine_fields());
    }
    json!({ "error": error }).to_string().into_bytes()
}
