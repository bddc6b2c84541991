//! Where a request goes: method, host and path as servers route them. Dialects recognise themselves by
//! it; it knows none of them.

use std::ops::Range;

/// Method, host and path of a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target {
    /// As sent.
    pub method: Vec<u8>,
    /// `:authority`, lower case, without port; may be the proxy's own name.
    pub host: String,
    /// Percent-decoded, without query, empty, `.` and `..` segments, so that
    /// `/v1//chat/x/../complet%69ons/` is not a way around the meter.
    pub path: String,
    /// The query as sent, without `?`.
    pub query: String,
    /// The path's segments as sent, decoded one by one: `%2F` inside one does not part it.
    segments: Vec<Segment>,
}

/// One segment of a path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Segment {
    /// Percent-decoded.
    pub text: String,
    /// As sent.
    pub raw: String,
    /// Where it stands in the path as sent.
    pub span: Range<usize>,
}

impl Target {
    /// Reads `:method`, `:authority` and `:path`.
    #[must_use]
    pub fn new(method: &[u8], host: &[u8], path: &[u8]) -> Self {
        let end = path.iter().position(|&b| matches!(b, b'?' | b'#')).unwrap_or(path.len());
        let (path, query) = path.split_at(end);
        let host = String::from_utf8_lossy(host).to_ascii_lowercase();
        let segments = segments(path);
        Self {
            method: method.to_vec(),
            host: host.rsplit_once(':').map_or(host.as_str(), |(name, _)| name).to_owned(),
            path: normalise(path),
            query: String::from_utf8_lossy(query.get(1..).unwrap_or_default()).into_owned(),
            segments,
        }
    }

    /// Whether it is a POST to a path that ends so.
    #[must_use]
    pub fn posts_to(&self, suffix: &str) -> bool {
        self.method == b"POST" && self.path.ends_with(suffix)
    }

    /// The nth segment from the end, the last being 0.
    #[must_use]
    pub fn segment_from_end(&self, nth: usize) -> Option<&Segment> {
        self.segments.iter().rev().nth(nth)
    }

    /// The segment behind the last one that reads `name`.
    #[must_use]
    pub fn segment_after(&self, name: &str) -> Option<&Segment> {
        let at = self.segments.iter().rposition(|segment| segment.text == name)?;
        self.segments.get(at.saturating_add(1))
    }
}

fn segments(path: &[u8]) -> Vec<Segment> {
    let mut out = Vec::new();
    let mut start = 0_usize;
    for part in path.split(|&b| b == b'/') {
        let span = start..start.saturating_add(part.len());
        start = span.end.saturating_add(1);
        if !part.is_empty() {
            let text = String::from_utf8_lossy(&percent_decoded(part)).into_owned();
            out.push(Segment { text, raw: String::from_utf8_lossy(part).into_owned(), span });
        }
    }
    out
}

fn normalise(path: &[u8]) -> String {
    let bytes = percent_decoded(path);
    let text = String::from_utf8_lossy(&bytes);
    let mut segments = Vec::new();
    for segment in text.split('/') {
        match segment {
            "" | "." => {}
            ".." => drop(segments.pop()),
            _ => segments.push(segment),
        }
    }
    segments.iter().fold(String::new(), |path, segment| path + "/" + segment)
}

fn percent_decoded(bytes: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(bytes.len());
    let mut rest = bytes;
    while let Some((&byte, tail)) = rest.split_first() {
        let decoded = (byte == b'%').then(|| hex_pair(tail)).flatten();
        out.push(decoded.unwrap_or(byte));
        rest = if decoded.is_some() { tail.get(2..).unwrap_or_default() } else { tail };
    }
    out
}

fn hex_pair(bytes: &[u8]) -> Option<u8> {
    let pair = std::str::from_utf8(bytes.get(..2)?).ok()?;
    pair.bytes().all(|b| b.is_ascii_hexdigit()).then(|| u8::from_str_radix(pair, 16).ok()).flatten()
}

/// A segment's text as it may stand in a path: everything but unreserved characters and `:@` escaped
/// (RFC 3986, section 3.3).
pub(super) fn percent_encoded(text: &str) -> String {
    text.bytes().fold(String::new(), |mut out, byte| {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~' | b':' | b'@') {
            out.push(char::from(byte));
        } else {
            out.push_str(&format!("%{byte:02X}"));
        }
        out
    })
}
