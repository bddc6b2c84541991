//! Owns the shared-queue host calls. The queues are in `host/queues.rs`.

use super::memory::{bytes, give, put_u32};
use super::{Answer, Guest};
use crate::host::state::VmState;
use crate::host::{Profile, Status};
use wasmtime::Linker;

pub(super) fn define(linker: &mut Linker<VmState>) -> wasmtime::Result<()> {
    super::define!(linker,
        "proxy_register_shared_queue" => register, (name: u32, name_len: u32, token: u32);
        "proxy_resolve_shared_queue" => resolve,
            (vm_id: u32, vm_id_len: u32, name: u32, name_len: u32, token: u32);
        "proxy_enqueue_shared_queue" => enqueue, (token: u32, item: u32, item_len: u32);
        "proxy_dequeue_shared_queue" => dequeue, (token: u32, item: u32, item_len: u32);
    );
    Ok(())
}

fn supported(guest: &Guest<'_>) -> Result<(), Status> {
    if guest.data().profile() == Profile::Apisix { Err(Status::UNIMPLEMENTED) } else { Ok(()) }
}

fn register(guest: &mut Guest<'_>, name: u32, name_len: u32, token: u32) -> Answer {
    let name = bytes(guest, name, name_len)?;
    supported(guest)?;
    let state = guest.data();
    let number = state.shared.queues().register(&state.config.vm_id, &name, state.worker)?;
    Ok(put_u32(guest, token, number)?)
}

fn resolve(
    guest: &mut Guest<'_>,
    vm_id: u32,
    vm_id_len: u32,
    name: u32,
    name_len: u32,
    token: u32,
) -> Answer {
    let vm_id = bytes(guest, vm_id, vm_id_len)?;
    let name = bytes(guest, name, name_len)?;
    supported(guest)?;
    let number = guest.data().shared.queues().resolve(&vm_id, &name)?;
    Ok(put_u32(guest, token, number)?)
}

fn enqueue(guest: &mut Guest<'_>, token: u32, item: u32, item_len: u32) -> Answer {
    let item = bytes(guest, item, item_len)?;
    supported(guest)?;
    Ok(guest.data().shared.queues().enqueue(token, &item)?)
}

fn dequeue(guest: &mut Guest<'_>, token: u32, item: u32, item_len: u32) -> Answer {
    supported(guest)?;
    let data = guest.data().shared.queues().dequeue(token)?;
    give(guest, &data, item, item_len)
}
