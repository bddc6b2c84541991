//! Which budgets a call meets, and how much it holds in each.

use super::Exchange;
use crate::ledger::{Hold, Reserved};
use crate::policy::{Budget, OpenWindow};
use crate::price;
use crate::units::{Amount, EpochMs, Meter};
use crate::usage::Usage;

/// One budget that the call meets.
#[derive(Debug)]
pub(super) struct Planned {
    /// Its place in the policy.
    pub(super) budget: usize,
    /// Its window when the call began: a hold belongs to it.
    pub(super) open: OpenWindow,
    pub(super) hold: Hold,
    /// What the store answered; `None` before, and when it never did.
    pub(super) reserved: Option<Reserved>,
}

impl Exchange {
    /// Fills the plan from what is known of the call.
    pub(super) fn plan(&mut self, now: EpochMs) {
        let expected = self.expected_usage();
        let model = self.asked_model();
        let planned = |(index, budget): (usize, &Budget)| {
            let open = budget.window.open(budget.limit, now);
            let hold = Hold {
                key: self.policy.slot_key(budget, &self.identity),
                window: open.rule,
                amount: amount_of(budget.meter, expected, model),
                cap: budget.cap(),
            };
            Planned { budget: index, open, hold, reserved: None }
        };
        self.plan = self.policy.budgets_for(&self.identity).map(planned).collect();
    }

    /// The prompt as counted or estimated; of output what the policy expects.
    pub(super) fn expected_usage(&self) -> Usage {
        self.usage_with(self.prompt_tokens)
    }

    /// A prompt of this many tokens; of output what the policy expects, never above the request's own bound.
    pub(super) fn usage_with(&self, input: u64) -> Usage {
        let expected = self.policy.expected_output_tokens;
        let output = self.facts.as_ref().map_or(expected, |facts| {
            facts.output_bound.map_or(expected, |bound| bound.min(expected)).saturating_mul(facts.choices)
        });
        Usage { input, output, ..Usage::default() }
    }
}

/// What this usage counts as in a budget's meter.
pub(super) fn amount_of(meter: Meter, usage: Usage, model: &str) -> Amount {
    match meter {
        Meter::Tokens => meter.amount(usage.total()),
        Meter::Usd => price::of_model(model).0.cost(usage).0,
    }
}
