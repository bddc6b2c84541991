//! One provider, one Envoy, and the questions that most tests ask of them.
//!
//! Each test has its own pair, so that ledgers and budgets are its own.

use crate::client::{Answer, Call, Client};
use serde_json::{Value, json};
use std::net::SocketAddr;
use std::time::Duration;
use tokenstile_host::envoy::{Envoy, Options};
use tokenstile_host::upstream::{Bill, Upstream};

/// Records are written when a stream ends; this is only reached when one is missing.
const RECORDS_MAX: Duration = Duration::from_secs(20);
/// The limit of the budget in [`policy`]; no test but those about refusals comes near it.
pub(crate) const LIMIT: u64 = 1_000_000;

pub(crate) struct Setup {
    // Envoy first: it goes before the provider that it speaks to.
    pub(crate) envoy: Envoy,
    pub(crate) upstream: Upstream,
}

impl Setup {
    pub(crate) fn new(policy: &Value) -> Self {
        Self::with(policy, |_| {})
    }

    /// With options other than those that follow from the policy.
    pub(crate) fn with(policy: &Value, change: impl FnOnce(&mut Options)) -> Self {
        let upstream = start_upstream();
        let mut options = Options::new(policy.to_string(), upstream.addr());
        // What Istio and Envoy Gateway can express: nobody allows headers to wait.
        options.headers_may_wait = policy["hold_headers"] == true;
        change(&mut options);
        let envoy = Envoy::start(&options).unwrap_or_else(|error| panic!("{error}"));
        Self { envoy, upstream }
    }

    pub(crate) fn http1(&self) -> Client {
        Client::http1(self.envoy.url())
    }

    pub(crate) fn http2(&self) -> Client {
        Client::http2(self.envoy.url())
    }

    /// To the provider, past Envoy.
    pub(crate) fn direct(&self) -> Client {
        Client::http1(self.upstream.url())
    }

    /// Exactly `count` records: waits for them, and sees one too many.
    pub(crate) fn records(&self, count: usize) -> Vec<Value> {
        let records = self.envoy.records(count, RECORDS_MAX);
        assert_eq!(records.len(), count, "{}", self.envoy.log().text());
        records
    }

    /// The only record.
    pub(crate) fn record(&self) -> Value {
        self.records(1).remove(0)
    }

    /// All tokens of the record at this place.
    pub(crate) fn record_total(&self, place: usize) -> u64 {
        let record = self.envoy.log().records().swap_remove(place);
        let usage = |name: &str| record["usage"][name].as_u64().unwrap();
        usage("input") + usage("output")
    }

    pub(crate) fn billed(&self) -> Bill {
        self.upstream.ledger().billed()
    }

    /// A small call of `user`, which must be let through. Gives what the budget had left before it: of all
    /// earlier calls of which the record is written.
    pub(crate) async fn remaining_before_probe(&self, user: &str) -> u64 {
        let earlier = self.envoy.log().records().len();
        let answer = self.http1().send(Call::chat(hello("gpt-4o")).header("x-user-id", user)).await;
        assert_eq!(answer.status, 200, "{}", answer.text());
        let record = self.records(earlier + 1).pop().unwrap();
        assert_eq!(record["identity"]["user"], user, "{record}");
        answer.remaining() + record["hold_tokens"].as_u64().unwrap()
    }
}

pub(crate) fn start_upstream() -> Upstream {
    Upstream::start(SocketAddr::from(([127, 0, 0, 1], 0))).expect("the simulated provider starts")
}

/// One budget of [`LIMIT`] tokens a day for each user.
pub(crate) fn policy(hold_headers: bool) -> Value {
    json!({
        "version": 1, "name": "test", "hold_headers": hold_headers, "on_error": "deny",
        "identity": {"user": ["header:x-user-id", "value:anonymous"]},
        "budgets": [{"name": "daily", "per": ["user"], "limit": {"tokens": LIMIT},
            "window": {"calendar": "day"}, "ladder": [{"at": "90%", "warn": {}}, {"at": "100%", "deny": {
                "upgrade_url": "https://acme.example/upgrade"}}]}],
    })
}

/// [`policy`] with another limit and another number of output tokens to expect.
pub(crate) fn limited(hold_headers: bool, limit: u64, expected_output_tokens: u64) -> Value {
    let mut policy = policy(hold_headers);
    policy["budgets"][0]["limit"]["tokens"] = limit.into();
    policy["expected_output_tokens"] = expected_output_tokens.into();
    policy
}

/// A short question.
pub(crate) fn hello(model: &str) -> String {
    json!({"model": model, "messages": [{"role": "user", "content": "Say hello."}]}).to_string()
}

/// A short question whose answer streams and, if asked, states its usage.
pub(crate) fn hello_streamed(include_usage: bool) -> String {
    json!({"model": "gpt-4o", "messages": [{"role": "user", "content": "Say hello."}], "stream": true,
        "stream_options": {"include_usage": include_usage}})
    .to_string()
}

/// The record says what the provider billed, and where the number comes from.
pub(crate) fn assert_usage(record: &Value, source: &str, billed: Bill) {
    let usage = &record["usage"];
    assert_eq!(usage["source"], source, "{record}");
    assert_eq!(usage["input"], billed.prompt_tokens, "{record}");
    assert_eq!(usage["output"], billed.completion_tokens, "{record}");
}

/// Nothing was used, and the provider agrees.
pub(crate) fn assert_free(record: &Value, billed: Bill) {
    assert_usage(record, "none", Bill::default());
    assert_eq!(billed, Bill::default(), "{record}");
}

/// The texts of the events of a stream.
pub(crate) fn words(answer: &Answer) -> u64 {
    answer.text().matches("\"content\":\" ").count() as u64
}
