//! Owns one stream as the host sees it: both halves with their headers, bodies and trailers, what is held, and
//! what the filter asked for. Changed by the host calls and by `vm_stream.rs`; read by tests. It must not know
//! the guest.

use super::HeaderMap;
use std::collections::BTreeMap;

/// The number of a stream's context in the filter.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct StreamId(pub u32);

/// What a callback returned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// Go on.
    Continue,
    /// Stop here.
    Pause,
}

/// One of the two directions of a stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// From the client to the upstream.
    Request,
    /// From the upstream to the client.
    Response,
}

/// Which part of a half a callback is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Part {
    Headers,
    Body,
    Trailers,
}

/// What a VM is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Phase {
    Start,
    Tick,
    Stream(Side, Part),
    Log,
    Done,
    HttpCall,
    Grpc,
    Queue,
}

/// An answer made by the filter, or by the host in its place.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LocalReply {
    /// The HTTP status.
    pub status: u32,
    /// The response code details.
    pub details: Vec<u8>,
    /// The headers that the filter gave.
    pub headers: HeaderMap,
    /// The body.
    pub body: Vec<u8>,
    /// The gRPC status, -1 for none.
    pub grpc_status: i32,
    /// Whether the proxy made it by itself, such as 413 for a body over its limit.
    pub by_host: bool,
}

/// What came of a callback, or of a tick or call-back that touched the stream.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Outcome {
    /// What the callback returned; `None` where no callback of this stream ran.
    pub action: Option<Action>,
    /// The answer that was sent meanwhile: nothing of the request goes to the upstream any more.
    pub local_reply: Option<LocalReply>,
    /// The request may go on: headers that are still held, then `body`.
    pub request_goes_on: bool,
    /// The response may go on: headers that are still held, then `body`.
    pub response_goes_on: bool,
    /// The bytes that go on, as the filter left them.
    pub body: Vec<u8>,
    /// The filter closed the stream by `proxy_close_stream`.
    pub closed: bool,
}

/// One direction of a stream.
#[derive(Debug, Default)]
pub(crate) struct Half {
    pub(crate) headers: HeaderMap,
    pub(crate) trailers: HeaderMap,
    /// The bytes that the filter sees: the last piece, or all since it paused.
    pub(crate) body: Vec<u8>,
    /// The part in which the filter stopped this half.
    pub(crate) paused: Option<Part>,
    /// Envoy forgets the headers after a callback that returned `Continue`, and after a resume.
    pub(crate) headers_kept: bool,
    /// The filter resumed this half.
    pub(crate) resumed: bool,
    /// The parts which were given to the filter.
    pub(crate) headers_seen: bool,
    pub(crate) body_seen: bool,
    pub(crate) trailers_seen: bool,
    /// nginx: the body did not fit, so the filter cannot read it.
    pub(crate) body_unreadable: bool,
}

/// One stream.
#[derive(Debug, Default)]
pub struct Stream {
    pub(crate) request: Half,
    pub(crate) response: Half,
    /// The callback that runs for this stream now.
    pub(crate) phase: Option<Phase>,
    pub(crate) reply: Option<LocalReply>,
    pub(crate) replied: bool,
    pub(crate) closed: bool,
    pub(crate) started_ns: u64,
    pub(crate) properties: BTreeMap<Vec<u8>, Vec<u8>>,
    pub(crate) route_cache_cleared: u32,
}

impl Stream {
    /// The headers of one side, as the filter left them.
    pub fn headers(&self, side: Side) -> &HeaderMap {
        &self.half(side).headers
    }

    /// The trailers of one side, as the filter left them.
    pub fn trailers(&self, side: Side) -> &HeaderMap {
        &self.half(side).trailers
    }

    /// The bytes that are held for the filter.
    pub fn held_body(&self, side: Side) -> &[u8] {
        &self.half(side).body
    }

    /// Whether the filter stopped this side and has not resumed it.
    pub fn is_paused(&self, side: Side) -> bool {
        self.half(side).paused.is_some()
    }

    /// Whether an answer was sent in place of the upstream's.
    pub fn replied(&self) -> bool {
        self.replied
    }

    /// What the filter stored with `proxy_set_property`, by path. On Envoy the access log finds it as filter
    /// state `wasm.<path>`.
    pub fn properties(&self) -> &BTreeMap<Vec<u8>, Vec<u8>> {
        &self.properties
    }

    /// How often the filter called `clear_route_cache`.
    pub fn route_cache_cleared(&self) -> u32 {
        self.route_cache_cleared
    }

    pub(crate) fn half(&self, side: Side) -> &Half {
        match side {
            Side::Request => &self.request,
            Side::Response => &self.response,
        }
    }

    pub(crate) fn half_mut(&mut self, side: Side) -> &mut Half {
        match side {
            Side::Request => &mut self.request,
            Side::Response => &mut self.response,
        }
    }

    /// Whether the answer has begun.
    pub(crate) fn in_response(&self) -> bool {
        self.response.headers_seen
    }
}
