//! Owns the parts of a message and the callback that each of them means. Used by `machine.rs`; it must not know
//! what follows from a callback.

use crate::host::{Error, HeaderMap, Outcome, Side, StreamId, Vm};
use std::collections::VecDeque;

/// One message part to be given to the filter.
#[derive(Debug)]
pub(super) enum Step {
    Headers { headers: HeaderMap, end: bool },
    Body { bytes: Vec<u8>, end: bool },
    Trailers(HeaderMap),
}

/// The parts of a message. One of unknown length ends with an empty piece, as chunked transfer does; one that is
/// cut never ends.
pub(super) fn steps(
    headers: HeaderMap,
    chunks: Vec<Vec<u8>>,
    trailers: Option<HeaderMap>,
    complete: bool,
) -> VecDeque<Step> {
    let length_known = headers.first("content-length").is_some();
    let end = complete && chunks.is_empty() && trailers.is_none();
    let mut steps = VecDeque::from([Step::Headers { headers, end }]);
    steps.extend(chunks.into_iter().map(|bytes| Step::Body { bytes, end: false }));
    match (trailers, steps.back_mut()) {
        _ if !complete => {}
        (Some(trailers), _) => steps.push_back(Step::Trailers(trailers)),
        (None, Some(Step::Body { end, .. })) if length_known => *end = true,
        (None, Some(Step::Body { .. })) => steps.push_back(Step::Body { bytes: Vec::new(), end: true }),
        _ => {}
    }
    steps
}

pub(super) fn callback(vm: &mut Vm, id: StreamId, side: Side, step: Step) -> Result<Outcome, Error> {
    match (side, step) {
        (Side::Request, Step::Headers { headers, end }) => vm.request_headers(id, headers, end),
        (Side::Request, Step::Body { bytes, end }) => vm.request_body(id, &bytes, end),
        (Side::Request, Step::Trailers(trailers)) => vm.request_trailers(id, trailers),
        (Side::Response, Step::Headers { headers, end }) => vm.response_headers(id, headers, end),
        (Side::Response, Step::Body { bytes, end }) => vm.response_body(id, &bytes, end),
        (Side::Response, Step::Trailers(trailers)) => vm.response_trailers(id, trailers),
    }
}
