//! What rules in shadow mode would have saved: of a call that they would have refused all of its cost, of one that another
//! model would have served or that would have ended earlier the difference.

use super::{Decision, Exchange};
use crate::units::NanoUsd;
use crate::usage::{Served, Usage};
use serde_json::{Map, Value};

/// What a rule in shadow mode would have changed of a call that goes on.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Would {
    /// The model that would have served.
    pub(super) model: Option<String>,
    /// Where each of its answers would have ended.
    pub(super) bound: Option<u64>,
}

impl Would {
    /// One step, and then another.
    pub(super) fn and(self, later: Self) -> Self {
        let bound = self.bound.into_iter().chain(later.bound).min();
        Self { model: later.model.or(self.model), bound }
    }

    pub(super) const fn is_nothing(&self) -> bool {
        self.model.is_none() && self.bound.is_none()
    }
}

impl Exchange {
    /// By rule what it would have saved of this cost, in billionths of a dollar; less than 0 where it would have cost more.
    pub(super) fn shadow_savings(&self, usage: Usage, cost: NanoUsd, served: &Served) -> Map<String, Value> {
        let saved = |(rule, decision): &(String, Decision)| {
            let would = self.outcome.would.iter().find(|(name, _)| name == rule);
            let other = match (decision, would) {
                (Decision::Deny, _) => NanoUsd(0),
                (_, Some((_, would))) => self.cost_of(would, usage, served),
                _ => return None,
            };
            let saved = cost.0.saturating_sub(other.0);
            (saved != 0).then(|| (rule.clone(), saved.into()))
        };
        self.outcome.shadow.iter().filter_map(saved).collect()
    }

    fn cost_of(&self, would: &Would, usage: Usage, served: &Served) -> NanoUsd {
        let usage = would.bound.map_or(usage, |bound| self.ending_at(usage, bound));
        let quote = match &would.model {
            Some(model) => self.quote_for(model, &Served { model: String::new(), ..served.clone() }),
            None => self.quote_for(self.served_model(), served),
        };
        self.cost_at(&quote.price, usage, served)
    }
}
