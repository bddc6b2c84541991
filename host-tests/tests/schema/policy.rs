//! The policy's JSON Schema: it stands in `docs/policy.schema.json`, says what the types say, and judges as the
//! engine does.

use super::types;
use jsonschema::Validator;
use serde_json::{Value, json};
use std::path::Path;
use tokenstile_engine::policy::Policy;

fn validator() -> Validator {
    jsonschema::validator_for(&types::generate()).unwrap()
}

#[test]
fn the_schema_that_ships_says_what_the_types_say() {
    super::assert_ships(&types::place(), &types::generate(), &[]);
}

#[test]
fn every_key_is_explained() {
    let schema = types::generate();
    let mut silent = Vec::new();
    let objects = schema["$defs"].as_object().unwrap().iter().map(|(name, value)| (name.as_str(), value));
    for (name, object) in objects.chain([("", &schema)]) {
        for (key, property) in object["properties"].as_object().into_iter().flatten() {
            let plain = property.get("description").is_none() && property.get("$ref").is_none();
            if plain && object.get("description").is_none() {
                silent.push(format!("{name}.{key}"));
            }
        }
    }
    assert!(silent.is_empty(), "keys that no editor can explain: {silent:?}");
}

/// What was cut off in the middle has brackets without their other half.
#[test]
fn every_explanation_is_whole() {
    fn broken(value: &Value, found: &mut Vec<String>) {
        let said = value.get("description").and_then(Value::as_str).unwrap_or_default();
        for (open, close) in [('[', ']'), ('(', ')'), ('{', '}')] {
            if said.matches(open).count() != said.matches(close).count() {
                found.push(said.to_owned());
            }
        }
        let inner = value.as_object().into_iter().flat_map(|all| all.values());
        inner.chain(value.as_array().into_iter().flatten()).for_each(|value| broken(value, found));
    }
    let mut found = Vec::new();
    [types::generate(), types::record::generate(), types::scenario::generate()]
        .iter()
        .for_each(|schema| broken(schema, &mut found));
    assert!(found.is_empty(), "{found:#?}");
}

/// Every policy that ships or stands in a document.
fn policies() -> Vec<(String, Value)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let mut found = Vec::new();
    for entry in std::fs::read_dir(root.join("policies")).unwrap().map(|entry| entry.unwrap().path()) {
        let name = entry.file_name().unwrap().to_str().unwrap().to_owned();
        if name.ends_with(".json") && !name.ends_with(".test.json") {
            let text = std::fs::read_to_string(&entry).unwrap();
            found.push((name, serde_json::from_str(&text).unwrap()));
        }
    }
    for document in ["README.md", "docs/policy.md"] {
        let text = std::fs::read_to_string(root.join(document)).unwrap();
        let blocks = text.split("```json\n").skip(1).map(|rest| rest.split("```").next().unwrap());
        for block in blocks.filter(|text| text.contains("\"version\"")) {
            found.push((document.to_owned(), serde_json::from_str(block).unwrap()));
        }
    }
    assert!(found.len() >= 20, "{found:?}");
    found
}

fn engine_takes(policy: &Value) -> bool {
    Policy::parse(policy.to_string().as_bytes()).is_ok()
}

#[test]
fn every_policy_that_ships_is_accepted() {
    let validator = validator();
    for (name, policy) in policies() {
        let wrong: Vec<String> = validator.iter_errors(&policy).map(|error| error.to_string()).collect();
        assert!(wrong.is_empty(), "{name}: {wrong:?}");
    }
}

#[test]
fn what_is_wrong_is_refused() {
    let validator = validator();
    let policy = |change: Value| {
        let mut policy = json!({"version": 1, "name": "t", "identity": {"user": ["api_key"]}});
        policy.as_object_mut().unwrap().extend(change.as_object().unwrap().clone());
        policy
    };
    let budget = |change: Value| {
        let mut budget = json!({"name": "b", "per": ["user"], "limit": {"tokens": 5}, "window": {"calendar": "day"},
                                "ladder": [{"at": "100%", "deny": {}}]});
        budget.as_object_mut().unwrap().extend(change.as_object().unwrap().clone());
        policy(json!({"budgets": [budget]}))
    };
    assert!(validator.is_valid(&budget(json!({}))) && engine_takes(&budget(json!({}))));
    let wrong = [
        json!({}),
        json!([]),
        policy(json!({"version": 2})),
        policy(json!({"name": ""})),
        policy(json!({"budget": []})),
        policy(json!({"mode": "Enforce"})),
        policy(json!({"on_error": "refuse"})),
        policy(json!({"max_body_bytes": -1})),
        policy(json!({"max_body_bytes": "1"})),
        policy(json!({"trusted_hops": 256})),
        policy(json!({"identity": {"user": "api_key"}})),
        policy(json!({"downgrades": {"economy": [{"from": "gpt-4o"}]}})),
        policy(json!({"downgrades": {"economy": [{"from": "gpt-4o", "to": "gpt-*"}]}})),
        policy(json!({"prices": {"unknown": "allow"}})),
        policy(json!({"prices": {"override": []}})),
        policy(json!({"exempt": [{"until": "2027-01-01"}]})),
        budget(json!({"name": "two words"})),
        budget(json!({"limit": {"tokens": 5, "usd": "1"}})),
        budget(json!({"limit": {}})),
        budget(json!({"limit": {"usd": 5}})),
        budget(json!({"limit": {"usd": "$5"}})),
        budget(json!({"limit": {"dollars": "5"}})),
        budget(json!({"window": {"calendar": "year"}})),
        budget(json!({"window": {"calendar": "day", "rolling": "24h"}})),
        budget(json!({"window": {"rolling": "a day"}})),
        budget(json!({"window": {"calendar": "billing_month", "day": 32}})),
        budget(json!({"bucket": {"tokens": 5, "refill": {"tokens": 5, "every": "1m"}}})),
        budget(json!({"ladder": []})),
        budget(json!({"ladder": [{"at": "100%"}]})),
        budget(json!({"ladder": [{"at": "all", "deny": {}}]})),
        budget(json!({"ladder": [{"at": 100, "deny": {}}]})),
        budget(json!({"ladder": [{"at": "100%", "refuse": {}}]})),
        budget(json!({"ladder": [{"at": "100%", "deny": {"massage": "no"}}]})),
        budget(json!({"ladder": [{"at": "100%", "clamp": {"max_output_tokens": 1}}]})),
        budget(json!({"per": ["user", "user"]})),
        budget(json!({"match": {"tier": 3}})),
    ];
    for policy in wrong {
        assert!(!validator.is_valid(&policy), "the schema takes {policy}");
        assert!(!engine_takes(&policy), "the engine takes {policy}");
    }
}

/// Whatever is done to a policy that is right: the schema refuses nothing that the engine takes, and it knows the
/// same keys and kinds of values.
#[test]
fn the_schema_and_the_engine_judge_alike() {
    let validator = validator();
    let mut tried = 0;
    for (name, policy) in policies() {
        for place in places(&policy, String::new()) {
            for (what, changed, shape) in changes(&policy, &place) {
                let (schema, engine) = (validator.is_valid(&changed), engine_takes(&changed));
                // The engine takes `null` for a key that is not there; nobody needs to write it.
                let null = what == "null";
                assert!(
                    schema || !engine || null,
                    "{name}: {what} at `{place}`: only the schema refuses {changed}"
                );
                assert!(!shape || !schema, "{name}: {what} at `{place}`: the schema takes {changed}");
                tried += 1;
            }
        }
    }
    assert!(tried > 500, "{tried}");
}

/// The JSON pointers of everything in a document.
fn places(value: &Value, at: String) -> Vec<String> {
    let inner: Vec<String> = match value {
        Value::Object(fields) => {
            fields.iter().flat_map(|(key, value)| places(value, format!("{at}/{key}"))).collect()
        }
        Value::Array(items) => {
            items.iter().enumerate().flat_map(|(i, value)| places(value, format!("{at}/{i}"))).collect()
        }
        _ => Vec::new(),
    };
    [vec![at], inner].concat()
}

/// The same policy with one thing done to it at a place; and whether that is wrong whatever it means.
fn changes(policy: &Value, place: &str) -> Vec<(&'static str, Value, bool)> {
    let with = |change: &dyn Fn(&mut Value)| {
        let mut policy = policy.clone();
        change(policy.pointer_mut(place).unwrap());
        policy
    };
    let free = [
        "alerts",
        "log",
        "slack",
        "pagerduty",
        "cloudevents",
        "http",
        "otlp",
        "ndjson",
        "headers",
        "identity",
        "match",
        "tiers",
        "downgrades",
        "aliases",
        "usd",
        "unknown_price",
    ];
    let named = free.iter().any(|name| place.ends_with(&format!("/{name}")));
    let is_object = policy.pointer(place).unwrap().is_object();
    let mut changed = vec![
        ("null", with(&|value| *value = Value::Null), false),
        ("another kind", with(&|value| *value = json!([[3]])), place != "/$schema"),
    ];
    if is_object {
        let added =
            with(&|value| drop(value.as_object_mut().unwrap().insert("no_such_key".into(), json!({}))));
        changed.push(("an unknown key", added, !named));
        let keys: Vec<String> = policy.pointer(place).unwrap().as_object().unwrap().keys().cloned().collect();
        for key in keys {
            changed.push((
                "a key less",
                with(&|value| drop(value.as_object_mut().unwrap().remove(&key))),
                false,
            ));
        }
    }
    changed
}
