//! Whole calls against a store that answers at once, late, never, or after the client has gone.

use super::*;
use crate::alert::settle_all;
use crate::dialect::{Edits, recognise};
use crate::ledger::{Page, Store, StoreError, reserve_all};
use crate::policy::Head;
use proptest::prelude::*;
use serde_json::{Value, json};
use std::collections::HashMap;

mod rules;

#[derive(Default)]
struct Map(HashMap<u32, Page>);

impl Store for Map {
    fn update<T>(&mut self, number: u32, mut change: impl FnMut(&mut Page) -> T) -> Result<T, StoreError> {
        Ok(change(self.0.entry(number).or_default()))
    }
}

const NOON: EpochMs = EpochMs(1_795_348_800_000);
const JSON: &[u8] = b"application/json";

struct Shop {
    policy: Arc<Policy>,
    store: Map,
}

impl Shop {
    fn new(edit: impl FnOnce(&mut Value)) -> Self {
        let mut policy = json!({
            "version": 1, "name": "t", "expected_output_tokens": 100,
            "downgrades": {"economy": [{"from": "gpt-4o", "to": "gpt-4o-mini"}]},
            "budgets": [{"name": "daily", "per": [], "limit": {"tokens": 1000}, "window": {"calendar": "day"},
                "ladder": [{"at": "50%", "warn": {}}, {"at": "100%", "downgrade": "economy"}, {"at": "150%", "deny": {}}]}]
        });
        edit(&mut policy);
        let policy = Arc::new(Policy::parse(policy.to_string().as_bytes()).unwrap());
        Self { policy, store: Map::default() }
    }

    fn call(&self) -> Exchange {
        let dialect = recognise(b"POST", b"api.openai.com", b"/v1/chat/completions").metered().unwrap();
        let identity = Identity::of(&self.policy, Head::default());
        Exchange::new(self.policy.clone(), dialect, identity, NOON)
    }

    fn reserve(&mut self, call: &mut Exchange) -> Next {
        let answer = reserve_all(&mut self.store, &call.holds(), NOON, true, &mut Vec::new()).unwrap();
        call.reserved(&answer, NOON)
    }

    fn book(&mut self, call: &mut Exchange) {
        settle_all(&mut self.store, &mut call.take_owed(), NOON);
    }

    /// What stands: used and held, in tokens.
    fn stands(&self) -> (u64, u64) {
        let mut probe = self.call();
        probe.body(body("gpt-4o").as_bytes(), false, NOON);
        let hold = probe.holds()[0];
        let level = self.store.0.get(&hold.key.page).map(|page| page.level(&hold, NOON)).unwrap_or_default();
        (level.used as u64 / 1_000_000, level.held as u64 / 1_000_000)
    }

    /// A call that uses `tokens`.
    fn spend(&mut self, tokens: u64) -> Option<Edits> {
        let mut call = self.call();
        assert_eq!(call.body(body("gpt-4o").as_bytes(), false, NOON), Next::Reserve);
        let next = self.reserve(&mut call);
        let Next::Forward(splices) = next else { return None };
        call.answer_head(200, JSON, false, &[], NOON);
        call.answer_chunk(
            format!(r#"{{"usage":{{"prompt_tokens":0,"completion_tokens":{tokens}}}}}"#).as_bytes(),
            false,
        );
        call.end(true, NOON).unwrap();
        self.book(&mut call);
        Some(splices)
    }
}

fn body(model: &str) -> String {
    json!({"model": model, "messages": [{"role": "user", "content": "hi"}]}).to_string()
}

#[test]
fn the_ladder_is_climbed_step_by_step() {
    let mut shop = Shop::new(|_| {});
    assert_eq!(shop.spend(950), Some(Edits::default()));
    let mut warned = shop.call();
    warned.body(body("gpt-4o").as_bytes(), false, NOON);
    let Next::Forward(splices) = shop.reserve(&mut warned) else { panic!() };
    assert_eq!(warned.decision(), Decision::Downgrade);
    assert_eq!(splices.body[0].with, br#""gpt-4o-mini""#);
    let told = warned.answer_head(200, JSON, false, &[], NOON);
    let header = |name: &str| told.iter().find(|(n, _)| *n == name).map(|(_, v)| v.as_str());
    assert_eq!(header("x-tokenstile-model-requested"), Some("gpt-4o"));
    assert_eq!(header("x-tokenstile-model-served"), Some("gpt-4o-mini"));
    assert!(header("x-tokenstile-warning").unwrap().contains("It resets at midnight UTC."));
    warned.end(false, NOON);
    shop.book(&mut warned);
    shop.spend(600);
    let mut refused = shop.call();
    refused.body(body("gpt-4o").as_bytes(), false, NOON);
    let Next::Reply(reply) = shop.reserve(&mut refused) else { panic!() };
    assert_eq!(reply.status, 429);
    let error: Value = serde_json::from_slice(&reply.body).unwrap();
    assert_eq!(error["error"]["code"], "insufficient_quota");
    assert_eq!(error["error"]["rule"], "daily");
    assert_eq!(error["error"]["resets_at"], "2026-11-23T00:00:00Z");
    assert!(reply.headers.contains(&("retry-after", "43200".to_owned())), "{:?}", reply.headers);
    assert!(reply.headers.contains(&("x-should-retry", "false".to_owned())));
}

#[test]
fn a_downgrade_that_cannot_be_made_falls_to_the_next_step_and_holds_nothing() {
    let mut shop = Shop::new(|_| {});
    shop.spend(1000);
    for (model, read_only) in [("o1", false), ("gpt-4o", true)] {
        let mut call = shop.call();
        if read_only {
            call.body_is_read_only();
        }
        call.body(body(model).as_bytes(), false, NOON);
        assert!(matches!(shop.reserve(&mut call), Next::Reply(_)), "{model}");
        shop.book(&mut call);
        assert_eq!(shop.stands(), (1000, 0));
        let record = call.end(true, NOON).unwrap().record;
        assert_eq!((record.decision, record.skipped.len()), ("deny", 1));
    }
    let mut cheap = shop.call();
    cheap.body(body("gpt-4o-mini").as_bytes(), false, NOON);
    assert_eq!(shop.reserve(&mut cheap), Next::Forward(Edits::default()), "it is the cheaper one already");
}

#[test]
fn an_edit_that_the_host_did_not_make_is_not_told_as_made() {
    for (on_error, status) in [("allow", None), ("deny", Some(503))] {
        let mut shop = Shop::new(|policy| policy["on_error"] = json!(on_error));
        shop.spend(1000);
        let mut call = shop.call();
        call.body(body("gpt-4o").as_bytes(), false, NOON);
        shop.reserve(&mut call);
        let next = call.edit_failed("status 12", NOON);
        assert_eq!(if let Next::Reply(reply) = next { Some(reply.status) } else { None }, status);
        shop.book(&mut call);
        let told = call.answer_head(200, JSON, false, &[], NOON);
        assert!(!told.iter().any(|(name, _)| *name == "x-tokenstile-model-served"));
        call.answer_chunk(br#"{"usage":{"prompt_tokens":1,"completion_tokens":1}}"#, false);
        let record = call.end(true, NOON).unwrap().record;
        assert_eq!(record.model_served, "gpt-4o");
        shop.book(&mut call);
        assert_eq!(shop.stands(), (if status.is_none() { 1002 } else { 1000 }, 0), "{on_error}");
    }
}

#[test]
fn shadow_changes_nothing_and_says_what_it_would_have_done() {
    let mut shop = Shop::new(|policy| policy["mode"] = json!("shadow"));
    shop.spend(5000);
    let mut call = shop.call();
    call.body(body("gpt-4o").as_bytes(), false, NOON);
    assert_eq!(shop.reserve(&mut call), Next::Forward(Edits::default()));
    assert_eq!(
        call.answer_head(200, JSON, false, &[], NOON),
        [
            ("x-tokenstile-decision", "allow".to_owned()),
            ("x-tokenstile-estimated-tokens", "108".to_owned()),
            ("x-tokenstile-estimated-usd", "0.00102".to_owned())
        ]
    );
    assert_eq!(call.end(true, NOON).unwrap().record.shadow["daily"], "deny");
}

#[test]
fn the_store_may_answer_late() {
    let mut shop = Shop::new(|_| {});
    let mut call = shop.call();
    assert_eq!(call.body(body("gpt-4o").as_bytes(), false, NOON), Next::Reserve);
    assert!(call.is_reserving());
    let later = NOON.plus_ms(400);
    let answer = reserve_all(&mut shop.store, &call.holds(), later, true, &mut Vec::new()).unwrap();
    assert_eq!(call.reserved(&answer, later), Next::Forward(Edits::default()));
}

#[test]
fn the_store_may_never_answer_and_on_error_decides() {
    for (on_error, refused) in [("allow", false), ("deny", true)] {
        let mut shop = Shop::new(|policy| policy["on_error"] = json!(on_error));
        let mut call = shop.call();
        call.body(body("gpt-4o").as_bytes(), false, NOON);
        let holds = call.holds();
        let next = call.store_failed("no answer in 500 ms", NOON);
        assert_eq!(matches!(next, Next::Reply(Reply { status: 503, .. })), refused, "{on_error}");
        // It answers after all: what it took is given back, or settled with the call.
        let answer = reserve_all(&mut shop.store, &holds, NOON, true, &mut Vec::new()).unwrap();
        assert_eq!(call.reserved(&answer, NOON), Next::Nothing);
        shop.book(&mut call);
        assert_eq!(shop.stands(), (0, 0), "{on_error}");
    }
}

#[test]
fn the_client_may_leave_before_the_store_answers() {
    let mut shop = Shop::new(|_| {});
    let mut call = shop.call();
    call.body(body("gpt-4o").as_bytes(), false, NOON);
    let holds = call.holds();
    assert_eq!(call.end(false, NOON).unwrap().record.ending, "abandoned");
    let answer = reserve_all(&mut shop.store, &holds, NOON, true, &mut Vec::new()).unwrap();
    assert_eq!(shop.stands().1, 108);
    assert_eq!(call.reserved(&answer, NOON), Next::Nothing);
    shop.book(&mut call);
    assert_eq!(shop.stands(), (0, 0));
    assert!(call.end(false, NOON).is_none(), "settled once");
}

fn sse(events: &[Value]) -> Vec<u8> {
    events.iter().flat_map(|event| format!("data: {event}\n\n").into_bytes()).collect()
}

fn delta(text: &str) -> Value {
    json!({"model": "gpt-4o", "choices": [{"index": 0, "delta": {"content": text}}]})
}

/// litellm#33736 #17364: a client that disconnects pays for what it got, no more and no less.
#[test]
fn a_hang_up_in_mid_stream_pays_for_what_was_streamed() {
    let mut shop = Shop::new(|_| {});
    let mut call = shop.call();
    call.body(body("gpt-4o").as_bytes(), false, NOON);
    shop.reserve(&mut call);
    call.answer_head(200, b"text/event-stream; charset=utf-8", false, &[], NOON);
    for chunk in sse(&[delta("Hello"), delta(" world"), delta("!")]).chunks(7) {
        call.answer_chunk(chunk, false);
    }
    let settlement = call.end(false, NOON).unwrap();
    let text = tokenstile_tokens::Encoding::O200k.count("Hello world!");
    assert_eq!((settlement.usage.input, settlement.usage.output), (8, text));
    assert_eq!(settlement.record.ending, "cut");
    shop.book(&mut call);
    assert_eq!(shop.stands(), (8 + text, 0));
}

/// litellm#37992: an explicit usage of zero is zero; wso2#2932: missing usage is not one token.
#[test]
fn endings_cost_what_they_used() {
    let usage = |input: u64, output: u64| {
        json!({"usage": {"prompt_tokens": input, "completion_tokens": output}}).to_string()
    };
    let cases: [(u16, &str, Vec<u8>, bool, u64); 7] = [
        (200, "application/json", usage(0, 0).into_bytes(), true, 0),
        (200, "application/json", usage(20, 30).into_bytes(), true, 50),
        (500, "application/json", br#"{"error":{}}"#.to_vec(), true, 0),
        (400, "application/json", usage(5, 0).into_bytes(), true, 5),
        (
            200,
            "application/json",
            br#"{"choices":[{"message":{"content":"12345678"}}]}"#.to_vec(),
            true,
            8 + 2,
        ),
        (
            200,
            "text/event-stream",
            sse(&[delta("x"), json!({"choices": [], "usage": {"prompt_tokens": 3, "completion_tokens": 4}})]),
            true,
            7,
        ),
        (200, "application/octet-stream", b"\x00\x01".to_vec(), true, 8 + 100),
    ];
    for (status, content_type, answer, complete, expected) in cases {
        let mut shop = Shop::new(|_| {});
        let mut call = shop.call();
        call.body(body("gpt-4o").as_bytes(), false, NOON);
        shop.reserve(&mut call);
        call.answer_head(status, content_type.as_bytes(), false, &[], NOON);
        call.answer_chunk(&answer, false);
        call.end(complete, NOON);
        shop.book(&mut call);
        assert_eq!(shop.stands(), (expected, 0), "{status} {content_type} {}", answer.escape_ascii());
    }
}

#[test]
fn a_body_never_seen_pays_by_its_answer() {
    let mut shop = Shop::new(|_| {});
    let mut call = shop.call();
    assert_eq!(call.unread("the proxy did not show it", true, NOON), Next::Reserve);
    assert_eq!(shop.reserve(&mut call), Next::Forward(Edits::default()));
    call.answer_head(200, JSON, false, &[], NOON);
    call.answer_chunk(br#"{"model":"gpt-4o","usage":{"prompt_tokens":40,"completion_tokens":2}}"#, false);
    call.end(true, NOON);
    shop.book(&mut call);
    assert_eq!(shop.stands(), (42, 0));
}

/// Who has used up a budget must not get on by sending more than is read.
#[test]
fn a_body_never_seen_meets_a_budget_that_is_used_up() {
    let mut shop = Shop::new(|_| {});
    shop.spend(1_500);
    let mut call = shop.call();
    assert_eq!(call.unread("too long", true, NOON), Next::Reserve);
    assert!(matches!(shop.reserve(&mut call), Next::Reply(Reply { status: 429, .. })));
    // Between the steps, where a cheaper model would serve, nobody is refused for what was not seen.
    let mut shop = Shop::new(|_| {});
    shop.spend(1_100);
    let mut call = shop.call();
    assert_eq!(call.unread("too long", true, NOON), Next::Reserve);
    assert_eq!(shop.reserve(&mut call), Next::Forward(Edits::default()));
    // What has left already is not held up.
    assert_eq!(shop.call().unread("gone", false, NOON), Next::Forward(Edits::default()));
}

#[test]
fn what_is_unread_or_opaque_is_refused_where_the_policy_says_so() {
    let shop = Shop::new(|policy| {
        policy["unread"] = json!("deny");
        policy["opaque"] = json!("deny");
    });
    assert!(matches!(shop.call().unread("too long", true, NOON), Next::Reply(Reply { status: 413, .. })));
    assert!(matches!(shop.call().body(b"{", false, NOON), Next::Reply(Reply { status: 400, .. })));
    assert!(matches!(
        shop.call().body(body("gpt-4o").as_bytes(), true, NOON),
        Next::Reply(Reply { status: 400, .. })
    ));
}

/// Metered and recorded, and let through whatever its budgets and their table say.
#[test]
fn who_is_exempt_is_held_without_a_cap_and_never_refused() {
    let mut shop = Shop::new(|policy| {
        policy["identity"] = json!({"user": ["value:ci"]});
        policy["exempt"] = json!([{"match": {"user": "ci"}}]);
        policy["table_full"] = json!("deny");
    });
    shop.spend(5_000).unwrap();
    assert_eq!(shop.spend(20), Some(Edits::default()));
    assert_eq!(shop.stands(), (5_020, 0));
    let mut call = shop.call();
    call.body(body("gpt-4o").as_bytes(), false, NOON);
    assert!(call.holds().iter().all(|hold| hold.cap.is_none()));
    let full = Err(Denied { index: 0, level: None });
    assert_eq!(call.reserved(&full, NOON), Next::Forward(Edits::default()));
    assert!(call.end(true, NOON).unwrap().record.exempt);
}

/// A rate refusal is for clients to wait; one that no wait can help says so.
#[test]
fn a_bucket_refuses_for_seconds_or_for_good() {
    let mut shop = Shop::new(|policy| {
        policy["budgets"][0] = json!({"name": "burst", "per": [], "bucket": {"tokens": 150, "refill": {"tokens": 10, "every": "1s"}},
            "ladder": [{"at": "100%", "deny": {}}]});
    });
    shop.spend(100);
    let mut call = shop.call();
    call.body(body("gpt-4o").as_bytes(), false, NOON);
    let Next::Reply(reply) = shop.reserve(&mut call) else { panic!() };
    let header =
        |reply: &Reply, name: &str| reply.headers.iter().find(|(n, _)| *n == name).map(|(_, v)| v.clone());
    // 100 used, 108 needed, 150 allowed: 58 must refill at 10 a second.
    assert_eq!(
        (header(&reply, "retry-after").as_deref(), header(&reply, "x-should-retry")),
        (Some("6"), None)
    );
    let long =
        json!({"model": "gpt-4o", "messages": [{"role": "user", "content": "many words ".repeat(100)}]});
    let mut call = shop.call();
    call.body(long.to_string().as_bytes(), false, NOON);
    let Next::Reply(reply) = shop.reserve(&mut call) else { panic!() };
    assert_eq!(
        (header(&reply, "retry-after"), header(&reply, "x-should-retry").as_deref()),
        (None, Some("false"))
    );
}

/// What one call of `words` comes to with `used` spent before, by a policy that counts so.
fn decided(count: &str, used: u64, words: usize, meter: &str, steps: [u64; 3]) -> (Decision, bool) {
    let mut shop = Shop::new(|policy| {
        policy["count"] = json!(count);
        let at = |percent: u64| format!("{percent}%");
        policy["budgets"] = json!([
            {"name": "a", "per": [], "limit": {"tokens": 100_000}, "window": {"calendar": "day"},
             "ladder": [{"at": at(steps[0]), "warn": {}}, {"at": at(steps[1]), "downgrade": "economy"},
                        {"at": at(steps[2]), "deny": {}}]},
            {"name": "b", "per": [], "limit": if meter == "usd" { json!({"usd": "0.25"}) } else { json!({"tokens": 120_000}) },
             "window": {"calendar": "day"}, "ladder": [{"at": "100%", "deny": {}}]}]);
    });
    shop.spend(used);
    let text = "word ".repeat(words);
    let body = json!({"model": "gpt-4o", "messages": [{"role": "user", "content": text}]}).to_string();
    let mut call = shop.call();
    let mut next = call.body(body.as_bytes(), false, NOON);
    let mut counted = count == "always";
    while matches!(next, Next::Reserve | Next::Count) {
        next = if next == Next::Reserve {
            shop.reserve(&mut call)
        } else {
            counted = true;
            shop.book(&mut call);
            call.count(body.as_bytes(), NOON)
        };
    }
    let decision = call.decision();
    call.end(true, NOON).unwrap();
    shop.book(&mut call);
    assert_eq!(shop.stands().1, 0, "a hold was left behind");
    (decision, counted)
}

#[test]
fn far_from_every_threshold_nothing_is_counted() {
    assert_eq!(decided("as_needed", 0, 1_000, "tokens", [50, 80, 100]), (Decision::Allow, false));
    assert_eq!(decided("as_needed", 60_000, 1_000, "tokens", [50, 80, 100]), (Decision::Warn, false));
    assert_eq!(decided("as_needed", 48_000, 1_000, "tokens", [50, 80, 100]), (Decision::Allow, true));
}

proptest! {
    /// As exactly as the decision needs: the same decision as with every prompt counted.
    #[test]
    fn bounds_decide_as_the_count_does(
        used in 0..130_000_u64, words in 400..20_000_usize, usd in any::<bool>(),
        a in 1..60_u64, b in 60..90_u64, c in 90..110_u64,
    ) {
        let meter = if usd { "usd" } else { "tokens" };
        let lazily = decided("as_needed", used, words, meter, [a, b, c]).0;
        prop_assert_eq!(lazily, decided("always", used, words, meter, [a, b, c]).0);
    }
}

/// A shop with these budgets.
fn shop_of(budgets: &Value) -> Shop {
    Shop::new(|policy| policy["budgets"] = budgets.clone())
}

fn deny() -> Value {
    json!([{"at": "100%", "deny": {}}])
}

fn header<'r>(reply: &'r Reply, name: &str) -> Option<&'r str> {
    reply.headers.iter().find(|(n, _)| *n == name).map(|(_, value)| value.as_str())
}

/// What a call for `model` is answered, and what it used if it was let through.
fn ask(shop: &mut Shop, model: &str, answer: &str) -> Option<Reply> {
    let mut call = shop.call();
    call.body(body(model).as_bytes(), false, NOON);
    let next = shop.reserve(&mut call);
    if let Next::Reply(reply) = next {
        shop.book(&mut call);
        return Some(reply);
    }
    call.answer_head(if answer == "error" { 500 } else { 200 }, JSON, false, &[], NOON);
    call.answer_chunk(answer.as_bytes(), false);
    call.end(true, NOON).unwrap();
    shop.book(&mut call);
    None
}

const USED: &str = r#"{"usage":{"prompt_tokens":8,"completion_tokens":12}}"#;

#[test]
fn every_meter_counts_its_own_and_says_so() {
    let day = json!({"calendar": "day"});
    let cases = [
        (json!({"tokens": 150}), 3, "90 of today's 150 tokens remain", "tokens", json!(60), "tokens"),
        (
            json!({"input_tokens": 20}),
            2,
            "4 of today's 20 input tokens remain",
            "input_tokens",
            json!(16),
            "input_tokens",
        ),
        (
            json!({"output_tokens": 120}),
            2,
            "96 of today's 120 output tokens remain",
            "output_tokens",
            json!(24),
            "output_tokens",
        ),
        (
            json!({"requests": 3}),
            3,
            "100% of today's AI quota (3 of 3 requests). It resets at midnight UTC.",
            "requests",
            json!(3),
            "requests",
        ),
        (
            json!({"usd": "0.0012"}),
            2,
            "$0.00092 of today's $0.0012 remain",
            "usd",
            json!("0.00028"),
            "usd-cents",
        ),
    ];
    for (limit, fit, said, unit, used, quota_unit) in cases {
        let mut shop =
            shop_of(&json!([{"name": "m", "per": [], "limit": limit, "window": day, "ladder": deny()}]));
        let refused =
            (0..9).map(|n| (n, ask(&mut shop, "gpt-4o", USED))).find_map(|(n, reply)| Some((n, reply?)));
        let (n, reply) = refused.unwrap();
        let error: Value = serde_json::from_slice::<Value>(&reply.body).unwrap()["error"].clone();
        let message = error["message"].as_str().unwrap();
        assert!(message.contains(said), "{unit}: {message}");
        assert_eq!((n, error["unit"].as_str(), &error["used"]), (fit, Some(unit), &used), "{message}");
        let policy = header(&reply, "ratelimit-policy").unwrap();
        assert!(policy.contains(&format!(";qu=\"{quota_unit}\";w=86400")), "{policy}");
        assert_eq!(header(&reply, "x-should-retry"), Some("false"), "{unit}");
    }
}

/// A call that is refused for a part of one has none left, and is told so.
#[test]
fn a_bucket_of_requests_never_tells_of_parts() {
    let mut shop = shop_of(&json!([{"name": "pace", "per": [], "ladder": deny(),
        "bucket": {"requests": 2, "refill": {"requests": 1, "every": "10s"}}}]));
    assert_eq!((ask(&mut shop, "gpt-4o", USED), ask(&mut shop, "gpt-4o", USED)), (None, None));
    let mut call = shop.call();
    let later = NOON.plus_ms(100);
    call.body(body("gpt-4o").as_bytes(), false, later);
    let answer = reserve_all(&mut shop.store, &call.holds(), later, true, &mut Vec::new()).unwrap();
    let Next::Reply(reply) = call.reserved(&answer, later) else { panic!() };
    let error: Value = serde_json::from_slice::<Value>(&reply.body).unwrap()["error"].clone();
    let said = "You've used 100% of your AI quota (2 of 2 requests). It resets in 10 seconds.";
    assert_eq!(
        (&error["message"], &error["used"], &error["remaining"]),
        (&json!(said), &json!(2), &json!(0))
    );
    assert_eq!((header(&reply, "retry-after"), header(&reply, "x-should-retry")), (Some("10"), None));
}

/// No charge without usage: a provider's error is no request; an explicit usage of zero is one, of no tokens.
#[test]
fn requests_count_when_something_came_of_them() {
    let budgets = json!([
        {"name": "calls", "per": [], "limit": {"requests": 2}, "window": {"calendar": "day"}, "ladder": deny()},
        {"name": "words", "per": [], "limit": {"output_tokens": 101}, "window": {"calendar": "day"}, "ladder": deny()}]);
    let mut shop = shop_of(&budgets);
    for _ in 0..5 {
        assert_eq!(ask(&mut shop, "gpt-4o", "error"), None);
    }
    let zero = r#"{"usage":{"prompt_tokens":0,"completion_tokens":0}}"#;
    assert_eq!(ask(&mut shop, "gpt-4o", zero), None);
    assert_eq!(ask(&mut shop, "gpt-4o", zero), None);
    assert_eq!(header(&ask(&mut shop, "gpt-4o", zero).unwrap(), "x-tokenstile-rule"), Some("calls"));
}

/// Too many at once is a rate: clients wait a moment, and are never told to give up.
#[test]
fn requests_in_flight_are_refused_for_a_moment() {
    for limit in [1, 3] {
        let mut shop =
            shop_of(&json!([{"name": "at-once", "per": [], "limit": {"requests_in_flight": limit},
            "ladder": [{"at": "1%", "warn": {}}, {"at": "100%", "deny": {}}]}]));
        let mut running = Vec::new();
        for _ in 0..limit {
            let mut call = shop.call();
            call.body(body("gpt-4o").as_bytes(), false, NOON);
            assert!(matches!(shop.reserve(&mut call), Next::Forward(_)));
            running.push(call);
        }
        let told = running[0].answer_head(200, JSON, false, &[], NOON);
        let warning = format!("You have 1 of at most {limit} requests in flight.");
        assert!(told.contains(&("x-tokenstile-warning", warning)), "{told:?}");
        let reply = ask(&mut shop, "gpt-4o", USED).unwrap();
        assert_eq!(
            (reply.status, header(&reply, "retry-after"), header(&reply, "x-should-retry")),
            (429, Some("1"), None)
        );
        let policy = format!("\"at-once\";q={limit};qu=\"concurrent-requests\"");
        assert_eq!(header(&reply, "ratelimit-policy"), Some(policy.as_str()));
        assert_eq!(header(&reply, "ratelimit"), Some("\"at-once\";r=0"));
        let error: Value = serde_json::from_slice::<Value>(&reply.body).unwrap()["error"].clone();
        let message =
            format!("You have {limit} of at most {limit} requests in flight. Try again when a request ends.");
        assert_eq!((&error["message"], &error["type"]), (&json!(message), &json!("requests")));
        assert_eq!(
            (&error["unit"], &error["used"], &error["resets_at"]),
            (&json!("requests_in_flight"), &json!(limit), &Value::Null)
        );
        // One hangs up in mid-stream, one is never answered, one ends: nothing stays.
        for (n, mut call) in running.into_iter().enumerate() {
            if n == 1 {
                call.answer_head(200, JSON, false, &[], NOON);
            }
            call.end(n == 2, NOON).unwrap();
            shop.book(&mut call);
        }
        assert_eq!(shop.stands(), (0, 0));
        assert_eq!(ask(&mut shop, "gpt-4o", USED), None);
    }
}

/// A model is one subject by whatever alias, case or date it is asked for, and invented names are one together: or
/// every name would be a budget of its own.
#[test]
fn each_model_has_a_budget_and_names_do_not_make_more() {
    let mut shop = shop_of(&json!([
        {"name": "each", "per": ["model"], "limit": {"requests": 2}, "window": {"calendar": "day"}, "ladder": deny()}]));
    for names in [
        ["gpt-4o", "gpt-4o-2024-08-06", "GPT-4o"],
        ["gpt-4o-mini", "gpt-4o-mini", "gpt-4o-mini"],
        ["mine-1", "mine-2", "mine-3"],
    ] {
        let refused: Vec<bool> = names.iter().map(|name| ask(&mut shop, name, USED).is_some()).collect();
        assert_eq!(refused, [false, false, true], "{names:?}");
    }
    // A body that was not read is planned as the unknown model that it is.
    let mut unread = shop.call();
    assert_eq!(unread.unread("too long", true, NOON), Next::Reserve);
    assert!(matches!(shop.reserve(&mut unread), Next::Reply(_)));
}

#[test]
fn a_budget_may_be_for_some_models_or_one_provider() {
    // What is asked for, and which of the two budgets below refuse it: of the first model, of the provider.
    let cases = [
        ("gpt-4o", "flagship"),
        ("GPT-4O-2024-08-06", "flagship"),
        ("gpt-4o-mini", "openai"),
        ("mine-1", "openai"),
    ];
    for (model, rule) in cases {
        let none = |name: &str, matches: Value| json!({"name": name, "match": matches, "per": [], "limit": {"requests": 0}, "window": {"calendar": "day"}, "ladder": deny()});
        let mut shop = shop_of(&json!([
            none("flagship", json!({"model": "gpt-4o"})),
            none("elsewhere", json!({"provider": "anthropic"})),
            none("claude", json!({"model": "claude-*", "provider": "openai"})),
            none("openai", json!({"provider": "openai"}))
        ]));
        let reply = ask(&mut shop, model, USED).unwrap();
        assert_eq!(header(&reply, "x-tokenstile-rule"), Some(rule), "{model}");
    }
}

/// Not read means of no known model: it meets the budgets for `unknown` and for `*`, and no other model's.
#[test]
fn a_body_never_seen_is_of_an_unknown_model() {
    for (pattern, refused) in [("gpt-4o", false), ("*", true), ("unknown", true)] {
        let mut shop = shop_of(&json!([{"name": "m", "match": {"model": pattern}, "per": ["model"],
            "limit": {"requests": 0}, "window": {"calendar": "day"}, "ladder": deny()}]));
        let mut call = shop.call();
        let next = call.unread("too long", true, NOON);
        let next = if next == Next::Reserve { shop.reserve(&mut call) } else { next };
        assert_eq!(matches!(next, Next::Reply(_)), refused, "{pattern}");
    }
}

/// The three-level breaker: a store that fails lets users through, and stops where the global budget says so.
#[test]
fn each_budget_has_a_failure_mode_of_its_own() {
    let budget = |name: &str, model: &str, more: Value| {
        let mut budget = json!({"name": name, "match": {"model": model}, "per": [], "limit": {"requests": 9}, "window": {"calendar": "day"}, "ladder": deny()});
        budget.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        budget
    };
    let cases = [
        // The policy's, the user's, the global one's; the outcome.
        ("allow", json!({}), json!({}), false),
        ("deny", json!({}), json!({}), true),
        ("allow", json!({}), json!({"on_error": "deny"}), true),
        ("deny", json!({"on_error": "allow"}), json!({"on_error": "allow"}), false),
        ("allow", json!({}), json!({"on_error": "deny", "mode": "shadow"}), false),
        // Of a budget that the call does not meet nothing is asked.
        ("allow", json!({}), json!({"on_error": "deny", "match": {"model": "o3"}}), false),
    ];
    for (policy, user, global, refused) in cases {
        let shop = Shop::new(|json| {
            json["on_error"] = json!(policy);
            json["budgets"] =
                json!([budget("user", "*", user.clone()), budget("global", "*", global.clone())]);
        });
        let mut call = shop.call();
        call.body(body("gpt-4o").as_bytes(), false, NOON);
        let next = call.store_failed("gone", NOON);
        assert_eq!(
            matches!(next, Next::Reply(Reply { status: 503, .. })),
            refused,
            "{policy} {user} {global}"
        );
    }
}

/// A ladder of one step before `deny`, on 1,000 tokens a day or what is said.
fn stepped(step: &Value, deny_at: &str) -> Shop {
    Shop::new(|policy| {
        policy["budgets"] = json!([{"name": "daily", "per": [], "limit": {"tokens": 1000},
            "window": {"calendar": "day"}, "ladder": [step, {"at": deny_at, "deny": {}}]}]);
    })
}

/// Of calls that pass the threshold at the same time each pays for its own part, and all parts are what lies beyond.
#[test]
fn each_call_pays_for_its_own_part_of_what_lies_beyond() {
    let mut shop = stepped(&json!({"at": "100%", "overage": {"usd_per_1k_tokens": "0.02"}}), "900%");
    let mut running: Vec<Exchange> = (0..5).map(|_| shop.call()).collect();
    for call in &mut running {
        call.body(body("gpt-4o").as_bytes(), false, NOON);
        assert!(matches!(shop.reserve(call), Next::Forward(_)));
    }
    let mut paid = Vec::new();
    for call in &mut running {
        call.answer_head(200, JSON, false, &[], NOON);
        call.answer_chunk(br#"{"usage":{"prompt_tokens":0,"completion_tokens":450}}"#, false);
        let mut settlement = call.end(true, NOON).unwrap();
        let (settled, _) = settle_all(&mut shop.store, &mut call.take_owed(), NOON);
        call.booked(&mut settlement, &settled.before);
        let lines = &settlement.record.overage;
        paid.push((lines.len(), lines.first().map(|line| line["tokens"].as_u64().unwrap())));
    }
    assert_eq!(paid, [(0, None), (0, None), (1, Some(350)), (1, Some(450)), (1, Some(450))]);
}

/// A store that did not take the settlement has not said what stood: what stood when the call began is taken.
#[test]
fn an_overage_is_told_also_where_the_store_is_gone() {
    let mut shop = stepped(&json!({"at": "100%", "overage": {"usd_per_1k_tokens": "0.02"}}), "900%");
    shop.spend(900);
    let mut call = shop.call();
    call.body(body("gpt-4o").as_bytes(), false, NOON);
    shop.reserve(&mut call);
    call.answer_head(200, JSON, false, &[], NOON);
    call.answer_chunk(br#"{"usage":{"prompt_tokens":0,"completion_tokens":300}}"#, false);
    let mut settlement = call.end(true, NOON).unwrap();
    call.booked(&mut settlement, &[]);
    assert_eq!(settlement.record.overage[0]["tokens"], 200);
    assert_eq!(settlement.record.overage[0]["charge_nano_usd"], 4_000_000);
}

/// A delay by its place between its step and the next, at most all of it.
#[test]
fn a_delay_grows_on_the_way_to_the_next_step() {
    for (used, ms) in [(300, None), (392, None), (393, Some(2)), (692, Some(600)), (891, Some(998))] {
        let mut shop = stepped(&json!({"at": "50%", "delay": {"up_to": "1s"}}), "100%");
        shop.spend(used);
        let mut call = shop.call();
        call.body(body("gpt-4o").as_bytes(), false, NOON);
        let next = shop.reserve(&mut call);
        match ms {
            None => assert!(matches!(next, Next::Forward(_)), "{used}: {next:?}"),
            Some(ms) => assert_eq!(next, Next::Delay(NOON.plus_ms(ms)), "{used}"),
        }
        if ms.is_some() {
            assert!(matches!(call.delayed(), Next::Forward(_)));
            assert_eq!(call.delayed(), Next::Nothing);
            let told = call.answer_head(200, JSON, false, &[], NOON);
            let header = |name: &str| told.iter().find(|(n, _)| *n == name).map(|(_, v)| v.as_str());
            assert_eq!(header("x-tokenstile-decision"), Some("delay"));
            assert_eq!(header("x-tokenstile-delay-ms"), ms.map(|ms| ms.to_string()).as_deref());
        }
    }
}

/// In a bucket, until what lies beyond has refilled.
#[test]
fn a_delay_lasts_as_long_as_a_bucket_refills() {
    let mut shop = shop_of(&json!([{"name": "burst", "per": [],
        "bucket": {"tokens": 1000, "refill": {"tokens": 100, "every": "1s"}},
        "ladder": [{"at": "50%", "delay": {"up_to": "2s"}}, {"at": "100%", "deny": {}}]}]));
    shop.spend(442);
    let mut call = shop.call();
    call.body(body("gpt-4o").as_bytes(), false, NOON);
    // 8 of prompt and 100 of output expected: 550, which is 50 beyond.
    assert_eq!(shop.reserve(&mut call), Next::Delay(NOON.plus_ms(500)));
}

/// Who leaves while held back has used nothing and holds nothing.
#[test]
fn a_client_that_leaves_while_it_waits_gives_its_hold_back() {
    let mut shop = stepped(&json!({"at": "50%", "delay": {"up_to": "1s"}}), "100%");
    shop.spend(600);
    let mut call = shop.call();
    call.body(body("gpt-4o").as_bytes(), false, NOON);
    assert!(matches!(shop.reserve(&mut call), Next::Delay(_)));
    assert_eq!(shop.stands(), (600, 108));
    let record = call.end(false, NOON).unwrap().record;
    assert_eq!((record.ending, record.decision), ("abandoned", "delay"));
    shop.book(&mut call);
    assert_eq!(shop.stands(), (600, 0));
    assert_eq!(call.delayed(), Next::Nothing);
}

/// Where a call cannot be held it is sent back, and goes on when it comes again after that time, whenever it came.
#[test]
fn whoever_waited_when_told_goes_on() {
    let mut sent_back = 0;
    for start in (0..8_000).step_by(137) {
        let mut shop = stepped(&json!({"at": "50%", "delay": {"up_to": "1500ms"}}), "100%");
        shop.spend(750);
        let mut now = NOON.plus_ms(start);
        let mut ask = |now| {
            let mut call = shop.call();
            call.body(body("gpt-4o").as_bytes(), false, now);
            assert!(matches!(shop.reserve(&mut call), Next::Delay(_)));
            let next = call.cannot_delay(now);
            let decision = call.decision();
            call.end(true, now);
            shop.book(&mut call);
            assert_eq!(shop.stands().1, 0);
            (next, decision)
        };
        if let (Next::Reply(reply), Decision::Deny) = ask(now) {
            sent_back += 1;
            assert_eq!((reply.status, header(&reply, "x-should-retry")), (429, None));
            now = now.plus_ms(1000 * header(&reply, "retry-after").unwrap().parse::<i64>().unwrap());
            let (next, decision) = ask(now);
            assert!(matches!(next, Next::Forward(_)), "{start}: {next:?}");
            assert_eq!(decision, Decision::Allow);
        }
    }
    assert!((10..40).contains(&sent_back), "{sent_back}");
}

/// A clamp must not refuse who asks for less than the least.
#[test]
fn a_shorter_answer_is_held_where_the_expected_one_does_not_fit() {
    let remaining = json!({"at": "50%", "clamp": {"to": "remaining", "at_least": 32}});
    for (used, max, bound) in
        [(850, 4096, Some("142")), (950, 4096, Some("42")), (961, 4096, None), (975, 16, Some("16"))]
    {
        let mut shop = stepped(&remaining, "100%");
        shop.spend(used);
        let mut call = shop.call();
        let asked = format!(
            r#"{{"model":"gpt-4o","max_tokens":{max},"messages":[{{"role":"user","content":"hi"}}]}}"#
        );
        call.body(asked.as_bytes(), false, NOON);
        let mut next = shop.reserve(&mut call);
        while next == Next::Reserve {
            next = shop.reserve(&mut call);
        }
        match (&next, bound) {
            (Next::Reply(_), None) => {}
            (Next::Forward(edits), Some(bound)) => {
                let edited = crate::dialect::splice(asked.as_bytes(), &edits.body);
                let edited: Value = serde_json::from_slice(&edited).unwrap();
                assert_eq!(edited["max_tokens"].to_string(), bound, "{used}");
                let held = 8 + bound.parse::<u64>().unwrap().min(100);
                assert_eq!(shop.stands(), (used, held));
            }
            _ => panic!("{used}: {next:?}"),
        }
    }
}

/// Only whole answers as they were asked for teach: not those that broke off, were shortened, or came from another.
#[test]
fn what_we_had_a_hand_in_teaches_nothing() {
    let learned: Rc<RefCell<Learned>> = Rc::default();
    let mut shop = Shop::new(|policy| {
        policy["learned_output"] = json!({"quantile": "50%", "per": ["model"]});
        policy["budgets"][0]["limit"] = json!({"tokens": 100_000});
    });
    let ask = |shop: &mut Shop, complete: bool, tokens: u64| {
        let mut call = shop.call();
        call.learns(learned.clone());
        call.body(body("gpt-4o").as_bytes(), false, NOON);
        assert!(matches!(shop.reserve(&mut call), Next::Forward(_)));
        call.answer_head(200, JSON, false, &[], NOON);
        let answer = format!(r#"{{"usage":{{"prompt_tokens":0,"completion_tokens":{tokens}}}}}"#);
        call.answer_chunk(answer.as_bytes(), false);
        let held = call.end(complete, NOON).unwrap().record.hold_tokens;
        shop.book(&mut call);
        held
    };
    assert_eq!(ask(&mut shop, false, 5), 108);
    assert_eq!(ask(&mut shop, true, 5), 108, "a broken one taught");
    assert_eq!(ask(&mut shop, true, 99_978), 8 + 50);
    // Downgraded from here on.
    let before = ask(&mut shop, true, 5);
    assert_eq!(ask(&mut shop, true, 5), before);
}
