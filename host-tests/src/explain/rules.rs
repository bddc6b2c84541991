//! Blocks, limits on single requests and routes: which of them had the word, which met the call, and by which condition the
//! others did not. Called by `mod.rs`.
//!
//! Whether a condition is met is the engine's word: each is asked alone, as the `match` of a block that would refuse.

use super::{Step, run};
use crate::cases::Call;
use crate::check::condition;
use serde_json::{Map, Value, json};
use tokenstile_engine::policy::{Policy, RequestLimit, Term};
use tokenstile_engine::units::{Amount, EpochMs};

/// What a condition is asked by.
const PROBE: &str = "probe";

/// What is asked about.
pub(super) struct Asked<'a> {
    pub(super) policy: &'a Value,
    pub(super) compiled: &'a Policy,
    pub(super) call: &'a Call,
    /// What was used of budgets before the call.
    pub(super) used: &'a [(String, Amount)],
    pub(super) record: &'a Value,
    pub(super) now: EpochMs,
}

pub(super) fn step(asked: &Asked<'_>) -> Option<Step> {
    let policy = asked.compiled;
    let blocks = policy.blocks.iter().map(|block| {
        let said = asked.said("blocks", &block.name, block.term, || "it is met".to_owned());
        format!("`{}` stops calls; {said}", block.name)
    });
    let limits = policy.request_limits.iter().map(|limit| {
        let within = || "it is met, and the call is within it".to_owned();
        let said = asked.said("request_limits", &limit.name, Term::default(), within);
        format!("`{}` allows {} a call; {said}", limit.name, most(limit))
    });
    let routes = policy.routes.iter().map(|route| match asked.arm(&route.name) {
        Some(arm) => format!("`{}` is an experiment; the call is in the arm `{arm}`", route.name),
        None => {
            let met =
                if route.split.is_some() { "it is met, and this caller is in no arm" } else { "it is met" };
            let said = asked.said("routes", &route.name, route.term, || met.to_owned());
            format!("`{}` chooses how calls go on; {said}", route.name)
        }
    });
    let lines: Vec<String> = blocks.chain(limits).chain(routes).collect();
    (!lines.is_empty()).then_some(Step { title: "Rules on single requests", lines })
}

fn most(limit: &RequestLimit) -> String {
    format!("{}{}", limit.measure.display(limit.limit), limit.measure.unit_text())
}

impl Asked<'_> {
    /// What a rule says of the call, or why it says nothing.
    fn said(&self, key: &str, name: &str, term: Term, met: impl FnOnce() -> String) -> String {
        let rule = self.record.get("rule").and_then(Value::as_str);
        if rule == Some(name) {
            return "it decides".to_owned();
        }
        if self.record.get("shadow").and_then(|all| all.get(name)).is_some() {
            return "it would decide, and is in shadow".to_owned();
        }
        if !term.lasts(self.now) {
            return "it is not in force at this time".to_owned();
        }
        self.unmet(key, name).map_or_else(met, |what| format!("it is not met: it is for {what}"))
    }

    fn arm(&self, name: &str) -> Option<&str> {
        self.record.get("arms")?.get(name)?.as_str()
    }

    /// The first condition of a rule that the call does not fulfil.
    fn unmet(&self, key: &str, name: &str) -> Option<String> {
        let rules = self.policy.get(key).and_then(Value::as_array).into_iter().flatten();
        let mut named = rules.filter(|rule| rule.get("name").and_then(Value::as_str) == Some(name));
        let conditions = named.next()?.get("match")?.as_object()?;
        conditions.iter().find_map(|(key, wanted)| match (key.as_str(), wanted.as_object()) {
            ("budget_used", Some(budgets)) => {
                budgets.iter().find_map(|(name, bounds)| self.not_used(name, bounds))
            }
            _ => self.not(key, wanted),
        })
    }

    /// How far a budget is to be used, if it is not. A route in shadow mode says whether it is.
    fn not_used(&self, budget: &str, bounds: &Value) -> Option<String> {
        let matches = json!({"budget_used": {budget: bounds}});
        let mut probe = self.policy.as_object()?.clone();
        let choose = json!({"headers": {"x-probe": "1"}});
        let route = json!({"name": PROBE, "mode": "shadow", "match": matches, "set": choose});
        probe.insert("routes".to_owned(), json!([route]));
        probe.insert("hold_headers".to_owned(), true.into());
        let probe = Value::Object(probe);
        let seen = run(&probe, self.call, self.used.to_vec(), self.now).ok()?;
        let record = seen.records?.into_iter().next()?;
        if record.get("shadow").and_then(|all| all.get(PROBE)).is_some() {
            return None;
        }
        let compiled = Policy::parse(probe.to_string().as_bytes()).ok()?;
        let route = compiled.routes.first()?;
        Some(condition(&compiled, route.matches.first()?, Some(&matches)))
    }

    /// What a condition says, if the call does not fulfil it.
    fn not(&self, key: &str, wanted: &Value) -> Option<String> {
        let mut probe = Map::new();
        for key in [
            "version",
            "name",
            "jwt",
            "trusted_hops",
            "hash_seed",
            "max_body_bytes",
            "identity",
            "provider",
            "prices",
            "hold_headers",
            "count",
        ] {
            probe.extend(self.policy.get(key).map(|value| (key.to_owned(), value.clone())));
        }
        let matches = json!({ key: wanted });
        probe.insert("blocks".to_owned(), json!([{"name": PROBE, "match": matches}]));
        let probe = Value::Object(probe);
        let seen = run(&probe, self.call, Vec::new(), self.now).ok()?;
        let record = seen.records?.into_iter().next()?;
        if record.get("rule").and_then(Value::as_str) == Some(PROBE) {
            return None;
        }
        let compiled = Policy::parse(probe.to_string().as_bytes()).ok()?;
        let block = compiled.blocks.first()?;
        Some(condition(&compiled, block.matches.first()?, Some(&matches)))
    }
}
