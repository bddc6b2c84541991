//! The built filter in wasmtime over the same calls, at the same times, and whether it decides as the engine does.
//! Called by [`super::Replay`]. One worker, as Envoy runs it; what the upstream answers is the recorded answer, or what
//! becomes of it when the filter has changed the request.

use super::agenda::Agenda;
use super::answer;
use super::outcome::Outcome;
use super::trace::Whole;
use crate::host::{Answer, Driver, HangUp, LogLine, Module, Profile, Request, Sent, Shared, Vm, VmConfig};
use serde::Serialize;
use serde_json::Value;
use std::sync::Arc;
use tokenstile_engine::dialect::recognise;
use tokenstile_engine::policy::Policy;
use tokenstile_engine::units::EpochMs;
use tokenstile_engine::usage::{AnswerReader, Usage};

/// Before the JSON of each cost record in the filter's log.
const RECORD: &str = "tokenstile-record ";
/// As many differences are told.
const TOLD: usize = 20;

/// The filter under one policy.
pub struct Filter {
    vm: Vm,
    shared: Shared,
    running: Agenda<Running>,
    /// Streams may be stopped between two events, so they come event by event.
    stops: bool,
    begun: u64,
    agreement: Agreement,
}

/// How far filter and engine agree.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Agreement {
    /// Calls that both decided.
    pub calls: u64,
    /// Those of which they say different things.
    pub different: u64,
    /// The first of them.
    pub differences: Vec<String>,
}

/// What both must say of a call.
#[derive(Debug, PartialEq, Eq)]
struct Said {
    decision: String,
    rule: Option<String>,
    served: String,
    input: u64,
    output: u64,
    cost_nano_usd: i64,
}

struct Running {
    number: u64,
    driver: Driver,
    expected: Said,
}

impl Filter {
    /// The filter with an empty ledger.
    ///
    /// # Errors
    /// It does not start with this policy.
    pub fn new(module: &Module, policy: &Value) -> Result<Self, String> {
        let shared = Shared::new();
        shared.log().keep(64);
        let mut config = VmConfig::new(Profile::Envoy, policy.to_string());
        config.hold_headers = policy.get("hold_headers").and_then(Value::as_bool).unwrap_or(false);
        config.body_limit = Some(usize::MAX);
        let vm = Vm::new(module, &shared, config).map_err(|error| error.to_string())?;
        let stops = Policy::parse(policy.to_string().as_bytes()).is_ok_and(|policy| policy.stops_streams());
        Ok(Self { vm, shared, running: Agenda::new(), stops, begun: 0, agreement: Agreement::default() })
    }

    /// Lets the answers pass that have ended by now.
    pub fn land(&mut self, now: EpochMs) {
        while let Some((at, mut running)) = self.running.due(now) {
            self.set_clock(at);
            let before = self.shared.log().written();
            if running.driver.waiting().is_some() {
                // It was held back, and its time has come.
                let _ = self.vm.tick();
                running.driver.poll(&mut self.vm);
            }
            running.driver.start(&mut self.vm);
            self.compare(&running.driver, &running.expected, before, running.number);
        }
    }

    /// Begins a call of which the engine says `outcome`.
    pub fn call(&mut self, whole: &Arc<Whole>, outcome: &Outcome, now: EpochMs) {
        self.set_clock(now);
        self.begun += 1;
        let before = self.shared.log().written();
        let (recorded, used, stops) = (whole.clone(), outcome.used_asked, self.stops);
        let mut request = request(whole);
        if let Some(events) = outcome.stopped.as_ref().and_then(|stopped| stopped.events) {
            // Most SDKs hang up when they read the error.
            request = request.hang_up(HangUp::AfterResponseChunk(events));
        }
        let answered = move |sent: &Sent| answered(&recorded, used, sent, stops);
        let mut driver = Driver::new(&self.vm, request, answered);
        while !driver.report(&self.vm).upstream.is_some_and(|sent| sent.complete) && driver.step(&mut self.vm)
        {
        }
        let (served, used, cost) = match outcome.unread {
            Some((used, cost)) => ("", used, cost),
            None => (outcome.served.as_str(), outcome.used, outcome.cost),
        };
        let expected = Said {
            decision: outcome.decision.name().to_owned(),
            rule: outcome.rule.clone(),
            served: served.to_owned(),
            input: used.input,
            output: used.output,
            cost_nano_usd: cost.0,
        };
        if driver.is_over() {
            self.compare(&driver, &expected, before, self.begun);
        } else {
            self.running.put(outcome.ends, Running { number: self.begun, driver, expected });
        }
    }

    /// How far they agree.
    #[must_use]
    pub fn finish(self) -> Agreement {
        self.agreement
    }

    fn set_clock(&self, now: EpochMs) {
        self.shared.clock().set_ms(now.0.unsigned_abs());
    }

    fn compare(&mut self, driver: &Driver, expected: &Said, before: u64, number: u64) {
        self.agreement.calls += 1;
        let lines = self.shared.log().since(before);
        let lines: Vec<String> = lines.iter().map(LogLine::text).collect();
        let records = lines.iter().filter_map(|line| line.strip_prefix(RECORD));
        let records: Vec<Said> = records.filter_map(said).collect();
        let same = matches!(records.as_slice(), [only] if only == expected);
        if !same {
            self.agreement.different += 1;
            if self.agreement.differences.len() < TOLD {
                let error =
                    driver.report(&self.vm).error.map(|error| format!("; {error}")).unwrap_or_default();
                let difference = format!("call {number}: engine {expected:?}, filter {records:?}{error}");
                self.agreement.differences.push(difference);
            }
        }
    }
}

fn said(record: &str) -> Option<Said> {
    let record: Value = serde_json::from_str(record).ok()?;
    let text = |name: &str| record.get(name).and_then(Value::as_str).map(str::to_owned);
    let tokens = |name: &str| record.pointer(name).and_then(Value::as_u64);
    Some(Said {
        decision: text("decision")?,
        rule: text("rule"),
        served: text("model_served")?,
        input: tokens("/usage/input")?,
        output: tokens("/usage/output")?,
        cost_nano_usd: record.get("cost_nano_usd")?.as_i64()?,
    })
}

fn request(whole: &Whole) -> Request {
    let mut request = Request::new(&whole.method, &whole.path);
    request.headers.replace(":authority", whole.host.as_str());
    for (name, value) in &whole.request_headers {
        request.headers.add(name.as_str(), value.clone());
    }
    if whole.request.is_empty() { request } else { request.body(whole.request.clone()) }
}

/// The recorded answer, or another where the filter has changed what is asked for.
fn answered(whole: &Whole, used: Usage, sent: &Sent, by_events: bool) -> Answer {
    edited(whole, used, sent).unwrap_or_else(|| {
        let mut answer = Answer::new(whole.status);
        for (name, value) in &whole.answer_headers {
            answer = answer.header(name.as_str(), value.clone());
        }
        if by_events && whole.answer_header("content-type").is_some_and(answer::is_stream) {
            return answer.chunked(answer::events(&whole.answer));
        }
        answer.body(whole.answer.clone())
    })
}

fn edited(whole: &Whole, used: Usage, sent: &Sent) -> Option<Answer> {
    let path = sent.headers.first(":path").unwrap_or_default();
    if path == whole.path.as_bytes() && sent.body == whole.request {
        return None;
    }
    let facts = |path: &[u8], body: &[u8]| {
        let route = recognise(whole.method.as_bytes(), whole.host.as_bytes(), path).metered()?;
        let facts = route.read(body).ok()?;
        Some((route.dialect, facts))
    };
    let (dialect, asked) = facts(whole.path.as_bytes(), &whole.request)?;
    let (_, now) = facts(path, &sent.body)?;
    let bound = now.output_bound.filter(|_| now.output_bound != asked.output_bound);
    let max = bound.map(|bound| bound.saturating_mul(now.choices)).filter(|max| *max < used.output);
    let fails = !(200..300).contains(&whole.status);
    let as_asked = now.model == asked.model && now.service_tier == asked.service_tier;
    if fails || (max.is_none() && as_asked) {
        return None;
    }
    let usage = max.map_or(used, |max| answer::shortened(used, max));
    let mut model = now.model;
    if model.is_empty() {
        // No model was asked for: the one that answered goes on answering.
        let kind = whole.answer_header("content-type").unwrap_or_default();
        let mut reader = AnswerReader::new(dialect, kind, false, "");
        reader.feed(&whole.answer);
        model = reader.served().model;
    }
    let answer = answer::stating(dialect.name, &model, usage)?;
    Some(Answer::json(whole.status, answer.to_string()))
}
