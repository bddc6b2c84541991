//! Replays of recorded traffic, where there is some: `TOKENSTILE_CORPUS` names its folder. Without budgets the cost is
//! what an independent oracle says; with budgets the built filter decides every request as the engine does.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by a panic")]

use std::path::{Path, PathBuf};
use tokenstile_engine::units::EpochMs;
use tokenstile_host::cases::filter;
use tokenstile_host::replay::filter::Filter;
use tokenstile_host::replay::native::{Duration, Landed, Native};
use tokenstile_host::replay::trace::recording::{exchanges, files, oracle};
use tokenstile_host::replay::trace::{Ordered, Progress, Setting, Timing, open};
use tokenstile_host::replay::{Replay, policy};

const LASTS: Duration = Duration { start_ms: 500, token_ms: 20 };

fn corpus() -> Option<PathBuf> {
    let folder = std::env::var_os("TOKENSTILE_CORPUS").map(PathBuf::from);
    if folder.is_none() {
        eprintln!("skipped: TOKENSTILE_CORPUS names no folder of recorded exchanges");
    }
    folder
}

/// All exchanges in their order, some seconds apart: they were recorded over two years.
fn read(folder: &Path) -> Ordered {
    let setting = Setting::default();
    let timing = Timing { start: setting.overlay.start, pace_ms: 7_000, ignore: true };
    let open = |path: &PathBuf| open(path, &setting, &Progress::default()).unwrap();
    Ordered::new(files(folder, "exchanges.").unwrap().iter().map(open).collect(), timing)
}

/// What the oracle does not price, as docs/accuracy.md says: searches that it does not read, and what Claude's
/// iterations used beside the answer.
const ITERATIONS: [&str; 3] = ["25af321682ff356d", "86ad503483d0ec23", "f0593a202ee11a1e"];

/// Half a percent in all. Single calls differ by tiers and places, of which the oracle knows the standard alone.
#[test]
fn without_budgets_the_cost_is_the_oracles() {
    let Some(folder) = corpus() else { return };
    let oracle = oracle(&folder).unwrap();
    let ids: Vec<String> = exchanges(&folder).unwrap().map(|exchange| exchange.unwrap().id).collect();
    let given =
        policy::parse(r#"{"version": 1, "name": "free", "max_body_bytes": 100000000}"#, false).unwrap();
    let mut native = Native::new(given.policy);
    let (mut ours, mut theirs, mut compared, mut left) = (0.0, 0.0, 0, 0);
    let mut apart: Vec<(f64, &str)> = Vec::new();
    for ((at, call), id) in read(&folder).zip(&ids) {
        native.land(at, &mut Landed::default());
        let Some(outcome) = native.call(&call, at, LASTS) else { continue };
        let Some(oracle) = oracle.get(id) else { continue };
        let Some(price) = &oracle.price else { continue };
        let searches = oracle.usage.as_ref().and_then(|usage| usage.get("web_searches")).is_some();
        if (outcome.used.web_searches > 0 && !searches) || ITERATIONS.contains(&id.as_str()) {
            left += 1;
            continue;
        }
        #[allow(clippy::cast_precision_loss, reason = "a sum to compare")]
        let cost = outcome.cost.0 as f64 / 1e9;
        (ours, theirs, compared) = (ours + cost, theirs + price.total, compared + 1);
        apart.push((cost - price.total, id));
    }
    apart.sort_by(|a, b| b.0.abs().total_cmp(&a.0.abs()));
    apart.truncate(12);
    println!(
        "{compared} calls, {left} left out: ${ours:.4} here, ${theirs:.4} by the oracle; most apart: {apart:?}"
    );
    assert!(compared > 3_700 && left < 60, "{compared} compared, {left} left out");
    assert!((ours - theirs).abs() < theirs * 0.005, "${ours:.4} here, ${theirs:.4} by the oracle: {apart:?}");
}

/// Every lever is used, what is learned of answers counts, and holds stand while calls run: one begins every seven
/// seconds and takes up to minutes.
const BUDGETS: &str = r#"{"version": 1, "name": "corpus", "hold_headers": true, "max_body_bytes": 100000000,
  "learned_output": {"quantile": "75%", "per": ["model"]},
  "identity": {"key": ["api_key", "value:none"]},
  "downgrades": {"economy": [{"from": "gpt-4o*", "to": "gpt-4o-mini"}, {"from": "claude-sonnet-*", "to": "claude-haiku-4-5"},
    {"from": "gemini-*-pro*", "to": "gemini-2.5-flash"}, {"from": "anthropic.claude-*", "to": "anthropic.claude-3-haiku-20240307-v1:0"}]},
  "budgets": [
    {"name": "model-hour", "per": ["model"], "limit": {"tokens": 30000}, "window": {"calendar": "hour"},
     "ladder": [{"at": "40%", "warn": {}}, {"at": "60%", "clamp": {"max_output_tokens": 64}}, {"at": "80%", "downgrade": "economy"},
                {"at": "100%", "deny": {}}]},
    {"name": "provider-hour", "per": ["provider"], "limit": {"usd": "0.6"}, "window": {"rolling": "1h"},
     "ladder": [{"at": "90%", "warn": {}}, {"at": "100%", "deny": {}}]},
    {"name": "at-once", "per": ["provider"], "limit": {"requests_in_flight": 6}, "ladder": [{"at": "100%", "deny": {}}]}
  ]}"#;

#[test]
fn with_budgets_the_filter_decides_every_call_as_the_engine_does() {
    let Some(folder) = corpus() else { return };
    let given = policy::parse(BUDGETS, false).unwrap();
    let module = filter::module().unwrap_or_else(|error| panic!("{error}"));
    let filter = Filter::new(&module, &given.json).unwrap();
    let mut replay = Replay::new(given.policy, None, Some(filter), LASTS);
    let mut read = read(&folder);
    for (now, call) in read.by_ref() {
        replay.call(&call, now).unwrap();
    }
    let report = replay.finish(&read);
    let agreement = report.filter.unwrap();
    println!("{} calls, {} differ: {:?}", agreement.calls, agreement.different, report.policy.decisions);
    for decision in ["allow", "warn", "clamp", "downgrade", "deny"] {
        let count = report.policy.decisions.get(decision).copied().unwrap_or(0);
        assert!(count >= 20, "{decision}: {count}, so hardly anything is shown of it");
    }
    assert_eq!(agreement.calls, report.policy.calls);
    assert_eq!(agreement.different, 0, "{:#?}", agreement.differences);
    assert!(report.trace.to_ms > EpochMs(0).0);
}

/// Public traces of token counts, with users that are made up: every row is a call, and budgets bite.
#[test]
fn public_traces_run_with_made_up_users() {
    let Some(folder) = corpus() else { return };
    let given = policy::parse(HOURLY, false).unwrap();
    for name in ["azure2023_code", "azure2023_conv", "mooncake_conversation", "mooncake_synthetic"] {
        let path = folder.join("traces").join(format!("{name}.normalised.csv"));
        let rows = std::fs::read_to_string(&path).unwrap().lines().count() as u64 - 1;
        let setting = Setting::default();
        let timing = Timing { start: setting.overlay.start, pace_ms: 1_000, ignore: false };
        let mut read = Ordered::new(vec![open(&path, &setting, &Progress::default()).unwrap()], timing);
        let mut replay = Replay::new(given.policy.clone(), None, None, LASTS);
        for (now, call) in read.by_ref() {
            replay.call(&call, now).unwrap();
        }
        let report = replay.finish(&read);
        println!("{name}: {rows} calls, {:?}", report.policy.decisions);
        assert_eq!((report.policy.calls, report.trace.bad, report.trace.late), (rows, 0, 0), "{name}");
        assert!(report.policy.refused > 0 && report.policy.levers.contains_key("downgrade"), "{name}");
    }
}

const HOURLY: &str = r#"{"version": 1, "name": "hourly", "identity": {"user": ["header:x-user-id"], "tier": ["header:x-tier"]},
  "downgrades": {"economy": [{"from": "gpt-4o", "to": "gpt-4o-mini"}]},
  "budgets": [{"name": "free-hour", "match": {"tier": "free"}, "per": ["user"], "limit": {"tokens": 100000}, "window": {"calendar": "hour"},
    "ladder": [{"at": "60%", "warn": {}}, {"at": "80%", "downgrade": "economy"}, {"at": "100%", "deny": {}}]}]}"#;
