//! Ten thousand calls of 500 connections over four workers against one budget: no update is lost, and no more is spent than is said.
//!
//! Nothing here is timed. The bound is the one of ARCHITECTURE.md: what is settled is at most the cap, and for
//! each call that was let through what it used beyond its hold.

use crate::client::{Answer, Call, Client};
use crate::setup::{Setup, counted, hello, limited, total};
use serde_json::Value;
use std::sync::Arc;
use std::time::Duration;

const WORKERS: u32 = 4;
const CONNECTIONS: u64 = 500;
const CALLS_EACH: u64 = 20;
const CALLS: u64 = CONNECTIONS * CALLS_EACH;
/// What a call is expected to answer; it answers 10 to 39.
const EXPECTED_OUTPUT: u64 = 20;
const RECORDS_MAX: Duration = Duration::from_secs(60);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ten_thousand_calls_at_once_lose_no_update() {
    const LIMIT: u64 = 1_000_000_000;
    let setup =
        Arc::new(Setup::new(&limited(true, LIMIT, EXPECTED_OUTPUT), |options| options.workers = WORKERS));
    let statuses = all_at_once(&setup).await;
    assert_eq!(statuses, vec![200; CALLS as usize]);
    let books = Books::of(&setup);
    assert_eq!(books.allowed, CALLS);
    assert_eq!(books.used, setup.billed().total_tokens());
    let metrics = setup.envoy.metrics().unwrap();
    let tokens = counted(&metrics, "tokenstile_tokens;type=input")
        + counted(&metrics, "tokenstile_tokens;type=output");
    assert_eq!(tokens, books.used as f64);
    assert_eq!(counted(&metrics, "tokenstile_requests;decision=allow"), CALLS as f64);
    // What the filter itself holds the budget to be: every settlement arrived, every hold went back.
    let probe = setup.http1().send(call(0)).await;
    let hold = setup.envoy.records(CALLS as usize + 1, RECORDS_MAX).pop().unwrap()["hold_tokens"].clone();
    assert_eq!(probe.remaining(), LIMIT - books.used - hold.as_u64().unwrap());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ten_thousand_calls_at_once_stay_within_the_bound() {
    // About half of them fit.
    const LIMIT: u64 = 180_000;
    let setup =
        Arc::new(Setup::new(&limited(true, LIMIT, EXPECTED_OUTPUT), |options| options.workers = WORKERS));
    let statuses = all_at_once(&setup).await;
    let refused = statuses.iter().filter(|status| **status == 429).count() as u64;
    let allowed = statuses.iter().filter(|status| **status == 200).count() as u64;
    assert_eq!(allowed + refused, CALLS);
    assert!(refused > 0, "the budget was to run out");
    let books = Books::of(&setup);
    assert_eq!((books.allowed, books.refused), (allowed, refused));
    // A refused call never reaches the provider; the others are billed to the token.
    assert_eq!(setup.upstream.ledger().requests(), allowed);
    assert_eq!(books.used, setup.billed().total_tokens());
    assert!(books.used <= LIMIT + books.beyond_holds, "{books:?}");
    // And nobody was refused while there was room: what is left is less than one call needs.
    let probe = setup.http1().send(call(0)).await;
    assert_eq!(probe.status, 429, "{}", probe.text());
    let error = &probe.json()["error"];
    assert_eq!(error["used"], books.used, "{error}");
    assert_eq!(error["remaining"], LIMIT.saturating_sub(books.used), "{error}");
    assert!(books.used + books.largest_hold > LIMIT, "{books:?}");
}

/// Each connection asks one call after the other; all connections at once.
async fn all_at_once(setup: &Arc<Setup>) -> Vec<u16> {
    let tasks: Vec<_> = (0..CONNECTIONS)
        .map(|connection| {
            // A pool of its own: one connection.
            let client = Client::http1(setup.envoy.url());
            tokio::spawn(async move {
                let mut statuses = Vec::new();
                for turn in 0..CALLS_EACH {
                    let answer: Answer = client.send(call(connection + turn)).await;
                    statuses.push(answer.status);
                }
                statuses
            })
        })
        .collect();
    let mut statuses = Vec::new();
    for task in tasks {
        statuses.extend(task.await.expect("a connection failed"));
    }
    statuses
}

fn call(number: u64) -> Call {
    let output = 10 + number % 30;
    Call::chat(hello("gpt-4o"))
        .header("x-user-id", "everyone")
        .header("x-sim-output-tokens", output.to_string())
}

/// The records, summed.
#[derive(Debug, Default)]
struct Books {
    allowed: u64,
    refused: u64,
    used: u64,
    /// Of each call that was let through, what it used beyond its hold.
    beyond_holds: u64,
    largest_hold: u64,
}

impl Books {
    fn of(setup: &Setup) -> Self {
        let records = setup.envoy.records(CALLS as usize, RECORDS_MAX);
        assert_eq!(records.len() as u64, CALLS);
        let mut books = Self::default();
        for record in &records {
            books.add(record);
        }
        books
    }

    fn add(&mut self, record: &Value) {
        assert!(record.get("failure").is_none(), "{record}");
        let number = |value: &Value| value.as_u64().unwrap_or_else(|| panic!("{record}"));
        let used = total(record);
        let hold = number(&record["hold_tokens"]);
        self.largest_hold = self.largest_hold.max(hold);
        self.used += used;
        if record["decision"] == "deny" {
            assert_eq!(used, 0, "{record}");
            self.refused += 1;
        } else {
            self.allowed += 1;
            self.beyond_holds += used.saturating_sub(hold);
        }
    }
}
