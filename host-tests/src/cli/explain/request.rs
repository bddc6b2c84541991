//! Reads a request however it was written down: an HTTP message, a JSON object that has its parts, or a body alone.
//! Called by `mod.rs`.

use serde::Deserialize;
use serde_json::Value;
use std::collections::BTreeMap;
use tokenstile_host::explain::Request;

/// A request as one JSON object.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Parts {
    #[serde(default)]
    method: Option<String>,
    path: String,
    #[serde(default)]
    host: Option<String>,
    #[serde(default)]
    headers: BTreeMap<String, String>,
    #[serde(default)]
    body: Value,
}

pub(super) fn read(bytes: &[u8]) -> Result<Request, String> {
    let parts = serde_json::from_slice::<Parts>(bytes);
    if let (Err(why), true) = (&parts, is_meant_whole(bytes)) {
        return Err(format!("the request has `path` and `headers` or `body`, and is none: {why}"));
    }
    if let Ok(parts) = parts {
        let body = match parts.body {
            Value::Null => Vec::new(),
            Value::String(text) => text.into_bytes(),
            other => other.to_string().into_bytes(),
        };
        return Ok(Request {
            method: parts.method.unwrap_or_else(|| "POST".to_owned()),
            path: parts.path,
            host: parts.host.unwrap_or_default(),
            headers: parts.headers.into_iter().collect(),
            body,
            properties: Vec::new(),
        });
    }
    if let Some(request) = message(bytes)? {
        return Ok(request);
    }
    if bytes.iter().all(u8::is_ascii_whitespace) {
        return Err("the request is empty".to_owned());
    }
    Ok(Request {
        method: "POST".to_owned(),
        path: "/v1/chat/completions".to_owned(),
        body: bytes.to_vec(),
        ..Request::default()
    })
}

/// Whether JSON that is no request was meant as one: it says where it goes, as no body of an API does.
fn is_meant_whole(bytes: &[u8]) -> bool {
    let json: Value = serde_json::from_slice(bytes).unwrap_or_default();
    json.get("path").is_some() && ["headers", "body", "method"].iter().any(|key| json.get(key).is_some())
}

/// An HTTP/1.1 message; `None` if it does not begin like one.
fn message(bytes: &[u8]) -> Result<Option<Request>, String> {
    let end = bytes.iter().position(|byte| *byte == b'\n').unwrap_or(bytes.len());
    let first = String::from_utf8_lossy(bytes.get(..end).unwrap_or_default()).trim_end().to_owned();
    let mut words = first.split(' ');
    let (Some(method), Some(target), Some(version), None) =
        (words.next(), words.next(), words.next(), words.next())
    else {
        return Ok(None);
    };
    if !version.starts_with("HTTP/") {
        return Ok(None);
    }
    let mut request = Request { method: method.to_owned(), path: target.to_owned(), ..Request::default() };
    let mut rest = bytes.get(end + 1..).unwrap_or_default();
    loop {
        let end = rest.iter().position(|byte| *byte == b'\n').unwrap_or(rest.len());
        let line = String::from_utf8_lossy(rest.get(..end).unwrap_or_default()).trim_end().to_owned();
        rest = rest.get(end + 1..).unwrap_or_default();
        if line.is_empty() {
            break;
        }
        let (name, value) = header(&line)?;
        match name.as_str() {
            "host" => request.host = value,
            // Said anew, as long as the body is.
            "content-length" => {}
            _ => request.headers.push((name, value)),
        }
    }
    request.body = rest.to_vec();
    Ok(Some(request))
}

/// `name: value`, as in curl.
pub(super) fn header(text: &str) -> Result<(String, String), String> {
    let (name, value) = text.split_once(':').ok_or_else(|| {
        format!("`{text}` is no header; write it as `name: value`, as in `--header 'x-user-id: ann'`")
    })?;
    Ok((name.trim().to_ascii_lowercase(), value.trim().to_owned()))
}
