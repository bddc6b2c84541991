//! Owns the shared-data host calls. The rules of compare-and-swap are in `host/shared_data.rs`.

use super::memory::{bytes, give, put_u32};
use super::{Answer, Guest};
use crate::host::state::VmState;
use crate::host::{Profile, Status};
use wasmtime::Linker;

pub(super) fn define(linker: &mut Linker<VmState>) -> wasmtime::Result<()> {
    super::define!(linker,
        "proxy_get_shared_data" => get, (key: u32, key_len: u32, value: u32, value_len: u32, cas: u32);
        "proxy_set_shared_data" => set, (key: u32, key_len: u32, value: u32, value_len: u32, cas: u32);
    );
    Ok(())
}

/// Envoy keeps the keys of each `vm_id` apart; nginx has one zone.
fn space(state: &VmState) -> &[u8] {
    if state.profile() == Profile::Envoy { &state.config.vm_id } else { b"" }
}

fn get(guest: &mut Guest<'_>, key: u32, key_len: u32, value: u32, value_len: u32, cas: u32) -> Answer {
    let key = bytes(guest, key, key_len)?;
    if guest.data().profile() == Profile::Apisix {
        return Err(Status::UNIMPLEMENTED.into());
    }
    let state = guest.data();
    let (data, number) = state.shared.data().get(space(state), &key).ok_or(Status::NOT_FOUND)?;
    give(guest, &data, value, value_len)?;
    Ok(put_u32(guest, cas, number)?)
}

fn set(guest: &mut Guest<'_>, key: u32, key_len: u32, value: u32, value_len: u32, cas: u32) -> Answer {
    let key = bytes(guest, key, key_len)?;
    let data = bytes(guest, value, value_len)?;
    let data = if value == 0 && value_len == 0 { None } else { Some(data.as_slice()) };
    let state = guest.data();
    Ok(state.shared.data().set(state.profile(), space(state), &key, data, cas)?)
}
