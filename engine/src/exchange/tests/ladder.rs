//! Steps of a ladder in whole calls: what is charged beyond one, what waits, what is shortened, what is learned.

use super::budgets::{header, shop_of};
use super::*;

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
