//! Owns every access to the guest's memory, each one checked: a pointer out of bounds is a status, never a
//! panic. Called by the host functions alone.

use super::{Answer, Guest, Halt};
use crate::host::{HeaderMap, Status};

fn memory(guest: &Guest<'_>) -> Result<wasmtime::Memory, Status> {
    guest.data().memory.ok_or(Status::INVALID_MEMORY_ACCESS)
}

fn range(ptr: u32, len: usize) -> Result<std::ops::Range<usize>, Status> {
    let start = ptr as usize;
    let end = start.checked_add(len).ok_or(Status::INVALID_MEMORY_ACCESS)?;
    Ok(start..end)
}

/// The bytes at `ptr`.
pub(super) fn bytes(guest: &Guest<'_>, ptr: u32, len: u32) -> Result<Vec<u8>, Status> {
    let range = range(ptr, len as usize)?;
    let data = memory(guest)?.data(guest).get(range).ok_or(Status::INVALID_MEMORY_ACCESS)?;
    Ok(data.to_vec())
}

/// The header map at `ptr`.
pub(super) fn header_map(guest: &Guest<'_>, ptr: u32, len: u32) -> Result<HeaderMap, Status> {
    HeaderMap::decode(&bytes(guest, ptr, len)?).ok_or(Status::PARSE_FAILURE)
}

/// Writes `data` to `ptr`.
pub(super) fn put(guest: &mut Guest<'_>, ptr: u32, data: &[u8]) -> Result<(), Status> {
    let range = range(ptr, data.len())?;
    let place = memory(guest)?.data_mut(guest).get_mut(range).ok_or(Status::INVALID_MEMORY_ACCESS)?;
    place.copy_from_slice(data);
    Ok(())
}

/// Writes a 32-bit number to `ptr`.
pub(super) fn put_u32(guest: &mut Guest<'_>, ptr: u32, value: u32) -> Result<(), Status> {
    put(guest, ptr, &value.to_le_bytes())
}

/// Hands `data` over: memory from the filter's own allocator, its address and length to the two out pointers.
pub(super) fn give(guest: &mut Guest<'_>, data: &[u8], ptr_ptr: u32, len_ptr: u32) -> Answer {
    // Both must be writable before anything is allocated, else the memory would be lost.
    bytes(guest, ptr_ptr, 4)?;
    bytes(guest, len_ptr, 4)?;
    let len = u32::try_from(data.len()).map_err(|_| Status::INTERNAL_FAILURE)?;
    let ptr = if data.is_empty() { 0 } else { allocate(guest, len)? };
    put(guest, ptr, data)?;
    put_u32(guest, ptr_ptr, ptr)?;
    Ok(put_u32(guest, len_ptr, len)?)
}

fn allocate(guest: &mut Guest<'_>, len: u32) -> Result<u32, Halt> {
    let allocate = guest.data().allocate.clone().ok_or(Status::INTERNAL_FAILURE)?;
    let ptr = allocate.call(&mut *guest, len).map_err(Halt::Guest)?;
    if ptr == 0 { Err(Status::INTERNAL_FAILURE.into()) } else { Ok(ptr) }
}
