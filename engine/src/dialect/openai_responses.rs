//! OpenAI Responses: `POST …/responses`, on Azure, xAI and others too.
//!
//! Shapes: <https://platform.openai.com/docs/api-reference/responses>. A `previous_response_id` or a
//! `conversation` brings a history that is not seen here: the estimate is of what is seen.

use super::prompt::{Adds, Counting, Turn, count};
use super::{
    Dialect, Events, Features, Field, Found, NO_HEADERS, Says, Shape, Target, azure, no_header, openai,
    read_json,
};
use crate::json::{Event, Key as K};
use crate::usage::{Answer, Part, Stated, Usage};

pub(super) static DIALECT: Dialect = Dialect {
    name: "openai-responses",
    recognises: |target| {
        let ours = target.posts_to("/responses") || target.posts_to("/responses/compact") || is_agent(target);
        // A stored prompt names its model.
        ours.then(|| Found { model_is_optional: true, ..azure::found(target) })
    },
    read: |body, route| read_json(body, route, SHAPE),
    count_prompt: |prompt| count(prompt, COUNTING),
    observe,
    usage,
    answer_headers: NO_HEADERS,
    observe_header: no_header,
    events: Events::Responses,
    refusal: openai::refusal,
};

/// Perplexity's own name for it, of which `/v1/responses` is an alias; a preset may name the model:
/// <https://docs.perplexity.ai/docs/grounded-llm/openai-compatibility>.
fn is_agent(target: &Target) -> bool {
    target.posts_to("/v1/agent") && target.host.ends_with("perplexity.ai")
}

const SHAPE: Shape = Shape {
    field,
    uses,
    says,
    adds,
    tunes: &[K::Temperature, K::TopP, K::TopLogprobs],
    bound: |_, _| &[K::MaxOutputTokensSnake],
    ..Shape::PLAIN
};

fn field(path: &[K]) -> Option<Field> {
    Some(match path {
        [K::Model] => Field::Model,
        [K::MaxOutputTokensSnake] => Field::OutputBound,
        [K::Stream] => Field::Stream,
        [K::ServiceTier] => Field::ServiceTier,
        [K::User | K::SafetyIdentifier] | [K::Metadata, K::UserId] => Field::EndUser,
        [K::Reasoning, K::Effort] => Field::Effort,
        [K::Input | K::Tools | K::Instructions] => Field::Once,
        _ => return None,
    })
}

fn uses(path: &[K]) -> Features {
    match path {
        [K::Tools, K::Item] => Features::TOOLS,
        [K::Input, K::Item, K::Content | K::Output, K::Item, K::FileDataSnake | K::FileId | K::FileUrl] => {
            Features::FILES
        }
        [K::Input, K::Item, K::Content, K::Item, K::InputAudio] => Features::AUDIO,
        [K::Text, K::Format, K::Schema] => Features::JSON_SCHEMA,
        [K::Reasoning] => Features::REASONING,
        [K::TopLogprobs] => Features::LOGPROBS,
        _ => Features::default(),
    }
}

fn says(path: &[K]) -> Option<Says> {
    Some(match path {
        [K::Tools, K::Item, K::Type] => |kind| match kind {
            // Those that the caller runs, the screen of a computer among them:
            // <https://platform.openai.com/docs/guides/tools>, <https://platform.openai.com/docs/guides/tools-computer-use>.
            b"function" | b"custom" | b"namespace" | b"local_shell" | b"shell" | b"apply_patch" => None,
            b"computer" | b"computer_use_preview" => None,
            _ => Some(Features::SERVER_TOOLS),
        },
        // A shell runs where its environment is: <https://platform.openai.com/docs/guides/tools-shell>.
        [K::Tools, K::Item, K::Environment, K::Type] => {
            |kind| (kind != b"local").then_some(Features::SERVER_TOOLS)
        }
        [K::Include, K::Item] => {
            |what| (what == b"message.output_text.logprobs").then_some(Features::LOGPROBS)
        }
        _ => return None,
    })
}

const COUNTING: Counting = Counting { adds, turn, image: openai::image, style: "responses" };

/// "Reasoning items … from before the last user message" are dropped:
/// <https://platform.openai.com/docs/guides/reasoning#keeping-reasoning-items-in-context>.
fn turn(path: &[K]) -> Option<Turn> {
    Some(match path {
        [K::Input, K::Item] => Turn::Message,
        [K::Input, K::Item, K::Role] => Turn::Role,
        [K::Input, K::Item, K::Content] | [K::Input, K::Item, K::Content, K::Item, K::Text] => Turn::Words,
        _ => return None,
    })
}

/// The definition of a tool.
fn tool(path: &[K]) -> Option<Adds> {
    Some(match path {
        [] => Adds::Tool,
        [K::Type] => Adds::ToolType,
        [K::Name | K::Description] | [K::Format, K::Definition] => Adds::ToolText,
        [K::Parameters, rest @ ..] => Adds::Schema(rest.len()),
        _ => return None,
    })
}

fn adds(path: &[K]) -> Option<Adds> {
    Some(match path {
        [K::Input] | [K::Input, K::Item] => Adds::Message,
        [K::Instructions] => Adds::Instructions,
        [K::Input, K::Item, K::Content | K::Name | K::Arguments | K::Output | K::Input]
        | [K::Input, K::Item, K::Content | K::Output, K::Item, K::Text | K::Refusal] => Adds::Text,
        [K::Input, K::Item, K::Content | K::Output, K::Item] => Adds::Block,
        [K::Input, K::Item, K::Content | K::Output, K::Item, K::Type] => Adds::Kind,
        // The second is the picture of a screen (`ResponseComputerToolCallOutputScreenshot` of the SDKs).
        [K::Input, K::Item, K::Content | K::Output, K::Item, K::ImageUrl]
        | [K::Input, K::Item, K::Output, K::ImageUrl] => Adds::Image,
        [K::Input, K::Item, K::Output, K::FileId] => Adds::ImageLink,
        [K::Input, K::Item, K::Content | K::Output, K::Item, K::Detail] => Adds::Detail,
        [K::Input, K::Item, K::Content | K::Output, K::Item, K::FileDataSnake] => Adds::File,
        [K::Input, K::Item, K::Content | K::Output, K::Item, K::FileId | K::FileUrl] => Adds::FileLink,
        [K::Tools, K::Item, K::DeferLoading] => Adds::DeferredSchema,
        // "For a namespace … the model sees only the namespace … name and description":
        // <https://developers.openai.com/api/docs/guides/tools-tool-search>.
        [K::Tools, K::Item, K::Tools, K::Item, K::DeferLoading] => Adds::Deferred,
        [K::Tools, K::Item, K::Tools, K::Item, rest @ ..] | [K::Tools, K::Item, rest @ ..] => {
            return tool(rest);
        }
        // What a search found, or a server has: those without a schema take nothing.
        [K::Input, K::Item, K::Tools, K::Item, K::Tools, K::Item, rest @ ..]
        | [K::Input, K::Item, K::Tools, K::Item, rest @ ..] => match rest {
            [] => Adds::Function,
            [K::InputSchema, rest @ ..] => Adds::Schema(rest.len()),
            rest => return tool(rest),
        },
        [K::Input, K::Item, K::Summary] => Adds::NoMessage,
        [K::Input, K::Item, K::EncryptedContent] => Adds::Sealed,
        [K::PreviousResponseId | K::Conversation] => Adds::Stored,
        [K::Prompt] => Adds::Elsewhere,
        [K::Prompt, K::Variables, _] | [K::Prompt, K::Variables, _, K::Text] => Adds::Text,
        [K::ToolChoice] | [K::ToolChoice, K::Type] => Adds::ToolChoice,
        [K::ToolChoice, K::Name] => Adds::ForcedTool,
        [K::Input, K::Item, K::CallId] => Adds::ToolCall,
        // What programs took and wrote, and what searches found.
        [K::Input, K::Item, K::Code] | [K::Input, K::Item, K::Results, K::Item, K::Text] => Adds::Text,
        // What is said of a text, such as its sources, is not read again.
        [K::Input, K::Item, K::Content, ..] => return None,
        [K::Input, K::Item, _, .., K::Other] | [K::Input, K::Item, _, .., K::Other, K::Item] => Adds::Text,
        [K::Text, K::Format, K::Name | K::Description] | [K::Text, K::Format, K::Schema, ..] => Adds::Format,
        _ => return None,
    })
}

/// The usage comes in the response object, alone or inside the last event (`response.completed`).
fn observe(answer: &mut Answer, path: &[K], event: Event<'_>) {
    if let [K::Output, item @ ..] | [K::Response, K::Output, item @ ..] = path {
        searches(answer, item, event);
    }
    match (path, event) {
        ([K::Model] | [K::Response, K::Model], _) => answer.model_event(event),
        ([K::ServiceTier] | [K::Response, K::ServiceTier], _) => answer.service_tier_event(event),
        ([K::Usage, rest @ ..] | [K::Response, K::Usage, rest @ ..], _) => {
            openai::observe_usage(answer, rest, event);
        }
        ([K::ToolUsage, K::ImageGen, rest @ ..] | [K::Response, K::ToolUsage, K::ImageGen, rest @ ..], _) => {
            drawn(answer, rest, event);
        }
        ([K::Tools, K::Item, K::Model] | [K::Response, K::Tools, K::Item, K::Model], _) => {
            answer.other_model_event(event);
        }
        ([K::Error] | [K::Response, K::Error], Event::Begin(_)) => answer.failed = true,
        // Deltas of any kind in a stream; the texts of a whole answer.
        ([K::Delta], Event::Text(piece))
        | (
            [K::Output, K::Item, K::Content, K::Item, K::Text] | [K::Output, K::Item, K::Arguments],
            Event::Text(piece),
        ) => {
            answer.push_output(piece);
        }
        _ => {}
    }
}

/// What the model of the tool `image_generation` used, beside `usage`, as recorded; the tool names its model.
fn drawn(answer: &mut Answer, path: &[K], event: Event<'_>) {
    let part = match path {
        [K::InputTokens] => Part::OtherInput,
        [K::InputTokensDetails, K::ImageTokens] => Part::OtherInputImage,
        [K::OutputTokens] => Part::OtherOutput,
        [K::OutputTokensDetails, K::ImageTokens] => Part::OtherOutputImage,
        _ => return,
    };
    if let Event::Number(n) = event {
        answer.state(part, n);
        // "Default: gpt-image-1": <https://platform.openai.com/docs/api-reference/responses/create>.
        answer.other_model_unless_named("gpt-image-1");
    }
}

/// That of the call, and that of the model that draws.
fn usage(stated: &Stated) -> Option<Usage> {
    let usage = openai::usage(stated)?;
    Some(usage.with(stated.of_another_model().unwrap_or_default()))
}

/// Counts searches of the web: `web_search_call`s, less those that only open or read a page
/// (<https://platform.openai.com/docs/guides/tools-web-search#output-and-citations>: the action `search`
/// "incurs a tool call cost"). Each document of a stream has the whole list.
fn searches(answer: &mut Answer, path: &[K], event: Event<'_>) {
    const SEARCH: u64 = 1;
    const OTHER_ACTION: u64 = 2;
    match (path, event) {
        ([], Event::Begin(_)) => answer.stated.set(Part::WebSearches, 0),
        ([K::Item], Event::Begin(_)) => answer.noted = Some(0),
        ([K::Item, K::Type] | [K::Item, K::Action, K::Type], Event::TextEnd { .. }) => {
            let found = match (path.len(), answer.note.as_slice()) {
                (2, b"web_search_call") => SEARCH,
                (3, b"open_page" | b"find" | b"find_in_page") => OTHER_ACTION,
                _ => 0,
            };
            answer.noted = answer.noted.map(|noted| noted | found);
        }
        ([K::Item, K::Type] | [K::Item, K::Action, K::Type], _) => answer.note_event(event),
        ([K::Item], Event::End) if answer.noted.take() == Some(SEARCH) => {
            let count = answer.stated.or_zero(Part::WebSearches).saturating_add(1);
            answer.stated.set(Part::WebSearches, count);
        }
        _ => {}
    }
}
