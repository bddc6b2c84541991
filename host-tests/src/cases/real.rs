//! Owns the runner over a real Envoy: one process a case, two workers, an upstream that follows the case. Called by
//! the tests. Its clock is the machine's, so cases that move the clock are left off.

use super::body::{Answering, Sending};
use super::client::{Got, Leaving, call};
use super::format::HangUp;
use super::scripted::{Script, Scripted};
use super::{Exchange, Run, Runner, Seen};
use crate::envoy::{Envoy, Options};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::runtime::Runtime;
use tokio::sync::Notify;
use tokio::task::JoinHandle;

/// Records are written when a stream ends; this is only reached when one is missing.
const RECORD_MAX: Duration = Duration::from_secs(10);
/// How long a call that must leave no record gets to write one after all.
const GRACE: Duration = Duration::from_millis(50);
/// Until every call has reached the upstream or was answered.
const ARRIVAL_MAX: Duration = Duration::from_secs(30);

/// A real Envoy.
#[derive(Debug)]
pub struct RealEnvoy {
    /// `hold_headers`, and Envoy's `allow_on_headers_stop_iteration` with it.
    pub hold_headers: bool,
}

impl Runner for RealEnvoy {
    fn name(&self) -> String {
        format!("envoy{}", if self.hold_headers { "+hold" } else { "" })
    }

    fn tags(&self) -> Vec<&'static str> {
        vec!["envoy", if self.hold_headers { "hold" } else { "no-hold" }, "real"]
    }

    fn begin(&self, policy: &Value) -> Result<Box<dyn Run>, String> {
        let mut policy = policy.clone();
        if let Some(fields) = policy.as_object_mut() {
            fields.insert("hold_headers".to_owned(), json!(self.hold_headers));
        }
        let text = |error: &dyn std::fmt::Display| error.to_string();
        let builder = &mut tokio::runtime::Builder::new_multi_thread();
        let runtime = builder.worker_threads(2).enable_all().build().map_err(|error| text(&error))?;
        let upstream = runtime.block_on(Scripted::start()).map_err(|error| text(&error))?;
        let mut options = Options::new(policy.to_string(), upstream.addr);
        options.headers_may_wait = self.hold_headers;
        // Request trailers arrive only so.
        options.upstream_http2 = true;
        let envoy = Envoy::start(&options).map_err(|error| text(&error))?;
        Ok(Box::new(World { envoy, upstream, runtime }))
    }
}

struct World {
    // Envoy first: it goes before the upstream that it speaks to.
    envoy: Envoy,
    upstream: Scripted,
    runtime: Runtime,
}

impl Run for World {
    fn set_clock(&mut self, _: i64) -> bool {
        false
    }

    fn calls(&mut self, calls: &[Exchange]) -> Result<Vec<Seen>, String> {
        let Some(first) = calls.first() else { return Ok(Vec::new()) };
        let answering = Answering::of(&first.answer)?;
        let hang_up = first.call.hang_up;
        let stop_after = if let Some(HangUp::AfterPieces(count)) = hang_up { Some(count) } else { None };
        let after_bytes = answering.pieces.iter().take(stop_after.unwrap_or(0)).map(Vec::len).sum();
        self.upstream.script(Script { answering, stop_after });
        let records_before = self.envoy.log().records().len();
        let metrics_before = self.envoy.metrics().map_err(|error| error.to_string())?;
        let leaving = Leaving { when: hang_up, after_bytes, now: Arc::new(Notify::new()) };
        let tasks = self.spawn(calls, &leaving)?;
        self.arrived(&tasks)?;
        if hang_up == Some(HangUp::BeforeAnswer) {
            leaving.now.notify_one();
        } else {
            self.upstream.may_answer();
        }
        let got =
            tasks.into_iter().map(|task| self.runtime.block_on(task).map_err(|error| error.to_string())?);
        let got = got.collect::<Result<Vec<_>, String>>()?;
        let metered = got.iter().filter(|got| is_metered(got)).count();
        let records = self.records(records_before, metered);
        let metrics = self.envoy.metrics().map_err(|error| error.to_string())?;
        let counters = growth(&metrics_before, &metrics);
        let mut upstream = self.upstream.got().into_iter();
        let alone = got.len() == 1;
        let seen = |got: Got| Seen {
            status: got.status,
            upstream: if decision(&got) == "deny" && !alone { None } else { upstream.next() },
            headers: got.headers,
            body: got.body,
            ended: got.ended.to_owned(),
            records: alone.then(|| records.clone()),
            counters: alone.then(|| counters.clone()),
            problems: Vec::new(),
        };
        Ok(got.into_iter().map(seen).collect())
    }
}

impl World {
    fn spawn(
        &self,
        calls: &[Exchange],
        leaving: &Leaving,
    ) -> Result<Vec<JoinHandle<Result<Got, String>>>, String> {
        let spawn = |exchange: &Exchange| {
            let sending = Sending::of(&exchange.call)?;
            Ok(self.runtime.spawn(call(self.envoy.addr(), sending, leaving.clone())))
        };
        calls.iter().map(spawn).collect()
    }

    /// Waits until every call has reached the upstream or is over.
    fn arrived(&self, tasks: &[JoinHandle<Result<Got, String>>]) -> Result<(), String> {
        let start = Instant::now();
        loop {
            let over = tasks.iter().filter(|task| task.is_finished()).count();
            if over + self.upstream.got().len() >= tasks.len() {
                return Ok(());
            }
            if start.elapsed() > ARRIVAL_MAX {
                return Err(format!("calls hang in Envoy, which wrote:\n{}", self.envoy.log().text()));
            }
            std::thread::sleep(Duration::from_millis(2));
        }
    }

    /// The records since, as soon as there are so many.
    fn records(&self, before: usize, expected: usize) -> Vec<Value> {
        if expected == 0 {
            std::thread::sleep(GRACE);
        }
        self.envoy.records(before + expected, RECORD_MAX).split_off(before)
    }
}

fn decision(got: &Got) -> String {
    got.headers.text("x-tokenstile-decision").unwrap_or_default()
}

/// A client that left says nothing of it; of the others the filter has told its decision.
fn is_metered(got: &Got) -> bool {
    got.ended == "client_gone" || !decision(got).is_empty()
}

fn growth(before: &BTreeMap<String, f64>, after: &BTreeMap<String, f64>) -> BTreeMap<String, i64> {
    let change =
        |(name, now): (&String, &f64)| (name.clone(), (now - before.get(name).unwrap_or(&0.0)) as i64);
    after.iter().map(change).filter(|(_, change)| *change != 0).collect()
}
