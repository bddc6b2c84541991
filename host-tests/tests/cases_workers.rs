//! Several workers on threads of their own against one budget: no update is lost, and no parallel calls pass the
//! limit together (litellm#34732, higress#2464, limitador#506).

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by a panic")]

use serde_json::{Value, json};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Barrier};
use std::time::Duration;
use tokenstile_host::cases::{Books, filter};
use tokenstile_host::host::{Answer, Driver, Profile, Request, Shared, Vm, VmConfig};

const WORKERS: u64 = 4;
const CALLS: u64 = 250;

fn policy(limit: u64) -> Value {
    json!({
        "version": 1, "name": "workers", "on_error": "deny",
        "budgets": [
            {"name": "all", "per": [], "limit": {"tokens": limit}, "window": {"calendar": "day"}, "ladder": [{"at": "100%", "deny": {}}]},
            {"name": "burst", "per": [], "bucket": {"tokens": 1_000_000_000, "refill": {"tokens": 1, "every": "1h"}}, "ladder": [{"at": "100%", "deny": {}}]},
        ],
    })
}

/// Each worker makes its calls; the nth of one costs `cost(n)`. Gives what was billed, and how many were refused.
fn run(profile: Profile, policy: &Value, shared: &Shared, cost: fn(u64) -> u64) -> (u64, u64) {
    let module = filter::module().unwrap();
    let (billed, refused) = (Arc::new(AtomicU64::new(0)), AtomicU64::new(0));
    let begin = Barrier::new(WORKERS as usize);
    std::thread::scope(|scope| {
        for worker in 0..WORKERS {
            let (billed, refused, module, begin) = (&billed, &refused, &module, &begin);
            scope.spawn(move || {
                let mut vm = Vm::new(module, shared, VmConfig::new(profile, policy.to_string())).unwrap();
                begin.wait();
                for n in 0..CALLS {
                    let bill = billed.clone();
                    let status = call(&mut vm, cost(worker * CALLS + n), bill);
                    assert!([200, 429].contains(&status), "status {status}");
                    refused.fetch_add(u64::from(status == 429), Ordering::SeqCst);
                }
                // A settlement that lost fifty swaps is owed until a tick.
                vm.shared().clock().advance(Duration::from_millis(1));
                vm.tick().unwrap();
            });
        }
    });
    (billed.load(Ordering::SeqCst), refused.load(Ordering::SeqCst))
}

fn call(vm: &mut Vm, tokens: u64, billed: Arc<AtomicU64>) -> u16 {
    let body = json!({"model": "gpt-4o", "max_tokens": 12, "messages": [{"role": "user", "content": "hi"}]});
    let mut driver = Driver::new(vm, Request::post("/v1/chat/completions", body.to_string()), move |_| {
        billed.fetch_add(tokens, Ordering::SeqCst);
        Answer::json(200, json!({"usage": {"prompt_tokens": 8, "completion_tokens": tokens - 8}}).to_string())
    });
    driver.start(vm);
    // Fifty lost swaps in a row make it wait for a tick.
    while driver.waiting().is_some() {
        vm.shared().clock().advance(Duration::from_millis(1));
        vm.tick().unwrap();
        driver.poll(vm);
    }
    let report = driver.report(vm);
    assert!(report.error.is_none(), "{:?}", report.error);
    report.client.status.unwrap()
}

fn no_update_is_lost(profile: Profile) {
    let (shared, policy) = (Shared::new(), policy(1_000_000_000));
    let (billed, refused) = run(profile, &policy, &shared, |n| 9 + n % 97);
    let levels = Books::of(&policy).unwrap().levels(&shared, &[("x", "y")].into());
    assert_eq!((levels, refused), (vec![(billed, 0), (billed, 0)], 0));
    assert!(billed > WORKERS * CALLS * 9);
}

/// Where a call uses what was expected of it, the limit is met to the token.
fn the_limit_is_met(profile: Profile) {
    let (shared, policy) = (Shared::new(), policy(5_010));
    let (billed, refused) = run(profile, &policy, &shared, |_| 20);
    let levels = Books::of(&policy).unwrap().levels(&shared, &[("x", "y")].into());
    assert_eq!(levels, vec![(billed, 0), (billed, 0)]);
    assert_eq!((billed, refused), (5_000, WORKERS * CALLS - 250));
}

#[test]
fn no_update_is_lost_on_envoy() {
    no_update_is_lost(Profile::Envoy);
}

#[test]
fn no_update_is_lost_on_wasmx() {
    no_update_is_lost(Profile::Wasmx);
}

#[test]
fn the_limit_is_met_on_envoy() {
    the_limit_is_met(Profile::Envoy);
}

#[test]
fn the_limit_is_met_on_wasmx() {
    the_limit_is_met(Profile::Wasmx);
}
