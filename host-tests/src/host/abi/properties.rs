//! Owns the property host calls. Which properties there are is in `host/properties.rs`.

use super::memory::{bytes, give};
use super::{Answer, Guest};
use crate::host::Status;
use crate::host::properties::{read, write};
use crate::host::state::VmState;
use wasmtime::Linker;

pub(super) fn define(linker: &mut Linker<VmState>) -> wasmtime::Result<()> {
    super::define!(linker,
        "proxy_get_property" => get, (path: u32, path_len: u32, value: u32, value_len: u32);
        "proxy_set_property" => set, (path: u32, path_len: u32, value: u32, value_len: u32);
    );
    Ok(())
}

fn get(guest: &mut Guest<'_>, path: u32, path_len: u32, value: u32, value_len: u32) -> Answer {
    let path = bytes(guest, path, path_len)?;
    let found = read(guest.data(), &path).ok_or(Status::NOT_FOUND)?;
    give(guest, &found, value, value_len)
}

fn set(guest: &mut Guest<'_>, path: u32, path_len: u32, value: u32, value_len: u32) -> Answer {
    let path = bytes(guest, path, path_len)?;
    let value = bytes(guest, value, value_len)?;
    Ok(write(guest.data_mut(), &path, value)?)
}
