//! Owns what goes to the upstream and what it answers.

use crate::host::HeaderMap;

/// What the upstream gets, after the filter's edits.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Sent {
    /// The headers.
    pub headers: HeaderMap,
    /// The whole body.
    pub body: Vec<u8>,
    /// The trailers.
    pub trailers: Option<HeaderMap>,
    /// Whether the request came to its end. The upstream is asked only then.
    pub complete: bool,
}

/// How an answer ends.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum End {
    #[default]
    Complete,
    /// The upstream's connection breaks after the last piece.
    Cut,
    /// The upstream cannot be reached.
    Unreachable,
}

/// What the upstream answers.
#[derive(Clone, Debug, Default)]
pub struct Answer {
    /// The headers, with `:status`.
    pub headers: HeaderMap,
    /// The body, in the pieces in which the proxy reads it.
    pub chunks: Vec<Vec<u8>>,
    /// The trailers that end it.
    pub trailers: Option<HeaderMap>,
    pub(super) end: End,
}

impl Answer {
    /// An answer without a body.
    pub fn new(status: u16) -> Self {
        Self { headers: [(":status", status.to_string())].into(), ..Self::default() }
    }

    /// An answer of JSON in one piece.
    pub fn json(status: u16, body: impl Into<Vec<u8>>) -> Self {
        Self::new(status).header("content-type", "application/json").body(body)
    }

    /// A stream of server-sent events, in these pieces.
    pub fn events<C: Into<Vec<u8>>>(chunks: impl IntoIterator<Item = C>) -> Self {
        Self::new(200).header("content-type", "text/event-stream").chunked(chunks)
    }

    /// An upstream that cannot be reached: Envoy answers 503 in its place.
    pub fn unreachable() -> Self {
        Self { end: End::Unreachable, ..Self::default() }
    }

    /// Adds a header.
    pub fn header(mut self, name: impl Into<Vec<u8>>, value: impl Into<Vec<u8>>) -> Self {
        self.headers.add(name, value);
        self
    }

    /// Gives the answer a body in one piece, with its `content-length`.
    pub fn body(mut self, body: impl Into<Vec<u8>>) -> Self {
        let body = body.into();
        self.headers.replace("content-length", body.len().to_string());
        self.chunks = if body.is_empty() { Vec::new() } else { vec![body] };
        self
    }

    /// Gives the answer a body of unknown length, in these pieces.
    pub fn chunked<C: Into<Vec<u8>>>(mut self, chunks: impl IntoIterator<Item = C>) -> Self {
        self.headers.remove("content-length");
        self.chunks = chunks.into_iter().map(Into::into).collect();
        self
    }

    /// Cuts the body into pieces of that many bytes, and leaves the headers alone.
    pub fn split(mut self, bytes: usize) -> Self {
        self.chunks = self.chunks.concat().chunks(bytes.max(1)).map(<[u8]>::to_vec).collect();
        self
    }

    /// Ends the answer in trailers.
    pub fn trailers(mut self, trailers: impl Into<HeaderMap>) -> Self {
        self.trailers = Some(trailers.into());
        self
    }

    /// Breaks the connection after the last piece, before the answer's end.
    pub fn cut(mut self) -> Self {
        self.end = End::Cut;
        self
    }
}
