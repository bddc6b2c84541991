//! Owns the comparison of what a case expects with what was seen. Called by `suite.rs`. It must not know who ran
//! the case.

use super::body::{Answering, Sending};
use super::format::{Expect, Upstream};
use super::matcher::mismatch;
use super::{Exchange, Seen};
use crate::host::HeaderMap;
use crate::metrics;
use serde_json::Value;
use std::collections::BTreeMap;

/// Something that is not as expected.
#[derive(Clone, Debug)]
pub struct Difference {
    /// What is wrong, as one line.
    pub text: String,
    /// Where in `expect` it is asked for, such as `headers.x-tokenstile-rule`; empty if no single place asks.
    pub at: String,
    /// What stands there.
    pub expected: Value,
    /// What was seen.
    pub got: Option<Value>,
}

impl From<String> for Difference {
    fn from(text: String) -> Self {
        Self { text, at: String::new(), expected: Value::Null, got: None }
    }
}

/// The value at a place of `expect`, where it is not what was seen.
fn compare(wrong: &mut Vec<Difference>, label: &str, at: String, expected: &Value, got: Option<Value>) {
    if let Some(found) = mismatch(expected, got.as_ref()) {
        let text = format!("{label}: {found}");
        wrong.push(Difference { text, at, expected: expected.clone(), got });
    }
}

/// Everything in which `seen` is not what was expected.
pub(crate) fn differences(expect: &Expect, exchange: &Exchange, seen: &Seen) -> Vec<Difference> {
    let mut wrong: Vec<Difference> = seen.problems.iter().cloned().map(Difference::from).collect();
    let (sent, answer) = match (Sending::of(&exchange.call), Answering::of(&exchange.answer)) {
        (Ok(sent), Ok(answer)) => (sent, answer),
        (sent, answer) => {
            wrong.extend(sent.err().into_iter().chain(answer.err()).map(Difference::from));
            return wrong;
        }
    };
    client(expect, exchange, &answer, seen, &mut wrong);
    upstream(expect, &sent, &answer, seen, &mut wrong);
    accounts(expect, seen, &mut wrong);
    wrong
}

fn client(
    expect: &Expect,
    exchange: &Exchange,
    answer: &Answering,
    seen: &Seen,
    wrong: &mut Vec<Difference>,
) {
    if let Some(status) = &expect.status {
        compare(wrong, "status", "status".to_owned(), status, seen.status.map(Value::from));
    }
    let usual = match (exchange.call.hang_up, answer.cut) {
        (Some(_), _) => "client_gone",
        (None, true) if seen.upstream.is_some() => "cut",
        _ => "complete",
    };
    let ended = expect.ended.as_deref().unwrap_or(usual);
    compare(wrong, "ended", "ended".to_owned(), &ended.into(), Some(seen.ended.clone().into()));
    for (name, value) in &expect.headers {
        let got = header(&seen.headers, name);
        compare(wrong, &format!("header {name}"), format!("headers.{name}"), value, got);
    }
    if let Some(body) = &expect.body {
        let text = Value::from(String::from_utf8_lossy(&seen.body));
        compare(wrong, "body", "body".to_owned(), body, Some(text));
    }
    json(&expect.json, &seen.body, ("body", "json"), wrong);
    let passed = seen.upstream.is_some() && !answer.unreachable && exchange.call.hang_up.is_none();
    // An answer passes as it is, unless a case says what else comes.
    if passed && expect.body.is_none() && seen.body != answer.body() {
        wrong.push(format!("body: the answer was changed on the way: `{}`", lossy(&seen.body)).into());
    }
}

fn upstream(expect: &Expect, sent: &Sending, answer: &Answering, seen: &Seen, wrong: &mut Vec<Difference>) {
    let mut say = |what: &str, found: Option<String>| {
        wrong.extend(found.map(|found| format!("{what}: {found}").into()));
    };
    let body = seen.upstream.as_ref().map(|got| got.body.clone()).unwrap_or_default();
    let same = |expected: Vec<u8>| {
        let found = format!("expected `{}`, got `{}`", lossy(&expected), lossy(&body));
        (seen.upstream.is_none() || expected != body).then_some(found)
    };
    match &expect.upstream {
        None => {}
        Some(Upstream::Nothing) => {
            say("upstream", seen.upstream.as_ref().map(|_| "expected nothing, got a request".to_owned()));
        }
        Some(Upstream::SameBody) => say("upstream body", same(sent.body())),
        Some(Upstream::SameBodyBut(from, to)) => {
            let text = String::from_utf8_lossy(&sent.body()).replacen(from, to, 1);
            say("upstream body", same(text.into_bytes()));
        }
        Some(Upstream::Untouched) => {
            say("upstream body", same(sent.body()));
            let got = seen.upstream.as_ref().map(|got| got.headers.clone()).unwrap_or_default();
            say("upstream headers", lost(&sent.headers, &got));
            say("headers", lost(&answer.headers, &seen.headers));
            let ours = seen
                .headers
                .iter()
                .find(|(name, _)| name.starts_with(b"x-tokenstile") || name.starts_with(b"ratelimit"));
            say("headers", ours.map(|(name, _)| format!("`{}` was added", lossy(name))));
            let counted = seen
                .counters
                .as_ref()
                .and_then(|counters| counters.keys().find(|name| name.starts_with("tokenstile")));
            say("counters", counted.map(|name| format!("`{name}` grew")));
        }
    }
    json(&expect.upstream_json, &body, ("upstream body", "upstream_json"), wrong);
    let got = seen.upstream.clone().unwrap_or_default();
    for (name, value) in &expect.upstream_headers {
        let (label, at) = (format!("upstream header {name}"), format!("upstream_headers.{name}"));
        compare(wrong, &label, at, value, header(&got.headers, name));
    }
    for (name, value) in &expect.upstream_trailers {
        let (label, at) = (format!("upstream trailer {name}"), format!("upstream_trailers.{name}"));
        compare(wrong, &label, at, value, header(&got.trailers, name));
    }
}

/// A metered call has one record, any other none.
fn accounts(expect: &Expect, seen: &Seen, wrong: &mut Vec<Difference>) {
    let none = expect.no_record || expect.upstream == Some(Upstream::Untouched);
    if let Some(records) = &seen.records {
        let wanted = usize::from(!none);
        if records.len() != wanted {
            wrong.push(format!("records: expected {wanted}, got {}", records.len()).into());
        }
        for (place, value) in expect.record.iter().flatten() {
            let got = records.first().and_then(|record| record.pointer(place)).cloned();
            compare(wrong, &format!("record {place}"), format!("record.{place}"), value, got);
        }
    }
    if let (Some(expected), Some(got)) = (&expect.alerts, &seen.alerts) {
        if expected.len() != got.len() {
            let listed = Value::from(got.clone());
            wrong.push(format!("alerts: expected {}, got {}: {listed}", expected.len(), got.len()).into());
        }
        for (i, (places, alert)) in expected.iter().zip(got).enumerate() {
            for (place, value) in places {
                let (label, at) = (format!("alert {} {place}", i + 1), format!("alerts[{i}].{place}"));
                compare(wrong, &label, at, value, alert.pointer(place).cloned());
            }
        }
    }
    if let Some(counters) = &seen.counters {
        for (name, value) in &expect.counters {
            let got = metrics::sum(counters.iter().map(|(name, n)| (name.as_str(), *n)), name);
            let got = got.map(Value::from);
            compare(wrong, &format!("counter {name}"), format!("counters.{name}"), value, got);
        }
    }
}

fn json(
    places: &BTreeMap<String, Value>,
    body: &[u8],
    (label, key): (&str, &str),
    wrong: &mut Vec<Difference>,
) {
    if places.is_empty() {
        return;
    }
    let Ok(document) = serde_json::from_slice::<Value>(body) else {
        return wrong.push(format!("{label}: no JSON: `{}`", lossy(body)).into());
    };
    for (place, value) in places {
        let got = document.pointer(place).cloned();
        compare(wrong, &format!("{label} {place}"), format!("{key}.{place}"), value, got);
    }
}

/// The first header of `sent` that did not arrive as it was.
fn lost(sent: &HeaderMap, got: &HeaderMap) -> Option<String> {
    let pair = |(name, value): (&[u8], &[u8])| format!("`{}: {}`", name.escape_ascii(), value.escape_ascii());
    sent.iter()
        .find(|(name, value)| got.joined(name).as_deref() != Some(*value))
        .map(|h| format!("{} did not arrive", pair(h)))
}

fn header(headers: &HeaderMap, name: &str) -> Option<Value> {
    let value = headers.joined(name.as_bytes())?;
    Some(String::from_utf8(value).unwrap_or_else(|raw| raw.into_bytes().escape_ascii().to_string()).into())
}

fn lossy(bytes: &[u8]) -> String {
    let text = String::from_utf8_lossy(bytes);
    if text.len() > 600 {
        format!("{}… ({} bytes)", text.chars().take(600).collect::<String>(), bytes.len())
    } else {
        text.into_owned()
    }
}
