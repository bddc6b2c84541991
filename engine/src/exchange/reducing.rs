//! What the ladders will put in place of what was asked for, where a call would be refused as it was asked for: a cheaper
//! model, a shorter answer. It is held by that, and so goes through. Called when the store refused a hold, and for what
//! stands in shadow.

use super::climb::{Climb, Reach, Serve, Serving};
use super::plan::{Planned, held};
use super::{Exchange, Next, State};
use crate::dialect::Edits;
use crate::ledger::{Denied, Level};
use crate::policy::{Action, Bound, Budget, Policy};
use crate::price::Quote;
use crate::units::{Amount, EpochMs, Meter, NanoUsd};
use crate::usage::{Served, Usage};

/// What is put in place before it is held, each by a budget: its place in the policy.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Reduced {
    /// Answers end at so many tokens.
    pub(super) bound: Option<(u64, usize)>,
    /// This model serves.
    pub(super) serve: Option<(Serve, usize)>,
}

/// A hold that was refused, while the store is asked what stands in the other budgets.
#[derive(Debug, Clone, Default)]
pub(super) enum Reducing {
    /// None was.
    #[default]
    Untried,
    /// This one was.
    Asking(Denied),
    /// The call holds by what its ladders say, or they change nothing.
    Done,
}

impl Exchange {
    /// A hold that was refused, once more with less, if some ladder that the call meets reduces it.
    pub(super) fn reduce(&mut self, denied: &Denied, now: EpochMs) -> Option<Next> {
        if !matches!(self.reducing, Reducing::Untried) || self.exempt {
            return None;
        }
        let level = denied.level?;
        let policy = self.policy.clone();
        let reduces = |planned: &Planned| policy.budgets.get(planned.budget).is_some_and(Budget::reduces);
        let others = self.plan.iter().enumerate().any(|(place, one)| place != denied.index && reduces(one));
        if !others && !self.plan.get(denied.index).is_some_and(reduces) {
            return None;
        }
        if self.prompt_bound.is_some() {
            return Some(Next::Count);
        }
        if others {
            self.reducing = Reducing::Asking(denied.clone());
            self.look_at_plan();
            return Some(Next::Look);
        }
        self.reducing = Reducing::Done;
        let levels: Vec<_> =
            (0..self.plan.len()).map(|place| (place == denied.index).then_some(level)).collect();
        self.hold_reduced(&policy, &levels, now)
    }

    /// The store has said what stands in each budget of the plan.
    pub(super) fn reduce_by(&mut self, denied: &Denied, levels: &[Option<Level>], now: EpochMs) -> Next {
        self.state = State::Reserving;
        self.reducing = Reducing::Done;
        let policy = self.policy.clone();
        self.hold_reduced(&policy, levels, now).unwrap_or_else(|| self.denied(denied, now))
    }

    fn hold_reduced(&mut self, policy: &Policy, levels: &[Option<Level>], now: EpochMs) -> Option<Next> {
        let reduced = self.reduced_by(policy, levels, |_, before| before);
        let needs = |planned: &Planned| {
            let meter = policy.budgets.get(planned.budget)?.meter;
            Some(self.needed_with(&reduced, meter) < planned.hold.amount)
        };
        if !self.plan.iter().any(|planned| needs(planned) == Some(true)) {
            return None;
        }
        self.reduced = reduced;
        self.plan(now);
        Some(Next::Reserve)
    }

    /// What the ladders put in place with so much in each budget of the plan. `held`: with what a call holds.
    fn reduced_by(
        &self,
        policy: &Policy,
        levels: &[Option<Level>],
        held: impl Fn(&Planned, Amount) -> Amount,
    ) -> Reduced {
        let by = |last: Option<&str>| {
            let mut reduced = Reduced::default();
            for (planned, level) in self.plan.iter().zip(levels) {
                let budget = policy.budgets.get(planned.budget).filter(|budget| !budget.shadow);
                let (Some(budget), Some(level)) = (budget, level) else { continue };
                let before = level.total();
                let after = before.saturating_add(planned.expected);
                let reach = Reach { before, after, held: held(planned, before) };
                let now = reduced.serve.as_ref().map(|(serve, _)| serve.model.as_str());
                let climb = self.climb(policy, budget, planned, reach, Serving { now, last });
                reduced.add(&climb, planned.budget);
            }
            reduced
        };
        let first = by(None);
        let Some((serve, _)) = &first.serve else { return first };
        // What is left pays for more of a cheaper model: unless that model then served no more.
        let second = by(Some(&serve.model));
        if second.serve.as_ref().is_some_and(|(other, _)| other.model == serve.model) {
            second
        } else {
            first
        }
    }

    /// The model that will serve by what all ladders say together, where a bound depends on it.
    pub(super) fn will_serve(&self, policy: &Policy) -> Option<String> {
        let enforced = |planned: &Planned| policy.budgets.get(planned.budget).filter(|budget| !budget.shadow);
        let budgets = || self.plan.iter().filter_map(enforced);
        if self.exempt || !budgets().any(Budget::clamps_to_remaining) || !budgets().any(Budget::downgrades) {
            return None;
        }
        let taken = |planned: &Planned| planned.reserved.filter(|got| got.receipt.is_some());
        let levels: Vec<_> = self.plan.iter().map(|planned| Some(taken(planned)?.before)).collect();
        let held = |planned: &Planned, before: Amount| before.saturating_add(planned.hold.amount);
        Some(self.reduced_by(policy, &levels, held).serve?.0.model)
    }

    /// What a call needs of a budget in shadow mode by what its own ladder would put in place; `None` if that is no less.
    pub(super) fn needs_by(&self, planned: &Planned, meter: Meter, climb: &Climb<'_>) -> Option<Amount> {
        let mut reduced = Reduced::default();
        reduced.add(climb, planned.budget);
        let needs = self.needed_with(&reduced, meter);
        (needs < planned.hold.amount).then_some(needs)
    }

    /// What a call that is reduced so holds in this meter.
    fn needed_with(&self, reduced: &Reduced, meter: Meter) -> Amount {
        let (usage, cost) = self.used_with(reduced);
        held(meter, usage, cost)
    }

    /// What is expected of a call that is reduced so, and its cost.
    fn used_with(&self, reduced: &Reduced) -> (Usage, NanoUsd) {
        let usage = self.expected_usage();
        let usage = reduced.bound.map_or(usage, |(bound, _)| self.ending_at(usage, bound));
        let other = reduced.serve.as_ref().map(|(serve, _)| self.quote_for(&serve.model, &Served::default()));
        (usage, other.as_deref().unwrap_or_else(|| self.asked_quote()).price.cost(usage))
    }

    /// The least that a call may hold in a budget: where answers are shortened to what is left, the shortest of them.
    pub(super) fn least_needed(&self, planned: &Planned, budget: &Budget, asked: Amount) -> Amount {
        let Some(facts) = self.facts.as_ref().filter(|_| self.body_editable) else { return asked };
        let thinking = facts.thinking_budget.unwrap_or(0);
        let least = budget.enforced().filter_map(|step| match step.action {
            Action::Clamp { bound: Some(Bound::Remaining { at_least }), .. } => {
                Some(at_least.saturating_add(thinking))
            }
            _ => None,
        });
        let least = least.filter(|bound| facts.set_output_bound(*bound, &mut Edits::default())).min();
        let shortest = least.map(|bound| {
            let serve = self.reduced.serve.clone();
            self.needed_with(&Reduced { bound: Some((bound, planned.budget)), serve }, budget.meter)
        });
        shortest.map_or(asked, |shortest| shortest.min(asked))
    }

    /// What a call is expected to come to as it was asked for, or as routes have it.
    pub(super) fn asked_to(&self) -> (Usage, NanoUsd) {
        self.used_with(&Reduced::default())
    }

    /// What it is expected to come to by what was decided before, and by this ladder.
    pub(super) fn comes_to(&self, climb: &Climb<'_>, budget: usize) -> (Usage, NanoUsd) {
        let bound = self.outcome.output_bound.map(|bound| (bound, budget));
        let serve = self.outcome.served_model.clone();
        let serve = serve.map(|model| (Serve { model, bound: None, effort: None }, budget));
        let mut reduced = Reduced { bound, serve };
        reduced.add(climb, budget);
        self.used_with(&reduced)
    }

    /// What is held of an expected usage: no more output than the bound that will be put in place.
    pub(super) fn held_usage(&self, expected: Usage) -> Usage {
        self.reduced.bound.map_or(expected, |(bound, _)| self.ending_at(expected, bound))
    }

    /// The price by which is held: that of the model that will serve.
    pub(super) fn with_held_quote<T>(&self, use_it: impl FnOnce(&Quote) -> T) -> T {
        match &self.reduced.serve {
            Some((serve, _)) => use_it(&self.quote_for(&serve.model, &Served::default())),
            None => use_it(self.asked_quote()),
        }
    }
}

impl Reduced {
    fn add(&mut self, climb: &Climb<'_>, budget: usize) {
        let serve = climb.serve.clone();
        let bounds = [climb.clamp.bound, serve.as_ref().and_then(|serve| serve.bound)];
        let lowest = bounds.into_iter().flatten().min();
        let lower = lowest.filter(|bound| self.bound.is_none_or(|(other, _)| *bound < other));
        self.bound = lower.map(|bound| (bound, budget)).or(self.bound);
        self.serve = serve.map(|serve| (serve, budget)).or(self.serve.take());
    }

    /// What was held stays: what others gave back meanwhile makes no answer longer, and no model dearer.
    pub(super) fn keep(&self, climb: &mut Climb<'_>, budget: usize) {
        if let Some((bound, _)) = self.bound.filter(|(_, by)| *by == budget) {
            climb.clamp.bound = Some(climb.clamp.bound.map_or(bound, |other| other.min(bound)));
        }
        if let Some((serve, _)) = self.serve.as_ref().filter(|(_, by)| *by == budget) {
            climb.serve.get_or_insert_with(|| serve.clone());
        }
        climb.decide();
    }
}

impl Budget {
    /// Whether it may serve by another model.
    fn downgrades(&self) -> bool {
        self.enforced().any(|step| matches!(step.action, Action::Downgrade { .. }))
    }

    /// Whether it may shorten answers to what is left.
    fn clamps_to_remaining(&self) -> bool {
        let remaining =
            |action: &Action| matches!(action, Action::Clamp { bound: Some(Bound::Remaining { .. }), .. });
        self.enforced().any(|step| remaining(&step.action))
    }

    /// Whether a step makes calls need less.
    fn reduces(&self) -> bool {
        let reduces = |action: &Action| {
            matches!(action, Action::Downgrade { .. } | Action::Clamp { bound: Some(_), .. })
        };
        !self.shadow && self.enforced().any(|step| reduces(&step.action))
    }
}
