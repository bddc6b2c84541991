//! What the headers alone decide, so that nothing is uploaded in vain: a block, and a budget that is spent so far that
//! no call fits any more. Of the budgets that the headers decide, the answer is the one that the whole request would get.
//! Where tokens or money come back bit by bit, how long to wait depends on what a call needs: there it says when the least
//! could go through.

use super::plan::Planned;
use super::{Exchange, Next};
use crate::alert::Owed;
use crate::ledger::{Hold, Level};
use crate::policy::{Action, Budget};
use crate::refusal::Refusal;
use crate::units::EpochMs;
use std::cmp::Reverse;

/// A body of this many bytes comes with its headers: asking the store twice would cost more than it saves.
const SHORT_BODY: usize = 4096;

impl Exchange {
    /// The headers are here, the body is not. `announced`: its length, if the headers say it. `stands`: what the
    /// store has against a hold, without taking it; `None` if it cannot be read now.
    pub fn head(
        &mut self,
        announced: Option<usize>,
        now: EpochMs,
        stands: impl FnMut(&Hold) -> Option<Level>,
    ) -> Option<Next> {
        if let Some(blocked) = self.blocked_by_head(now) {
            return Some(blocked);
        }
        if announced.is_some_and(|length| length <= SHORT_BODY) {
            return None;
        }
        let (refusal, alert) = self.spent(now, stands)?;
        self.owed.extend(alert);
        Some(self.refuse(&refusal, now))
    }

    /// The refusal by the budget that lasts longest of those in which not even an empty request fits.
    fn spent(
        &self,
        now: EpochMs,
        mut stands: impl FnMut(&Hold) -> Option<Level>,
    ) -> Option<(Refusal, Option<Owed>)> {
        let policy = &self.policy;
        if policy.is_exempt(&self.identity, now) {
            return None;
        }
        let subject = self.subject_of_head();
        let open = |(index, budget)| (index, budget, self.memo.borrow_mut().windows.open(index, budget, now));
        let mut budgets: Vec<_> = policy.budgets_of_head(&subject, now).map(open).collect();
        let least = |budget: &Budget| budget.meter.amount(u64::from(budget.meter.counts_calls()));
        // How much the call needs is not known yet: a thousandth of what there is, so that buckets have their order.
        let needs = |budget: &Budget| least(budget).max(budget.limit / 1_000);
        budgets.sort_by_key(|(_, budget, open)| Reverse(open.lasts_ms(needs(budget), now)));
        let spent = budgets.into_iter().find_map(|(index, budget, open)| {
            let cap = budget.cap()?;
            // A body may need nothing at all, but each is a request.
            let amount = least(budget);
            let key = policy.slot_key(budget, &subject);
            let hold = Hold { amount, cap: Some(cap), ..Hold::of_nothing(key, open.rule) };
            let level = stands(&hold)?;
            let is_spent =
                level.total().saturating_add(amount) > cap && level.total() >= budget.limit.min(cap);
            let planned = Planned { budget: index, open, hold, expected: amount, reserved: None };
            is_spent.then_some((budget, planned, level, amount, cap))
        });
        // Where it cannot say so yet, none that is over sooner speaks for it.
        let (budget, planned, level, amount, cap) = spent?;
        let deny = sayable(budget)?;
        let told = self.told(budget, amount, now);
        let alert = self.alert_of_refusal(&told, &planned, level);
        Some((self.refusal(&told, &planned, level, deny, cap), alert))
    }
}

/// The step that refuses, if its sentence can be said without knowing what is asked for.
fn sayable(budget: &Budget) -> Option<&Action> {
    let says = |name: &str| match name {
        "needed" => !budget.meter.counts_calls(),
        _ => true,
    };
    let deny = budget.deny().map(|step| &step.action);
    deny.filter(|action| match action {
        Action::Deny { exhausted, .. } => {
            !["needed", "model"].into_iter().any(|name| says(name) && exhausted.say(name))
        }
        _ => false,
    })
}
