//! What method line and headers of a request say. Values are bytes; a header that comes more than once is one list.

use crate::dialect::Target;
use crate::excerpt::{Excerpt, HASH_PREFIXES};
use siphasher::sip::SipHasher13;
use std::hash::Hasher;

/// A header's name and value: a value need not be UTF-8.
pub type Header<'h> = (&'h [u8], &'h [u8]);

/// The beginning of a request as it came.
#[derive(Debug, Clone, Copy, Default)]
pub struct Head<'h> {
    /// Names and values, in order.
    pub headers: &'h [Header<'h>],
    /// `:path`, with its query.
    pub path: &'h [u8],
    /// The dialect's name: providers look for their key in different places.
    pub dialect: &'h str,
}

/// Where an API key may stand, in the order in which this dialect's providers look.
fn key_headers(dialect: &str) -> [&'static str; 4] {
    match dialect {
        name if name.contains("anthropic") => ["x-api-key", "authorization", "api-key", "x-goog-api-key"],
        name if name.starts_with("gemini") => ["x-goog-api-key", "authorization", "api-key", "x-api-key"],
        _ => ["authorization", "api-key", "x-api-key", "x-goog-api-key"],
    }
}

impl Head<'_> {
    /// All values of a header as one, as RFC 9110 (section 5.3) reads them: none of them hides another. `None` if
    /// there is none, or nothing in it.
    pub(super) fn joined(&self, name: &str, separator: &[u8]) -> Option<Vec<u8>> {
        let is_named =
            |(key, value): &&Header<'_>| !value.is_empty() && key.eq_ignore_ascii_case(name.as_bytes());
        let mut values = self.headers.iter().filter(is_named).map(|(_, value)| *value);
        let first = values.next()?.to_vec();
        Some(values.fold(first, |mut all, value| {
            all.extend_from_slice(separator);
            all.extend_from_slice(value);
            all
        }))
    }

    /// The API key as a keyed hash: a key is never written down. However its header is spelled, it is one key.
    pub(super) fn api_key(&self, seed: u64) -> Option<String> {
        let in_query = || self.query("key").filter(|_| self.dialect.starts_with("gemini"));
        let in_headers = || key_headers(self.dialect).into_iter().find_map(|name| self.joined(name, b","));
        let key = in_query().or_else(in_headers)?;
        Some(hashed(HASH_PREFIXES[0], without_scheme(&key), seed, 1))
    }

    /// A cookie's value as a keyed hash: most are as secret as a key.
    pub(super) fn cookie(&self, name: &str, seed: u64) -> Option<String> {
        let cookies = self.joined("cookie", b";")?;
        let value = cookies.split(|byte| *byte == b';').find_map(|pair| {
            let at = pair.iter().position(|byte| *byte == b'=')?;
            let (key, value) = pair.split_at(at);
            let value = value.get(1..)?.trim_ascii();
            (key.trim_ascii() == name.as_bytes() && !value.is_empty()).then_some(value)
        })?;
        Some(hashed(HASH_PREFIXES[1], value, seed, 2))
    }

    /// The nth segment of the path, counted from 1, percent-decoded; empty, `.` and `..` ones are resolved first.
    pub(super) fn path_segment(&self, number: usize) -> Option<String> {
        Some(Target::new(b"", b"", self.path).segment(number.checked_sub(1)?)?.text.clone())
    }

    /// The first value of a query parameter, decoded as forms are.
    pub(super) fn query(&self, name: &str) -> Option<Vec<u8>> {
        let end = self.path.iter().position(|byte| *byte == b'#').unwrap_or(self.path.len());
        let path = self.path.get(..end)?;
        let at = path.iter().position(|byte| *byte == b'?')?;
        path.get(at..)?.get(1..)?.split(|byte| *byte == b'&').find_map(|pair| {
            let at = pair.iter().position(|byte| *byte == b'=')?;
            let (key, value) = pair.split_at(at);
            let value = value.get(1..).filter(|value| !value.is_empty())?;
            (form_decoded(key) == name.as_bytes()).then(|| form_decoded(value))
        })
    }

    /// The trace: W3C's `traceparent`, else `x-b3-traceid`, else `b3`. An `x-request-id` is none: it is another one
    /// in each request of a trace.
    pub(super) fn trace_id(&self) -> Option<String> {
        let parent = || {
            // https://www.w3.org/TR/trace-context/#traceparent-header-field-values
            let value = self.joined("traceparent", b",")?;
            let mut fields = value.split(|byte| *byte == b'-');
            let version = fields.next().filter(|version| version.len() == 2 && *version != b"ff")?;
            let id = hex_id(fields.next()?).filter(|id| id.len() == 32)?;
            let parent = fields.next()?.len() == 16;
            (parent && version.iter().all(u8::is_ascii_hexdigit)).then_some(id)
        };
        let b3 = || hex_id(self.joined("x-b3-traceid", b",")?.as_slice());
        let single = || hex_id(self.joined("b3", b",")?.split(|byte| *byte == b'-').next()?);
        parent().or_else(b3).or_else(single)
    }
}

/// A trace's id of 64 or 128 bits in lower case; zero is none.
fn hex_id(id: &[u8]) -> Option<String> {
    let is_id = matches!(id.len(), 16 | 32) && id.iter().all(u8::is_ascii_hexdigit);
    let id = id.to_ascii_lowercase();
    (is_id && id.iter().any(|byte| *byte != b'0')).then(|| Excerpt::of(&id))?
}

/// The token of `Bearer TOKEN`.
pub(super) fn bearer_token(authorization: &[u8]) -> Option<&[u8]> {
    let (scheme, token) = authorization.trim_ascii().split_at_checked(7)?;
    scheme.eq_ignore_ascii_case(b"bearer ").then(|| token.trim_ascii())
}

/// What of a key's header stays the same from call to call: the token without its scheme; of AWS's signatures, which
/// are new each time, the id of the key.
fn without_scheme(value: &[u8]) -> &[u8] {
    if let Some(token) = bearer_token(value) {
        return token;
    }
    const CREDENTIAL: &[u8] = b"Credential=";
    let signed =
        value.starts_with(b"AWS4-").then(|| value.windows(CREDENTIAL.len()).position(|w| w == CREDENTIAL));
    let id = signed.flatten().and_then(|at| value.get(at..)?.get(CREDENTIAL.len()..));
    id.and_then(|id| id.split(|byte| matches!(byte, b'/' | b',')).next()).unwrap_or(value).trim_ascii()
}

fn hashed(prefix: &str, secret: &[u8], seed: u64, purpose: u64) -> String {
    let mut hasher = SipHasher13::new_with_keys(seed, purpose);
    hasher.write(secret);
    format!("{prefix}{:016x}", hasher.finish())
}

/// `application/x-www-form-urlencoded`, decoded once.
fn form_decoded(text: &[u8]) -> Vec<u8> {
    let spaced: Vec<u8> = text.iter().map(|byte| if *byte == b'+' { b' ' } else { *byte }).collect();
    crate::dialect::percent_decoded(&spaced)
}

/// Whether a header, in whatever case, is by a name that only this filter gives.
#[must_use]
pub fn is_ours(header: &[u8]) -> bool {
    const OURS: &[u8] = b"x-tokenstile-";
    header.get(..OURS.len()).is_some_and(|start| start.eq_ignore_ascii_case(OURS))
}
