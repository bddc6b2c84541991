//! Owns injected faults: fail the nth host call. Asked before every host call of a VM. It must not know which
//! calls there are.

use super::Status;

/// How often a fault strikes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Repeat {
    /// The nth call alone.
    Once,
    /// The nth call and all after it.
    Forever,
}

/// A plan to fail host calls, counted from when it is armed. Out values stay as the filter left them.
#[derive(Clone, Copy, Debug)]
pub struct Faults {
    nth: u64,
    status: Status,
    repeat: Repeat,
}

impl Faults {
    /// Fails call number `nth`, counted from 1, with `status`.
    pub fn nth(nth: u64, status: Status, repeat: Repeat) -> Self {
        Self { nth, status, repeat }
    }
}

/// Counts the calls and strikes when the plan says so.
#[derive(Default)]
pub(crate) struct Injector {
    plan: Option<Faults>,
    calls: u64,
}

impl Injector {
    pub(crate) fn arm(&mut self, plan: Option<Faults>) {
        *self = Self { plan, calls: 0 };
    }

    pub(crate) fn calls(&self) -> u64 {
        self.calls
    }

    /// Counts one call; a status if it is to fail.
    pub(crate) fn count(&mut self) -> Option<Status> {
        self.calls += 1;
        let plan = self.plan?;
        let strikes = match plan.repeat {
            Repeat::Once => self.calls == plan.nth,
            Repeat::Forever => self.calls >= plan.nth,
        };
        strikes.then_some(plan.status)
    }
}
