//! OpenAI chat completions: `POST …/chat/completions`, and the many servers that speak it.
//!
//! Shapes: <https://platform.openai.com/docs/api-reference/chat>.

use super::{
    Dialect, Features, Field, Found, NO_HEADERS, Prompt, PromptCount, Shape, Target, Texts, no_header,
    read_json,
};
use crate::json::{Container, Event, Key, Visitor};
use crate::refusal::{Refusal, RefusalKind, Written};
use crate::usage::{Answer, Part, Stated, Usage};
use serde_json::json;

pub(super) static DIALECT: Dialect = Dialect {
    name: "openai-chat",
    recognises,
    read: |body, route| read_json(body, route, SHAPE),
    count_prompt,
    observe,
    usage,
    answer_headers: NO_HEADERS,
    observe_header: no_header,
    refusal,
};

fn recognises(target: &Target) -> Option<Found> {
    target.posts_to("/chat/completions").then(Found::default)
}

// --- the request ---

const SHAPE: Shape = Shape { field, uses, stream_options: true };

fn field(path: &[Key]) -> Option<Field> {
    use Key::{
        IncludeUsage, MaxCompletionTokens, MaxTokens, Messages, Metadata, Model, N, SafetyIdentifier,
        ServiceTier, Stream, StreamOptions, Tools, User, UserId,
    };
    Some(match path {
        [Model] => Field::Model,
        [MaxTokens | MaxCompletionTokens] => Field::OutputBound,
        [N] => Field::Choices,
        [Stream] => Field::Stream,
        [ServiceTier] => Field::ServiceTier,
        [User | SafetyIdentifier] | [Metadata, UserId] => Field::EndUser,
        [StreamOptions] => Field::StreamOptions,
        [StreamOptions, IncludeUsage] => Field::IncludeUsage,
        [Messages | Tools] => Field::Once,
        _ => return None,
    })
}

fn uses(path: &[Key]) -> Features {
    use Key::{
        Content, File, Functions, ImageUrl, InputAudio, Item, JsonSchema, Logprobs, Messages,
        ReasoningEffort, ResponseFormat, Tools,
    };
    match path {
        [Tools | Functions] => Features::TOOLS,
        [Messages, Item, Content, Item, ImageUrl] => Features::VISION,
        [Messages, Item, Content, Item, InputAudio] => Features::AUDIO,
        [Messages, Item, Content, Item, File] => Features::FILES,
        [ResponseFormat, JsonSchema] => Features::JSON_SCHEMA,
        [Key::Reasoning | ReasoningEffort] => Features::REASONING,
        [Logprobs] => Features::LOGPROBS,
        _ => Features::default(),
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

fn count_prompt(prompt: &Prompt<'_>) -> PromptCount {
    let mut texts = Texts::new(prompt.encoding());
    texts.add(PRIMING);
    let counter = Counter { texts, functions: 0, low_detail: Vec::new() };
    let Some(counted) = prompt.visit(counter) else { return prompt.bound() };
    let after = if counted.functions > 0 { AFTER_FUNCTIONS } else { 0 };
    PromptCount { tokens: counted.texts.tokens.saturating_add(after), is_exact: false }
}

struct Counter {
    texts: Texts,
    functions: u64,
    /// The `detail` value at hand.
    low_detail: Vec<u8>,
}

impl Counter {
    fn add(&mut self, tokens: u64) {
        self.texts.add(tokens);
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

impl Visitor for Counter {
    fn key(&mut self, path: &[Key], name: &[u8]) {
        if let [Key::Tools | Key::Functions, Key::Item, .., Key::Properties, _] = path {
            self.add(PER_PROPERTY);
            self.texts.text(name);
        }
    }

    fn event(&mut self, path: &[Key], event: Event<'_>) {
        match (path, event) {
            ([Key::Messages, Key::Item], Event::Begin(Container::Object)) => self.add(PER_MESSAGE),
            ([Key::Messages, Key::Item, Key::Name], Event::TextBegin { .. }) => {
                self.add(PER_NAME);
                self.texts.event(true, event);
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
            _ => self.texts.event(is_prompt_text(path), event),
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
        Arguments, Choices, Content, Delta, Error, Function, Item, Message, Model, Name, Reasoning,
        ReasoningContent, Refusal, ToolCalls,
    };
    match (path, event) {
        ([Model], _) => answer.model_event(event),
        ([Key::Usage, ..], Event::Number(n)) => {
            if let Some(part) = part(path) {
                answer.state(part, n);
            }
        }
        ([Error], Event::Begin(_) | Event::TextBegin { .. }) => answer.failed = true,
        (
            [Choices, Item, Delta | Message, Content | Refusal | ReasoningContent | Reasoning]
            | [Choices, Item, Delta | Message, ToolCalls, Item, Function, Name | Arguments],
            Event::Text(piece),
        ) => answer.push_output(piece),
        _ => {}
    }
}

/// Which number stands at this path.
pub(super) fn part(path: &[Key]) -> Option<Part> {
    use Key::{
        AudioTokens, CacheWriteTokens, CachedTokens, CompletionTokens, CompletionTokensDetails, PromptTokens,
        PromptTokensDetails, ReasoningTokens, TotalTokens, Usage,
    };
    Some(match path {
        [Usage, PromptTokens] => Part::Input,
        [Usage, CompletionTokens] => Part::Output,
        [Usage, TotalTokens] => Part::Total,
        [Usage, PromptTokensDetails, CachedTokens] => Part::CacheRead,
        [Usage, PromptTokensDetails, CacheWriteTokens] => Part::CacheWrite,
        [Usage, PromptTokensDetails, AudioTokens] => Part::InputAudio,
        [Usage, CompletionTokensDetails, ReasoningTokens] => Part::Reasoning,
        [Usage, CompletionTokensDetails, AudioTokens] => Part::OutputAudio,
        _ => return None,
    })
}

/// Cached tokens are a part of the prompt, reasoning is a part of the completion.
pub(super) fn usage(stated: &Stated) -> Option<Usage> {
    let (input, output) = (stated.get(Part::Input), stated.get(Part::Output));
    input.or(output)?;
    Some(Usage {
        input: input.unwrap_or(0),
        cache_read: stated.or_zero(Part::CacheRead),
        cache_write: stated.or_zero(Part::CacheWrite),
        input_audio: stated.or_zero(Part::InputAudio),
        output: output.unwrap_or(0),
        reasoning: stated.or_zero(Part::Reasoning),
        output_audio: stated.or_zero(Part::OutputAudio),
        ..Usage::default()
    })
}

// --- the refusal ---

/// OpenAI's error shape: <https://platform.openai.com/docs/guides/error-codes/api-errors>. The SDKs
/// choose their exception by the status and show `message`, `type` and `code`.
pub(super) fn refusal(refusal: &Refusal) -> Written {
    let (kind, code) = match refusal.kind {
        RefusalKind::Quota => ("insufficient_quota", "insufficient_quota"),
        RefusalKind::Rate => ("tokens", "rate_limit_exceeded"),
        RefusalKind::Unreadable => ("invalid_request_error", "unreadable_body"),
        RefusalKind::TooLarge => ("invalid_request_error", "request_too_large"),
        RefusalKind::Unavailable => ("server_error", "tokenstile_unavailable"),
        RefusalKind::UnknownEndpoint => ("invalid_request_error", "unknown_endpoint"),
    };
    let mut error = json!({ "message": refusal.message, "type": kind, "param": null, "code": code });
    if let (Some(fields), Some(state)) = (error.as_object_mut(), &refusal.budget) {
        fields.extend(state.machine_fields());
    }
    (Vec::new(), json!({ "error": error }).to_string().into_bytes())
}
