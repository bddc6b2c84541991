//! Which budgets a call met, what stood there and what it held, which steps it reached; and why it did not meet the
//! others. Called by `mod.rs`.

use super::Step;
use crate::cases::{Seen, Weighed};
use crate::check::condition;
use serde_json::Value;
use tokenstile_engine::policy::{Budget, Condition, NO_ROUTE, Policy};

pub(super) fn step(policy: &Policy, written: &Value, seen: &Seen, record: &Value) -> Step {
    let mut lines = Vec::new();
    let names = written.get("budgets").and_then(Value::as_array).map_or(0, Vec::len);
    for (place, declared) in policy.budgets.iter().take(names).enumerate() {
        // Another limit of the same budget has another place.
        let is_it = |weighed: &&Weighed| {
            policy.budgets.get(weighed.budget).is_some_and(|budget| budget.name == declared.name)
        };
        match seen.weighed.iter().find(is_it) {
            Some(weighed) => {
                let budget = policy.budgets.get(weighed.budget).unwrap_or(declared);
                let other =
                    if weighed.budget == place { "" } else { " (its own limit: a tier or an override)" };
                lines.push(format!("`{}` is met{other}{}", budget.name, met(budget, weighed)));
                lines.extend(steps(budget, weighed));
            }
            None => lines.push(format!(
                "`{}` is not met: {}",
                declared.name,
                why_not(policy, declared, record, written, place)
            )),
        }
    }
    if names == 0 {
        lines.push("the policy has none".to_owned());
    }
    Step { title: "Budgets", lines }
}

fn met(budget: &Budget, weighed: &Weighed) -> String {
    let show = |amount| budget.meter.told(amount);
    let what = match (weighed.refused, weighed.spared) {
        (true, _) => "; it refuses",
        (_, true) => "; another one had refused already",
        _ => "",
    };
    let held = if weighed.before.held > 0 {
        format!(", {} held by calls in flight", show(weighed.before.held))
    } else {
        String::new()
    };
    format!(
        ": {} of {} used{held}; this call holds {}{what}",
        show(weighed.before.used),
        show(budget.limit),
        show(weighed.hold)
    )
}

fn steps(budget: &Budget, weighed: &Weighed) -> Vec<String> {
    let after = weighed.before.total().saturating_add(weighed.hold);
    let line = |(place, step): (usize, &tokenstile_engine::policy::Step)| {
        let reached = weighed.reached.contains(&place);
        let (mark, word) = match (reached, step.shadow) {
            (true, false) => ("×", "reached"),
            (true, true) => ("×", "reached, in shadow,"),
            (false, _) => ("·", "not reached"),
        };
        let at = budget.meter.display(step.at);
        let percent = f64::from(step.per_mille) / 10.0;
        format!(
            "  {mark} {percent}% ({at}) {}: {word} with {}",
            step.action.name(),
            budget.meter.display(after)
        )
    };
    budget.ladder.iter().enumerate().map(line).collect()
}

/// The first condition that the call does not fulfil.
fn why_not(policy: &Policy, budget: &Budget, record: &Value, written: &Value, place: usize) -> String {
    let text = |value: Option<&Value>| value.and_then(Value::as_str).unwrap_or_default().to_owned();
    let matches = written.pointer(&format!("/budgets/{place}/match"));
    for one in &budget.matches {
        let (is, fits) = match one {
            Condition::Dimension(at, value) => {
                let name = policy.identity.get(*at).map_or("", |dimension| dimension.name.as_str());
                let is = text(record.get("identity").and_then(|all| all.get(name)));
                let fits = is == *value;
                (is, fits)
            }
            Condition::Model(pattern) => {
                let is = text(record.get("model_requested"));
                let fits = pattern.matches(&is);
                (is, fits)
            }
            Condition::Provider(name) => {
                let is = text(record.get("provider"));
                let fits = is == *name;
                (is, fits)
            }
            Condition::Route(name) => {
                let is = record.get("route").and_then(Value::as_str).unwrap_or(NO_ROUTE).to_owned();
                let fits = is == *name;
                (is, fits)
            }
            Condition::Dialect(name) => {
                let is = text(record.get("dialect"));
                let fits = is == *name;
                (is, fits)
            }
            // No budget has these.
            _ => continue,
        };
        if !fits {
            let is = if is.is_empty() { "unknown".to_owned() } else { format!("`{is}`") };
            return format!("it is for {}, and this is {is}", condition(policy, one, matches));
        }
    }
    "the call was decided before".to_owned()
}
