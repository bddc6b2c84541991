//! Owns shared data: keys with a value and a number for compare-and-swap. Called by the shared-data host calls
//! of every worker and by tests. It must not know the guest's memory.

use super::{Profile, Status};
use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// A `vm_id` and a key.
type Place = (Vec<u8>, Vec<u8>);

#[derive(Default)]
struct Table {
    values: HashMap<Place, (Vec<u8>, u32)>,
    cas_last: u32,
}

/// The shared data of one proxy process. Envoy keeps the keys of each `vm_id` apart.
#[derive(Default)]
pub struct SharedData(Mutex<Table>);

impl SharedData {
    /// The value and its CAS number.
    pub fn get(&self, vm_id: &[u8], key: &[u8]) -> Option<(Vec<u8>, u32)> {
        self.table().values.get(&(vm_id.to_vec(), key.to_vec())).cloned()
    }

    /// Stores `value`, or removes the key where there is none, if `cas` fits what is stored. Envoy accepts the
    /// stored value's number and 0, and anything on a key that is not there; WasmX the stored number alone, which
    /// is 0 for a key that is not there (Kong/ngx_wasm_module, `ngx_wasm_shm_kv_set_locked`).
    ///
    /// # Errors
    /// [`Status::CAS_MISMATCH`], or [`Status::UNIMPLEMENTED`] on APISIX.
    pub fn set(
        &self,
        profile: Profile,
        vm_id: &[u8],
        key: &[u8],
        value: Option<&[u8]>,
        cas: u32,
    ) -> Result<(), Status> {
        let mut table = self.table();
        let place = (vm_id.to_vec(), key.to_vec());
        let stored = table.values.get(&place).map(|(_, stored)| *stored);
        let allowed = match (profile, stored) {
            (Profile::Apisix, _) => return Err(Status::UNIMPLEMENTED),
            (Profile::Envoy, stored) => cas == 0 || stored.is_none_or(|stored| cas == stored),
            (Profile::Wasmx, stored) => cas == stored.unwrap_or(0) && (value.is_some() || stored.is_some()),
        };
        if !allowed {
            return Err(Status::CAS_MISMATCH);
        }
        // Envoy never forgets a key: no value is an empty one there.
        if value.is_none() && profile == Profile::Wasmx {
            table.values.remove(&place);
            return Ok(());
        }
        table.cas_last = table.cas_last.checked_add(1).unwrap_or(1);
        let number = table.cas_last;
        table.values.insert(place, (value.unwrap_or_default().to_vec(), number));
        Ok(())
    }

    /// The number of keys, and the bytes of all keys and values.
    pub fn size(&self) -> (usize, usize) {
        let table = self.table();
        let bytes = table.values.iter().map(|((_, key), (value, _))| key.len() + value.len()).sum();
        (table.values.len(), bytes)
    }

    fn table(&self) -> MutexGuard<'_, Table> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
