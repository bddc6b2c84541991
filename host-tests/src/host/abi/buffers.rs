//! Owns the buffer host calls and what offsets mean on each proxy. When a body may be touched is in `access.rs`.

use super::access::body;
use super::memory::{bytes, give, put_u32};
use super::{Answer, Guest};
use crate::host::state::VmState;
use crate::host::stream::Side;
use crate::host::{Profile, Status};
use wasmtime::Linker;

pub(super) fn define(linker: &mut Linker<VmState>) -> wasmtime::Result<()> {
    super::define!(linker,
        "proxy_get_buffer_bytes" => get, (kind: u32, start: u32, len: u32, out: u32, out_len: u32);
        "proxy_set_buffer_bytes" => set, (kind: u32, start: u32, len: u32, data: u32, data_len: u32);
        "proxy_get_buffer_status" => status, (kind: u32, len: u32, flags: u32);
    );
    Ok(())
}

/// The buffer of that number. Those of plain connections (2, 3) and of foreign calls (8) are never there.
fn buffer(state: &mut VmState, kind: u32) -> Result<&[u8], Status> {
    match kind {
        0 => body(state, Side::Request).map(|half| half.body.as_slice()),
        1 => body(state, Side::Response).map(|half| half.body.as_slice()),
        2 | 3 | 8 => Err(Status::NOT_FOUND),
        4 => state.calls.body.as_deref().ok_or(Status::NOT_FOUND),
        5 => state.calls.grpc_message.as_deref().ok_or(Status::NOT_FOUND),
        6 => Ok(&state.config.vm_configuration),
        7 => Ok(&state.config.plugin_configuration),
        _ => Err(Status::BAD_ARGUMENT),
    }
}

fn get(guest: &mut Guest<'_>, kind: u32, start: u32, len: u32, out: u32, out_len: u32) -> Answer {
    let profile = guest.data().profile();
    let whole = buffer(guest.data_mut(), kind)?;
    let piece = slice(profile, whole, kind, start, len)?;
    // Envoy has nothing to hand over then, and leaves the out values as they are.
    if piece.is_empty() { Ok(()) } else { give(guest, &piece, out, out_len) }
}

/// Envoy gives the slice as far as it is there; WasmX ignores `start`; the nginx modules call nothing not found.
fn slice(profile: Profile, whole: &[u8], kind: u32, start: u32, len: u32) -> Result<Vec<u8>, Status> {
    let configuration = kind == 7;
    let start = match profile {
        Profile::Envoy => {
            start.checked_add(len).ok_or(Status::BAD_ARGUMENT)?;
            start as usize
        }
        Profile::Wasmx => 0,
        Profile::Apisix if configuration => 0,
        Profile::Apisix => start as usize,
    };
    let len = if profile == Profile::Apisix && configuration { whole.len() } else { len as usize };
    if profile != Profile::Envoy && whole.is_empty() {
        return Err(Status::NOT_FOUND);
    }
    if profile == Profile::Apisix && (len == 0 || start >= whole.len()) {
        return Err(Status::BAD_ARGUMENT);
    }
    let rest = whole.get(start..).unwrap_or_default();
    Ok(rest.get(..len).unwrap_or(rest).to_vec())
}

fn set(guest: &mut Guest<'_>, kind: u32, start: u32, len: u32, data: u32, data_len: u32) -> Answer {
    let data = bytes(guest, data, data_len)?;
    let side = match kind {
        0 => Side::Request,
        1 => Side::Response,
        _ => return Err(Status::BAD_ARGUMENT.into()),
    };
    let profile = guest.data().profile();
    if profile == Profile::Apisix {
        return Err(Status::UNIMPLEMENTED.into());
    }
    let half = body(guest.data_mut(), side)?;
    half.body = edited(profile, &half.body, start as usize, len as usize, data)?;
    if profile == Profile::Wasmx && side == Side::Request {
        let length = half.body.len().to_string();
        half.headers.replace("content-length", length);
    }
    Ok(())
}

/// Envoy prepends, replaces all, or appends, and refuses any other edit. WasmX prepends, or cuts at `start` and
/// puts there no more than `len` bytes.
fn edited(
    profile: Profile,
    old: &[u8],
    start: usize,
    len: usize,
    mut data: Vec<u8>,
) -> Result<Vec<u8>, Status> {
    if start == 0 && len == 0 {
        return Ok([data.as_slice(), old].concat());
    }
    if profile == Profile::Wasmx {
        let len_max = if len == 0 { data.len() } else { len };
        data.truncate(len_max);
        let before = old.get(..start).unwrap_or(old);
        return Ok([before, &data].concat());
    }
    if start == 0 && len >= old.len() {
        return Ok(data);
    }
    if start != 0 && start >= old.len() {
        return Ok([old, data.as_slice()].concat());
    }
    Err(Status::BAD_ARGUMENT)
}

fn status(guest: &mut Guest<'_>, kind: u32, len: u32, flags: u32) -> Answer {
    let found = u32::try_from(buffer(guest.data_mut(), kind)?.len());
    put_u32(guest, len, found.map_err(|_| Status::INTERNAL_FAILURE)?)?;
    Ok(put_u32(guest, flags, 0)?)
}
