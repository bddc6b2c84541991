//! A policy is replaced while calls run and wait: nothing is lost, and counters that mean the same go on.

use crate::client::{Call, Client};
use crate::setup::{hello, policy, start_upstream, until};
use serde_json::{Value, json};
use std::time::Duration;
use tokenstile_host::envoy::{Envoy, Options};

/// Everyone waits for ten seconds, which is longer than all that this test does meanwhile.
fn slow() -> Value {
    let mut policy = policy(false);
    policy["budgets"][0]["per"] = json!([]);
    policy["budgets"][0]["ladder"] = json!([{"at": "0%", "delay": {"up_to": "10s"}}, {"at": "0%", "warn": {}},
        {"at": "0.1%", "warn": {}}, {"at": "100%", "deny": {}}]);
    // So much is held that the whole delay applies.
    policy["expected_output_tokens"] = 5_000.into();
    policy
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_that_waits_goes_on_under_its_own_policy_when_another_takes_over() {
    let upstream = start_upstream();
    let mut options = Options::new(slow().to_string(), upstream.addr());
    options.changeable = true;
    options.headers_may_wait = false;
    let mut envoy = Envoy::start(&options).unwrap_or_else(|error| panic!("{error}"));
    let client = Client::http1(envoy.url());
    let waiting = tokio::spawn({
        let client = client.clone();
        async move { client.send(Call::chat(hello("gpt-4o"))).await }
    });
    let asked = || envoy.admin_page("/stats?filter=http.llm.downstream_rq_total").unwrap();
    until(|| asked().trim().ends_with(": 1")).await;

    let mut quick = policy(false);
    quick["budgets"][0]["per"] = json!([]);
    assert!(envoy.change(quick.to_string()).unwrap());
    // The old listener takes calls for a moment still.
    let second = loop {
        let fresh = Client::http1(envoy.url());
        let call = fresh.send(Call::chat(hello("gpt-4o")));
        if let Ok(answer) = tokio::time::timeout(Duration::from_secs(1), call).await {
            break answer;
        }
    };
    assert_eq!(second.status, 200, "{}", second.text());
    assert!(!waiting.is_finished(), "the first was not held back");
    let first = waiting.await.unwrap();
    assert_eq!(first.status, 200, "{}", first.text());
    let waited = |record: &Value| record["delay_ms"] == 10_000 && record["ending"] == "complete";
    until(|| envoy.log().records().iter().any(waited)).await;
}
