//! Where a request goes: method, host and path as servers route them. Dialects recognise themselves by
//! it; it knows none of them.
//!
//! Servers differ in what they make of an odd path, and it is not known which of them serves. So it is read
//! twice: as most do ([`Target::new`]), and as the most obliging do ([`Target::obliging`]). Whoever is metered
//! by either is metered: a provider that reads it otherwise answers with an error, which costs nothing.

use std::ops::Range;

/// Method, host and path of a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target {
    /// In upper case: some servers do not mind.
    pub method: Vec<u8>,
    /// `:authority`, lower case, without port and the dot of a full name; may be the proxy's own name.
    pub host: String,
    /// Percent-decoded, in lower case (Azure does not mind), without query, empty, `.` and `..` segments, so
    /// that `/v1//chat/x/../Complet%69ons/` is not a way around the meter.
    pub path: String,
    /// The query as sent, without `?`.
    pub query: String,
    /// The path's segments as sent, decoded one by one: `%2F` inside one does not part it. `.` and `..` are
    /// resolved here too.
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
        Self::with(method, host, path.split_at(end), segments(path.get(..end).unwrap_or_default(), false))
    }

    /// The same, as the most obliging server might: `\\`, `%2F` and `%5C` part segments, `;…` and what trails in
    /// white space or dots does not count, escapes are escaped twice, a fragment is a part of the path.
    #[must_use]
    pub fn obliging(method: &[u8], host: &[u8], path: &[u8]) -> Self {
        let end = path.iter().position(|&b| b == b'?').unwrap_or(path.len());
        Self::with(method, host, path.split_at(end), segments(path.get(..end).unwrap_or_default(), true))
    }

    fn with(method: &[u8], host: &[u8], (_, query): (&[u8], &[u8]), segments: Vec<Segment>) -> Self {
        let host = String::from_utf8_lossy(host).to_ascii_lowercase();
        let decoded: Vec<&str> = segments.iter().map(|segment| segment.text.as_str()).collect();
        Self {
            method: method.to_ascii_uppercase(),
            host: host
                .rsplit_once(':')
                .map_or(host.as_str(), |(name, _)| name)
                .trim_end_matches('.')
                .to_owned(),
            // An escaped slash parts the path here, and not the segments: models of Bedrock have such.
            path: normalise(decoded.join("/").as_bytes()),
            query: String::from_utf8_lossy(query.get(1..).unwrap_or_default()).into_owned(),
            segments,
        }
    }

    /// Whether it may hand something in: a POST, or what a server may take for one. Those that surely do not
    /// have methods of their own.
    #[must_use]
    pub fn posts(&self) -> bool {
        const READING: [&[u8]; 7] =
            [b"GET", b"HEAD", b"OPTIONS", b"DELETE", b"CONNECT", b"TRACE", b"PROPFIND"];
        !READING.contains(&self.method.as_slice())
    }

    /// Whether it is a POST to a path that ends so (in lower case).
    #[must_use]
    pub fn posts_to(&self, suffix: &str) -> bool {
        self.posts() && self.path.ends_with(suffix)
    }

    /// The nth segment from the end, the last being 0.
    #[must_use]
    pub fn segment_from_end(&self, nth: usize) -> Option<&Segment> {
        self.segments.iter().rev().nth(nth)
    }

    /// The nth segment, the first being 0.
    #[must_use]
    pub fn segment(&self, nth: usize) -> Option<&Segment> {
        self.segments.get(nth)
    }

    /// The segments behind those that read so, one after the other.
    #[must_use]
    pub fn segments_behind(&self, names: &[&str]) -> Option<&[Segment]> {
        let reads = |window: &[Segment]| window.iter().zip(names).all(|(segment, name)| segment.is(name));
        let at = self.segments.windows(names.len().max(1)).position(reads)?;
        self.segments.get(at.saturating_add(names.len())..)
    }

    /// The segment behind the last one that reads `name`.
    #[must_use]
    pub fn segment_after(&self, name: &str) -> Option<&Segment> {
        let at = self.segments.iter().rposition(|segment| segment.is(name))?;
        self.segments.get(at.saturating_add(1))
    }
}

impl Segment {
    /// Whether it reads so, in upper or lower case.
    #[must_use]
    pub fn is(&self, name: &str) -> bool {
        self.text.eq_ignore_ascii_case(name)
    }
}

fn segments(path: &[u8], obliging: bool) -> Vec<Segment> {
    let mut out: Vec<Segment> = Vec::new();
    let mut at = 0_usize;
    while at <= path.len() {
        let rest = path.get(at..).unwrap_or_default();
        let (part, separator) = first_part(rest, obliging);
        let span = at..at.saturating_add(part.len());
        let text = String::from_utf8_lossy(&percent_decoded(part)).into_owned();
        let text = if obliging { obliged(&text) } else { text };
        match text.as_str() {
            "" | "." => {}
            ".." => drop(out.pop()),
            _ => out.push(Segment {
                text,
                raw: String::from_utf8_lossy(part).into_owned(),
                span: span.clone(),
            }),
        }
        at = span.end.saturating_add(separator.max(1));
    }
    out
}

/// What stands before the next separator, and how many bytes that has; 0 at the end.
fn first_part(rest: &[u8], obliging: bool) -> (&[u8], usize) {
    let separator = |at: usize| match rest.get(at..) {
        Some([b'/', ..]) => 1,
        Some([b'\\', ..]) if obliging => 1,
        Some([b'%', b'2', b'f' | b'F', ..] | [b'%', b'5', b'c' | b'C', ..]) if obliging => 3,
        _ => 0,
    };
    let found = (0..rest.len()).map(|at| (at, separator(at))).find(|(_, length)| *length > 0);
    let (at, length) = found.unwrap_or((rest.len(), 0));
    (rest.get(..at).unwrap_or_default(), length)
}

/// A segment less what an obliging server leaves out of it.
fn obliged(text: &str) -> String {
    let again = percent_decoded(text.as_bytes());
    let text = String::from_utf8_lossy(&again);
    let text = text.split(';').next().unwrap_or_default();
    let bare = text.trim_matches(|c: char| c.is_whitespace() || c.is_control());
    if bare.trim_end_matches('.').is_empty() {
        bare.to_owned()
    } else {
        bare.trim_end_matches('.').to_owned()
    }
}

fn normalise(decoded: &[u8]) -> String {
    let text = String::from_utf8_lossy(decoded).to_ascii_lowercase();
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

/// Decoded once; an escape that is none stays.
pub(crate) fn percent_decoded(bytes: &[u8]) -> Vec<u8> {
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
