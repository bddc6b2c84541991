//! Owns the way of one exchange: which callback comes next, what is let through, when it waits. Driven by tests
//! and by `drive`. What a callback means is decided in `vm_stream.rs`, not here.

use super::answer::End;
use super::steps::{Step, callback, steps};
use super::{Answer, Ended, HangUp, Report, Request, Sent, replies};
use crate::host::{Error, FailurePolicy, HeaderMap, LocalReply, Outcome, Profile, Side, StreamId, Vm};
use std::collections::{BTreeMap, VecDeque};

/// What an exchange waits for: the filter stopped this side.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Waiting {
    /// The side that stands still.
    pub side: Side,
}

/// How far the exchange is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    Request,
    Response,
    Over,
}

/// One exchange, on its way.
pub struct Driver {
    id: Option<StreamId>,
    stage: Stage,
    steps: VecDeque<Step>,
    waiting: Option<Side>,
    /// The filter is not asked any more: it failed, and the proxy lets requests pass.
    bypass: bool,
    sent: Sent,
    end: End,
    hang_up: Option<HangUp>,
    properties: BTreeMap<String, Vec<u8>>,
    request_chunks: usize,
    response_chunks: usize,
    upstream: Box<dyn FnMut(&Sent) -> Answer>,
    report: Report,
    log_before: u64,
    metrics_before: BTreeMap<String, i64>,
}

impl Driver {
    /// An exchange that has not begun.
    pub fn new(vm: &Vm, request: Request, upstream: impl FnMut(&Sent) -> Answer + 'static) -> Self {
        // nginx drops the trailers of a request, and the body ends it.
        let trailers = request.trailers.filter(|_| vm.profile() == Profile::Envoy);
        Self {
            id: None,
            stage: Stage::Request,
            steps: steps(request.headers, request.chunks, trailers, true),
            waiting: None,
            bypass: false,
            sent: Sent::default(),
            end: End::Complete,
            hang_up: request.hang_up,
            properties: request.properties,
            request_chunks: 0,
            response_chunks: 0,
            upstream: Box::new(upstream),
            report: Report::default(),
            log_before: vm.shared().log().written(),
            metrics_before: vm.shared().metrics().snapshot(),
        }
    }

    /// Goes on until the exchange waits or is over.
    pub fn start(&mut self, vm: &mut Vm) {
        while self.step(vm) {}
    }

    /// Makes the next callback; false if there is nothing to do, since the exchange waits or is over.
    pub fn step(&mut self, vm: &mut Vm) -> bool {
        if self.stage == Stage::Over || self.waiting.is_some() {
            return false;
        }
        if self.id.is_none() && !self.bypass {
            match vm.create_stream() {
                Ok(id) => {
                    self.id = Some(id);
                    let properties = std::mem::take(&mut self.properties);
                    properties.into_iter().for_each(|(name, value)| vm.set_property(id, &name, value));
                }
                Err(error) => self.failed(vm, Side::Request, error),
            }
            return self.stage != Stage::Over;
        }
        match (self.steps.pop_front(), self.stage) {
            (Some(step), Stage::Request) => self.give(vm, Side::Request, step),
            (Some(step), _) => self.give(vm, Side::Response, step),
            (None, Stage::Request) => self.ask_upstream(vm),
            (None, _) => self.over(vm, if self.end == End::Cut { Ended::Cut } else { Ended::Complete }),
        }
        self.stage != Stage::Over
    }

    /// Looks what a tick or the answer to a call did, and goes on if it may. True if anything happened.
    pub fn poll(&mut self, vm: &mut Vm) -> bool {
        let Some(id) = self.id else { return false };
        if self.stage == Stage::Over {
            return false;
        }
        if vm.stream(id).is_none() {
            // The VM was made anew under this exchange.
            self.over(vm, Ended::Cut);
            return true;
        }
        let outcome = vm.take_outcome(id);
        let side = if outcome.request_goes_on { Side::Request } else { Side::Response };
        let goes_on = outcome.request_goes_on || outcome.response_goes_on;
        if !goes_on && outcome.local_reply.is_none() && !outcome.closed {
            return false;
        }
        self.waiting = None;
        self.apply(vm, side, outcome);
        self.start(vm);
        true
    }

    /// The client closes its connection now.
    pub fn client_gone(&mut self, vm: &mut Vm) {
        self.over(vm, Ended::ClientGone);
    }

    /// The exchange's stream, for looking at it through [`Vm::stream`].
    pub fn id(&self) -> Option<StreamId> {
        self.id
    }

    /// What the exchange waits for.
    pub fn waiting(&self) -> Option<Waiting> {
        self.waiting.map(|side| Waiting { side })
    }

    /// Whether it is over.
    pub fn is_over(&self) -> bool {
        self.stage == Stage::Over
    }

    /// What it came to so far.
    pub fn report(&self, vm: &Vm) -> Report {
        let mut report = self.report.clone();
        let anything = self.sent.complete || !self.sent.headers.is_empty();
        report.upstream = anything.then(|| self.sent.clone());
        report.waiting = self.waiting();
        let nothing_to_come =
            vm.http_calls().is_empty() && vm.grpc_calls().is_empty() && vm.tick_period().is_none();
        report.hung = self.waiting.is_some() && (nothing_to_come || vm.is_dead());
        report.log = vm.shared().log().since(self.log_before);
        report.metrics = vm.shared().metrics().since(&self.metrics_before);
        report
    }

    fn give(&mut self, vm: &mut Vm, side: Side, step: Step) {
        let hang_up = self.count(side, &step);
        let at_headers = matches!(step, Step::Headers { .. });
        let Some(id) = self.id.filter(|_| !self.bypass) else {
            self.pass(side, step);
            return self.gone_if(vm, hang_up);
        };
        match callback(vm, id, side, step) {
            Ok(outcome) => self.apply(vm, side, outcome),
            Err(error) => self.failed(vm, side, error),
        }
        self.gone_if(vm, hang_up);
        self.wait_if_stopped(vm, side, at_headers);
    }

    fn gone_if(&mut self, vm: &mut Vm, hang_up: bool) {
        if hang_up {
            self.client_gone(vm);
        }
    }

    /// Lets a part through that the filter does not see.
    fn pass(&mut self, side: Side, step: Step) {
        match (side, step) {
            (Side::Request, Step::Headers { headers, .. }) => self.sent.headers = headers,
            (Side::Request, Step::Body { bytes, .. }) => self.sent.body.extend(bytes),
            (Side::Request, Step::Trailers(trailers)) => self.sent.trailers = Some(trailers),
            (Side::Response, Step::Headers { headers, .. }) => self.answer_begins(headers),
            (Side::Response, Step::Body { bytes, .. }) => self.report.client.chunks.push(bytes),
            (Side::Response, Step::Trailers(trailers)) => self.report.client.trailers = Some(trailers),
        }
    }

    /// Counts the pieces given; whether the client goes away at this one.
    fn count(&mut self, side: Side, step: &Step) -> bool {
        let point = match (side, step) {
            (_, Step::Trailers(_)) => return false,
            (Side::Request, Step::Headers { .. }) => HangUp::AfterRequestHeaders,
            (Side::Response, Step::Headers { .. }) => HangUp::AfterResponseHeaders,
            (Side::Request, Step::Body { .. }) => {
                self.request_chunks += 1;
                HangUp::AfterRequestChunk(self.request_chunks)
            }
            (Side::Response, Step::Body { .. }) => {
                self.response_chunks += 1;
                HangUp::AfterResponseChunk(self.response_chunks)
            }
        };
        self.hang_up == Some(point)
    }

    /// A side that stopped gets no more, unless it holds its headers and the proxy goes on with the body, or it
    /// gathers the body.
    fn wait_if_stopped(&mut self, vm: &mut Vm, side: Side, at_headers: bool) {
        let now = if self.stage == Stage::Request { Side::Request } else { Side::Response };
        let Some(stream) = self.id.and_then(|id| vm.stream(id)) else { return };
        if self.stage == Stage::Over || now != side || !stream.is_paused(side) {
            return;
        }
        let body_comes = !at_headers || (vm.config().hold_headers && vm.profile() == Profile::Envoy);
        if body_comes && !self.steps.is_empty() {
            return;
        }
        self.waiting = Some(side);
        if self.hang_up == Some(HangUp::WhenWaiting) {
            self.client_gone(vm);
        }
    }

    fn apply(&mut self, vm: &mut Vm, side: Side, outcome: Outcome) {
        if let Some(reply) = outcome.local_reply {
            return self.reply(vm, reply);
        }
        if outcome.closed {
            return self.over(vm, Ended::Cut);
        }
        if outcome.request_goes_on || outcome.response_goes_on {
            self.let_through(vm, side, outcome.body);
        }
    }

    fn let_through(&mut self, vm: &Vm, side: Side, body: Vec<u8>) {
        let Some(stream) = self.id.and_then(|id| vm.stream(id)) else { return };
        let trailers = Some(stream.trailers(side)).filter(|trailers| !trailers.is_empty()).cloned();
        match side {
            Side::Request => {
                if self.sent.headers.is_empty() {
                    self.sent.headers = stream.headers(side).clone();
                }
                self.sent.trailers = trailers;
            }
            Side::Response => {
                if self.report.client.status.is_none() {
                    self.answer_begins(stream.headers(side).clone());
                }
                self.report.client.trailers = trailers;
            }
        }
        match side {
            Side::Request => self.sent.body.extend(body),
            Side::Response if body.is_empty() => {}
            Side::Response => self.report.client.chunks.push(body),
        }
    }

    fn answer_begins(&mut self, headers: HeaderMap) {
        let status = headers.text(":status").and_then(|status| status.parse().ok());
        self.report.client.status = status.or(Some(0));
        self.report.client.headers = headers;
    }

    fn ask_upstream(&mut self, vm: &mut Vm) {
        self.sent.complete = true;
        // nginx sends the headers only now, with what the body's callback made of them.
        let stream = self.id.and_then(|id| vm.stream(id)).filter(|_| vm.profile() != Profile::Envoy);
        if let Some(stream) = stream {
            self.sent.headers = stream.headers(Side::Request).clone();
        }
        let (headers, len) = (self.sent.headers.clone(), self.sent.body.len());
        self.report.check_length("to the upstream", &headers, len);
        let answer = (self.upstream)(&self.sent);
        if answer.end == End::Unreachable {
            return self.reply(vm, replies::unreachable(vm.profile()));
        }
        self.answered(answer);
    }

    fn answered(&mut self, answer: Answer) {
        self.stage = Stage::Response;
        self.end = answer.end;
        self.steps = steps(answer.headers, answer.chunks, answer.trailers, answer.end != End::Cut);
    }

    /// In the request the reply takes the upstream's place, and the filter sees it as it sees any answer. Later
    /// it goes to the client as it is, or breaks an answer that has begun.
    fn reply(&mut self, vm: &mut Vm, reply: LocalReply) {
        let mut answer = replies::answer(vm.profile(), &reply);
        self.report.local_reply = Some(reply);
        if self.stage == Stage::Request {
            return self.answered(answer);
        }
        if self.report.client.status.is_some() {
            return self.over(vm, Ended::Cut);
        }
        if vm.profile() == Profile::Apisix {
            // Only the headers arrive there.
            answer.chunks.clear();
        }
        self.answer_begins(answer.headers);
        self.report.client.chunks = answer.chunks;
        self.over(vm, Ended::Complete);
    }

    /// The filter failed: cut, answered by the proxy, or passed on without it.
    fn failed(&mut self, vm: &mut Vm, side: Side, error: Error) {
        let open = vm.profile() == Profile::Envoy && vm.config().failure_policy == FailurePolicy::Open;
        let reply = replies::failure(vm.profile(), &error);
        self.report.error.get_or_insert(error);
        if open {
            // The host has noted what the filter was given, so nothing of it is lost.
            let held = self.id.and_then(|id| vm.stream(id)).map(|stream| stream.held_body(side).to_vec());
            self.let_through(vm, side, held.unwrap_or_default());
            self.bypass = true;
            return;
        }
        match reply {
            Some(reply) if self.report.client.status.is_none() => {
                self.answer_begins(replies::answer(vm.profile(), &reply).headers);
                self.report.local_reply = Some(reply);
                self.over(vm, Ended::Complete);
            }
            _ => self.over(vm, Ended::Cut),
        }
    }

    fn over(&mut self, vm: &mut Vm, ended: Ended) {
        if self.stage == Stage::Over {
            return;
        }
        self.stage = Stage::Over;
        self.waiting = None;
        self.report.client.ended = ended;
        if ended == Ended::Complete {
            let (headers, len) = (self.report.client.headers.clone(), self.report.client.body().len());
            self.report.check_length("to the client", &headers, len);
        }
        let Some(id) = self.id.filter(|id| vm.stream(*id).is_some()) else { return };
        if let Err(error) = vm.finish(id) {
            self.report.error.get_or_insert(error);
        }
    }
}
