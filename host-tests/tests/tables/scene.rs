//! Owns the making of calls under a policy, and how what came of one is said in a word. Called by the tables.

use serde_json::{Value, json};
use std::collections::BTreeMap;
use tokenstile_host::cases::{Runner, Seen, Suite};

/// A policy with one budget, of requests and for everyone; `change` is put over it.
pub(crate) fn policy(ladder: &Value, change: &Value) -> Value {
    let mut policy = json!({
        "version": 1, "name": "tables", "identity": {"user": ["header:x-user-id", "value:anonymous"]},
        "confirm": {"secret": "thirty characters of a secret."},
        "downgrades": {"small": [{"from": "*", "to": "small-model"}]},
        "budgets": [{"name": "all", "per": [], "limit": {"requests": 10}, "window": {"calendar": "day"},
            "ladder": ladder}],
    });
    let change = change.as_object().unwrap();
    policy.as_object_mut().unwrap().extend(change.clone());
    policy
}

/// A policy under which every call reaches this step, and no other.
pub(crate) fn reaching(step: &Value) -> Value {
    let mut step = step.clone();
    step["at"] = json!("100%");
    let mut policy = policy(&json!([step]), &json!({}));
    policy["budgets"][0]["limit"] = json!({"requests": 0});
    policy
}

/// What comes of these steps, all calls of them in a row.
pub(crate) fn run(runner: &dyn Runner, policy: &Value, steps: &Value) -> Vec<Seen> {
    let file = json!({"cases": [{"name": "a cell", "steps": steps}]});
    let suite = Suite::read(&file.to_string(), policy.clone()).unwrap();
    let walk = suite.walk(0, runner).unwrap_or_else(|why| panic!("{why}\n{policy}\n{steps}")).unwrap();
    walk.into_iter().flat_map(|went| went.seen).collect()
}

/// What comes of one call.
pub(crate) fn one(runner: &dyn Runner, policy: &Value, call: &Value, answer: &Value) -> Seen {
    run(runner, policy, &json!([{"call": call, "answer": answer}])).remove(0)
}

/// Whether a step was left to the next one.
pub(crate) fn gave_way(seen: &Seen) -> bool {
    let record = seen.records.as_ref().and_then(|records| records.first());
    record.and_then(|record| record["skipped"].as_array()).is_some_and(|skipped| !skipped.is_empty())
}

/// Where the upstream got something else than was sent: places in the body, or the path.
pub(crate) fn edits(seen: &Seen, call: &Value) -> Vec<String> {
    let upstream = seen.upstream.as_ref().unwrap_or_else(|| panic!("refused: {call}"));
    let path = upstream.headers.text(":path").unwrap_or_default();
    let mut places = Vec::new();
    if path != call["path"].as_str().unwrap_or_default() {
        places.push("the path".to_owned());
    }
    let sent = &call["body"];
    match (sent.get("json"), serde_json::from_slice::<Value>(&upstream.body)) {
        (Some(sent), Ok(got)) => {
            let (mut before, mut after) = (BTreeMap::new(), BTreeMap::new());
            leaves(sent, "", &mut before);
            leaves(&got, "", &mut after);
            let changed = after.iter().filter(|(place, value)| before.get(*place) != Some(value));
            places.extend(changed.map(|(place, _)| format!("`{place}`")));
        }
        _ if sent["text"].as_str().map(str::as_bytes) != Some(&upstream.body) => {
            places.push("the form".to_owned());
        }
        _ => {}
    }
    places
}

/// The values of a document by their places, `generationConfig.maxOutputTokens`.
fn leaves(value: &Value, at: &str, into: &mut BTreeMap<String, Value>) {
    let below = |key: &str| if at.is_empty() { key.to_owned() } else { format!("{at}.{key}") };
    match value {
        Value::Object(members) => {
            members.iter().for_each(|(key, value)| leaves(value, &below(key), into));
        }
        Value::Array(items) => {
            items.iter().enumerate().for_each(|(i, value)| leaves(value, &below(&i.to_string()), into));
        }
        _ => drop(into.insert(at.to_owned(), value.clone())),
    }
}

/// What an edit came to.
pub(crate) fn edited(seen: &Seen, call: &Value) -> String {
    let places = edits(seen, call);
    match gave_way(seen) {
        true if places.is_empty() => "next step".to_owned(),
        false if places.is_empty() => "as it was".to_owned(),
        gave_way => {
            assert!(!gave_way, "a step that gave way has changed {places:?}");
            places.join(", ")
        }
    }
}

/// Whether the answer carries this header.
pub(crate) fn tells(seen: &Seen, header: &str) -> bool {
    seen.headers.text(header).is_some()
}
