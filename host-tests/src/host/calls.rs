//! Owns the calls that a filter has outstanding, and the answer that is being delivered to it. Changed by the
//! call host functions and by `vm_calls.rs`. It must not know the guest, and it connects nowhere.

use super::HeaderMap;
use std::collections::BTreeMap;
use std::time::Duration;

/// An HTTP call that waits for its answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HttpCall {
    /// The number by which the filter knows it.
    pub token: u32,
    /// The context that made it: 1 is the root, anything else a stream.
    pub context: u32,
    /// The cluster on Envoy, an address elsewhere.
    pub upstream: Vec<u8>,
    /// The headers.
    pub headers: HeaderMap,
    /// The body.
    pub body: Vec<u8>,
    /// The trailers.
    pub trailers: HeaderMap,
    /// How long the filter wants to wait.
    pub timeout: Duration,
    /// When it was made, on the clock of [`Shared`](super::Shared).
    pub sent_ns: u64,
}

/// A gRPC call or stream that is open.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GrpcCall {
    /// The number by which the filter knows it.
    pub token: u32,
    /// The context that made it: 1 is the root, anything else a stream.
    pub context: u32,
    /// The service to call, as the host is configured (on Envoy a serialized `GrpcService`).
    pub upstream: Vec<u8>,
    /// The service's name.
    pub service: Vec<u8>,
    /// The method's name.
    pub method: Vec<u8>,
    /// The metadata that the call began with.
    pub metadata: HeaderMap,
    /// The messages sent so far.
    pub sent: Vec<Vec<u8>>,
    /// Whether the filter has ended its side.
    pub closed: bool,
    /// How long the filter wants to wait, for a single call.
    pub timeout: Option<Duration>,
}

/// Outstanding calls, and what is being delivered.
#[derive(Default)]
pub(crate) struct Calls {
    pub(crate) http: BTreeMap<u32, HttpCall>,
    pub(crate) grpc: BTreeMap<u32, GrpcCall>,
    /// How many tokens were given out, of either kind.
    pub(crate) given: u32,
    pub(crate) headers: Option<HeaderMap>,
    pub(crate) body: Option<Vec<u8>>,
    pub(crate) trailers: Option<HeaderMap>,
    pub(crate) grpc_metadata: Option<HeaderMap>,
    pub(crate) grpc_trailers: Option<HeaderMap>,
    pub(crate) grpc_message: Option<Vec<u8>>,
    /// The status that `proxy_get_status` tells.
    pub(crate) status: (u32, Vec<u8>),
}

impl Calls {
    /// Forgets what was delivered: it is readable in its callback alone.
    pub(crate) fn delivered(&mut self) {
        self.headers = None;
        self.body = None;
        self.trailers = None;
        self.grpc_metadata = None;
        self.grpc_trailers = None;
        self.grpc_message = None;
    }
}
