//! Owns the list of host functions and how each is called: count it, let an injected fault strike, run it,
//! answer with its status. One file for each concept. It must not know callbacks.

mod access;
mod buffers;
mod foreign;
mod grpc;
mod headers;
mod http_call;
mod memory;
mod metrics;
mod misc;
mod properties;
mod queues;
mod shared_data;
mod streams;
mod wasi;

use super::state::{HostTrap, VmState};
use super::{Profile, Status};
use wasmtime::{Caller, Engine, Linker};

/// The filter, as a host function sees it.
pub(super) type Guest<'a> = Caller<'a, VmState>;

/// Why a host function does not answer 0.
pub(super) enum Halt {
    /// It answers this.
    Status(Status),
    /// It ends the callback.
    Trap(HostTrap),
    /// The filter's allocator trapped.
    Guest(wasmtime::Error),
}

impl From<Status> for Halt {
    fn from(status: Status) -> Self {
        Halt::Status(status)
    }
}

/// What a host function comes to.
pub(super) type Answer = Result<(), Halt>;

/// Ends the callback, as the proxy would.
pub(super) fn trap(message: impl Into<String>) -> Halt {
    Halt::Trap(HostTrap { message: message.into(), worker_crashed: false })
}

/// Ends the callback and the proxy's worker with it.
pub(super) fn crash(message: impl Into<String>) -> Halt {
    Halt::Trap(HostTrap { message: message.into(), worker_crashed: true })
}

fn answer(answer: Answer) -> wasmtime::Result<u32> {
    match answer {
        Ok(()) => Ok(Status::OK.0),
        Err(Halt::Status(status)) => Ok(status.0),
        Err(Halt::Trap(trap)) => Err(wasmtime::Error::new(trap)),
        Err(Halt::Guest(error)) => Err(error),
    }
}

/// Defines host functions in a linker: name, function, arguments.
macro_rules! define {
    ($linker:expr, $($name:literal => $function:path, ($($arg:ident: $kind:ty),*);)*) => {$(
        $linker.func_wrap(
            "env",
            $name,
            |mut guest: $crate::host::abi::Guest<'_>, $($arg: $kind),*| -> wasmtime::Result<u32> {
                match guest.data_mut().faults.count($name) {
                    Some(status) => Ok(status.0),
                    None => $crate::host::abi::answer($function(&mut guest, $($arg),*)),
                }
            },
        )?;
    )*};
}
use define;

/// Everything that a module may import on this proxy.
pub(super) fn linker(engine: &Engine, profile: Profile) -> wasmtime::Result<Linker<VmState>> {
    let mut linker = Linker::new(engine);
    headers::define(&mut linker)?;
    buffers::define(&mut linker)?;
    properties::define(&mut linker)?;
    shared_data::define(&mut linker)?;
    queues::define(&mut linker)?;
    metrics::define(&mut linker, profile)?;
    http_call::define(&mut linker)?;
    grpc::define(&mut linker)?;
    streams::define(&mut linker)?;
    foreign::define(&mut linker)?;
    misc::define(&mut linker, profile)?;
    wasi::define(&mut linker)?;
    Ok(linker)
}
