//! What would have happened: past traffic through the very engine, under another policy and at its own time. Called by
//! `tokenstile replay`, `tokenstile suggest` and the programs that measure.
//!
//! [`trace`] reads what was; [`native`] decides each call anew, [`filter`] holds the built filter against it;
//! [`tally`] adds up what it came to, [`compare`] what two policies make of it. Nothing here decides anything itself.

mod agenda;
pub mod answer;
pub mod compare;
pub mod filter;
pub mod native;
pub mod outcome;
pub mod people;
pub mod policy;
pub mod report;
pub mod series;
pub mod spread;
pub mod suggest;
pub mod tally;
pub mod trace;

use compare::{Compare, Compared};
use filter::{Agreement, Filter};
use native::{Duration, Native};
use serde::Serialize;
use std::collections::BTreeMap;
use std::sync::Arc;
use tally::{Tallied, Tally};
use tokenstile_engine::policy::Policy;
use tokenstile_engine::units::EpochMs;
use trace::{Call, Ordered, What};

/// A replay that runs.
pub struct Replay {
    policy: Side,
    against: Option<(Side, Compare)>,
    filter: Option<Filter>,
    lasts: Duration,
    trace: Trace,
    landed: native::Landed,
}

struct Side {
    native: Native,
    tally: Tally,
}

impl Side {
    fn new(policy: Arc<Policy>) -> Self {
        Self { native: Native::new(policy.clone()), tally: Tally::new(policy) }
    }
}

/// What the trace was.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Trace {
    /// Calls, metered or not.
    pub calls: u64,
    /// Those that are not metered.
    pub not_metered: u64,
    /// When the first began, in milliseconds since 1970.
    pub from_ms: i64,
    /// When the last began.
    pub to_ms: i64,
    /// Lines that could not be read.
    pub bad: u64,
    /// Lines that are no calls, by reason.
    pub left_out: BTreeMap<&'static str, u64>,
    /// Calls that came too late to be put in their place in time, and ran when they came.
    pub late: u64,
}

/// What a replay found.
#[derive(Debug, Clone, Serialize)]
pub struct Report {
    /// What was replayed.
    pub trace: Trace,
    /// What differs between the two policies, if there are two.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub differences: Option<Compared>,
    /// Under the policy.
    pub policy: Tallied,
    /// Under the other.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub against: Option<Tallied>,
    /// Whether the filter decides as the engine does, if it was asked.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub filter: Option<Agreement>,
}

impl Replay {
    /// Under a policy, beside another if there is one; through the filter as well, if there is one.
    #[must_use]
    pub fn new(
        policy: Arc<Policy>,
        against: Option<Arc<Policy>>,
        filter: Option<Filter>,
        lasts: Duration,
    ) -> Self {
        Self {
            policy: Side::new(policy),
            against: against.map(|against| (Side::new(against.clone()), Compare::new(&against))),
            filter,
            lasts,
            trace: Trace::default(),
            landed: native::Landed::default(),
        }
    }

    /// The next call.
    ///
    /// # Errors
    /// It has no body, and the filter is asked.
    pub fn call(&mut self, call: &Call, now: EpochMs) -> Result<(), String> {
        if self.trace.calls == 0 {
            self.trace.from_ms = now.0;
        }
        self.trace.calls += 1;
        self.trace.to_ms = now.0;
        self.land(now);
        let Some(outcome) = self.policy.native.call(call, now, self.lasts) else {
            self.trace.not_metered += 1;
            return Ok(());
        };
        self.policy.tally.take(&outcome);
        if let Some(filter) = &mut self.filter {
            let What::Whole(whole) = &call.what else {
                return Err("the filter needs bodies, and this trace has token counts alone; \
                            leave `--wasm` out"
                    .to_owned());
            };
            filter.call(whole, &outcome, now);
        }
        if let Some((side, compare)) = &mut self.against
            && let Some(other) = side.native.call(call, now, self.lasts)
        {
            side.tally.take(&other);
            compare.take(&other, &outcome);
        }
        Ok(())
    }

    fn land(&mut self, now: EpochMs) {
        for side in
            [Some(&mut self.policy), self.against.as_mut().map(|(side, _)| side)].into_iter().flatten()
        {
            side.native.land(now, &mut self.landed);
            side.tally.landed(&self.landed);
            self.landed.passed.clear();
            self.landed.charged.clear();
            self.landed.alerts = 0;
        }
        if let Some(filter) = &mut self.filter {
            filter.land(now);
        }
    }

    /// All have ended.
    #[must_use]
    pub fn finish(mut self, read: &Ordered) -> Report {
        self.land(EpochMs(i64::MAX));
        self.trace.bad = read.bad_count;
        self.trace.left_out.clone_from(&read.left);
        self.trace.late = read.late;
        let (against, differences) = match self.against {
            None => (None, None),
            Some((side, compare)) => (Some(side.tally.finish()), Some(compare.finish())),
        };
        Report {
            trace: self.trace,
            differences,
            policy: self.policy.tally.finish(),
            against,
            filter: self.filter.map(Filter::finish),
        }
    }
}
