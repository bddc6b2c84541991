//! What is assumed beside a policy, and is nothing that it knows: a slip would be counted in silence. Called by
//! `tokenstile check`.

use super::{Assumed, Sound, models};
use crate::check::nearest;
use serde_json::Value;
use std::collections::BTreeSet;
use tokenstile_engine::policy::Source;
use tokenstile_engine::price::models_like;
use tokenstile_engine::units::EpochMs;

/// Models without a price and tiers that no rule names, each in a sentence.
#[must_use]
pub fn not_known(sound: &Sound, assumed: &Assumed, now: EpochMs) -> Vec<String> {
    let policy = &sound.policy;
    let meant = |near: Option<&str>| near.map_or(String::new(), |near| format!("; did you mean `{near}`?"));
    let unpriced = assumed.models.iter().filter(|model| !models::quote(policy, model, now).known);
    let mut said: Vec<String> = unpriced
        .map(|model| {
            let near = models_like(model, policy.provider.as_deref());
            let near =
                near.first().map(|entry| entry.split_once('/').map_or(entry.as_str(), |(_, name)| name));
            format!("no price is known for `{model}`, and a ceiling is counted{}", meant(near))
        })
        .collect();
    let dimension = policy.identity.iter().find(|dimension| dimension.name == "tier");
    let constants = dimension.into_iter().flat_map(|dimension| &dimension.sources);
    let mut known: BTreeSet<String> = constants
        .filter_map(|source| match source {
            Source::Constant(value) => Some(value.clone()),
            _ => None,
        })
        .collect();
    tiers(&sound.document, &mut known);
    for (tier, _) in assumed.users.iter().filter(|(tier, _)| !tier.is_empty() && !known.contains(tier)) {
        said.push(match dimension {
            None => format!("no dimension is called `tier`: users of `{tier}` are bounded as all are"),
            Some(_) => {
                let near = nearest(tier, known.iter().map(String::as_str));
                format!("no rule names the tier `{tier}`{}", meant(near))
            }
        });
    }
    said
}

/// The tiers that rules name: in a `match`, or in the limits of a budget.
fn tiers(value: &Value, known: &mut BTreeSet<String>) {
    match value {
        Value::Object(fields) => {
            known.extend(value.pointer("/match/tier").and_then(Value::as_str).map(str::to_owned));
            let limits = fields.get("tiers").and_then(Value::as_object);
            known.extend(limits.into_iter().flat_map(|limits| limits.keys().cloned()));
            fields.values().for_each(|value| tiers(value, known));
        }
        Value::Array(items) => items.iter().for_each(|item| tiers(item, known)),
        _ => {}
    }
}
