//! OpenAI's chat completions: shapes as in its API reference
//! (<https://platform.openai.com/docs/api-reference/chat>), and its list of models.
//!
//! Used by the router and `chat`.

use super::answer::{Completion, word};
use super::api::{Api, Piece};
use bytes::Bytes;
use serde_json::{Value, json};

/// The moment every answer claims to be made: the simulator has no clock, so that goldens stay the same.
pub(super) const CREATED: u64 = 1_795_392_000;

pub(super) static CHAT: Api = Api {
    read: |_, body| serde_json::from_slice(body).ok(),
    document,
    event,
    error,
    unreadable: "We could not parse the JSON body of your request. (HINT: This likely means you aren't using your \
                 HTTP library correctly. The OpenAI API expects a JSON payload, but what was sent was not valid \
                 JSON.)",
    no_model: "you must provide a model parameter",
    headers,
    stream_type: "text/event-stream; charset=utf-8",
};

fn id(number: u64) -> String {
    format!("chatcmpl-sim{number:08}")
}

/// <https://platform.openai.com/docs/guides/rate-limits#rate-limits-in-headers>.
fn headers(number: u64) -> Vec<(&'static str, String)> {
    vec![
        ("openai-version", "2020-10-01".to_owned()),
        ("x-request-id", format!("req_sim{number:08}")),
        ("x-ratelimit-limit-requests", "10000".to_owned()),
        ("x-ratelimit-remaining-requests", "9999".to_owned()),
        ("x-ratelimit-reset-requests", "6ms".to_owned()),
    ]
}

fn document(completion: &Completion) -> Value {
    let text = completion.text();
    let choices: Vec<Value> = (0..completion.choices)
        .map(|index| {
            json!({"index": index, "message": {"role": "assistant", "content": text, "refusal": null,
                "annotations": []}, "logprobs": null, "finish_reason": finish_reason(completion)})
        })
        .collect();
    let mut body = json!({"id": id(completion.number), "object": "chat.completion", "created": CREATED,
        "model": dated(&completion.model), "choices": choices, "service_tier": "default",
        "system_fingerprint": "fp_simulated"});
    if completion.tells_usage {
        body["usage"] = usage(completion);
    }
    body
}

fn finish_reason(completion: &Completion) -> &'static str {
    if completion.is_cut_short { "length" } else { "stop" }
}

fn chunk(completion: &Completion, choices: &Value, usage: Option<Value>) -> Value {
    let mut body = json!({"id": id(completion.number), "object": "chat.completion.chunk", "created": CREATED,
        "model": dated(&completion.model), "service_tier": "default", "system_fingerprint": "fp_simulated",
        "choices": choices});
    if let Some(usage) = usage {
        body["usage"] = usage;
    }
    body
}

fn usage(completion: &Completion) -> Value {
    json!({
        "prompt_tokens": completion.prompt_tokens,
        "completion_tokens": completion.completion_tokens(),
        "total_tokens": completion.total_tokens(),
        "prompt_tokens_details": {"cached_tokens": completion.cached_tokens, "audio_tokens": 0},
        "completion_tokens_details": {"reasoning_tokens": 0, "audio_tokens": 0,
            "accepted_prediction_tokens": 0, "rejected_prediction_tokens": 0}
    })
}

/// The `k`th event: roles first, then one word for each choice in turn, the ends, the usage if asked, `[DONE]`.
fn event(completion: &Completion, k: u64) -> Option<Piece> {
    let choices = completion.choices.max(1);
    let (step, choice) = (k / choices, k % choices);
    let last = completion.words.saturating_add(1);
    if step > last {
        return closing(completion, k - choices.saturating_mul(last.saturating_add(1)));
    }
    let (delta, finish) = match step {
        0 => (json!({"role": "assistant", "content": "", "refusal": null}), Value::Null),
        step if step == last => (json!({}), Value::from(finish_reason(completion))),
        step => (json!({"content": word(step - 1)}), Value::Null),
    };
    let choices = json!([{"index": choice, "delta": delta, "logprobs": null, "finish_reason": finish}]);
    // With include_usage every chunk has the field, null until the last: as documented.
    let usage = completion.tells_usage.then_some(Value::Null);
    let tokens = u64::from(step > 0 && step < last);
    Some(Piece { bytes: data(&chunk(completion, &choices, usage)), tokens })
}

fn closing(completion: &Completion, k: u64) -> Option<Piece> {
    let done = Bytes::from_static(b"data: [DONE]\n\n");
    let bytes = match (completion.tells_usage, k) {
        (true, 0) => data(&chunk(completion, &json!([]), Some(usage(completion)))),
        (true, 1) | (false, 0) => done,
        _ => return None,
    };
    Some(Piece { bytes, tokens: 0 })
}

fn data(chunk: &Value) -> Bytes {
    Bytes::from(format!("data: {chunk}\n\n"))
}

/// The dated name under which the provider answers for an alias.
pub(super) fn dated(model: &str) -> &str {
    match model {
        "gpt-4o" => "gpt-4o-2024-08-06",
        "gpt-4o-mini" => "gpt-4o-mini-2024-07-18",
        "gpt-4.1" => "gpt-4.1-2025-04-14",
        "gpt-4.1-mini" => "gpt-4.1-mini-2025-04-14",
        other => other,
    }
}

pub(super) fn models() -> Value {
    let list: Vec<Value> = ["gpt-4o", "gpt-4o-mini", "gpt-4.1", "gpt-4.1-mini"]
        .map(|id| json!({"id": id, "object": "model", "created": CREATED, "owned_by": "system"}))
        .to_vec();
    json!({"object": "list", "data": list})
}

fn error(status: u16, message: &str) -> Value {
    let kind = match status {
        429 => "requests",
        500.. => "server_error",
        _ => "invalid_request_error",
    };
    let code = if status == 429 { Value::from("rate_limit_exceeded") } else { Value::Null };
    json!({"error": {"message": message, "type": kind, "param": null, "code": code}})
}
