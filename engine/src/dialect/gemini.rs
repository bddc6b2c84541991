//! Gemini: `…/models/M:generateContent`, `:streamGenerateContent`, embeddings, on AI Studio and Vertex AI. The
//! model stands in the path.
//!
//! Shapes: <https://ai.google.dev/api/generate-content>. The APIs read Proto JSON, which takes every name in
//! camelCase and in snake_case: <https://protobuf.dev/programming-guides/json/>.

use super::google::{self, Side};
use super::parts::PromptPart;
use super::prompt::{Adds, Counting, Turn, count};
use super::{Dialect, Events, Features, Field, Found, Opaque, Says, Shape, Target, features, read_json};
use crate::json::{Event, Key as K};
use crate::usage::{Answer, Part, Stated, Usage};

pub(super) const BASE: Dialect = Dialect {
    name: "gemini-generate",
    recognises: |_| None,
    read: |body, route| read_json(body, route, SHAPE),
    count_prompt: |prompt| {
        // Vertex puts prompts together otherwise than AI Studio does.
        let is_vertex = memchr::memmem::find(&prompt.route.path, b"/publishers/").is_some();
        count(prompt, if is_vertex { Counting { style: "vertex", ..COUNTING } } else { COUNTING })
    },
    observe,
    usage,
    answer_headers: google::TIER_HEADERS,
    observe_header: |answer, _, value| answer.served_in(value),
    events: Events::Documents,
    refusal: google::refusal,
};

pub(super) static GENERATE: Dialect =
    Dialect { recognises: |target| found(target, &["generateContent", "streamGenerateContent"]), ..BASE };

pub(super) static EMBED: Dialect = Dialect {
    name: "gemini-embed",
    recognises: |target| found(target, &["embedContent", "batchEmbedContents"]),
    read: |body, route| read_json(body, route, Shape { outputs: false, ..SHAPE }),
    ..BASE
};

/// Many requests in one body or a file, which are answered later and fetched by a call that is none of these. What
/// they cost is not known when they pass, so that they are left to the rule for what cannot be read:
/// <https://ai.google.dev/api/batch-api>.
pub(super) static BATCH: Dialect = Dialect {
    name: "gemini-batch",
    recognises: |target| found(target, &["batchGenerateContent", "asyncBatchEmbedContent"]),
    read: |_, _| Err(Opaque(Opaque::BATCH.to_owned())),
    ..BASE
};

/// Counting tokens costs nothing: <https://ai.google.dev/gemini-api/docs/tokens>.
pub(super) static COUNT: Dialect = Dialect {
    name: "gemini-count-tokens",
    recognises: |target| Some(Found { is_free: true, ..found(target, &["countTokens", "computeTokens"])? }),
    ..BASE
};

pub(super) fn found(target: &Target, verbs: &[&str]) -> Option<Found> {
    let last = target.segment_from_end(0).filter(|_| target.posts())?;
    if target.segment_from_end(1).is_some_and(|service| google::is_service(&service.text)) {
        // The same methods by gRPC, whose messages are not read here: the policy's rule for such bodies holds.
        let streams = last.is("StreamGenerateContent");
        let ours = verbs.iter().any(|verb| last.is(verb));
        let stream = Some(streams);
        return ours.then(|| Found {
            provider: Some("google"),
            model_is_optional: true,
            stream,
            ..Found::default()
        });
    }
    let (name, verb) = last.text.rsplit_once(':')?;
    let above = target.segment_from_end(1)?.text.to_ascii_lowercase();
    let is_model = ["models", "tunedmodels", "endpoints"].contains(&above.as_str())
        && !target.path.contains("/anthropic/");
    if !is_model || !verbs.iter().any(|known| known.eq_ignore_ascii_case(verb)) {
        return None;
    }
    let model = super::model_before_colon(last, name);
    let stream = Some(verb.eq_ignore_ascii_case("streamGenerateContent"));
    Some(Found { provider: Some("google"), model: Some(model), stream, ..Found::default() })
}

// --- the request ---

const SHAPE: Shape = Shape {
    field,
    uses,
    says,
    unsaid,
    bound: |_, _| &[K::GenerationConfig, K::MaxOutputTokens],
    ..Shape::PLAIN
};

fn field(path: &[K]) -> Option<Field> {
    Some(match path {
        [K::GenerationConfig | K::GenerationConfigSnake, rest @ ..] => match rest {
            [] => Field::BoundOwner,
            [K::MaxOutputTokens | K::MaxOutputTokensSnake] => Field::OutputBound,
            [K::CandidateCount | K::CandidateCountSnake] => Field::Choices,
            [K::ThinkingConfig | K::ThinkingConfigSnake, K::ThinkingBudget | K::ThinkingBudgetSnake] => {
                Field::ThinkingBudget
            }
            _ => return None,
        },
        [K::ServiceTier | K::ServiceTierCamel] => Field::ServiceTier,
        [K::Contents | K::Tools | K::SystemInstruction | K::SystemInstructionSnake] => Field::Once,
        _ => return None,
    })
}

fn uses(path: &[K]) -> Features {
    match path {
        // The model moves the pointer of the caller's own screen:
        // <https://ai.google.dev/gemini-api/docs/computer-use>.
        [K::Tools, rest @ ..] => match unlisted(rest) {
            [
                K::FunctionDeclarations | K::FunctionDeclarationsSnake | K::ComputerUse | K::ComputerUseSnake,
            ] => Features::TOOLS,
            [_] => Features::TOOLS.and(Features::SERVER_TOOLS),
            _ => Features::default(),
        },
        // <https://ai.google.dev/gemini-api/docs/speech-generation>.
        [K::GenerationConfig | K::GenerationConfigSnake, K::SpeechConfig | K::SpeechConfigSnake] => {
            Features::AUDIO
        }
        [
            K::GenerationConfig | K::GenerationConfigSnake,
            K::ResponseSchema | K::ResponseSchemaSnake | K::ResponseJsonSchema | K::ResponseJsonSchemaSnake,
        ] => Features::JSON_SCHEMA,
        // A budget of 0 turns it off: <https://ai.google.dev/gemini-api/docs/thinking#set-budget>.
        [K::GenerationConfig | K::GenerationConfigSnake, K::ThinkingConfig | K::ThinkingConfigSnake, _] => {
            Features::REASONING
        }
        [K::GenerationConfig | K::GenerationConfigSnake, K::ResponseLogprobs | K::ResponseLogprobsSnake] => {
            Features::LOGPROBS
        }
        _ => Features::default(),
    }
}

fn says(path: &[K]) -> Option<Says> {
    Some(match path {
        [.., K::Parts, K::Item, data, detail] | [.., K::Parts, data, detail] if is_data(*data) => {
            match detail {
                K::MimeType | K::MimeTypeSnake => features::of_media_type,
                // A video that is on YouTube needs no type: <https://ai.google.dev/gemini-api/docs/video-understanding>.
                K::FileUri | K::FileUriSnake => |uri| {
                    const VIDEOS: [&[u8]; 2] = [b"youtube.com/", b"youtu.be/"];
                    let is_video = VIDEOS.iter().any(|host| memchr::memmem::find(uri, host).is_some());
                    is_video.then_some(Features::VIDEO)
                },
                _ => return None,
            }
        }
        [
            K::GenerationConfig | K::GenerationConfigSnake,
            K::ResponseModalities | K::ResponseModalitiesSnake,
            ..,
        ] => |modality| modality.eq_ignore_ascii_case(b"audio").then_some(Features::AUDIO),
        _ => return None,
    })
}

/// What a file is, its type says; without one it may be a picture.
fn unsaid(path: &[K]) -> Features {
    match path {
        [.., K::Parts, K::Item, data] | [.., K::Parts, data] if is_data(*data) => {
            Features::VISION.and(Features::FILES)
        }
        _ => Features::default(),
    }
}

const fn is_data(key: K) -> bool {
    matches!(key, K::InlineData | K::InlineDataSnake | K::FileData | K::FileDataSnake)
}

// --- counting ---

pub(super) const COUNTING: Counting = Counting { adds, turn, image: google::image, style: "gemini" };

/// A signature stands for the thoughts of its turn, which end with the user's next words:
/// <https://ai.google.dev/gemini-api/docs/thought-signatures>.
fn turn(path: &[K]) -> Option<Turn> {
    let [K::Contents, rest @ ..] = path else { return None };
    Some(match unlisted(rest) {
        [] => Turn::Message,
        [K::Role] => Turn::Role,
        [K::Parts, rest @ ..] => match unlisted(rest) {
            [K::Text] | [K::InlineData | K::InlineDataSnake | K::FileData | K::FileDataSnake, _] => {
                Turn::Words
            }
            _ => return None,
        },
        _ => return None,
    })
}

/// The API takes one object in place of a list of one: what stands below either.
fn unlisted(path: &[K]) -> &[K] {
    path.strip_prefix(&[K::Item]).unwrap_or(path)
}

fn adds(path: &[K]) -> Option<Adds> {
    Some(match path {
        [K::Requests, rest @ ..] => match unlisted(rest) {
            [K::Content, rest @ ..] => return content(rest),
            _ => return None,
        },
        [K::Contents] | [K::Contents, K::Item] => Adds::Message,
        [K::SystemInstruction | K::SystemInstructionSnake] => Adds::Instructions,
        [K::Contents | K::SystemInstruction | K::SystemInstructionSnake | K::Content, rest @ ..] => {
            return content(rest);
        }
        [K::Tools, rest @ ..] => return tool(unlisted(rest)),
        [K::CachedContent | K::CachedContentSnake] => Adds::Stored,
        [
            K::ToolConfig | K::ToolConfigSnake,
            K::FunctionCallingConfig | K::FunctionCallingConfigSnake,
            K::Mode,
        ] => Adds::ToolChoice,
        [
            K::GenerationConfig | K::GenerationConfigSnake,
            K::ResponseSchema | K::ResponseSchemaSnake | K::ResponseJsonSchema | K::ResponseJsonSchemaSnake,
            ..,
        ] => Adds::Format,
        _ => return None,
    })
}

fn content(path: &[K]) -> Option<Adds> {
    match unlisted(path) {
        [K::Parts, rest @ ..] => part_of(unlisted(rest)),
        _ => None,
    }
}

fn tool(path: &[K]) -> Option<Adds> {
    Some(match path {
        [K::FunctionDeclarations | K::FunctionDeclarationsSnake, rest @ ..] => match unlisted(rest) {
            // One declaration, not the list of them.
            [] => Adds::Function,
            [K::Name | K::Description] => Adds::ToolText,
            [K::Parameters | K::ParametersJsonSchema | K::ParametersJsonSchemaSnake, rest @ ..] => {
                Adds::Schema(rest.len())
            }
            _ => return None,
        },
        [K::GoogleSearch | K::GoogleSearchSnake | K::GoogleSearchRetrieval] => {
            Adds::OwnTool(PromptPart::SearchTools)
        }
        [K::UrlContext | K::UrlContextSnake] => Adds::OwnTool(PromptPart::FetchTools),
        [K::CodeExecution | K::CodeExecutionSnake] => Adds::OwnTool(PromptPart::CodeTools),
        [_] => Adds::OwnTool(PromptPart::ServerTools),
        _ => return None,
    })
}

fn part_of(path: &[K]) -> Option<Adds> {
    Some(match path {
        [K::Text]
        | [K::ExecutableCode | K::ExecutableCodeSnake, K::Code]
        | [K::CodeExecutionResult | K::CodeExecutionResultSnake, K::Output] => Adds::Text,
        [K::ThoughtSignature | K::ThoughtSignatureSnake] => Adds::Sealed,
        [
            K::FunctionCallCamel | K::FunctionCall | K::FunctionResponse | K::FunctionResponseSnake,
            rest @ ..,
        ] => match rest {
            [] if matches!(path, [K::FunctionResponse | K::FunctionResponseSnake]) => Adds::ToolResult,
            [] => Adds::ToolCall,
            [K::Name] => Adds::Text,
            [K::Args | K::Response, ..] => Adds::Json,
            [K::Parts, rest @ ..] => return data_of(unlisted(rest)),
            _ => return None,
        },
        _ => return data_of(path),
    })
}

fn data_of(path: &[K]) -> Option<Adds> {
    Some(match path {
        [K::FileData | K::FileDataSnake] => Adds::Block,
        [K::FileData | K::FileDataSnake, K::MimeType | K::MimeTypeSnake] => Adds::Kind,
        [K::InlineData | K::InlineDataSnake, K::Data] => Adds::Image,
        [K::FileData | K::FileDataSnake, K::FileUri | K::FileUriSnake] => Adds::ImageLink,
        _ => return None,
    })
}

// --- the answer ---

fn observe(answer: &mut Answer, path: &[K], event: Event<'_>) {
    match (path, event) {
        ([K::ModelVersion], _) => {
            answer.model_event(event);
            if ["gemini-1", "gemini-2"].iter().any(|older| answer.model.starts_with(older)) {
                answer.stated.set(Part::SearchesByPrompt, 1);
            }
        }
        // Vertex says how it was served, AI Studio in which tier:
        // <https://docs.cloud.google.com/vertex-ai/generative-ai/docs/priority-paygo>.
        ([K::UsageMetadata, K::TrafficType | K::ServiceTierCamel], _) => answer.service_tier_event(event),
        ([K::Candidates, K::Item, K::GroundingMetadata, K::WebSearchQueries, ..], _) => {
            searches(answer, path, event);
        }
        ([K::UsageMetadata, count], Event::Number(n)) => {
            let part = match count {
                K::PromptTokenCount => Part::Input,
                K::CandidatesTokenCount => Part::Output,
                K::ThoughtsTokenCount => Part::Reasoning,
                K::ToolUsePromptTokenCount => Part::ToolInput,
                K::CachedContentTokenCount => Part::CacheRead,
                K::TotalTokenCount => Part::Total,
                _ => return,
            };
            answer.state(part, n);
        }
        ([K::UsageMetadata, list, K::Item, ..], _) => modality(answer, *list, path, event),
        (
            [K::Statistics, K::TokenCount]
            | [K::Predictions, K::Item, K::Embeddings, K::Statistics, K::TokenCountSnake],
            Event::Number(n),
        ) => {
            answer.add(Part::Input, n);
        }
        ([K::Error], Event::Begin(_)) => answer.failed = true,
        ([K::Candidates, K::Item, K::Content, K::Parts, K::Item, K::Text], Event::Text(piece)) => {
            answer.push_output(piece);
        }
        (
            [K::Candidates, K::Item, K::Content, K::Parts, K::Item, K::FunctionCallCamel, K::Args, ..]
            | [K::Candidates, K::Item, K::Content, K::Parts, K::Item, K::ExecutableCode, K::Code],
            Event::Text(piece),
        ) => {
            answer.push_output(piece);
        }
        _ => {}
    }
}

/// Counts a candidate's queries; chunks of a stream repeat them.
fn searches(answer: &mut Answer, path: &[K], event: Event<'_>) {
    match (path.len(), event) {
        (4, Event::Begin(_)) => answer.noted = Some(0),
        (5, Event::TextBegin { .. }) => answer.noted = answer.noted.map(|count| count.saturating_add(1)),
        (4, Event::End) => {
            let before = answer.stated.or_zero(Part::WebSearches);
            answer.stated.set(Part::WebSearches, answer.noted.take().unwrap_or(0).max(before));
        }
        _ => {}
    }
}

/// `{"modality": "AUDIO", "tokenCount": 5}`, in either order.
fn modality(answer: &mut Answer, list: K, path: &[K], event: Event<'_>) {
    match (path, event) {
        ([_, _, _], Event::Begin(_)) => {
            answer.note.clear();
            answer.noted = None;
        }
        ([_, _, _, K::Modality], _) => answer.note_event(event),
        ([_, _, _, K::TokenCount], Event::Number(n)) => answer.noted = n.as_count(),
        ([_, _, _], Event::End) => {
            let Some(count) = answer.noted.take() else { return };
            let side = match list {
                K::PromptTokensDetailsCamel => Side::Input,
                K::CacheTokensDetails => Side::Cache,
                K::CandidatesTokensDetails => Side::Output,
                _ => return,
            };
            let Some(part) = google::modality(side, &answer.note) else { return };
            answer.stated.set(part, count);
        }
        _ => {}
    }
}

/// Thoughts stand beside the candidates, and what tools put into the prompt beside the prompt:
/// <https://ai.google.dev/api/generate-content#UsageMetadata>.
pub(super) fn usage(stated: &Stated) -> Option<Usage> {
    let (input, output) = (stated.get(Part::Input), stated.get(Part::Output));
    input.or(output).or(stated.get(Part::Total))?;
    // Until Gemini 2.5 a prompt that was searched for is charged, since Gemini 3 each query:
    // <https://ai.google.dev/gemini-api/docs/google-search#pricing>.
    let searches = stated.or_zero(Part::WebSearches);
    let by_prompt = stated.get(Part::SearchesByPrompt).is_some();
    Some(Usage {
        web_searches: if by_prompt { searches.min(1) } else { searches },
        input: input.unwrap_or(0).saturating_add(stated.or_zero(Part::ToolInput)),
        cache_read: stated.or_zero(Part::CacheRead),
        input_audio: stated.or_zero(Part::InputAudio),
        input_image: stated.or_zero(Part::InputImage),
        input_video: stated.or_zero(Part::InputVideo),
        cache_read_audio: stated.or_zero(Part::CacheReadAudio),
        cache_read_image: stated.or_zero(Part::CacheReadImage),
        output: output.unwrap_or(0).saturating_add(stated.or_zero(Part::Reasoning)),
        reasoning: stated.or_zero(Part::Reasoning),
        output_audio: stated.or_zero(Part::OutputAudio),
        output_image: stated.or_zero(Part::OutputImage),
        ..Usage::default()
    })
}
