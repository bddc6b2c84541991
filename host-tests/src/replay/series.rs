//! What happened when, in some hundred equal steps of time, however long it takes: when they are too many, two become
//! one. Owned by a tally.

use super::outcome::Outcome;
use serde::Serialize;
use std::collections::BTreeMap;
use tokenstile_engine::units::EpochMs;

/// At most so many steps.
const STEPS: usize = 512;
/// A step at first.
const FIRST_MS: i64 = 1_000;

/// Sums over time.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Series {
    /// The beginning, in milliseconds since 1970.
    pub start_ms: i64,
    /// The length of a step.
    pub step_ms: i64,
    /// The steps.
    pub steps: Vec<Step>,
}

/// One step of time.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Step {
    /// What its calls cost as they were.
    pub cost_without_nano_usd: i64,
    /// What they cost under the policy.
    pub cost_with_nano_usd: i64,
    /// What was decided, and how often.
    pub decisions: BTreeMap<&'static str, u64>,
}

impl Series {
    /// Adds a call. Times do not go back.
    pub fn take(&mut self, outcome: &Outcome) {
        if self.steps.is_empty() {
            (self.start_ms, self.step_ms) = (outcome.began.0, FIRST_MS);
        }
        let mut at = self.place(outcome.began);
        while at >= STEPS {
            self.halve();
            at = self.place(outcome.began);
        }
        if self.steps.len() <= at {
            self.steps.resize_with(at + 1, Step::default);
        }
        let Some(step) = self.steps.get_mut(at) else { return };
        step.cost_without_nano_usd = step.cost_without_nano_usd.saturating_add(outcome.cost_asked.0);
        step.cost_with_nano_usd = step.cost_with_nano_usd.saturating_add(outcome.cost.0);
        *step.decisions.entry(outcome.strictest().name()).or_default() += 1;
    }

    fn place(&self, at: EpochMs) -> usize {
        let since = at.0.saturating_sub(self.start_ms).max(0);
        usize::try_from(since / self.step_ms.max(1)).unwrap_or(usize::MAX)
    }

    fn halve(&mut self) {
        let pair = |pair: &[Step]| {
            let mut sum = Step::default();
            for step in pair {
                sum.cost_without_nano_usd =
                    sum.cost_without_nano_usd.saturating_add(step.cost_without_nano_usd);
                sum.cost_with_nano_usd = sum.cost_with_nano_usd.saturating_add(step.cost_with_nano_usd);
                for (decision, count) in &step.decisions {
                    *sum.decisions.entry(decision).or_default() += count;
                }
            }
            sum
        };
        self.steps = self.steps.chunks(2).map(pair).collect();
        self.step_ms = self.step_ms.saturating_mul(2);
    }
}
