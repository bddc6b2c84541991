//! Owns how bodies, headers and answers are made from what a case says. Called by the runners, so that each of
//! them sends the same bytes.

use super::format::{BodyText, Call, Completion, ScriptedAnswer, StreamedCompletion};
use crate::host::HeaderMap;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// A request, ready to be sent.
#[derive(Clone, Debug)]
pub(crate) struct Sending {
    /// Pseudo-headers first.
    pub(crate) headers: HeaderMap,
    pub(crate) pieces: Vec<Vec<u8>>,
    pub(crate) trailers: Option<HeaderMap>,
}

impl Sending {
    pub(crate) fn of(call: &Call) -> Result<Self, String> {
        let body = call.body.as_ref().map(bytes).transpose()?.unwrap_or_default();
        let mut headers = HeaderMap::new();
        for (name, value) in [
            (":method", call.method.as_str()),
            (":path", &call.path),
            (":scheme", "http"),
            (":authority", &call.host),
        ] {
            headers.add(name, unescape(value)?);
        }
        let typed = call.headers.keys().any(|name| name == "content-type");
        if call.body.is_some() && !typed {
            headers.add("content-type", "application/json");
        }
        for (name, value) in &call.headers {
            headers.add(name.as_str(), unescape(value)?);
        }
        if !call.chunked && (!body.is_empty() || call.method == "POST") {
            headers.add("content-length", body.len().to_string());
        }
        let trailers = call.trailers.as_ref().map(map).transpose()?;
        Ok(Self { headers, pieces: split(&body, call.pieces), trailers })
    }

    pub(crate) fn body(&self) -> Vec<u8> {
        self.pieces.concat()
    }
}

/// An answer, ready to be sent.
#[derive(Clone, Debug)]
pub(crate) struct Answering {
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    pub(crate) pieces: Vec<Vec<u8>>,
    pub(crate) trailers: Option<HeaderMap>,
    /// The connection breaks after the last piece.
    pub(crate) cut: bool,
    pub(crate) unreachable: bool,
}

impl Answering {
    pub(crate) fn of(answer: &ScriptedAnswer) -> Result<Self, String> {
        let (kind, pieces) = match (&answer.body, &answer.completion, &answer.stream) {
            (Some(body), None, None) => ("application/json", vec![bytes(body)?]),
            (None, Some(completion), None) => ("application/json", vec![completion.bytes()]),
            (None, None, Some(stream)) => ("text/event-stream", stream.events()),
            (None, None, None) => ("", Vec::new()),
            _ => return Err("an answer has one of `body`, `completion` and `stream`".to_owned()),
        };
        let mut headers = HeaderMap::new();
        let typed = answer.headers.keys().any(|name| name == "content-type");
        if !kind.is_empty() && !typed {
            headers.add("content-type", kind);
        }
        for (name, value) in &answer.headers {
            headers.add(name.as_str(), unescape(value)?);
        }
        let whole: Vec<u8> = pieces.concat();
        if answer.stream.is_none() && answer.trailers.is_none() {
            headers.add("content-length", whole.len().to_string());
        }
        let mut pieces = match answer.piece_bytes {
            Some(size) => whole.chunks(size.max(1)).map(<[u8]>::to_vec).collect(),
            None => pieces,
        };
        pieces.retain(|piece: &Vec<u8>| !piece.is_empty());
        if let Some(count) = answer.cut_after {
            pieces.truncate(count);
        }
        let trailers = answer.trailers.as_ref().map(map).transpose()?;
        let cut = answer.cut_after.is_some();
        Ok(Self { status: answer.status, headers, pieces, trailers, cut, unreachable: answer.unreachable })
    }

    pub(crate) fn body(&self) -> Vec<u8> {
        self.pieces.concat()
    }
}

impl Completion {
    fn bytes(&self) -> Vec<u8> {
        let mut body = json!({
            "id": "chatcmpl-1", "object": "chat.completion", "created": 1_795_392_000, "model": self.model,
            "choices": [{"index": 0, "message": {"role": "assistant", "content": self.content},
                         "finish_reason": "stop"}],
        });
        if let (Some(usage), Some(fields)) = (usage(&self.usage), body.as_object_mut()) {
            fields.insert("usage".to_owned(), usage);
        }
        body.to_string().into_bytes()
    }
}

impl StreamedCompletion {
    fn events(&self) -> Vec<Vec<u8>> {
        let chunk = |choices: Value, usage: Option<Value>| {
            let mut event = json!({
                "id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 1_795_392_000,
                "model": self.model, "choices": choices,
            });
            if let (Some(usage), Some(fields)) = (usage, event.as_object_mut()) {
                fields.insert("usage".to_owned(), usage);
            }
            format!("data: {event}\n\n").into_bytes()
        };
        let mut events = vec![chunk(
            json!([{"index": 0, "delta": {"role": "assistant", "content": ""}, "finish_reason": null}]),
            None,
        )];
        events.extend(self.deltas.iter().map(|text| {
            chunk(json!([{"index": 0, "delta": {"content": text}, "finish_reason": null}]), None)
        }));
        events.push(chunk(json!([{"index": 0, "delta": {}, "finish_reason": "stop"}]), None));
        events.extend(usage(&self.usage).map(|usage| chunk(json!([]), Some(usage))));
        if !self.no_done {
            events.push(b"data: [DONE]\n\n".to_vec());
        }
        events
    }
}

/// `[8, 20]` as OpenAI's usage object; an object is taken as it is.
fn usage(written: &Value) -> Option<Value> {
    match written {
        Value::Null => None,
        Value::Array(pair) => {
            let number = |i: usize| pair.get(i).and_then(Value::as_u64).unwrap_or(0);
            let total = number(0).saturating_add(number(1));
            Some(json!({"prompt_tokens": number(0), "completion_tokens": number(1), "total_tokens": total}))
        }
        other => Some(other.clone()),
    }
}

fn bytes(body: &BodyText) -> Result<Vec<u8>, String> {
    match body {
        BodyText::Json(value) => Ok(value.to_string().into_bytes()),
        BodyText::Text(text) => unescape(text),
        BodyText::Base64(text) => STANDARD.decode(text).map_err(|error| error.to_string()),
    }
}

/// Text with `\xNN` for bytes that are no text.
pub(crate) fn unescape(text: &str) -> Result<Vec<u8>, String> {
    let mut parts = text.split("\\x");
    let mut out = parts.next().unwrap_or_default().as_bytes().to_vec();
    for part in parts {
        let (hex, rest) = part.split_at_checked(2).ok_or_else(|| format!("`\\x{part}` is no byte"))?;
        out.push(u8::from_str_radix(hex, 16).map_err(|_| format!("`\\x{hex}` is no byte"))?);
        out.extend_from_slice(rest.as_bytes());
    }
    Ok(out)
}

/// `"×100 word "` becomes `word ` a hundred times, everywhere in a value.
pub(crate) fn expand(value: &mut Value) {
    match value {
        Value::String(text) => {
            let repeated = text.strip_prefix('×').and_then(|rest| rest.split_once(' '));
            if let Some((count, what)) = repeated.and_then(|(n, what)| Some((n.parse::<usize>().ok()?, what)))
            {
                *text = what.repeat(count);
            }
        }
        Value::Array(items) => items.iter_mut().for_each(expand),
        Value::Object(fields) => fields.values_mut().for_each(expand),
        _ => {}
    }
}

fn map(entries: &BTreeMap<String, String>) -> Result<HeaderMap, String> {
    entries.iter().map(|(name, value)| Ok((name.clone(), unescape(value)?))).collect()
}

fn split(body: &[u8], pieces: usize) -> Vec<Vec<u8>> {
    let size = body.len().div_ceil(pieces.max(1)).max(1);
    body.chunks(size).map(<[u8]>::to_vec).collect()
}
