//! What the APIs of OpenAI share, and the many servers that speak as they do: usage, images, refusals.

use crate::json::{Event, Key as K};
use crate::refusal::{BudgetState, Header, Refusal, RefusalKind, Written};
use crate::units::{EpochMs, Meter};
use crate::usage::{Answer, Part, Stated, Usage};
use serde_json::json;

/// Which number of a `usage` object stands at this path behind `usage`.
fn part(path: &[K]) -> Option<Part> {
    Some(match path {
        [K::PromptTokens | K::InputTokens] => Part::Input,
        [K::CompletionTokens | K::OutputTokens] => Part::Output,
        [K::TotalTokens] => Part::Total,
        [K::PromptTokensDetails | K::InputTokensDetails | K::InputTokenDetails, detail] => match detail {
            K::CachedTokens => Part::CacheRead,
            // The second is LiteLLM's: <https://docs.litellm.ai/docs/completion/prompt_caching>.
            K::CacheWriteTokens | K::CacheCreationTokens => Part::CacheWrite,
            K::AudioTokens => Part::InputAudio,
            K::ImageTokens => Part::InputImage,
            _ => return None,
        },
        [K::CompletionTokensDetails | K::OutputTokensDetails, detail] => match detail {
            K::ReasoningTokens => Part::Reasoning,
            K::AudioTokens => Part::OutputAudio,
            K::ImageTokens => Part::OutputImage,
            _ => return None,
        },
        // Perplexity says so beside the totals, xAI did.
        [K::ReasoningTokens] => Part::Reasoning,
        [
            K::CachedTokens
            | K::CachedPromptTextTokens
            | K::PromptCacheHitTokens
            // LiteLLM repeats Anthropic's words beside the details.
            | K::CacheReadInputTokens,
        ] => Part::CacheReadBeside,
        [K::CacheCreationInputTokens] => Part::CacheWriteBeside,
        [K::CitationTokens] => Part::Citations,
        [K::NumSearchQueries] | [K::ServerToolUse, K::WebSearchRequests] => Part::WebSearches,
        _ => return None,
    })
}

/// Takes what stands in a `usage` object at this path behind `usage`.
pub(super) fn observe_usage(answer: &mut Answer, path: &[K], event: Event<'_>) {
    match (path, event) {
        // Dollars (OpenRouter's credits are such): <https://openrouter.ai/docs/use-cases/usage-accounting>,
        // <https://docs.perplexity.ai/api-reference/chat-completions-post>.
        ([K::Cost] | [K::Cost, K::TotalCost], Event::Number(n)) => answer.state_cost(n, 1e9),
        // "1 USD = 10,000,000,000 ticks": <https://docs.x.ai/developers/cost-tracking>.
        ([K::CostInUsdTicks], Event::Number(n)) => answer.state_cost(n, 0.1),
        // With a key of one's own for the model's maker, who bills too.
        ([K::IsByok], Event::Bool(is_byok)) => answer.others_bill = is_byok,
        (_, Event::Number(n)) => {
            if let Some(part) = part(path) {
                answer.state(part, n);
            }
        }
        _ => {}
    }
}

/// Cached tokens are a part of the input, reasoning is a part of the output, with OpenAI and most who
/// speak so. Where the provider's own total says that reasoning stands beside the output (xAI,
/// Perplexity), it is added; and so is to the input what the cache gave and took, where the total or Anthropic's words say that it
/// stands beside.
pub(super) fn usage(stated: &Stated) -> Option<Usage> {
    let (input, output) = (stated.get(Part::Input), stated.get(Part::Output));
    let total = stated.get(Part::Total);
    input.or(output).or(total)?;
    let (mut input, mut output) = (input.unwrap_or(0), output.unwrap_or(0));
    if input == 0 && output == 0 {
        // Some rerankers and embedders state their total only.
        input = total.unwrap_or(0);
    }
    let cache_read = stated.get(Part::CacheRead).unwrap_or_else(|| stated.or_zero(Part::CacheReadBeside));
    let cache_write = stated.get(Part::CacheWrite).unwrap_or_else(|| stated.or_zero(Part::CacheWriteBeside));
    let cached = cache_read.saturating_add(cache_write);
    let reasoning = stated.or_zero(Part::Reasoning);
    let told = input.saturating_add(output).saturating_add(stated.or_zero(Part::ToolInput));
    let rest = total.unwrap_or(0).saturating_sub(told);
    let is_anthropics = stated.get(Part::CacheWriteBeside).is_some() && total.is_none() && cached > input;
    if cached > 0 && (rest == cached || is_anthropics) {
        input = input.saturating_add(cached);
    } else if let Some(citations) = stated.get(Part::Citations) {
        // They cost as input does: <https://docs.perplexity.ai/getting-started/pricing>.
        input = input.saturating_add(citations);
        output = output.saturating_add(reasoning);
    } else if reasoning > 0 && rest == reasoning {
        output = output.saturating_add(reasoning);
    }
    Some(Usage {
        input,
        cache_read,
        cache_write,
        input_audio: stated.or_zero(Part::InputAudio),
        input_image: stated.or_zero(Part::InputImage),
        output,
        reasoning,
        output_audio: stated.or_zero(Part::OutputAudio),
        output_image: stated.or_zero(Part::OutputImage),
        web_searches: stated.or_zero(Part::WebSearches),
        ..Usage::default()
    })
}

/// The tokens of an image: <https://platform.openai.com/docs/guides/images-vision#calculating-costs>.
pub(super) fn image(model: &str, size: Option<(u32, u32)>, low: bool) -> u64 {
    let model = super::prompt::bare_model(model);
    let patches = [
        ("gpt-4.1-mini", 1_620),
        ("gpt-4.1-nano", 2_460),
        ("gpt-5-mini", 1_620),
        ("gpt-5-nano", 2_460),
        ("o4-mini", 1_720),
    ];
    let (width, height) = size.unwrap_or((1024, 1024));
    if let Some((_, factor)) = patches.iter().find(|(name, _)| model.starts_with(name)) {
        return patches_of(width, height).saturating_mul(*factor) / 1000;
    }
    if is_mistral(model) {
        return patches_of_mistral(width, height);
    }
    let (base, tile) = match model {
        m if m.starts_with("gpt-4o-mini") => (2833, 5667),
        m if m.starts_with("gpt-5") => (70, 140),
        m if m.starts_with("o1") || m.starts_with("o3") => (75, 150),
        _ => (85, 170),
    };
    if low { base } else { tiles_of(width, height).saturating_mul(tile).saturating_add(base) }
}

/// Squares of 32 pixels, 1,536 at most.
fn patches_of(width: u32, height: u32) -> u64 {
    let count = u64::from(width.div_ceil(32)).saturating_mul(u64::from(height.div_ceil(32)));
    count.min(1_536)
}

fn is_mistral(model: &str) -> bool {
    ["mistral", "pixtral", "ministral", "magistral"].iter().any(|name| model.starts_with(name))
}

/// Squares of 28 pixels, and one token more a row, within 1,540 pixels: as recorded, and as the vision encoders of
/// Mistral Small 3.1 and later are configured
/// (<https://huggingface.co/mistralai/Mistral-Small-3.1-24B-Instruct-2503/blob/main/params.json>).
fn patches_of_mistral(width: u32, height: u32) -> u64 {
    let longest = width.max(height);
    let scaled = |side: u32| {
        let side = u64::from(side);
        if longest > 1_540 {
            side.saturating_mul(1_540).checked_div(u64::from(longest)).unwrap_or(side)
        } else {
            side
        }
    };
    let [columns, rows] = [scaled(width), scaled(height)].map(|side| side.div_ceil(28));
    columns.saturating_add(1).saturating_mul(rows)
}

/// Squares of 512 pixels, after scaling into 2,048 pixels and the shorter side to 768.
fn tiles_of(width: u32, height: u32) -> u64 {
    let (mut w, mut h) = (f64::from(width), f64::from(height));
    let scale = (2048.0 / w.max(h)).min(1.0);
    (w, h) = (w * scale, h * scale);
    let scale = (768.0 / w.min(h)).min(1.0);
    (w, h) = (w * scale, h * scale);
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a few tiles")]
    let tiles = ((w / 512.0).ceil() * (h / 512.0).ceil()) as u64;
    tiles.max(1)
}

/// OpenAI's error shape: <https://platform.openai.com/docs/guides/error-codes/api-errors>. The SDKs
/// choose their exception by the status and show `message`, `type` and `code`.
pub(super) fn refusal(refusal: &Refusal, now: EpochMs) -> Written {
    let (kind, code) = match refusal.kind {
        RefusalKind::Quota => ("insufficient_quota", "insufficient_quota"),
        RefusalKind::Rate => {
            let calls = refusal.budget.as_ref().is_some_and(|state| state.meter.counts_calls());
            (if calls { "requests" } else { "tokens" }, "rate_limit_exceeded")
        }
        RefusalKind::Unreadable => ("invalid_request_error", "unreadable_body"),
        RefusalKind::TooLarge => ("invalid_request_error", "request_too_large"),
        RefusalKind::Unavailable => ("server_error", "tokenstile_unavailable"),
        RefusalKind::UnknownEndpoint => ("invalid_request_error", "unknown_endpoint"),
        RefusalKind::UnknownModel => ("invalid_request_error", "unknown_model"),
        RefusalKind::Blocked => ("invalid_request_error", "request_blocked"),
        RefusalKind::Confirm => ("invalid_request_error", "confirmation_required"),
        RefusalKind::OverRequestLimit => ("invalid_request_error", "request_limit_exceeded"),
    };
    let mut error = json!({ "message": refusal.message, "type": kind, "param": null, "code": code });
    if let Some(fields) = error.as_object_mut() {
        fields.extend(refusal.machine_fields());
    }
    let headers = refusal.budget.as_ref().and_then(|state| own_limits(state, now)).unwrap_or_default();
    Written { headers, ..Written::body(&json!({ "error": error })) }
}

/// OpenAI's own limit headers, which its clients and Azure's read:
/// <https://platform.openai.com/docs/guides/rate-limits#rate-limits-in-headers>.
fn own_limits(state: &BudgetState, now: EpochMs) -> Option<Vec<Header>> {
    let names = match state.meter {
        Meter::Tokens | Meter::InputTokens | Meter::OutputTokens => {
            ["x-ratelimit-limit-tokens", "x-ratelimit-remaining-tokens", "x-ratelimit-reset-tokens"]
        }
        Meter::Requests => {
            ["x-ratelimit-limit-requests", "x-ratelimit-remaining-requests", "x-ratelimit-reset-requests"]
        }
        Meter::Usd | Meter::RequestsInFlight => return None,
    };
    Some(state.own_limits(names, |at| Some(go_duration(now.seconds_until(at)))))
}

/// `6m0s`, as OpenAI's headers have it.
fn go_duration(seconds: u64) -> String {
    let (hours, minutes, rest) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
    match (hours, minutes) {
        (0, 0) => format!("{rest}s"),
        (0, _) => format!("{minutes}m{rest}s"),
        _ => format!("{hours}h{minutes}m{rest}s"),
    }
}
