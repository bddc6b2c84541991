//! What each step of a ladder does to a call of each API, tried through the built filter as Envoy runs it.

use super::document::table;
use super::samples::{Sample, all};
use super::scene::{edited, edits, one, policy, reaching, tells};
use serde_json::{Value, json};
use tokenstile_engine::dialect::{DIALECTS, recognise};
use tokenstile_host::cases::{Seen, Wasmtime};
use tokenstile_host::host::Profile;

const HEAD: [&str; 11] = [
    "API",
    "`warn`, `overage`",
    "`delay`",
    "`clamp` where a bound is stated",
    "`clamp` where none is",
    "`clamp` of an effort",
    "`downgrade`",
    "`confirm`",
    "`deny`",
    "`deny` with `streams: stop`",
    "a stream is asked for its usage",
];

/// What there is no call for.
const NONE: &str = "–";

fn ok() -> Value {
    json!({"status": 200})
}

/// What comes of a call under a ladder of this one step.
fn under(runner: &Wasmtime, step: &Value, call: &Value) -> Seen {
    one(runner, &reaching(step), call, &ok())
}

/// Told in the answer, and nothing of the request is changed.
fn told(runner: &Wasmtime, sample: &Sample) -> String {
    let call = sample.call();
    let warned = under(runner, &json!({"warn": {}}), &call);
    let charged = under(runner, &json!({"overage": {"usd_per_request": "0.01"}}), &call);
    let headers = [(&warned, "x-tokenstile-warning"), (&charged, "x-tokenstile-overage")];
    let told = headers.iter().all(|(seen, header)| tells(seen, header) && edits(seen, &call).is_empty());
    if told { "in headers" } else { "not told" }.to_owned()
}

fn delayed(runner: &Wasmtime, sample: &Sample) -> String {
    let seen = under(runner, &json!({"delay": {"up_to": "1s"}}), &sample.call());
    let held = seen.upstream.is_some() && tells(&seen, "x-tokenstile-delay-ms");
    if held { "held" } else { "not held" }.to_owned()
}

fn edited_by(runner: &Wasmtime, step: &Value, call: Option<Value>) -> String {
    call.map_or_else(|| NONE.to_owned(), |call| edited(&under(runner, step, &call), &call))
}

/// The status, and the word by which a client knows what it is.
fn refused(seen: &Seen) -> String {
    assert!(seen.upstream.is_none(), "not refused");
    let status = seen.status.unwrap();
    let body: Value = serde_json::from_slice(&seen.body).unwrap();
    let words = ["/error/code", "/error/status", "/error/type"].map(|at| body.pointer(at)?.as_str());
    let word = words.into_iter().flatten().next().map(str::to_owned);
    let word = word.or_else(|| seen.headers.text("x-amzn-errortype"));
    word.map_or_else(|| status.to_string(), |word| format!("{status} `{word}`"))
}

fn denied(runner: &Wasmtime, sample: &Sample) -> String {
    refused(&under(runner, &json!({"deny": {}}), &sample.call()))
}

fn stopped(runner: &Wasmtime, sample: &Sample) -> String {
    let Some((call, answer)) = sample.stream() else { return NONE.to_owned() };
    let ladder = json!([{"at": "100%", "deny": {"streams": "stop"}}]);
    let mut policy = policy(&ladder, &json!({"expected_output_tokens": 1, "stream_usage": "leave"}));
    policy["budgets"][0]["limit"] = json!({"tokens": 80});
    let seen = one(runner, &policy, &call, &answer);
    assert!(seen.upstream.is_some(), "{}: {}", sample.dialect, String::from_utf8_lossy(&seen.body));
    let record = &seen.records.as_ref().unwrap()[0];
    let text = String::from_utf8(seen.body.clone()).unwrap();
    match record["ending"].as_str().unwrap() {
        "stopped" => {
            assert!(text.contains("error") && text.matches("one two").count() < 20, "{text}");
            "an error event".to_owned()
        }
        _ => {
            assert_eq!(text.matches("one two").count(), 20);
            "goes on".to_owned()
        }
    }
}

fn asked_for_usage(runner: &Wasmtime, sample: &Sample) -> String {
    let Some((call, answer)) = sample.stream() else { return NONE.to_owned() };
    let seen = one(runner, &policy(&json!([{"at": "100%", "deny": {}}]), &json!({})), &call, &answer);
    let places = edits(&seen, &call);
    if places.is_empty() { "not asked".to_owned() } else { places.join(", ") }
}

fn row(runner: &Wasmtime, sample: &Sample) -> Vec<String> {
    let clamp = json!({"clamp": {"max_output_tokens": 64}});
    let effort = json!({"clamp": {"reasoning_effort": "low"}});
    let downgrade = json!({"downgrade": "small"});
    vec![
        format!("`{}`", sample.dialect),
        told(runner, sample),
        delayed(runner, sample),
        edited_by(runner, &clamp, sample.bounded_call()),
        edited_by(runner, &clamp, Some(sample.call())),
        edited_by(runner, &effort, sample.thinking_call()),
        edited_by(runner, &downgrade, Some(sample.call())),
        refused(&under(runner, &json!({"confirm": {}}), &sample.call())),
        denied(runner, sample),
        stopped(runner, sample),
        asked_for_usage(runner, sample),
    ]
}

pub(crate) fn steps() -> String {
    let runner = Wasmtime::new(Profile::Envoy, true).unwrap();
    let rows: Vec<_> = all().iter().map(|sample| row(&runner, sample)).collect();
    table(&HEAD, &rows)
}

/// A new dialect has no row until it has a sample.
#[test]
fn every_api_that_is_metered_has_a_sample() {
    let samples = all();
    let names: Vec<_> = samples.iter().map(|sample| sample.dialect).collect();
    let free = ["anthropic-count-tokens", "gemini-count-tokens", "bedrock-count-tokens", "free"];
    let missing = DIALECTS.iter().map(|dialect| dialect.name);
    let missing: Vec<_> = missing.filter(|name| !names.contains(name) && !free.contains(name)).collect();
    assert!(missing.is_empty(), "no sample of {missing:?}");
    for sample in samples {
        let call = sample.call();
        let text = |key: &str| call[key].as_str().unwrap().as_bytes().to_vec();
        let route = recognise(b"POST", &text("host"), &text("path")).metered().unwrap();
        assert_eq!(route.dialect.name, sample.dialect);
    }
}
