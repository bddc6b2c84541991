//! `tokenstile top` in a real terminal (a pseudo-terminal, and an emulator that says what stands on its screen), over
//! records that a real `tokenstile serve` writes; and as one picture.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by a panic")]

mod live;
mod picture;
mod terminal;

use serde_json::{Value, json};
use std::io::Write as _;
use std::path::PathBuf;

/// A file of this test's own.
fn file(name: &str) -> PathBuf {
    let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("top");
    std::fs::create_dir_all(&folder).unwrap();
    let path = folder.join(name);
    std::fs::write(&path, "").unwrap();
    path
}

fn append(path: &PathBuf, text: &str) {
    let mut file = std::fs::OpenOptions::new().append(true).open(path).unwrap();
    file.write_all(text.as_bytes()).unwrap();
}

/// A record of a minute after 10 o'clock.
fn record(minute: u32, user: &str, more: &Value) -> String {
    let mut record = json!({
        "id": format!("{minute}-{user}-{more}"), "time": format!("2026-11-20T10:{minute:02}:00Z"), "dialect": "openai-chat",
        "provider": "openai", "identity": {"user": user, "feature": "chat"}, "model_requested": "gpt-4o",
        "model_served": "gpt-4o", "decision": "allow", "status": 200, "ending": "complete",
        "usage": {"input": 1000, "output": 100, "source": "reported"}, "cost_nano_usd": 3_500_000_000_i64, "priced": true,
        "price": "openai/gpt-4o",
    });
    for (key, value) in more.as_object().unwrap() {
        record[key] = value.clone();
    }
    format!("[info] wasm log tokenstile: tokenstile-record {record}\n")
}
