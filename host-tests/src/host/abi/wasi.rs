//! Owns the few WASI calls that a filter built for `wasm32-wasip1` drags in, so that it loads: printing, the
//! clock, an empty environment, random bytes. Files and sockets are not there; a module that asks for them does
//! not load. None of these count as host calls for injected faults.

use super::Guest;
use super::memory::{bytes, put, put_u32};
use crate::host::state::{HostTrap, VmState};
use crate::host::{Level, Status};
use wasmtime::Linker;

const MODULE: &str = "wasi_snapshot_preview1";
const BAD_FD: u32 = 8;
const FAULT: u32 = 21;

pub(super) fn define(linker: &mut Linker<VmState>) -> wasmtime::Result<()> {
    linker.func_wrap(MODULE, "fd_write", fd_write)?;
    linker.func_wrap(MODULE, "clock_time_get", |mut guest: Guest<'_>, _: u32, _: u64, out: u32| {
        let now_ns = guest.data().shared.clock().now_ns();
        errno(put(&mut guest, out, &now_ns.to_le_bytes()))
    })?;
    linker.func_wrap(MODULE, "random_get", random_get)?;
    for name in ["environ_sizes_get", "args_sizes_get"] {
        linker.func_wrap(MODULE, name, |mut guest: Guest<'_>, count: u32, size: u32| {
            errno(put_u32(&mut guest, count, 0).and_then(|()| put_u32(&mut guest, size, 0)))
        })?;
    }
    for name in ["environ_get", "args_get"] {
        linker.func_wrap(MODULE, name, |_: u32, _: u32| 0_u32)?;
    }
    linker.func_wrap(MODULE, "fd_close", |_: u32| BAD_FD)?;
    linker.func_wrap(MODULE, "fd_seek", |_: u32, _: u64, _: u32, _: u32| BAD_FD)?;
    linker.func_wrap(MODULE, "fd_read", |_: u32, _: u32, _: u32, _: u32| BAD_FD)?;
    linker.func_wrap(MODULE, "fd_fdstat_get", |_: u32, _: u32| BAD_FD)?;
    linker.func_wrap(MODULE, "fd_prestat_get", |_: u32, _: u32| BAD_FD)?;
    linker.func_wrap(MODULE, "fd_prestat_dir_name", |_: u32, _: u32, _: u32| BAD_FD)?;
    linker.func_wrap(MODULE, "sched_yield", || 0_u32)?;
    linker.func_wrap(MODULE, "proc_exit", |code: u32| -> wasmtime::Result<()> {
        let message = format!("the filter exited with {code}");
        Err(wasmtime::Error::new(HostTrap { message, worker_crashed: false }))
    })?;
    Ok(())
}

fn errno(done: Result<(), Status>) -> u32 {
    if done.is_ok() { 0 } else { FAULT }
}

/// What a filter prints is logged, as Envoy does: standard output as info, standard error as error.
fn fd_write(mut guest: Guest<'_>, fd: u32, slices: u32, count: u32, written: u32) -> u32 {
    let level = match fd {
        1 => Level::Info,
        2 => Level::Error,
        _ => return BAD_FD,
    };
    let Ok(text) = gather(&guest, slices, count) else { return FAULT };
    guest.data().shared.log().write(level, text.trim_ascii_end());
    let len = u32::try_from(text.len()).unwrap_or(u32::MAX);
    errno(put_u32(&mut guest, written, len))
}

fn gather(guest: &Guest<'_>, slices: u32, count: u32) -> Result<Vec<u8>, Status> {
    let mut text = Vec::new();
    for at in 0..count {
        let entry = at.checked_mul(8).and_then(|offset| slices.checked_add(offset));
        let entry = bytes(guest, entry.ok_or(Status::INVALID_MEMORY_ACCESS)?, 8)?;
        let word = |from: usize| entry.get(from..from + 4).and_then(|four| four.try_into().ok());
        let [ptr, len] = [word(0), word(4)].map(|four| four.map_or(0, u32::from_le_bytes));
        text.extend(bytes(guest, ptr, len)?);
    }
    Ok(text)
}

/// Bytes that differ and can be repeated: a test's outcome must not hang on the machine's randomness.
fn random_get(mut guest: Guest<'_>, out: u32, len: u32) -> u32 {
    if bytes(&guest, out, len).is_err() {
        return FAULT;
    }
    let mut seed = guest.data().shared.clock().now_ns() ^ guest.data().worker.rotate_left(32) | 1;
    let random: Vec<u8> = std::iter::repeat_with(|| {
        seed ^= seed << 13;
        seed ^= seed >> 7;
        seed ^= seed << 17;
        seed.to_le_bytes()[3]
    })
    .take(len as usize)
    .collect();
    errno(put(&mut guest, out, &random))
}
