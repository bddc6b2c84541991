//! Anthropic's Messages: shapes as in its API reference (<https://docs.claude.com/en/api/messages>) and its events
//! as in <https://docs.claude.com/en/docs/build-with-claude/streaming>.
//!
//! Used by the router and `chat`. Anthropic's encoding is not public: the simulator bills a prompt as it does
//! OpenAI's, or as `x-sim-prompt-tokens` says.

use super::answer::{Completion, word};
use super::api::{Api, Piece};
use super::prompt::ChatRequest;
use bytes::Bytes;
use serde_json::{Value, json};

pub(super) static MESSAGES: Api = Api {
    read: |_, body| serde_json::from_slice(body).ok().map(ChatRequest::that_is_told_usage),
    document,
    event,
    error,
    unreadable: "The request body is not valid JSON",
    no_model: "model: Field required",
    headers,
    stream_type: "text/event-stream; charset=utf-8",
};

/// <https://docs.claude.com/en/api/rate-limits#response-headers>.
fn headers(number: u64) -> Vec<(&'static str, String)> {
    vec![
        ("request-id", format!("req_sim{number:08}")),
        ("anthropic-ratelimit-requests-limit", "50".to_owned()),
        ("anthropic-ratelimit-requests-remaining", "49".to_owned()),
        ("anthropic-ratelimit-requests-reset", "2026-11-23T00:00:01Z".to_owned()),
    ]
}

/// What both the document and the first event have.
fn message(completion: &Completion, content: &Value, output_tokens: u64) -> Value {
    let read = completion.cached_tokens.min(completion.prompt_tokens);
    let usage = json!({"input_tokens": completion.prompt_tokens - read, "cache_creation_input_tokens": 0,
        "cache_read_input_tokens": read, "output_tokens": output_tokens, "service_tier": "standard"});
    let usage = if completion.tells_usage { usage } else { Value::Null };
    json!({"id": format!("msg_sim{:08}", completion.number), "type": "message", "role": "assistant",
        "model": completion.model, "content": content, "stop_reason": null, "stop_sequence": null,
        "usage": usage})
}

fn document(completion: &Completion) -> Value {
    let content = json!([{"type": "text", "text": completion.text()}]);
    let mut body = message(completion, &content, completion.words);
    body["stop_reason"] = stop_reason(completion);
    body
}

fn stop_reason(completion: &Completion) -> Value {
    if completion.is_cut_short { "max_tokens".into() } else { "end_turn".into() }
}

/// The `k`th event: the message's start, its block's, a ping, one word each, the block's end, the message's.
fn event(completion: &Completion, k: u64) -> Option<Piece> {
    let after = k.checked_sub(completion.words.saturating_add(3));
    let (name, body, tokens) = match (k, after) {
        (0, _) => {
            let start = message(completion, &json!([]), 1);
            ("message_start", json!({"type": "message_start", "message": start}), 0)
        }
        (1, _) => (
            "content_block_start",
            json!({"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}}),
            0,
        ),
        (2, _) => ("ping", json!({"type": "ping"}), 0),
        (k, None) => {
            let delta = json!({"type": "text_delta", "text": word(k.saturating_sub(3))});
            ("content_block_delta", json!({"type": "content_block_delta", "index": 0, "delta": delta}), 1)
        }
        (_, Some(0)) => ("content_block_stop", json!({"type": "content_block_stop", "index": 0}), 0),
        (_, Some(1)) => {
            let usage = completion.tells_usage.then(|| json!({"output_tokens": completion.words}));
            let delta = json!({"stop_reason": stop_reason(completion), "stop_sequence": null});
            ("message_delta", json!({"type": "message_delta", "delta": delta, "usage": usage}), 0)
        }
        (_, Some(2)) => ("message_stop", json!({"type": "message_stop"}), 0),
        _ => return None,
    };
    Some(Piece { bytes: Bytes::from(format!("event: {name}\ndata: {body}\n\n")), tokens })
}

/// <https://docs.claude.com/en/api/errors>.
fn error(status: u16, message: &str) -> Value {
    let kind = match status {
        429 => "rate_limit_error",
        529 => "overloaded_error",
        500.. => "api_error",
        _ => "invalid_request_error",
    };
    json!({"type": "error", "error": {"type": kind, "message": message}})
}
