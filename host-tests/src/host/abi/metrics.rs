//! Owns the metric host calls. The metrics are in `host/metrics.rs`. APISIX accepts them and does nothing, and
//! declares `proxy_get_metric` with another type.

use super::memory::{bytes, put, put_u32};
use super::{Answer, Guest};
use crate::host::Profile;
use crate::host::state::VmState;
use wasmtime::Linker;

pub(super) fn define(linker: &mut Linker<VmState>, profile: Profile) -> wasmtime::Result<()> {
    super::define!(linker,
        "proxy_define_metric" => define_metric, (kind: u32, name: u32, name_len: u32, id: u32);
        "proxy_increment_metric" => increment, (id: u32, by: i64);
        "proxy_record_metric" => record, (id: u32, value: i64);
    );
    if profile == Profile::Apisix {
        super::define!(linker, "proxy_get_metric" => get_as_apisix, (id: u32, value: i64););
    } else {
        super::define!(linker, "proxy_get_metric" => get, (id: u32, value: u32););
    }
    Ok(())
}

fn ignored(guest: &Guest<'_>) -> bool {
    guest.data().profile() == Profile::Apisix
}

fn define_metric(guest: &mut Guest<'_>, kind: u32, name: u32, name_len: u32, id: u32) -> Answer {
    let name = bytes(guest, name, name_len)?;
    if ignored(guest) {
        return Ok(());
    }
    let number = guest.data().shared.metrics().define(kind, &name)?;
    Ok(put_u32(guest, id, number)?)
}

fn increment(guest: &mut Guest<'_>, id: u32, by: i64) -> Answer {
    if ignored(guest) {
        return Ok(());
    }
    let state = guest.data();
    Ok(state.shared.metrics().increment(state.profile(), id, by)?)
}

fn record(guest: &mut Guest<'_>, id: u32, value: i64) -> Answer {
    if ignored(guest) {
        return Ok(());
    }
    Ok(guest.data().shared.metrics().record(id, value)?)
}

fn get(guest: &mut Guest<'_>, id: u32, value: u32) -> Answer {
    let found = guest.data().shared.metrics().read(id)?;
    Ok(put(guest, value, &found.to_le_bytes())?)
}

fn get_as_apisix(_: &mut Guest<'_>, _: u32, _: i64) -> Answer {
    Ok(())
}
