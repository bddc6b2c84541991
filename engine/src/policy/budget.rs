//! One budget: what is counted for whom, how it is forgotten, and the ladder of what happens on the way.
//!
//! Compiled by [`super::compile`]; which budgets a call meets is said by [`Policy`](super::Policy).

use super::{
    Alternative, Bound, Condition, Confirm, Effort, Messages, Overage, Scope, Subject, Term, Verdict, Window,
};
use crate::ledger::{NO_WARNING, WARNINGS_MAX};
use crate::units::{Amount, Meter};

/// One budget.
#[derive(Debug, Clone)]
pub struct Budget {
    /// Unique in the policy; the `rule` in every answer and record.
    pub name: String,
    /// Decides, but is not carried out.
    pub shadow: bool,
    /// What happens to a call that meets it when something of ours failed.
    pub on_error: Verdict,
    /// Which calls meet it: those that fulfil all of these.
    pub matches: Vec<Condition>,
    /// When it is in force. Outside of it, it is as if it were not there.
    pub term: Term,
    /// What makes the subject, by its values. None: one subject for all.
    pub per: Vec<Scope>,
    /// The kind of window, the meter and the names of `per`: a budget that counts something else than it
    /// did begins anew.
    pub(super) counted: String,
    /// What is counted.
    pub meter: Meter,
    /// 100 %.
    pub limit: Amount,
    /// How it is forgotten.
    pub window: Window,
    /// From the lowest step to the highest.
    pub ladder: Vec<Step>,
    /// Other limits of the same budget; the first that a caller meets is in force.
    pub alternatives: Vec<Alternative>,
}

/// One step of a ladder.
#[derive(Debug, Clone)]
pub struct Step {
    /// The amount from which it applies.
    pub at: Amount,
    /// The same in thousandths of the limit.
    pub per_mille: u32,
    /// Recorded, and otherwise as if it were not there.
    pub shadow: bool,
    /// What it does.
    pub action: Action,
    /// Who is told when it is reached: the sink's place in [`Policy::sinks`](super::Policy::sinks).
    pub alert: Option<usize>,
}

/// What a step does.
#[derive(Debug, Clone)]
pub enum Action {
    /// Tell the caller.
    Warn {
        /// The sentence.
        message: Messages,
        /// Once a window, and not with every answer.
        once: bool,
    },
    /// Shorten the answer.
    Clamp {
        /// To how much.
        bound: Option<Bound>,
        /// The effort that reasoning is lowered to, where the request states one.
        effort: Option<Effort>,
    },
    /// Serve by a cheaper model.
    Downgrade {
        /// The list's place in [`Policy::downgrades`](super::Policy::downgrades).
        list: usize,
    },
    /// Go on, at a price.
    Overage(Overage),
    /// Go on later.
    Delay {
        /// The longest, in milliseconds.
        up_to_ms: i64,
    },
    /// Ask first.
    Confirm(Confirm),
    /// Refuse.
    Deny {
        /// The sentence when something is left, but less than the call needs.
        short: Messages,
        /// The sentence when nothing is left.
        exhausted: Messages,
        /// These sentences are the policy's own.
        has_own_words: bool,
        /// Where more can be bought.
        upgrade_url: Option<String>,
        /// An answer that streams already ends when nothing is left.
        stops_streams: bool,
    },
    /// Nothing to the call: operators are told, by [`Step::alert`].
    Alert,
}

impl Action {
    /// The word in the policy's ladders.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Warn { .. } => "warn",
            Self::Clamp { .. } => "clamp",
            Self::Downgrade { .. } => "downgrade",
            Self::Overage(_) => "overage",
            Self::Delay { .. } => "delay",
            Self::Confirm(_) => "confirm",
            Self::Deny { .. } => "deny",
            Self::Alert => "alert",
        }
    }
}

impl Budget {
    pub(super) fn concerns(&self, subject: &Subject<'_>) -> bool {
        self.matches.iter().all(|condition| subject.meets(condition))
    }

    /// Whether operators are told of some step.
    #[must_use]
    pub fn has_alerts(&self) -> bool {
        self.ladder.iter().any(|step| step.alert.is_some())
    }

    /// The thresholds of which callers are warned once, in the ladder's order.
    #[must_use]
    pub fn warned_once(&self) -> [Amount; WARNINGS_MAX] {
        let once = self.enforced().filter(|step| matches!(step.action, Action::Warn { once: true, .. }));
        let mut thresholds = [NO_WARNING; WARNINGS_MAX];
        for (to, step) in thresholds.iter_mut().zip(once) {
            *to = step.at;
        }
        thresholds
    }

    /// The amount at which calls are refused; `None` if they never are, as in shadow mode.
    #[must_use]
    pub fn cap(&self) -> Option<Amount> {
        self.refuses_at().filter(|_| !self.shadow)
    }

    /// What there is to use, in whole units: the limit, or less where calls are refused before.
    #[must_use]
    pub fn affordable(&self) -> Amount {
        let below = self.refuses_at().filter(|at| *at < self.limit);
        below.map_or(self.limit, |at| self.meter.amount(self.meter.count(at)))
    }

    /// Where the `deny` step stands, or where the overage right before it ends; in shadow mode too.
    fn refuses_at(&self) -> Option<Amount> {
        let mut ends = None;
        for step in self.enforced() {
            match &step.action {
                Action::Deny { .. } => return Some(ends.map_or(step.at, |end| step.at.min(end))),
                Action::Overage(overage) => ends = overage.end(step.at),
                _ => ends = None,
            }
        }
        None
    }

    /// The steps that are carried out where the budget is.
    pub fn enforced(&self) -> impl Iterator<Item = &Step> {
        self.ladder.iter().filter(|step| !step.shadow)
    }

    /// The step that refuses.
    #[must_use]
    pub fn deny(&self) -> Option<&Step> {
        self.enforced().find(|step| matches!(step.action, Action::Deny { .. }))
    }
}
