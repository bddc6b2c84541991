//! Owns the runner over the built filter in wasmtime: one profile, one proxy process, several worker VMs that take
//! calls in turn. Called by the tests.

use super::body::{Answering, Sending, unescape};
use super::format::HangUp as When;
use super::seen::{alerts, records};
use super::{Exchange, Run, Runner, Seen, UpstreamSaw, filter};
use crate::host::{self, Driver, Ended, HangUp, Module, Profile, Report, Request, Shared, Vm, VmConfig};
use serde_json::{Value, json};
use std::cell::Cell;
use std::collections::BTreeMap;
use std::rc::Rc;
use std::time::Duration;

/// Ticks that a waiting request is given before it counts as hung: the longest `delay` that a policy may have, 30 s of virtual
/// time, and two seconds for whatever else it waits for.
const TICKS_MAX: u32 = 3_200;
/// From one to the next.
pub(super) const TICK_MS: i64 = 10;

/// The built filter on one profile.
pub struct Wasmtime {
    module: Module,
    profile: Profile,
    hold_headers: bool,
    workers: usize,
}

impl Wasmtime {
    /// A runner; `hold_headers` counts on Envoy alone.
    ///
    /// # Errors
    /// The filter is missing or stale.
    pub fn new(profile: Profile, hold_headers: bool) -> Result<Self, String> {
        // APISIX has no shared data: a second worker would count for itself.
        let workers = if profile == Profile::Apisix { 1 } else { 2 };
        Ok(Self { module: filter::module()?, profile, hold_headers, workers })
    }

    /// A runner of this filter with so many workers, which on APISIX count each for itself.
    #[must_use]
    pub const fn of(module: Module, profile: Profile, hold_headers: bool, workers: usize) -> Self {
        Self { module, profile, hold_headers, workers: if workers == 0 { 1 } else { workers } }
    }
}

impl Runner for Wasmtime {
    fn name(&self) -> String {
        format!("wasmtime/{}{}", self.profile, if self.hold_headers { "+hold" } else { "" })
    }

    fn tags(&self) -> Vec<&'static str> {
        let held = if self.hold_headers { "hold" } else { "no-hold" };
        let mut tags = vec!["wasmtime", self.profile.name()];
        tags.extend((self.profile == Profile::Envoy).then_some(held));
        tags.extend((self.workers > 1).then_some("workers"));
        tags
    }

    fn begin(&self, policy: &Value) -> Result<Box<dyn Run>, String> {
        let mut policy = policy.clone();
        if let Some(fields) = policy.as_object_mut() {
            fields.insert("hold_headers".to_owned(), json!(self.hold_headers));
        }
        let mut config = VmConfig::new(self.profile, policy.to_string());
        config.hold_headers = self.hold_headers;
        let shared = Shared::new();
        let vm = |_| Vm::new(&self.module, &shared, config.clone()).map_err(|error| error.to_string());
        let vms = (0..self.workers).map(vm).collect::<Result<_, _>>()?;
        Ok(Box::new(World { vms, shared, turn: 0 }))
    }
}

struct World {
    vms: Vec<Vm>,
    shared: Shared,
    /// Counts the calls, so that each worker gets its share.
    turn: usize,
}

impl Run for World {
    fn set_clock(&mut self, now_ms: i64) -> bool {
        self.shared.clock().set_ms(now_ms.unsigned_abs());
        true
    }

    fn calls(&mut self, calls: &[Exchange]) -> Result<Vec<Seen>, String> {
        let alone = calls.len() == 1;
        let before = (self.shared.log().written(), self.shared.metrics().snapshot());
        let mut begun = Vec::with_capacity(calls.len());
        for exchange in calls {
            let vm = self.turn % self.vms.len();
            self.turn += 1;
            let late = Late { clock: self.shared.clone(), by: Rc::default() };
            let mut driver = driver(&self.vms[vm], exchange, late.clone())?;
            // As far as the upstream, or to the end if it never gets there.
            while !driver.report(&self.vms[vm]).upstream.is_some_and(|sent| sent.complete)
                && driver.step(&mut self.vms[vm])
            {}
            begun.push((vm, driver, exchange, late));
        }
        let mut all = Vec::with_capacity(calls.len());
        for (vm, driver, exchange, late) in begun {
            let mut seen = self.finish(vm, driver, exchange, &late)?;
            if alone {
                let lines: Vec<String> =
                    self.shared.log().since(before.0).iter().map(host::LogLine::text).collect();
                seen.records = Some(records(lines.iter().map(String::as_str))?);
                seen.alerts = Some(alerts(lines.iter().map(String::as_str))?);
                let profile = self.vms[vm].profile();
                let counted = (profile != Profile::Apisix).then(|| self.shared.metrics().since(&before.1));
                seen.counters = counted;
            }
            all.push(seen);
        }
        Ok(all)
    }
}

impl World {
    fn finish(
        &mut self,
        vm: usize,
        mut driver: Driver,
        exchange: &Exchange,
        late: &Late,
    ) -> Result<Seen, String> {
        let vm = &mut self.vms[vm];
        let asked = driver.report(vm).upstream.is_some_and(|sent| sent.complete);
        if asked && exchange.call.hang_up == Some(When::BeforeAnswer) {
            driver.client_gone(vm);
        }
        if asked {
            self.shared.clock().advance(Duration::from_millis(exchange.answer.delay_ms));
        } else {
            // It waits, and is answered so long after it went on.
            late.by.set(exchange.answer.delay_ms);
        }
        driver.start(vm);
        for _ in 0..TICKS_MAX {
            if driver.waiting().is_none() {
                break;
            }
            self.shared.clock().advance(Duration::from_millis(TICK_MS.unsigned_abs()));
            vm.tick().map_err(|error| error.to_string())?;
            driver.poll(vm);
        }
        Ok(seen(&driver.report(vm), vm, exchange))
    }
}

/// How long after a call the upstream answers, where the call itself comes later.
#[derive(Clone)]
struct Late {
    clock: Shared,
    by: Rc<Cell<u64>>,
}

fn driver(vm: &Vm, exchange: &Exchange, late: Late) -> Result<Driver, String> {
    let sending = Sending::of(&exchange.call)?;
    let answering = Answering::of(&exchange.answer)?;
    let hang_up = match exchange.call.hang_up {
        Some(When::InRequest) if sending.pieces.len() > 1 => Some(HangUp::AfterRequestChunk(1)),
        Some(When::InRequest) => Some(HangUp::AfterRequestHeaders),
        Some(When::AfterPieces(count)) => Some(HangUp::AfterResponseChunk(count)),
        Some(When::BeforeAnswer) | None => None,
    };
    let request = Request {
        headers: sending.headers,
        chunks: sending.pieces,
        trailers: sending.trailers,
        hang_up,
        properties: properties(vm.profile(), &exchange.call.properties)?,
    };
    Ok(Driver::new(vm, request, move |_| {
        late.clock.clock().advance(Duration::from_millis(late.by.get()));
        answer(&answering)
    }))
}

/// What this proxy knows of what a case says: nginx has no such names as Envoy's.
fn properties(
    profile: Profile,
    named: &BTreeMap<String, String>,
) -> Result<BTreeMap<String, Vec<u8>>, String> {
    const ENVOYS: [&str; 4] = ["connection.", "filter_state.", "metadata.", "xds."];
    let known =
        |name: &str| profile == Profile::Envoy || !ENVOYS.iter().any(|envoys| name.starts_with(envoys));
    let named = named.iter().filter(|(name, _)| known(name));
    named.map(|(name, value)| Ok((name.clone(), unescape(value)?))).collect()
}

fn answer(answering: &Answering) -> host::Answer {
    if answering.unreachable {
        return host::Answer::unreachable();
    }
    let mut answer = host::Answer::new(answering.status);
    for (name, value) in answering.headers.iter() {
        answer = answer.header(name, value);
    }
    answer.chunks.clone_from(&answering.pieces);
    answer.trailers.clone_from(&answering.trailers);
    if answering.cut { answer.cut() } else { answer }
}

fn seen(report: &Report, vm: &Vm, exchange: &Exchange) -> Seen {
    let mut problems = report.problems.clone();
    problems.extend(report.error.iter().map(ToString::to_string));
    if report.waiting.is_some() {
        problems.push("the request waits for ever".to_owned());
    }
    // A client that left is not told the end of a message, so its length says nothing.
    let chunks: Vec<&Vec<u8>> = report.client.chunks.iter().filter(|chunk| !chunk.is_empty()).collect();
    let passed = report.local_reply.is_none() && exchange.call.hang_up.is_none();
    let answering = Answering::of(&exchange.answer).ok();
    let pieces = answering.as_ref().map(|answer| answer.pieces.len()).unwrap_or_default();
    // What was taken out of an answer is judged elsewhere; what was not passes as it comes.
    let passed = passed && answering.is_some_and(|answer| answer.body() == report.client.body());
    if passed && vm.profile() == Profile::Envoy && report.upstream.is_some() && chunks.len() != pieces {
        problems.push(format!("the answer came in {} pieces and left in {}", pieces, chunks.len()));
    }
    let upstream = report.upstream.as_ref().filter(|sent| sent.complete).map(|sent| UpstreamSaw {
        headers: sent.headers.clone(),
        body: sent.body.clone(),
        trailers: sent.trailers.clone().unwrap_or_default(),
    });
    Seen {
        status: report.client.status,
        headers: report.client.headers.clone(),
        body: report.client.body(),
        ended: ended(report.client.ended).to_owned(),
        upstream,
        records: None,
        counters: None,
        alerts: None,
        weighed: Vec::new(),
        problems,
    }
}

fn ended(ended: Ended) -> &'static str {
    match ended {
        Ended::Open => "open",
        Ended::Complete => "complete",
        Ended::Cut => "cut",
        Ended::ClientGone => "client_gone",
    }
}
