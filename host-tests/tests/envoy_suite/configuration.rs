//! A policy with a mistake never runs: Envoy does not start, and says which key it is.

use crate::setup::{policy, start_upstream};
use serde_json::{Value, json};
use tokenstile_host::envoy::{Envoy, Error, Options};

/// Three mistakes, and the places that must be named.
fn mistaken() -> (Value, [&'static str; 3]) {
    let mut policy = policy(true);
    policy["on_eror"] = json!("allow");
    policy["budgets"][0]["ladder"][1]["at"] = json!("hundred");
    policy["budgets"][0]["window"] = json!({"calendar": "day", "timezone": "America/Los_Angles"});
    (policy, ["on_eror", "budgets[0].ladder[1].at", "America/Los_Angles"])
}

#[test]
fn a_valid_policy_is_valid() {
    let upstream = start_upstream();
    let (valid, text) = Envoy::validate(&Options::new(policy(true).to_string(), upstream.addr())).unwrap();
    assert!(valid, "{text}");
}

#[test]
fn a_typo_is_refused_before_the_start_and_named() {
    let upstream = start_upstream();
    for (path, typo, named) in [
        ("", json!({"bugets": []}), "bugets"),
        ("/budgets/0", json!({"windw": {"calendar": "day"}}), "windw"),
        ("/budgets/0/ladder/0", json!({"wran": {}}), "wran"),
    ] {
        let mut policy = policy(true);
        let object = policy.pointer_mut(path).unwrap().as_object_mut().unwrap();
        object.extend(typo.as_object().unwrap().clone());
        let options = Options::new(policy.to_string(), upstream.addr());
        let (valid, text) = Envoy::validate(&options).unwrap();
        assert!(!valid && text.contains(named), "`{named}` in: {text}");
    }
}

#[test]
fn a_mistaken_policy_stops_the_start_and_all_mistakes_are_named() {
    let upstream = start_upstream();
    let (policy, named) = mistaken();
    let Err(Error::NotReady { why, log }) = Envoy::start(&Options::new(policy.to_string(), upstream.addr()))
    else {
        panic!("Envoy started with a mistaken policy");
    };
    assert!(why.starts_with("ended"), "{why}");
    // A key that does not exist hides what the others mean: shapes are checked first.
    assert!(log.contains(named[0]), "`{}` in: {log}", named[0]);

    let mut policy = policy;
    policy.as_object_mut().unwrap().remove("on_eror");
    let (_, text) = Envoy::validate(&Options::new(policy.to_string(), upstream.addr())).unwrap();
    for place in &named[1..] {
        assert!(text.contains(place), "`{place}` in: {text}");
    }
}
