//! Alerts out of a real Envoy with four workers, to a sink that listens: one event for each threshold, sent again when
//! the sink fails, and none on a request's path.

#![allow(clippy::needless_pass_by_value, reason = "`json!` reads well in its place")]

use crate::client::{Call, Client};
use crate::noon::zone_where_it_is_noon;
use crate::receiver::{Got, receiver};
use crate::setup::{Setup, counted, hello, until};
use serde_json::{Value, json};
use std::time::Duration;

const USERS: u64 = 5;
const CALLS_EACH: u64 = 40;
/// A call uses 10 to 39 tokens of output: forty of them are more than this.
const LIMIT: u64 = 500;

fn policy(sinks: Value) -> Value {
    json!({
        "version": 1, "name": "alerts", "hold_headers": true,
        "identity": {"user": ["header:x-user-id"]},
        "alerts": sinks,
        "budgets": [{"name": "daily", "mode": "shadow", "per": ["user"], "limit": {"tokens": LIMIT},
            "window": {"calendar": "day", "timezone": zone_where_it_is_noon()},
            "ladder": [{"at": "50%", "alert": "bus"}, {"at": "100%", "deny": {}, "alert": "oncall"}]}],
    })
}

fn sinks() -> Value {
    json!({
        "bus": {"cloudevents": {"cluster": "sink", "authority": "events.acme.example", "path": "/events"}},
        "oncall": {"pagerduty": {"cluster": "sink", "routing_key": "0123456789abcdef0123456789abcdef"}},
    })
}

fn json_of(body: &[u8]) -> Value {
    serde_json::from_slice(body).unwrap()
}

/// The ids of what came, as often as each came.
fn ids(got: &Got) -> Vec<String> {
    let id = |event: Value| event["dedup_key"].as_str().or(event["id"].as_str()).unwrap().to_owned();
    let mut ids: Vec<String> = got.lock().unwrap().iter().map(|(_, _, body)| id(json_of(body))).collect();
    ids.sort();
    ids
}

/// All users at once, over four workers.
async fn everyone_calls(setup: &Setup) {
    let tasks: Vec<_> = (0..USERS * 4)
        .map(|n| {
            let client = Client::http1(setup.envoy.url());
            tokio::spawn(async move {
                for turn in 0..CALLS_EACH / 4 {
                    let call = Call::chat(hello("gpt-4o")).header("x-user-id", format!("user-{}", n % USERS));
                    let call = call.header("x-sim-output-tokens", (10 + (n + turn) % 30).to_string());
                    assert_eq!(client.send(call).await.status, 200);
                }
            })
        })
        .collect();
    for task in tasks {
        task.await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_threshold_is_one_event_over_four_workers() {
    let (addr, got) = receiver(0).await;
    let setup = Setup::new(&policy(sinks()), |options| {
        options.workers = 4;
        options.clusters.push(("sink".to_owned(), addr));
    });
    everyone_calls(&setup).await;
    until(|| got.lock().unwrap().len() as u64 >= 2 * USERS).await;
    // One too many would come with the next ticks.
    tokio::time::sleep(Duration::from_secs(2)).await;
    let sent = ids(&got);
    let mut told: Vec<String> =
        setup.envoy.log().alerts().iter().map(|alert| alert["id"].as_str().unwrap().to_owned()).collect();
    told.sort();
    assert_eq!((sent.len() as u64, &sent), (2 * USERS, &told));
    for (path, kind, body) in got.lock().unwrap().iter() {
        let event = json_of(body);
        let fields = match path.as_str() {
            "/events" => {
                assert_eq!(
                    (kind.as_str(), &event["specversion"]),
                    ("application/cloudevents+json; charset=UTF-8", &json!("1.0"))
                );
                assert_eq!(event["data"]["threshold"], "50%");
                &event["data"]
            }
            "/v2/enqueue" => {
                assert_eq!((kind.as_str(), &event["event_action"]), ("application/json", &json!("trigger")));
                &event["payload"]["custom_details"]
            }
            other => panic!("{other}"),
        };
        assert_eq!((&fields["mode"], &fields["rule"]), (&json!("shadow"), &json!("daily")), "{event}");
    }
    let metrics = setup.envoy.metrics().unwrap();
    assert_eq!(
        (
            counted(&metrics, "tokenstile_alerts"),
            counted(&metrics, "tokenstile_alert_deliveries;outcome=sent")
        ),
        (10.0, 10.0)
    );
    assert!(
        !setup.envoy.log().text().contains("0123456789abcdef0123456789abcdef"),
        "a key stands in the log"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_sink_that_fails_gets_it_again_and_one_that_is_not_there_harms_nobody() {
    let (addr, got) = receiver(2).await;
    let mut sinks = sinks();
    sinks["bus"]["cloudevents"]["cluster"] = json!("nowhere");
    let setup = Setup::new(&policy(sinks), |options| options.clusters.push(("sink".to_owned(), addr)));
    let call = Call::chat(hello("gpt-4o")).header("x-user-id", "ana").header("x-sim-output-tokens", "600");
    assert_eq!(setup.http1().send(call).await.status, 200);
    // At once, after a second, and after two more.
    until(|| got.lock().unwrap().len() >= 3).await;
    tokio::time::sleep(Duration::from_millis(1500)).await;
    let sent = ids(&got);
    assert_eq!((sent.len(), sent.iter().all(|id| *id == sent[0])), (3, true), "{sent:?}");
    assert_eq!(setup.envoy.log().alerts().len(), 2);
    let metrics = setup.envoy.metrics().unwrap();
    assert_eq!(
        (
            counted(&metrics, "tokenstile_alert_deliveries;outcome=retried;sink=oncall"),
            counted(&metrics, "tokenstile_alert_deliveries;outcome=sent")
        ),
        (2.0, 1.0),
        "{metrics:?}"
    );
}
