//! Owns the making of an instance: linking, the start functions, and one call of an exported callback with its
//! trap. Used by `vm.rs`; it must not know streams.

use super::abi;
use super::config::Module;
use super::state::{HostTrap, VmState};
use super::{Error, Trap};
use wasmtime::{Instance, Store, WasmParams, WasmResults};

/// Links the module for its proxy and makes an instance, without calling anything of it but its start function.
pub(crate) fn instantiate(module: &Module, state: VmState) -> Result<(Store<VmState>, Instance), Error> {
    let profile = state.profile();
    let engine = module.inner().engine();
    let linker = abi::linker(engine, profile).map_err(|error| Error::Load(format!("{error:#}")))?;
    let mut store = Store::new(engine, state);
    // First the imports alone, so that a missing one is told apart from a trap in the start function.
    let ready = linker
        .instantiate_pre(module.inner())
        .map_err(|error| Error::Load(format!("on the profile `{profile}`: {error:#}")))?;
    let instance = ready.instantiate(&mut store).map_err(|error| Error::Trap(trap("start", &error)))?;
    let memory = instance.get_memory(&mut store, "memory");
    store.data_mut().memory =
        Some(memory.ok_or_else(|| Error::Load("the module exports no memory".to_owned()))?);
    let allocate = ["proxy_on_memory_allocate", "malloc"]
        .into_iter()
        .find_map(|name| instance.get_typed_func::<u32, u32>(&mut store, name).ok());
    store.data_mut().allocate = allocate;
    let versions = ["proxy_abi_version_0_2_1", "proxy_abi_version_0_2_0", "proxy_abi_version_0_1_0"];
    if !versions.iter().any(|name| instance.get_func(&mut store, name).is_some()) {
        return Err(Error::Load("the module exports no `proxy_abi_version_…`".to_owned()));
    }
    Ok((store, instance))
}

/// Calls an export, if there is one of that name; `None` if not.
pub(crate) fn call<P: WasmParams, R: WasmResults>(
    store: &mut Store<VmState>,
    instance: &Instance,
    name: &str,
    params: P,
) -> Result<Option<R>, Error> {
    let Some(function) = instance.get_func(&mut *store, name) else { return Ok(None) };
    let function = function
        .typed::<P, R>(&mut *store)
        .map_err(|error| Error::Load(format!("`{name}` has another type: {error:#}")))?;
    function.call(&mut *store, params).map(Some).map_err(|error| Error::Trap(trap(name, &error)))
}

fn trap(callback: &str, error: &wasmtime::Error) -> Trap {
    let host = error.downcast_ref::<HostTrap>();
    Trap {
        callback: callback.to_owned(),
        message: host.map_or_else(|| reason(error), |trap| trap.message.clone()),
        worker_crashed: host.is_some_and(|trap| trap.worker_crashed),
    }
}

/// The trap itself, and the frames below which it happened.
fn reason(error: &wasmtime::Error) -> String {
    let kind = error.downcast_ref::<wasmtime::Trap>().map(ToString::to_string);
    match kind {
        Some(kind) => format!("{kind}; {error}"),
        None => format!("{error:#}"),
    }
}
