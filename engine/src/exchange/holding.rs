//! What the store is asked, in the order of how long windows last, and what its answer means for the call.

use super::plan::Planned;
use super::{Exchange, Next, State};
use crate::alert::Owed;
use crate::ledger::{Denied, Hold, Reserved};
use crate::units::EpochMs;

impl Exchange {
    /// What is to be held, in this order.
    #[must_use]
    pub fn holds(&self) -> Vec<Hold> {
        self.in_order().map(|planned| planned.hold).collect()
    }

    pub(super) fn in_order(&self) -> impl Iterator<Item = &Planned> {
        self.order.iter().filter_map(|index| self.plan.get(*index))
    }

    /// The budgets of these holds, by their places in the policy. For those who explain.
    #[must_use]
    pub fn budgets(&self) -> Vec<usize> {
        self.in_order().map(|planned| planned.budget).collect()
    }

    /// The store answered.
    pub fn reserved(&mut self, answer: &Result<Vec<Reserved>, Denied>, now: EpochMs) -> Next {
        // The denied one by its place in the plan.
        let place = |denied: &Denied| self.order.get(denied.index).copied().unwrap_or(usize::MAX);
        let answer = answer.as_ref().map_err(|denied| Denied { index: place(denied), ..denied.clone() });
        match (self.state, answer) {
            (State::Reserving, Ok(reserved)) => {
                for (index, reserved) in self.order.iter().zip(reserved) {
                    if let Some(planned) = self.plan.get_mut(*index) {
                        planned.reserved = Some(*reserved);
                    }
                }
                if self.needs_count() {
                    self.give_back();
                    return Next::Count;
                }
                self.conclude(now)
            }
            (State::Reserving, Err(denied)) if self.may_fit(&denied) => Next::Count,
            (State::Reserving, Err(denied)) if self.holds_the_rest(&denied) => Next::Reserve,
            (State::Reserving, Err(denied)) => {
                self.reduce(&denied, now).unwrap_or_else(|| self.denied(&denied, now))
            }
            (_, Ok(reserved)) => {
                // Too late: the client left, or we gave up waiting. Nothing is kept.
                let taken = self.in_order().zip(reserved);
                let back: Vec<Owed> =
                    taken.map(|(planned, got)| planned.hold.give_back(got).into()).collect();
                self.owed.extend(back);
                Next::Nothing
            }
            (_, Err(_)) => Next::Nothing,
        }
    }
}
