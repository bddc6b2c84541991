//! Something of ours failed: what that means for the call is decided here, by `on_error`, and nowhere else.

use super::{Exchange, Next, State};
use crate::policy::Verdict;
use crate::refusal::{Refusal, RefusalKind};
use crate::units::EpochMs;

impl Exchange {
    /// The store cannot answer, or did not in time. The one place where `on_error` decides.
    pub fn store_failed(&mut self, why: &str, now: EpochMs) -> Next {
        if self.state != State::Reserving {
            return Next::Nothing;
        }
        self.fail(why, now)
    }

    /// Something of ours failed before the call went on: `on_error` decides.
    pub fn fail(&mut self, why: &str, now: EpochMs) -> Next {
        self.failure = Some(why.to_owned());
        match self.on_error(now) {
            Verdict::Allow => self.forward(),
            Verdict::Deny => {
                let message = "Budgets can't be checked right now, and this service's policy is to wait. \
                               Try again in a moment."
                    .to_owned();
                self.give_back();
                self.refuse(&Refusal::other(RefusalKind::Unavailable, message), now)
            }
        }
    }

    /// What a failure means for this call: one budget that it meets is enough to refuse it. Those in shadow
    /// mode change nothing, and where none is met the policy's own word counts.
    fn on_error(&mut self, now: EpochMs) -> Verdict {
        if self.plan.is_empty() {
            self.plan(now);
        }
        let mut met =
            self.plan.iter().filter_map(|planned| self.policy.budgets.get(planned.budget)).peekable();
        if met.peek().is_none() {
            return self.policy.on_error;
        }
        let denies = met.any(|budget| !budget.shadow && budget.on_error == Verdict::Deny);
        if denies { Verdict::Deny } else { Verdict::Allow }
    }

    /// The host did not carry out the edits of [`Next::Forward`]: the call still asks for what it
    /// asked for. `on_error` decides.
    pub fn edit_failed(&mut self, why: &str, now: EpochMs) -> Next {
        self.outcome.undo_edits();
        self.routing.undo();
        self.body_editable = false;
        self.strip = None;
        self.fail(why, now)
    }

    /// The host did not send [`Next::Reply`]. `None`: the policy would rather hold the call than let it
    /// go on. `holdable`: this host can.
    pub fn reply_failed(&mut self, why: &str, holdable: bool, now: EpochMs) -> Option<Next> {
        self.failure = Some(why.to_owned());
        if self.state != State::Replied || (self.on_error(now) == Verdict::Deny && holdable) {
            return None;
        }
        Some(self.forward())
    }
}
