//! Amazon Bedrock: `/model/M/converse`, `/converse-stream`, `/invoke`, `/invoke-with-response-stream`. The model
//! stands in the path; streams are AWS event streams.
//!
//! Shapes: <https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_Converse.html>,
//! <https://docs.aws.amazon.com/bedrock/latest/userguide/model-parameters.html> (a body of its own for each
//! family under `invoke`; their names do not clash, so one reader takes them all).

use super::parts::PromptPart;
use super::prompt::{Adds, Counting, Turn, count};
use super::{Dialect, Events, Features, Field, Found, Says, Shape, Target, anthropic, features, read_json};
use crate::json::{Event, Key as K, Number};
use crate::refusal::{Refusal, RefusalKind, Written};
use crate::units::EpochMs;
use crate::usage::{Answer, Part, Stated, Usage};
use serde_json::Value;

const BASE: Dialect = Dialect {
    name: "bedrock-converse",
    recognises: |_| None,
    read: |body, route| read_json(body, route, SHAPE),
    count_prompt: |prompt| count(prompt, COUNTING),
    observe,
    usage,
    answer_headers: HEADERS,
    observe_header,
    events: Events::Closed,
    refusal,
};

pub(super) static CONVERSE: Dialect =
    Dialect { recognises: |target| found(target, "converse", "converse-stream"), ..BASE };

pub(super) static INVOKE: Dialect = Dialect {
    name: "bedrock-invoke",
    recognises: |target| found(target, "invoke", "invoke-with-response-stream"),
    read: |body, route| {
        let model = route.model.as_ref().map(|model| model.name.to_ascii_lowercase()).unwrap_or_default();
        let writes_no_text = NO_TEXT.iter().any(|word| model.contains(word));
        read_json(body, route, if writes_no_text { NO_TEXT_SHAPE } else { INVOKE_SHAPE })
    },
    ..BASE
};

/// Words in the names of models that embed, rank, draw, film or speak. What bounds an answer elsewhere is refused by
/// these (Titan: "extraneous key [textGenerationConfig] is not permitted",
/// <https://github.com/aws-samples/serverless-pdf-chat/issues/35>) or means something else: `max_tokens` of Cohere's Embed v4
/// cuts the documents (<https://docs.aws.amazon.com/bedrock/latest/userguide/model-parameters-embed-v4.html>).
const NO_TEXT: &[&str] = &["embed", "rerank", "image", "canvas", "reel", "stability.", "sonic", "marengo"];

const NO_TEXT_SHAPE: Shape = Shape {
    field: |path| match field(path) {
        Some(Field::OutputBound | Field::BoundOwner) => None,
        other => other,
    },
    outputs: false,
    bound: |_, _| &[],
    ..SHAPE
};

/// Counting tokens costs nothing:
/// <https://docs.aws.amazon.com/bedrock/latest/userguide/count-tokens.html>.
pub(super) static COUNT: Dialect = Dialect {
    name: "bedrock-count-tokens",
    recognises: |target| Some(Found { is_free: true, ..found(target, "count-tokens", "count-tokens")? }),
    ..BASE
};

fn found(target: &Target, whole: &str, streamed: &str) -> Option<Found> {
    let verb = target.segment_from_end(0).filter(|_| target.posts())?;
    let model = target.segment_from_end(1).filter(|_| target.path.contains("/model/"))?;
    if !verb.is(whole) && !verb.is(streamed) {
        return None;
    }
    let model = super::PathModel { name: model.text.clone(), span: model.span.clone() };
    let stream = Some(verb.is(streamed));
    Some(Found { provider: Some("aws"), model: Some(model), stream, ..Found::default() })
}

// --- the request ---

const SHAPE: Shape = Shape {
    field,
    uses,
    says,
    unsaid,
    // Bodies of Anthropic's say themselves what is an image.
    adds: |path| match path {
        [K::Messages, K::Item, K::Content, K::Item, rest @ ..] => block(rest),
        _ => None,
    },
    bound: |_, _| &[K::InferenceConfig, K::MaxTokensCamel],
    ..Shape::PLAIN
};

const INVOKE_SHAPE: Shape = Shape { bound: |_, model| invoke_bound(model), ..SHAPE };

/// Each family has its own name for it; a profile's ARN does not say which family it is.
fn invoke_bound(model: &str) -> &'static [K] {
    let has = |words: &[&str]| words.iter().any(|word| model.contains(word));
    match () {
        () if has(&["titan"]) => &[K::TextGenerationConfig, K::MaxTokenCount],
        () if has(&["nova"]) => &[K::InferenceConfig, K::MaxTokensCamel],
        () if has(&["llama"]) => &[K::MaxGenLen],
        // <https://docs.aws.amazon.com/bedrock/latest/userguide/model-parameters-openai.html>.
        () if has(&["openai"]) => &[K::MaxCompletionTokens],
        () if has(&["anthropic", "mistral", "cohere", "deepseek", "ai21", "qwen"]) => &[K::MaxTokens],
        () => &[],
    }
}

fn field(path: &[K]) -> Option<Field> {
    Some(match path {
        [K::MaxTokens | K::MaxCompletionTokens | K::MaxTokensToSample | K::MaxGenLen]
        | [K::InferenceConfig, K::MaxTokensCamel | K::MaxNewTokens]
        | [K::TextGenerationConfig, K::MaxTokenCount] => Field::OutputBound,
        [K::Thinking, K::BudgetTokens] | [K::AdditionalModelRequestFields, K::Thinking, K::BudgetTokens] => {
            Field::ThinkingBudget
        }
        [K::OutputConfig, K::Effort] => Field::EffortFromLow,
        [K::Metadata, K::UserId] => Field::EndUser,
        // <https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_ServiceTier.html>; beside a body
        // of `invoke` it is a header, which the answer repeats.
        [K::ServiceTierCamel, K::Type] => Field::ServiceTier,
        [K::ServiceTierCamel] => Field::Once,
        [K::InferenceConfig | K::TextGenerationConfig] => Field::BoundOwner,
        [K::Messages | K::System | K::Tools | K::ToolConfig | K::Prompt | K::InputText] => Field::Once,
        _ => return None,
    })
}

fn uses(path: &[K]) -> Features {
    match path {
        [K::Tools, K::Item] | [K::ToolConfig, K::Tools, K::Item] => Features::TOOLS,
        // <https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_SystemTool.html>.
        [K::ToolConfig, K::Tools, K::Item, K::SystemTool] => Features::SERVER_TOOLS,
        [.., K::Document] => Features::FILES,
        [.., K::Video] => Features::VIDEO,
        // <https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_AudioBlock.html>.
        [.., K::Content, K::Item, K::Audio] => Features::AUDIO,
        [K::ReasoningEffort] => Features::REASONING,
        [K::OutputConfigCamel] | [K::OutputConfig, K::Format] => Features::JSON_SCHEMA,
        [K::OutputConfig, K::Effort] => Features::EFFORT,
        // Converse hands these on to the model as they are.
        [K::AdditionalModelRequestFields, rest @ ..] if !rest.is_empty() => uses(rest),
        _ => Features::default(),
    }
}

fn says(path: &[K]) -> Option<Says> {
    match path {
        [K::AdditionalModelRequestFields, rest @ ..] => says(rest),
        // <https://docs.aws.amazon.com/nova/latest/nova2-userguide/using-converse-api.html>, and Anthropic's on Bedrock.
        [K::ReasoningConfig | K::ReasoningConfigSnake, K::Type] => Some(features::thinking),
        _ => anthropic::says(path),
    }
}

fn unsaid(path: &[K]) -> Features {
    match path {
        [K::AdditionalModelRequestFields, rest @ ..] => unsaid(rest),
        [K::ReasoningConfig | K::ReasoningConfigSnake] => Features::REASONING,
        _ => anthropic::unsaid(path),
    }
}

// --- counting ---

const COUNTING: Counting = Counting {
    adds,
    turn,
    image: |model, size, low| (anthropic::COUNTING.image)(model, size, low),
    style: "converse",
};

/// The same as with Anthropic, whose thoughts are the only ones that come back.
fn turn(path: &[K]) -> Option<Turn> {
    (anthropic::COUNTING.turn)(path)
}

fn adds(path: &[K]) -> Option<Adds> {
    Some(match path {
        [K::Messages, K::Item] => Adds::Message,
        [K::Messages, K::Item, K::Content, K::Item, rest @ ..] => match block(rest) {
            Some(adds) => adds,
            None => return (anthropic::COUNTING.adds)(path),
        },
        [K::System, K::Item, K::Text] | [K::System, K::Item, K::GuardContent, K::Text, K::Text] => {
            Adds::System
        }
        [K::Message | K::Preamble] | [K::ChatHistory, K::Item, K::Message] => Adds::Text,
        [K::Prompt | K::InputText] | [K::Texts, K::Item] | [K::Inputs, K::Item] => Adds::Text,
        [K::Query] | [K::Documents, K::Item] => Adds::Text,
        [K::ToolConfig, K::Tools, K::Item, K::ToolSpec, rest @ ..] => match rest {
            [] => Adds::Tool,
            [K::Name] => Adds::ToolText,
            [K::Description] => Adds::ToolText,
            [K::InputSchemaCamel, K::Json, rest @ ..] => Adds::Schema(rest.len()),
            _ => return None,
        },
        [K::ToolConfig, K::Tools, K::Item, K::SystemTool] => Adds::OwnTool(PromptPart::ServerTools),
        [K::ToolConfig, K::ToolChoiceCamel, K::Any | K::Tool] => Adds::MustCall,
        [K::AdditionalModelRequestFields, K::Thinking, K::Type] => Adds::Thinking,
        [K::SingleEmbeddingParams, K::Text, K::Value] => Adds::Text,
        [K::OutputConfigCamel, K::TextFormat, K::Structure, ..] => Adds::Format,
        _ => return (anthropic::COUNTING.adds)(path),
    })
}

fn block(path: &[K]) -> Option<Adds> {
    Some(match path {
        [K::ToolUse] => Adds::ToolCall,
        [K::ToolResult] => Adds::ToolResult,
        [K::ToolUse, K::Name] | [K::ToolResult, K::Content, K::Item, K::Text] => Adds::Text,
        [K::ToolUse, K::Input, ..] | [K::ToolResult, K::Content, K::Item, K::Json, ..] => Adds::Json,
        [K::ReasoningContentCamel, K::ReasoningText, K::Text] => Adds::Thoughts,
        [K::GuardContent, K::Text, K::Text]
        | [K::CitationsContent, K::Content, K::Item, K::Text]
        | [.., K::Document, K::Source, K::Text]
        | [.., K::Document, K::Source, K::Content, K::Item, K::Text]
        | [.., K::Document, K::Name | K::Context] => Adds::Text,
        [.., K::Document, K::Citations, K::Enabled] => Adds::Citations,
        [.., K::Image, K::Source, K::Bytes] => Adds::Image,
        [.., K::Image, K::Source, K::S3Location, K::Uri] => Adds::ImageLink,
        [.., K::Document, K::Source, K::Bytes] => Adds::File,
        [.., K::Document, K::Source, K::S3Location, K::Uri] => Adds::FileLink,
        _ => return None,
    })
}

// --- the answer ---

/// Counts beside the body: <https://docs.aws.amazon.com/bedrock/latest/userguide/inference-invoke.html>.
const HEADERS: &[&str] = &[
    "x-amzn-bedrock-input-token-count",
    "x-amzn-bedrock-output-token-count",
    "x-amzn-bedrock-cache-read-input-token-count",
    "x-amzn-bedrock-cache-write-input-token-count",
    SERVICE_TIER,
];

const SERVICE_TIER: &str = "x-amzn-bedrock-service-tier";

fn observe_header(answer: &mut Answer, name: &str, value: &[u8]) {
    if name == SERVICE_TIER {
        answer.served_in(value);
    }
    let places = [Part::InputBeside, Part::OutputBeside, Part::CacheReadBeside, Part::CacheWriteBeside];
    let part = HEADERS.iter().zip(places).find(|(known, _)| **known == name);
    if let (Some((_, part)), Ok(text)) = (part, std::str::from_utf8(value)) {
        answer.state(part, Number(text));
    }
}

fn observe(answer: &mut Answer, path: &[K], event: Event<'_>) {
    if let [K::Usage, K::CacheDetails, entry @ ..] | [K::Metadata, K::Usage, K::CacheDetails, entry @ ..] =
        path
    {
        return cache_detail(answer, entry, event);
    }
    match (path, event) {
        ([K::Usage, count] | [K::Metadata, K::Usage, count], Event::Number(n)) => {
            let part = match count {
                K::InputTokensCamel => Part::Input,
                K::OutputTokensCamel => Part::Output,
                // The others are Nova's under `invoke`, and those of OpenAI's shape there:
                // <https://docs.aws.amazon.com/bedrock/latest/userguide/model-parameters-openai.html>.
                K::CacheReadInputTokensCamel | K::CacheReadInputTokenCount => Part::CacheRead,
                K::CacheWriteInputTokens | K::CacheWriteInputTokenCount => Part::CacheWrite,
                K::PromptTokens => Part::Input,
                K::CompletionTokens => Part::Output,
                _ => return anthropic::observe(answer, path, event),
            };
            answer.state(part, n);
        }
        ([K::ServiceTierCamel, K::Type] | [K::Metadata, K::ServiceTierCamel, K::Type], _) => {
            answer.service_tier_event(event);
        }
        ([K::AmazonBedrockInvocationMetrics, count], Event::Number(n)) => {
            let part = match count {
                K::InputTokenCount => Part::InputBeside,
                K::OutputTokenCount => Part::OutputBeside,
                K::CacheReadInputTokenCount => Part::CacheReadBeside,
                K::CacheWriteInputTokenCount => Part::CacheWriteBeside,
                _ => return,
            };
            answer.state(part, n);
        }
        // Titan and Llama.
        ([K::InputTextTokenCount] | [K::PromptTokenCountSnake], Event::Number(n)) => {
            answer.state(Part::Input, n);
        }
        ([K::GenerationTokenCount] | [K::TotalOutputTextTokenCount], Event::Number(n)) => {
            answer.state(Part::Output, n);
        }
        ([K::Results, K::Item, K::TokenCount], Event::Number(n)) => answer.add(Part::Output, n),
        (
            [K::Delta, K::Text]
            | [K::ContentBlockDelta, K::Delta, K::Text]
            | [K::Delta, K::ToolUse, K::Input]
            | [K::Delta, K::ReasoningContentCamel, K::Text]
            | [K::Output, K::Message, K::Content, K::Item, K::Text]
            | [K::Output, K::Message, K::Content, K::Item, K::ToolUse, K::Input, ..]
            | [K::Generation | K::OutputText | K::Completion]
            | [K::Results, K::Item, K::OutputText]
            | [K::Outputs | K::Generations, K::Item, K::Text],
            Event::Text(piece),
        ) => answer.push_output(piece),
        _ => anthropic::observe(answer, path, event),
    }
}

/// What was written to the cache for how long:
/// <https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_CacheDetail.html>.
fn cache_detail(answer: &mut Answer, path: &[K], event: Event<'_>) {
    match (path, event) {
        ([], Event::Begin(_)) => answer.stated.set(Part::CacheWrite1h, 0),
        ([K::Item], Event::Begin(_)) => {
            answer.note.clear();
            answer.noted = None;
        }
        ([K::Item, K::Ttl], _) => answer.note_event(event),
        ([K::Item, K::InputTokensCamel], Event::Number(n)) => answer.noted = n.as_count(),
        ([K::Item], Event::End) => {
            let count = answer.noted.take().unwrap_or(0);
            if answer.note == b"1h" {
                let before = answer.stated.or_zero(Part::CacheWrite1h);
                answer.stated.set(Part::CacheWrite1h, before.saturating_add(count));
            }
        }
        _ => {}
    }
}

/// Input excludes what the cache gave and took, here as with Anthropic:
/// <https://docs.aws.amazon.com/bedrock/latest/userguide/prompt-caching.html>.
fn usage(stated: &Stated) -> Option<Usage> {
    if stated.get(Part::Input).or(stated.get(Part::Output)).is_some() {
        return anthropic::usage(stated);
    }
    let mut beside = Stated::default();
    for (from, to) in [
        (Part::InputBeside, Part::Input),
        (Part::OutputBeside, Part::Output),
        (Part::CacheReadBeside, Part::CacheRead),
        (Part::CacheWriteBeside, Part::CacheWrite),
    ] {
        if let Some(count) = stated.get(from) {
            beside.set(to, count);
        }
    }
    anthropic::usage(&beside)
}

// --- the refusal ---

/// The SDKs take the exception's name from the header:
/// <https://docs.aws.amazon.com/bedrock/latest/APIReference/CommonErrors.html>.
///
/// A quota has the status that `InvokeModel` documents for it, 400: botocore tries a 429 again by itself.
/// <https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_InvokeModel.html#API_runtime_InvokeModel_Errors>
fn refusal(refusal: &Refusal, _: EpochMs) -> Written {
    let kind = match refusal.kind {
        RefusalKind::Quota => "ServiceQuotaExceededException",
        RefusalKind::Rate => "ThrottlingException",
        RefusalKind::Unreadable
        | RefusalKind::TooLarge
        | RefusalKind::OverRequestLimit
        | RefusalKind::Confirm => "ValidationException",
        RefusalKind::Unavailable => "ServiceUnavailableException",
        RefusalKind::UnknownEndpoint | RefusalKind::UnknownModel | RefusalKind::Blocked => {
            "AccessDeniedException"
        }
    };
    let mut body = refusal.machine_fields();
    body.insert("message".to_owned(), refusal.message.clone().into());
    let status = (refusal.kind == RefusalKind::Quota).then_some(400);
    let headers = vec![("x-amzn-errortype", kind.to_owned())];
    Written { status, headers, ..Written::body(&Value::Object(body)) }
}
