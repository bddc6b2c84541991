//! Owns what the client sends, and when it goes away.

use crate::host::HeaderMap;
use std::collections::BTreeMap;

/// When the client closes its connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HangUp {
    /// After the headers of the request.
    AfterRequestHeaders,
    /// After that many pieces of the request's body.
    AfterRequestChunk(usize),
    /// As soon as the exchange waits for something.
    WhenWaiting,
    /// After the headers of the answer.
    AfterResponseHeaders,
    /// After that many pieces of the answer's body.
    AfterResponseChunk(usize),
}

/// One request.
#[derive(Clone, Debug, Default)]
pub struct Request {
    /// The headers, with `:method`, `:path`, `:scheme` and `:authority`.
    pub headers: HeaderMap,
    /// The body, in the pieces in which the proxy reads it.
    pub chunks: Vec<Vec<u8>>,
    /// The trailers that end it.
    pub trailers: Option<HeaderMap>,
    /// When the client goes away.
    pub hang_up: Option<HangUp>,
    /// What the proxy knows of it, by dotted name.
    pub properties: BTreeMap<String, Vec<u8>>,
}

impl Request {
    /// A request without a body.
    pub fn new(method: &str, path: &str) -> Self {
        let headers =
            [(":method", method), (":path", path), (":scheme", "http"), (":authority", "proxy.test")];
        Self { headers: headers.into(), ..Self::default() }
    }

    /// A GET.
    pub fn get(path: &str) -> Self {
        Self::new("GET", path)
    }

    /// A POST of a body in one piece, with its `content-length`.
    pub fn post(path: &str, body: impl Into<Vec<u8>>) -> Self {
        Self::new("POST", path).body(body)
    }

    /// Adds a header.
    pub fn header(mut self, name: impl Into<Vec<u8>>, value: impl Into<Vec<u8>>) -> Self {
        self.headers.add(name, value);
        self
    }

    /// Gives the request a body in one piece, with its `content-length`.
    pub fn body(mut self, body: impl Into<Vec<u8>>) -> Self {
        let body = body.into();
        self.headers.replace("content-length", body.len().to_string());
        self.chunks = if body.is_empty() { Vec::new() } else { vec![body] };
        self
    }

    /// Gives the request a body of unknown length, in these pieces.
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

    /// Ends the request in trailers.
    pub fn trailers(mut self, trailers: impl Into<HeaderMap>) -> Self {
        self.trailers = Some(trailers.into());
        self
    }

    /// Lets the client go away.
    pub fn hang_up(mut self, when: HangUp) -> Self {
        self.hang_up = Some(when);
        self
    }
}
