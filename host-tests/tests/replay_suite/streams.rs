//! Budgets that stop streams, over a trace: what is charged of a call that would have ended early.

use super::{LASTS, TIMING, file, replayed};
use serde_json::{Value, json};
use std::fmt::Write as _;
use tokenstile_host::cases::filter;
use tokenstile_host::replay::filter::Filter;
use tokenstile_host::replay::trace::{Ordered, Progress, Setting, open};
use tokenstile_host::replay::{Replay, Report, policy};

/// Streams end where 500 tokens are used up.
fn stopping(more: &Value) -> Value {
    let mut policy = json!({
        "version": 1, "name": "t", "expected_output_tokens": 100, "identity": {"user": ["header:x-user-id"]},
        "budgets": [{"name": "daily", "per": ["user"], "limit": {"tokens": 500}, "window": {"calendar": "day"},
            "ladder": [{"at": "100%", "deny": {"streams": "stop"}}]}],
    });
    policy.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    policy
}

/// A cost record of a call that used 100 tokens of input and 900 of output.
fn record(streams: Option<bool>) -> String {
    let mut record = json!({
        "time": "2026-11-22T12:00:00Z", "duration_ms": 10_000, "dialect": "openai-chat", "identity": {"user": "ann"},
        "model_requested": "gpt-4o", "model_served": "gpt-4o", "status": 200, "ending": "complete",
        "usage": {"input": 100, "output": 900, "reasoning": 200, "source": "reported"}, "price": "openai/gpt-4o",
    });
    if let Some(streams) = streams {
        record["stream"] = streams.into();
    }
    format!("tokenstile-record {record}\n")
}

/// gpt-4o: $2.50 and $10 a million.
const fn cost(input: i64, output: i64) -> i64 {
    input * 2_500 + output * 10_000
}

#[test]
fn a_stream_is_charged_up_to_where_it_is_stopped() {
    let report = replayed("stopped", &record(Some(true)), &[&stopping(&json!({})).to_string()]);
    let all = &report.policy;
    // 400 tokens of text behind the prompt, and the reasoning that does not show.
    assert_eq!((all.without.cost_nano_usd, all.with.cost_nano_usd), (cost(100, 900), cost(100, 600)));
    assert_eq!((all.stopped, all.may_stop, all.refused), (1, 0, 0));
    assert_eq!((all.levers["stop"].calls, all.levers["stop"].saved_nano_usd), (1, cost(0, 300)));
    assert_eq!(all.rules[0].said["stop"], 1);
    assert_eq!(all.rules[0].overshoot, 200, "the budget books what came");
}

#[test]
fn what_is_no_stream_goes_on_and_what_may_be_one_is_told() {
    for (streams, may_stop) in [(Some(false), 0), (None, 1)] {
        let report = replayed("goes-on", &record(streams), &[&stopping(&json!({})).to_string()]);
        let all = &report.policy;
        assert_eq!(all.with.cost_nano_usd, cost(100, 900), "{streams:?}");
        assert_eq!((all.stopped, all.may_stop), (0, may_stop), "{streams:?}");
    }
}

#[test]
fn in_shadow_mode_it_is_told_and_charged_whole() {
    let policy = stopping(&json!({"mode": "shadow"})).to_string();
    let all = replayed("shadow-stop", &record(Some(true)), &[&policy]).policy;
    assert_eq!((all.stopped, all.with.cost_nano_usd), (0, cost(100, 900)));
    assert_eq!(all.rules[0].said["deny"], 1);
}

/// A recorded stream of OpenAI's with so many words.
fn exchange(user: &str, words: usize) -> String {
    let mut stream = String::new();
    for _ in 0..words {
        let delta = json!({"model": "gpt-4o", "choices": [{"index": 0, "delta": {"content": " word"}}]});
        let _ = write!(stream, "data: {delta}\n\n");
    }
    let usage = json!({"prompt_tokens": 8, "completion_tokens": words, "total_tokens": words + 8});
    let _ = write!(stream, "data: {}\n\ndata: [DONE]\n\n", json!({"choices": [], "usage": usage}));
    let body = json!({"model": "gpt-4o", "stream": true, "stream_options": {"include_usage": true},
        "messages": [{"role": "user", "content": "hi"}]});
    let line = json!({
        "method": "POST", "url_host": "api.openai.com", "url_path": "/v1/chat/completions",
        "request_headers": {"x-user-id": user, "content-type": "application/json"},
        "request_body": body.to_string(), "response_status": 200,
        "response_headers": {"content-type": "text/event-stream"}, "response_body": stream,
    });
    format!("{line}\n")
}

pub(crate) fn through_the_filter(name: &str, text: &str, document: &Value) -> Report {
    let policy = policy::parse(&document.to_string(), false).unwrap().policy;
    let filter = Filter::new(&filter::module().unwrap(), document).unwrap();
    let mut replay = Replay::new(policy, None, Some(filter), LASTS);
    let reads = open(&file(name, text.as_bytes()), &Setting::default(), &Progress::default()).unwrap();
    let mut read = Ordered::new(vec![reads], TIMING);
    for (now, call) in read.by_ref() {
        replay.call(&call, now).unwrap();
    }
    replay.finish(&read)
}

/// Event by event, and the client hangs up when it reads the error: the filter books the same.
#[test]
fn the_filter_stops_a_recorded_stream_where_the_engine_says() {
    let text = [exchange("ann", 900), exchange("ben", 300)].concat();
    let report = through_the_filter("filter-stop", &text, &stopping(&json!({})));
    let agreement = report.filter.unwrap();
    assert_eq!((agreement.calls, agreement.different), (2, 0), "{:?}", agreement.differences);
    let all = &report.policy;
    assert_eq!(all.stopped, 1);
    // The event that passes 492 tokens, and the one behind it, by which it is known that more comes.
    let output = i64::try_from(all.with.output_tokens).unwrap() - 300;
    assert!((493..=495).contains(&output), "{output}");
    assert_eq!(all.levers["stop"].saved_nano_usd, cost(0, 900 - output));
}
