//! Owns the host calls that are alone in their kind: log, time, tick, configuration, gRPC status.

use super::memory::{bytes, give, put, put_u32};
use super::{Answer, Guest, trap};
use crate::host::state::VmState;
use crate::host::{Level, Profile, Status};
use wasmtime::Linker;

pub(super) fn define(linker: &mut Linker<VmState>, profile: Profile) -> wasmtime::Result<()> {
    super::define!(linker,
        "proxy_log" => log, (level: u32, text: u32, text_len: u32);
        "proxy_get_current_time_nanoseconds" => time, (out: u32);
        "proxy_set_tick_period_milliseconds" => tick, (period_ms: u32);
        "proxy_get_configuration" => configuration, (out: u32, out_len: u32);
        "proxy_get_status" => status, (code: u32, text: u32, text_len: u32);
    );
    // APISIX lacks it, and WasmX loses its worker to a module that imports it.
    if profile == Profile::Envoy {
        super::define!(linker, "proxy_get_log_level" => log_level, (out: u32););
    }
    Ok(())
}

fn log(guest: &mut Guest<'_>, level: u32, text: u32, text_len: u32) -> Answer {
    let text = bytes(guest, text, text_len)?;
    let level = Level::from_number(level).ok_or(Status::BAD_ARGUMENT)?;
    guest.data().shared.log().write(level, &text);
    Ok(())
}

fn log_level(guest: &mut Guest<'_>, out: u32) -> Answer {
    let level = guest.data().config.log_level as u32;
    Ok(put_u32(guest, out, level)?)
}

fn time(guest: &mut Guest<'_>, out: u32) -> Answer {
    let unsupported = guest.data().profile() == Profile::Apisix;
    let now_ns = if unsupported { 0 } else { guest.data().shared.clock().now_ns() };
    put(guest, out, &now_ns.to_le_bytes())?;
    if unsupported { Err(Status::UNIMPLEMENTED.into()) } else { Ok(()) }
}

fn tick(guest: &mut Guest<'_>, period_ms: u32) -> Answer {
    let state = guest.data_mut();
    match state.profile() {
        Profile::Apisix => return Err(Status::UNIMPLEMENTED.into()),
        Profile::Wasmx if state.context() != state.root => return Ok(()),
        Profile::Wasmx if state.tick_period_ms != 0 => return Err(trap("tick_period already set")),
        _ => state.tick_period_ms = period_ms,
    }
    Ok(())
}

fn configuration(guest: &mut Guest<'_>, out: u32, out_len: u32) -> Answer {
    let configuration = guest.data().config.plugin_configuration.clone();
    give(guest, &configuration, out, out_len)
}

fn status(guest: &mut Guest<'_>, code: u32, text: u32, text_len: u32) -> Answer {
    match guest.data().profile() {
        Profile::Envoy => {}
        Profile::Wasmx => return Err(trap("proxy_get_status is not there")),
        Profile::Apisix => return Err(Status::UNIMPLEMENTED.into()),
    }
    let (number, message) = guest.data().calls.status.clone();
    put_u32(guest, code, number)?;
    give(guest, &message, text, text_len)
}
