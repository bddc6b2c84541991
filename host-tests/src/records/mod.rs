//! What was spent, by whom and on what, from the filter's cost records. Called by `tokenstile report`, `focus`, `ab` and `reconcile`.
//! It owns what records come to; how files of them are read stands in [`crate::replay::trace`], what
//! their fields mean in the engine's `exchange/record.rs`. It knows neither policy nor proxy.
//!
//! Money is counted in whole billionths of a dollar; nothing is rounded before it is printed.

pub mod ab;
pub mod bill;
pub mod caching;
mod cell;
pub mod dimension;
pub mod focus;
pub mod forecast;
pub mod html;
pub mod measure;
pub mod money;
mod plots;
pub mod reconcile;
pub mod record;
pub mod report;
mod sheet;
mod sku;
mod table;
pub mod tally;
pub mod templates;

pub use record::Record;

use crate::replay::trace::{Bad, Progress, cost_records};
use std::collections::HashSet;
use std::path::PathBuf;

/// What was read beside the records.
#[derive(Debug, Default)]
pub struct Seen {
    /// Records, each counted once.
    pub records: u64,
    /// Records that had come before, by their id.
    pub duplicates: u64,
    /// Lines of a log that are no records.
    pub other_lines: u64,
    /// What cannot be read.
    pub bad: Vec<Bad>,
}

/// So many calls, in words.
pub(crate) fn calls(count: u64) -> String {
    so_many(count, "call")
}

/// So many of what takes an `s` where there is not one.
#[must_use]
pub fn so_many(count: u64, what: &str) -> String {
    format!("{} {what}{}", tokenstile_engine::units::grouped(count), if count == 1 { "" } else { "s" })
}

/// Reads files of cost records (`-` is standard input) and gives each record once.
///
/// # Errors
/// A file cannot be opened, or there is no record in any.
pub fn read(paths: &[PathBuf], mut each: impl FnMut(Record)) -> Result<Seen, String> {
    let (mut seen, mut ids) = (Seen::default(), HashSet::new());
    for path in paths {
        for line in cost_records::<Record>(path, &Progress::default())? {
            match line {
                Ok(None) => seen.other_lines += 1,
                Err(bad) => seen.bad.push(bad),
                // A record without an id cannot be told from another.
                Ok(Some(record)) if !record.id.is_empty() && !ids.insert(record.id.clone()) => {
                    seen.duplicates += 1;
                }
                Ok(Some(record)) => {
                    seen.records += 1;
                    each(record);
                }
            }
        }
    }
    if seen.records > 0 {
        return Ok(seen);
    }
    Err(match seen.bad.first() {
        Some(bad) => format!("{}: {}", bad.place, bad.why),
        None => "there is no cost record; the filter logs one line `tokenstile-record {…}` a call".to_owned(),
    })
}
