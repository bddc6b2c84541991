//! Budgets that never stop, with whom that leaves without a bound and what would close it. Called by `mod.rs`. Shadow is
//! looked at as if it were enforced: it will be.

use super::routes::covers;
use super::{Warnings, pointer};
use serde_json::{Map, Value};
use std::collections::BTreeSet;
use tokenstile_engine::policy::{Action, Budget, Step};
use tokenstile_engine::units::Meter;

impl Warnings<'_> {
    pub(super) fn worst_case(&mut self) {
        if self.sound.declared == 0 {
            let message = "no budget: calls are metered and nothing bounds what they cost";
            self.no_worst_case("name", message);
            return;
        }
        let open: Vec<(usize, Vec<String>)> = self
            .declared()
            .filter(|(_, budget)| budget.meter != Meter::RequestsInFlight && !refuses(budget))
            .map(|(i, _)| (i, self.open_tiers(i)))
            .filter(|(_, tiers)| !tiers.is_empty())
            .collect();
        for (i, tiers) in &open {
            self.never_stops(*i, tiers);
        }
        if open.is_empty() && !self.declared().any(|(_, budget)| self.stops(budget)) {
            self.no_worst_case("budgets", "no budget ever refuses: nothing bounds what calls cost");
        }
    }

    fn no_worst_case(&mut self, path: &str, message: &str) {
        let help = "a budget with `per: []` and a `deny` step bounds all of it".to_owned();
        self.add("no-worst-case", path.to_owned(), message.to_owned(), Some(help));
    }

    fn never_stops(&mut self, i: usize, tiers: &[String]) {
        let Some((_, budget)) = self.declared().nth(i) else { return };
        let last = budget.ladder.last();
        let whose = self.whose(tiers);
        let message = match last {
            Some(step) => format!(
                "never stops: `{}` at {}% is its last step, and nothing bounds what {whose} cost beyond it",
                step.action.name(),
                f64::from(step.per_mille) / 10.0
            ),
            None => format!("never stops: it has no step, and nothing bounds what {whose} cost"),
        };
        let path = match budget.ladder.len() {
            0 => format!("budgets[{i}].ladder"),
            steps => format!("budgets[{i}].ladder[{}]", steps - 1),
        };
        self.add("no-stop", path, message, Some(closed_by(last)));
    }

    fn whose(&self, tiers: &[String]) -> String {
        if self.tiers().is_empty() {
            return "its calls".to_owned();
        }
        let of = |tier: &String| match tier.as_str() {
            "" => "any other tier".to_owned(),
            name => format!("tier {name}"),
        };
        format!("calls of {}", tiers.iter().map(of).collect::<Vec<_>>().join(" and "))
    }

    /// The tiers of which some calls meet this budget and none that refuses; the empty name is who is of no tier that
    /// the policy names.
    fn open_tiers(&self, i: usize) -> Vec<String> {
        let written = |i: usize| {
            let matches = self.sound.document.pointer(&pointer(&format!("budgets[{i}].match")));
            matches.and_then(Value::as_object).cloned().unwrap_or_default()
        };
        let ours = written(i);
        let tiers = match ours.get("tier").and_then(Value::as_str) {
            Some(tier) => vec![tier.to_owned()],
            None => self.tiers().into_iter().chain([String::new()]).collect(),
        };
        let is_stopped = |tier: &String| {
            let mut of_tier = ours.clone();
            if !tier.is_empty() {
                of_tier.insert("tier".to_owned(), tier.as_str().into());
            }
            self.declared().any(|(j, other)| {
                other.meter != Meter::RequestsInFlight && self.stops(other) && covers(&written(j), &of_tier)
            })
        };
        tiers.into_iter().filter(|tier| !is_stopped(tier)).collect()
    }

    /// It refuses, and not only until a day, or from a day that is to come.
    fn stops(&self, budget: &Budget) -> bool {
        refuses(budget) && budget.term.until.is_none() && budget.term.lasts(self.now)
    }

    /// The tiers that budgets name.
    fn tiers(&self) -> BTreeSet<String> {
        let budgets = self.sound.document.get("budgets").and_then(Value::as_array).into_iter().flatten();
        let named = |budget: &Value| {
            let of_match = budget.pointer("/match/tier").and_then(Value::as_str).map(str::to_owned);
            let of_tiers = budget.get("tiers").and_then(Value::as_object).into_iter().flat_map(Map::keys);
            of_match.into_iter().chain(of_tiers.cloned()).collect::<Vec<_>>()
        };
        budgets.flat_map(named).collect()
    }
}

fn refuses(budget: &Budget) -> bool {
    budget.ladder.iter().any(|step| matches!(step.action, Action::Deny { .. }))
}

fn closed_by(last: Option<&Step>) -> String {
    let at = last.map_or(100, |step| step.per_mille.max(1_000) / 10 + 50);
    let deny = format!("{{\"at\": \"{at}%\", \"deny\": {{}}}}");
    match last.map(|step| &step.action) {
        Some(Action::Overage(_)) => format!(
            "bound the overage by its `up_to`, with a step behind it such as {deny}, which alone would do too"
        ),
        _ => format!(
            "a last step such as {deny} bounds it, as does a `deny` in another budget for these calls"
        ),
    }
}
