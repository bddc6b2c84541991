//! Records for tests, and the command run over them.

use serde_json::{Value, json};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

/// A record with everything that each has, and what a test says of it.
pub(crate) fn record(id: &str, more: &Value) -> Value {
    let mut record = json!({
        "id": id, "time": "2026-11-20T10:00:00Z", "duration_ms": 900, "policy": "p", "dialect": "openai-chat",
        "provider": "openai", "stream": false, "identity": {"user": "ada"}, "model_requested": "gpt-4o",
        "model_served": "gpt-4o", "model_answered": "gpt-4o-2024-08-06", "decision": "allow", "status": 200,
        "ending": "complete", "usage": {"input": 1000, "output": 100, "source": "reported"}, "hold_tokens": 0,
        "cost_nano_usd": 3_500_000, "priced": true, "price": "openai/gpt-4o", "prices_as_of": "2026-11-22",
    });
    for (key, value) in more.as_object().unwrap() {
        record[key] = value.clone();
    }
    record
}

/// Lines of a proxy's log.
pub(crate) fn log(records: &[Value]) -> String {
    records.iter().map(|record| format!("[info] wasm log tokenstile: tokenstile-record {record}\n")).collect()
}

/// A file of the repository.
pub(crate) fn repository(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().join(path)
}

/// Runs `tokenstile` with this on standard input.
pub(crate) fn tokenstile(args: &[&str], input: &str) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_tokenstile"));
    command.args(args).current_dir(repository("")).stdin(Stdio::piped());
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut stdin = child.stdin.take().unwrap();
    let input = input.to_owned();
    // One that has ended by itself reads nothing.
    let writer = std::thread::spawn(move || stdin.write_all(input.as_bytes()).ok());
    let output = child.wait_with_output().unwrap();
    writer.join().unwrap();
    output
}

/// What it prints, where it must end so.
pub(crate) fn says(args: &[&str], input: &str, status: i32) -> String {
    let output = tokenstile(args, input);
    let errors = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(status), "{args:?}: {errors}");
    String::from_utf8(output.stdout).unwrap()
}

/// The JSON that it prints.
pub(crate) fn json_of(args: &[&str], input: &str, status: i32) -> Value {
    serde_json::from_str(&says(args, input, status)).unwrap()
}
