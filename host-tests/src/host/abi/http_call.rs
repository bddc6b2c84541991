//! Owns `proxy_http_call`: notes the call, so that whoever drives the VM can answer it. It connects nowhere.

use super::memory::{bytes, header_map, put_u32};
use super::{Answer, Guest};
use crate::host::calls::HttpCall;
use crate::host::state::VmState;
use crate::host::stream::{Part, Phase, Side};
use crate::host::{Profile, Status};
use std::time::Duration;
use wasmtime::Linker;

pub(super) fn define(linker: &mut Linker<VmState>) -> wasmtime::Result<()> {
    super::define!(linker,
        "proxy_http_call" => http_call, (
            upstream: u32, upstream_len: u32, headers: u32, headers_len: u32, body: u32, body_len: u32,
            trailers: u32, trailers_len: u32, timeout_ms: u32, token: u32);
    );
    Ok(())
}

#[allow(clippy::too_many_arguments, reason = "the ABI has them")]
fn http_call(
    guest: &mut Guest<'_>,
    upstream: u32,
    upstream_len: u32,
    headers: u32,
    headers_len: u32,
    body: u32,
    body_len: u32,
    trailers: u32,
    trailers_len: u32,
    timeout_ms: u32,
    token: u32,
) -> Answer {
    let call = HttpCall {
        token: 0,
        context: guest.data().context(),
        upstream: bytes(guest, upstream, upstream_len)?,
        headers: header_map(guest, headers, headers_len)?,
        body: bytes(guest, body, body_len)?,
        trailers: header_map(guest, trailers, trailers_len)?,
        timeout: Duration::from_millis(timeout_ms.into()),
        sent_ns: guest.data().shared.clock().now_ns(),
    };
    allowed(guest.data(), &call)?;
    bytes(guest, token, 4)?;
    let number = note(guest.data_mut(), call);
    Ok(put_u32(guest, token, number)?)
}

/// Envoy fails at once for a cluster that it does not know, WasmX only in the call-back; the nginx modules call
/// in request phases, APISIX one at a time.
fn allowed(state: &VmState, call: &HttpCall) -> Result<(), Status> {
    let in_request = matches!(state.phase, Phase::Stream(Side::Request, Part::Headers | Part::Body));
    let again = matches!(state.phase, Phase::HttpCall);
    let fine = match state.profile() {
        Profile::Envoy => state.shared.knows_cluster(&call.upstream) && has_pseudo_headers(call),
        Profile::Wasmx => in_request || again || matches!(state.phase, Phase::Tick),
        Profile::Apisix => (in_request || again) && state.calls.http.is_empty(),
    };
    if fine { Ok(()) } else { Err(Status::BAD_ARGUMENT) }
}

fn has_pseudo_headers(call: &HttpCall) -> bool {
    [":path", ":method", ":authority"].iter().all(|name| call.headers.first(name).is_some())
}

/// WasmX gives its first call the token 0.
fn note(state: &mut VmState, mut call: HttpCall) -> u32 {
    let first = if state.profile() == Profile::Wasmx { 0 } else { 1 };
    call.token = first + state.calls.given;
    state.calls.given += 1;
    let token = call.token;
    state.calls.http.insert(token, call);
    token
}
