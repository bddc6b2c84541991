//! `tokenstile test`, from outside: what holds, what fails and how it is told.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test fails by a panic")]

mod host_support;

use host_support::Filter;
use serde_json::Value;
use std::path::{Path, PathBuf};
use std::process::Command;
use tokenstile_host::cases::filter;

const POLICY: &str = r#"{"version": 1, "name": "t", // for tests
  "identity": {"user": ["header:x-user-id"], "tier": ["header:x-tier", "value:free"]},
  "budgets": [{"name": "daily", "per": ["user"], "limit": {"tokens": 1000}, "tiers": {"pro": {"tokens": 5000}},
               "window": {"calendar": "day"}, "ladder": [{"at": "90%", "warn": {}}, {"at": "100%", "deny": {}}]}]}"#;

/// A scenario file with one case of these steps.
fn case(steps: &str) -> String {
    format!(
        r#"{{"bodies": {{"hi": {{"json": {{"model": "gpt-4o", "max_tokens": 100, "messages": [{{"role": "user", "content": "hi"}}]}}}}}},
  "answers": {{"900": {{"completion": {{"content": "x", "usage": [100, 800]}}}}}},
  "cases": [{{"name": "one", "steps": [{steps}]}}]}}"#
    )
}

const FINE: &str = r#"{"call": {"body": "hi"}, "answer": "900", "expect": {"status": 200}},
  {"call": {"body": "hi"}, "expect": {"status": 429, "json": {"/error/rule": "daily", "/error/used": 900}}}"#;

/// A folder of its own with the policy and these scenarios.
fn folder(name: &str, scenarios: &str) -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("test_command").join(name);
    std::fs::create_dir_all(&folder).unwrap();
    std::fs::write(folder.join("p.jsonc"), POLICY).unwrap();
    std::fs::write(folder.join("p.test.json"), scenarios).unwrap();
    folder
}

/// Exit status, standard output and standard error.
fn run(folder: &Path, args: &[&str]) -> (i32, String, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_tokenstile"));
    command.arg("test").arg(folder).args(args).env("NO_COLOR", "1");
    let output = command.output().unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    (output.status.code().unwrap(), text(output.stdout), text(output.stderr))
}

#[test]
fn the_policies_that_ship_hold_natively_and_through_the_filter() {
    let folder = filter::root().join("policies");
    let wasm = filter::path().unwrap();
    let (status, out, err) =
        run(&folder, &["--coverage", "--min-coverage", "100", "--wasm", wasm.to_str().unwrap()]);
    assert_eq!((status, err.as_str()), (0, ""), "{out}");
    for entry in std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()) {
        let name = entry.to_str().unwrap();
        if name.ends_with(".json") && !name.ends_with(".test.json") {
            assert!(entry.with_extension("test.json").exists(), "{name} has no scenarios beside it");
        }
    }
}

#[test]
fn what_holds_passes_and_what_does_not_is_told_with_its_reasons() {
    let fine = folder("fine", &case(FINE));
    assert_eq!(run(&fine, &["--native"]), (0, "1 scenarios, 0 failed\n".to_owned(), String::new()));
    let wrong = folder("wrong", &case(&FINE.replace("\"/error/used\": 900", "\"/error/used\": 901")));
    let (status, out, _) = run(&wrong, &["--native"]);
    assert_eq!(status, 1);
    for part in [
        "p.test.json: one: step 2 (native)\n",
        "    -json./error/used: 901\n    +json./error/used: 900\n",
        "      decision: \"deny\"\n      rule: \"daily\"\n",
        "      daily: 900 used, 0 held by others, this call holds 108, of 1,000: refuses\n",
        "1 scenarios, 1 failed\n",
    ] {
        assert!(out.contains(part), "{part}\n{out}");
    }
}

#[test]
fn what_tests_nothing_fails() {
    let says = |name: &str, scenarios: &str, args: &[&str]| {
        let (status, out, err) = run(&folder(name, scenarios), &[&["--native"], args].concat());
        (status, out + &err)
    };
    let silent = case(r#"{"call": {"body": "hi"}, "answer": "900"}"#);
    let (status, said) = says("silent", &silent, &[]);
    assert!(status == 1 && said.contains("it expects nothing"), "{said}");
    let (status, said) = says("none", r#"{"cases": []}"#, &[]);
    assert!(status == 1 && said.contains("nothing was tested"), "{said}");
    let (status, said) = says("unmatched", &case(FINE), &["--run", "^two"]);
    assert!(status == 1 && said.contains("no scenario whose name matches `^two`"), "{said}");
    let (status, said) = says("matched", &case(FINE), &["--run", "^on"]);
    assert!(status == 0 && said.contains("1 scenarios"), "{said}");
    let (status, said) = says("misspelt", &case(&FINE.replace("\"status\": 429", "\"statis\": 429")), &[]);
    let hint = "unknown field `statis`; did you mean `status`? Expected one of `status`, ";
    assert!(status == 1 && said.contains(hint), "{said}");
    let misspelt =
        silent.replace("\"answer\": \"900\"", "\"answer\": \"900\", \"expects\": {\"status\": 200}");
    let (status, said) = says("misspelt-key", &misspelt, &[]);
    let hint = "step 1: unknown field `expects`; did you mean `expect`? Expected one of `clock`, ";
    assert!(status == 1 && said.contains("it expects nothing") && said.contains(hint), "{said}");
    let (status, said) = says("misspelt-case", &silent.replace("\"steps\"", "\"step\""), &[]);
    let hint = "unknown field `step`; did you mean `steps`? Expected one of `name`, ";
    assert!(status == 1 && said.contains(hint), "{said}");
    let on = case(&FINE.replacen("\"expect\"", "\"on\": {\"naitve\": {\"status\": 500}}, \"expect\"", 1));
    let (status, said) = says("misspelt-runner", &on, &[]);
    let hint = "case `one`: no runner is called `naitve`; did you mean `native`? known are `native`, ";
    assert!(status == 1 && said.contains(hint), "{said}");
    let (status, said) = says("broken", "{\"cases\": [}", &[]);
    assert!(status == 1 && said.contains("p.test.json: line 1: "), "{said}");
}

/// What can never fail looks like a test, and is none.
#[test]
fn expectations_that_nothing_is_held_against_are_refused() {
    let fine = r#"{"call": {"body": "hi"}, "answer": "900", "expect": {"status": 200, "record": {"/decision": "allow", "/rule": null}}}"#;
    assert_eq!(run(&folder("held", &case(fine)), &["--native"]).0, 0);
    for (place, (from, to, says)) in [
        ("\"answer\"", "\"times\": 0, \"answer\"", "a call that is made no times tests nothing"),
        ("\"answer\"", "\"together\": 0, \"answer\"", "a call that is made no times tests nothing"),
        (r#""call": {"body": "hi"}, "answer": "900", "#, "", "an `expect` needs a `call`"),
        ("\"/rule\"", "\"rule\"", "`rule` is no place of a JSON body; write `/rule`"),
        ("\"/rule\"", "\"/rul\"", "a cost record has no `rul`; did you mean `rule`?"),
    ]
    .into_iter()
    .enumerate()
    {
        let folder = folder(&format!("held-{place}"), &case(&fine.replace(from, to)));
        let (status, out, _) = run(&folder, &["--native"]);
        assert!(status == 1 && out.contains(&format!("step 1: {says}")), "{says}\n{out}");
    }
}

#[test]
fn coverage_names_what_no_call_reached() {
    let fine = folder("coverage", &case(FINE));
    let (status, out, _) = run(&fine, &["--native", "--coverage"]);
    assert_eq!(status, 0);
    let told = "p.test.json reaches 75% of its policy\n    never: budget daily with the limit 5,000\n";
    assert!(out.contains(told), "{out}");
    let (status, _, err) = run(&fine, &["--native", "--min-coverage", "76"]);
    assert!(status == 1 && err.contains("reaches 75% of its policy; 76% is the least"), "{err}");
    assert_eq!(run(&fine, &["--native", "--min-coverage", "75"]).0, 0);
    std::fs::write(fine.join("p.jsonc"), POLICY.replace("\"day\"", "\"today\"")).unwrap();
    assert!(run(&fine, &["--native", "--coverage"]).1.contains("p.test.json reaches 0% of its policy\n"));
}

#[test]
fn an_update_rewrites_what_was_expected_and_nothing_else() {
    let wrong = case(&FINE.replace("\"/error/used\": 900", "\"/error/used\":  7 /* looked at */"))
        .replace("200", "201");
    let folder = folder("update", &wrong);
    let (status, _, err) = run(&folder, &["--native", "--update"]);
    assert!(status == 0 && err.contains("2 expectations were rewritten"), "{err}");
    assert!(!err.contains("still fail"), "{err}");
    let written = std::fs::read_to_string(folder.join("p.test.json")).unwrap();
    assert_eq!(written, wrong.replace(" 7 /*", " 900 /*").replace("201", "200"));
    assert_eq!(run(&folder, &["--native"]).0, 0);
}

/// A rule is a person's to change, and a step that is taken twice cannot expect two things: what is left is told.
/// The place `""` is the whole record or body, which is no value to put there; what stands beside it is rewritten alone.
#[test]
fn an_update_of_a_whole_leaves_a_file_that_can_be_read() {
    let steps = r#"{"call": {"body": "hi"}, "answer": "900",
      "expect": {"record": {"": "all", "/decision": "deny", "/status": 500}, "json": {"": 5, "/usage/prompt_tokens": 1}}}"#;
    let folder = folder("update-whole", &case(steps));
    let (status, _, err) = run(&folder, &["--native", "--update"]);
    let written = std::fs::read_to_string(folder.join("p.test.json")).unwrap();
    let updated = steps
        .replace("\"deny\"", "\"allow\"")
        .replace("500", "200")
        .replace("tokens\": 1}", "tokens\": 100}");
    assert_eq!(written, case(&updated), "{err}");
    assert!(status == 1 && err.contains("2 expectations were left"), "{err}");
}

/// A policy may hold calls back for 30 seconds, in which the clock goes on for the filter and for the engine alike.
#[test]
fn a_call_that_is_held_back_for_long_goes_on_and_time_has_passed() {
    let policy = POLICY
        .replace("{\"at\": \"90%\", \"warn\": {}}", "{\"at\": \"50%\", \"delay\": {\"up_to\": \"30s\"}}");
    let policy = policy
        .replace("\"hold_headers\"", "")
        .replace("\"version\": 1,", "\"version\": 1, \"hold_headers\": true,");
    let steps = r#"{"clock": "2026-11-22T23:59:00Z"},
      {"call": {"body": "hi"}, "answer": {"completion": {"content": "x", "usage": [92, 800]}}},
      {"call": {"body": "hi"}, "answer": {"delay_ms": 5000, "completion": {"content": "x", "usage": [100, 500]}},
       "expect": {"status": 200, "headers": {"x-tokenstile-delay-ms": "30000"}, "record": {"/delay_ms": 30000, "/duration_ms": 35000}}},
      {"call": {"body": "hi"}, "expect": {"status": 429, "headers": {"retry-after": "25"}}}"#;
    let folder = folder("delays", &case(steps));
    std::fs::write(folder.join("p.jsonc"), policy).unwrap();
    let wasm = filter::path().unwrap();
    let (status, out, err) = run(&folder, &["--wasm", wasm.to_str().unwrap()]);
    assert_eq!((status, err.as_str()), (0, ""), "{out}");
}

#[test]
fn an_update_tells_what_it_has_left() {
    let steps = r#"{"call": {"body": "hi"}, "answer": "900", "times": 2, "expect": {"status": 500}},
  {"call": {"body": "hi"}, "expect": {"status": 429, "headers": {"x-tokenstile-rule": {"contains": "monthly"}}}}"#;
    let folder = folder("update-left", &case(steps));
    let (status, _, err) = run(&folder, &["--native", "--update"]);
    assert_eq!(status, 1, "{err}");
    assert!(
        err.contains("1 expectations were rewritten") && err.contains("2 expectations were left"),
        "{err}"
    );
    for left in ["p.test.json: one: step 1: status: ", "p.test.json: one: step 2: header x-tokenstile-rule: "]
    {
        assert!(err.contains(left), "no `{left}` in:\n{err}");
    }
}

#[test]
fn ci_systems_get_their_formats() {
    let wrong = folder("formats", &case(&FINE.replace("200", "201")));
    let (status, out, _) = run(&wrong, &["--native", "--format", "json"]);
    let report: Value = serde_json::from_str(&out).unwrap();
    assert_eq!((status, &report["scenarios"][0]["ok"]), (1, &Value::Bool(false)));
    assert!(run(&wrong, &["--native", "--format", "junit"]).1.contains("failures=\"1\""));
    let (_, out, _) = run(&wrong, &["--native", "--format", "github"]);
    assert!(out.starts_with("::error file=") && out.contains("title=one%3A step 1 (native)::"), "{out}");
}

/// A filter that lets everything pass but adds a header of ours: whatever is expected, it is not what the engine does.
#[test]
fn a_filter_that_differs_from_the_engine_fails() {
    let mut other = Filter::default();
    let (name, value) = (other.text("x-tokenstile-odd"), other.text("1"));
    let other = other.on(
        "proxy_on_response_headers",
        3,
        true,
        &format!("(drop (call $add_header_map_value (i32.const 2) {name} {value})) (i32.const 0)"),
    );
    let free = r#"{"call": {"path": "/v1/models", "method": "GET"}, "answer": {"body": {"json": {}}}, "expect": {"status": 200, "no_record": true}}"#;
    let folder = folder("differs", &case(free));
    let wasm = folder.join("other.wasm");
    std::fs::write(&wasm, other.build()).unwrap();
    assert_eq!(run(&folder, &["--native"]).0, 0);
    let (status, out, _) = run(&folder, &["--wasm", wasm.to_str().unwrap()]);
    assert!(
        status == 1 && out.contains("step 1: the engine and the filter differ (wasmtime/envoy)"),
        "{out}"
    );
    assert!(out.contains("    +x-tokenstile-odd: 1\n"), "{out}");
}

/// A name that no counter has would never grow, and nothing expected would hold.
#[test]
fn a_misspelt_counter_is_told() {
    for (counter, says) in [
        (
            "tokenstile_request",
            "no counter is called `tokenstile_request`; did you mean `tokenstile_requests`?",
        ),
        (
            "tokenstile_requests;decison=deny",
            "`tokenstile_requests` has no label `decison`; did you mean `decision`?",
        ),
        ("tokenstile_endings;feature=x", "`tokenstile_endings` has no label `feature`"),
    ] {
        let expect = format!("\"expect\": {{\"status\": 200, \"counters\": {{\"{counter}\": null}}}}");
        let scenario = case(&FINE.replace("\"expect\": {\"status\": 200}", &expect));
        let (status, out, err) = run(&folder("counter", &scenario), &["--native"]);
        assert!(status == 1 && format!("{out}{err}").contains(says), "{counter}: {out}{err}");
    }
}

/// CI systems that read reports show why a build fails.
#[test]
fn too_little_coverage_is_a_failure_in_every_format() {
    let folder = folder("short", &case(FINE));
    for (format, says) in [
        ("junit", "name=\"coverage\""),
        ("junit", "<failure message=\"too little is reached\">"),
        ("github", "title=coverage::"),
    ] {
        let (status, out, err) = run(&folder, &["--native", "--min-coverage", "100", "--format", format]);
        assert!(
            status == 1 && out.contains(says) && out.contains("100%") && err.contains("is the least"),
            "{out}{err}"
        );
        let (status, out, _) = run(&folder, &["--native", "--min-coverage", "10", "--format", format]);
        assert!(status == 0 && !out.contains("coverage"), "{out}");
    }
}
