//! Owns the gRPC host calls: notes calls, streams and messages, so that whoever drives the VM can answer them.
//! It connects nowhere. WasmX's trap; APISIX does not have them.

use super::memory::{bytes, header_map, put_u32};
use super::{Answer, Guest, Halt, trap};
use crate::host::calls::GrpcCall;
use crate::host::state::VmState;
use crate::host::{Profile, Status};
use std::time::Duration;
use wasmtime::Linker;

pub(super) fn define(linker: &mut Linker<VmState>) -> wasmtime::Result<()> {
    super::define!(linker,
        "proxy_grpc_call" => call, (
            upstream: u32, upstream_len: u32, service: u32, service_len: u32, method: u32, method_len: u32,
            metadata: u32, metadata_len: u32, message: u32, message_len: u32, timeout_ms: u32, token: u32);
        "proxy_grpc_stream" => stream, (
            upstream: u32, upstream_len: u32, service: u32, service_len: u32, method: u32, method_len: u32,
            metadata: u32, metadata_len: u32, token: u32);
        "proxy_grpc_send" => send, (token: u32, message: u32, message_len: u32, end: u32);
        "proxy_grpc_cancel" => cancel, (token: u32);
        "proxy_grpc_close" => close, (token: u32);
    );
    Ok(())
}

fn supported(guest: &Guest<'_>) -> Result<(), Halt> {
    match guest.data().profile() {
        Profile::Envoy => Ok(()),
        Profile::Wasmx => Err(trap("gRPC calls are not there")),
        Profile::Apisix => Err(Status::UNIMPLEMENTED.into()),
    }
}

#[allow(clippy::too_many_arguments, reason = "the ABI has them")]
fn call(
    guest: &mut Guest<'_>,
    upstream: u32,
    upstream_len: u32,
    service: u32,
    service_len: u32,
    method: u32,
    method_len: u32,
    metadata: u32,
    metadata_len: u32,
    message: u32,
    message_len: u32,
    timeout_ms: u32,
    token: u32,
) -> Answer {
    supported(guest)?;
    let opened = GrpcCall {
        token: 0,
        context: guest.data().context(),
        upstream: bytes(guest, upstream, upstream_len)?,
        service: bytes(guest, service, service_len)?,
        method: bytes(guest, method, method_len)?,
        metadata: header_map(guest, metadata, metadata_len)?,
        sent: vec![bytes(guest, message, message_len)?],
        closed: true,
        timeout: Some(Duration::from_millis(timeout_ms.into())),
    };
    open(guest, opened, token)
}

#[allow(clippy::too_many_arguments, reason = "the ABI has them")]
fn stream(
    guest: &mut Guest<'_>,
    upstream: u32,
    upstream_len: u32,
    service: u32,
    service_len: u32,
    method: u32,
    method_len: u32,
    metadata: u32,
    metadata_len: u32,
    token: u32,
) -> Answer {
    supported(guest)?;
    let opened = GrpcCall {
        token: 0,
        context: guest.data().context(),
        upstream: bytes(guest, upstream, upstream_len)?,
        service: bytes(guest, service, service_len)?,
        method: bytes(guest, method, method_len)?,
        metadata: header_map(guest, metadata, metadata_len)?,
        sent: Vec::new(),
        closed: false,
        timeout: None,
    };
    open(guest, opened, token)
}

fn open(guest: &mut Guest<'_>, mut opened: GrpcCall, token: u32) -> Answer {
    bytes(guest, token, 4)?;
    let calls = &mut guest.data_mut().calls;
    calls.given += 1;
    let number = calls.given;
    opened.token = number;
    calls.grpc.insert(number, opened);
    Ok(put_u32(guest, token, number)?)
}

fn send(guest: &mut Guest<'_>, token: u32, message: u32, message_len: u32, end: u32) -> Answer {
    supported(guest)?;
    let message = bytes(guest, message, message_len)?;
    let call = guest.data_mut().calls.grpc.get_mut(&token).ok_or(Status::NOT_FOUND)?;
    if call.closed {
        return Err(Status::BAD_ARGUMENT.into());
    }
    call.sent.push(message);
    call.closed = end != 0;
    Ok(())
}

fn cancel(guest: &mut Guest<'_>, token: u32) -> Answer {
    supported(guest)?;
    guest.data_mut().calls.grpc.remove(&token).map(|_| ()).ok_or(Status::NOT_FOUND.into())
}

fn close(guest: &mut Guest<'_>, token: u32) -> Answer {
    supported(guest)?;
    let call = guest.data_mut().calls.grpc.get_mut(&token).ok_or(Status::NOT_FOUND)?;
    call.closed = true;
    Ok(())
}
