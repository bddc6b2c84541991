//! Gemini's `generateContent` and `streamGenerateContent`: shapes as in
//! <https://ai.google.dev/api/generate-content>.
//!
//! Used by the router and `chat`. Gemini's own count is not public: the simulator bills a prompt as it does OpenAI's,
//! or as `x-sim-prompt-tokens` says.

use super::answer::{Completion, word};
use super::api::{Api, Piece};
use super::prompt::ChatRequest;
use bytes::Bytes;
use serde_json::{Value, json};

pub(super) static GENERATE: Api = Api {
    read,
    document,
    event,
    error,
    unreadable: "Invalid JSON payload received. Unexpected token.",
    no_model: "model is not specified",
    headers: |_| vec![("server-timing", "gfet4t7; dur=100".to_owned())],
    stream_type: "text/event-stream",
};

/// The model in `…/models/M:generateContent`.
fn read(path: &str, body: &[u8]) -> Option<ChatRequest> {
    let (model, verb) = path.rsplit('/').next()?.split_once(':')?;
    let body: Value = serde_json::from_slice(body).ok()?;
    let messages = body.get("contents")?.as_array()?.iter().map(|content| {
        json!({"role": content.get("role").cloned().unwrap_or_else(|| "user".into()),
            "content": content.get("parts").cloned().unwrap_or_default()})
    });
    let bound = body.pointer("/generationConfig/maxOutputTokens");
    let streams = verb == "streamGenerateContent";
    let chat = json!({"model": model, "stream": streams, "max_tokens": bound, 
        "messages": messages.collect::<Vec<_>>()});
    serde_json::from_value(chat).ok().map(ChatRequest::that_is_told_usage)
}

fn answer(completion: &Completion, text: &str, words: u64, ends: bool) -> Value {
    let mut candidate = json!({"content": {"parts": [{"text": text}], "role": "model"}, "index": 0});
    if ends {
        candidate["finishReason"] = if completion.is_cut_short { "MAX_TOKENS".into() } else { "STOP".into() };
    }
    let mut body = json!({"candidates": [candidate], "modelVersion": completion.model,
        "responseId": format!("sim{:08}", completion.number)});
    if completion.tells_usage {
        // Every event says what was used so far.
        body["usageMetadata"] = json!({"promptTokenCount": completion.prompt_tokens,
            "candidatesTokenCount": words, "cachedContentTokenCount": completion.cached_tokens,
            "totalTokenCount": completion.prompt_tokens.saturating_add(words)});
    }
    body
}

fn document(completion: &Completion) -> Value {
    answer(completion, &completion.text(), completion.words, true)
}

/// The `k`th event: one word each; the last has the reason of the end.
fn event(completion: &Completion, k: u64) -> Option<Piece> {
    let words = k.saturating_add(1);
    if k >= completion.words.max(1) {
        return None;
    }
    let (text, tokens) = if completion.words == 0 { ("", 0) } else { (word(k), 1) };
    let body = answer(completion, text, words.min(completion.words), words >= completion.words);
    Some(Piece { bytes: Bytes::from(format!("data: {body}\r\n\r\n")), tokens })
}

/// <https://cloud.google.com/apis/design/errors#http_mapping>.
fn error(status: u16, message: &str) -> Value {
    let name = match status {
        400 => "INVALID_ARGUMENT",
        403 => "PERMISSION_DENIED",
        404 => "NOT_FOUND",
        429 => "RESOURCE_EXHAUSTED",
        503 => "UNAVAILABLE",
        _ => "INTERNAL",
    };
    json!({"error": {"code": status, "message": message, "status": name}})
}
