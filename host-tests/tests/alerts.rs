//! Alerts out of the built filter: once among all workers, from the tick and never on a request's path, tried again,
//! bounded, and on hosts that make no requests in the log alone.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by a panic")]

mod sink_support;

use serde_json::{Value, json};
use sink_support::{answer, metric, pass};
use std::sync::Barrier;
use std::time::Duration;
use tokenstile_host::cases::filter;
use tokenstile_host::host::{
    Answer, Driver, Faults, LogLine, Profile, Repeat, Report, Request, Shared, Status, Vm, VmConfig,
};

const KEY: &str = "0123456789abcdef0123456789abcdef";

fn policy() -> Value {
    json!({
        "version": 1, "name": "acme",
        "identity": {"user": ["header:x-user-id", "value:anonymous"]},
        "alerts": {
            "finops": {"log": {}},
            "oncall": {"pagerduty": {"cluster": "pagerduty", "routing_key": KEY, "timeout": "2s"}},
        },
        "budgets": [
            {"name": "person", "per": ["user"], "limit": {"tokens": 1000}, "window": {"calendar": "day"},
             "ladder": [{"at": "50%", "alert": "finops"}, {"at": "80%", "warn": {}, "alert": "oncall"}]},
        ],
    })
}

fn vm(profile: Profile, shared: &Shared) -> Vm {
    Vm::new(&filter::module().unwrap(), shared, VmConfig::new(profile, policy().to_string())).unwrap()
}

/// A call that uses so many tokens.
fn call(vm: &mut Vm, user: &str, tokens: u64) -> Report {
    let body = json!({"model": "gpt-4o", "max_tokens": 12, "messages": [{"role": "user", "content": "hi"}]});
    let request = Request::post("/v1/chat/completions", body.to_string()).header("x-user-id", user);
    let mut driver = Driver::new(vm, request, move |_| {
        Answer::json(200, json!({"usage": {"prompt_tokens": 0, "completion_tokens": tokens}}).to_string())
    });
    driver.start(vm);
    driver.report(vm)
}

fn alerts(shared: &Shared) -> Vec<Value> {
    let lines: Vec<String> = shared.log().lines().iter().map(LogLine::text).collect();
    let json = lines.iter().filter_map(|line| line.split_once("tokenstile-alert "));
    json.map(|(_, json)| serde_json::from_str(json).unwrap()).collect()
}

#[test]
fn an_alert_is_logged_at_once_and_sent_from_the_tick() {
    let shared = Shared::new();
    let mut vm = vm(Profile::Envoy, &shared);
    assert_eq!(call(&mut vm, "ana", 600).client.status, Some(200));
    assert_eq!((alerts(&shared).len(), vm.tick_period()), (1, None), "what only the log tells needs no tick");
    call(&mut vm, "ana", 250);
    assert_eq!(alerts(&shared).len(), 2);
    assert!(vm.http_calls().is_empty(), "no request waits for one of ours");
    assert_eq!(vm.tick_period(), Some(Duration::from_secs(1)));
    pass(&mut vm, 1);
    let sent = vm.http_calls();
    assert_eq!(sent.len(), 1);
    assert_eq!(sent[0].upstream, b"pagerduty");
    assert_eq!(sent[0].timeout, Duration::from_secs(2));
    let header = |name: &str| sent[0].headers.text(name).unwrap();
    assert_eq!((header(":method"), header(":path")), ("POST".into(), "/v2/enqueue".into()));
    assert_eq!(header(":authority"), "events.pagerduty.com");
    assert_eq!(header("content-type"), "application/json");
    let event: Value = serde_json::from_slice(&sent[0].body).unwrap();
    assert_eq!((&event["routing_key"], &event["event_action"]), (&json!(KEY), &json!("trigger")));
    assert_eq!(event["dedup_key"], alerts(&shared)[1]["id"]);
    assert_eq!(event["payload"]["severity"], "warning");
    answer(&mut vm, "202");
    assert_eq!(vm.tick_period(), None, "ticks end when nothing waits for them");
    assert_eq!((metric(&shared, "alerts"), metric(&shared, "alert_deliveries;outcome=sent")), (2, 1));
    // Once: however often it is passed again.
    call(&mut vm, "ana", 100);
    assert_eq!(alerts(&shared).len(), 2);
    let log: String = shared.log().lines().iter().map(LogLine::text).collect();
    assert!(!log.contains(KEY), "{log}");
}

#[test]
fn four_workers_tell_each_threshold_once() {
    const WORKERS: usize = 4;
    let shared = Shared::new();
    let begin = Barrier::new(WORKERS);
    let sent: usize = std::thread::scope(|scope| {
        let worker = || {
            let mut vm = vm(Profile::Envoy, &shared);
            begin.wait();
            for n in 0..60 {
                call(&mut vm, ["ana", "ben", "chloe"][n % 3], 25);
            }
            pass(&mut vm, 1);
            vm.http_calls().len()
        };
        let workers: Vec<_> = (0..WORKERS).map(|_| scope.spawn(worker)).collect();
        workers.into_iter().map(|worker| worker.join().unwrap()).sum()
    });
    let told = alerts(&shared);
    let mut what: Vec<_> =
        told.iter().map(|a| (a["subject"]["user"].to_string(), a["threshold"].to_string())).collect();
    what.sort();
    what.dedup();
    assert_eq!((told.len(), what.len(), sent), (6, 6, 3), "{told:?}");
}

#[test]
fn what_a_sink_does_not_take_is_tried_again_and_then_given_up() {
    let shared = Shared::new();
    let mut vm = vm(Profile::Envoy, &shared);
    call(&mut vm, "ana", 900);
    for attempt in 1..=8 {
        let mut waited = 0;
        while vm.http_calls().is_empty() {
            pass(&mut vm, 1);
            waited += 1;
            assert!(waited <= 60, "attempt {attempt} never came");
        }
        match attempt % 3 {
            0 => vm.http_call_failed(vm.http_calls()[0].token).unwrap(),
            1 => answer(&mut vm, "500"),
            _ => answer(&mut vm, "429"),
        }
    }
    pass(&mut vm, 120);
    assert!(vm.http_calls().is_empty() && vm.tick_period().is_none());
    assert_eq!(
        (
            metric(&shared, "alert_deliveries;outcome=retried"),
            metric(&shared, "alert_deliveries;outcome=failed")
        ),
        (7, 1)
    );
    assert_eq!(metric(&shared, "alert_deliveries;outcome=sent"), 0);
}

/// A cluster that the proxy does not have: no request is made, and no answer comes that could be counted.
#[test]
fn what_cannot_be_called_counts_as_what_fails() {
    let shared = Shared::new();
    let mut vm = vm(Profile::Envoy, &shared);
    vm.arm(Faults::nth(1, Status::BAD_ARGUMENT, Repeat::Forever).only("proxy_http_call"));
    call(&mut vm, "ana", 900);
    pass(&mut vm, 200);
    assert_eq!(vm.tick_period(), None);
    let outcome = |outcome: &str| metric(&shared, &format!("alert_deliveries;sink=oncall;outcome={outcome}"));
    assert_eq!(["retried", "failed", "sent", "dropped"].map(outcome), [7, 1, 0, 0]);
}

/// Neither a sink that is silent nor a configuration that ends leaves an alert uncounted.
#[test]
fn what_is_not_answered_and_what_waits_at_the_end_are_counted() {
    let shared = Shared::new();
    let mut vm = vm(Profile::Envoy, &shared);
    call(&mut vm, "ana", 900);
    pass(&mut vm, 12);
    let outcome = |outcome: &str| metric(&shared, &format!("alert_deliveries;sink=oncall;outcome={outcome}"));
    assert_eq!(outcome("retried"), 1, "after its timeout, and what a host may be late");
    vm.retire().unwrap();
    assert_eq!(outcome("dropped"), 1);
    // Streams go on under a configuration that has ended.
    call(&mut vm, "ben", 900);
    assert_eq!(outcome("dropped"), 2);
}

#[test]
fn the_queue_is_bounded_and_what_is_dropped_is_counted() {
    let shared = Shared::new();
    let mut vm = vm(Profile::Envoy, &shared);
    for user in 0..300 {
        call(&mut vm, &user.to_string(), 900);
    }
    assert_eq!(metric(&shared, "alert_deliveries;outcome=dropped"), 300 - 256);
    assert_eq!(alerts(&shared).len(), 600, "each stands in the log");
    pass(&mut vm, 3);
    assert_eq!(vm.http_calls().len(), 4, "a sink that hangs takes no more");
    for _ in 0..256 {
        answer(&mut vm, "202");
        pass(&mut vm, 1);
    }
    assert_eq!((metric(&shared, "alert_deliveries;outcome=sent"), vm.tick_period()), (256, None));
}

#[test]
fn hosts_that_make_no_requests_from_a_tick_log_alone() {
    for profile in [Profile::Wasmx, Profile::Apisix] {
        let shared = Shared::new();
        let mut vm = vm(profile, &shared);
        let report = call(&mut vm, "ana", 900);
        assert_eq!((report.client.status, report.error), (Some(200), None), "{profile}");
        assert_eq!(alerts(&shared).len(), 2, "{profile}");
        assert_eq!((vm.http_calls().len(), vm.tick_period()), (0, None), "{profile}");
        // APISIX has no metrics.
        let dropped = i64::from(profile == Profile::Wasmx);
        assert_eq!(metric(&shared, "alert_deliveries;sink=oncall;outcome=dropped"), dropped, "{profile}");
        assert!(!vm.is_dead());
    }
}

/// An unknown cluster, a function that is not there, an answer without a status, and each host call of the tick and of
/// the call-back failing: no trap, nothing sent twice after it arrived, and requests go on.
#[test]
fn no_failure_of_a_sink_or_of_the_host_ends_a_vm() {
    for function in [
        "proxy_http_call",
        "proxy_set_tick_period_milliseconds",
        "proxy_get_current_time_nanoseconds",
        "proxy_get_header_map_value",
        "proxy_log",
        "proxy_define_metric",
        "proxy_increment_metric",
    ] {
        for (status, repeat) in
            [1, 2, 8, 10, 12].into_iter().flat_map(|s| [(s, Repeat::Once), (s, Repeat::Forever)])
        {
            let shared = Shared::new();
            let mut vm = vm(Profile::Envoy, &shared);
            call(&mut vm, "ana", 900);
            vm.arm(Faults::nth(1, Status(status), repeat).only(function));
            let mut answered = 0;
            for _ in 0..40 {
                pass(&mut vm, 1);
                if !vm.http_calls().is_empty() {
                    answered += 1;
                    answer(&mut vm, "202");
                }
            }
            vm.disarm();
            let fault = format!("{function} {status} {repeat:?}");
            assert!(!vm.is_dead(), "{fault}");
            // An answer that cannot be read is no answer: it is sent again.
            let unread = function == "proxy_get_header_map_value";
            let never = function == "proxy_http_call" && (status == 12 || repeat == Repeat::Forever);
            match answered {
                0 => assert!(never, "{fault}: it was not sent"),
                1 => assert!(!(never || unread && repeat == Repeat::Forever), "{fault}"),
                _ => assert!(unread, "{fault}: sent {answered} times"),
            }
            assert_eq!(call(&mut vm, "ben", 900).client.status, Some(200), "{fault}");
        }
    }
}

#[test]
fn an_unknown_cluster_is_tried_again() {
    let shared = Shared::new();
    shared.clusters(["provider"]);
    let mut vm = vm(Profile::Envoy, &shared);
    call(&mut vm, "ana", 900);
    pass(&mut vm, 3);
    assert!(vm.http_calls().is_empty());
    shared.clusters(["provider", "pagerduty"]);
    pass(&mut vm, 10);
    assert_eq!(vm.http_calls().len(), 1);
}
