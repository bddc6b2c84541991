//! Owns injected faults: fail the nth host call, or the nth of one function. Asked before every host call of a VM.
//! It must not know which calls there are.

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
    function: Option<&'static str>,
}

impl Faults {
    /// Fails call number `nth`, counted from 1, with `status`.
    pub fn nth(nth: u64, status: Status, repeat: Repeat) -> Self {
        Self { nth, status, repeat, function: None }
    }

    /// Counts and fails calls of this function alone.
    pub fn only(self, function: &'static str) -> Self {
        Self { function: Some(function), ..self }
    }
}

/// Counts the calls and strikes when the plan says so.
#[derive(Default)]
pub(crate) struct Injector {
    plan: Option<Faults>,
    calls: u64,
    /// Those that the plan is about.
    counted: u64,
}

impl Injector {
    pub(crate) fn arm(&mut self, plan: Option<Faults>) {
        *self = Self { plan, calls: 0, counted: 0 };
    }

    pub(crate) fn calls(&self) -> u64 {
        self.calls
    }

    /// Counts one call; a status if it is to fail.
    pub(crate) fn count(&mut self, function: &str) -> Option<Status> {
        self.calls += 1;
        let plan = self.plan?;
        if plan.function.is_some_and(|only| only != function) {
            return None;
        }
        self.counted += 1;
        let strikes = match plan.repeat {
            Repeat::Once => self.counted == plan.nth,
            Repeat::Forever => self.counted >= plan.nth,
        };
        strikes.then_some(plan.status)
    }
}
