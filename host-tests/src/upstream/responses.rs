//! OpenAI's Responses: shapes as in its API reference (<https://platform.openai.com/docs/api-reference/responses>) and
//! its events as in <https://platform.openai.com/docs/api-reference/responses-streaming>.
//!
//! Used by the router and `chat`. A prompt is billed as that of the same chat, or as `x-sim-prompt-tokens` says.

use super::answer::{Completion, word};
use super::api::{Api, Piece};
use super::openai;
use super::prompt::ChatRequest;
use bytes::Bytes;
use serde_json::{Value, json};

pub(super) static RESPONSES: Api = Api {
    read,
    document,
    event,
    error: openai::CHAT.error,
    unreadable: openai::CHAT.unreadable,
    no_model: "Missing required parameter: 'model'.",
    headers: openai::CHAT.headers,
    stream_type: openai::CHAT.stream_type,
};

/// Events before the first word, and the sequence number of the first.
const BEFORE: u64 = 4;

fn read(_: &str, body: &[u8]) -> Option<ChatRequest> {
    let body: Value = serde_json::from_slice(body).ok()?;
    let system = body.get("instructions").and_then(Value::as_str);
    let system = system.map(|text| json!({"role": "system", "content": text}));
    let said = match body.get("input") {
        Some(Value::Array(items)) => items.clone(),
        Some(Value::String(text)) => vec![json!({"role": "user", "content": text})],
        _ => Vec::new(),
    };
    let messages: Vec<Value> = system.into_iter().chain(said).collect();
    let field = |name: &str| body.get(name).cloned().unwrap_or_default();
    let model = field("model").as_str().unwrap_or_default().to_owned();
    let chat = json!({"model": model, "stream": field("stream"), "max_tokens": field("max_output_tokens"),
        "messages": messages});
    serde_json::from_value(chat).ok().map(ChatRequest::that_is_told_usage)
}

fn item(completion: &Completion) -> String {
    format!("msg_sim{:08}", completion.number)
}

fn part(text: &str) -> Value {
    json!({"type": "output_text", "text": text, "annotations": [], "logprobs": []})
}

fn message(completion: &Completion, status: &str, content: &Value) -> Value {
    json!({"id": item(completion), "type": "message", "status": status, "role": "assistant", "content": content})
}

fn response(completion: &Completion, status: &str, output: &Value, usage: &Value) -> Value {
    json!({"id": format!("resp_sim{:08}", completion.number), "object": "response", "created_at": openai::CREATED,
        "status": status, "error": null, "incomplete_details": null, "instructions": null,
        "model": openai::dated(&completion.model), "output": output, "parallel_tool_calls": true,
        "previous_response_id": null, "service_tier": "default", "store": true, "temperature": 1.0,
        "text": {"format": {"type": "text"}}, "tool_choice": "auto", "tools": [], "top_p": 1.0,
        "truncation": "disabled", "usage": usage, "metadata": {}})
}

fn document(completion: &Completion) -> Value {
    let usage = if completion.tells_usage {
        json!({"input_tokens": completion.prompt_tokens,
            "input_tokens_details": {"cached_tokens": completion.cached_tokens},
            "output_tokens": completion.words, "output_tokens_details": {"reasoning_tokens": 0},
            "total_tokens": completion.prompt_tokens.saturating_add(completion.words)})
    } else {
        Value::Null
    };
    let status = if completion.is_cut_short { "incomplete" } else { "completed" };
    let output = json!([message(completion, status, &json!([part(&completion.text())]))]);
    let mut body = response(completion, status, &output, &usage);
    if completion.is_cut_short {
        body["incomplete_details"] = json!({"reason": "max_output_tokens"});
    }
    body
}

/// The `k`th event: the response begins, its message and its text do, one word each, and each of them ends.
fn event(completion: &Completion, k: u64) -> Option<Piece> {
    let place = json!({"item_id": item(completion), "output_index": 0, "content_index": 0});
    let begun = || response(completion, "in_progress", &json!([]), &Value::Null);
    let after = k.checked_sub(completion.words.saturating_add(BEFORE));
    let text = || completion.text();
    let status = if completion.is_cut_short { "incomplete" } else { "completed" };
    let (name, said) = match (k, after) {
        (0, _) => ("response.created", json!({"response": begun()})),
        (1, _) => ("response.in_progress", json!({"response": begun()})),
        (2, _) => (
            "response.output_item.added",
            json!({"output_index": 0, "item": message(completion, "in_progress", &json!([]))}),
        ),
        (3, _) => ("response.content_part.added", json!({"part": part("")})),
        (k, None) => {
            let delta = word(k.saturating_sub(BEFORE));
            ("response.output_text.delta", json!({"delta": delta, "logprobs": []}))
        }
        (_, Some(0)) => ("response.output_text.done", json!({"text": text(), "logprobs": []})),
        (_, Some(1)) => ("response.content_part.done", json!({"part": part(&text())})),
        (_, Some(2)) => (
            "response.output_item.done",
            json!({"output_index": 0, "item": message(completion, status, &json!([part(&text())]))}),
        ),
        (_, Some(3)) if completion.is_cut_short => {
            ("response.incomplete", json!({"response": document(completion)}))
        }
        (_, Some(3)) => ("response.completed", json!({"response": document(completion)})),
        _ => return None,
    };
    let mut body = json!({"type": name, "sequence_number": k});
    let of_text = name.starts_with("response.output_text") || name.starts_with("response.content_part");
    for more in [place].into_iter().filter(|_| of_text).chain([said]) {
        body.as_object_mut()?.extend(more.as_object()?.clone());
    }
    let tokens = u64::from(k >= BEFORE && after.is_none());
    Some(Piece { bytes: Bytes::from(format!("event: {name}\ndata: {body}\n\n")), tokens })
}
