//! What one call came to under a policy, and what it came to as it was. Made by the runner, taken by the tallies.

use tokenstile_engine::exchange::Decision;
use tokenstile_engine::policy::{Budget, NO_ROUTE, Policy, Scope};
use tokenstile_engine::units::{EpochMs, NanoUsd};
use tokenstile_engine::usage::Usage;

/// What one call came to.
#[derive(Debug, Clone)]
pub struct Outcome {
    /// When it began.
    pub began: EpochMs,
    /// When it ended; at once if it was refused.
    pub ends: EpochMs,
    /// What was decided.
    pub decision: Decision,
    /// It did not go upstream.
    pub refused: bool,
    /// The rule that decided.
    pub rule: Option<String>,
    /// What each rule said, by its place in the policy, if not to let it pass.
    pub said: Vec<(usize, Decision)>,
    /// The rules that it met.
    pub met: Vec<Met>,
    /// Who called, by dimension.
    pub identity: Vec<String>,
    /// Who served, as the price book names it; empty if unknown.
    pub provider: String,
    /// The rule of `routes` that chose for it; empty if none did.
    pub route: String,
    /// The model asked for.
    pub asked: String,
    /// The model that served.
    pub served: String,
    /// The service tier that a route put in the place of the one asked for.
    pub service_tier: Option<&'static str>,
    /// What was expected before the call: what its holds are made of.
    pub expected: Usage,
    /// What it used as it was.
    pub used_asked: Usage,
    /// What that costs.
    pub cost_asked: NanoUsd,
    /// What it used under the policy.
    pub used: Usage,
    /// What that costs.
    pub cost: NanoUsd,
    /// Whether the price is known by which it costs that as it was; else it is the policy's rule for the unknown.
    pub is_asked_price_known: bool,
    /// The same under the policy.
    pub is_price_known: bool,
    /// Its body was not read by the filter, which says this of its use and its cost, and names no model.
    pub unread: Option<(Usage, NanoUsd)>,
    /// It had been refused when it was recorded: what it used is what was expected of it.
    pub assumed: bool,
    /// It failed when it was recorded, and used nothing.
    pub failed: bool,
    /// What saved how much of it.
    pub levers: Vec<Lever>,
    /// Steps that could not be carried out, and what failed.
    pub troubles: Vec<String>,
    /// An edit's effect on its answer can be known.
    pub simulable: bool,
    /// Its stream was stopped.
    pub stopped: Option<Stopped>,
    /// It used more than a budget that stops streams had left, and whether it streamed is not known.
    pub may_stop: bool,
}

/// A stream that ends when its budget is used up.
#[derive(Debug, Clone)]
pub struct Stopped {
    /// The rule, by its place in the policy.
    pub rule: usize,
    /// So many events of the recorded answer came; `None` where they are not recorded.
    pub events: Option<usize>,
}

/// A rule that a call met.
#[derive(Debug, Clone, Copy)]
pub struct Met {
    /// Its place in the policy.
    pub rule: usize,
    /// The subject's mark in the ledger.
    pub tag: u64,
    /// If the rule restricted it: when such a call would not be any more, if nobody else called. `None` where that depends
    /// on calls that run.
    pub free_at: Option<EpochMs>,
}

/// What saved something.
#[derive(Debug, Clone, Copy)]
pub struct Lever {
    /// The decision's word.
    pub name: &'static str,
    /// So much; less than nothing if the served model is dearer.
    pub saved: NanoUsd,
}

impl Outcome {
    /// The strictest word of all rules, those in shadow mode included: what was decided, or would have been.
    #[must_use]
    pub fn strictest(&self) -> Decision {
        self.said.iter().map(|(_, said)| *said).max().unwrap_or(self.decision).max(self.decision)
    }

    /// Another model or another service tier served than the one asked for.
    #[must_use]
    pub fn is_rerouted(&self) -> bool {
        self.served != self.asked || self.service_tier.is_some()
    }

    /// Whose budget it is that this call meets: the values of its `per`; `everyone` where all have one.
    #[must_use]
    pub fn subject(&self, budget: &Budget) -> String {
        let value = |scope: &Scope| match scope {
            Scope::Dimension(place) => self.identity.get(*place).map_or("", String::as_str),
            Scope::Model => &self.asked,
            Scope::Provider => &self.provider,
            Scope::Route if self.route.is_empty() => NO_ROUTE,
            Scope::Route => &self.route,
        };
        match budget.per.as_slice() {
            [] => "everyone".to_owned(),
            per => per.iter().map(value).collect::<Vec<_>>().join(" · "),
        }
    }
}

/// Whether a caller gets less than it asked for, or later.
#[must_use]
pub fn restricts(decision: Decision) -> bool {
    match decision {
        Decision::Allow | Decision::Warn | Decision::Overage | Decision::Route => false,
        Decision::Delay | Decision::Clamp | Decision::Downgrade | Decision::Confirm | Decision::Deny => true,
    }
}

/// The place of a rule: the budgets of a policy, then its limits of single requests, its blocks and its routes.
#[must_use]
pub fn rule_named(policy: &Policy, name: &str) -> Option<usize> {
    let budgets = policy.declared().iter().map(|budget| &budget.name);
    let limits = policy.request_limits.iter().map(|limit| &limit.name);
    let blocks = policy.blocks.iter().map(|block| &block.name);
    let routes = policy.routes.iter().map(|route| &route.name);
    budgets.chain(limits).chain(blocks).chain(routes).position(|known| known == name)
}
