//! OpenAI chat completions: `POST …/chat/completions`, on Azure too, and the many servers that speak it.
//!
//! Shapes: <https://platform.openai.com/docs/api-reference/chat>.

use super::prompt::{Adds, Counting, count, no_turns};
use super::{
    Dialect, Events, Facts, Features, Field, Found, NO_HEADERS, Opaque, PathModel, Route, Says, Shape,
    Target, azure, no_header, openai, raw_predict, read_json, top_keys,
};
use crate::json::{Event, Key as K};
use crate::usage::{Answer, Part, Stated, Usage};

pub(super) const BASE: Dialect = Dialect {
    name: "openai-chat",
    recognises: |_| None,
    read: |body, route| read_json(body, route, SHAPE),
    count_prompt: |prompt| count(prompt, COUNTING),
    observe,
    usage,
    answer_headers: NO_HEADERS,
    observe_header: no_header,
    events: Events::Chat,
    refusal: openai::refusal,
};

pub(super) static DIALECT: Dialect = Dialect {
    recognises: |target: &Target| target.posts_to("/chat/completions").then(|| azure::found(target)),
    ..BASE
};

/// Writer's chat API: the same but for its path, which Cohere's first version has too.
pub(super) static WRITER: Dialect = Dialect {
    recognises: |target: &Target| {
        (target.posts_to("/v1/chat") && target.host.ends_with("writer.com")).then(Found::default)
    },
    ..BASE
};

/// MiniMax's own path, where `max_tokens` is "deprecated in favor of `max_completion_tokens`":
/// <https://platform.minimax.io/docs/api-reference/text-post>.
pub(super) static MINIMAX: Dialect = Dialect {
    recognises: |target: &Target| target.posts_to("/text/chatcompletion_v2").then(Found::default),
    read: |body, route| read_json(body, route, Shape { bound: |_, _| &[K::MaxCompletionTokens], ..SHAPE }),
    ..BASE
};

/// Perplexity's own path, of which `/chat/completions` is an alias, and the one for answers that are fetched later,
/// whose body has the call inside (`request`) and is left to the rule for what cannot be read:
/// <https://docs.perplexity.ai/api-reference/sonar-post>, `/async-sonar-post`.
pub(super) static PERPLEXITY: Dialect = Dialect {
    recognises: |target: &Target| {
        let ours = target.posts_to("/v1/sonar") || target.posts_to("/v1/async/sonar");
        (ours && target.host.ends_with("perplexity.ai"))
            .then(|| Found { provider: Some("perplexity"), ..Found::default() })
    },
    read: |body, route| match memchr::memmem::find(&route.path.to_ascii_lowercase(), b"async") {
        Some(_) => Err(Opaque(Opaque::LATER.to_owned())),
        None => read_json(body, route, SHAPE),
    },
    ..BASE
};

/// Databricks: `/serving-endpoints/NAME/invocations`. Behind such a name is a chat model, one for completions or
/// embeddings, or a model of any other kind:
/// <https://docs.databricks.com/aws/en/machine-learning/model-serving/score-foundation-models>.
pub(super) static DATABRICKS: Dialect = Dialect {
    recognises: |target: &Target| {
        let verb = target.segment_from_end(0).filter(|verb| target.posts() && verb.is("invocations"));
        let owner = target.segment_from_end(2).filter(|owner| owner.is("serving-endpoints"));
        let name = target.segment_from_end(1).filter(|_| verb.and(owner).is_some())?;
        let model = PathModel { name: name.text.clone(), span: name.span.clone() };
        Some(Found { provider: Some("databricks"), model: Some(model), ..Found::default() })
    },
    read: |body, route| read_if_asked(body, route, SHAPE),
    count_prompt: |prompt| count(prompt, Counting { adds: adds_or_input, ..COUNTING }),
    ..BASE
};

/// Vertex AI: what other publishers than Anthropic and Google serve, Mistral and AI21 as they do themselves:
/// `…/publishers/mistralai/models/mistral-medium-3:rawPredict`, `:streamRawPredict`. The body names the model once more:
/// <https://cloud.google.com/vertex-ai/generative-ai/docs/partner-models/mistral>, `/ai21`.
pub(super) static VERTEX: Dialect = Dialect {
    recognises: |target: &Target| {
        let others = ["/publishers/anthropic/", "/publishers/google/"];
        let ours = !others.iter().any(|publisher| target.path.contains(publisher));
        raw_predict(target, "/publishers/").filter(|_| ours)
    },
    read: |body, route| read_if_asked(body, route, Shape { repeats_model: true, ..SHAPE }),
    ..BASE
};

/// A model that is asked neither by messages nor by a prompt knows no bound of these names.
fn read_if_asked(body: &[u8], route: &Route, shape: Shape) -> Result<Facts, Opaque> {
    let facts = read_json(body, route, shape)?;
    let [messages, prompt, input] = top_keys(body, [K::Messages, K::Prompt, K::Input]);
    Ok(if messages || prompt { facts } else { asked_otherwise(facts, input) })
}

/// One that embeds or ranks writes nothing; an agent is asked by `input` too, and answers
/// (<https://docs.databricks.com/aws/en/generative-ai/agent-framework/>).
pub(super) fn asked_otherwise(facts: Facts, by_input: bool) -> Facts {
    let model = facts.model.to_ascii_lowercase();
    if by_input && !WRITES_NOTHING.iter().any(|word| model.contains(word)) {
        Facts { output_bound_room: None, ..facts }
    } else {
        facts.without_output()
    }
}

/// Words in the names of models that embed and rank.
const WRITES_NOTHING: &[&str] = &["embed", "bge-", "gte-", "e5-", "rerank"];

/// The texts of an embedding, beside what chat has.
fn adds_or_input(path: &[K]) -> Option<Adds> {
    match path {
        [K::Input] | [K::Input, K::Item] | [K::Input, K::Item, K::Content] => Some(Adds::Text),
        _ => adds(path),
    }
}

// --- the request ---

pub(super) const SHAPE: Shape = Shape {
    field,
    uses,
    says,
    unsaid,
    adds,
    tunes: &[
        K::Temperature,
        K::TopP,
        K::PresencePenalty,
        K::FrequencyPenalty,
        K::LogitBias,
        K::Logprobs,
        K::TopLogprobs,
        K::Stop,
    ],
    renames_bound: true,
    stream_options: true,
    bound,
    ..Shape::PLAIN
};

/// OpenAI's newer models refuse `max_tokens`, and many others do not know `max_completion_tokens`:
/// <https://platform.openai.com/docs/api-reference/chat/create#chat-create-max_completion_tokens>.
fn bound(route: &Route, model: &str) -> &'static [K] {
    let is_openai = match route.provider {
        Some(provider) => matches!(provider, "openai" | "azure"),
        None => ["gpt-", "chatgpt-", "o1", "o3", "o4"].iter().any(|name| model.starts_with(name)),
    };
    if is_openai { &[K::MaxCompletionTokens] } else { &[K::MaxTokens] }
}

fn field(path: &[K]) -> Option<Field> {
    Some(match path {
        [K::Model] => Field::Model,
        [K::MaxTokens | K::MaxCompletionTokens] => Field::OutputBound,
        [K::N] => Field::Choices,
        [K::Stream] => Field::Stream,
        [K::ServiceTier] => Field::ServiceTier,
        [K::User | K::SafetyIdentifier] | [K::Metadata, K::UserId] => Field::EndUser,
        // OpenRouter states it in an object: <https://openrouter.ai/docs/use-cases/reasoning-tokens>.
        [K::ReasoningEffort] | [K::Reasoning, K::Effort] => Field::Effort,
        [K::StreamOptions] => Field::StreamOptions,
        [K::StreamOptions, K::IncludeUsage] => Field::IncludeUsage,
        [K::Messages | K::Tools] => Field::Once,
        _ => return None,
    })
}

fn uses(path: &[K]) -> Features {
    match path {
        [K::Tools | K::Functions, K::Item] => Features::TOOLS,
        [K::Messages, K::Item, K::Content, K::Item, K::InputAudio] => Features::AUDIO,
        [K::Messages, K::Item, K::Content, K::Item, K::File | K::DocumentUrl] => Features::FILES,
        // <https://platform.openai.com/docs/guides/audio>: both are needed for an answer that is heard.
        [K::Audio] => Features::AUDIO,
        // Some servers take the schema beside the type: <https://docs.fireworks.ai/structured-responses>.
        [K::ResponseFormat, K::JsonSchema | K::Schema] => Features::JSON_SCHEMA,
        [K::Reasoning | K::ReasoningEffort] => Features::REASONING,
        [K::Logprobs] => Features::LOGPROBS,
        [K::WebSearchOptions] => Features::SERVER_TOOLS,
        _ => Features::default(),
    }
}

fn says(path: &[K]) -> Option<Says> {
    Some(match path {
        [K::Tools, K::Item, K::Type] => |kind| match kind {
            b"function" | b"custom" => None,
            // What others run themselves: <https://console.groq.com/docs/browser-search>,
            // <https://docs.z.ai/guides/tools/web-search>.
            _ => Some(Features::SERVER_TOOLS),
        },
        // <https://openrouter.ai/docs/features/web-search>: other plugins read files or repair answers.
        [K::Plugins, K::Item, K::Id] => |id| (id == b"web").then_some(Features::SERVER_TOOLS),
        // <https://docs.x.ai/docs/guides/live-search>.
        [K::SearchParameters, K::Mode] => {
            |mode| Some(if mode == b"off" { Features::default() } else { Features::SERVER_TOOLS })
        }
        [K::Modalities, K::Item] => |modality| (modality == b"audio").then_some(Features::AUDIO),
        // <https://openrouter.ai/docs/features/multimodal/videos>.
        [K::Messages, K::Item, K::Content, K::Item, K::Type] => {
            |kind| matches!(kind, b"video_url" | b"input_video" | b"video").then_some(Features::VIDEO)
        }
        // DeepSeek's and Z.AI's: <https://api-docs.deepseek.com/guides/thinking_mode>.
        [K::Thinking, K::Type] => super::features::thinking,
        _ => return None,
    })
}

fn unsaid(path: &[K]) -> Features {
    match path {
        [K::SearchParameters] => Features::SERVER_TOOLS,
        _ => Features::default(),
    }
}

// --- counting ---

pub(super) const COUNTING: Counting = Counting { adds, turn: no_turns, image: openai::image, style: "chat" };

pub(super) fn adds(path: &[K]) -> Option<Adds> {
    Some(match path {
        [K::Messages, K::Item] => Adds::Message,
        [K::Messages, K::Item, K::Role] => Adds::Role,
        [K::Messages, K::Item, K::Content | K::Refusal]
        | [K::Messages, K::Item, K::Content, K::Item, K::Text | K::Refusal]
        | [K::Messages, K::Item, K::ToolCalls, K::Item, K::Function, K::Name | K::Arguments]
        | [K::Messages, K::Item, K::FunctionCall, K::Name | K::Arguments] => Adds::Text,
        [K::Messages, K::Item, K::ReasoningContent | K::Reasoning]
        | [K::Messages, K::Item, K::Content, K::Item, K::Thinking, K::Item, K::Text] => Adds::Thoughts,
        [K::Messages, K::Item, K::ToolCalls, K::Item, K::Custom, K::Name | K::Input] | [K::Prompt] => {
            Adds::Text
        }
        // Some servers take an object.
        [K::Messages, K::Item, K::ToolCalls, K::Item, K::Function, K::Arguments, ..] => Adds::Json,
        [K::Messages, K::Item, K::Name] => Adds::Name,
        [K::Messages, K::Item, K::ToolCalls, K::Item] => Adds::ToolCall,
        // Some servers take the link itself: <https://docs.mistral.ai/capabilities/vision>.
        [K::Messages, K::Item, K::Content, K::Item, K::ImageUrl]
        | [K::Messages, K::Item, K::Content, K::Item, K::ImageUrl, K::Url] => Adds::Image,
        [K::Messages, K::Item, K::Content, K::Item, K::ImageUrl, K::Detail] => Adds::Detail,
        [K::Messages, K::Item, K::Content, K::Item, K::File, K::FileDataSnake] => Adds::File,
        [K::Tools, K::Item] => Adds::Tool,
        [K::Functions, K::Item] => Adds::Function,
        [K::Tools, K::Item, K::Type] => Adds::ToolType,
        [K::Tools, K::Item, K::Function, K::Name] | [K::Functions, K::Item, K::Name] => Adds::ToolText,
        [K::Tools, K::Item, K::Function, K::Description] | [K::Functions, K::Item, K::Description] => {
            Adds::ToolText
        }
        [K::Tools, K::Item, K::Custom, K::Name | K::Description]
        | [K::Tools, K::Item, K::Custom, K::Format, K::Grammar, K::Definition] => Adds::ToolText,
        [K::Messages, K::Item, K::Content, K::Item, K::InputAudio, K::Data] => Adds::File,
        // Mistral's own.
        [K::Messages, K::Item, K::Content, K::Item, K::DocumentUrl | K::InputAudio] => Adds::File,
        [K::Messages, K::Item, K::Content, K::Item, K::File, K::FileId] => Adds::Elsewhere,
        [K::ToolChoice] | [K::ToolChoice, K::Type] => Adds::ToolChoice,
        [K::ToolChoice, K::Function, K::Name] | [K::FunctionCall, K::Name] => Adds::ForcedTool,
        // OpenRouter asks for thoughts by an object, and offers searches.
        [K::Reasoning, K::Effort | K::MaxTokens | K::Enabled] | [K::ReasoningEffort] => Adds::Thinking,
        [K::WebSearchOptions | K::Plugins | K::SearchParameters] => Adds::Elsewhere,
        [K::Messages, K::Item, K::ToolCallId] => Adds::ToolResult,
        [K::Messages, K::Item, K::ToolCalls] => Adds::Calls,
        [K::Tools, K::Item, K::Function, K::Parameters, rest @ ..]
        | [K::Functions, K::Item, K::Parameters, rest @ ..] => Adds::Schema(rest.len()),
        [K::ResponseFormat, K::JsonSchema, K::Name | K::Description]
        | [K::ResponseFormat, K::JsonSchema, K::Schema, ..] => Adds::Format,
        _ => return None,
    })
}

// --- the answer ---

/// Gemini, in its OpenAI-like API, tells of its thoughts in the total alone: <https://discuss.ai.google.dev/t/127400>. So what the
/// total has above all that is told was thought, where nothing else is told that could be it: what a cache gave, audio.
pub(super) fn usage(stated: &Stated) -> Option<Usage> {
    let usage = openai::usage(stated)?;
    let told_both = stated.get(Part::Input).and(stated.get(Part::Output)).is_some_and(|output| output > 0);
    let silent =
        usage.reasoning == 0 && usage.cache_read == 0 && usage.cache_write == 0 && usage.input_audio == 0;
    let rest = stated.or_zero(Part::Total).saturating_sub(usage.total());
    let thought = if told_both && silent { rest } else { 0 };
    Some(Usage {
        output: usage.output.saturating_add(thought),
        reasoning: usage.reasoning.saturating_add(thought),
        ..usage
    })
}

pub(super) fn observe(answer: &mut Answer, path: &[K], event: Event<'_>) {
    match (path, event) {
        ([K::Model], _) => answer.model_event(event),
        ([K::ServiceTier], _) => answer.service_tier_event(event),
        // Groq's place for it, and Moonshot's: <https://platform.moonshot.ai/docs/api/chat>.
        (
            [K::Usage, rest @ ..]
            | [K::XGroq, K::Usage, rest @ ..]
            | [K::Choices, K::Item, K::Usage, rest @ ..],
            _,
        ) => openai::observe_usage(answer, rest, event),
        ([K::Error], Event::Begin(_) | Event::TextBegin { .. }) => answer.failed = true,
        (
            [
                K::Choices,
                K::Item,
                K::Delta | K::Message,
                K::Content | K::Refusal | K::ReasoningContent | K::Reasoning,
            ]
            | [
                K::Choices,
                K::Item,
                K::Delta | K::Message,
                K::ToolCalls,
                K::Item,
                K::Function,
                K::Name | K::Arguments,
            ]
            | [K::Choices, K::Item, K::Delta | K::Message, K::FunctionCall, K::Name | K::Arguments]
            | [K::Choices, K::Item, K::Delta | K::Message, K::Audio, K::Transcript]
            // What an agent writes, as in Responses.
            | [K::Delta]
            | [K::Output, K::Item, K::Content, K::Item, K::Text],
            Event::Text(piece),
        ) => answer.push_output(piece),
        _ => {}
    }
}
