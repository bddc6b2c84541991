//! Owns the host calls that steer a stream: local replies, resuming, closing, and whose context a call is for.

use super::memory::{bytes, header_map};
use super::{Answer, Guest, Halt, crash, trap};
use crate::host::state::VmState;
use crate::host::stream::{LocalReply, Phase, Side, Stream};
use crate::host::{Profile, Status};
use wasmtime::Linker;

pub(super) fn define(linker: &mut Linker<VmState>) -> wasmtime::Result<()> {
    super::define!(linker,
        "proxy_send_local_response" => reply, (
            status: u32, details: u32, details_len: u32, body: u32, body_len: u32,
            headers: u32, headers_len: u32, grpc_status: i32);
        "proxy_continue_stream" => go_on, (kind: u32);
        "proxy_continue_request" => continue_request, ();
        "proxy_continue_response" => continue_response, ();
        "proxy_close_stream" => close, (kind: u32);
        "proxy_set_effective_context" => set_effective_context, (context: u32);
        "proxy_done" => done, ();
    );
    Ok(())
}

#[allow(clippy::too_many_arguments, reason = "the ABI has them")]
fn reply(
    guest: &mut Guest<'_>,
    status: u32,
    details: u32,
    details_len: u32,
    body: u32,
    body_len: u32,
    headers: u32,
    headers_len: u32,
    grpc_status: i32,
) -> Answer {
    let reply = LocalReply {
        status,
        details: bytes(guest, details, details_len)?,
        headers: header_map(guest, headers, headers_len)?,
        body: bytes(guest, body, body_len)?,
        grpc_status,
        by_host: false,
    };
    let profile = guest.data().profile();
    let Some(stream) = guest.data_mut().stream() else {
        // Envoy has nothing to send it to, and says so to nobody.
        return if profile == Profile::Envoy { Ok(()) } else { Err(Status::BAD_ARGUMENT.into()) };
    };
    send(stream, profile, reply)
}

/// Envoy takes no notice of a second answer. WasmX traps on it, and on one in the response phases; APISIX cannot
/// take back a body that has begun.
fn send(stream: &mut Stream, profile: Profile, reply: LocalReply) -> Answer {
    match profile {
        Profile::Wasmx if stream.in_response() => return Err(trap("response already sent")),
        Profile::Wasmx if stream.replied => return Err(trap("local response already stashed")),
        Profile::Apisix if stream.response.body_seen => return Err(Status::BAD_ARGUMENT.into()),
        _ if stream.replied => return Ok(()),
        _ => {}
    }
    stream.replied = true;
    stream.reply = Some(reply);
    Ok(())
}

fn continue_request(guest: &mut Guest<'_>) -> Answer {
    go_on(guest, 0)
}

fn continue_response(guest: &mut Guest<'_>) -> Answer {
    go_on(guest, 1)
}

fn go_on(guest: &mut Guest<'_>, kind: u32) -> Answer {
    let side = side(kind)?;
    let state = guest.data_mut();
    if state.profile() == Profile::Wasmx && state.phase == Phase::Tick {
        return Err(crash("resumed a request from a tick"));
    }
    if let Some(stream) = state.stream() {
        let half = stream.half_mut(side);
        half.resumed = true;
        half.headers_kept = false;
    }
    Ok(())
}

/// Streams 2 and 3 are those of plain connections: known numbers, nothing to do here.
fn side(kind: u32) -> Result<Side, Halt> {
    match kind {
        0 => Ok(Side::Request),
        1 => Ok(Side::Response),
        _ => Err(Status::BAD_ARGUMENT.into()),
    }
}

fn close(guest: &mut Guest<'_>, kind: u32) -> Answer {
    side(kind)?;
    if guest.data().profile() == Profile::Wasmx {
        return Err(trap("proxy_close_stream is not there"));
    }
    if let Some(stream) = guest.data_mut().stream() {
        stream.closed = true;
    }
    Ok(())
}

/// The nginx modules take no notice of it: they act for the request that runs.
fn set_effective_context(guest: &mut Guest<'_>, context: u32) -> Answer {
    let state = guest.data_mut();
    if state.profile() != Profile::Envoy {
        return Ok(());
    }
    if context != state.root && !state.streams.contains_key(&context) {
        return Err(Status::BAD_ARGUMENT.into());
    }
    state.effective = Some(context);
    Ok(())
}

fn done(guest: &mut Guest<'_>) -> Answer {
    let state = guest.data_mut();
    if state.profile() == Profile::Wasmx {
        return Err(trap("proxy_done is not there"));
    }
    let context = state.context();
    let at = state.undone.iter().position(|waiting| *waiting == context).ok_or(Status::NOT_FOUND)?;
    state.undone.swap_remove(at);
    state.done.push(context);
    Ok(())
}
