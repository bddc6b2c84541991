//! Owns the header and trailer host calls. When a map may be touched is in `access.rs`.

use super::access::{Map, map, map_mut};
use super::memory::{bytes, give, header_map, put_u32};
use super::{Answer, Guest};
use crate::host::state::VmState;
use crate::host::{HeaderMap, Profile, Status};
use wasmtime::Linker;

pub(super) fn define(linker: &mut Linker<VmState>) -> wasmtime::Result<()> {
    super::define!(linker,
        "proxy_get_header_map_pairs" => pairs, (kind: u32, out: u32, out_len: u32);
        "proxy_set_header_map_pairs" => set_pairs, (kind: u32, map: u32, map_len: u32);
        "proxy_get_header_map_value" => value, (kind: u32, key: u32, key_len: u32, out: u32, out_len: u32);
        "proxy_get_header_map_size" => size, (kind: u32, out: u32);
        "proxy_add_header_map_value" => add, (kind: u32, key: u32, key_len: u32, value: u32, value_len: u32);
        "proxy_replace_header_map_value" => replace,
            (kind: u32, key: u32, key_len: u32, value: u32, value_len: u32);
        "proxy_remove_header_map_value" => remove, (kind: u32, key: u32, key_len: u32);
    );
    Ok(())
}

fn pairs(guest: &mut Guest<'_>, kind: u32, out: u32, out_len: u32) -> Answer {
    let found = map(guest.data_mut(), Map::from_number(kind)?)?;
    let encoded = if found.is_empty() { Vec::new() } else { found.encode() };
    give(guest, &encoded, out, out_len)
}

fn set_pairs(guest: &mut Guest<'_>, kind: u32, ptr: u32, len: u32) -> Answer {
    let given = header_map(guest, ptr, len)?;
    let given: HeaderMap = given.iter().map(|(key, value)| (named(guest, key), value)).collect();
    change(guest, kind, |map| *map = given)
}

fn value(guest: &mut Guest<'_>, kind: u32, key: u32, key_len: u32, out: u32, out_len: u32) -> Answer {
    let key = bytes(guest, key, key_len)?;
    let found = map(guest.data_mut(), Map::from_number(kind)?)?.joined(&key).ok_or(Status::NOT_FOUND)?;
    give(guest, &found, out, out_len)
}

fn size(guest: &mut Guest<'_>, kind: u32, out: u32) -> Answer {
    let found = map(guest.data_mut(), Map::from_number(kind)?)?;
    let bytes: usize = found.iter().map(|(key, value)| key.len() + value.len()).sum();
    let bytes = u32::try_from(bytes).map_err(|_| Status::INTERNAL_FAILURE)?;
    Ok(put_u32(guest, out, bytes)?)
}

fn add(guest: &mut Guest<'_>, kind: u32, key: u32, key_len: u32, value: u32, value_len: u32) -> Answer {
    let (key, value) = (bytes(guest, key, key_len)?, bytes(guest, value, value_len)?);
    let key = named(guest, &key);
    change(guest, kind, |map| map.add(key, value))
}

fn replace(guest: &mut Guest<'_>, kind: u32, key: u32, key_len: u32, value: u32, value_len: u32) -> Answer {
    let (key, value) = (bytes(guest, key, key_len)?, bytes(guest, value, value_len)?);
    let key = named(guest, &key);
    change(guest, kind, |map| map.replace(key, value))
}

fn remove(guest: &mut Guest<'_>, kind: u32, key: u32, key_len: u32) -> Answer {
    let key = bytes(guest, key, key_len)?;
    change(guest, kind, |map| map.remove(&key))
}

/// Envoy's header names are always in lower case.
fn named(guest: &Guest<'_>, key: &[u8]) -> Vec<u8> {
    if guest.data().profile() == Profile::Envoy { key.to_ascii_lowercase() } else { key.to_vec() }
}

fn change(guest: &mut Guest<'_>, kind: u32, change: impl FnOnce(&mut HeaderMap)) -> Answer {
    if let Some(map) = map_mut(guest.data_mut(), Map::from_number(kind)?)? {
        change(map);
    }
    Ok(())
}
