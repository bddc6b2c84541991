//! Cost records out of the built filter to a collector: in batches from the tick, tried again, bounded; and in the log
//! where they cannot be sent, so that no money goes unrecorded.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by a panic")]

mod sink_support;

use serde_json::{Value, json};
use sink_support::{answer, metric, pass};
use std::collections::BTreeSet;
use tokenstile_host::cases::filter;
use tokenstile_host::host::{
    Answer, Driver, Faults, HeaderMap, LogLine, Profile, Repeat, Request, Shared, Status, Vm, VmConfig,
};

fn vm(profile: Profile, shared: &Shared, form: &str, log: bool) -> Vm {
    let policy = json!({
        "version": 1, "name": "acme", "identity": {"user": ["header:x-user-id"]},
        "records": {"log": log, "http": {form: {"cluster": "collector", "authority": "collector.acme.example",
            "authorization": "Bearer 123", "timeout": "2s"}}},
    });
    Vm::new(&filter::module().unwrap(), shared, VmConfig::new(profile, policy.to_string())).unwrap()
}

fn call(vm: &mut Vm, user: &str) {
    let body = json!({"model": "gpt-4o", "messages": [{"role": "user", "content": "hi"}]});
    let request = Request::post("/v1/chat/completions", body.to_string()).header("x-user-id", user);
    let mut driver = Driver::new(vm, request, |_| {
        Answer::json(200, json!({"usage": {"prompt_tokens": 10, "completion_tokens": 5}}).to_string())
    });
    driver.start(vm);
    assert_eq!(driver.report(vm).client.status, Some(200));
}

/// The ids of the records in the log.
fn logged(shared: &Shared) -> Vec<String> {
    let lines: Vec<String> = shared.log().lines().iter().map(LogLine::text).collect();
    let records = lines.iter().filter_map(|line| line.split_once("tokenstile-record "));
    records.map(|(_, record)| id(record)).collect()
}

fn id(record: &str) -> String {
    serde_json::from_str::<Value>(record).unwrap()["id"].as_str().unwrap().to_owned()
}

fn ids(body: &[u8]) -> Vec<String> {
    std::str::from_utf8(body).unwrap().lines().map(id).collect()
}

fn delivered(shared: &Shared, outcome: &str) -> i64 {
    metric(shared, &format!("record_deliveries;outcome={outcome}"))
}

#[test]
fn records_go_together_from_the_tick_and_again_until_they_arrive() {
    let shared = Shared::new();
    let mut vm = vm(Profile::Envoy, &shared, "ndjson", false);
    call(&mut vm, "ana");
    call(&mut vm, "ben");
    assert!(vm.http_calls().is_empty(), "no request waits for one of ours");
    pass(&mut vm, 1);
    let first = vm.http_calls();
    assert_eq!((first.len(), first[0].upstream.as_slice()), (1, b"collector".as_slice()));
    let header = |name: &str| first[0].headers.text(name).unwrap();
    assert_eq!((header(":path"), header("content-type")), ("/".into(), "application/x-ndjson".into()));
    assert_eq!(header("authorization"), "Bearer 123");
    let sent = ids(&first[0].body);
    assert_eq!(sent.len(), 2);
    answer(&mut vm, "500");
    // What comes meanwhile does not wait for it.
    call(&mut vm, "chloe");
    pass(&mut vm, 1);
    let calls = vm.http_calls();
    let again: BTreeSet<String> = calls.iter().flat_map(|call| ids(&call.body)).collect();
    assert_eq!((calls.len(), again.len()), (2, 3));
    assert!(sent.iter().all(|id| again.contains(id)));
    answer(&mut vm, "200");
    answer(&mut vm, "200");
    assert_eq!((delivered(&shared, "sent"), delivered(&shared, "retried")), (3, 2));
    assert_eq!(vm.tick_period(), None, "ticks end when nothing waits for them");
    assert_eq!(logged(&shared), Vec::<String>::new());
}

#[test]
fn otlp_has_each_record_as_its_body() {
    let shared = Shared::new();
    let mut vm = vm(Profile::Envoy, &shared, "otlp", true);
    call(&mut vm, "ana");
    call(&mut vm, "ben");
    pass(&mut vm, 1);
    let sent = vm.http_calls();
    assert_eq!(sent[0].headers.text(":path").unwrap(), "/v1/logs");
    assert_eq!(sent[0].headers.text("content-type").unwrap(), "application/json");
    let request: Value = serde_json::from_slice(&sent[0].body).unwrap();
    let logs = request["resourceLogs"][0]["scopeLogs"][0]["logRecords"].as_array().unwrap();
    let bodies: Vec<String> =
        logs.iter().map(|log| id(log["body"]["stringValue"].as_str().unwrap())).collect();
    assert_eq!(bodies, logged(&shared), "who logs them, too, has both");
}

/// OTLP's partial success: what was rejected is not sent, and not sent again.
#[test]
fn what_a_collector_rejects_of_a_batch_is_counted_and_logged() {
    for (form, log, logged_of_it) in [("otlp", false, 3), ("otlp", true, 3), ("ndjson", false, 0)] {
        let shared = Shared::new();
        let mut vm = vm(Profile::Envoy, &shared, form, log);
        for user in ["ana", "ben", "cyd"] {
            call(&mut vm, user);
        }
        pass(&mut vm, 1);
        let answer = r#"{"partialSuccess":{"rejectedLogRecords":"2","errorMessage":"older than a day"}}"#;
        let token = vm.http_calls()[0].token;
        vm.http_call_response(token, [(":status", "200")], answer, HeaderMap::new()).unwrap();
        let rejected = if form == "otlp" { 2 } else { 0 };
        assert_eq!((delivered(&shared, "sent"), delivered(&shared, "failed")), (3 - rejected, rejected));
        assert_eq!(
            (logged(&shared).len(), delivered(&shared, "retried")),
            (logged_of_it, 0),
            "{form}, {log}"
        );
        let lines: Vec<String> = shared.log().lines().iter().map(LogLine::text).collect();
        let told = lines.iter().any(|line| line.contains("records: 2 were rejected: older than a day"));
        assert_eq!(told, form == "otlp");
        assert_eq!((vm.http_calls().len(), vm.tick_period()), (0, None));
    }
}

/// A cluster that the proxy does not have: no request is made, and no answer comes that could be counted.
#[test]
fn a_collector_that_cannot_be_called_counts_as_one_that_fails() {
    let shared = Shared::new();
    let mut vm = vm(Profile::Envoy, &shared, "ndjson", false);
    vm.arm(Faults::nth(1, Status::BAD_ARGUMENT, Repeat::Forever).only("proxy_http_call"));
    for user in ["ana", "ben"] {
        call(&mut vm, user);
    }
    pass(&mut vm, 200);
    let outcomes = ["retried", "failed", "sent", "dropped"].map(|outcome| delivered(&shared, outcome));
    assert_eq!((outcomes, logged(&shared).len()), ([14, 2, 0, 0], 2));
}

#[test]
fn a_collector_that_hangs_is_asked_again() {
    let shared = Shared::new();
    let mut vm = vm(Profile::Envoy, &shared, "ndjson", false);
    call(&mut vm, "ana");
    pass(&mut vm, 1);
    let first = vm.http_calls()[0].token;
    // Its timeout, and what a host may be late.
    pass(&mut vm, 10);
    assert!(vm.http_calls().iter().any(|call| call.token != first));
    assert_eq!(delivered(&shared, "retried"), 1);
}

#[test]
fn what_is_given_up_and_what_has_no_room_stands_in_the_log() {
    let shared = Shared::new();
    let mut vm = vm(Profile::Envoy, &shared, "ndjson", false);
    call(&mut vm, "ana");
    for _ in 0..300 {
        pass(&mut vm, 1);
        if !vm.http_calls().is_empty() {
            answer(&mut vm, "503");
        }
    }
    assert_eq!((delivered(&shared, "failed"), logged(&shared).len(), vm.tick_period()), (1, 1, None));
    let long = "x".repeat(120);
    let mut calls = 0;
    while delivered(&shared, "dropped") < 10 {
        call(&mut vm, &long);
        calls += 1;
        assert!(calls < 10_000, "the queue is not bounded");
    }
    assert_eq!(logged(&shared).len(), 11);
    // Those that had room arrive.
    for _ in 0..100 {
        pass(&mut vm, 1);
        while !vm.http_calls().is_empty() {
            answer(&mut vm, "200");
        }
    }
    assert_eq!((delivered(&shared, "sent"), vm.tick_period()), (calls - 10, None));
}

#[test]
fn what_waits_when_the_configuration_ends_stands_in_the_log() {
    let shared = Shared::new();
    let mut vm = vm(Profile::Envoy, &shared, "ndjson", false);
    call(&mut vm, "ana");
    pass(&mut vm, 1);
    call(&mut vm, "ben");
    assert_eq!(vm.http_calls().len(), 1);
    vm.retire().unwrap();
    assert_eq!((logged(&shared).len(), delivered(&shared, "dropped")), (2, 2));
    // Streams go on under a configuration that has ended, and no tick comes to send what they come to.
    call(&mut vm, "cyd");
    assert_eq!((logged(&shared).len(), vm.http_calls().len()), (3, 1));
    assert_eq!(delivered(&shared, "dropped"), 3);
}

#[test]
fn hosts_that_make_no_requests_from_a_tick_log() {
    for profile in [Profile::Wasmx, Profile::Apisix] {
        let shared = Shared::new();
        let mut vm = vm(profile, &shared, "otlp", false);
        call(&mut vm, "ana");
        assert_eq!(
            (logged(&shared).len(), vm.http_calls().len(), vm.tick_period()),
            (1, 0, None),
            "{profile}"
        );
    }
}
