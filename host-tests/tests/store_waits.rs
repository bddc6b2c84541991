//! The request path can wait for its store: one that answers late, never, and after the client has gone. First the
//! engine alone, then the built filter on a host whose shared data is contended.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by a panic")]

use serde_json::{Value, json};
use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;
use tokenstile_engine::alert::settle_all;
use tokenstile_engine::dialect::{Edits, recognise};
use tokenstile_engine::exchange::{Exchange, Next};
use tokenstile_engine::ledger::{Denied, Page, Reserved, Store, StoreError, reserve_all};
use tokenstile_engine::policy::{Head, Identity, Policy};
use tokenstile_engine::units::EpochMs;
use tokenstile_host::cases::{Books, filter};
use tokenstile_host::host::{
    Answer, Driver, Ended, Faults, Profile, Repeat, Report, Request, Shared, Status, Vm, VmConfig,
};

const T0: EpochMs = EpochMs(1_795_348_800_000);
const BODY: &[u8] = br#"{"model":"gpt-4o","max_tokens":100,"messages":[{"role":"user","content":"hi"}]}"#;

fn policy(on_error: &str) -> Value {
    json!({
        "version": 1, "name": "waits", "on_error": on_error,
        "identity": {"user": ["header:x-user-id", "value:anonymous"]},
        "budgets": [
            {"name": "team", "per": [], "limit": {"tokens": 10_000}, "window": {"calendar": "day"}, "ladder": [{"at": "100%", "deny": {}}]},
            {"name": "person", "per": ["user"], "limit": {"tokens": 1000}, "window": {"calendar": "day"}, "ladder": [{"at": "100%", "deny": {}}]},
        ],
    })
}

/// A store that answers when it is asked to, and shows what stands in it.
#[derive(Default)]
struct Map(HashMap<u32, Page>);

impl Store for Map {
    fn update<T>(&mut self, number: u32, mut change: impl FnMut(&mut Page) -> T) -> Result<T, StoreError> {
        Ok(change(self.0.entry(number).or_default()))
    }
}

/// One exchange with its store between them.
struct Desk {
    exchange: Exchange,
    store: Map,
}

impl Desk {
    /// A call of which the body has come: the store is asked.
    fn asking(on_error: &str) -> Self {
        let policy = Arc::new(Policy::parse(policy(on_error).to_string().as_bytes()).unwrap());
        let identity = Identity::of(&policy, Head::default());
        let route = recognise(b"POST", b"", b"/v1/chat/completions").metered().unwrap();
        let mut exchange = Exchange::new(policy, route, identity, T0);
        assert_eq!(exchange.body(BODY, false, T0), Next::Reserve);
        assert!(exchange.is_reserving());
        Self { exchange, store: Map::default() }
    }

    /// What the store makes of the holds.
    fn reserve(&mut self, now: EpochMs) -> Result<Vec<Reserved>, Denied> {
        let mut owed = Vec::new();
        let answer = reserve_all(&mut self.store, &self.exchange.holds(), now, false, &mut owed).unwrap();
        assert!(owed.is_empty());
        answer
    }

    fn settle(&mut self, now: EpochMs) {
        let mut owed = self.exchange.take_owed();
        settle_all(&mut self.store, &mut owed, now);
        assert!(owed.is_empty());
    }

    /// Settled and held in each budget, in tokens.
    fn levels(&self, now: EpochMs) -> Vec<(i64, i64)> {
        let level = |hold: &tokenstile_engine::ledger::Hold| {
            let page = self.store.0.get(&hold.key.page).cloned().unwrap_or_default();
            let level = page.level(hold, now);
            (level.used / 1_000_000, level.held / 1_000_000)
        };
        self.exchange.holds().iter().map(level).collect()
    }
}

#[test]
fn a_store_that_answers_late_is_waited_for() {
    let mut desk = Desk::asking("deny");
    let late = T0.plus_ms(400);
    let answer = desk.reserve(late);
    assert_eq!(desk.exchange.reserved(&answer, late), Next::Forward(Edits::default()));
    assert_eq!(desk.levels(late), [(0, 108), (0, 108)]);
    desk.exchange.answer_head(200, b"application/json", false, &[], late);
    desk.exchange.answer_chunk(br#"{"usage":{"prompt_tokens":8,"completion_tokens":12}}"#, false);
    assert!(desk.exchange.end(true, late.plus_ms(50)).is_some());
    desk.settle(late.plus_ms(50));
    assert_eq!(desk.levels(late), [(20, 0), (20, 0)]);
}

#[test]
fn a_store_that_never_answers_leaves_the_decision_to_the_policy() {
    let deadline = T0.plus_ms(500);
    let mut allow = Desk::asking("allow");
    assert_eq!(allow.exchange.store_failed("no answer in 500 ms", deadline), Next::Forward(Edits::default()));
    let mut deny = Desk::asking("deny");
    let Next::Reply(reply) = deny.exchange.store_failed("no answer in 500 ms", deadline) else {
        panic!("a policy that denies must refuse");
    };
    assert_eq!(reply.status, 503);
    // What the upstream did for the allowed one is booked although nothing was held.
    allow.exchange.answer_head(200, b"application/json", false, &[], deadline);
    allow.exchange.answer_chunk(br#"{"usage":{"prompt_tokens":8,"completion_tokens":12}}"#, false);
    let settlement = allow.exchange.end(true, deadline).unwrap();
    assert_eq!(settlement.record.failure.as_deref(), Some("no answer in 500 ms"));
    allow.settle(deadline);
    assert_eq!(allow.levels(deadline), [(20, 0), (20, 0)]);
    assert_eq!(deny.exchange.end(true, deadline).unwrap().record.ending, "refused");
    deny.settle(deadline);
    assert_eq!(deny.levels(deadline), [(0, 0), (0, 0)]);
}

#[test]
fn an_answer_after_the_deadline_is_given_back() {
    for on_error in ["allow", "deny"] {
        let mut desk = Desk::asking(on_error);
        desk.exchange.store_failed("no answer in 500 ms", T0.plus_ms(500));
        let late = T0.plus_ms(2000);
        let answer = desk.reserve(late);
        assert_eq!(desk.levels(late), [(0, 108), (0, 108)]);
        assert_eq!(desk.exchange.reserved(&answer, late), Next::Nothing);
        desk.settle(late);
        assert_eq!(desk.levels(late), [(0, 0), (0, 0)], "{on_error}");
    }
}

#[test]
fn an_answer_after_the_client_has_gone_is_given_back() {
    let mut desk = Desk::asking("deny");
    let settlement = desk.exchange.end(false, T0.plus_ms(100)).unwrap();
    assert_eq!(settlement.record.ending, "abandoned");
    desk.settle(T0.plus_ms(100));
    let late = T0.plus_ms(300);
    let answer = desk.reserve(late);
    assert_eq!(desk.exchange.reserved(&answer, late), Next::Nothing);
    desk.settle(late);
    assert_eq!(desk.levels(late), [(0, 0), (0, 0)]);
    assert!(desk.exchange.end(true, late).is_none(), "a call is settled once");
}

#[test]
fn a_refusal_or_failure_after_the_client_has_gone_is_nothing() {
    let mut desk = Desk::asking("deny");
    desk.exchange.end(false, T0);
    assert_eq!(
        desk.exchange.reserved(&Err(Denied { index: 0, level: None, taken: Vec::new() }), T0),
        Next::Nothing
    );
    assert_eq!(desk.exchange.store_failed("too late", T0), Next::Nothing);
    assert!(desk.exchange.take_owed().is_empty());
}

#[test]
fn an_answer_in_the_next_window_is_settled_in_the_one_that_it_was_asked_in() {
    let mut desk = Desk::asking("allow");
    let midnight = EpochMs(1_795_392_000_000);
    let answer = desk.reserve(midnight.plus_ms(-100));
    assert_eq!(desk.exchange.reserved(&answer, midnight.plus_ms(100)), Next::Forward(Edits::default()));
    desk.exchange.answer_head(200, b"application/json", false, &[], midnight.plus_ms(200));
    desk.exchange.answer_chunk(br#"{"usage":{"prompt_tokens":8,"completion_tokens":12}}"#, false);
    desk.exchange.end(true, midnight.plus_ms(300));
    desk.settle(midnight.plus_ms(300));
    assert_eq!(desk.levels(midnight.plus_ms(-1)), [(20, 0), (20, 0)]);
}

// --- the built filter ---

/// One worker whose shared data loses every swap, and its request that waits.
struct Contended {
    vm: Vm,
    driver: Driver,
    shared: Shared,
    books: Books,
}

impl Contended {
    fn waiting(on_error: &str, hold_headers: bool) -> Self {
        let mut policy = policy(on_error);
        policy["hold_headers"] = hold_headers.into();
        let mut config = VmConfig::new(Profile::Envoy, policy.to_string());
        config.hold_headers = hold_headers;
        let shared = Shared::new();
        let mut vm = Vm::new(&filter::module().unwrap(), &shared, config).unwrap();
        // `Forever` from the first swap on: each one finds that another worker was quicker.
        vm.arm(Faults::nth(1, Status::CAS_MISMATCH, Repeat::Forever).only("proxy_set_shared_data"));
        let request = Request::post("/v1/chat/completions", BODY).header("content-type", "application/json");
        let mut driver = Driver::new(&vm, request, |_| {
            Answer::json(200, r#"{"usage":{"prompt_tokens":8,"completion_tokens":12}}"#)
        });
        driver.start(&mut vm);
        assert!(driver.waiting().is_some(), "the request waits: {:?}", driver.report(&vm));
        assert!(vm.tick_period().is_some(), "somebody will wake it");
        Self { vm, driver, shared, books: Books::of(&policy).unwrap() }
    }

    /// That much virtual time, tick by tick.
    fn pass(&mut self, ms: u64) {
        for _ in 0..ms / 10 {
            self.shared.clock().advance(Duration::from_millis(10));
            self.vm.tick().unwrap();
            self.driver.poll(&mut self.vm);
        }
    }

    fn report(&self) -> Report {
        let report = self.driver.report(&self.vm);
        assert!(report.error.is_none() && report.problems.is_empty(), "{report:?}");
        report
    }

    fn levels(&self) -> Vec<(u64, u64)> {
        self.books.levels(&self.shared, &[("x-user-id", "anonymous")].into())
    }
}

#[test]
fn the_filter_waits_and_goes_on_when_the_store_answers() {
    for hold_headers in [true, false] {
        let mut contended = Contended::waiting("deny", hold_headers);
        contended.pass(450);
        assert!(contended.driver.waiting().is_some(), "450 ms are within the deadline");
        contended.vm.disarm();
        contended.pass(20);
        let report = contended.report();
        assert_eq!((report.client.status, report.client.ended), (Some(200), Ended::Complete));
        assert_eq!(report.upstream.unwrap().body, BODY);
        assert_eq!(report.client.headers.text("x-tokenstile-decision").unwrap(), "allow");
        assert_eq!(contended.levels(), [(20, 0), (20, 0)]);
        contended.pass(20);
        assert_eq!(contended.vm.tick_period(), None, "ticks end when nothing waits for them");
    }
}

#[test]
fn the_filter_lets_the_policy_decide_at_the_deadline() {
    for (on_error, hold_headers, status) in
        [("allow", true, 200), ("allow", false, 200), ("deny", true, 503), ("deny", false, 503)]
    {
        let mut contended = Contended::waiting(on_error, hold_headers);
        contended.pass(490);
        assert!(contended.driver.waiting().is_some(), "{on_error}: 490 ms are within the deadline");
        contended.pass(20);
        let report = contended.report();
        assert_eq!(
            (report.client.status, report.client.ended),
            (Some(status), Ended::Complete),
            "{on_error}"
        );
        assert_eq!(report.upstream.is_some_and(|sent| sent.complete), status == 200);
        // The store is well again: what the upstream did is booked by then.
        contended.vm.disarm();
        contended.pass(20);
        let used = if status == 200 { 20 } else { 0 };
        assert_eq!(contended.levels(), [(used, 0), (used, 0)], "{on_error}");
        assert_eq!(contended.vm.tick_period(), None);
    }
}

#[test]
fn a_client_that_leaves_while_the_filter_waits_leaves_nothing_behind() {
    for hold_headers in [true, false] {
        let mut contended = Contended::waiting("deny", hold_headers);
        contended.pass(100);
        contended.driver.client_gone(&mut contended.vm);
        contended.pass(100);
        contended.vm.disarm();
        contended.pass(100);
        let report = contended.report();
        assert_eq!(report.client.ended, Ended::ClientGone);
        assert!(!report.upstream.is_some_and(|sent| sent.complete));
        assert_eq!(contended.levels(), [(0, 0), (0, 0)]);
        assert_eq!((contended.vm.tick_period(), contended.vm.streams_open()), (None, 0));
    }
}

#[test]
fn a_hold_taken_before_the_second_one_failed_is_given_back() {
    // Two budgets, two swaps: the first is stored, the second never.
    let shared = Shared::new();
    let policy = policy("deny");
    let mut vm =
        Vm::new(&filter::module().unwrap(), &shared, VmConfig::new(Profile::Envoy, policy.to_string()))
            .unwrap();
    vm.arm(Faults::nth(2, Status::CAS_MISMATCH, Repeat::Forever).only("proxy_set_shared_data"));
    let mut driver =
        Driver::new(&vm, Request::post("/v1/chat/completions", BODY), |_| Answer::json(200, "{}"));
    driver.start(&mut vm);
    let books = Books::of(&policy).unwrap();
    let levels = || books.levels(&shared, &[("x-user-id", "anonymous")].into());
    assert_eq!(levels(), [(0, 108), (0, 0)]);
    driver.client_gone(&mut vm);
    vm.disarm();
    shared.clock().advance(Duration::from_millis(10));
    vm.tick().unwrap();
    assert_eq!(levels(), [(0, 0), (0, 0)]);
}

#[test]
fn where_a_tick_cannot_resume_nothing_is_paused() {
    for (on_error, status) in [("allow", 200), ("deny", 503)] {
        let policy = policy(on_error);
        let config = VmConfig::new(Profile::Wasmx, policy.to_string());
        let mut vm = Vm::new(&filter::module().unwrap(), &Shared::new(), config).unwrap();
        vm.arm(Faults::nth(1, Status::CAS_MISMATCH, Repeat::Forever).only("proxy_set_shared_data"));
        let request = Request::post("/v1/chat/completions", BODY).header("content-type", "application/json");
        let mut driver = Driver::new(&vm, request, |_| Answer::json(200, "{}"));
        driver.start(&mut vm);
        let report = driver.report(&vm);
        assert_eq!((report.client.status, report.waiting, report.error), (Some(status), None, None));
        assert_eq!(vm.tick_period(), None, "WasmX's worker crashes on a resume from a tick");
    }
}

/// A configuration that ends while its store is contended, and what it owes then.
struct Owing {
    vm: Vm,
    shared: Shared,
    policy: Value,
}

impl Owing {
    /// A call was let through, and what it used was not booked.
    fn begin() -> Self {
        let (shared, policy) = (Shared::new(), policy("allow"));
        let config = VmConfig::new(Profile::Envoy, policy.to_string());
        let vm = Vm::new(&filter::module().unwrap(), &shared, config).unwrap();
        let mut ended = Self { vm, shared, policy };
        // Two budgets, two swaps for their holds, and none for what settles them.
        ended.vm.arm(Faults::nth(3, Status::CAS_MISMATCH, Repeat::Forever).only("proxy_set_shared_data"));
        ended.call();
        assert_eq!(ended.levels(), [(0, 108), (0, 108)]);
        ended
    }

    fn call(&mut self) {
        let mut driver = Driver::new(&self.vm, Request::post("/v1/chat/completions", BODY), |_| {
            Answer::json(200, r#"{"usage":{"prompt_tokens":8,"completion_tokens":12}}"#)
        });
        driver.start(&mut self.vm);
        assert_eq!(driver.report(&self.vm).client.status, Some(200));
    }

    fn succeed(&mut self) {
        self.vm.succeed(self.policy.to_string()).unwrap();
    }

    fn tick(&mut self) {
        self.shared.clock().advance(Duration::from_millis(10));
        self.vm.tick().unwrap();
    }

    fn levels(&self) -> Vec<(u64, u64)> {
        Books::of(&self.policy).unwrap().levels(&self.shared, &[("x-user-id", "anonymous")].into())
    }
}

#[test]
fn what_a_configuration_owes_when_it_ends_is_settled_by_the_one_in_force() {
    let mut ended = Owing::begin();
    ended.succeed();
    ended.tick();
    assert_eq!(ended.levels(), [(0, 108), (0, 108)], "the store is contended still");
    ended.vm.disarm();
    ended.tick();
    assert_eq!(ended.levels(), [(20, 0), (20, 0)]);
    ended.tick();
    assert_eq!(ended.vm.tick_period(), None, "ticks end when nothing is owed");
}

#[test]
fn what_a_configuration_owes_when_none_is_in_force_waits_for_the_next() {
    let mut ended = Owing::begin();
    ended.vm.retire().unwrap();
    ended.vm.disarm();
    assert_eq!(ended.levels(), [(0, 108), (0, 108)]);
    ended.succeed();
    ended.tick();
    assert_eq!(ended.levels(), [(20, 0), (20, 0)]);
}

#[test]
fn what_a_stream_owes_that_ends_after_its_configuration_is_settled_by_the_next_call() {
    let mut ended = Owing::begin();
    ended.vm.disarm();
    ended.tick();
    assert_eq!(ended.levels(), [(20, 0), (20, 0)]);
    let mut driver = Driver::new(&ended.vm, Request::post("/v1/chat/completions", BODY), |_| {
        Answer::json(200, r#"{"usage":{"prompt_tokens":8,"completion_tokens":12}}"#)
    });
    while !driver.report(&ended.vm).upstream.is_some_and(|sent| sent.complete) && driver.step(&mut ended.vm) {
    }
    ended.succeed();
    ended.vm.arm(Faults::nth(1, Status::CAS_MISMATCH, Repeat::Forever).only("proxy_set_shared_data"));
    driver.start(&mut ended.vm);
    assert_eq!(ended.levels(), [(20, 108), (20, 108)]);
    ended.vm.disarm();
    ended.call();
    assert_eq!(ended.levels(), [(60, 0), (60, 0)]);
}

/// Nobody may call for a long while: a hold that is not settled is forgotten after half an hour, and what was used with it.
#[test]
fn what_a_stream_owes_that_ends_after_its_configuration_wakes_an_idle_heir() {
    let mut ended = Owing::begin();
    ended.vm.disarm();
    ended.tick();
    ended.tick();
    let mut driver = Driver::new(&ended.vm, Request::post("/v1/chat/completions", BODY), |_| {
        Answer::json(200, r#"{"usage":{"prompt_tokens":8,"completion_tokens":12}}"#)
    });
    while !driver.report(&ended.vm).upstream.is_some_and(|sent| sent.complete) && driver.step(&mut ended.vm) {
    }
    // The first heir never ticked, and has one itself.
    ended.succeed();
    ended.succeed();
    assert_eq!(ended.vm.tick_period(), None, "nobody owes anything yet");
    ended.vm.arm(Faults::nth(1, Status::CAS_MISMATCH, Repeat::Forever).only("proxy_set_shared_data"));
    driver.start(&mut ended.vm);
    assert!(driver.report(&ended.vm).error.is_none() && driver.report(&ended.vm).problems.is_empty());
    assert_eq!(ended.levels(), [(20, 108), (20, 108)]);
    assert!(ended.vm.tick_period().is_some());
    ended.vm.disarm();
    ended.tick();
    assert_eq!(ended.levels(), [(40, 0), (40, 0)]);
    ended.tick();
    assert_eq!(ended.vm.tick_period(), None, "ticks end when nothing is owed");
}

/// What was held back of a stream goes out before the chunk that could not be read, and the rest behind it.
#[test]
fn a_stream_of_which_a_chunk_cannot_be_read_reaches_its_client_whole() {
    let stream = "data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\"Hello\"}}]}\n\n\
        data: {\"choices\":[],\"usage\":{\"prompt_tokens\":8,\"completion_tokens\":12}}\n\ndata: [DONE]\n\n";
    let body = r#"{"model":"gpt-4o","stream":true,"messages":[{"role":"user","content":"hi"}]}"#;
    for nth in 2..6 {
        let mut policy = policy("allow");
        policy["provider"] = "openai".into();
        let config = VmConfig::new(Profile::Envoy, policy.to_string());
        let mut vm = Vm::new(&filter::module().unwrap(), &Shared::new(), config).unwrap();
        vm.arm(Faults::nth(nth, Status::INTERNAL_FAILURE, Repeat::Forever).only("proxy_get_buffer_bytes"));
        let request = Request::post("/v1/chat/completions", body);
        let pieces: Vec<Vec<u8>> = stream.as_bytes().chunks(30).map(<[u8]>::to_vec).collect();
        let mut driver = Driver::new(&vm, request, move |_| Answer::events(pieces.clone()));
        driver.start(&mut vm);
        let report = driver.report(&vm);
        assert!(report.error.is_none() && report.problems.is_empty(), "{report:?}");
        assert_eq!(report.client.text(), stream, "{nth}");
    }
}
