//! Owns the explanation of one call: every step from its bytes to the decision, as the engine takes them. Called by
//! `tokenstile explain`. It must not decide anything: the call runs through the engine, and this tells what was seen.

mod budgets;
mod facts;
mod rules;

use crate::cases::{BodyText, Call, Exchange, Runner, ScriptedAnswer, Seen, Used};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value, json};
use similar::TextDiff;
use std::collections::BTreeMap;
use tokenstile_engine::policy::Policy;
use tokenstile_engine::units::{Amount, EpochMs};

/// A call to be explained.
#[derive(Debug, Clone, Default)]
pub struct Request {
    /// Its method.
    pub method: String,
    /// Its path, with its query.
    pub path: String,
    /// The host that it goes to.
    pub host: String,
    /// Its headers.
    pub headers: Vec<(String, String)>,
    /// Its body.
    pub body: Vec<u8>,
    /// What the proxy knows beside it, by dotted name as Envoy has it.
    pub properties: Vec<(String, String)>,
}

/// One step, and what is to be said of it.
#[derive(Debug, Clone)]
pub struct Step {
    /// Its name.
    pub title: &'static str,
    /// What happened in it.
    pub lines: Vec<String>,
}

/// An explanation.
#[derive(Debug, Clone)]
pub struct Explanation {
    /// For people.
    pub steps: Vec<Step>,
    /// `allow`, `warn`, …; empty for a call that is not metered.
    pub decision: String,
    /// The cost record that the filter would write before any answer; null for a call that is not metered.
    pub record: Value,
    /// The status with which the filter answers by itself, if it does.
    pub refused: Option<u16>,
}

/// Explains a call that comes now, to a ledger in which nothing stands but `used` of the budgets named there.
///
/// # Errors
/// The policy is wrong, or the call cannot be made.
pub fn explain(
    policy: &Value,
    request: &Request,
    used: &[(String, Amount)],
    now: EpochMs,
) -> Result<Explanation, String> {
    let compiled = crate::check::policy(&policy.to_string()).map_err(|errors| errors.to_string())?;
    let call = call(request);
    let seen = run(policy, &call, used.to_vec(), now)?;
    let record = seen.records.iter().flatten().next().cloned().unwrap_or_default();
    let refused = seen.upstream.is_none().then_some(seen.status).flatten();
    let mut steps = facts::steps(&compiled, request, now);
    if !record.is_null() {
        steps.push(identity(policy, &compiled, &call, &record, now));
        let (policy, compiled, call, record) = (policy, &compiled, &call, &record);
        steps.extend(rules::step(&rules::Asked { policy, compiled, call, used, record, now }));
        steps.push(budgets::step(compiled, policy, &seen, record));
    }
    steps.push(decision(&record, refused));
    steps.push(edits(request, &seen));
    steps.push(answer(&seen, refused));
    let decision = record.get("decision").and_then(Value::as_str).unwrap_or_default().to_owned();
    Ok(Explanation { steps, decision, record, refused })
}

fn call(request: &Request) -> Call {
    let host = if request.host.is_empty() { "llm.test" } else { &request.host };
    Call {
        method: request.method.clone(),
        path: request.path.clone(),
        host: host.to_owned(),
        headers: request.headers.iter().cloned().collect(),
        body: (!request.body.is_empty()).then(|| BodyText::Base64(STANDARD.encode(&request.body))),
        pieces: 1,
        chunked: false,
        trailers: None,
        hang_up: None,
        properties: request.properties.iter().cloned().collect(),
    }
}

fn run(policy: &Value, call: &Call, used: Vec<(String, Amount)>, now: EpochMs) -> Result<Seen, String> {
    let mut run = Used(used).begin(policy)?;
    run.set_clock(now.0);
    let answer = serde_json::from_value::<ScriptedAnswer>(json!({})).map_err(|error| error.to_string())?;
    let exchange = Exchange { call: call.clone(), answer };
    run.calls(&[exchange])?.into_iter().next().ok_or_else(|| "the call was not made".to_owned())
}

/// Each dimension, and which of its sources yielded: each is asked alone.
fn identity(policy: &Value, compiled: &Policy, call: &Call, record: &Value, now: EpochMs) -> Step {
    let mut lines = Vec::new();
    for dimension in &compiled.identity {
        let name = &dimension.name;
        let value = record
            .pointer("/identity")
            .and_then(|all| all.get(name))
            .and_then(Value::as_str)
            .unwrap_or_default();
        let sources = policy.pointer(&format!("/identity/{name}")).and_then(Value::as_array);
        let mut chain = Vec::new();
        for source in sources.into_iter().flatten() {
            let alone = alone(policy, name, source, call, now);
            let text = source.as_str().unwrap_or_default();
            match alone.as_deref() {
                None | Some("") => chain.push(format!("{text} yields nothing")),
                Some(_) => {
                    chain.push(format!("{text} yields it"));
                    break;
                }
            }
        }
        let value = if value.is_empty() { "unknown".to_owned() } else { format!("`{value}`") };
        lines.push(format!("{name} is {value}: {}", chain.join(", ")));
    }
    if compiled.identity.is_empty() {
        lines.push("the policy tells nobody apart".to_owned());
    }
    if record.get("exempt") == Some(&Value::Bool(true)) {
        lines.push("no budget restricts this caller (`exempt`)".to_owned());
    }
    Step { title: "Who pays", lines }
}

/// The value of a dimension if it had this source alone.
fn alone(policy: &Value, name: &str, source: &Value, call: &Call, now: EpochMs) -> Option<String> {
    let mut small = Map::new();
    for key in ["version", "name", "jwt", "trusted_hops", "hash_seed", "unknown", "max_body_bytes"] {
        small.extend(policy.get(key).map(|value| (key.to_owned(), value.clone())));
    }
    small.insert("identity".to_owned(), json!({ name: [source] }));
    let seen = run(&Value::Object(small), call, Vec::new(), now).ok()?;
    let record = seen.records?.into_iter().next()?;
    record.get("identity")?.get(name)?.as_str().map(str::to_owned)
}

fn decision(record: &Value, refused: Option<u16>) -> Step {
    let text = |key: &str| record.get(key).and_then(Value::as_str).unwrap_or_default();
    let mut lines = Vec::new();
    match (record.is_null(), refused) {
        (true, None) => lines.push("it passes, untouched and unmetered".to_owned()),
        (true, Some(status)) => lines.push(format!("it is refused with status {status}")),
        (false, _) => {
            let by = if text("rule").is_empty() { String::new() } else { format!(", by `{}`", text("rule")) };
            lines.push(format!("{}{by}", text("decision")));
        }
    }
    let skipped =
        record.get("skipped").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str);
    lines.extend(skipped.map(|why| format!("a step could not be carried out: {why}")));
    let shadow = record.get("shadow").and_then(Value::as_object).into_iter().flatten();
    lines.extend(shadow.map(|(rule, what)| {
        format!("`{rule}` would have said {}; it is in shadow", what.as_str().unwrap_or_default())
    }));
    lines.extend(record.get("failure").and_then(Value::as_str).map(|why| format!("something failed: {why}")));
    Step { title: "Decision", lines }
}

/// What goes upstream, as a difference from what came.
fn edits(request: &Request, seen: &Seen) -> Step {
    let title = "What goes upstream";
    let Some(saw) = &seen.upstream else {
        return Step { title, lines: vec!["nothing".to_owned()] };
    };
    let mut lines = Vec::new();
    let path = saw.headers.text(":path").unwrap_or_default();
    if path != request.path {
        lines.extend([format!("-path {}", request.path), format!("+path {path}")]);
    }
    let gone = request.headers.iter().filter(|(name, _)| saw.headers.first(name).is_none());
    lines.extend(gone.map(|(name, value)| format!("-{name}: {value}")));
    if saw.body != request.body {
        // One line a member, so that the difference is one.
        let spread =
            |body: &[u8]| String::from_utf8_lossy(body).replace(",\"", ",\n\"").replace(", \"", ",\n\"");
        let (before, after) = (spread(&request.body), spread(&saw.body));
        let diff = TextDiff::from_lines(before.as_str(), after.as_str());
        let diff = diff.unified_diff().context_radius(1).missing_newline_hint(false).to_string();
        lines.extend(diff.lines().filter(|line| !line.starts_with("@@")).map(str::to_owned));
    }
    if lines.is_empty() {
        lines.push("the request as it came".to_owned());
    }
    Step { title, lines }
}

fn answer(seen: &Seen, refused: Option<u16>) -> Step {
    // The provider's body is not known here, so neither is its length.
    let is_told = |name: &[u8]| refused.is_some() || name != b"content-length";
    let ours: BTreeMap<String, String> = seen
        .headers
        .iter()
        .filter(|(name, _)| is_told(name))
        .map(|(name, value)| {
            (String::from_utf8_lossy(name).into_owned(), String::from_utf8_lossy(value).into_owned())
        })
        .collect();
    let headers = ours.iter().map(|(name, value)| format!("{name}: {value}"));
    let lines: Vec<String> = match refused {
        Some(status) => {
            let body = serde_json::from_slice::<Value>(&seen.body).map(|body| format!("{body:#}"));
            let body = body.unwrap_or_else(|_| String::from_utf8_lossy(&seen.body).into_owned());
            let head = std::iter::once(format!("status {status}"));
            head.chain(headers).chain(body.lines().map(str::to_owned)).collect()
        }
        None if ours.is_empty() => vec!["the provider's, as it comes".to_owned()],
        None => std::iter::once("the provider's, and beside it".to_owned()).chain(headers).collect(),
    };
    Step { title: "What the client gets", lines }
}
