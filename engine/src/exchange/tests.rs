//! Whole calls against a store that answers at once, late, never, or after the client has gone.

use super::*;
use crate::alert::settle_all;
use crate::dialect::{Edits, recognise};
use crate::ledger::{Denied, Page, Store, StoreError, reserve_all};
use crate::policy::Head;
use proptest::prelude::*;
use serde_json::{Value, json};
use std::collections::HashMap;

mod budgets;
mod ladder;
mod looks;
mod reducing;
mod rules;
mod tails;
mod unread;

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
    assert_eq!(call.unread("the proxy did not show it", Some(0), true, NOON), Next::Reserve);
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
    assert_eq!(call.unread("too long", Some(0), true, NOON), Next::Reserve);
    assert!(matches!(shop.reserve(&mut call), Next::Reply(Reply { status: 429, .. })));
    // Between the steps, where a cheaper model would serve, nobody is refused for what was not seen.
    let mut shop = Shop::new(|_| {});
    shop.spend(1_100);
    let mut call = shop.call();
    assert_eq!(call.unread("too long", Some(0), true, NOON), Next::Reserve);
    assert_eq!(shop.reserve(&mut call), Next::Forward(Edits::default()));
    // What has left already is not held up.
    assert_eq!(shop.call().unread("gone", Some(0), false, NOON), Next::Forward(Edits::default()));
}

/// Prompts too long to be read must not pass a budget together: the first holds all that is left.
#[test]
fn of_bodies_never_seen_no_two_pass_what_is_left_together() {
    let limits = |policy: &mut Value| {
        policy["budgets"][0]["ladder"] = json!([{"at": "100%", "deny": {}}]);
        policy["budgets"]
            .as_array_mut()
            .unwrap()
            .push(json!({"name": "all", "per": [], "limit": {"tokens": 900_000},
            "window": {"calendar": "day"}, "ladder": [{"at": "100%", "deny": {}}]}));
    };
    let mut shop = Shop::new(limits);
    let mut first = shop.call();
    // 2 MB, which may be half a million tokens, or a picture.
    assert_eq!(first.unread("too long", Some(2_000_000), true, NOON), Next::Reserve);
    assert_eq!(shop.reserve(&mut first), Next::Reserve, "less is held where so much is not left");
    assert_eq!(shop.reserve(&mut first), Next::Forward(Edits::default()));
    let holds: Vec<_> = first.holds().iter().map(|hold| hold.amount / 1_000_000).collect();
    assert_eq!(holds, [1_000, 500_100]);
    let mut second = shop.call();
    assert_eq!(second.unread("too long", Some(2_000_000), true, NOON), Next::Reserve);
    assert!(matches!(shop.reserve(&mut second), Next::Reply(Reply { status: 429, .. })));
    assert_eq!(shop.stands(), (0, 1_000));
    // It was a picture: who has money goes on.
    first.answer_head(200, JSON, false, &[], NOON);
    first.answer_chunk(br#"{"model":"gpt-4o","usage":{"prompt_tokens":765,"completion_tokens":35}}"#, false);
    first.end(true, NOON);
    shop.book(&mut first);
    assert_eq!(shop.stands(), (800, 0));
    let mut third = shop.call();
    assert_eq!(third.unread("too long", Some(2_000_000), true, NOON), Next::Reserve);
    assert_eq!(shop.reserve(&mut third), Next::Reserve);
    assert_eq!(shop.reserve(&mut third), Next::Forward(Edits::default()));
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
    let full = Err(Denied { index: 0, level: None, taken: Vec::new() });
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
