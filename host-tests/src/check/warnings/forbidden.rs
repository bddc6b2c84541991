//! Models that a route's `forbid` keeps from serving where another rule would put them in place. Called by `mod.rs`.

use super::Warnings;
use super::routes::{are_disjoint, choices, covers, is_on, matches, name};
use crate::check::sentences::whom;
use serde_json::{Map, Value};
use tokenstile_engine::policy::is_of_model;
use wildmatch::WildMatch;

impl Warnings<'_> {
    pub(super) fn forbidden(&mut self) {
        let routes = self.written_routes();
        for (i, route) in routes.iter().enumerate() {
            self.forbids_nothing(i, route);
        }
        let forbidding: Vec<&Value> =
            routes.iter().filter(|route| is_on(route) && route.get("forbid").is_some()).collect();
        for (i, route) in routes.iter().enumerate() {
            for choice in choices(i, route) {
                if let Some(model) = choice.set.get("model").and_then(Value::as_str) {
                    self.runs_into(&forbidding, &matches(route), model, format!("{}.model", choice.path));
                }
            }
        }
        self.lists_run_into(&routes, &forbidding);
    }

    /// Patterns that no known model is like.
    fn forbids_nothing(&mut self, i: usize, route: &Value) {
        let patterns = route.get("forbid").and_then(Value::as_array).cloned().unwrap_or_default();
        for (j, pattern) in patterns.iter().enumerate() {
            let pattern = pattern.as_str().unwrap_or_default();
            if !self.knows(pattern) {
                let (message, help) = self.unknown(pattern);
                self.add("unknown-model", format!("routes[{i}].forbid[{j}]"), message, help);
            }
        }
    }

    /// A model that one route puts in place and another forbids.
    fn runs_into(&mut self, forbidding: &[&Value], calls: &Map<String, Value>, model: &str, path: String) {
        let meets = |rule: &&&Value| self.forbids(rule, model) && !are_disjoint(&matches(rule), calls);
        let Some(rule) = forbidding.iter().find(meets) else { return };
        let message = if covers(&matches(rule), calls) {
            format!("never put in place: `{}` forbids `{model}` for all these calls", name(rule))
        } else {
            format!("`{}` forbids `{model}`: {} keeps its model", name(rule), self.whom(rule))
        };
        self.add("forbidden-model", path, message, None);
    }

    /// Models of lists that are forbidden for calls that may come to them, by a route or by a ladder.
    fn lists_run_into(&mut self, routes: &[Value], forbidding: &[&Value]) {
        let lists = self.sound.document.get("downgrades").and_then(Value::as_object).cloned();
        for (list, rules) in lists.unwrap_or_default() {
            let users = self.users(&list, routes);
            for (i, rule) in rules.as_array().into_iter().flatten().enumerate() {
                let text = |key: &str| rule.get(key).and_then(Value::as_str).unwrap_or_default();
                let comes = |user: &Map<String, Value>| {
                    let mut calls = user.clone();
                    calls.entry("model").or_insert_with(|| text("from").into());
                    calls
                };
                let meets = |forbid: &&&Value| {
                    let may_come = |user| !are_disjoint(&matches(forbid), &comes(user));
                    self.forbids(forbid, text("to")) && users.iter().any(may_come)
                };
                if let Some(forbid) = forbidding.iter().find(meets) {
                    let message = format!(
                        "`{}` forbids `{}`: {} falls to the next step, or keeps its model",
                        name(forbid),
                        text("to"),
                        self.whom(forbid)
                    );
                    self.add("forbidden-model", format!("downgrades.{list}[{i}].to"), message, None);
                }
            }
        }
    }

    /// The `match` of each route and budget that uses a list.
    fn users(&self, list: &str, routes: &[Value]) -> Vec<Map<String, Value>> {
        let by_route = routes.iter().enumerate().filter(|(i, route)| {
            choices(*i, route)
                .iter()
                .any(|choice| choice.set.get("downgrade").is_some_and(|name| name == list))
        });
        let budgets = self.sound.document.get("budgets").and_then(Value::as_array).into_iter().flatten();
        let by_budget = budgets.filter(|budget| {
            let steps = budget.get("ladder").and_then(Value::as_array).into_iter().flatten();
            steps.into_iter().any(|step| step.get("downgrade").is_some_and(|name| name == list))
        });
        by_route.map(|(_, route)| matches(route)).chain(by_budget.map(matches)).collect()
    }

    /// Whether a route forbids this model to serve, under any of its names.
    pub(super) fn forbids(&self, route: &Value, model: &str) -> bool {
        let entry = crate::check::models::quote(&self.sound.policy, model, self.now).entry;
        let patterns = route.get("forbid").and_then(Value::as_array).into_iter().flatten();
        let patterns = patterns.filter_map(Value::as_str).map(WildMatch::new_case_insensitive);
        patterns.into_iter().any(|pattern| is_of_model(&pattern, model, &entry))
    }

    fn whom(&self, route: &Value) -> String {
        let compiled = self.sound.policy.routes.iter().find(|one| one.name == name(route));
        compiled.map_or_else(String::new, |one| whom(self.sound, "routes", &one.name, &one.matches))
    }
}
