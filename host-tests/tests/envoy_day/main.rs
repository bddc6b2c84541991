//! A day through a real Envoy: what the records say, what the metrics say, what the ledger has and what the simulated
//! provider bills is one amount, to the nano-dollar, though one stream of a hundred is hung up on and Envoy takes
//! another policy twice meanwhile.
//!
//! Here a short, made-up day; `cargo xtask day TRACE` sends a recorded one (CSV with token counts), with the same
//! made-up users, tiers, features and models that `tokenstile replay` gives it.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by a panic")]

mod books;
mod calls;
#[path = "../envoy_suite/noon.rs"]
mod noon;

use books::{Books, RATES};
use calls::{Call, Sender};
use serde_json::{Value, json};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::{Duration, Instant};
use tokenstile_host::envoy::{Envoy, Options};
use tokenstile_host::upstream::Upstream;

/// Records are written when calls end; a minute after the last answer none is to come.
const RECORDS_MAX: Duration = Duration::from_secs(60);

/// One budget of money for all, which the quota endpoint tells, and one by user that serves a cheaper model.
fn policy(version: u32) -> Value {
    let window = json!({"calendar": "day", "timezone": noon::zone_where_it_is_noon()});
    json!({
        "version": 1, "name": "day", "hold_headers": true, "on_error": "deny", "count": "always",
        "quota_path": "/.well-known/llm-quota", "metrics": {"labels": ["feature"], "max_values": 10},
        "identity": {"user": ["header:x-user-id"], "tier": ["header:x-tier"], "feature": ["header:x-feature"]},
        // What the second and the third policy have otherwise: nothing that counts.
        "strip_request_headers": [format!("x-of-policy-{version}")],
        "downgrades": {"economy": [{"from": "gpt-4o", "to": "gpt-4o-mini"}]},
        "budgets": [
            {"name": "all", "per": [], "limit": {"usd": "1000000"}, "window": window, "ladder": [{"at": "100%", "deny": {}}]},
            {"name": "of-user", "per": ["user"], "limit": {"tokens": 20_000}, "window": window,
             "ladder": [{"at": "100%", "downgrade": "economy"}]},
        ],
    })
}

/// The day that is sent: `$TOKENSTILE_DAY`, or one that is made here.
fn day() -> Vec<Call> {
    if let Some(path) = std::env::var_os("TOKENSTILE_DAY") {
        return calls::read(&PathBuf::from(path));
    }
    let mut csv = "t_ms,input_tokens,output_tokens\n".to_owned();
    for call in 0..400_u32 {
        let (input, output) = (20 + call * 37 % 900, 1 + call * 13 % 60);
        csv += &format!("{},{input},{output}\n", call * 216_000);
    }
    let path = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("day.csv");
    std::fs::write(&path, csv).unwrap();
    calls::read(&path)
}

#[test]
fn records_metrics_ledger_and_the_providers_bill_are_one_amount() {
    let calls = day();
    let upstream = Upstream::start(SocketAddr::from(([127, 0, 0, 1], 0))).unwrap();
    let mut options = Options::new(policy(1).to_string(), upstream.addr());
    options.changeable = true;
    let mut envoy = Envoy::start(&options).unwrap_or_else(|error| panic!("{error}"));
    let started = Instant::now();
    let sender = Sender::start(calls.clone(), &envoy.url());
    for (third, version) in [(1, 2), (2, 3)] {
        sender.wait_until(calls.len() * third / 3);
        assert!(envoy.change(policy(version).to_string()).unwrap(), "{}", envoy.log().text());
        sender.goes_to(&envoy.url());
    }
    let sent = sender.finish();
    let seconds = started.elapsed().as_secs_f64();
    let records = envoy.records(calls.len(), RECORDS_MAX);
    let cut = records.iter().filter(|record| record["ending"] == "cut").count();
    let downgraded = records.iter().filter(|record| record["decision"] == "downgrade").count();
    assert_eq!((records.len(), cut), (calls.len(), sent.cut), "calls, and those hung up on");
    assert!(sent.cut > 0 && downgraded > 0, "{} cut, {downgraded} downgraded", sent.cut);
    let all = [
        ("records", Books::of_records(&records)),
        ("metrics", Books::of_metrics(&envoy.metrics().unwrap())),
        ("ledger", Books::of_ledger(&calls::quota(&envoy.url()))),
        ("provider", Books::of_provider(&upstream.ledger().by_model(), &RATES)),
    ];
    println!(
        "{} calls in {seconds:.1} s, {} of {} streams hung up on, {downgraded} served by the cheaper model, two reloads",
        calls.len(),
        sent.cut,
        sent.streams
    );
    for (name, books) in &all {
        println!("{name:9} {books}");
    }
    let [(_, records), others @ ..] = &all;
    for (name, books) in others {
        assert!(books.agree(records), "{name} {books}; records {records}");
    }
}
