//! Another policy in the place of the first one, with requests in flight: what is counted the same goes on, and what is
//! counted otherwise begins anew. The rules stand in the README.

#![allow(clippy::needless_pass_by_value, reason = "`json!` reads well in its place")]

use crate::client::{Answer, Call, Client};
use crate::noon::zone_where_it_is_noon;
use crate::setup::{Setup, hello, hello_streamed, words};
use http_body_util::BodyExt;
use serde_json::{Value, json};
use std::collections::BTreeMap;

const LIMIT: u64 = 100_000;

fn budget(name: &str, per: &[&str], limit: Value, window: Value) -> Value {
    json!({"name": name, "per": per, "limit": limit, "window": window, "ladder": [{"at": "100%", "deny": {}}]})
}

fn policy(budgets: Value) -> Value {
    json!({
        "version": 1, "name": "hot", "hold_headers": true, "on_error": "deny", "count": "always",
        "identity": {"user": ["header:x-user-id"], "team": ["value:all"]},
        "budgets": budgets,
    })
}

/// What an answer says is left of each budget.
fn left(answer: &Answer) -> BTreeMap<String, u64> {
    assert_eq!(answer.status, 200, "{}", answer.text());
    let header = answer.header("ratelimit").unwrap().to_owned();
    let item = |item: &str| {
        let (name, rest) = item.trim().split_once(";r=").unwrap();
        let rest = rest.split(';').next().unwrap();
        (name.trim_matches('"').to_owned(), rest.parse().unwrap())
    };
    header.split(',').map(item).collect()
}

async fn ask(setup: &Setup, output: u64) -> BTreeMap<String, u64> {
    let call = Call::chat(hello("gpt-4o")).header("x-user-id", "ana");
    left(&setup.http1().send(call.header("x-sim-output-tokens", output.to_string())).await)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn counters_survive_a_change_of_policy_where_they_count_the_same() {
    let zone = zone_where_it_is_noon();
    let day = json!({"calendar": "day", "timezone": zone});
    let tokens = |limit: u64| json!({"tokens": limit});
    let before = json!([
        budget("kept", &["user"], tokens(LIMIT), day.clone()),
        budget("renamed", &["user"], tokens(LIMIT), day.clone()),
        budget("other-window", &["user"], tokens(LIMIT), day.clone()),
        budget("other-scope", &["user"], tokens(LIMIT), day.clone()),
        budget("other-unit", &["user"], tokens(LIMIT), day.clone()),
    ]);
    let after = json!([
        // Its limit, ladder and mode may change.
        {"name": "kept", "per": ["user"], "limit": {"tokens": 2 * LIMIT}, "window": day, "ladder": [{"at": "1%", "warn": {}}, {"at": "90%", "deny": {}}]},
        budget("renamed-now", &["user"], tokens(LIMIT), day.clone()),
        budget("other-window", &["user"], tokens(LIMIT), json!({"calendar": "week", "timezone": zone})),
        budget("other-scope", &["user", "team"], tokens(LIMIT), day.clone()),
        budget("other-unit", &["user"], json!({"output_tokens": LIMIT}), day.clone()),
    ]);
    let mut setup = Setup::new(&policy(before), |options| options.changeable = true);
    ask(&setup, 1_000).await;

    // Two calls are running: one ends after the change, one is hung up on.
    let slow =
        || Call::chat(hello_streamed(true)).header("x-user-id", "ana").header("x-sim-chunk-delay-ms", "20");
    let url = setup.envoy.url();
    let running = |call: Call| {
        let client = Client::http1(url.clone());
        async move {
            let mut body = client.start(call).await.into_body();
            let mut read = String::new();
            while words(&read) < 3 {
                let frame = body.frame().await.unwrap().unwrap();
                read.push_str(&String::from_utf8_lossy(frame.data_ref().unwrap()));
            }
            (client, body)
        }
    };
    let (ends_client, mut ends) = running(slow().header("x-sim-output-tokens", "150")).await;
    let (hung_client, hung) = running(slow().header("x-sim-output-tokens", "100000")).await;
    assert!(setup.envoy.change(policy(after).to_string()).unwrap(), "{}", setup.envoy.log().text());
    drop((hung, hung_client));
    while ends.frame().await.is_some_and(|frame| frame.is_ok()) {}
    drop(ends_client);

    // What these three used stands in the budget that is kept, whichever policy it was settled under.
    let records = setup.records(3);
    let all: u64 = records.iter().map(crate::setup::total).sum();
    let probe = ask(&setup, 1).await;
    let record = setup.records(4).pop().unwrap();
    let hold = record["hold_tokens"].as_u64().unwrap();
    // It refuses from 90 % on: so much is there.
    assert_eq!(probe["kept"], 2 * LIMIT * 9 / 10 - all - hold, "{probe:?}");
    let anew = ["renamed-now", "other-window", "other-scope"];
    assert!(anew.iter().all(|name| probe[*name] == LIMIT - hold), "{probe:?}");
    assert!(probe["other-unit"] < LIMIT && probe["other-unit"] > LIMIT - hold, "{probe:?}");
    assert!(records.iter().all(|record| record.get("failure").is_none()), "{records:?}");
}

/// A policy that is wrong changes nothing: the one that runs goes on.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_wrong_policy_is_rejected_and_the_old_one_goes_on() {
    let day = json!({"calendar": "day", "timezone": zone_where_it_is_noon()});
    let budgets = json!([budget("kept", &["user"], json!({"tokens": LIMIT}), day)]);
    let mut setup = Setup::new(&policy(budgets.clone()), |options| options.changeable = true);
    let first = ask(&setup, 1_000).await["kept"];
    let mut wrong = policy(budgets);
    wrong["budgets"][0]["limti"] = json!({});
    assert!(!setup.envoy.change(wrong.to_string()).unwrap(), "{}", setup.envoy.log().text());
    setup.records(1);
    let second = ask(&setup, 1).await["kept"];
    assert!(second < first && first < LIMIT, "{first} {second}");
}
