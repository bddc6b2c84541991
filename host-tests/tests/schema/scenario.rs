//! The JSON Schema of scenario files: it stands in `docs/scenario.schema.json`, says what the types say, accepts every
//! scenario that ships, and refuses what `tokenstile test` refuses.

use super::types::scenario;
use jsonschema::Validator;
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use std::process::Command;

fn validator() -> Validator {
    jsonschema::validator_for(&scenario::generate()).unwrap()
}

#[test]
fn the_schema_that_ships_says_what_the_types_say() {
    super::assert_ships(&scenario::place(), &scenario::generate(), &["--scenario"]);
}

#[test]
fn every_key_is_explained() {
    let schema = scenario::generate();
    let mut silent = Vec::new();
    let objects = schema["$defs"].as_object().unwrap().iter().map(|(name, value)| (name.as_str(), value));
    for (name, object) in objects.chain([("", &schema)]) {
        for (key, property) in object["properties"].as_object().into_iter().flatten() {
            if property.get("description").is_none() {
                silent.push(format!("{name}.{key}"));
            }
        }
    }
    assert!(silent.is_empty(), "keys that no editor can explain: {silent:?}");
}

/// Every scenario file in the repository.
fn files() -> Vec<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut found = vec![root.join("src/cli/init/policy.test.json")];
    for (folder, end) in [("../policies", ".test.json"), ("tests/cases", ".json")] {
        let entries = std::fs::read_dir(root.join(folder)).unwrap().map(|entry| entry.unwrap().path());
        // What other case files share is no scenario.
        let is_one = |path: &PathBuf| path.to_string_lossy().ends_with(end) && !path.ends_with("shared.json");
        found.extend(entries.filter(is_one));
    }
    assert!(found.len() > 25, "{found:?}");
    found
}

#[test]
fn every_scenario_that_ships_is_accepted() {
    let validator = validator();
    for file in files() {
        let scenarios: Value = serde_json::from_str(&std::fs::read_to_string(&file).unwrap()).unwrap();
        let wrong: Vec<String> = validator
            .iter_errors(&scenarios)
            .map(|error| format!("{}: {error}", error.instance_path()))
            .collect();
        assert!(wrong.is_empty(), "{}: {wrong:#?}", file.display());
    }
}

/// Those that users see name the schema, so that editors find it.
#[test]
fn the_scenarios_beside_policies_name_the_schema() {
    for file in files().into_iter().filter(|file| file.to_string_lossy().ends_with(".test.json")) {
        let scenarios: Value = serde_json::from_str(&std::fs::read_to_string(&file).unwrap()).unwrap();
        let named = scenarios["$schema"].as_str().unwrap_or_else(|| panic!("{} names none", file.display()));
        // `init` puts it beside the scenarios.
        let place = file.parent().unwrap().join(named);
        let of_init = named == "scenario.schema.json" && file.ends_with("init/policy.test.json");
        assert!(of_init || place.canonicalize().unwrap().ends_with("docs/scenario.schema.json"), "{named}");
    }
}

/// Whether `tokenstile test` takes it and nothing in it fails.
fn is_run(number: usize, scenarios: &Value) -> bool {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("scenario_schema").join(number.to_string());
    std::fs::create_dir_all(&folder).unwrap();
    let policy =
        json!({"version": 1, "name": "t", "identity": {"user": ["header:x-user-id"]}, "budgets": []});
    std::fs::write(folder.join("p.json"), policy.to_string()).unwrap();
    std::fs::write(folder.join("p.test.json"), scenarios.to_string()).unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_tokenstile"));
    command.args(["test", "--native"]).arg(&folder).output().unwrap().status.success()
}

#[test]
fn what_is_wrong_is_refused() {
    let validator = validator();
    let with = |change: &dyn Fn(&mut Value)| {
        let mut file = json!({
            "$schema": "scenario.schema.json",
            "bodies": {"hi": {"json": {"model": "gpt-4o", "messages": [{"role": "user", "content": "hi"}]}}},
            "answers": {"short": {"completion": {"content": "x", "usage": [8, 20]}}},
            "cases": [{"name": "one", "why": "because", "steps": [
                {"clock": "2026-11-23T08:00:00Z"},
                {"call": {"body": "hi", "headers": {"x-user-id": "a"}}, "answer": "short", "times": 2,
                 "expect": {"status": 200, "record": {"/usage/output": 20}, "headers": {"x-no": null}},
                 "on": {"apisix": {"status": 200}}},
                {"call": {"body": {"text": "no JSON"}, "hang_up": {"after_pieces": 1}}, "answer": {"status": 200, "stream": {"deltas": ["a", "b"]}},
                 "expect": {"ended": "client_gone", "upstream": {"same_body_but": ["no", "no"]}}}
            ]}]
        });
        change(&mut file);
        file
    };
    let right = with(&|_| ());
    let wrong: Vec<String> = validator.iter_errors(&right).map(|error| error.to_string()).collect();
    assert!(wrong.is_empty() && is_run(0, &right), "{wrong:?}");
    let put = |place: &'static str, key: &'static str, value: Value| {
        with(&move |file| {
            let object = file.pointer_mut(place).unwrap().as_object_mut().unwrap();
            object.insert(key.to_owned(), value.clone());
        })
    };
    let (case, step) = ("/cases/0", "/cases/0/steps/1");
    let (call, expect) = ("/cases/0/steps/1/call", "/cases/0/steps/1/expect");
    let wrong = [
        json!([]),
        json!({}),
        json!({"cases": []}),
        put("", "case", json!([])),
        put("", "bodies", json!({"hi": "hi"})),
        put("", "bodies", json!({"hi": {"json": {}, "text": "x"}})),
        put("", "answers", json!({"short": {"complete": {}}})),
        put("", "answers", json!({"short": {"completion": {"content": "x"}, "stream": {"deltas": []}}})),
        put("", "answers", json!({"short": {"completion": {"usage": [1, 2]}}})),
        put(case, "names", json!("x")),
        put(case, "name", json!(5)),
        put(case, "steps", json!({})),
        put(case, "skip", json!({"native": true})),
        put(step, "expects", json!({})),
        put(step, "times", json!("2")),
        put(step, "times", json!(-1)),
        put(step, "answer", json!(["short"])),
        put(step, "keep", json!(["x"])),
        put(step, "clock", json!(5)),
        put(call, "header", json!({})),
        put(call, "headers", json!({"x-user-id": 5})),
        put(call, "body", json!({"yaml": "x"})),
        put(call, "hang_up", json!("later")),
        put(call, "hang_up", json!({"after_pieces": "1"})),
        put(expect, "state", json!(200)),
        put(expect, "upstream", json!("something")),
        put(expect, "upstream", json!({"same_body_but": ["one"]})),
        put(expect, "ended", json!("ended")),
        put(expect, "no_record", json!("yes")),
        put(expect, "record", json!({"usage": 5})),
        put(expect, "decisions", json!({"allow": "one"})),
        put("/cases/0/steps/1/on", "native", json!({"state": 5})),
    ];
    for (number, scenarios) in (1..).zip(wrong) {
        assert!(!validator.is_valid(&scenarios), "the schema takes {scenarios}");
        assert!(!is_run(number, &scenarios), "`tokenstile test` takes {scenarios}");
    }
}
