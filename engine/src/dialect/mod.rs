//! The dialects: one file each, one row each in [`DIALECTS`].

mod openai_chat;

use crate::json::{Event, Key};
use crate::refusal::Refusal;
use crate::usage::Answer;
use std::ops::Range;
use tokenstile_tokens::ModelEncoding;

/// How one API is recognised, read, answered.
pub struct Dialect {
    /// The name in records and metrics.
    pub name: &'static str,
    /// Whether a call with this method and this path (without query, normalised) speaks it.
    recognises: fn(method: &[u8], path: &str) -> bool,
    /// Finds what decides about money in a whole body.
    pub(crate) read: fn(body: &[u8]) -> Result<Facts, Opaque>,
    /// Counts the prompt of a body that `read` accepted.
    pub(crate) count_prompt: fn(body: &[u8], encoding: ModelEncoding) -> u64,
    /// Takes one event of an answer.
    pub(crate) observe: fn(answer: &mut Answer, path: &[Key], event: Event<'_>),
    /// A refusal as this API's clients expect it, in JSON.
    pub(crate) refusal_body: fn(refusal: &Refusal) -> Vec<u8>,
}

impl std::fmt::Debug for Dialect {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name)
    }
}

/// Every dialect.
pub static DIALECTS: &[Dialect] = &[openai_chat::DIALECT];

/// The dialect of a call, or none: then it is not ours. `path` is as sent, with its query.
#[must_use]
pub fn recognise(method: &[u8], path: &[u8]) -> Option<&'static Dialect> {
    let path = normalise(path)?;
    DIALECTS.iter().find(|dialect| (dialect.recognises)(method, &path))
}

/// A path without query, percent-decoded, without empty, `.` and `..` segments: as servers route it, so
/// that `/v1//chat/x/../complet%69ons/` is not a way around the meter.
fn normalise(path: &[u8]) -> Option<String> {
    let path = path.split(|&b| b == b'?' || b == b'#').next()?;
    let mut bytes = Vec::with_capacity(path.len());
    let mut rest = path;
    while let Some((&byte, tail)) = rest.split_first() {
        let decoded = (byte == b'%').then(|| hex_pair(tail)).flatten();
        bytes.push(decoded.unwrap_or(byte));
        rest = if decoded.is_some() { tail.get(2..).unwrap_or_default() } else { tail };
    }
    let text = String::from_utf8_lossy(&bytes);
    let mut segments = Vec::new();
    for segment in text.split('/') {
        match segment {
            "" | "." => {}
            ".." => drop(segments.pop()),
            _ => segments.push(segment),
        }
    }
    Some(segments.iter().fold(String::new(), |path, segment| path + "/" + segment))
}

fn hex_pair(bytes: &[u8]) -> Option<u8> {
    let pair = std::str::from_utf8(bytes.get(..2)?).ok()?;
    pair.bytes().all(|b| b.is_ascii_hexdigit()).then(|| u8::from_str_radix(pair, 16).ok()).flatten()
}

/// What a request body says.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Facts {
    /// The model asked for.
    pub model: String,
    /// Where its value stands in the body, quotes included.
    pub model_span: Range<usize>,
    /// The request's own bound for the output tokens of one choice.
    pub output_bound: Option<u64>,
    /// How many choices are asked for.
    pub choices: u64,
    /// Whether the answer shall be streamed.
    pub stream: bool,
}

/// Why a body is not read: two parsers could read it differently, or none can.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Opaque(pub String);

/// Bytes of a body to replace.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Splice {
    /// Which.
    pub range: Range<usize>,
    /// By what.
    pub with: Vec<u8>,
}

/// The body with its splices, every other byte as it was. Splices must not overlap; a range outside
/// the body is left out.
#[must_use]
pub fn splice(body: &[u8], splices: &[Splice]) -> Vec<u8> {
    let mut sorted: Vec<&Splice> = splices.iter().collect();
    sorted.sort_by_key(|splice| splice.range.start);
    let mut out = Vec::with_capacity(body.len());
    let mut at = 0;
    for splice in sorted {
        if let Some(before) = body.get(at..splice.range.start).filter(|_| splice.range.end <= body.len()) {
            out.extend_from_slice(before);
            out.extend_from_slice(&splice.with);
            at = splice.range.end;
        }
    }
    out.extend_from_slice(body.get(at..).unwrap_or_default());
    out
}

impl Facts {
    /// The edit that makes another model serve.
    #[must_use]
    pub fn model_splice(&self, model: &str) -> Splice {
        Splice {
            range: self.model_span.clone(),
            with: serde_json::Value::from(model).to_string().into_bytes(),
        }
    }
}

#[cfg(test)]
mod tests;
