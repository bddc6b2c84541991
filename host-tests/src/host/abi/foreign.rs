//! Owns `proxy_call_foreign_function`. Of Envoy's own functions `clear_route_cache` is here; a test registers
//! others with `Shared::foreign_function`.

use super::memory::{bytes, give};
use super::{Answer, Guest, trap};
use crate::host::state::VmState;
use crate::host::{Profile, Status};
use wasmtime::Linker;

pub(super) fn define(linker: &mut Linker<VmState>) -> wasmtime::Result<()> {
    super::define!(linker,
        "proxy_call_foreign_function" => call,
            (name: u32, name_len: u32, argument: u32, argument_len: u32, result: u32, result_len: u32);
        "proxy_clear_route_cache" => clear_route_cache, ();
    );
    Ok(())
}

fn clear_route_cache(guest: &mut Guest<'_>) -> Answer {
    if let Some(stream) = guest.data_mut().stream() {
        stream.route_cache_cleared += 1;
    }
    Ok(())
}

fn call(
    guest: &mut Guest<'_>,
    name: u32,
    name_len: u32,
    argument: u32,
    argument_len: u32,
    result: u32,
    result_len: u32,
) -> Answer {
    let name = bytes(guest, name, name_len)?;
    let argument = bytes(guest, argument, argument_len)?;
    let profile = guest.data().profile();
    if profile == Profile::Apisix {
        return Err(Status::UNIMPLEMENTED.into());
    }
    if let Some(function) = guest.data().shared.foreign(&name) {
        let data = function(&argument)?;
        // A filter that does not care for the result gives no place for it.
        return if result == 0 || result_len == 0 { Ok(()) } else { give(guest, &data, result, result_len) };
    }
    match profile {
        Profile::Envoy if name == b"clear_route_cache" => clear_route_cache(guest),
        Profile::Envoy => Err(Status::NOT_FOUND.into()),
        _ => Err(trap(format!("unknown foreign function `{}`", name.escape_ascii()))),
    }
}
