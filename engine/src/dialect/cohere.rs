//! Cohere's second API: `POST /v2/chat` and `POST /v2/embed`.
//!
//! Shapes: <https://docs.cohere.com/reference/chat>, <https://docs.cohere.com/reference/embed>.

use super::prompt::{Adds, Counting, count, no_turns};
use super::{
    Dialect, Events, Features, Field, Found, NO_HEADERS, Says, Shape, anthropic, features, no_header, openai,
    read_json,
};
use crate::json::{Event, Key as K};
use crate::refusal::{Refusal, Written};
use crate::units::EpochMs;
use crate::usage::{Answer, Part};
use serde_json::Value;

pub(super) const BASE: Dialect = Dialect {
    name: "cohere-chat",
    recognises: |_| None,
    read: |body, route| read_json(body, route, SHAPE),
    count_prompt: |prompt| count(prompt, COUNTING),
    observe,
    usage: openai::usage,
    answer_headers: NO_HEADERS,
    observe_header: no_header,
    events: Events::Closed,
    refusal,
};

pub(super) static CHAT: Dialect = Dialect {
    recognises: |target| {
        target.posts_to("/v2/chat").then(|| Found { provider: Some("cohere"), ..Found::default() })
    },
    ..BASE
};

pub(super) const EMBED_BASE: Dialect = Dialect {
    name: "cohere-embed",
    read: |body, route| read_json(body, route, Shape { outputs: false, ..SHAPE }),
    ..BASE
};

pub(super) static EMBED: Dialect = Dialect {
    recognises: |target| {
        target.posts_to("/v2/embed").then(|| Found { provider: Some("cohere"), ..Found::default() })
    },
    ..EMBED_BASE
};

const SHAPE: Shape = Shape {
    field,
    uses,
    says,
    unsaid: anthropic::unsaid,
    adds,
    bound: |_, _| &[K::MaxTokens],
    ..Shape::PLAIN
};

fn field(path: &[K]) -> Option<Field> {
    Some(match path {
        [K::Model] => Field::Model,
        [K::MaxTokens] => Field::OutputBound,
        [K::Stream] => Field::Stream,
        // "Leave at least 1K tokens for the response", such as a budget of 31K of the 32K that such a model has: thoughts
        // count within `max_tokens` (<https://docs.cohere.com/docs/reasoning>).
        [K::Thinking, K::TokenBudget] => Field::ThinkingBudget,
        [K::Messages | K::Tools | K::Documents | K::Texts | K::Inputs] => Field::Once,
        _ => return None,
    })
}

fn uses(path: &[K]) -> Features {
    match path {
        [K::Tools, K::Item] => Features::TOOLS,
        [K::ResponseFormat, K::JsonSchema | K::Schema] => Features::JSON_SCHEMA,
        [K::Logprobs] => Features::LOGPROBS,
        _ => Features::default(),
    }
}

fn says(path: &[K]) -> Option<Says> {
    matches!(path, [K::Thinking, K::Type]).then_some(features::thinking)
}

const COUNTING: Counting = Counting { adds, turn: no_turns, image: openai::image, style: "cohere" };

fn adds(path: &[K]) -> Option<Adds> {
    Some(match path {
        [K::Messages, K::Item] => Adds::Message,
        [K::Messages, K::Item, K::Role] => Adds::Role,
        [K::Messages, K::Item, K::Content | K::ToolPlan]
        | [K::Messages, K::Item, K::Content, K::Item, K::Text | K::Thinking] => Adds::Text,
        [K::Messages, K::Item, K::ToolCalls, K::Item, K::Function, K::Name | K::Arguments]
        | [K::Messages, K::Item, K::Content, K::Item, K::Document, K::Data, ..] => Adds::Text,
        [K::Messages, K::Item, K::ToolCalls, K::Item] => Adds::ToolCall,
        [K::Messages, K::Item, K::Content, K::Item, K::ImageUrl, K::Url] | [K::Images, K::Item] => {
            Adds::Image
        }
        [K::Documents, K::Item] | [K::Texts, K::Item] => Adds::Text,
        [K::Documents, K::Item, K::Data, ..] => Adds::Json,
        [K::Inputs, K::Item, K::Content, K::Item, K::Text] => Adds::Text,
        [K::Inputs, K::Item, K::Content, K::Item, K::ImageUrl, K::Url] => Adds::Image,
        [K::Tools, K::Item, K::Function] => Adds::Function,
        [K::Tools, K::Item, K::Function, K::Name] => Adds::ToolText,
        [K::Tools, K::Item, K::Function, K::Description] => Adds::ToolText,
        [K::Tools, K::Item, K::Function, K::Parameters, rest @ ..] => Adds::Schema(rest.len()),
        [K::ToolChoice] => Adds::ToolChoice,
        [K::ResponseFormat, K::JsonSchema, ..] => Adds::Format,
        _ => return None,
    })
}

/// `tokens` is what went in and out; `billed_units` are what is charged, and no tokens of any tokenizer.
fn observe(answer: &mut Answer, path: &[K], event: Event<'_>) {
    let usage = match path {
        [K::Usage, rest @ ..] | [K::Delta, K::Usage, rest @ ..] | [K::Meta, rest @ ..] => Some(rest),
        _ => None,
    };
    match (usage, event) {
        (Some([K::Tokens, K::InputTokens]), Event::Number(n)) => answer.state(Part::Input, n),
        (Some([K::Tokens, K::OutputTokens]), Event::Number(n)) => answer.state(Part::Output, n),
        (Some([K::Tokens, K::ReasoningTokens]), Event::Number(n)) => answer.state(Part::Reasoning, n),
        (Some([K::CachedTokens]), Event::Number(n)) => answer.state(Part::CacheRead, n),
        // Embeddings state nothing else.
        (Some([K::BilledUnits, K::InputTokens]), Event::Number(n)) if matches!(path, [K::Meta, ..]) => {
            answer.state(Part::Input, n);
        }
        (None, Event::Text(piece)) => {
            if let [K::Message, K::Content, K::Item, K::Text | K::Thinking]
            | [K::Delta, K::Message, K::Content, K::Text | K::Thinking]
            | [K::Delta, K::Message, K::ToolPlan]
            | [K::Message, K::ToolPlan]
            | [K::Delta, K::Message, K::ToolCalls, K::Function, K::Arguments]
            | [K::Message, K::ToolCalls, K::Item, K::Function, K::Arguments] = path
            {
                answer.push_output(piece);
            }
        }
        _ => {}
    }
}

/// <https://docs.cohere.com/reference/errors>: a `message`, and the status.
fn refusal(refusal: &Refusal, _: EpochMs) -> Written {
    let mut body = refusal.machine_fields();
    body.insert("message".to_owned(), refusal.message.clone().into());
    Written::body(&Value::Object(body))
}
