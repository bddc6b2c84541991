//! Calls that are held back: by the built filter, on a host whose clock is ours. How long is the engine's to say, and
//! tested there; that a real Envoy holds them stands in `cases/ladder.json`.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by a panic")]

use serde_json::{Value, json};
use std::time::Duration;
use tokenstile_host::cases::{Books, filter};
use tokenstile_host::host::{Answer, Driver, Ended, Profile, Request, Shared, Vm, VmConfig};

const BODY: &[u8] = br#"{"model":"gpt-4o","max_tokens":4096,"messages":[{"role":"user","content":"hi"}]}"#;

/// From 40 % on a call waits for two seconds; it is shortened, so that what waits has a body to change.
fn policy() -> Value {
    json!({
        "version": 1, "name": "delays", "expected_output_tokens": 92,
        "identity": {"user": ["header:x-user-id", "value:anonymous"]},
        "budgets": [
            {"name": "pace", "per": ["user"], "limit": {"tokens": 1_000_000}, "window": {"calendar": "day"},
             "ladder": [{"at": "40%", "delay": {"up_to": "2s"}}, {"at": "40%", "clamp": {"max_output_tokens": 64}},
                        {"at": "50%", "warn": {}}, {"at": "100%", "deny": {}}]},
        ],
    })
}

struct Desk {
    vm: Vm,
    shared: Shared,
}

impl Desk {
    /// A worker on which half of the budget is used.
    fn at(profile: Profile) -> Self {
        let shared = Shared::new();
        let config = VmConfig::new(profile, policy().to_string());
        let vm = Vm::new(&filter::module().unwrap(), &shared, config).unwrap();
        let mut desk = Self { vm, shared };
        let first = desk.ask(500_000);
        assert!(first.is_over(), "{:?}", first.report(&desk.vm));
        desk
    }

    /// A call whose answer states so much usage.
    fn ask(&mut self, tokens: u64) -> Driver {
        let request = Request::post("/v1/chat/completions", BODY).header("content-type", "application/json");
        let answer = json!({"usage": {"prompt_tokens": 0, "completion_tokens": tokens}}).to_string();
        let mut driver = Driver::new(&self.vm, request, move |_| Answer::json(200, answer.clone()));
        driver.start(&mut self.vm);
        driver
    }

    /// That much virtual time, tick by tick.
    fn pass(&mut self, driver: &mut Driver, ms: u64) {
        for _ in 0..ms / 10 {
            self.shared.clock().advance(Duration::from_millis(10));
            self.vm.tick().unwrap();
            driver.poll(&mut self.vm);
        }
    }

    fn levels(&self) -> Vec<(u64, u64)> {
        Books::of(&policy()).unwrap().levels(&self.shared, &[("x-user-id", "anonymous")].into())
    }
}

#[test]
fn a_call_waits_its_time_and_goes_on_changed() {
    let mut desk = Desk::at(Profile::Envoy);
    let mut call = desk.ask(12);
    assert!(call.waiting().is_some(), "{:?}", call.report(&desk.vm));
    assert_eq!(desk.levels(), [(500_000, 100)]);
    desk.pass(&mut call, 1_980);
    assert!(call.waiting().is_some(), "not before its time");
    desk.pass(&mut call, 30);
    let report = call.report(&desk.vm);
    assert_eq!((report.client.status, report.client.ended), (Some(200), Ended::Complete), "{report:?}");
    let upstream: Value = serde_json::from_slice(&report.upstream.unwrap().body).unwrap();
    assert_eq!(upstream["max_tokens"], 64);
    assert_eq!(report.client.headers.text("x-tokenstile-delay-ms").unwrap(), "2000");
    desk.pass(&mut call, 20);
    assert_eq!((desk.levels(), desk.vm.tick_period()), (vec![(500_012, 0)], None));
}

#[test]
fn a_client_that_leaves_while_it_waits_leaves_nothing_behind() {
    let mut desk = Desk::at(Profile::Envoy);
    let mut call = desk.ask(12);
    desk.pass(&mut call, 500);
    assert_eq!(desk.levels(), [(500_000, 100)]);
    call.client_gone(&mut desk.vm);
    desk.pass(&mut call, 3_000);
    let report = call.report(&desk.vm);
    assert!(report.error.is_none() && report.problems.is_empty(), "{report:?}");
    assert_eq!(report.client.ended, Ended::ClientGone);
    assert!(!report.upstream.is_some_and(|sent| sent.complete));
    assert_eq!((desk.levels(), desk.vm.tick_period()), (vec![(500_000, 0)], None));
    assert_eq!(desk.vm.streams_open(), 0);
}

/// Another policy takes over: the calls that the old one holds back have no ticks to wait for.
#[test]
fn calls_that_wait_go_on_when_their_policy_is_replaced() {
    let mut desk = Desk::at(Profile::Envoy);
    let mut calls: Vec<Driver> = (0..3).map(|_| desk.ask(12)).collect();
    desk.vm.retire().unwrap();
    for call in &mut calls {
        call.poll(&mut desk.vm);
        let report = call.report(&desk.vm);
        assert_eq!((report.client.status, report.client.ended), (Some(200), Ended::Complete), "{report:?}");
    }
    assert_eq!(desk.levels(), [(500_036, 0)]);
}

/// Each one that waits keeps its body: beyond a bound the others are sent back.
#[test]
fn no_more_than_a_thousand_wait_at_once() {
    let mut desk = Desk::at(Profile::Envoy);
    let calls: Vec<Driver> = (0..1_030).map(|_| desk.ask(12)).collect();
    let waiting = calls.iter().filter(|call| call.waiting().is_some()).count();
    assert_eq!(waiting, 1_024);
    for call in calls.iter().filter(|call| call.waiting().is_none()) {
        let status = call.report(&desk.vm).client.status;
        assert!([Some(429), Some(200)].contains(&status), "{status:?}");
    }
}

/// Where no tick resumes a request, the client waits instead, and when it has, it goes on.
#[test]
fn elsewhere_a_call_is_sent_back_and_goes_on_when_it_has_waited() {
    for profile in [Profile::Wasmx, Profile::Apisix] {
        let mut desk = Desk::at(profile);
        let mut sent_back = 0;
        for _ in 0..40 {
            desk.shared.clock().advance(Duration::from_millis(100));
            let report = desk.ask(12).report(&desk.vm);
            assert!(report.waiting.is_none() && report.error.is_none(), "{report:?}");
            if report.client.status == Some(200) {
                continue;
            }
            sent_back += 1;
            assert_eq!(report.client.status, Some(429));
            assert_eq!(report.client.headers.text("x-should-retry"), None, "a rate, not a quota");
            let error: Value = serde_json::from_slice(&report.client.body()).unwrap();
            let said = error["error"]["message"].as_str().unwrap().to_owned();
            assert!(
                said.starts_with("Calls are slowed down: you've used 50% of today's AI quota. Try again in "),
                "{said}"
            );
            let seconds = report.client.headers.text("retry-after").unwrap().parse().unwrap();
            desk.shared.clock().advance(Duration::from_secs(seconds));
            assert_eq!(desk.ask(12).report(&desk.vm).client.status, Some(200), "{profile}");
        }
        assert!(sent_back > 0, "{profile}: nobody was sent back");
    }
}
