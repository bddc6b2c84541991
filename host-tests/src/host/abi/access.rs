//! Owns which header maps and buffers a callback may touch, on each proxy. Called by the header and buffer host
//! functions. Envoy forgets a map once its callback said `Continue`; nginx keeps the request's for good.

use crate::host::state::VmState;
use crate::host::stream::{Half, Part, Phase, Side, Stream};
use crate::host::{HeaderMap, Profile, Status};

/// What a header map or buffer number stands for.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Map {
    Stream(Side, Part),
    GrpcInitial,
    GrpcTrailing,
    CallHeaders,
    CallTrailers,
}

impl Map {
    pub(super) fn from_number(number: u32) -> Result<Self, Status> {
        Ok(match number {
            0 => Map::Stream(Side::Request, Part::Headers),
            1 => Map::Stream(Side::Request, Part::Trailers),
            2 => Map::Stream(Side::Response, Part::Headers),
            3 => Map::Stream(Side::Response, Part::Trailers),
            4 => Map::GrpcInitial,
            5 => Map::GrpcTrailing,
            6 => Map::CallHeaders,
            7 => Map::CallTrailers,
            _ => return Err(Status::BAD_ARGUMENT),
        })
    }
}

/// The map, for reading.
pub(super) fn map(state: &mut VmState, map: Map) -> Result<&HeaderMap, Status> {
    let profile = state.profile();
    match map {
        Map::Stream(side, part) => {
            let stream = state.stream().ok_or(Status::BAD_ARGUMENT)?;
            if !readable(stream, profile, side, part) {
                return Err(Status::BAD_ARGUMENT);
            }
            let half = stream.half(side);
            Ok(if part == Part::Trailers { &half.trailers } else { &half.headers })
        }
        Map::GrpcInitial => state.calls.grpc_metadata.as_ref().ok_or(Status::BAD_ARGUMENT),
        Map::GrpcTrailing => state.calls.grpc_trailers.as_ref().ok_or(Status::BAD_ARGUMENT),
        Map::CallHeaders => state.calls.headers.as_ref().ok_or(Status::BAD_ARGUMENT),
        Map::CallTrailers => state.calls.trailers.as_ref().ok_or(Status::BAD_ARGUMENT),
    }
}

/// The map, for writing; `None` where the proxy accepts the change and does nothing.
pub(super) fn map_mut(state: &mut VmState, map: Map) -> Result<Option<&mut HeaderMap>, Status> {
    let profile = state.profile();
    let Map::Stream(side, part) = map else { return Err(Status::BAD_ARGUMENT) };
    let stream = state.stream().ok_or(Status::BAD_ARGUMENT)?;
    if !readable(stream, profile, side, part) {
        return Err(Status::BAD_ARGUMENT);
    }
    let logging = matches!(stream.phase, Some(Phase::Log));
    if profile == Profile::Envoy && logging {
        return Err(Status::BAD_ARGUMENT);
    }
    // nginx has sent the request's headers once the answer begins, and the answer's once its body does.
    let too_late = match side {
        Side::Request => stream.in_response(),
        Side::Response => stream.response.body_seen || logging,
    };
    if profile != Profile::Envoy && too_late {
        return Ok(None);
    }
    let half = stream.half_mut(side);
    Ok(Some(if part == Part::Trailers { &mut half.trailers } else { &mut half.headers }))
}

fn readable(stream: &Stream, profile: Profile, side: Side, part: Part) -> bool {
    let half = stream.half(side);
    if profile != Profile::Envoy {
        // The answer's map is there from the start: a header may be added before the upstream answers.
        return part == Part::Headers && (half.headers_seen || side == Side::Response);
    }
    let seen = if part == Part::Trailers { half.trailers_seen } else { half.headers_seen };
    match stream.phase {
        Some(Phase::Log) => seen,
        Some(Phase::Stream(now, at)) if now == side && at == part => seen,
        _ => seen && kept(stream, half, side, part),
    }
}

/// Envoy: the map of an earlier callback that paused, unless the stream has gone on since.
fn kept(stream: &Stream, half: &Half, side: Side, part: Part) -> bool {
    let overtaken = side == Side::Request && stream.in_response();
    let held = if part == Part::Trailers { half.paused == Some(Part::Trailers) } else { half.headers_kept };
    held && !overtaken
}

/// The body of one side.
pub(super) fn body(state: &mut VmState, side: Side) -> Result<&mut Half, Status> {
    let profile = state.profile();
    let stream = state.stream().ok_or(Status::NOT_FOUND)?;
    let now = stream.phase == Some(Phase::Stream(side, Part::Body));
    let overtaken = side == Side::Request && stream.in_response();
    let half = stream.half_mut(side);
    let there = match profile {
        Profile::Envoy => now || (half.paused.is_some() && half.body_seen && !overtaken),
        Profile::Wasmx if side == Side::Request => half.body_seen,
        Profile::Wasmx | Profile::Apisix => now,
    };
    if there && !half.body_unreadable { Ok(half) } else { Err(Status::NOT_FOUND) }
}
