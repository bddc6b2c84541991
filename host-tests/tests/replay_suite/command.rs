//! `tokenstile replay` and `tokenstile suggest`, from outside: what they print, to which output, and how they end.

use super::file;
use std::path::Path;
use std::process::Command;

/// Exit status, standard output, standard error.
pub(crate) fn tokenstile(args: &[&str]) -> (i32, String, String) {
    let output = Command::new(env!("CARGO_BIN_EXE_tokenstile")).args(args).output().unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    (output.status.code().unwrap(), text(output.stdout), text(output.stderr))
}

pub(crate) const POLICY: &str = r#"{
  // Comments are allowed.
  "version": 1, "name": "daily",
  "identity": {"user": ["header:x-user-id"], "tier": ["header:x-tier"], "feature": ["header:x-feature"]},
  "downgrades": {"economy": [{"from": "gpt-4o", "to": "gpt-4o-mini"}]},
  "budgets": [
    {"name": "user-day", "per": ["user"], "limit": {"tokens": 60000}, "window": {"calendar": "day"},
     "ladder": [{"at": "60%", "warn": {}}, {"at": "80%", "downgrade": "economy"}, {"at": "100%", "deny": {}}]},
    {"name": "search-day", "match": {"feature": "search"}, "per": [], "limit": {"usd": "0.5"}, "window": {"calendar": "day"},
     "ladder": [{"at": "90%", "clamp": {"max_output_tokens": 64}}, {"at": "120%", "deny": {}}]}
  ]
}"#;

/// Three days of calls that look like calls: the same each time.
pub(crate) fn counts() -> String {
    let mut csv = "t_ms,input_tokens,output_tokens\n".to_owned();
    let mut state = 1_u64;
    for i in 0..3_000_u64 {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let (input, output) = (200 + (state >> 40) % 3_000, 20 + (state >> 20) % 600);
        csv += &format!("{},{input},{output}\n", i * 86_400);
    }
    csv
}

fn given(name: &str, text: &str) -> String {
    file(name, text.as_bytes()).to_str().unwrap().to_owned()
}

#[test]
fn a_replay_is_told_in_a_terminal_and_to_programs() {
    let (policy, trace) = (given("cli.jsonc", POLICY), given("cli.csv", &counts()));
    let (status, out, err) = tokenstile(&["replay", "--policy", &policy, &trace]);
    assert_eq!((status, err.as_str()), (0, ""));
    for part in ["3,000 calls from", "Under `daily`", "saved by", "user-day", "search-day", "restricted for"]
    {
        assert!(out.contains(part), "no `{part}` in:\n{out}");
    }
    assert!(out.lines().all(|line| line.chars().count() <= 120), "wider than 120 columns:\n{out}");
    let (status, json, _) = tokenstile(&["replay", "--policy", &policy, "--json", &trace]);
    let json: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!((status, json["policy"]["calls"].as_u64()), (0, Some(3_000)));
    let said = |rule: usize| json["policy"]["rules"][rule]["said"].as_object().unwrap().len();
    assert!(said(0) >= 3 && said(1) >= 1, "{}", json["policy"]["rules"]);
}

#[test]
fn a_replay_ends_with_the_status_that_its_help_states() {
    let (policy, trace) = (given("ends.jsonc", POLICY), given("ends.csv", &counts()));
    let wrong = given("wrong.json", r#"{"version": 1, "name": "w", "budget": []}"#);
    let empty = given("empty.csv", "input_tokens,output_tokens\n");
    let html = given("ends.html", "");
    std::fs::remove_file(&html).unwrap();
    let nowhere = format!("{html}/no/report.html");
    let missing = "/nowhere/at/all";
    for (args, expected, says) in [
        (vec!["--policy", &wrong, &trace], 1, "budget"),
        (vec!["--policy", missing, &trace], 2, "cannot read `/nowhere/at/all`"),
        (vec!["--policy", &policy, missing], 2, "cannot read `/nowhere/at/all`"),
        (vec!["--policy", &policy, &empty], 2, "no call that is metered"),
        (vec!["--policy", &policy, "--html", &nowhere, &trace], 2, "cannot write"),
        (vec!["--policy", &policy], 2, "TRACE"),
        (vec!["--policy", &policy, "--wasm", missing, &trace], 2, "/nowhere/at/all"),
    ] {
        let (status, out, err) = tokenstile(&[&["replay"], args.as_slice()].concat());
        assert_eq!((status, out.as_str()), (expected, ""), "{args:?}: {err}");
        assert!(err.contains(says), "{args:?}: {err}");
    }
    assert!(!Path::new(&html).exists());
}

#[test]
fn suggested_limits_say_how_much_of_them_is_a_ceiling() {
    let log =
        r#"{"path":"/v1/chat/completions","response_code":200,"input_tokens":9000,"output_tokens":800}"#;
    let (status, out, _) = tokenstile(&["suggest", &given("suggest-ceiling.json", log)]);
    assert_eq!(status, 0);
    assert!(out.contains("// The price of 1 calls is not known: their cost is a ceiling, $"), "{out}");
    assert!(out.contains("\"none-tokens-hour\"") && !out.contains("free"), "nothing is made up:\n{out}");
}

/// As many mistakes are told as by `check`, of shapes and of meanings.
#[test]
fn every_mistake_of_a_policy_is_told_at_once() {
    let trace = given("mistakes.csv", &counts());
    let wrong =
        r#"{"version": 1, "name": "w", "budget": [], "identity": {"user": ["nonsense"]}, "provider": 5}"#;
    let (status, _, err) = tokenstile(&["replay", "--policy", &given("mistakes.json", wrong), &trace]);
    assert_eq!(status, 1);
    for mistake in ["has 3 errors", "`budget`", "nonsense", "provider"] {
        assert!(err.contains(mistake), "no `{mistake}` in:\n{err}");
    }
}

#[test]
fn a_line_that_cannot_be_read_is_named_on_standard_error_and_counted() {
    let (policy, trace) = (given("bad.jsonc", POLICY), given("bad.csv", &(counts() + "1,x,2\n")));
    let (status, out, err) = tokenstile(&["replay", "--policy", &policy, &trace]);
    assert_eq!(status, 0);
    assert_eq!(err, format!("tokenstile: {trace}:3002: `x` is no count for `input`\n"));
    assert!(out.contains("Not readable: 1 lines."), "{out}");
}

#[test]
fn what_is_suggested_is_a_policy_in_shadow_mode_that_replays() {
    let trace = given("suggest.csv", &counts());
    let (status, out, err) = tokenstile(&["suggest", &trace]);
    assert_eq!((status, err.as_str()), (0, ""));
    for part in
        ["\"mode\": \"shadow\"", "// On this traffic:", "free-tokens-day", "search-usd-day", "brake-usd-day"]
    {
        assert!(out.contains(part), "no `{part}` in:\n{out}");
    }
    let suggested = given("suggested.jsonc", &out);
    let replay = |more: &[&str]| {
        let args = [&["replay", "--json", "--policy", &suggested, &trace], more].concat();
        let (status, out, err) = tokenstile(&args);
        assert_eq!((status, err.as_str()), (0, ""), "{args:?}");
        serde_json::from_str::<serde_json::Value>(&out).unwrap()["policy"].clone()
    };
    let (shadow, forced) = (replay(&[]), replay(&["--enforce"]));
    assert_eq!(shadow["refused"], 0);
    assert_eq!(shadow["with"], shadow["without"]);
    // What it says of itself is what a replay in force says.
    let refused = forced["refused"].as_u64().unwrap();
    let words = format!("would have refused {refused} of 3,000 calls");
    assert!(out.contains(&words), "no `{words}` in:\n{out}");
}
