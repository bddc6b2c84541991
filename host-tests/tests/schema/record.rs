//! The cost record's JSON Schema: it stands in `docs/record.schema.json`, says what the type says, and accepts what the
//! filter writes.

use super::types::record::{KNOWN, generate, place};
use jsonschema::Validator;
use serde_json::{Value, json};
use std::path::Path;
use tokenstile_engine::otlp::export_request;
use tokenstile_host::cases::{Native, Runner, Suite, Wasmtime, filter};
use tokenstile_host::demo::{self, Way};
use tokenstile_host::host::{Module, Profile};

fn validator() -> Validator {
    jsonschema::options().should_validate_formats(true).build(&generate()).unwrap()
}

#[test]
fn the_schema_of_the_record_that_ships_says_what_the_type_says() {
    super::assert_ships(&place(), &generate(), &["--record"]);
}

/// Judges every record that the cases of a suite write, and counts them.
fn judge(suite: &Suite, runner: &dyn Runner, validator: &Validator) -> usize {
    let mut judged = 0;
    for case in 0..suite.names().count() {
        let walk = suite.walk(case, runner).unwrap_or_else(|error| panic!("case {case}: {error}"));
        for seen in walk.into_iter().flatten().flat_map(|went| went.seen) {
            for record in seen.records.into_iter().flatten() {
                accept(validator, &record);
                judged += 1;
            }
        }
    }
    judged
}

fn accept(validator: &Validator, record: &Value) {
    let wrong: Vec<String> =
        validator.iter_errors(record).map(|error| format!("{}: {error}", error.instance_path())).collect();
    assert!(wrong.is_empty(), "{wrong:?}\n{record:#}");
}

#[test]
fn every_record_of_the_cases_is_accepted() {
    let suite = Suite::load(&filter::root().join("host-tests/tests/cases")).unwrap();
    let judged = judge(&suite, &Native, &validator());
    println!("{judged} records");
    assert!(judged > 500, "{judged}");
}

#[test]
fn every_record_of_the_policies_scenarios_is_accepted_by_the_engine_and_through_the_filter() {
    let validator = validator();
    let wasmtime = Wasmtime::new(Profile::Envoy, true).unwrap();
    let (mut judged, folder) = (0, filter::root().join("policies"));
    for entry in std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()) {
        let Some(name) = entry.to_str().and_then(|name| name.strip_suffix(".test.json")) else { continue };
        let read = |path: &str| std::fs::read_to_string(Path::new(path)).unwrap();
        let policy = serde_json::from_str(&read(&format!("{name}.json"))).unwrap();
        let suite = Suite::read(&read(&format!("{name}.test.json")), policy).unwrap();
        judged += judge(&suite, &Native, &validator) + judge(&suite, &wasmtime, &validator);
    }
    println!("{judged} records");
    assert!(judged > 50, "{judged}");
}

#[test]
fn every_record_of_the_demo_is_accepted() {
    let module = Module::compile(&std::fs::read(filter::path().unwrap()).unwrap()).unwrap();
    let records = demo::run(Way::Embedded(module)).unwrap();
    assert_eq!(records.len(), 9);
    let validator = validator();
    records.iter().for_each(|record| accept(&validator, record));
}

/// The made-up week of the examples is what a filter could have written.
#[test]
fn every_record_of_the_examples_is_accepted_and_has_an_id_of_its_own() {
    let packed = std::fs::File::open(filter::root().join("examples/replay/week.log.gz")).unwrap();
    let text = std::io::read_to_string(flate2::read::GzDecoder::new(packed)).unwrap();
    let (validator, mut ids) = (validator(), std::collections::BTreeSet::new());
    for line in text.lines() {
        let (_, json) = line.split_once("tokenstile-record ").unwrap();
        let record: Value = serde_json::from_str(json).unwrap();
        accept(&validator, &record);
        assert!(ids.insert(record["id"].as_str().unwrap().to_owned()), "{line}");
    }
    assert_eq!(ids.len(), 4_259);
}

#[test]
fn no_word_of_the_schema_stands_there_twice() {
    let words = generate()["properties"]["dialect"]["enum"].as_array().unwrap().clone();
    let distinct: std::collections::BTreeSet<&str> =
        words.iter().map(|word| word.as_str().unwrap()).collect();
    assert_eq!(words.len(), distinct.len(), "{words:?}");
}

#[test]
fn what_is_no_record_is_refused() {
    let suite = Suite::load(&filter::root().join("host-tests/tests/cases")).unwrap();
    let walks = (0..suite.names().count()).filter_map(|case| suite.walk(case, &Native).unwrap().ok());
    let seen = walks.flatten().flat_map(|went| went.seen);
    let good =
        seen.filter_map(|seen| seen.records).flatten().find(|record| record["ending"] == "complete").unwrap();
    let validator = validator();
    accept(&validator, &good);
    let change = |place: &str, value: Value| {
        let mut record = good.clone();
        let (object, key) = place.rsplit_once('/').unwrap();
        record.pointer_mut(object).unwrap()[key] = value;
        record
    };
    for wrong in [
        change("/prompt", json!("hello")),
        change("/usage/prompt", json!(5)),
        change("/usage/input", json!(-1)),
        change("/usage/source", json!("guessed")),
        change("/cost_nano_usd", json!(0.5)),
        change("/time", json!("yesterday")),
        change("/ending", json!("done")),
        change("/decision", json!("maybe")),
        change("/dialect", json!("klingon")),
        change("/status", json!(70_000)),
        change("/identity", json!({"user": 5})),
        change("/shadow", json!({"rule": "maybe"})),
        change("/overage", json!([{"rule": "r"}])),
        change("/overage", json!([{"rule": "r", "tokens": 5, "charge_nano_usd": 1, "for": "you"}])),
    ] {
        assert!(!validator.is_valid(&wrong), "{wrong:#}");
    }
    for key in good.as_object().unwrap().keys() {
        let mut less = good.clone();
        less.as_object_mut().unwrap().remove(key);
        let is_optional = !generate()["required"].as_array().unwrap().contains(&json!(key));
        assert_eq!(validator.is_valid(&less), is_optional, "{key}");
    }
}

/// What OpenTelemetry calls each field stands in the document as well.
#[test]
fn the_document_names_every_field_with_its_unit_and_its_attribute() {
    let document = std::fs::read_to_string(filter::root().join("docs/attribution.md")).unwrap();
    let rows: Vec<&str> = document.lines().filter(|line| line.starts_with("| `")).collect();
    let schema = generate();
    let usage = schema["properties"]["usage"]["properties"].as_object().unwrap();
    let fields = schema["properties"].as_object().unwrap().iter().map(|(name, value)| (name.clone(), value));
    let usage = usage.iter().map(|(name, value)| (format!("usage.{name}"), value));
    for (name, field) in fields.chain(usage) {
        let row = rows.iter().find(|row| row.starts_with(&format!("| `{name}` |")));
        let row = row.unwrap_or_else(|| panic!("docs/attribution.md has no row for `{name}`"));
        let cells: Vec<&str> = row.trim_matches('|').split('|').map(str::trim).collect();
        let said = |key: &str| field[key].as_str().map_or("", |said| said).to_owned();
        assert_eq!(cells[1], said("x-unit"), "the unit of `{name}`");
        assert_eq!(cells[2].trim_matches('`'), said("x-otel"), "the attribute of `{name}`");
    }
}

/// A collector gets it by that name, and as what the conventions say it is.
#[test]
fn what_the_document_calls_an_attribute_is_sent_as_one() {
    let schema = generate();
    for (field, _, name) in KNOWN.into_iter().filter(|(.., name)| !name.is_empty()) {
        let place = format!("/properties/{}/type", field.replace('.', "/properties/"));
        let (value, sent) = match schema.pointer(&place).and_then(Value::as_str) {
            Some("string") => (json!("x"), json!({"stringValue": "x"})),
            Some("boolean") => (json!(true), json!({"boolValue": true})),
            _ if name == "gen_ai.response.time_to_first_chunk" => (json!(1500), json!({"doubleValue": 1.5})),
            _ => (json!(1500), json!({"intValue": "1500"})),
        };
        let nested = |value, key: &str| json!({key: value});
        let record = field.rsplit('.').fold(value, nested);
        let request: Value = serde_json::from_str(&export_request(&record.to_string())).unwrap();
        let attributes = &request["resourceLogs"][0]["scopeLogs"][0]["logRecords"][0]["attributes"];
        let attribute = attributes.as_array().unwrap().iter().find(|one| one["key"] == name);
        assert_eq!(attribute.map(|one| &one["value"]), Some(&sent), "`{field}` as `{name}`");
    }
}
