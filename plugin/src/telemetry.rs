//! Counters in the host's own stats, and lines in its log.
//!
//! A counter is defined when it is first needed: each worker's VM would otherwise seed it.

use crate::host::{self, Level};
use std::collections::HashMap;
use tokenstile_engine::exchange::Settlement;

/// The numbers of the counters that this VM has defined.
#[derive(Debug, Default)]
pub(crate) struct Counters(HashMap<String, u32>);

impl Counters {
    /// Adds to a counter. A host without metrics loses nothing else.
    pub(crate) fn add(&mut self, name: &str, by: u64) {
        let name = format!("tokenstile_{name}");
        let id = self.0.get(&name).copied().or_else(|| host::define_counter(&name).ok());
        if let Some(id) = id {
            let _ = host::increment(id, i64::try_from(by).unwrap_or(i64::MAX));
            self.0.insert(name, id);
        }
    }

    /// Counts a settled call and writes its cost record.
    pub(crate) fn settled(&mut self, settlement: &Settlement) {
        let Settlement { record, usage, .. } = settlement;
        self.add(&format!("requests_{}", record.decision), 1);
        self.add(&format!("endings_{}", record.ending), 1);
        self.add("tokens_input", usage.input);
        self.add("tokens_output", usage.output);
        self.add("cost_nano_usd", record.cost_nano_usd.unsigned_abs());
        let charges = record.overage.iter().filter_map(|line| line.get("charge_nano_usd")?.as_u64());
        let overage = charges.fold(0, u64::saturating_add);
        if overage > 0 {
            self.add("overage_nano_usd", overage);
        }
        if record.unread.is_some() {
            self.add("requests_unread", 1);
        }
        if !record.priced {
            self.add("requests_unpriced", 1);
        }
        host::log(Level::Info, &format!("tokenstile-record {}", record.to_json()));
    }

    /// Counts and logs something of ours that failed.
    pub(crate) fn failed(&mut self, kind: &str, why: &str) {
        self.add(&format!("failures_{kind}"), 1);
        host::log(Level::Warn, &format!("tokenstile: {kind}: {why}"));
    }
}
