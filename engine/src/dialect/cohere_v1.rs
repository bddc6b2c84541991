//! Cohere's first API: `POST /v1/chat`, `POST /v1/generate` and `POST /v1/embed`, on its own hosts alone: others have
//! the same paths.
//!
//! Shapes: <https://docs.cohere.com/v1/reference/chat>, <https://docs.cohere.com/v1/reference/generate>,
//! <https://docs.cohere.com/v1/reference/embed>, and `reference.md` of <https://github.com/cohere-ai/cohere-python>.

use super::prompt::{Adds, Counting, count, no_turns};
use super::{Dialect, Features, Field, Found, Shape, Target, cohere, openai, read_json};
use crate::json::{Event, Key as K};
use crate::usage::{Answer, Part, Stated, Usage};

pub(super) static CHAT: Dialect = Dialect {
    recognises: |target| found(target, "/v1/chat"),
    read: |body, route| read_json(body, route, SHAPE),
    count_prompt: |prompt| count(prompt, COUNTING),
    observe,
    usage,
    ..cohere::BASE
};

pub(super) static GENERATE: Dialect =
    Dialect { name: "cohere-generate", recognises: |target| found(target, "/v1/generate"), ..CHAT };

/// Its bodies and answers are those of the second version.
pub(super) static EMBED: Dialect =
    Dialect { recognises: |target| found(target, "/v1/embed"), ..cohere::EMBED_BASE };

/// A default model serves where none is named.
fn found(target: &Target, path: &str) -> Option<Found> {
    let hosts = ["cohere.com", "cohere.ai"];
    let ours = target.posts_to(path) && hosts.iter().any(|host| target.host.ends_with(host));
    ours.then(|| Found { provider: Some("cohere"), model_is_optional: true, ..Found::default() })
}

// --- the request ---

const SHAPE: Shape = Shape { field, uses, adds, bound: |_, _| &[K::MaxTokens], ..Shape::PLAIN };

fn field(path: &[K]) -> Option<Field> {
    Some(match path {
        [K::Model] => Field::Model,
        [K::MaxTokens] => Field::OutputBound,
        [K::NumGenerations] => Field::Choices,
        [K::Stream] => Field::Stream,
        [
            K::Message | K::ChatHistory | K::Preamble | K::Documents | K::Tools | K::ToolResults | K::Prompt,
        ] => Field::Once,
        _ => return None,
    })
}

fn uses(path: &[K]) -> Features {
    match path {
        [K::Tools, K::Item] => Features::TOOLS,
        // Cohere asks them itself, its search of the web among them.
        [K::Connectors, K::Item] => Features::SERVER_TOOLS,
        [K::ResponseFormat, K::JsonSchema | K::Schema] => Features::JSON_SCHEMA,
        _ => Features::default(),
    }
}

// --- counting ---

const COUNTING: Counting = Counting { adds, turn: no_turns, image: openai::image, style: "cohere" };

fn adds(path: &[K]) -> Option<Adds> {
    Some(match path {
        [K::Message] | [K::ChatHistory, K::Item] => Adds::Message,
        [K::Preamble] => Adds::Instructions,
        [K::Prompt] | [K::ChatHistory, K::Item, K::Message] => Adds::Text,
        [K::ChatHistory, K::Item, K::ToolCalls, K::Item, rest @ ..] => return call(rest),
        [K::ToolResults, K::Item, rest @ ..]
        | [K::ChatHistory, K::Item, K::ToolResults, K::Item, rest @ ..] => match rest {
            [] => Adds::ToolResult,
            [K::Call, rest @ ..] => return call(rest),
            [K::Outputs, ..] => Adds::Json,
            _ => return None,
        },
        // "Keys and values from each document will be serialized to a string and passed to the model."
        [K::Documents, K::Item, ..] => Adds::Json,
        [K::Connectors] => Adds::Elsewhere,
        [K::ConversationId] => Adds::Stored,
        [K::Tools, K::Item] => Adds::Function,
        [K::Tools, K::Item, K::Name | K::Description] => Adds::ToolText,
        [K::Tools, K::Item, K::ParameterDefinitions, ..] => Adds::Json,
        [K::ResponseFormat, K::JsonSchema | K::Schema, ..] => Adds::Format,
        _ => return None,
    })
}

/// The call of a tool.
fn call(path: &[K]) -> Option<Adds> {
    Some(match path {
        [] => Adds::ToolCall,
        [K::Name] => Adds::Text,
        [K::Parameters, ..] => Adds::Json,
        _ => return None,
    })
}

// --- the answer ---

/// A whole answer, or the events of a stream, one a line unless the client accepts `text/event-stream`. The last,
/// `stream-end`, has the whole answer once more: its usage counts, its text does not.
fn observe(answer: &mut Answer, path: &[K], event: Event<'_>) {
    let meta = path.strip_prefix(&[K::Response]).unwrap_or(path);
    match (meta, event) {
        ([K::Meta, K::Tokens, K::InputTokens], Event::Number(n)) => answer.state(Part::Input, n),
        ([K::Meta, K::Tokens, K::OutputTokens], Event::Number(n)) => answer.state(Part::Output, n),
        ([K::Meta, K::BilledUnits, K::InputTokens], Event::Number(n)) => answer.state(Part::InputBeside, n),
        ([K::Meta, K::BilledUnits, K::OutputTokens], Event::Number(n)) => answer.state(Part::OutputBeside, n),
        (_, Event::Text(piece))
            if matches!(
                path,
                [K::Text] | [K::Generations, K::Item, K::Text] | [K::ToolCallDelta, K::Text | K::Parameters]
            ) =>
        {
            answer.push_output(piece);
        }
        _ => {}
    }
}

/// Billed units are what is charged ("the tokens that you're actually billed for",
/// <https://github.com/cohere-ai/cohere-developer-experience/pull/399>): tokens count where those are not stated.
fn usage(stated: &Stated) -> Option<Usage> {
    let input = stated.get(Part::InputBeside).or_else(|| stated.get(Part::Input));
    let output = stated.get(Part::OutputBeside).or_else(|| stated.get(Part::Output));
    input.or(output)?;
    Some(Usage { input: input.unwrap_or(0), output: output.unwrap_or(0), ..Usage::default() })
}
