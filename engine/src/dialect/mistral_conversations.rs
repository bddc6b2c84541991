//! Mistral's conversations: `POST /v1/conversations`, `/v1/conversations/ID` and `/v1/conversations/ID/restart`. The
//! documents write `#stream` behind those whose answer streams; the body says `stream`.
//!
//! Shapes: <https://docs.mistral.ai/api/endpoint/beta/conversations>, and `ConversationRequest`, `InputEntries`,
//! `ConversationResponse` and `ConversationEvents` of <https://github.com/mistralai/client-python>.
//!
//! OpenAI keeps conversations under the same paths, which costs nothing: so this is Mistral's on its hosts alone.

use super::prompt::{Adds, Counting, Prompt, PromptCount, count, no_turns};
use super::{
    Dialect, Events, Features, Field, Found, NO_HEADERS, Says, Shape, Target, no_header, openai, read_json,
};
use crate::json::{Event, Key as K};
use crate::usage::{Answer, Part, Stated, Usage};

pub(super) static DIALECT: Dialect = Dialect {
    name: "mistral-conversations",
    recognises,
    read: |body, route| read_json(body, route, SHAPE),
    count_prompt,
    observe,
    usage,
    answer_headers: NO_HEADERS,
    observe_header: no_header,
    events: Events::Closed,
    refusal: openai::refusal,
};

fn recognises(target: &Target) -> Option<Found> {
    let ours = target.host.ends_with("mistral.ai") && target.posts();
    let (_, behind) = target.path.rsplit_once("/v1/conversations").filter(|_| ours)?;
    let mut parts = behind.split('/').skip(1);
    let runs = match (parts.next(), parts.next(), parts.next()) {
        (None, ..) => behind.is_empty() || behind.starts_with('#'),
        (Some(_), None, _) => true,
        (Some(_), Some(verb), None) => verb == "restart" || verb.starts_with("restart#"),
        _ => false,
    };
    // An agent names its model, and so does a conversation that goes on.
    runs.then(|| Found { provider: Some("mistral"), model_is_optional: true, ..Found::default() })
}

// --- the request ---

const SHAPE: Shape =
    Shape { field, uses, says, adds, bound: |_, _| &[K::CompletionArgs, K::MaxTokens], ..Shape::PLAIN };

fn field(path: &[K]) -> Option<Field> {
    Some(match path {
        [K::Model] => Field::Model,
        [K::CompletionArgs] => Field::BoundOwner,
        [K::CompletionArgs, K::MaxTokens] => Field::OutputBound,
        [K::Stream] => Field::Stream,
        [K::Inputs | K::Instructions | K::Tools | K::AgentId] => Field::Once,
        _ => return None,
    })
}

fn uses(path: &[K]) -> Features {
    match path {
        [K::Tools, K::Item] => Features::TOOLS,
        [K::Inputs, K::Item, K::Content, K::Item, K::DocumentUrl | K::FileId] => Features::FILES,
        [K::CompletionArgs, K::ResponseFormat, K::JsonSchema] => Features::JSON_SCHEMA,
        _ => Features::default(),
    }
}

fn says(path: &[K]) -> Option<Says> {
    Some(match path {
        // All others run at Mistral's: <https://docs.mistral.ai/agents/connectors/connectors>.
        [K::Tools, K::Item, K::Type] => |kind| (kind != b"function").then_some(Features::SERVER_TOOLS),
        _ => return None,
    })
}

// --- counting ---

/// The prompt is put together as in chat, by the same templates.
const COUNTING: Counting = Counting { adds, turn: no_turns, image: openai::image, style: "chat" };

/// What a conversation has said before is not seen here.
fn count_prompt(prompt: &Prompt<'_>) -> PromptCount {
    let counted = count(prompt, COUNTING);
    let path = &prompt.route.path;
    let goes_on = [Target::new(b"", b"", path), Target::obliging(b"", b"", path)];
    let goes_on = goes_on.iter().any(|target| target.segment_after("conversations").is_some());
    PromptCount { is_partial: counted.is_partial || goes_on, ..counted }
}

fn adds(path: &[K]) -> Option<Adds> {
    Some(match path {
        [K::Inputs] | [K::Inputs, K::Item] => Adds::Message,
        [K::Instructions] => Adds::Instructions,
        // An agent has instructions and tools of its own.
        [K::AgentId] => Adds::Elsewhere,
        [K::Inputs, K::Item, rest @ ..] => return entry(rest),
        [K::Tools, K::Item, rest @ ..] => return tool(rest),
        [K::CompletionArgs, K::ToolChoice] => Adds::ToolChoice,
        [K::CompletionArgs, K::ResponseFormat, K::JsonSchema, K::Name | K::Description]
        | [K::CompletionArgs, K::ResponseFormat, K::JsonSchema, K::Schema, ..] => Adds::Format,
        _ => return None,
    })
}

/// A message, a call of a function or its result, or what a tool of Mistral's own took and gave.
fn entry(path: &[K]) -> Option<Adds> {
    Some(match path {
        [K::Role] => Adds::Role,
        [K::Content | K::Name | K::Arguments | K::Result] | [K::Content, K::Item, K::Text] => Adds::Text,
        [K::Content, K::Item, K::Thinking, K::Item, K::Text] => Adds::Thoughts,
        [K::Arguments, ..] | [K::Info, ..] => Adds::Json,
        // A call has one, and its result.
        [K::ToolCallId] => Adds::ToolCall,
        [K::Content, K::Item, K::ImageUrl] | [K::Content, K::Item, K::ImageUrl, K::Url] => Adds::Image,
        [K::Content, K::Item, K::DocumentUrl] => Adds::File,
        [K::Content, K::Item, K::FileId] => Adds::FileLink,
        _ => return None,
    })
}

/// The definition of a tool.
fn tool(path: &[K]) -> Option<Adds> {
    Some(match path {
        [] => Adds::Tool,
        [K::Type] => Adds::ToolType,
        [K::Function, K::Name | K::Description] => Adds::ToolText,
        [K::Function, K::Parameters, rest @ ..] => Adds::Schema(rest.len()),
        _ => return None,
    })
}

// --- the answer ---

/// A whole answer, or the events of a stream: `message.output.delta` has a text or a chunk of one,
/// `function.call.delta` and the events of tools have arguments, `conversation.response.done` the usage.
fn observe(answer: &mut Answer, path: &[K], event: Event<'_>) {
    match (path, event) {
        ([K::Model] | [K::Outputs, K::Item, K::Model], _) => answer.model_event(event),
        ([K::Usage, K::ConnectorTokens], Event::Number(n)) => answer.state(Part::ToolInput, n),
        // How often each ran.
        ([K::Usage, K::Connectors, K::WebSearch | K::WebSearchPremium], Event::Number(n)) => {
            answer.add(Part::WebSearches, n);
        }
        ([K::Usage, rest @ ..], _) => openai::observe_usage(answer, rest, event),
        // `conversation.response.error`.
        ([K::Code], Event::Number(_)) => answer.failed = true,
        (_, Event::Text(piece)) if is_written(path) => answer.push_output(piece),
        _ => {}
    }
}

/// Whether the model wrote what stands there, in an entry of the answer or in an event.
fn is_written(path: &[K]) -> bool {
    matches!(
        path.strip_prefix(&[K::Outputs, K::Item]).unwrap_or(path),
        [K::Content | K::Arguments]
            | [K::Content, K::Text]
            | [K::Content, K::Item, K::Text]
            | [K::Content, K::Thinking, K::Item, K::Text]
            | [K::Content, K::Item, K::Thinking, K::Item, K::Text]
    )
}

/// What connectors put into the prompt stands beside it: in the answers that
/// <https://docs.mistral.ai/agents/connectors/document_library> shows, 196 tokens of prompt, 485 of completion and
/// 3,165 of connectors are 3,846 in all. What they cost is not said apart, so they cost what input does.
fn usage(stated: &Stated) -> Option<Usage> {
    let usage = openai::usage(stated)?;
    let is_within = stated.get(Part::Total) == Some(usage.total());
    let beside = if is_within { 0 } else { stated.or_zero(Part::ToolInput) };
    Some(Usage { input: usage.input.saturating_add(beside), ..usage })
}
