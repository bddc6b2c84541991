//! Gemini's Interactions: `POST …/v1beta/interactions` on AI Studio, `…/projects/P/locations/L/interactions` on Vertex AI.
//!
//! Shapes: <https://ai.google.dev/api/interactions-api>, <https://ai.google.dev/gemini-api/docs/interactions-overview>, and
//! the types of the SDKs
//! (<https://github.com/googleapis/python-genai/tree/main/google/genai/_gaos/types/interactions>). Names are in snake_case;
//! the first SDKs sent those of the configuration in camelCase. An `agent` stands in the place of a model: it brings
//! instructions and tools of its own, and a `previous_interaction_id` a history, none of which is seen here. What runs in
//! the background (`background: true`) states no usage in the answer to this call.

use super::google::Side;
use super::prompt::{Adds, Counting, Turn, count};
use super::{
    Dialect, Events, Features, Field, Found, Says, Shape, Target, bare_model, gemini, google, read_json,
};
use crate::json::{Event, Key as K};
use crate::usage::{Answer, Part, Stated, Usage};

pub(super) static DIALECT: Dialect = Dialect {
    name: "gemini-interactions",
    recognises: found,
    read: |body, route| read_json(body, route, SHAPE),
    count_prompt: |prompt| {
        // Vertex puts prompts together otherwise than AI Studio does.
        let is_vertex = memchr::memmem::find(&prompt.route.path, b"/locations/").is_some();
        count(prompt, if is_vertex { Counting { style: "vertex", ..COUNTING } } else { COUNTING })
    },
    observe,
    usage,
    answer_headers: google::TIER_HEADERS,
    observe_header: |answer, _, value| answer.served_in(value),
    events: Events::Interactions,
    refusal: google::refusal,
};

/// Reading, deleting and cancelling stand below an interaction's name: `…/interactions/ID`, `…/interactions/ID/cancel`.
fn found(target: &Target) -> Option<Found> {
    let last = target.segment_from_end(0).filter(|_| target.posts())?;
    let above = target.segment_from_end(1)?;
    let is_one_of = |names: &[&str]| names.iter().any(|name| last.is(name));
    // Behind a proxy's own name Google's versions tell, which others hardly have.
    let at_googles = target.host.ends_with("googleapis.com");
    let is_version =
        (at_googles && above.is("v1")) || ["v1beta", "v1beta1", "v1alpha"].iter().any(|v| above.is(v));
    let is_located = target.segment_from_end(2).is_some_and(|segment| segment.is("locations"));
    // `InteractionsService` by gRPC, whose messages are not read here:
    // <https://docs.cloud.google.com/gemini-enterprise-agent-platform/reference/rpc/google.learning.vertex.api.interactions.v1beta1>.
    let is_ours = if google::is_service(&above.text) {
        is_one_of(&["CreateInteraction", "CreateInteractionStream", "CreateInteractionHttp"])
    } else {
        // <https://docs.cloud.google.com/gemini-enterprise-agent-platform/reference/rest/v1beta1/projects.locations.interactions/createStream>,
        // and `interactionsHttp/create` there.
        (is_version || is_located)
            && is_one_of(&["interactions", "interactions:createStream", "interactionsHttp"])
    };
    let streams = is_one_of(&["interactions:createStream", "CreateInteractionStream"]);
    is_ours.then(|| Found {
        provider: Some("google"),
        // An agent names none.
        model_is_optional: true,
        stream: streams.then_some(true),
        ..Found::default()
    })
}

// --- the request ---

const SHAPE: Shape = Shape {
    field,
    uses,
    says,
    // An agent takes no such configuration (`CreateAgentInteraction` of the SDKs).
    bound: |_, model| {
        if model.is_empty() { &[] } else { &[K::GenerationConfigSnake, K::MaxOutputTokensSnake] }
    },
    ..Shape::PLAIN
};

fn field(path: &[K]) -> Option<Field> {
    Some(match path {
        [K::Model] => Field::Model,
        [K::Stream] => Field::Stream,
        // <https://ai.google.dev/gemini-api/docs/priority-inference>
        [K::ServiceTier] => Field::ServiceTier,
        [K::GenerationConfig | K::GenerationConfigSnake] => Field::BoundOwner,
        [K::GenerationConfig | K::GenerationConfigSnake, K::MaxOutputTokens | K::MaxOutputTokensSnake] => {
            Field::OutputBound
        }
        [K::Input | K::Tools | K::SystemInstruction | K::SystemInstructionSnake] => Field::Once,
        _ => return None,
    })
}

fn uses(path: &[K]) -> Features {
    match path {
        [K::Tools, K::Item] => Features::TOOLS,
        [K::GenerationConfig | K::GenerationConfigSnake, K::SpeechConfig | K::SpeechConfigSnake] => {
            Features::AUDIO
        }
        [K::GenerationConfig | K::GenerationConfigSnake, K::ThinkingLevel | K::ThinkingLevelSnake] => {
            Features::REASONING
        }
        [K::ResponseFormat, K::Schema] | [K::ResponseFormat, K::Item, K::Schema] => Features::JSON_SCHEMA,
        _ => Features::default(),
    }
}

fn says(path: &[K]) -> Option<Says> {
    Some(match path {
        [K::Tools, K::Item, K::Type] => |kind| {
            // The model moves the pointer of the caller's own screen:
            // <https://ai.google.dev/gemini-api/docs/computer-use>.
            let is_callers = kind == b"function" || kind == b"computer_use";
            (!is_callers).then_some(Features::SERVER_TOOLS)
        },
        [
            K::GenerationConfig | K::GenerationConfigSnake,
            K::ThinkingSummaries | K::ThinkingSummariesSnake,
        ] => |summaries| (summaries != b"none").then_some(Features::REASONING),
        [K::ResponseModalities | K::ResponseModalitiesSnake, ..]
        | [K::ResponseFormat, K::Type]
        | [K::ResponseFormat, K::Item, K::Type] => {
            |kind| kind.eq_ignore_ascii_case(b"audio").then_some(Features::AUDIO)
        }
        [K::Input, rest @ ..] if matches!(content(rest), [K::Type] | [K::Result, K::Item, K::Type]) => {
            |kind| {
                Some(match kind {
                    b"image" => Features::VISION,
                    b"audio" => Features::AUDIO,
                    b"video" => Features::VIDEO,
                    b"document" => Features::FILES,
                    _ => return None,
                })
            }
        }
        _ => return None,
    })
}

// --- counting ---

const COUNTING: Counting = Counting { adds, turn, image: google::image, style: "gemini" };

/// What stands below one content or one step: `input` is a content, or a list of contents, of steps or of turns, of which the
/// last two have contents of their own.
fn content(path: &[K]) -> &[K] {
    let unlisted = |path| <[K]>::strip_prefix(path, &[K::Item]).unwrap_or(path);
    match unlisted(path) {
        [K::Content, rest @ ..] => unlisted(rest),
        path => path,
    }
}

/// A signature stands for the thoughts of its turn, which end with the user's next words:
/// <https://ai.google.dev/gemini-api/docs/thought-signatures>.
fn turn(path: &[K]) -> Option<Turn> {
    let [K::Input, K::Item, rest @ ..] = path else { return None };
    Some(match rest {
        [] => Turn::Message,
        // A step's type tells whose it is, and a turn's role.
        [K::Type | K::Role] => Turn::Role,
        [K::Content] => Turn::Words,
        [K::Content, ..] if matches!(content(rest), [K::Text | K::Data | K::Uri]) => Turn::Words,
        _ => return None,
    })
}

fn adds(path: &[K]) -> Option<Adds> {
    Some(match path {
        [K::Input] | [K::Input, K::Item] => Adds::MessageBlock,
        [K::Input, K::Item, K::Content] => Adds::Text,
        [K::Input, K::Item, K::Content, K::Item] => Adds::Block,
        [K::Input, rest @ ..] => return part(content(rest)),
        [K::SystemInstruction | K::SystemInstructionSnake] => Adds::Instructions,
        [K::Tools, K::Item, rest @ ..] => match rest {
            [] => Adds::Tool,
            [K::Type] => Adds::ToolType,
            [K::Name | K::Description] => Adds::ToolText,
            [K::Parameters, rest @ ..] => Adds::Schema(rest.len()),
            _ => return None,
        },
        [K::GenerationConfig | K::GenerationConfigSnake, rest @ ..] => match rest {
            [K::ToolChoice | K::ToolChoiceCamel] | [K::ToolChoice, K::AllowedTools, K::Mode] => {
                Adds::ToolChoice
            }
            _ => return None,
        },
        [K::ResponseFormat, K::Schema, ..] | [K::ResponseFormat, K::Item, K::Schema, ..] => Adds::Format,
        [K::PreviousInteractionId | K::PreviousInteractionIdCamel] => Adds::Stored,
        [K::CachedContent | K::CachedContentSnake] => Adds::Stored,
        // Vertex's own methods put all of it into one object, which is not read here.
        [K::Agent | K::Interaction | K::HttpBody] => Adds::Elsewhere,
        _ => return None,
    })
}

/// A content, or the call or the result of a tool.
fn part(path: &[K]) -> Option<Adds> {
    Some(match path {
        [K::Result, K::Item, rest @ ..] if media(rest).is_some() => return media(rest),
        [K::Id] => Adds::ToolCall,
        [K::CallId] => Adds::ToolResult,
        [K::Name] => Adds::Text,
        [K::Arguments | K::Result, ..] => Adds::Json,
        [K::Signature] => Adds::Sealed,
        // Of a thought the signature counts, and no summary.
        [K::Summary] => Adds::NoMessage,
        _ => return media(path),
    })
}

/// A text, or something in base64, or where it is.
fn media(path: &[K]) -> Option<Adds> {
    Some(match path {
        [] => Adds::Block,
        [K::Text] => Adds::Text,
        [K::Type] => Adds::Kind,
        [K::Data] => Adds::Image,
        [K::Uri] => Adds::ImageLink,
        _ => return None,
    })
}

// --- the answer ---

/// A whole answer is the interaction; in a stream it stands in the first and the last event, and steps come in pieces:
/// <https://ai.google.dev/gemini-api/docs/streaming>. The end of a step states what was used so far (`StepStop` of the
/// SDKs), as may any event (`StreamMetadata`).
fn observe(answer: &mut Answer, path: &[K], event: Event<'_>) {
    match (path, event) {
        ([K::Model] | [K::Interaction, K::Model], _) => {
            answer.model_event(event);
            if ["gemini-1", "gemini-2"].iter().any(|older| bare_model(&answer.model).starts_with(older)) {
                answer.stated.set(Part::SearchesByPrompt, 1);
            }
        }
        ([K::ServiceTier] | [K::Interaction, K::ServiceTier], _) => answer.service_tier_event(event),
        (
            [K::Usage, rest @ ..]
            | [K::Interaction, K::Usage, rest @ ..]
            | [K::Metadata, K::TotalUsage, rest @ ..],
            _,
        ) => stated(answer, rest, event),
        ([K::Error], Event::Begin(_)) => answer.failed = true,
        // Pieces of a step, the beginning of one, and whole ones: what is written, what is called with what, and what the
        // model shows of its thoughts.
        (
            [K::Delta, K::Text | K::PartialArguments]
            | [K::Delta, K::Arguments, ..]
            | [K::Delta, K::Content, K::Text]
            | [K::Step, K::Content | K::Summary, K::Item, K::Text]
            | [K::Step, K::Arguments, ..]
            | [K::Steps, K::Item, K::Content | K::Summary, K::Item, K::Text]
            | [K::Steps, K::Item, K::Arguments, ..],
            Event::Text(piece),
        ) => answer.push_output(piece),
        _ => {}
    }
}

/// `Usage` of the SDKs.
fn stated(answer: &mut Answer, path: &[K], event: Event<'_>) {
    match (path, event) {
        ([count], Event::Number(n)) => {
            let part = match count {
                K::TotalInputTokens => Part::Input,
                K::TotalOutputTokens => Part::Output,
                K::TotalThoughtTokens => Part::Reasoning,
                K::TotalToolUseTokens => Part::ToolInput,
                K::TotalCachedTokens => Part::CacheRead,
                K::TotalTokens => Part::Total,
                _ => return,
            };
            answer.state(part, n);
        }
        // `{"modality": "audio", "tokens": 5}`, `{"type": "google_search", "count": 2}`, in either order.
        ([_, K::Item], Event::Begin(_)) => {
            answer.note.clear();
            answer.noted = None;
        }
        ([_, K::Item, K::Modality | K::Type], _) => answer.note_event(event),
        ([_, K::Item, K::Tokens | K::Count], Event::Number(n)) => answer.noted = n.as_count(),
        ([list, K::Item], Event::End) => {
            let Some(count) = answer.noted.take() else { return };
            let part = match list {
                K::InputTokensByModality => google::modality(Side::Input, &answer.note),
                K::CachedTokensByModality => google::modality(Side::Cache, &answer.note),
                K::OutputTokensByModality => google::modality(Side::Output, &answer.note),
                K::GroundingToolCount if answer.note.eq_ignore_ascii_case(b"google_search") => {
                    Some(Part::WebSearches)
                }
                _ => None,
            };
            let Some(part) = part else { return };
            answer.stated.set(part, count);
        }
        _ => {}
    }
}

/// Thoughts stand beside the output, and what tools put into the prompt beside the input, as in `generateContent`. A sum
/// alone tells neither.
fn usage(stated: &Stated) -> Option<Usage> {
    stated.get(Part::Input).or(stated.get(Part::Output))?;
    gemini::usage(stated)
}
