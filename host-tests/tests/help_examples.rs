//! Every command's `--help` has examples, and every example works, as do the commands of docs/operating.md: each is run by
//! a shell, in a folder that has the files which they name.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test fails by a panic")]

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use tokenstile_host::cases::filter;

const POLICY: &str = r#"{
  "version": 1, "name": "acme", // comments are taken
  "identity": {"user": ["header:x-user-id"], "tier": ["header:x-tier", "value:free"]},
  "prices": {"aliases": {"chat-prod": "gpt-4o"}},
  "routes": [{"name": "cheap-for-chat", "match": {"model": "gpt-4o"}, "split": {"by": "user", "arms": [
    {"name": "control", "weight": 500}, {"name": "cheap", "weight": 500, "set": {"model": "gpt-4o-mini"}}]}}],
  "budgets": [{"name": "daily", "per": ["user"], "limit": {"tokens": 10000}, "window": {"calendar": "day"},
               "ladder": [{"at": "90%", "warn": {}}, {"at": "100%", "deny": {}}]}]
}
"#;
const BODY: &str =
    r#"{"model": "claude-sonnet-4-5", "max_tokens": 100, "messages": [{"role": "user", "content": "hi"}]}"#;

/// What a provider asks for the records below.
const BILL: &str = "start_time,line_item,amount_value\n2026-11-20T00:00:00Z,gpt-4o,0.014000006\n";

/// Commands that serve until they are ended.
const SERVERS: [&str; 2] = ["serve", "upstream"];
/// Commands with tests of their own for their examples; and clap's own.
const ELSEWHERE: [&str; 4] = ["help", "replay", "suggest", "top"];

/// Cost records of four users in two arms, as `report`, `focus` and `ab` read them.
fn records() -> String {
    let record = |user: usize| {
        let arm = if user.is_multiple_of(2) { "control" } else { "cheap" };
        serde_json::json!({
            "id": user.to_string(), "time": "2026-11-20T10:00:00Z", "dialect": "openai-chat", "provider": "openai",
            "identity": {"user": format!("u{user}"), "feature": "chat"}, "arms": {"cheap-for-chat": arm},
            "model_requested": "gpt-4o", "status": 200, "ending": "complete", "cost_nano_usd": 3_500_000 + user, "priced": true,
            "usage": {"input": 1000, "output": 100, "source": "reported"}, "price": "openai/gpt-4o",
        })
        .to_string()
            + "\n"
    };
    (0..4).map(record).collect()
}

fn folder(name: &str) -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("help_examples").join(name);
    let _ = std::fs::remove_dir_all(&folder);
    for inner in [
        "policies",
        "target",
        ".local/share/bash-completion/completions",
        ".zfunc",
        ".config/fish/completions",
    ] {
        std::fs::create_dir_all(folder.join(inner)).unwrap();
    }
    for entry in
        std::fs::read_dir(filter::root().join("policies")).unwrap().map(|entry| entry.unwrap().path())
    {
        std::fs::copy(&entry, folder.join("policies").join(entry.file_name().unwrap())).unwrap();
    }
    std::fs::copy(filter::path().unwrap(), folder.join("target/tokenstile.wasm")).unwrap();
    let strict = POLICY.replace(" // comments are taken", "");
    let request =
        format!("{{\"path\": \"/v1/messages\", \"headers\": {{\"x-user-id\": \"ann\"}}, \"body\": {BODY}}}");
    let message =
        format!("POST /v1/messages HTTP/1.1\r\nhost: api.anthropic.com\r\nx-user-id: ann\r\n\r\n{BODY}");
    for (name, text) in [
        ("records.ndjson", records().as_str()),
        ("envoy.log", records().replace("{\"arms", "[info] tokenstile-record {\"arms").as_str()),
        ("openai-costs.csv", BILL),
        ("bill.csv", &BILL.replace("start_time,line_item,amount_value", "Day,Model,USD")),
        ("policy.json", strict.as_str()),
        ("policy.jsonc", POLICY),
        ("body.json", BODY),
        ("request.json", &request),
        ("request.http", &message),
    ] {
        std::fs::write(folder.join(name), text).unwrap();
    }
    folder
}

fn help(args: &[&str]) -> String {
    let output = Command::new(env!("CARGO_BIN_EXE_tokenstile")).args(args).arg("--help").output().unwrap();
    String::from_utf8(output.stdout).unwrap()
}

/// A shell that finds `tokenstile`.
fn shell(folder: &Path, line: &str) -> Command {
    let bin = Path::new(env!("CARGO_BIN_EXE_tokenstile")).parent().unwrap();
    let path = format!("{}:{}", bin.display(), std::env::var("PATH").unwrap_or_default());
    let mut command = Command::new("sh");
    command
        .args(["-c", line])
        .current_dir(folder)
        .env("PATH", path)
        .env("HOME", folder)
        .env_remove("TOKENSTILE_WASM");
    command
}

#[test]
fn every_example_of_every_command_works() {
    let folder = folder("help");
    let overview = help(&[]);
    let commands = overview.split("Commands:\n").nth(1).unwrap().split("\n\n").next().unwrap();
    let names: Vec<&str> =
        commands.lines().filter_map(|line| line.strip_prefix("  ")?.split(' ').next()).collect();
    let names: Vec<&str> = names.into_iter().filter(|name| !name.is_empty()).collect();
    assert!(names.len() >= 10, "{names:?}");
    for name in names.into_iter().filter(|name| !ELSEWHERE.contains(name)) {
        let text = help(&[name]);
        let examples = text.split("Examples:\n").nth(1).unwrap_or_default();
        let examples: Vec<&str> =
            examples.lines().take_while(|line| line.starts_with("  ")).map(str::trim).collect();
        assert!(!examples.is_empty(), "`tokenstile {name} --help` has no example");
        for example in examples.into_iter().filter(|example| example.starts_with("tokenstile ")) {
            if SERVERS.contains(&name) {
                serves(&folder, example);
            } else {
                let output = shell(&folder, example).output().unwrap();
                let told = String::from_utf8_lossy(&output.stderr).into_owned();
                assert!(
                    output.status.success(),
                    "{example}\n{told}\n{}",
                    String::from_utf8_lossy(&output.stdout)
                );
            }
        }
    }
}

/// What the README shows of the demonstration, word for word.
#[test]
fn the_demo_prints_what_the_readme_shows() {
    let readme = std::fs::read_to_string(filter::root().join("README.md")).unwrap();
    let shown = readme.split("This is what `cargo xtask demo` prints:").nth(1).unwrap();
    let shown = shown.split("```text\n").nth(1).unwrap().split("```").next().unwrap();
    let output = Command::new(env!("CARGO_BIN_EXE_tokenstile"))
        .arg("demo")
        .current_dir(filter::root())
        .env("TOKENSTILE_WASM", filter::path().unwrap())
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert_eq!(String::from_utf8_lossy(&output.stdout), shown);
}

/// Every command of the README, in its order, in a folder that has the files which it names.
#[test]
fn every_command_of_the_readme_works() {
    let folder = folder("readme");
    let root = filter::root();
    for name in ["proxy.log", "envoy.log"] {
        std::fs::copy(root.join("examples/replay/week.log.gz"), folder.join(name)).unwrap();
    }
    std::fs::copy(root.join("policies/tiers.json"), folder.join("new.json")).unwrap();
    std::fs::copy(root.join("policies/tiers.test.json"), folder.join("new.test.json")).unwrap();
    let readme = std::fs::read_to_string(root.join("README.md")).unwrap();
    let ours = |line: &&str| line.starts_with("tokenstile ") || line.starts_with("echo ");
    let lines = readme.lines().filter(|line| line.starts_with("$ ") || line.starts_with("tokenstile "));
    let commands: Vec<&str> = lines.map(|line| line.trim_start_matches("$ ")).filter(ours).collect();
    assert!(commands.len() >= 15, "{commands:?}");
    for command in commands {
        let output = shell(&folder, command).output().unwrap();
        let told = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{command}\n{told}\n{}", String::from_utf8_lossy(&output.stdout));
    }
}

/// Those that ask a proxy for its metrics are run by `envoy_suite`, against a real Envoy.
#[test]
fn every_command_of_the_page_on_operating_works() {
    let folder = folder("operating");
    let page = std::fs::read_to_string(filter::root().join("docs/operating.md")).unwrap();
    let blocks = page.lines().filter_map(|line| line.strip_prefix("$ "));
    let inline = page.split('`').filter(|code| code.starts_with("tokenstile ") && !code.contains('\n'));
    let commands = blocks.chain(inline).map(|line| line.split("  #").next().unwrap().trim());
    let mut ran = 0;
    for command in commands.filter(|command| !command.contains("http://")) {
        let output = shell(&folder, command).output().unwrap();
        assert!(output.status.success(), "{command}\n{}", String::from_utf8_lossy(&output.stderr));
        ran += 1;
    }
    assert!(ran >= 10, "{ran}");
}

/// A server says where it listens, and is ended then.
fn serves(folder: &Path, example: &str) {
    let mut child = shell(folder, &format!("exec {example}")).stdout(Stdio::piped()).spawn().unwrap();
    let mut line = String::new();
    BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
    child.kill().unwrap();
    child.wait().unwrap();
    assert!(line.contains("http://127.0.0.1:"), "{example}: {line}");
}
