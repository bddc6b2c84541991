//! Which budgets, steps and other limits of a policy some scenario has reached. Called by `mod.rs`.

use serde_json::{Map, Value};
use std::collections::BTreeMap;
use tokenstile_engine::policy::Policy;
use tokenstile_host::cases::Seen;

/// The parts of one policy, and whether a call has reached each.
pub(super) struct Coverage {
    policy: Option<Policy>,
    wrong: bool,
    name: String,
    parts: BTreeMap<(usize, usize), (String, bool)>,
    /// Blocks and limits on single requests, by name.
    rules: BTreeMap<String, bool>,
}

impl Coverage {
    /// Nothing is reached yet.
    pub(super) fn of(policy: &Value) -> Self {
        let name = policy.get("name").and_then(Value::as_str).unwrap_or_default().to_owned();
        let written = policy;
        let policy = Policy::parse(written.to_string().as_bytes()).ok();
        // Without a policy beside them, scenarios bring their own.
        let wrong = policy.is_none() && !written.is_null();
        let mut parts = BTreeMap::new();
        let budgets = policy.as_ref().map_or(&[][..], |policy| &policy.budgets);
        let declared = budgets.iter().flat_map(|budget| &budget.alternatives).map(|other| other.budget).min();
        for (i, budget) in budgets.iter().enumerate() {
            let other = declared.is_some_and(|declared| i >= declared);
            let name = if other {
                format!("{} with the limit {}", budget.name, budget.meter.display(budget.limit))
            } else {
                budget.name.clone()
            };
            parts.insert((i, 0), (format!("budget {name}"), false));
            // Another limit has the same ladder, which is reached by either.
            for (j, step) in budget.ladder.iter().enumerate().filter(|_| !other) {
                let at = step.per_mille / 10;
                let tenth = if step.per_mille.is_multiple_of(10) {
                    String::new()
                } else {
                    format!(".{}", step.per_mille % 10)
                };
                parts.insert((i, j + 1), (format!("{name} at {at}{tenth}%: {}", step.action.name()), false));
            }
        }
        let blocks = policy.iter().flat_map(|policy| policy.blocks.iter().map(|block| block.name.clone()));
        let limits =
            policy.iter().flat_map(|policy| policy.request_limits.iter().map(|limit| limit.name.clone()));
        let routes = policy.iter().flat_map(|policy| policy.routes.iter().map(|route| route.name.clone()));
        let rules = blocks.chain(limits).chain(routes).map(|name| (name, false)).collect();
        Self { policy, wrong, name, parts, rules }
    }

    /// What these calls reached. Scenarios that change the policy's budgets count as far as they have the same.
    pub(super) fn add(&mut self, policy: &Value, seen: &[Seen]) {
        for record in seen.iter().flat_map(|seen| seen.records.iter().flatten()) {
            let shadow = record.get("shadow").and_then(Value::as_object).into_iter().flat_map(Map::keys);
            let arms = record.get("arms").and_then(Value::as_object).into_iter().flat_map(Map::keys);
            for rule in
                shadow.chain(arms).map(String::as_str).chain(record.get("rule").and_then(Value::as_str))
            {
                if let Some(reached) = self.rules.get_mut(rule) {
                    *reached = true;
                }
            }
        }
        let same = policy.get("name").and_then(Value::as_str) == Some(&self.name);
        let Some(own) = self.policy.as_ref().filter(|_| same) else { return };
        let theirs = Policy::parse(policy.to_string().as_bytes()).ok();
        let Some(theirs) = theirs.filter(|theirs| theirs.budgets.len() == own.budgets.len()) else { return };
        for weighed in seen.iter().flat_map(|seen| &seen.weighed).filter(|weighed| !weighed.spared) {
            let name = theirs.budgets.get(weighed.budget).map(|budget| &budget.name);
            let mut reach = |i: usize, part: usize| {
                if let Some((_, reached)) = self.parts.get_mut(&(i, part)) {
                    *reached = true;
                }
            };
            reach(weighed.budget, 0);
            // Whichever limit is in force, the ladder is the named budget's.
            let first = own.budgets.iter().position(|budget| Some(&budget.name) == name);
            for step in &weighed.reached {
                reach(first.unwrap_or(weighed.budget), step + 1);
            }
        }
    }

    /// In whole percent, down: 100 is all.
    pub(super) fn percent(&self) -> u8 {
        // Of a policy that is wrong nothing can be reached.
        if self.wrong {
            return 0;
        }
        let all = self.parts.len() + self.rules.len();
        let percent = ((all - self.missed().len()) * 100).checked_div(all).unwrap_or(100);
        u8::try_from(percent).unwrap_or(100)
    }

    /// What no call has reached.
    pub(super) fn missed(&self) -> Vec<&str> {
        let parts = self.parts.values().filter(|(_, reached)| !reached).map(|(part, _)| part.as_str());
        let rules = self.rules.iter().filter(|(_, reached)| !**reached).map(|(name, _)| name.as_str());
        rules.chain(parts).collect()
    }
}
