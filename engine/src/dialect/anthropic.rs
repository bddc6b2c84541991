//! Anthropic Messages: `POST …/v1/messages`, and on Vertex AI with the model in the path.
//!
//! Shapes: <https://docs.claude.com/en/api/messages>, for Vertex
//! <https://docs.claude.com/en/api/claude-on-vertex-ai>.

use super::prompt::{Adds, Counting, Turn, count};
use super::weights;
use super::{
    Dialect, Events, Features, Field, Found, NO_HEADERS, Opaque, Says, Shape, Target, no_header, raw_predict,
    read_json,
};
use crate::json::{Event, Key as K};
use crate::refusal::{BudgetState, Header, Refusal, RefusalKind, Written, rfc3339};
use crate::units::{EpochMs, Meter};
use crate::usage::{Answer, Part, Stated, Usage};
use serde_json::json;

const BASE: Dialect = Dialect {
    name: "anthropic-messages",
    recognises: |_| None,
    read: |body, route| read_json(body, route, SHAPE),
    count_prompt: |prompt| count(prompt, COUNTING),
    observe,
    usage,
    answer_headers: NO_HEADERS,
    observe_header: no_header,
    events: Events::Named,
    refusal,
};

pub(super) static MESSAGES: Dialect = Dialect {
    recognises: |target| {
        let ours = target.posts_to("/v1/messages");
        ours.then(|| Found { provider: Some("anthropic"), ..Found::default() })
    },
    ..BASE
};

pub(super) static VERTEX: Dialect = Dialect { name: "vertex-anthropic", recognises: on_vertex, ..BASE };

/// The older text completions.
pub(super) static COMPLETE: Dialect = Dialect {
    name: "anthropic-complete",
    recognises: |target| {
        let ours = target.posts_to("/v1/complete");
        ours.then(|| Found { provider: Some("anthropic"), ..Found::default() })
    },
    read: |body, route| read_json(body, route, COMPLETE_SHAPE),
    ..BASE
};

/// Many messages in one body. "Batches can take up to 24 hours to complete", and what they answer is fetched by a call
/// that is none. What they cost is not known when they pass, so that they are left to the rule for what cannot be read:
/// <https://platform.claude.com/docs/en/api/messages/batches/create>.
pub(super) static BATCH: Dialect = Dialect {
    name: "anthropic-batch",
    recognises: |target| {
        let ours = target.posts_to("/v1/messages/batches");
        ours.then(|| Found { provider: Some("anthropic"), ..Found::default() })
    },
    read: |_, _| Err(Opaque(Opaque::BATCH.to_owned())),
    ..BASE
};

/// Counting tokens costs nothing: <https://docs.claude.com/en/docs/build-with-claude/token-counting>.
pub(super) static COUNT: Dialect = Dialect {
    name: "anthropic-count-tokens",
    recognises: |target| {
        let ours = target.posts_to("/v1/messages/count_tokens") || counts_on_vertex(target);
        ours.then(|| Found { is_free: true, ..Found::default() })
    },
    ..BASE
};

/// `…/publishers/anthropic/models/claude-sonnet-4@20250514:streamRawPredict`.
fn on_vertex(target: &Target) -> Option<Found> {
    let found = raw_predict(target, ANTHROPIC).filter(|_| !counts_on_vertex(target))?;
    // A region costs more than the global endpoint:
    // <https://platform.claude.com/docs/en/build-with-claude/claude-on-vertex-ai>.
    let is_global = target.segment_after("locations").is_none_or(|place| place.text == "global");
    let place = if is_global { "" } else { "regional" };
    Some(Found { place, ..found })
}

/// `…/publishers/anthropic/models/count-tokens:rawPredict`, which has the place of a model and is none:
/// <https://cloud.google.com/vertex-ai/generative-ai/docs/partner-models/claude/count-tokens>.
fn counts_on_vertex(target: &Target) -> bool {
    target.posts() && target.path.ends_with("/publishers/anthropic/models/count-tokens:rawpredict")
}

const ANTHROPIC: &str = "/publishers/anthropic/models/";

// --- the request ---

pub(super) const SHAPE: Shape =
    Shape { field, uses, says, unsaid, bound: |_, _| &[K::MaxTokens], ..Shape::PLAIN };

const COMPLETE_SHAPE: Shape = Shape { bound: |_, _| &[K::MaxTokensToSample], ..SHAPE };

fn field(path: &[K]) -> Option<Field> {
    Some(match path {
        [K::Model] => Field::Model,
        [K::MaxTokens | K::MaxTokensToSample] => Field::OutputBound,
        [K::Stream] => Field::Stream,
        [K::ServiceTier] => Field::ServiceTier,
        // <https://platform.claude.com/docs/en/build-with-claude/fast-mode>,
        // <https://platform.claude.com/docs/en/manage-claude/data-residency>.
        [K::Speed] => Field::Speed,
        [K::InferenceGeo] => Field::Place,
        [K::Metadata, K::UserId] => Field::EndUser,
        [K::Thinking, K::BudgetTokens] => Field::ThinkingBudget,
        // <https://platform.claude.com/docs/en/build-with-claude/effort>: `low` is the least.
        [K::OutputConfig, K::Effort] => Field::EffortFromLow,
        [K::Messages | K::Tools | K::System | K::Thinking | K::Prompt] => Field::Once,
        _ => return None,
    })
}

fn uses(path: &[K]) -> Features {
    match path {
        [K::Tools, K::Item] => Features::TOOLS,
        // <https://docs.claude.com/en/docs/agents-and-tools/mcp-connector>.
        [K::McpServers, K::Item] => Features::SERVER_TOOLS,
        [K::OutputFormat] | [K::OutputConfig, K::Format] => Features::JSON_SCHEMA,
        [K::OutputConfig, K::Effort] => Features::EFFORT,
        _ => Features::default(),
    }
}

pub(super) fn says(path: &[K]) -> Option<Says> {
    Some(match path {
        [K::Tools, K::Item, K::Type] => |kind| {
            // Those that the caller runs: <https://docs.claude.com/en/docs/agents-and-tools/tool-use/overview>.
            const OWN: [&[u8]; 5] = [b"custom", b"bash_", b"text_editor_", b"computer_", b"memory_"];
            (!OWN.iter().any(|own| kind.starts_with(own))).then_some(Features::SERVER_TOOLS)
        },
        // Also in a tool's result, and in a document of blocks.
        [K::Messages, K::Item, K::Content, K::Item, K::Type]
        | [K::Messages, K::Item, K::Content, K::Item, K::Content, K::Item, K::Type]
        | [K::Messages, K::Item, K::Content, K::Item, K::Source, K::Content, K::Item, K::Type] => {
            |kind| match kind {
                b"image" => Some(Features::VISION),
                b"document" | b"container_upload" => Some(Features::FILES),
                _ => None,
            }
        }
        [K::Thinking, K::Type] => super::features::thinking,
        _ => return None,
    })
}

/// `thinking` without a `type` thinks; Cohere's, too.
pub(super) fn unsaid(path: &[K]) -> Features {
    if matches!(path, [K::Thinking]) { Features::REASONING } else { Features::default() }
}

// --- counting ---

pub(super) const COUNTING: Counting = Counting { adds, turn, image, style: "anthropic" };

fn adds(path: &[K]) -> Option<Adds> {
    Some(match path {
        // What stands before a compaction's summary is left out:
        // <https://platform.claude.com/docs/en/build-with-claude/compaction>.
        [K::Messages] => Adds::Conversation,
        [K::ContextManagement, K::Edits, K::Item, K::Type] => Adds::ContextEdit,
        [K::Messages, K::Item] => Adds::Message,
        [K::Messages, K::Item, K::Content, rest @ ..] => return content(rest),
        [K::System] | [K::System, K::Item, K::Text] => Adds::System,
        [K::Prompt] => Adds::Text,
        [K::Thinking, K::Type] => Adds::Thinking,
        [K::OutputConfig, K::TaskBudget] => Adds::TaskBudget,
        [K::Container | K::McpServers] => Adds::Elsewhere,
        [K::ToolChoice, K::Type] => Adds::ToolChoice,
        [K::Tools, K::Item, rest @ ..] => return tool(rest),
        [K::ToolChoice, K::Name] => Adds::ForcedTool,
        [K::OutputFormat, K::Schema, ..] | [K::OutputConfig, K::Format, K::Schema, ..] => Adds::Format,
        _ => return None,
    })
}

/// "Thinking blocks from previous turns are stripped":
/// <https://docs.claude.com/en/docs/build-with-claude/extended-thinking>.
fn turn(path: &[K]) -> Option<Turn> {
    Some(match path {
        [K::Messages, K::Item] => Turn::Message,
        [K::Messages, K::Item, K::Role] => Turn::Role,
        [K::Messages, K::Item, K::Content] | [K::Messages, K::Item, K::Content, K::Item, K::Text] => {
            Turn::Words
        }
        _ => return None,
    })
}

/// The definition of a tool.
fn tool(path: &[K]) -> Option<Adds> {
    Some(match path {
        [] => Adds::Tool,
        [K::Type] => Adds::ToolType,
        [K::DeferLoading] => Adds::Deferred,
        [K::Name | K::Description] => Adds::ToolText,
        [K::InputSchema, rest @ ..] => Adds::Schema(rest.len()),
        [K::InputExamples, ..] => Adds::Json,
        _ => return None,
    })
}

/// Blocks of a message, and blocks inside a tool's result.
fn content(path: &[K]) -> Option<Adds> {
    match path {
        [] => Some(Adds::Text),
        [K::Item, rest @ ..] => block(rest),
        _ => None,
    }
}

fn block(path: &[K]) -> Option<Adds> {
    Some(match path {
        [] => Adds::Block,
        [K::Text | K::Title | K::Context | K::Name | K::Source] => Adds::Text,
        [K::Type] => Adds::Kind,
        [K::Id] => Adds::ToolCall,
        [K::ToolUseId] => Adds::ToolResult,
        [K::ToolName] | [K::ToolReferences, K::Item, K::ToolName] => Adds::ToolReference,
        // <https://platform.claude.com/docs/en/build-with-claude/mid-conversation-system-messages>.
        [K::Tool, K::Name] => Adds::ToolReference,
        [K::Tool, K::Definition, rest @ ..] => return tool(rest),
        [K::Thinking] => Adds::Thoughts,
        [K::Signature | K::Data] => Adds::Sealed,
        [K::EncryptedContent] => Adds::SealedResult,
        [K::Input, ..] => Adds::Json,
        [K::Citations, K::Enabled] => Adds::Citations,
        [K::Source, K::Data] => Adds::Image,
        [K::Source, K::Url | K::FileId] => Adds::ImageLink,
        // The second is a document of blocks: ContentBlockSource of the SDKs, a text or a list.
        [K::Content, rest @ ..] | [K::Source, K::Content, rest @ ..] => match rest {
            [] | [K::Item, ..] => return content(rest),
            [K::Type] => return None,
            // What a server's tool gave, in an object: what its program wrote, a page.
            [K::Other] => Adds::Text,
            rest => return block(rest),
        },
        _ => return None,
    })
}

/// "Each patch is a 28×28 pixel block … An image therefore costs ⌈width / 28⌉ × ⌈height / 28⌉ visual tokens", of 1,568 pixels
/// at most and of as many tokens; of 2,576 pixels and 4,784 tokens from Opus 4.7 on:
/// <https://platform.claude.com/docs/en/build-with-claude/vision>.
fn image(model: &str, size: Option<(u32, u32)>, _: bool) -> u64 {
    let (side, most) =
        if weights::sees_large_images(model) { (2_576.0, 4_784.0) } else { (1_568.0, 1_568.0) };
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "some thousands at most")]
    let whole = |tokens: f64| tokens as u64;
    let Some((width, height)) = size else { return whole(most) };
    let (w, h) = (f64::from(width), f64::from(height));
    let scale = (side / w.max(h)).min(1.0);
    let patches = |scale: f64| (w * scale / 28.0).ceil() * (h * scale / 28.0).ceil();
    // Rounding to whole patches moves this by a patch or two.
    let scale = scale * (most / patches(scale)).sqrt().min(1.0);
    whole(patches(scale).min(most))
}

// --- the answer ---

/// A whole message, or the events of a stream: `message_start` has the input, `message_delta` the output,
/// and sometimes all of it once more.
pub(super) fn observe(answer: &mut Answer, path: &[K], event: Event<'_>) {
    match (path, event) {
        ([K::Model] | [K::Message, K::Model], _) => answer.model_event(event),
        // A stream begins with the model that declined, and goes on with another:
        // <https://platform.claude.com/docs/en/build-with-claude/refusals-and-fallback>.
        ([K::ContentBlock, K::To, K::Model], _) => answer.model_event(event),
        ([K::Usage, K::ServiceTier] | [K::Message, K::Usage, K::ServiceTier], _) => {
            answer.service_tier_event(event);
        }
        ([K::Usage, K::Iterations, rest @ ..] | [K::Message, K::Usage, K::Iterations, rest @ ..], _) => {
            iteration(answer, rest, event);
        }
        ([K::Usage, K::Speed] | [K::Message, K::Usage, K::Speed], _) => answer.speed_event(event),
        ([K::Usage, K::InferenceGeo] | [K::Message, K::Usage, K::InferenceGeo], _) => {
            answer.place_event(event);
        }
        ([K::Usage, rest @ ..] | [K::Message, K::Usage, rest @ ..], Event::Number(n)) => {
            if let Some(part) = part(rest) {
                answer.state(part, n);
            }
        }
        ([K::Error], Event::Begin(_)) => answer.failed = true,
        ([K::Delta, K::Text | K::Thinking | K::PartialJson] | [K::Completion], Event::Text(piece))
        | (
            [K::Content, K::Item, K::Text | K::Thinking] | [K::Content, K::Item, K::Input, ..],
            Event::Text(piece),
        ) => {
            answer.push_output(piece);
        }
        _ => {}
    }
}

/// The inferences that made one answer. The totals are those of `message` alone; compaction and advisors come on
/// top: <https://docs.claude.com/en/docs/build-with-claude/compaction#understanding-usage>. An advisor is "billed at the
/// advisor model's rates": <https://platform.claude.com/docs/en/agents-and-tools/tool-use/advisor-tool>. Of attempts that models
/// declined before another one answered, each "that produced output" is billed at their rates, and the totals leave it out:
/// <https://platform.claude.com/docs/en/build-with-claude/refusals-and-fallback>.
fn iteration(answer: &mut Answer, path: &[K], event: Event<'_>) {
    const PARTS: [(Part, Part, Part); 4] = [
        (Part::ItemInput, Part::MoreInput, Part::OtherInput),
        (Part::ItemOutput, Part::MoreOutput, Part::OtherOutput),
        (Part::ItemCacheRead, Part::MoreCacheRead, Part::OtherCacheRead),
        (Part::ItemCacheWrite, Part::MoreCacheWrite, Part::OtherCacheWrite),
    ];
    match (path, event) {
        // A stream may state the list again: it is cumulative.
        ([], Event::Begin(_)) => {
            for (_, more, other) in PARTS {
                answer.stated.set(more, 0);
                answer.stated.set(other, 0);
            }
        }
        ([_], Event::Begin(_)) => {
            PARTS.iter().for_each(|(item, ..)| answer.stated.set(*item, 0));
            answer.note.clear();
            answer.begin_item();
        }
        ([_, K::Model], _) => answer.item_model_event(event),
        ([_, K::Type], _) => answer.note_event(event),
        ([_, K::InputTokens], Event::Number(n)) => answer.state(Part::ItemInput, n),
        ([_, K::OutputTokens], Event::Number(n)) => answer.state(Part::ItemOutput, n),
        ([_, K::CacheReadInputTokens], Event::Number(n)) => answer.state(Part::ItemCacheRead, n),
        ([_, K::CacheCreationInputTokens], Event::Number(n)) => answer.state(Part::ItemCacheWrite, n),
        ([_], Event::End) => {
            let is_others = answer.item_may_be_others();
            let is_declined =
                is_others && answer.is_model_known() && answer.stated.or_zero(Part::ItemOutput) > 0;
            let counts = match answer.note.as_slice() {
                b"compaction" | b"advisor_message" => true,
                b"message" => is_declined,
                _ => false,
            };
            if !counts {
                return;
            }
            if is_others {
                answer.keep_other_model();
            }
            for (item, more, other) in PARTS {
                let count = answer.stated.or_zero(item);
                for sum in [Some(more), is_others.then_some(other)].into_iter().flatten() {
                    answer.stated.set(sum, answer.stated.or_zero(sum).saturating_add(count));
                }
            }
        }
        _ => {}
    }
}

fn part(path: &[K]) -> Option<Part> {
    Some(match path {
        [K::InputTokens] => Part::Input,
        [K::OutputTokens] => Part::Output,
        [K::CacheReadInputTokens] => Part::CacheRead,
        [K::CacheCreationInputTokens] => Part::CacheWrite,
        [K::CacheCreation, K::Ephemeral1hInputTokens] => Part::CacheWrite1h,
        [K::OutputTokensDetails, K::ThinkingTokens] => Part::Reasoning,
        [K::ServerToolUse, K::WebSearchRequests] => Part::WebSearches,
        _ => return None,
    })
}

/// `input_tokens` excludes what the cache gave and took:
/// <https://docs.claude.com/en/docs/build-with-claude/prompt-caching#tracking-cache-performance>.
pub(super) fn usage(stated: &Stated) -> Option<Usage> {
    let (input, output) = (stated.get(Part::Input), stated.get(Part::Output));
    input.or(output)?;
    let with_more = |part, more| stated.or_zero(part).saturating_add(stated.or_zero(more));
    let (input, output) =
        (with_more(Part::Input, Part::MoreInput), with_more(Part::Output, Part::MoreOutput));
    let read = with_more(Part::CacheRead, Part::MoreCacheRead);
    let write = with_more(Part::CacheWrite, Part::MoreCacheWrite);
    Some(Usage {
        input: input.saturating_add(read).saturating_add(write),
        cache_read: read,
        cache_write: write,
        cache_write_1h: stated.or_zero(Part::CacheWrite1h).min(write),
        output,
        reasoning: stated.or_zero(Part::Reasoning),
        web_searches: stated.or_zero(Part::WebSearches),
        ..Usage::default()
    })
}

// --- the refusal ---

/// <https://docs.claude.com/en/api/errors>: the SDKs choose their exception by the status and show `message`.
pub(super) fn refusal(refusal: &Refusal, _: EpochMs) -> Written {
    let kind = match refusal.kind {
        RefusalKind::Quota | RefusalKind::Rate => "rate_limit_error",
        RefusalKind::Unreadable | RefusalKind::OverRequestLimit => "invalid_request_error",
        RefusalKind::TooLarge => "request_too_large",
        RefusalKind::Unavailable => "api_error",
        RefusalKind::Confirm => "billing_error",
        RefusalKind::UnknownEndpoint | RefusalKind::UnknownModel | RefusalKind::Blocked => "permission_error",
    };
    let mut error = json!({ "type": kind, "message": refusal.message });
    if let Some(fields) = error.as_object_mut() {
        fields.extend(refusal.machine_fields());
    }
    let headers = refusal.budget.as_ref().and_then(own_limits).unwrap_or_default();
    Written { headers, ..Written::body(&json!({ "type": "error", "error": error })) }
}

/// Anthropic's own limit headers: <https://docs.claude.com/en/api/rate-limits#response-headers>.
fn own_limits(state: &BudgetState) -> Option<Vec<Header>> {
    let names = match state.meter {
        Meter::Tokens => [
            "anthropic-ratelimit-tokens-limit",
            "anthropic-ratelimit-tokens-remaining",
            "anthropic-ratelimit-tokens-reset",
        ],
        Meter::InputTokens => [
            "anthropic-ratelimit-input-tokens-limit",
            "anthropic-ratelimit-input-tokens-remaining",
            "anthropic-ratelimit-input-tokens-reset",
        ],
        Meter::OutputTokens => [
            "anthropic-ratelimit-output-tokens-limit",
            "anthropic-ratelimit-output-tokens-remaining",
            "anthropic-ratelimit-output-tokens-reset",
        ],
        Meter::Requests => [
            "anthropic-ratelimit-requests-limit",
            "anthropic-ratelimit-requests-remaining",
            "anthropic-ratelimit-requests-reset",
        ],
        Meter::Usd | Meter::RequestsInFlight => return None,
    };
    Some(state.own_limits(names, rfc3339))
}
