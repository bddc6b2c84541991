//! Ollama: `POST /api/chat`, `/api/generate`, `/api/embed`. Answers stream as NDJSON unless told not to.
//!
//! Shapes: <https://docs.ollama.com/api>.

use super::prompt::{Adds, Counting, count, no_turns};
use super::{Dialect, Events, Features, Field, Found, NO_HEADERS, Shape, no_header, openai, read_json};
use crate::json::{Event, Key as K};
use crate::refusal::{Refusal, Written};
use crate::units::EpochMs;
use crate::usage::{Answer, Part};
use serde_json::Value;

const BASE: Dialect = Dialect {
    name: "ollama",
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

pub(super) static GENERATE: Dialect = Dialect {
    recognises: |target| {
        let ours = target.posts_to("/api/chat") || target.posts_to("/api/generate");
        ours.then(Found::default)
    },
    ..BASE
};

pub(super) static EMBED: Dialect = Dialect {
    name: "ollama-embed",
    recognises: |target| target.posts_to("/api/embed").then(Found::default),
    read: |body, route| read_json(body, route, Shape { outputs: false, streams_unasked: false, ..SHAPE }),
    ..BASE
};

const SHAPE: Shape = Shape {
    field,
    uses,
    adds,
    streams_unasked: true,
    bound: |_, _| &[K::Options, K::NumPredict],
    ..Shape::PLAIN
};

fn field(path: &[K]) -> Option<Field> {
    Some(match path {
        [K::Model] => Field::Model,
        [K::Options, K::NumPredict] => Field::OutputBound,
        [K::Stream] => Field::Stream,
        [K::Options] => Field::BoundOwner,
        [K::Messages | K::Tools | K::Prompt | K::System | K::Input] => Field::Once,
        _ => return None,
    })
}

fn uses(path: &[K]) -> Features {
    match path {
        [K::Tools, K::Item] => Features::TOOLS,
        // The text `json` asks for JSON of any kind.
        [K::Format, _] => Features::JSON_SCHEMA,
        [K::Logprobs] => Features::LOGPROBS,
        [K::Think] => Features::REASONING,
        _ => Features::default(),
    }
}

const COUNTING: Counting = Counting { adds, turn: no_turns, image: openai::image, style: "ollama" };

fn adds(path: &[K]) -> Option<Adds> {
    Some(match path {
        [K::Messages, K::Item] => Adds::Message,
        [K::Messages, K::Item, K::Role] => Adds::Role,
        [K::Messages, K::Item, K::Content] | [K::Prompt | K::System | K::Input] | [K::Input, K::Item] => {
            Adds::Text
        }
        [K::Messages, K::Item, K::ToolCalls, K::Item] => Adds::ToolCall,
        [K::Messages, K::Item, K::ToolCalls, K::Item, K::Function, K::Name] => Adds::Text,
        [K::Messages, K::Item, K::ToolCalls, K::Item, K::Function, K::Arguments, ..] => Adds::Json,
        [K::Images, K::Item] | [K::Messages, K::Item, K::Images, K::Item] => Adds::Image,
        [K::Tools, K::Item, K::Function] => Adds::Function,
        [K::Tools, K::Item, K::Function, K::Name] => Adds::ToolText,
        [K::Tools, K::Item, K::Function, K::Description] => Adds::ToolText,
        [K::Tools, K::Item, K::Function, K::Parameters, rest @ ..] => Adds::Schema(rest.len()),
        [K::Format, ..] => Adds::Format,
        _ => return None,
    })
}

fn observe(answer: &mut Answer, path: &[K], event: Event<'_>) {
    match (path, event) {
        ([K::Model], _) => answer.model_event(event),
        ([K::PromptEvalCount], Event::Number(n)) => answer.state(Part::Input, n),
        ([K::EvalCount], Event::Number(n)) => answer.state(Part::Output, n),
        ([K::Error], Event::TextBegin { .. }) => answer.failed = true,
        ([K::Message, K::Content | K::Thinking] | [K::Response | K::Thinking], Event::Text(piece)) => {
            answer.push_output(piece);
        }
        ([K::Message, K::ToolCalls, K::Item, K::Function, K::Arguments, ..], Event::Text(piece)) => {
            answer.push_output(piece);
        }
        _ => {}
    }
}

/// Ollama's errors: `{"error": "…"}`.
fn refusal(refusal: &Refusal, _: EpochMs) -> Written {
    let mut body = refusal.machine_fields();
    body.insert("error".to_owned(), refusal.message.clone().into());
    Written::body(&Value::Object(body))
}
