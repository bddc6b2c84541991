//! One HTTP stream: what the proxy shows of it goes to the engine, what the engine says is carried out.

mod answer;
mod edits;
mod request;

use crate::host::{self, Buffer, Map};
use crate::identity;
use crate::pairs::{self, Pairs};
use crate::root::{HostKind, Root};
use request::{Line, is_encoded, remove_length, request_line, short_text, strip};
use std::cell::RefCell;
use std::rc::Rc;
use tokenstile_engine::dialect::{Recognised, Route};
use tokenstile_engine::exchange::{Exchange, Look, Next};
use tokenstile_engine::policy::{Head, Verdict};
use tokenstile_engine::quota;
use tokenstile_engine::refusal::{Reply, unknown_endpoint};
use tokenstile_engine::units::EpochMs;

/// What a callback answers the proxy.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[repr(u32)]
pub(crate) enum Action {
    #[default]
    Continue = 0,
    Pause = 1,
}

/// What a new request is to us.
pub(crate) enum Seen {
    /// Not ours.
    Passes,
    /// We answered it already.
    Answered,
    /// Ours.
    Metered(Box<Stream>, Action),
}

/// The longest that a request waits for the store before `on_error` decides.
const WAIT_MS_MAX: i64 = 500;

/// A metered call. Other streams have none.
#[derive(Debug)]
pub(crate) struct Stream {
    root: Rc<RefCell<Root>>,
    context: u32,
    exchange: Exchange,
    kind: HostKind,
    /// Request headers are held back and may still be changed.
    headers_held: bool,
    /// The request's length left with its headers: its body must not change any more.
    length_stays: bool,
    encoded: bool,
    /// `:path` as sent.
    path: Vec<u8>,
    body: Vec<u8>,
    /// The body's length, as far as its headers say it.
    announced: Option<usize>,
    complete: bool,
    /// The answer's body did.
    began: bool,
    /// Tokens that count as held until the call is over.
    held: u64,
    last_now: EpochMs,
    /// The clock was asked in this callback: asking costs a call of the host.
    is_now: bool,
}

impl Stream {
    /// Looks at a new request. Of one that is not ours no more is read.
    pub(crate) fn recognise(root: &Rc<RefCell<Root>>, context: u32, end_of_stream: bool) -> Seen {
        // All at once cost as much as two single ones. Once more: without headers it is not known who pays.
        let bytes = host::headers(Map::RequestHeaders).or_else(|_| host::headers(Map::RequestHeaders));
        let headers = bytes.as_deref().map(pairs::decode).map_err(|status| *status);
        let line = request_line(headers.as_ref().ok());
        let route = match &line {
            Ok(Line { method, path, .. }) if quota::is_asked(&root.borrow().policy, path) => {
                return answered(root, &crate::quota::answer(root, method, path, headers.as_ref().ok()));
            }
            Ok(Line { method, host, path }) => {
                let recognised = root.borrow().memo.borrow_mut().routes.recognise(method, host, path);
                match recognised {
                    Recognised::Metered(route) => route,
                    Recognised::Free(_) => return Seen::Passes,
                    Recognised::Unknown => return unknown(root),
                }
            }
            // CONNECT has none.
            Err(host::NOT_FOUND) => return Seen::Passes,
            // It may be anything. Where failures refuse, it is refused in the first dialect's words.
            Err(status) => {
                let denies = root.borrow().policy.on_error == Verdict::Deny;
                let Some(route) = Route::of_unreadable_head().filter(|_| denies) else {
                    let why = format!("the request's path answered status {status}");
                    root.borrow_mut().metrics.failed("host", &why);
                    return Seen::Passes;
                };
                route
            }
        };
        let (stream, action) = Self::begin(root, context, route, headers, line.err(), end_of_stream);
        Seen::Metered(Box::new(stream), action)
    }

    fn begin(
        root: &Rc<RefCell<Root>>,
        context: u32,
        route: Route,
        headers: Result<Pairs<'_>, host::Status>,
        line_failed: Option<host::Status>,
        end_of_stream: bool,
    ) -> (Self, Action) {
        let mut shared = root.borrow_mut();
        let kind = shared.kind();
        let now = shared.now();
        let policy = shared.policy.clone();
        let (known, headers_failed) = headers.map_or_else(|e| (Pairs::new(), Some(e)), |all| (all, None));
        let head = Head { headers: &known, path: &route.path, dialect: route.dialect.name };
        let (identity, unidentified) = identity::read(&policy, head, kind);
        let unstripped = strip(&policy, &known).err();
        let at = now.unwrap_or_default();
        let path = route.path.clone();
        let mut exchange = Exchange::new(policy, route, identity, at);
        exchange.learns(shared.learned.clone());
        exchange.remembers(shared.memo.clone());
        exchange.offers(&known);
        let request_id = pairs::find(&known, "x-request-id").map(short_text).unwrap_or_default();
        exchange.set_ids(shared.call_id(context), request_id);
        if shared.policy.speaks_languages()
            && let Some(languages) = pairs::find(&known, "accept-language")
        {
            exchange.accepts_language(languages);
        }
        if shared.bodies_read_only || kind == HostKind::Apisix {
            exchange.body_is_read_only();
        }
        if kind == HostKind::Envoy && !shared.policy.hold_headers {
            exchange.path_is_read_only();
        }
        if kind != HostKind::Envoy {
            exchange.answer_is_read_only();
        }
        drop(shared);
        let mut stream = Self {
            root: root.clone(),
            context,
            exchange,
            kind,
            headers_held: false,
            length_stays: false,
            encoded: is_encoded(&known),
            path,
            body: Vec::new(),
            announced: None,
            complete: false,
            began: false,
            held: 0,
            last_now: at,
            is_now: now.is_some(),
        };
        let failure = line_failed.or(headers_failed);
        let failure = failure.map(|status| format!("request headers answered status {status}"));
        let failure = failure.or_else(|| now.is_none().then(|| "the host has no clock".to_owned()));
        let failure = failure.or(unidentified).or(unstripped);
        let action = match failure {
            Some(why) => stream.failed("host", &why),
            None => stream.head(&known, end_of_stream),
        };
        (stream, action)
    }

    fn head(&mut self, headers: &Pairs<'_>, end_of_stream: bool) -> Action {
        let now = self.now();
        let announced =
            pairs::find(headers, "content-length").and_then(|text| std::str::from_utf8(text).ok());
        let announced = announced.and_then(|text| text.parse::<usize>().ok());
        let root = self.root.clone();
        if let Some(next) = self.exchange.head(announced, now, |hold| root.borrow().level(hold, now)) {
            return self.carry_out(next);
        }
        let longest = self.root.borrow().policy.max_body_bytes;
        self.announced = announced;
        if announced.is_some_and(|length| length > longest) {
            return self.too_long(longest);
        }
        // APISIX says so of every request.
        if end_of_stream && self.kind != HostKind::Apisix {
            return self.whole_body(Ok(Vec::new()));
        }
        self.prepare_body(headers);
        if self.headers_held { Action::Pause } else { Action::Continue }
    }

    /// Asks the proxy for the body, and makes it possible to change it and to read the answer.
    fn prepare_body(&mut self, headers: &Pairs<'_>) {
        // An answer that the filter cannot read cannot be settled by what it states.
        if pairs::find(headers, "accept-encoding").is_some() {
            let _ = host::remove_header(Map::RequestHeaders, "accept-encoding");
        }
        let (hold, edits) = {
            let root = self.root.borrow();
            (root.policy.hold_headers, root.policy.edits_requests())
        };
        match self.kind {
            HostKind::Envoy if hold => self.headers_held = true,
            // The headers leave before the body is known: a length that could become wrong must not.
            HostKind::Envoy if edits || self.exchange.may_ask_for_usage() => {
                self.length_stays = remove_length().is_err();
            }
            HostKind::Apisix => {
                let _ = host::set_property("wasm_process_req_body", b"1");
            }
            HostKind::Envoy | HostKind::Wasmx => {}
        }
    }

    /// More of the request body is there.
    pub(crate) fn request_body(&mut self, size: usize, end_of_stream: bool) -> Action {
        self.is_now = false;
        if !self.exchange.is_reading() {
            return self.current_action();
        }
        let longest = self.root.borrow().policy.max_body_bytes;
        if size > longest {
            return self.too_long(longest);
        }
        // The others show a body once, whole, and must not be paused.
        if end_of_stream || self.kind != HostKind::Envoy {
            return self.whole_body(host::buffer(Buffer::RequestBody));
        }
        Action::Pause
    }

    /// The body is not read.
    fn too_long(&mut self, longest: usize) -> Action {
        let now = self.now();
        let why = format!("its body is longer than {longest} bytes");
        let next = self.exchange.unread(&why, self.announced, true, now);
        self.carry_out(next)
    }

    /// The request ended in trailers: the body callback never said so.
    pub(crate) fn request_trailers(&mut self) -> Action {
        self.is_now = false;
        if self.exchange.is_reading() {
            return self.whole_body(host::buffer(Buffer::RequestBody));
        }
        self.current_action()
    }

    fn whole_body(&mut self, body: Result<Vec<u8>, host::Status>) -> Action {
        let now = self.now();
        let next = match body {
            Ok(body) => {
                self.body = body;
                self.exchange.body(&self.body, self.encoded, now)
            }
            Err(host::NOT_FOUND) => {
                self.exchange.unread("the proxy did not show the body", self.announced, true, now)
            }
            Err(status) => return self.failed("host", &format!("the request body answered status {status}")),
        };
        let action = self.carry_out(next);
        if action == Action::Continue || !self.waits() {
            self.body = Vec::new();
            let mut root = self.root.borrow_mut();
            let spent = root.microseconds_passed();
            root.metrics.observe("decision_us", &[("dialect", self.exchange.dialect())], spent);
        }
        action
    }

    /// A paused request stays paused; one that was let go is.
    fn current_action(&self) -> Action {
        if self.waits() { Action::Pause } else { Action::Continue }
    }

    /// Whether a tick must let it go on.
    fn waits(&self) -> bool {
        self.exchange.is_reserving() || self.exchange.is_delayed()
    }

    /// Something of ours failed: `on_error` decides, in the engine.
    fn failed(&mut self, kind: &str, why: &str) -> Action {
        self.root.borrow_mut().metrics.failed(kind, why);
        let now = self.now();
        let next = self.exchange.fail(why, now);
        self.carry_out(next)
    }

    /// Does what the engine says until there is nothing more to say or the store makes it wait.
    fn carry_out(&mut self, next: Next) -> Action {
        let mut next = next;
        loop {
            let now = self.now();
            next = match next {
                Next::Nothing => return self.settled_action(Action::Continue),
                Next::Look => {
                    let root = self.root.borrow();
                    let level = |look: &Look| root.told_level(&look.hold, now).ok();
                    let levels: Vec<_> = self.exchange.looks().iter().map(level).collect();
                    drop(root);
                    self.exchange.looked(&levels, now)
                }
                Next::Reserve => match self.reserve(now) {
                    Some(next) => next,
                    None => return Action::Pause,
                },
                Next::Count => {
                    // What was held by the estimate is given back before the count asks again.
                    let _ = self.settled_action(Action::Continue);
                    self.exchange.count(&self.body, now)
                }
                Next::Forward(edits) => match self.apply(&edits) {
                    Ok(()) => {
                        self.held = self.exchange.hold_tokens();
                        self.root.borrow_mut().metrics.add("held_tokens", &[], self.held);
                        return self.settled_action(Action::Continue);
                    }
                    Err(why) => {
                        let mut root = self.root.borrow_mut();
                        root.metrics.failed("edit", &why);
                        drop(root);
                        self.exchange.edit_failed(&why, now)
                    }
                },
                Next::Delay(until) => {
                    if self.root.borrow_mut().delay(self.context, until) {
                        return self.settled_action(Action::Pause);
                    }
                    self.exchange.cannot_delay(now)
                }
                Next::Reply(reply) => match send(&reply) {
                    Ok(()) => return self.settled_action(Action::Pause),
                    Err(status) => {
                        let why = format!("the local reply answered status {status}");
                        self.root.borrow_mut().metrics.failed("reply", &why);
                        let holdable = self.root.borrow().can_hold();
                        match self.exchange.reply_failed(&why, holdable, now) {
                            Some(next) => next,
                            None => return self.settled_action(Action::Pause),
                        }
                    }
                },
            };
        }
    }

    /// What the engine gave back on the way is booked at once.
    fn settled_action(&mut self, action: Action) -> Action {
        let owed = self.exchange.take_owed();
        if !owed.is_empty() {
            let now = self.now();
            self.root.borrow_mut().settle(owed, now);
            self.root.borrow().wake_heir(self.context);
        }
        action
    }

    fn reserve(&mut self, now: EpochMs) -> Option<Next> {
        let mut root = self.root.borrow_mut();
        let waits_until = root.waits_until(self.context);
        let may_wait = self.kind == HostKind::Envoy && waits_until.is_none_or(|until| now < until);
        let next = root.reserve(&mut self.exchange, now, may_wait);
        if next.is_some() {
            root.no_longer_waits(self.context);
            return next;
        }
        if root.wait(self.context, now.plus_ms(WAIT_MS_MAX)) {
            return None;
        }
        Some(self.exchange.store_failed("shared data is contended, and this host cannot wait", now))
    }

    /// A tick: asks the store again, or goes on after a delay. Host calls speak of this stream already.
    pub(crate) fn try_again(&mut self) {
        self.is_now = false;
        if self.exchange.is_reserving() {
            return self.resume(Next::Reserve);
        }
        self.root.borrow_mut().no_longer_waits(self.context);
        if self.exchange.is_delayed() {
            let next = self.exchange.delayed();
            self.resume(next);
        }
    }

    /// There will be no more ticks: what waits goes on, or `on_error` decides.
    pub(crate) fn release(&mut self) {
        if self.exchange.is_reserving() {
            self.is_now = false;
            let now = self.now();
            let next = self.exchange.store_failed("this configuration was replaced", now);
            self.root.borrow_mut().no_longer_waits(self.context);
            return self.resume(next);
        }
        self.try_again();
    }

    fn resume(&mut self, next: Next) {
        let action = self.carry_out(next);
        if action == Action::Continue
            && let Err(status) = host::continue_request()
        {
            let why = format!("resuming a request answered status {status}");
            self.root.borrow_mut().metrics.failed("host", &why);
        }
    }

    /// The answer passed whole. Gives what may stand behind it.
    fn finished(&mut self) -> Option<Vec<u8>> {
        self.complete = true;
        self.end()
    }

    /// The proxy lets the stream go, also when the client hung up.
    pub(crate) fn gone(&mut self) {
        self.is_now = false;
        let _ = self.end();
    }

    /// The stream is over: books it, the first time.
    fn end(&mut self) -> Option<Vec<u8>> {
        // A proxy says it up to four times.
        if self.exchange.is_over() {
            return None;
        }
        let now = self.now();
        let mut settlement = self.exchange.end(self.complete, now)?;
        let owed = self.exchange.take_owed();
        let mut root = self.root.borrow_mut();
        root.no_longer_waits(self.context);
        let settled = root.settle(owed, now);
        root.wake_heir(self.context);
        self.exchange.booked(&mut settlement, &settled.before);
        root.metrics.add("released_tokens", &[], self.held);
        root.metrics.settled(&self.exchange, &settlement);
        root.record(&settlement.record, now);
        self.exchange.stream_note(&settlement)
    }

    fn now(&mut self) -> EpochMs {
        if !std::mem::replace(&mut self.is_now, true) {
            self.last_now = self.root.borrow_mut().now().unwrap_or(self.last_now);
        }
        self.last_now
    }
}

/// A call that no dialect recognises.
fn unknown(shared: &Rc<RefCell<Root>>) -> Seen {
    let mut root = shared.borrow_mut();
    if root.policy.unknown == Verdict::Allow {
        return Seen::Passes;
    }
    let now = root.now().unwrap_or_default();
    root.metrics.add("requests", &[("decision", "deny"), ("rule", "unknown")], 1);
    drop(root);
    unknown_endpoint(now).map_or(Seen::Passes, |reply| answered(shared, &reply))
}

/// Answers a request that is no metered call. One that the proxy does not answer is held where failures refuse.
fn answered(root: &Rc<RefCell<Root>>, reply: &Reply) -> Seen {
    match send(reply) {
        Ok(()) => Seen::Answered,
        Err(status) => {
            let mut root = root.borrow_mut();
            root.metrics.failed("reply", &format!("the local reply answered status {status}"));
            let hold = root.policy.on_error == Verdict::Deny && root.can_hold();
            if hold { Seen::Answered } else { Seen::Passes }
        }
    }
}

/// Sends an answer of ours. Once more: an error that lasts is the caller's to judge.
fn send(reply: &Reply) -> Result<(), host::Status> {
    let send = || host::send_local_response(reply.status, "tokenstile", &reply.headers, &reply.body);
    send().or_else(|_| send())
}
