//! The openai Python SDK, as it is published, through a real Envoy: refused exactly once where waiting does not
//! help, retried by itself where it does.
//!
//! Budget refusals which SDKs retry make everything worse: 36 HTTP calls for one doomed request were reported
//! (topoteretes/cognee#4679), 93 % of a gateway's traffic (puffo-ai/puffo-agent#327).
//!
//! Needs an Envoy and the filter (`cargo xtask test`) and, once, Python and PyPI for `target/sdk-venv`.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by a panic")]

#[path = "envoy_suite/noon.rs"]
mod noon;

use noon::zone_where_it_is_noon;
use serde_json::{Value, json};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;
use tokenstile_host::envoy::{Envoy, Options};
use tokenstile_host::upstream::Upstream;

const REQUIREMENTS: &str = include_str!("sdk/requirements.txt");
/// All that the program's calls come to, also those that were refused.
const RECORDS: usize = 12;
/// Tokens of one call: 10 of the prompt and 24 of the answer.
const CALL_TOKENS: u64 = 34;

#[test]
fn the_openai_sdk_is_refused_once_and_waits_only_when_that_helps() {
    let upstream = Upstream::start(SocketAddr::from(([127, 0, 0, 1], 0))).unwrap();
    let options = Options::new(policy().to_string(), upstream.addr());
    let envoy = Envoy::start(&options).unwrap_or_else(|error| panic!("{error}"));
    let seen = calls(&envoy.url());
    let records = envoy.records(RECORDS, Duration::from_secs(20));
    let requests = upstream.ledger().last_requests();
    // Requests of one user that came to Envoy, that it refused, and that came to the provider.
    let counts = |user: &str| {
        let of_user = || records.iter().filter(|record| record["identity"]["user"] == user);
        let refused = of_user().filter(|record| record["decision"] == "deny").count();
        let upstream = requests.iter().filter(|seen| seen.header("x-user-id") == Some(user)).count();
        (of_user().count(), refused, upstream)
    };
    for user in ["quota", "quota-stream", "quota-async"] {
        let seen = &seen[user];
        assert_eq!(seen["first"]["total_tokens"], CALL_TOKENS, "{seen}");
        assert_eq!(seen["requests"], 1, "{user}: the SDK tried again: {seen}");
        assert_eq!(counts(user), (2, 1, 1), "{user}: {records:#?}");
        assert_quota(&seen["error"]);
    }
    let rate = &seen["rate"];
    assert_eq!(rate["error"], Value::Null, "{rate}");
    assert!(rate["second"]["total_tokens"].is_u64(), "{rate}");
    // Once refused, and let through when it came again at the time it was told.
    assert_eq!(rate["requests"], 2, "{rate}");
    assert_eq!(counts("rate"), (3, 1, 2), "{records:#?}");
    // No time is named here, so that only `x-should-retry` keeps the SDK from trying again.
    let never = &seen["never-fits"];
    assert_eq!(never["error"]["class"], "openai.RateLimitError", "{never}");
    assert_eq!(never["error"]["retry_after"], Value::Null, "{never}");
    assert_eq!(never["requests"], 1, "the SDK tried again: {never}");
    assert_eq!(counts("never-fits"), (1, 1, 0), "{records:#?}");
    let free = &seen["free"];
    assert_eq!(free["first"], free["second"], "{free}");
    assert_eq!(counts("free"), (2, 0, 2), "{records:#?}");
    assert_eq!(records.len(), RECORDS, "{records:#?}");
}

fn assert_quota(error: &Value) {
    assert_eq!(error["class"], "openai.RateLimitError", "{error}");
    assert_eq!(error["code"], "insufficient_quota", "{error}");
    assert_eq!(error["type"], "insufficient_quota", "{error}");
    let sentence = "Your quota of 50 tokens is used.";
    assert_eq!(error["message"], sentence, "{error}");
    assert!(error["text"].as_str().unwrap().contains(sentence), "{error}");
    assert_eq!(error["should_retry"], "false", "{error}");
    assert!(error["retry_after"].as_str().unwrap().parse::<u64>().is_ok(), "{error}");
    let body = &error["body"];
    assert_eq!(body["rule"], "daily", "{error}");
    assert_eq!((&body["used"], &body["limit"]), (&json!(CALL_TOKENS), &json!(50)), "{error}");
    assert_eq!(body["upgrade_url"], "https://acme.example/upgrade", "{error}");
}

fn policy() -> Value {
    json!({
        "version": 1, "name": "sdk", "hold_headers": true, "on_error": "deny", "expected_output_tokens": 24,
        "identity": {"user": ["header:x-user-id"], "tier": ["header:x-tier"]},
        "budgets": [
            {"name": "daily", "match": {"tier": "metered"}, "per": ["user"], "limit": {"tokens": 50},
             "window": {"calendar": "day", "timezone": zone_where_it_is_noon()}, "ladder": [{"at": "100%", "deny": {
                "message": "Your quota of {limit}{unit} is used.",
                "upgrade_url": "https://acme.example/upgrade"}}]},
            // The long first answer leaves a debt of 150 tokens: 34 more fit 4.6 seconds later.
            {"name": "pace", "match": {"tier": "paced"}, "per": ["user"],
             "bucket": {"tokens": 60, "refill": {"tokens": 40, "every": "1s"}}, "ladder": [{"at": "100%", "deny": {}}]},
        ],
    })
}

/// Runs the Python program and gives what it saw.
fn calls(url: &str) -> Value {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/sdk/openai_calls.py");
    let mut python = Command::new(python_with_sdk());
    // A proxy of the machine's network is not for 127.0.0.1.
    python.arg(script).arg(url).env("NO_PROXY", "127.0.0.1").env("no_proxy", "127.0.0.1");
    serde_json::from_str(&output(&mut python)).expect("the program prints JSON")
}

/// The Python of `target/sdk-venv`, which is made when it is missing or has another SDK.
fn python_with_sdk() -> PathBuf {
    let venv = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().join("target/sdk-venv");
    let (python, installed) = (venv.join("bin/python"), venv.join("installed.txt"));
    if std::fs::read_to_string(&installed).is_ok_and(|text| text == REQUIREMENTS) {
        return python;
    }
    println!("installing the openai SDK into {} …", venv.display());
    let requirements = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/sdk/requirements.txt");
    output(Command::new("python3").args(["-m", "venv", "--clear"]).arg(&venv));
    let mut pip = Command::new(&python);
    pip.args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--requirement"]);
    output(pip.arg(requirements));
    std::fs::write(installed, REQUIREMENTS).unwrap();
    python
}

/// What a program that must succeed prints.
fn output(command: &mut Command) -> String {
    let output = command.output().unwrap_or_else(|error| panic!("cannot start {command:?}: {error}"));
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command:?}: {}: {errors}", output.status);
    String::from_utf8(output.stdout).unwrap()
}
