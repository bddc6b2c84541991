//! Traffic of every kind that the dashboard shows: features, tenants, users, models, arms, caches, refusals.

use crate::bodies::GZIP;
use crate::client::{Call, Client};
use crate::noon::zone_where_it_is_noon;
use hyper::Method;
use serde_json::{Value, json};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

const CLIENTS: u64 = 6;
/// Of a client, from the end of a call to the next one.
const PAUSE: Duration = Duration::from_millis(60);

/// `times` as much as is used up within seconds.
pub(crate) fn policy(times: u32) -> Value {
    let usd = |cents: u32| json!({"usd": format!("{}.{:02}", cents * times / 100, cents * times % 100)});
    let day = json!({"calendar": "day", "timezone": zone_where_it_is_noon()});
    json!({
        "version": 1, "name": "dashboard", "hold_headers": true,
        "identity": {"feature": ["header:x-feature"], "tenant": ["header:x-tenant"], "user": ["header:x-user-id"],
            "conversation": ["header:x-conversation"]},
        "metrics": {"labels": ["feature", "tenant", "user"]},
        "alerts": {"ops": {"log": {}}},
        "downgrades": {"economy": [{"from": "gpt-4o", "to": "gpt-4o-mini"}, {"from": "gpt-4.1", "to": "gpt-4.1-mini"}]},
        "blocks": [{"name": "stop-agents", "match": {"feature": "agents"}}],
        "routes": [{"name": "mini-trial", "match": {"feature": "chat"}, "split": {"by": "user", "arms": [
            {"name": "control", "weight": 500}, {"name": "mini", "weight": 500, "set": {"model": "gpt-4o-mini"}}]}}],
        "overrides": [{"match": {"tenant": "initech"}, "budget": "tenant-day", "limit": usd(5)},
            {"match": {"tenant": "globex"}, "budget": "tenant-day", "limit": usd(60)},
            // Whose calls cost the most, for nobody knows their price, and go on.
            {"match": {"tenant": "hooli"}, "budget": "tenant-day", "limit": usd(150_000)}],
        "budgets": [
            {"name": "everything", "per": [], "limit": usd(20_000), "window": day, "ladder": [{"at": "100%", "deny": {}}]},
            {"name": "tenant-day", "per": ["tenant"], "limit": usd(300), "window": day, "ladder": [
                {"at": "20%", "warn": {}, "alert": "ops"}, {"at": "50%", "clamp": {"max_output_tokens": 200}},
                {"at": "70%", "downgrade": "economy"}, {"at": "100%", "deny": {}, "alert": "ops"}]},
            {"name": "next-month", "mode": "shadow", "per": ["user"], "limit": {"tokens": 20_000 * times}, "window": day,
                "ladder": [{"at": "100%", "deny": {}}]},
            {"name": "conversation", "per": ["conversation"], "limit": {"requests": 100}, "window": {"rolling": "1h"},
                "ladder": [{"at": "100%", "deny": {}}]},
        ],
    })
}

/// Traffic until it is dropped.
pub(crate) struct Traffic(Arc<AtomicBool>);

impl Traffic {
    pub(crate) fn start(url: &str) -> Self {
        let (ends, number) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
        for _ in 0..CLIENTS {
            let (client, ends, number) = (Client::http1(url.to_owned()), ends.clone(), number.clone());
            tokio::spawn(async move {
                while !ends.load(Ordering::Relaxed) {
                    client.send(call(number.fetch_add(1, Ordering::Relaxed))).await;
                    tokio::time::sleep(PAUSE).await;
                }
            });
        }
        Self(ends)
    }
}

impl Drop for Traffic {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// The `n`th call, always the same.
fn call(n: u64) -> Call {
    // Of a linear congruential generator, so that nothing is in step with anything.
    let die = (n.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407)) >> 33;
    let of = |words: &[&'static str], salt: u64| {
        words[usize::try_from((die / salt) % words.len() as u64).unwrap()]
    };
    let feature = of(&["chat", "chat", "chat", "search", "search", "reports", "agents"], 1);
    let kind = die / 126 % 50;
    let tenant =
        if kind < 2 { "hooli" } else { of(&["acme", "acme", "acme", "globex", "globex", "initech"], 7) };
    let user = format!("{tenant}-{}", of(&["ana", "ben", "chloe"], 42));
    // Reports are long, and come in waves.
    let wave = (n / 400) % 2;
    let output = 40 + die % 200 + if feature == "reports" { 600 * wave } else { 0 };
    let text = "All work and no play makes Jack a dull boy. ".repeat(5 + usize::try_from(die % 60).unwrap());
    let message = json!([{"role": "user", "content": text}]);
    let openai = |body: Value| Call::chat(body.to_string());
    let call = match (kind, feature) {
        (0, _) => openai(json!({"model": "house-model", "messages": message})),
        (1, _) => Call::chat(GZIP)
            .header("content-encoding", "gzip")
            .header("x-sim-any-body", "1")
            .header("x-sim-prompt-tokens", "100"),
        (2, _) => openai(json!({"model": "gpt-4o", "messages": message})).header("x-sim-status", "500"),
        (_, "search") => openai(json!({"model": "gpt-4o-mini", "messages": message})),
        (_, "reports") => Call::new(Method::POST, "/v1/messages")
            .header("content-type", "application/json")
            .body(json!({"model": "claude-sonnet-4-5", "max_tokens": 4000, "messages": message}).to_string()),
        _ => openai(
            json!({"model": of(&["gpt-4o", "gpt-4o", "gpt-4.1"], 3), "messages": message, "stream": die.is_multiple_of(2)}),
        ),
    };
    call.header("x-feature", feature)
        .header("x-tenant", tenant)
        .header("x-conversation", format!("{user}-{}", n / 300))
        .header("x-user-id", user)
        .header("x-sim-output-tokens", output.to_string())
        .header("x-sim-cached-tokens", (die % 25 * 2).to_string())
}
