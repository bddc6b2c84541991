//! The answer that a recorded one becomes when the request is changed: another model's name, fewer tokens. It is not
//! invented what it says, only what it states of its usage, in the words of the call's dialect, so that the filter
//! reads it as any other. What it cannot be written for keeps its recorded answer.

use serde_json::{Value, json};
use tokenstile_engine::usage::Usage;

/// Whether there are words for the usage of this dialect.
#[must_use]
pub fn can(dialect: &str) -> bool {
    stating(dialect, "", Usage::default()).is_some()
}

/// A usage that ends at so many tokens of output.
#[must_use]
pub fn shortened(usage: Usage, output_max: u64) -> Usage {
    let output = usage.output.min(output_max);
    let most = |part: u64| part.min(output);
    Usage {
        output,
        reasoning: most(usage.reasoning),
        output_audio: most(usage.output_audio),
        output_image: most(usage.output_image),
        ..usage
    }
}

/// An answer in one piece that states this usage.
#[must_use]
pub fn stating(dialect: &str, model: &str, usage: Usage) -> Option<Value> {
    let u = usage;
    let total = u.total();
    let fresh = u.input.saturating_sub(u.cache_read).saturating_sub(u.cache_write);
    Some(match dialect {
        "openai-chat" | "openai-completions" => json!({"model": model, "usage": {
            "prompt_tokens": u.input, "completion_tokens": u.output, "total_tokens": total,
            "prompt_tokens_details": {"cached_tokens": u.cache_read, "audio_tokens": u.input_audio},
            "completion_tokens_details": {"reasoning_tokens": u.reasoning, "audio_tokens": u.output_audio},
        }}),
        "openai-responses" => json!({"model": model, "usage": {
            "input_tokens": u.input, "output_tokens": u.output, "total_tokens": total,
            "input_tokens_details": {"cached_tokens": u.cache_read},
            "output_tokens_details": {"reasoning_tokens": u.reasoning},
        }, "output": many(u.web_searches, &json!({"type": "web_search_call", "action": {"type": "search"}}))}),
        "anthropic-messages" | "vertex-anthropic" => json!({"type": "message", "model": model, "usage": {
            "input_tokens": fresh, "output_tokens": u.output,
            "cache_read_input_tokens": u.cache_read, "cache_creation_input_tokens": u.cache_write,
            "cache_creation": {
                "ephemeral_5m_input_tokens": u.cache_write.saturating_sub(u.cache_write_1h),
                "ephemeral_1h_input_tokens": u.cache_write_1h,
            },
            "server_tool_use": {"web_search_requests": u.web_searches},
        }}),
        "gemini-generate" => json!({"modelVersion": model, "usageMetadata": {
            "promptTokenCount": u.input, "cachedContentTokenCount": u.cache_read,
            "candidatesTokenCount": u.output.saturating_sub(u.reasoning), "thoughtsTokenCount": u.reasoning,
            "totalTokenCount": total,
            "promptTokensDetails": [
                {"modality": "AUDIO", "tokenCount": u.input_audio},
                {"modality": "IMAGE", "tokenCount": u.input_image},
                {"modality": "VIDEO", "tokenCount": u.input_video},
            ],
            "candidatesTokensDetails": [
                {"modality": "AUDIO", "tokenCount": u.output_audio},
                {"modality": "IMAGE", "tokenCount": u.output_image},
            ],
            "cacheTokensDetails": [
                {"modality": "AUDIO", "tokenCount": u.cache_read_audio},
                {"modality": "IMAGE", "tokenCount": u.cache_read_image},
            ],
        }, "candidates": [{"groundingMetadata": {"webSearchQueries": many(u.web_searches, &json!("q"))}}]}),
        "bedrock-converse" => json!({"usage": {
            "inputTokens": fresh, "outputTokens": u.output, "totalTokens": total,
            "cacheReadInputTokens": u.cache_read, "cacheWriteInputTokens": u.cache_write,
        }}),
        // By the place of its second version, and of its first.
        "cohere-chat" => {
            let tokens = json!({"input_tokens": u.input, "output_tokens": u.output});
            json!({"usage": {"tokens": tokens}, "meta": {"billed_units": tokens}})
        }
        "ollama" => {
            json!({"model": model, "done": true, "prompt_eval_count": u.input, "eval_count": u.output})
        }
        "openai-embeddings" => {
            json!({"model": model, "usage": {"prompt_tokens": u.input, "total_tokens": u.input}})
        }
        _ => return None,
    })
}

/// Whether an answer of this content type comes in events.
#[must_use]
pub fn is_stream(content_type: &[u8]) -> bool {
    content_type.starts_with(b"text/event-stream")
}

/// The events of a recorded stream, each with the empty line behind it: the pieces in which it comes.
#[must_use]
pub fn events(stream: &[u8]) -> Vec<&[u8]> {
    let crlf = memchr::memmem::find(stream, b"\r\n\r\n").is_some();
    let end: &[u8] = if crlf { b"\r\n\r\n" } else { b"\n\n" };
    let mut events = Vec::new();
    let mut rest = stream;
    while !rest.is_empty() {
        let ends = memchr::memmem::find(rest, end).map_or(rest.len(), |at| at + end.len());
        let (event, behind) = rest.split_at(ends);
        events.push(event);
        rest = behind;
    }
    events
}

fn many(count: u64, value: &Value) -> Value {
    (0..count.min(1_000)).map(|_| value.clone()).collect()
}
