//! Replays: what is read of a trace, what is decided over it, and what is told. Over traffic that is made here; what
//! recorded traffic says is `replay_corpus.rs`.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by a panic")]

mod answers;
mod command;
mod page;
#[path = "../page_support/mod.rs"]
mod page_support;
mod reading;
mod running;
mod streams;
mod walk;

use std::path::PathBuf;
use std::sync::Arc;
use tokenstile_host::replay::native::Duration;
use tokenstile_host::replay::trace::{Call, Ordered, Progress, Setting, Timing, open};
use tokenstile_host::replay::{Replay, Report, policy};

/// A file of this test's own.
fn file(name: &str, bytes: &[u8]) -> PathBuf {
    let path = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(format!("replay-{name}"));
    std::fs::write(&path, bytes).unwrap();
    path
}

/// Calls without a time come a second after each other, from 2026-11-22T12:00:00Z.
const TIMING: Timing =
    Timing { start: tokenstile_engine::units::EpochMs(1_795_348_800_000), pace_ms: 1_000, ignore: false };
const LASTS: Duration = Duration { start_ms: 0, token_ms: 0 };

fn read(name: &str, bytes: &[u8], setting: &Setting) -> Ordered {
    let reads = open(&file(name, bytes), setting, &Progress::default()).unwrap();
    Ordered::new(vec![reads], TIMING)
}

/// All calls of a trace, and what was not read of it.
fn calls(name: &str, bytes: &[u8], setting: &Setting) -> (Vec<(i64, Call)>, Ordered) {
    let mut read = read(name, bytes, setting);
    let calls = read.by_ref().map(|(at, call)| (at.0, call)).collect();
    (calls, read)
}

/// A trace under a policy.
fn replayed(name: &str, text: &str, policies: &[&str]) -> Report {
    let parse = |text: &str| policy::parse(text, false).unwrap().policy;
    let against: Option<Arc<_>> = policies.get(1).map(|text| parse(text));
    let mut replay = Replay::new(parse(policies[0]), against, None, LASTS);
    let mut read = read(name, text.as_bytes(), &Setting::default());
    for (now, call) in read.by_ref() {
        replay.call(&call, now).unwrap();
    }
    replay.finish(&read)
}
