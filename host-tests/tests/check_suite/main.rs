//! `tokenstile check`, from outside.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test fails by a panic")]

mod bounds;
mod command;
mod hints;
mod promise;
mod routes;

use serde_json::Value;
use std::io::Write;
use std::process::{Command, Stdio};

/// Exit status and standard output of a check of this text.
fn check(args: &[&str], policy: &str) -> (i32, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_tokenstile"));
    command.args(["check", "-", "--at", "2026-11-22"]).args(args).env("NO_COLOR", "1");
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(policy.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    (output.status.code().unwrap(), String::from_utf8(output.stdout).unwrap())
}

/// What was found: code, line, column, and message with its help.
fn found(policy: &str) -> Vec<(String, u64, u64, String)> {
    let (_, out) = check(&["--format", "json"], policy);
    let report: Value = serde_json::from_str(&out).unwrap();
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let one = |one: &Value| {
        let (line, column) = (one["line"].as_u64().unwrap(), one["column"].as_u64().unwrap());
        (text(&one["code"]), line, column, format!("{} | {}", text(&one["message"]), text(&one["help"])))
    };
    let findings = report["policies"][0]["findings"].as_array().unwrap().iter();
    findings.filter(|one| one["severity"] != "hint").map(one).collect()
}

/// The hints: code, path and message.
fn hints(policy: &str) -> Vec<(String, String, String)> {
    let (_, out) = check(&["--format", "json"], policy);
    let report: Value = serde_json::from_str(&out).unwrap();
    let findings = report["policies"][0]["findings"].as_array().unwrap().iter();
    let text = |one: &Value, key: &str| one[key].as_str().unwrap().to_owned();
    findings
        .filter(|one| one["severity"] == "hint")
        .map(|one| (text(one, "code"), text(one, "path"), text(one, "message")))
        .collect()
}

/// A policy whose budgets are these.
fn with(rest: &str) -> String {
    format!(
        "{{\"version\": 1, \"name\": \"t\", \"identity\": {{\"user\": [\"api_key\"], \"tier\": [\"header:x-tier\"]}},\n{rest}}}"
    )
}

const FINE: &str = r#""budgets": [{"name": "b", "per": ["user"], "limit": {"tokens": 500}, "window": {"calendar": "day"}, "ladder": [{"at": "100%", "deny": {}}]}]"#;

/// Each policy is taken by the filter, and has one warning of this kind that begins so; who says that it is meant is not
/// warned.
fn warned(policies: &[(String, &str, &str)]) {
    for (policy, kind, message) in policies {
        let all = found(policy);
        assert_eq!(all.len(), 1, "{kind}: {message}: {all:#?}\n{policy}");
        assert!(all[0].0 == *kind && all[0].3.starts_with(message), "{kind}: {message}: {all:#?}\n{policy}");
        assert_eq!(check(&["-q"], policy).0, 0);
        assert_eq!(check(&["-q", "--deny-warnings"], policy).0, 1);
        assert_eq!(check(&["-q", "--deny-warnings", "--allow", kind], policy).0, 0);
    }
}
