//! How far budgets are used, without holding anything: for the routes that ask, before anything is chosen, and for ladders
//! that make a call need less, when a hold was refused.

use super::plan::Planned;
use super::reducing::Reducing;
use super::{Exchange, Next, State};
use crate::ledger::{Hold, Level};
use crate::policy::{Budget, RouteRule, Standing, Standings};
use crate::units::{Amount, EpochMs};
use std::collections::BTreeSet;

/// One amount that is asked for.
#[derive(Debug, Clone, Copy)]
pub struct Look {
    /// Where it stands; of no amount.
    pub hold: Hold,
    /// The budget with the limit that the caller has, by its place in the policy.
    pub budget: usize,
}

impl Exchange {
    /// What a route that this call may meet asks of budgets, if any does: they are those of the model asked for.
    pub(super) fn look(&mut self, now: EpochMs) -> Option<Next> {
        let policy = self.policy.clone();
        if !policy.routes_ask_budgets {
            return None;
        }
        let subject = self.subject();
        let call = self.call_of(subject, now);
        let may_be_met =
            |route: &&RouteRule| route.term.lasts(now) && call.meets(&route.matches) != Some(false);
        let routes = policy.routes.iter().filter(may_be_met);
        let asked: BTreeSet<usize> = routes.flat_map(RouteRule::budgets).collect();
        let exempt = policy.is_exempt(&self.identity, now);
        let mut looks = Vec::new();
        let standings = asked.into_iter().map(|declared| {
            let Some((index, budget)) = policy.budget_for(declared, &subject, now).filter(|_| !exempt) else {
                return (declared, Standing::NotMet);
            };
            let open = self.memo.borrow_mut().windows.open(index, budget, now);
            let key = policy.slot_key(budget, &subject);
            looks.push(Look { hold: Hold::of_nothing(key, open.rule), budget: index });
            (declared, Standing::Unread)
        });
        let standings: Standings = standings.collect();
        (self.standings, self.looks) = (standings, looks);
        if self.looks.is_empty() {
            return None;
        }
        self.state = State::Looking;
        Some(Next::Look)
    }

    /// What stands in each budget of the plan is asked: a hold was refused.
    pub(super) fn look_at_plan(&mut self) {
        let look = |planned: &Planned| Look { hold: planned.hold, budget: planned.budget };
        self.looks = self.plan.iter().map(look).collect();
        self.state = State::Looking;
    }

    /// What is asked of the store, without changing it: [`crate::ledger::Page::level`] of each.
    #[must_use]
    pub fn looks(&self) -> &[Look] {
        &self.looks
    }

    /// The store answered [`Exchange::looks`], each with `None` where it could not be read. The next to do.
    pub fn looked(&mut self, levels: &[Option<Level>], now: EpochMs) -> Next {
        if self.state != State::Looking {
            return Next::Nothing;
        }
        self.state = State::Reading;
        if let Reducing::Asking(denied) = &self.reducing {
            let denied = denied.clone();
            self.looks.clear();
            return self.reduce_by(&denied, levels, now);
        }
        let looks = std::mem::take(&mut self.looks);
        let unread = self.standings.iter_mut().filter(|(_, standing)| *standing == Standing::Unread);
        for (place, ((_, standing), look)) in unread.zip(&looks).enumerate() {
            let Some(budget) = self.policy.budgets.get(look.budget) else { continue };
            match levels.get(place).copied().flatten() {
                Some(level) => *standing = Standing::Used(share(budget, level.total())),
                None => self.outcome.skipped.push(format!("routes: `{}` can't be read now", budget.name)),
            }
        }
        if self.unseen.is_some() { self.meter_unread(now) } else { self.meter(now) }
    }
}

/// The share of its limit in thousandths, rounded down. Of no limit, everything.
fn share(budget: &Budget, used: Amount) -> u64 {
    let thousandfold = i128::from(used.max(0)).saturating_mul(1_000);
    let share = thousandfold.checked_div(i128::from(budget.limit));
    share.map_or(1_000, |share| u64::try_from(share).unwrap_or(u64::MAX))
}
