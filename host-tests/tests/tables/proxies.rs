//! What each proxy carries out of a decision, tried through the built filter on a host that does as that proxy does.

use super::document::table;
use super::scene::{edited, gave_way, one, policy, reaching, run, tells};
use serde_json::{Value, json};
use tokenstile_host::cases::{Seen, Wasmtime, filter};
use tokenstile_host::host::{Answer, LogLine, Profile, Request, Shared, Vm, VmConfig, drive};

/// A proxy as a column has it.
struct Proxy {
    profile: Profile,
    holds: bool,
    runner: Wasmtime,
}

impl Proxy {
    fn new(profile: Profile, holds: bool) -> Self {
        let runner = Wasmtime::of(filter::module().unwrap(), profile, holds, 2);
        Self { profile, holds, runner }
    }

    fn one(&self, policy: &Value, call: &Value, answer: &Value) -> Seen {
        one(&self.runner, policy, call, answer)
    }

    /// A plain call that reaches this step.
    fn reaches(&self, step: &Value) -> Seen {
        self.one(&reaching(step), &chat(), &json!({"status": 200}))
    }

    /// A plain call under a policy with these keys.
    fn under(&self, keys: &Value) -> Seen {
        self.one(&policy(&json!([{"at": "100%", "deny": {}}]), keys), &chat(), &json!({"status": 200}))
    }
}

fn chat() -> Value {
    chat_with(&json!({}))
}

fn chat_with(more: &Value) -> Value {
    let mut body = json!({"model": "gpt-4o", "messages": [{"role": "user", "content": "hi"}]});
    body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    json!({"host": "api.openai.com", "path": "/v1/chat/completions", "body": {"json": body}})
}

fn streamed(usage: [u64; 2]) -> Value {
    let deltas = vec![" one two three four five six"; 20];
    json!({"stream": {"deltas": deltas, "usage": usage}})
}

fn yes_or(is: bool, no: &str) -> String {
    if is { "yes" } else { no }.to_owned()
}

/// What needs nothing but an answer of ours, or a header of the provider's.
fn answers(proxy: &Proxy) -> String {
    let warned = proxy.reaches(&json!({"warn": {}}));
    let charged = proxy.reaches(&json!({"overage": {"usd_per_request": "1"}}));
    let told = tells(&warned, "x-tokenstile-warning") && tells(&charged, "x-tokenstile-overage");
    let limit = json!([{"name": "short", "limit": {"prompt_tokens": 1}, "over": {"deny": {}}}]);
    let refused = [
        (proxy.reaches(&json!({"confirm": {}})), 402),
        (proxy.reaches(&json!({"deny": {}})), 429),
        (proxy.under(&json!({"blocks": [{"name": "stop"}]})), 403),
        (proxy.under(&json!({"request_limits": limit})), 400),
    ];
    let refused =
        refused.iter().all(|(seen, status)| seen.status == Some(*status) && seen.upstream.is_none());
    yes_or(told && refused, "no")
}

/// Two calls, each in a worker of its own.
fn workers(proxy: &Proxy) -> String {
    let mut policy = policy(&json!([{"at": "100%", "deny": {}}]), &json!({}));
    policy["budgets"][0]["limit"] = json!({"requests": 1});
    let step = json!({"call": chat(), "answer": {"completion": {"content": "hi", "usage": [8, 1]}}});
    let seen = run(&proxy.runner, &policy, &json!([step, step]));
    yes_or(seen[1].status == Some(429), "each worker has its own")
}

fn in_body(proxy: &Proxy) -> String {
    let call = chat_with(&json!({"max_tokens": 900}));
    let steps = [json!({"clamp": {"max_output_tokens": 64}}), json!({"downgrade": "small"})];
    let places =
        steps.map(|step| edited(&proxy.one(&reaching(&step), &call, &json!({"status": 200})), &call));
    match places.each_ref().map(String::as_str) {
        ["`max_tokens`", "`model`"] => "yes".to_owned(),
        ["next step", "next step"] => "bodies cannot be changed".to_owned(),
        other => panic!("{other:?}"),
    }
}

fn in_path(proxy: &Proxy) -> String {
    let contents = json!({"contents": [{"role": "user", "parts": [{"text": "hi"}]}]});
    let call = json!({"host": "generativelanguage.googleapis.com",
        "path": "/v1beta/models/gemini-2.5-pro:generateContent", "body": {"json": contents}});
    let seen = proxy.one(&reaching(&json!({"downgrade": "small"})), &call, &json!({"status": 200}));
    assert_eq!(edited(&seen, &call) == "the path", !gave_way(&seen));
    yes_or(!gave_way(&seen), "next step")
}

fn routing_headers(proxy: &Proxy) -> String {
    let routes = json!([{"name": "pool", "set": {"headers": {"x-pool": "cheap"}}}]);
    let seen = proxy.under(&json!({"routes": routes}));
    yes_or(seen.upstream.unwrap().headers.text("x-pool").as_deref() == Some("cheap"), "not set")
}

/// Where a call is sent back, whoever comes in the second half of a turn goes on: one of two calls is sent back.
fn delay(proxy: &Proxy) -> String {
    let policy = reaching(&json!({"delay": {"up_to": "1s"}}));
    let steps = json!([{"clock": "2026-11-23T17:00:00Z", "call": chat()}, {"clock": "2026-11-23T17:00:01Z", "call": chat()}]);
    let seen = run(&proxy.runner, &policy, &steps);
    let held = seen.iter().all(|seen| seen.status == Some(200) && tells(seen, "x-tokenstile-delay-ms"));
    let sent_back = seen.iter().any(|seen| seen.status == Some(429) && tells(seen, "retry-after"));
    assert_ne!(held, sent_back);
    if held { "the call is held" } else { "it is sent back" }.to_owned()
}

fn stream_usage(proxy: &Proxy) -> String {
    let call = chat_with(&json!({"stream": true}));
    let policy = policy(&json!([{"at": "100%", "deny": {}}]), &json!({}));
    let seen = proxy.one(&policy, &call, &streamed([8, 120]));
    let asks = edited(&seen, &call) == "`stream_options.include_usage`";
    let record = &seen.records.as_ref().unwrap()[0];
    let is_stripped = !String::from_utf8_lossy(&seen.body).contains("prompt_tokens");
    assert_eq!(asks, is_stripped, "who is asked for more than the client wants does not tell the client");
    assert_eq!(record["usage"]["output"], 120);
    yes_or(asks, "not asked: text is counted")
}

fn stream_stop(proxy: &Proxy) -> String {
    let change = json!({"expected_output_tokens": 1});
    let mut policy = policy(&json!([{"at": "100%", "deny": {"streams": "stop"}}]), &change);
    policy["budgets"][0]["limit"] = json!({"tokens": 60});
    let seen = proxy.one(&policy, &chat_with(&json!({"stream": true})), &streamed([8, 120]));
    let is_stopped = seen.records.as_ref().unwrap()[0]["ending"] == "stopped";
    assert_eq!(is_stopped, String::from_utf8_lossy(&seen.body).contains("insufficient_quota"));
    yes_or(is_stopped, "they go on")
}

fn stream_notes(proxy: &Proxy) -> String {
    let policy = policy(&json!([{"at": "100%", "deny": {}}]), &json!({"stream_notes": true}));
    let seen = proxy.one(&policy, &chat_with(&json!({"stream": true})), &streamed([8, 120]));
    yes_or(String::from_utf8_lossy(&seen.body).contains("\n: tokenstile {"), "no")
}

/// An alert, by the first tick behind the call that raised it.
fn alerts(proxy: &Proxy) -> String {
    let sink = json!({"oncall": {"cloudevents": {"cluster": "events", "authority": "events.test"}}});
    let change = json!({"alerts": sink, "hold_headers": proxy.holds});
    let policy = policy(&json!([{"at": "1%", "alert": "oncall"}]), &change);
    let shared = Shared::new();
    let mut config = VmConfig::new(proxy.profile, policy.to_string());
    config.hold_headers = proxy.holds;
    let mut vm = Vm::new(&filter::module().unwrap(), &shared, config).unwrap();
    let body = chat()["body"]["json"].to_string();
    let answer = r#"{"usage":{"prompt_tokens":8,"completion_tokens":1}}"#;
    drive(&mut vm, Request::post("/v1/chat/completions", body), move |_| Answer::json(200, answer));
    let logged =
        shared.log().lines().iter().map(LogLine::text).any(|line| line.contains("tokenstile-alert "));
    assert!(logged, "every alert stands in the log");
    if vm.tick_period().is_some() {
        vm.tick().unwrap();
    }
    yes_or(!vm.http_calls().is_empty(), "a line in the log")
}

type Cell = fn(&Proxy) -> String;

const ROWS: [(&str, Cell); 10] = [
    ("`warn`, `overage`, `confirm`, `deny`, blocks and limits", answers),
    ("one budget for all workers of a proxy", workers),
    ("`clamp`, `downgrade`: what stands in the body", in_body),
    ("`downgrade` of a model in the path", in_path),
    ("headers for the proxy's own routing", routing_headers),
    ("`delay`", delay),
    ("streams asked for their usage, which is taken out again", stream_usage),
    ("streams stopped", stream_stop),
    ("notes behind streams", stream_notes),
    ("alerts called out", alerts),
];

pub(crate) fn carried_out() -> String {
    let columns = [
        ("Envoy with `hold_headers`", Proxy::new(Profile::Envoy, true)),
        ("Envoy without `hold_headers`", Proxy::new(Profile::Envoy, false)),
        ("WasmX (Kong)", Proxy::new(Profile::Wasmx, false)),
        ("APISIX", Proxy::new(Profile::Apisix, false)),
    ];
    let head: Vec<&str> = [""].into_iter().chain(columns.iter().map(|(name, _)| *name)).collect();
    let row = |(what, cell): &(&str, Cell)| -> Vec<String> {
        [(*what).to_owned()].into_iter().chain(columns.iter().map(|(_, proxy)| cell(proxy))).collect()
    };
    table(&head, &ROWS.iter().map(row).collect::<Vec<_>>())
}
