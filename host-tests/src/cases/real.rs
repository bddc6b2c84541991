//! Owns the runner over a real Envoy: one process for all cases, two workers, an upstream that follows the case. Called by
//! the tests. Its clock is the machine's, so cases that move the clock are left off.

use super::body::{Answering, Sending};
use super::client::{Got, Leaving, call};
use super::format::HangUp;
use super::scripted::{Script, Scripted};
use super::{Exchange, Run, Runner, Seen, Suite};
use crate::envoy::{Envoy, Options};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
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

/// A real Envoy with a listener for each case, all in one process: compiling the filter is most of its start.
pub struct RealEnvoy {
    hold_headers: bool,
    // Envoy first: it goes before the upstream that it speaks to.
    envoy: Arc<Envoy>,
    upstream: Arc<Scripted>,
    runtime: Arc<Runtime>,
    /// The policies as the cases give them, by their place; taken once.
    free: Mutex<Vec<Option<Value>>>,
}

impl RealEnvoy {
    /// An Envoy that is ready to run every case of `suite`. With `hold_headers`, Envoy's
    /// `allow_on_headers_stop_iteration` is set.
    ///
    /// # Errors
    /// There is no Envoy, or it does not start.
    pub fn start(suite: &Suite, hold_headers: bool) -> Result<Self, String> {
        let text = |error: &dyn std::fmt::Display| error.to_string();
        let builder = &mut tokio::runtime::Builder::new_multi_thread();
        let runtime = builder.worker_threads(2).enable_all().build().map_err(|error| text(&error))?;
        let upstream = runtime.block_on(Scripted::start()).map_err(|error| text(&error))?;
        let policies = suite.policies()?;
        let named = policies.iter().enumerate().map(|(index, policy)| {
            let mut policy = policy.clone();
            policy["hold_headers"] = json!(hold_headers);
            // Two policies of one name would share their budgets.
            let name = format!("{}{SUFFIX}{index}", policy["name"].as_str().unwrap_or_default());
            policy["name"] = name.into();
            policy.to_string()
        });
        let mut named = named.collect::<Vec<_>>().into_iter();
        let mut options = Options::new(named.next().unwrap_or_default(), upstream.addr);
        options.more_policies = named.collect();
        options.headers_may_wait = hold_headers;
        // Request trailers arrive only so.
        options.upstream_http2 = true;
        let envoy = Arc::new(Envoy::start(&options).map_err(|error| text(&error))?);
        let free = Mutex::new(policies.into_iter().map(Some).collect());
        Ok(Self { hold_headers, envoy, upstream: Arc::new(upstream), runtime: Arc::new(runtime), free })
    }
}

/// Between a policy's name and its place.
const SUFFIX: &str = "#";

impl Runner for RealEnvoy {
    fn name(&self) -> String {
        format!("envoy{}", if self.hold_headers { "+hold" } else { "" })
    }

    fn tags(&self) -> Vec<&'static str> {
        vec!["envoy", if self.hold_headers { "hold" } else { "no-hold" }, "real", "workers"]
    }

    fn begin(&self, policy: &Value) -> Result<Box<dyn Run>, String> {
        let mut free = self.free.lock().unwrap_or_else(PoisonError::into_inner);
        let place = free.iter().position(|free| free.as_ref() == Some(policy));
        let place = place.ok_or("this policy is of no case, or was run before")?;
        free[place] = None;
        let listener = self.envoy.listener_at(place).ok_or("Envoy does not listen for this case")?;
        let (envoy, upstream, runtime) = (self.envoy.clone(), self.upstream.clone(), self.runtime.clone());
        Ok(Box::new(World { listener, envoy, upstream, runtime }))
    }
}

struct World {
    listener: SocketAddr,
    envoy: Arc<Envoy>,
    upstream: Arc<Scripted>,
    runtime: Arc<Runtime>,
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
        let records_before = self.envoy.records_so_far();
        let metrics_before = self.envoy.metrics().map_err(|error| error.to_string())?;
        let leaving = Leaving { when: hang_up, after_bytes, now: Arc::new(Notify::new()) };
        let tasks = self.spawn(calls, &leaving)?;
        self.arrived(&tasks)?;
        if hang_up == Some(HangUp::BeforeAnswer) {
            leaving.now.notify_one();
        } else {
            std::thread::sleep(Duration::from_millis(first.answer.delay_ms));
            self.upstream.may_answer();
        }
        let got =
            tasks.into_iter().map(|task| self.runtime.block_on(task).map_err(|error| error.to_string())?);
        let got = got.collect::<Result<Vec<_>, String>>()?;
        let metered = got.iter().filter(|got| is_metered(got)).count();
        let records = self.records(records_before, metered);
        let metrics = self.envoy.metrics().map_err(|error| error.to_string())?;
        let counters = growth(&metrics_before, &metrics);
        // From here on clients may close.
        let mut upstream = self.upstream.got().into_iter();
        let alone = got.len() == 1;
        let seen = |got: Got| Seen {
            status: got.status,
            upstream: if is_answered_here(&got) && !alone { None } else { upstream.next() },
            headers: got.headers,
            body: got.body,
            ended: got.ended.to_owned(),
            records: alone.then(|| records.clone()),
            counters: alone.then(|| counters.clone()),
            alerts: None,
            weighed: Vec::new(),
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
            Ok(self.runtime.spawn(call(self.listener, sending, leaving.clone())))
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
        let mut records = self.envoy.records_after(before, expected, RECORD_MAX);
        for record in &mut records {
            let name = record["policy"].as_str().and_then(|name| name.split(SUFFIX).next());
            record["policy"] = name.unwrap_or_default().to_owned().into();
        }
        records
    }
}

fn decision(got: &Got) -> String {
    got.headers.text("x-tokenstile-decision").unwrap_or_default()
}

/// The filter has answered it itself.
fn is_answered_here(got: &Got) -> bool {
    matches!(decision(got).as_str(), "deny" | "confirm")
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
