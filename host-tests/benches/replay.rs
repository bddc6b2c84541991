//! How fast a replay is, in calls a second of this thread's time on a processor, so that other programs on the machine
//! do not count: `cargo xtask bench replay`. With `TOKENSTILE_WASM` through the built filter as well.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::cast_precision_loss,
    missing_docs,
    reason = "a benchmark may stop where it fails"
)]
#![expect(unsafe_code, reason = "the standard library has no such clock")]

use std::fmt::Write as _;
use std::sync::Arc;
use std::time::Duration as Time;
use tokenstile_engine::units::EpochMs;
use tokenstile_host::host::Module;
use tokenstile_host::replay::filter::Filter;
use tokenstile_host::replay::native::{Duration, Landed, Native};
use tokenstile_host::replay::trace::{Call, Ordered, Progress, Setting, Timing, What, Whole, open};
use tokenstile_host::replay::{Replay, policy};

/// As in `tokenstile replay`.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const POLICY: &str = r#"{"version": 1, "name": "bench", "hold_headers": true,
  "identity": {"user": ["header:x-user-id"], "tier": ["header:x-tier"]},
  "budgets": [
    {"name": "day", "per": ["user"], "limit": {"tokens": 20000000}, "window": {"calendar": "day"},
     "ladder": [{"at": "90%", "warn": {}}, {"at": "100%", "deny": {}}]},
    {"name": "all", "per": [], "limit": {"usd": "100000"}, "window": {"calendar": "day"}, "ladder": [{"at": "100%", "deny": {}}]}]}"#;
const LASTS: Duration = Duration { start_ms: 500, token_ms: 20 };
const COUNTED: u64 = 400_000;
const BODIES: u64 = 40_000;
const IN_WASM: u64 = 10_000;

fn cpu() -> Time {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: the clock exists on every system that this runs on, and `time` is ours to write to.
    unsafe { libc::clock_gettime(libc::CLOCK_THREAD_CPUTIME_ID, &raw mut time) };
    Time::new(u64::try_from(time.tv_sec).unwrap_or(0), u32::try_from(time.tv_nsec).unwrap_or(0))
}

/// Calls a second.
fn rate(calls: u64, since: Time) -> f64 {
    calls as f64 / (cpu() - since).as_secs_f64()
}

/// A chat of 1 KB and its answer.
fn whole(number: u64) -> Call {
    let text = "How does a turnstile count those who pass? ".repeat(20);
    let request = format!(
        r#"{{"model":"gpt-4o-mini","max_tokens":300,"messages":[{{"role":"user","content":"{number} {text}"}}]}}"#
    );
    let answer = r#"{"model":"gpt-4o-mini-2024-07-18","choices":[{"index":0,"message":{"role":"assistant","content":"By its arms."},"finish_reason":"stop"}],"usage":{"prompt_tokens":210,"completion_tokens":4,"total_tokens":214}}"#;
    let json = || ("content-type".to_owned(), b"application/json".to_vec());
    let user = ("x-user-id".to_owned(), format!("user-{}", number % 500).into_bytes());
    Call {
        at: None,
        duration_ms: Some(800),
        what: What::Whole(Arc::new(Whole {
            method: "POST".to_owned(),
            host: "api.openai.com".to_owned(),
            path: "/v1/chat/completions".to_owned(),
            request_headers: vec![json(), user],
            request: request.into_bytes(),
            status: 200,
            answer_headers: vec![json()],
            answer: answer.as_bytes().to_vec(),
        })),
    }
}

/// Token counts from a file, read, decided and added up.
fn counted() -> f64 {
    let path = std::env::temp_dir().join(format!("tokenstile-bench-{}.csv", std::process::id()));
    let mut csv = "t_ms,input_tokens,output_tokens\n".to_owned();
    for i in 0..COUNTED {
        let _ = writeln!(csv, "{},{},{}", i * 40, 200 + i * 7_919 % 3_000, 20 + i * 104_729 % 500);
    }
    std::fs::write(&path, csv).expect("a file in the folder for such");
    let setting = Setting::default();
    let timing = Timing { start: setting.overlay.start, pace_ms: 0, ignore: false };
    let mut replay = Replay::new(policy::parse(POLICY, false).unwrap().policy, None, None, LASTS);
    let since = cpu();
    let mut read = Ordered::new(vec![open(&path, &setting, &Progress::default()).unwrap()], timing);
    for (now, call) in read.by_ref() {
        replay.call(&call, now).unwrap();
    }
    let rate = rate(COUNTED, since);
    assert_eq!(replay.finish(&read).policy.calls, COUNTED);
    let _ = std::fs::remove_file(path);
    rate
}

fn bodies() -> f64 {
    let calls: Vec<Call> = (0..BODIES).map(whole).collect();
    let mut native = Native::new(policy::parse(POLICY, false).unwrap().policy);
    let since = cpu();
    for (number, call) in (0..).zip(&calls) {
        let now = EpochMs(1_795_348_800_000 + number * 40);
        native.land(now, &mut Landed::default());
        assert!(native.call(call, now, LASTS).is_some_and(|outcome| outcome.used.input == 210));
    }
    rate(BODIES, since)
}

/// Filter and engine together, less what the engine alone takes.
fn in_wasm(path: &std::ffi::OsStr, native: f64) -> f64 {
    let given = policy::parse(POLICY, false).unwrap();
    let module = Module::compile(&std::fs::read(path).expect("the filter")).expect("a module that compiles");
    let calls: Vec<Call> = (0..IN_WASM).map(whole).collect();
    let mut filter = Filter::new(&module, &given.json).unwrap();
    let mut engine = Native::new(given.policy);
    let since = cpu();
    for (number, call) in (0..).zip(&calls) {
        let now = EpochMs(1_795_348_800_000 + number * 40);
        engine.land(now, &mut Landed::default());
        filter.land(now);
        let (Some(outcome), What::Whole(whole)) = (engine.call(call, now, LASTS), &call.what) else {
            continue;
        };
        filter.call(whole, &outcome, now);
    }
    let both = (cpu() - since).as_secs_f64();
    filter.land(EpochMs(i64::MAX));
    assert_eq!(filter.finish().different, 0);
    IN_WASM as f64 / (both - IN_WASM as f64 / native)
}

fn main() {
    println!("Calls a second on one core:\n\n| trace | bar | calls/s |\n| --- | --- | --- |");
    println!("| token counts, from the file to the sums | 200,000 | {:.0} |", counted());
    let native = bodies();
    println!("| bodies of 1 KB, decided | 20,000 | {native:.0} |");
    if let Some(path) = std::env::var_os("TOKENSTILE_WASM") {
        let wasm = in_wasm(&path, native);
        println!(
            "| bodies of 1 KB through the filter in wasmtime | ¼ of that | {wasm:.0} ({:.2}) |",
            wasm / native
        );
    }
}
