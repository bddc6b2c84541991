//! `tokenstile explain`, from outside: every step, in each way in which a request may be written down.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test fails by a panic")]

use serde_json::Value;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;

const POLICY: &str = r#"{"version": 1, "name": "t", "expected_output_tokens": 200,
  "identity": {"user": ["header:x-user-id", "body:/user", "value:anonymous"], "tier": ["header:x-tier", "value:free"]},
  "downgrades": {"economy": [{"from": "gpt-4o", "to": "gpt-4o-mini"}]},
  "strip_request_headers": ["x-tier"],
  "budgets": [
    {"name": "daily", "match": {"tier": "free"}, "per": ["user"], "limit": {"tokens": 1000}, "window": {"calendar": "day"},
     "ladder": [{"at": "50%", "warn": {}}, {"at": "80%", "downgrade": "economy"}, {"at": "100%", "deny": {}}]},
    {"name": "pro", "match": {"tier": "pro"}, "per": ["user"], "limit": {"usd": "5"}, "window": {"calendar": "day"},
     "ladder": [{"at": "100%", "deny": {}}]},
    {"name": "claude", "match": {"model": "claude-*"}, "per": [], "limit": {"usd": "5"}, "window": {"calendar": "day"},
     "ladder": [{"at": "100%", "deny": {}}]}]}"#;

const BODY: &str = r#"{"model": "gpt-4o", "max_tokens": 100, "user": "ann", "messages": [{"role": "user", "content": "hi"}]}"#;

/// Written once: tests run side by side.
fn policy() -> PathBuf {
    static FILE: OnceLock<PathBuf> = OnceLock::new();
    let write = || {
        let file = Path::new(env!("CARGO_TARGET_TMPDIR")).join("explain-policy.json");
        std::fs::write(&file, POLICY).unwrap();
        file
    };
    FILE.get_or_init(write).clone()
}

fn explain(args: &[&str], request: &str) -> String {
    let mut command = Command::new(env!("CARGO_BIN_EXE_tokenstile"));
    command
        .arg("explain")
        .arg(policy())
        .args(["-", "--at", "2026-11-22T12:00:00Z"])
        .args(args)
        .env("NO_COLOR", "1");
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(request.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success());
    String::from_utf8(output.stdout).unwrap()
}

/// What was meant as a request, or as a path, is not taken for a body or for no API's.
#[test]
fn slips_in_a_request_are_told() {
    let fails = |args: &[&str], request: &str| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_tokenstile"));
        command.arg("explain").arg(policy()).arg("-").args(args);
        let mut child = command.stdin(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let _ = child.stdin.take().unwrap().write_all(request.as_bytes());
        let output = child.wait_with_output().unwrap();
        assert_eq!(output.status.code(), Some(2), "{request}");
        String::from_utf8(output.stderr).unwrap()
    };
    let misspelt = format!(r#"{{"path": "/v1/messages", "heders": {{}}, "body": {BODY}}}"#);
    assert!(fails(&[], &misspelt).contains("is none: unknown field `heders`"));
    assert!(fails(&[], r#"{"path": 7, "body": 3}"#).contains("is none: invalid type: integer `7`"));
    assert!(
        fails(&["--path", "v1/messages"], BODY).contains("a path begins with `/`, such as `/v1/messages`")
    );
    assert!(
        fails(&["--used", "dialy=7"], BODY)
            .contains("no budget `dialy`; there is `daily`, `pro`, `claude`\n")
    );
}

#[test]
fn every_step_is_told() {
    let told = explain(&["--used", "daily=750"], BODY);
    let expected = "\
1. Which API
   POST /v1/chat/completions speaks `openai-chat`; the provider is unknown
2. What the body says
   model `gpt-4o`, which stands in the body
   output: at most 100, 1 answer(s)
   prompt: 8 tokens, exactly, by the model's own encoding
3. What it costs
   price `openai/gpt-4o`, standard: $2.5 in and $10 out a million
   held: 8 + 100 tokens (the request's bound), $0.00102
4. Who pays
   tier is `free`: header:x-tier yields nothing, value:free yields it
   user is `ann`: header:x-user-id yields nothing, body:/user yields it
5. Budgets
   `daily` is met: 750 tokens of 1,000 tokens used; this call holds 108 tokens
     × 50% (500) warn: reached with 858
     × 80% (800) downgrade: reached with 858
     · 100% (1,000) deny: not reached with 858
   `pro` is not met: it is for tier pro, and this is `free`
   `claude` is not met: it is for the model claude-*, and this is `gpt-4o`
6. Decision
   downgrade, by `daily`
7. What goes upstream
-{\"model\": \"gpt-4o\",
+{\"model\": \"gpt-4o-mini\",
";
    let plain: String = told.lines().map(|line| format!("{line}\n")).collect();
    let shown = plain
        .replace("   -{", "-{")
        .replace("   +{", "+{")
        .replace("   --- original\n", "")
        .replace("   +++ modified\n", "");
    assert!(shown.starts_with(expected), "{shown}");
    assert!(shown.contains("8. What the client gets\n   the provider's, and beside it\n"), "{shown}");
    assert!(shown.contains("   x-tokenstile-model-served: gpt-4o-mini\n"), "{shown}");
}

#[test]
fn a_refusal_is_shown_as_the_client_gets_it() {
    let told = explain(&["--used", "daily=950"], BODY);
    for part in [
        "   `daily` is met: 950 tokens of 1,000 tokens used; this call holds 108 tokens; it refuses\n",
        "   deny, by `daily`\n",
        "   nothing\n",
        "   status 429\n",
        "       \"rule\": \"daily\",\n",
    ] {
        assert!(told.contains(part), "{part}\n{told}");
    }
}

/// The same request as a message, as an object, and as a body with flags.
#[test]
fn a_request_may_be_written_in_several_ways() {
    let json = |args: &[&str], request: &str| -> Value {
        serde_json::from_str(&explain(&[args, &["--format", "json"]].concat(), request)).unwrap()
    };
    let message = format!(
        "POST /v1/chat/completions HTTP/1.1\r\nHost: api.openai.com\r\nX-User-Id: ben\r\nx-tier: pro\r\n\r\n{BODY}"
    );
    let object = format!(
        r#"{{"path": "/v1/chat/completions", "host": "api.openai.com", "headers": {{"x-user-id": "ben", "x-tier": "pro"}}, "body": {BODY}}}"#
    );
    let first = json(&[], &message);
    assert_eq!(first["record"]["identity"], serde_json::json!({"tier": "pro", "user": "ben"}));
    assert_eq!(first["decision"], "allow");
    assert_eq!(
        first["steps"][0]["says"][0],
        "POST /v1/chat/completions speaks `openai-chat`; the provider is openai"
    );
    // It was stripped.
    assert_eq!(first["steps"][6]["says"][0], "-x-tier: pro");
    assert_eq!(json(&[], &object)["steps"], first["steps"]);
    let flags = ["--host", "api.openai.com", "-H", "x-user-id: ben", "--header", "x-tier: pro"];
    assert_eq!(json(&flags, BODY)["steps"], first["steps"]);
    let other = json(&["--path", "/v1/models", "--method", "GET"], BODY);
    assert_eq!((&other["decision"], &other["record"]), (&Value::from(""), &Value::Null));
}

/// Each rule on single requests, and the first condition by which it is not met.
#[test]
fn rules_that_are_not_met_say_why() {
    let policy = r#"{"version": 1, "name": "t", "identity": {"user": ["header:x-user-id"], "feature": ["header:x-feature", "value:none"]},
      "blocks": [{"name": "no-claude", "match": {"model": "claude-*"}}, {"name": "old", "match": {"model": "gpt-4o"}, "until": "2026-11-01"}],
      "request_limits": [
        {"name": "short", "match": {"stream": true}, "limit": {"prompt_tokens": 5}, "over": {"deny": {}}},
        {"name": "ask", "limit": {"usd": "2"}, "over": {"deny": {}}}],
      "routes": [
        {"name": "faq", "match": {"feature": "faq"}, "set": {"model": "gpt-4o-mini"}},
        {"name": "night", "match": {"model": "gpt-4o", "time": {"from": "22:00", "to": "06:00"}}, "set": {"model": "gpt-4o-mini"}},
        {"name": "long", "match": {"prompt_tokens": {"min": 1000}}, "set": {"max_output_tokens": 64}},
        {"name": "small", "match": {"feature": "chat", "uses": ["tools"]}, "set": {"model": "gpt-4o-mini"}},
        {"name": "spare", "match": {"budget_used": {"team": {"min": "80%"}}}, "set": {"model": "gpt-4o-mini"}},
        {"name": "watched", "match": {"budget_used": {"team": {"min": "40%", "max": "79.9%"}}}, "set": {"max_output_tokens": 4000}},
        {"name": "trial", "match": {"feature": "chat"}, "split": {"by": "user", "arms": [{"name": "control", "weight": 1000}]}},
        {"name": "cheap", "match": {"feature": "chat"}, "set": {"model": "gpt-4o-mini"}}],
      "budgets": [{"name": "team", "per": [], "limit": {"tokens": 10000}, "window": {"calendar": "day"}, "ladder": [{"at": "100%", "deny": {}}]}]}"#;
    let file = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("explain_rules.json");
    std::fs::write(&file, policy).unwrap();
    let request = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("explain_rules_body.json");
    std::fs::write(&request, BODY).unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_tokenstile"));
    command.arg("explain").arg(file).arg(request).args([
        "--at",
        "2026-11-22T12:00:00Z",
        "-H",
        "x-feature: chat",
        "--used",
        "team=7999",
    ]);
    let output = command.env("NO_COLOR", "1").output().unwrap();
    let told = String::from_utf8(output.stdout).unwrap();
    let expected = "\
5. Rules on single requests
   `no-claude` stops calls; it is not met: it is for the model claude-*
   `old` stops calls; it is not in force at this time
   `short` allows 5 tokens a call; it is not met: it is for a streamed answer
   `ask` allows $2.00 a call; it is met, and the call is within it
   `faq` chooses how calls go on; it is not met: it is for feature faq
   `night` chooses how calls go on; it is not met: it is for the time 22:00 to 06:00 (UTC)
   `long` chooses how calls go on; it is not met: it is for a prompt of 1000 or more tokens
   `small` chooses how calls go on; it is not met: it is for tools
   `spare` chooses how calls go on; it is not met: it is for 80% or more of `team` used
   `watched` chooses how calls go on; it is met
   `trial` is an experiment; the call is in the arm `control`
   `cheap` chooses how calls go on; it decides
6. Budgets
";
    assert!(told.contains(expected), "{told}");
}

/// What the filter does not read is not explained as if it did; and the length of an answer that nobody has is not told.
#[test]
fn a_body_that_is_too_long_is_not_read() {
    let file = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("explain_long.json");
    std::fs::write(&file, r#"{"version": 1, "name": "t", "max_body_bytes": 1000, "budgets": []}"#).unwrap();
    let request = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("explain_long_body.json");
    let told = |letters: usize| {
        std::fs::write(&request, BODY.replace("hi", &"x".repeat(letters))).unwrap();
        let mut command = Command::new(env!("CARGO_BIN_EXE_tokenstile"));
        let output = command.arg("explain").arg(&file).arg(&request).env("NO_COLOR", "1").output().unwrap();
        String::from_utf8(output.stdout).unwrap()
    };
    let (short, long) = (told(10), told(2_000));
    assert!(short.contains("model `gpt-4o`") && !short.contains("content-length"), "{short}");
    let unread = "   it is not read: it has 2,100 bytes, more than 1,000 (`max_body_bytes`); the policy's `unread` lets it go on";
    assert!(long.contains(unread) && !long.contains("model `gpt-4o`"), "{long}");
}
