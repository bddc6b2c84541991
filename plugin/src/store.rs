//! Where pages live: the host's shared data, or this VM's memory on a host that has none.

use crate::host::{self, Status};
use std::collections::HashMap;
use tokenstile_engine::ledger::{Hold, Level, Page, Store, StoreError};
use tokenstile_engine::units::EpochMs;

/// Lost swaps before the request gives way and tries again at a tick. On two workers a swap is lost
/// about once in a hundred; this many in a row mean that something holds the page.
const ATTEMPTS: u32 = 50;

/// The version to give when a page is made. Envoy ignores any other on an absent key, so that two
/// workers could both make it and one update be lost; WasmX knows only 0 there.
const CREATE: [u32; 2] = [u32::MAX, 0];

/// Pages in one of the two places.
#[derive(Debug)]
pub(crate) enum Pages {
    /// In the host's shared data: one budget for all workers.
    Shared {
        /// What keys begin with: other filters may share the key space.
        prefix: String,
        /// Swaps that another worker won, since they were last counted.
        lost: u64,
    },
    /// In this VM: one budget a worker. APISIX has no shared data.
    Local(HashMap<u32, Page>),
}

impl Pages {
    /// Swaps that were lost since this was last asked.
    pub(crate) fn take_lost(&mut self) -> u64 {
        match self {
            Self::Shared { lost, .. } => std::mem::take(lost),
            Self::Local(_) => 0,
        }
    }

    /// What stands against a hold; `None` if there is nothing.
    pub(crate) fn level(&self, hold: &Hold, now: EpochMs) -> Result<Option<Level>, StoreError> {
        match self {
            Self::Shared { prefix, .. } => match host::shared_data(key(prefix, hold.key.page).as_bytes()) {
                Ok((bytes, _)) => Ok(Some(Page::from_bytes(Some(&bytes)).level(hold, now))),
                Err(host::NOT_FOUND) => Ok(None),
                Err(status) => Err(StoreError::Failed(status)),
            },
            Self::Local(pages) => Ok(pages.get(&hold.key.page).map(|page| page.level(hold, now))),
        }
    }
}

/// The prefix and the number in hexadecimal digits.
fn key(prefix: &str, number: u32) -> String {
    let mut key = String::with_capacity(prefix.len().saturating_add(8));
    key.push_str(prefix);
    let digits = (1..8).rev().skip_while(|place| number >> (place << 2_u32) == 0).chain([0]);
    key.extend(digits.filter_map(|place: u32| char::from_digit((number >> (place << 2)) & 15, 16)));
    key
}

impl Store for Pages {
    fn update<T>(&mut self, number: u32, mut change: impl FnMut(&mut Page) -> T) -> Result<T, StoreError> {
        match self {
            Self::Shared { prefix, lost } => update_shared(&key(prefix, number), lost, change),
            Self::Local(pages) => Ok(change(pages.entry(number).or_default())),
        }
    }
}

fn update_shared<T>(
    key: &str,
    lost: &mut u64,
    mut change: impl FnMut(&mut Page) -> T,
) -> Result<T, StoreError> {
    let mut creations = CREATE.iter().cycle();
    let mut ask_again = true;
    for _ in 0..ATTEMPTS {
        let (mut page, cas, found) = match host::shared_data(key.as_bytes()) {
            Ok((bytes, cas)) => (Page::from_bytes(Some(&bytes)), cas, true),
            Err(host::NOT_FOUND) => (Page::default(), creations.next().copied().unwrap_or(0), false),
            Err(status) => return Err(StoreError::Failed(status)),
        };
        let answer = change(&mut page);
        if !page.is_changed() {
            // Nothing to give back on a page that is not there: asked again, for a host that says so once
            // by mistake would leave a hold behind.
            if !found && std::mem::take(&mut ask_again) {
                continue;
            }
            return Ok(answer);
        }
        match host::set_shared_data(key.as_bytes(), page.as_bytes(), cas) {
            Ok(()) => return Ok(answer),
            Err(host::CAS_MISMATCH) => *lost = lost.saturating_add(1),
            Err(status) => return Err(StoreError::Failed(status)),
        }
    }
    Err(StoreError::Busy)
}

/// What a store's failure means, in words for the log and the record.
pub(crate) fn describe(error: StoreError) -> String {
    match error {
        StoreError::Busy => "shared data is contended".to_owned(),
        StoreError::Failed(status) => format!("shared data answered status {}", as_text(status)),
    }
}

fn as_text(status: Status) -> String {
    match status {
        host::UNIMPLEMENTED => "12 (this host has none)".to_owned(),
        other => other.to_string(),
    }
}
