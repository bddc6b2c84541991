//! One provider, one Envoy, and the questions that most tests ask of them.
//!
//! Starting Envoy takes seconds, most of them to compile the filter: a test runs many cases against one pair.
//! Each case has books of its own, and a user whose budget nobody else spends.

use crate::client::{Call, Client};
use crate::noon::zone_where_it_is_noon;
use serde_json::{Value, json};
use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
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
    /// Records of earlier cases.
    earlier: AtomicUsize,
}

impl Setup {
    /// `options` changes what does not follow from the policy.
    pub(crate) fn new(policy: &Value, options: impl FnOnce(&mut Options)) -> Self {
        let upstream = start_upstream();
        let mut chosen = Options::new(policy.to_string(), upstream.addr());
        // What Istio and Envoy Gateway can express: nobody allows headers to wait.
        chosen.headers_may_wait = policy["hold_headers"] == true;
        options(&mut chosen);
        let envoy = Envoy::start(&chosen).unwrap_or_else(|error| panic!("{error}"));
        Self { envoy, upstream, earlier: AtomicUsize::new(0) }
    }

    /// The next case begins: with empty books and, if it uses this name, a user of its own.
    pub(crate) fn case(&self, name: &'static str) -> &'static str {
        println!("case: {name}");
        self.upstream.ledger().clear();
        self.earlier.store(self.envoy.records_so_far(), Ordering::Relaxed);
        name
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

    /// Exactly `count` records of this case: waits for them, and sees one too many.
    pub(crate) fn records(&self, count: usize) -> Vec<Value> {
        let earlier = self.earlier.load(Ordering::Relaxed);
        let records = self.envoy.records_after(earlier, count, RECORDS_MAX);
        assert_eq!(records.len(), count, "{}", self.envoy.log().text());
        records
    }

    /// The only record.
    pub(crate) fn record(&self) -> Value {
        self.records(1).remove(0)
    }

    /// The newest of `count` records.
    pub(crate) fn newest(&self, count: usize) -> Value {
        self.records(count).remove(count - 1)
    }

    /// Requests that came to Envoy, finished or not.
    pub(crate) fn envoy_requests(&self) -> u64 {
        let stats = self.envoy.admin_page("/stats?filter=http.llm.downstream_rq_total").unwrap();
        let number = stats.trim().rsplit(' ').next().and_then(|number| number.parse().ok());
        number.unwrap_or_else(|| panic!("`{stats}`"))
    }

    pub(crate) fn billed(&self) -> Bill {
        self.upstream.ledger().billed()
    }

    /// A small call of `user`, which must be let through. Gives what the budget had left before it: of all
    /// earlier calls of which the record is written.
    pub(crate) async fn remaining_before_probe(&self, user: &str) -> u64 {
        let earlier = self.envoy.records_so_far() - self.earlier.load(Ordering::Relaxed);
        let answer = self.http1().send(Call::chat(hello("gpt-4o")).header("x-user-id", user)).await;
        assert_eq!(answer.status, 200, "{}", answer.text());
        let record = self.newest(earlier + 1);
        assert_eq!(record["identity"]["user"], user, "{record}");
        answer.remaining() + record["hold_tokens"].as_u64().unwrap()
    }
}

/// All tokens of a record.
pub(crate) fn total(record: &Value) -> u64 {
    let usage = |name: &str| record["usage"][name].as_u64().unwrap_or_else(|| panic!("{record}"));
    usage("input") + usage("output")
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
            "window": {"calendar": "day", "timezone": zone_where_it_is_noon()}, "ladder": [{"at": "90%", "warn": {}}, {"at": "100%", "deny": {
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

/// How many words the text of a stream brings.
pub(crate) fn words(stream: &str) -> u64 {
    stream.matches("\"content\":\" ").count() as u64
}

/// Waits for something that must come; the end of the wait is not what is tested.
pub(crate) async fn until(holds: impl Fn() -> bool) {
    let wait = async {
        while !holds() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(120), wait).await.expect("it never came");
}

/// The sum of all series of a metric that have these labels.
pub(crate) fn counted(metrics: &std::collections::BTreeMap<String, f64>, wanted: &str) -> f64 {
    let series = metrics.iter().map(|(name, value)| (name.as_str(), *value));
    tokenstile_host::metrics::sum(series, wanted).unwrap_or(0.0)
}
