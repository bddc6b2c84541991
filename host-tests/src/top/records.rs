//! Adds cost records to the board. Called by [`super::source`].

use super::board::{Added, Board};
use crate::records::Record;
use crate::records::money::Nano;

impl Board {
    /// Adds a record.
    pub fn record(&mut self, record: &Record) {
        let minute = record.time.map(|time| time.as_second().div_euclid(60));
        if let Some(minute) = minute {
            // A minute at least, so that one call is not taken for a habit.
            self.watch_from((minute - 1) * 60);
        }
        let more = Added {
            minute,
            requests: 1,
            tokens: record.usage.input + record.usage.output,
            cost: Nano::from(record.cost_nano_usd),
        };
        self.spend(&more);
        self.savings += Nano::from(record.savings_nano_usd);
        self.group("model", record.model(), &more);
        for (dimension, value) in &record.identity {
            self.group(dimension, value, &more);
        }
        let rule = record.rule.clone().unwrap_or_default();
        *self.decisions.entry((rule, record.decision.clone())).or_default() += 1;
        for (route, arm) in &record.arms {
            self.arms.entry((route.clone(), arm.clone())).or_default().add(&more);
        }
        *self.endings.entry(record.ending.clone()).or_default() += 1;
        if let Some(failure) = &record.failure {
            *self.failures.entry(failure.clone()).or_default() += 1;
        }
    }
}
