//! Owns what is right in a policy and was probably not meant: rules that nothing meets, steps that nobody sees,
//! routes that choose nothing, downgrades that save nothing, spending without a bound. Called by `mod.rs`.

mod apis;
mod bounds;
mod exceptions;
mod experiments;
mod forbidden;
mod prices;
mod routes;

use super::jsonc::Node;
use super::{Finding, Severity, Sound, shown};
use serde_json::{Map, Value};
use tokenstile_engine::policy::{Action, Budget, Condition, Source, UNKNOWN};
use tokenstile_engine::units::EpochMs;

pub(super) fn find(root: &Node, sound: &Sound, now: EpochMs) -> Vec<Finding> {
    let mut warnings = Warnings { root, sound, now, found: Vec::new() };
    warnings.sources();
    warnings.matches();
    warnings.downgrades();
    warnings.aliases();
    warnings.ladders();
    warnings.binding();
    warnings.requests();
    warnings.blocks();
    warnings.sinks();
    warnings.routes();
    warnings.experiments();
    warnings.forbidden();
    warnings.exceptions();
    warnings.worst_case();
    warnings.found
}

struct Warnings<'s> {
    root: &'s Node,
    sound: &'s Sound,
    now: EpochMs,
    found: Vec<Finding>,
}

impl Warnings<'_> {
    fn add(&mut self, code: &'static str, path: String, message: String, help: Option<String>) {
        let span = shown(self.root, &path, false);
        self.found.push(Finding { severity: Severity::Warning, code, path, span, message, help });
    }

    fn declared(&self) -> impl Iterator<Item = (usize, &Budget)> {
        self.sound.policy.budgets.iter().take(self.sound.declared).enumerate()
    }

    /// Sources behind one that always yields.
    fn sources(&mut self) {
        let mut dead = Vec::new();
        for dimension in &self.sound.policy.identity {
            let constant = dimension.sources.iter().position(|source| matches!(source, Source::Constant(_)));
            let behind = constant.map_or(dimension.sources.len(), |place| place + 1);
            dead.extend(
                (behind..dimension.sources.len()).map(|i| format!("identity.{}[{i}]", dimension.name)),
            );
        }
        for path in dead {
            let message = "this source is never asked: the `value:` before it always yields".to_owned();
            self.add("dead-source", path, message, Some("put `value:` last".to_owned()));
        }
    }

    /// Sinks that no step names.
    fn sinks(&mut self) {
        let steps = self.sound.policy.budgets.iter().flat_map(|budget| &budget.ladder);
        let used: Vec<usize> = steps.filter_map(|step| step.alert).collect();
        let sinks = self.sound.policy.sinks.iter().enumerate().filter(|(i, _)| !used.contains(i));
        let unused: Vec<String> = sinks.map(|(_, sink)| sink.name.clone()).collect();
        for name in unused {
            let message = "nobody is told: no step of a ladder names this sink".to_owned();
            let help = format!("write `\"alert\": \"{name}\"` in a step, or leave the sink out");
            self.add("dead-rule", format!("alerts.{name}"), message, Some(help));
        }
    }

    /// Conditions that no call fulfils.
    fn matches(&mut self) {
        let policy = &self.sound.policy;
        let mut found = Vec::new();
        for (i, budget) in self.declared() {
            for condition in &budget.matches {
                if let Condition::Dimension(place, value) = condition
                    && let Some(dimension) = policy.identity.get(*place)
                    && let [Source::Constant(only)] = dimension.sources.as_slice()
                    && only != value
                {
                    let message = format!("no call meets this: `{}` is always `{only}`", dimension.name);
                    found.push((
                        "dead-rule",
                        format!("budgets[{i}].match.{}", dimension.name),
                        message,
                        None,
                    ));
                }
            }
            let written = self.sound.document.pointer(&format!("/budgets/{i}"));
            let tier = written.and_then(|written| written.pointer("/match/tier")).and_then(Value::as_str);
            let tiers = written.and_then(|written| written.get("tiers")).and_then(Value::as_object);
            for other in
                tiers.into_iter().flat_map(Map::keys).filter(|key| tier.is_some_and(|tier| tier != *key))
            {
                let message =
                    format!("never used: this budget is for the tier `{}` alone", tier.unwrap_or_default());
                found.push(("dead-rule", format!("budgets[{i}].tiers.{other}"), message, None));
            }
        }
        for key in ["budgets", "blocks", "request_limits", "routes"] {
            let rules = self.sound.document.get(key).and_then(Value::as_array).into_iter().flatten();
            for (i, rule) in rules.enumerate() {
                let arms = rule.pointer("/split/arms").and_then(Value::as_array).map_or(0, Vec::len);
                let arms = (0..arms).map(|arm| format!("split.arms[{arm}].set.model"));
                for place in ["match.model".to_owned(), "set.model".to_owned()].into_iter().chain(arms) {
                    let model = rule.pointer(&pointer(&place)).and_then(Value::as_str);
                    if let Some(model) = model.filter(|model| *model != UNKNOWN && !self.knows(model)) {
                        let (message, help) = self.unknown(model);
                        found.push(("unknown-model", format!("{key}[{i}].{place}"), message, help));
                    }
                }
            }
        }
        for (code, path, message, help) in found {
            self.add(code, path, message, help);
        }
    }

    /// Steps that another one hides.
    fn ladders(&mut self) {
        let mut found = Vec::new();
        for (i, budget) in self.declared() {
            for (j, pair) in budget.ladder.windows(2).enumerate() {
                let [before, after] = pair else { continue };
                if before.shadow || after.shadow {
                    continue;
                }
                let same = std::mem::discriminant(&before.action) == std::mem::discriminant(&after.action);
                if before.at == after.at && same {
                    let path = format!("budgets[{i}].ladder[{j}]");
                    found
                        .push((path, "never seen: the next step does the same at the same place".to_owned()));
                } else if before.at == after.at && matches!(before.action, Action::Warn { .. }) {
                    let path = format!("budgets[{i}].ladder[{j}]");
                    let message = "hardly ever seen: only a call that ends exactly here is warned, \
                                   and beyond it the next step applies";
                    found.push((path, message.to_owned()));
                }
            }
        }
        for (path, message) in found {
            self.add("hidden-step", path, message, Some("let it begin earlier".to_owned()));
        }
    }

    /// Budgets beside which another one always refuses first.
    fn binding(&mut self) {
        let written =
            |i: usize, key: &str| self.sound.document.pointer(&format!("/budgets/{i}/{key}")).cloned();
        let alike = |i: usize, j: usize| {
            ["match", "per", "window"].iter().all(|key| written(i, key) == written(j, key))
        };
        let mut found = Vec::new();
        for (i, budget) in self.declared().filter(|(_, budget)| budget.alternatives.is_empty()) {
            let stricter = self.declared().find(|(j, other)| {
                let comparable =
                    other.alternatives.is_empty() && !other.window.is_bucket() && other.meter == budget.meter;
                let less = match (other.cap(), budget.cap()) {
                    (Some(theirs), Some(ours)) => theirs < ours || (theirs == ours && *j < i),
                    _ => false,
                };
                // One that ends, or is to come, leaves the other its time.
                let stands = other.term.until.is_none() && other.term.lasts(self.now);
                *j != i && comparable && less && stands && alike(i, *j)
            });
            found.extend(stricter.map(|(_, other)| (i, other.name.clone())));
        }
        for (i, other) in found {
            let message =
                format!("never refuses: `{other}` is for the same calls and window, and refuses sooner");
            self.add("dead-rule", format!("budgets[{i}].name"), message, None);
        }
    }
}

/// A path such as `split.arms[0].set` as a JSON pointer.
fn pointer(path: &str) -> String {
    format!("/{}", path.replace(['.', '['], "/").replace(']', ""))
}
