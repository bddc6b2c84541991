//! What routes choose and what experiments try, in plain sentences. Called by `mod.rs`.

use super::{in_shadow, lasting, serving, whom, written};
use crate::check::Sound;
use serde_json::Value;
use tokenstile_engine::policy::{Arm, Keep, NewModel, RouteRule, Setting, Split};

/// One sentence a route, in the order of the policy, in which they are read.
pub(super) fn sentences(sound: &Sound) -> Vec<String> {
    sound.policy.routes.iter().map(|route| self::route(sound, route)).collect()
}

fn route(sound: &Sound, route: &RouteRule) -> String {
    let rule = written(sound, "routes", &route.name);
    let whom = whom(sound, "routes", &route.name, &route.matches);
    let chosen = match (&route.split, route.keep) {
        (Some(split), _) => experiment(sound, split, rule),
        (None, Some(keep)) => kept(sound, keep, rule),
        (None, None) => setting(sound, &route.set),
    };
    let forbidden = forbidden(rule);
    let forbids =
        (!forbidden.is_empty()).then(|| format!("is served by no {forbidden} in the place of its own model"));
    let chosen: Vec<String> =
        Some(chosen).filter(|text| !text.is_empty()).into_iter().chain(forbids).collect();
    format!("`{}`: {whom} {}{}.{}", route.name, chosen.join(" and "), lasting(rule), in_shadow(route.shadow))
}

/// The patterns of models that must not serve.
fn forbidden(rule: Option<&Value>) -> String {
    let names = rule.and_then(|rule| rule.get("forbid")).and_then(Value::as_array).into_iter().flatten();
    names.filter_map(Value::as_str).collect::<Vec<_>>().join(" or ")
}

/// What is chosen; nothing for a call that goes on as it is.
fn setting(sound: &Sound, set: &Setting) -> String {
    let model = set.model.as_ref().map(|model| match model {
        NewModel::Named(model) => format!("is served by {}", model.to),
        NewModel::Listed(place) => {
            let list = sound.policy.downgrades.get(*place);
            let name = list.map_or("", |list| list.name.as_str());
            format!("is served by what `{name}` has for its model ({})", serving(list))
        }
    });
    let bound = set.max_output_tokens.map(|tokens| format!("has an answer of {tokens} tokens at most"));
    let tier = set.service_tier.map(|tier| format!("has the service tier {tier}"));
    let headers = set.headers.iter().map(|(name, value)| format!("goes with the header {name}: {value}"));
    model.into_iter().chain(bound).chain(tier).chain(headers).collect::<Vec<_>>().join(", ")
}

/// Where a conversation stays.
fn kept(sound: &Sound, keep: Keep, rule: Option<&Value>) -> String {
    let by = sound.policy.identity.get(keep.by).map_or("", |dimension| dimension.name.as_str());
    let lasts = rule.and_then(|rule| rule.pointer("/keep/for")?.as_str()).unwrap_or("5m");
    format!(
        "stays, by {by}, on the model that has it in its cache until {lasts} after its last call, where that costs no more than another"
    )
}

fn experiment(sound: &Sound, split: &Split, rule: Option<&Value>) -> String {
    let by = sound.policy.identity.get(split.by).map_or("", |dimension| dimension.name.as_str());
    let arm = |arm: &Arm| {
        let set = setting(sound, &arm.set);
        let set = if set.is_empty() { "goes on as it is".to_owned() } else { set };
        format!("in {} of 1,000 (`{}`) it {set}", arm.weight, arm.name)
    };
    let arms: Vec<String> = split.arms.iter().map(arm).collect();
    let held = (split.holdout > 0).then(|| format!("; {} of 1,000 are held out", split.holdout));
    let ramp = |key: &str| rule.and_then(|rule| rule.pointer(&format!("/split/ramp/{key}"))?.as_str());
    let ramp = ramp("from").zip(ramp("to")).map(|(from, to)| {
        format!("; arms that change something grow from nobody on {from} to their weight on {to}")
    });
    let end: String = held.into_iter().chain(ramp).collect();
    format!("is part of an experiment by {by}: {}{end}", arms.join(", "))
}
