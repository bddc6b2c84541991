//! Routes that ask how far budgets are used.

use super::*;
use crate::ledger::Level;

fn shop(min: &str, edit: impl FnOnce(&mut Value)) -> Shop {
    Shop::new(|policy| {
        policy["routes"] = json!([
            {"name": "spare", "match": {"budget_used": {"daily": {"min": min}}}, "set": {"model": "gpt-4o-mini"}}
        ]);
        edit(policy);
    })
}

/// The model that a call of now goes out with, and what was left out. `is_read`: the store answers.
fn begin(shop: &mut Shop, is_read: bool) -> (bool, Option<String>) {
    let mut call = shop.call();
    let mut next = call.body(body("gpt-4o").as_bytes(), false, NOON);
    assert_eq!(next, Next::Look);
    let level = |look: &Look| {
        let hold = &look.hold;
        shop.store.0.get(&hold.key.page).map(|page| page.level(hold, NOON)).unwrap_or_default()
    };
    let levels: Vec<_> = call.looks().iter().map(|look| is_read.then(|| level(look))).collect();
    next = call.looked(&levels, NOON);
    while next == Next::Reserve {
        next = shop.reserve(&mut call);
    }
    let Next::Forward(edits) = next else { panic!("{next:?}") };
    // Nothing is paid for what fails.
    call.answer_head(500, JSON, false, &[], NOON);
    let record = call.end(true, NOON).unwrap().record;
    shop.book(&mut call);
    (!edits.body.is_empty(), record.skipped.first().cloned())
}

fn spend(shop: &mut Shop, tokens: u64) {
    let mut call = shop.call();
    let next = call.body(body("gpt-4.1").as_bytes(), false, NOON);
    assert_eq!(next, Next::Look);
    assert_eq!(call.looked(&[Some(Level::default())], NOON), Next::Reserve);
    assert!(matches!(shop.reserve(&mut call), Next::Forward(_)));
    call.answer_head(200, JSON, false, &[], NOON);
    let usage = format!(r#"{{"usage":{{"prompt_tokens":0,"completion_tokens":{tokens}}}}}"#);
    call.answer_chunk(usage.as_bytes(), true);
    call.end(true, NOON).unwrap();
    shop.book(&mut call);
}

#[test]
fn a_share_is_reached_to_the_tenth_of_a_percent_and_one_token() {
    for (min, used, met) in [
        ("80%", 799, false),
        ("80%", 800, true),
        ("80.1%", 800, false),
        ("80.1%", 801, true),
        ("0%", 0, true),
    ] {
        let mut shop = shop(min, |_| {});
        spend(&mut shop, used);
        assert_eq!(begin(&mut shop, true), (met, None), "{min} of {used}");
    }
}

/// Of a limit of nothing, all is used; and what runs is used as long as it does.
#[test]
fn what_is_held_counts_and_nothing_is_all_of_nothing() {
    let mut none = shop("100%", |policy| {
        policy["budgets"][0]["limit"] = json!({"tokens": 0});
        policy["budgets"][0]["mode"] = json!("shadow");
    });
    assert_eq!(begin(&mut none, true), (true, None));
    let mut shop = shop("10%", |_| {});
    let mut running = shop.call();
    running.body(body("gpt-4.1").as_bytes(), false, NOON);
    running.looked(&[Some(Level::default())], NOON);
    assert!(matches!(shop.reserve(&mut running), Next::Forward(_)));
    assert_eq!(begin(&mut shop, true), (true, None));
    running.answer_head(500, JSON, false, &[], NOON);
    running.end(true, NOON);
    shop.book(&mut running);
    assert_eq!(begin(&mut shop, true), (false, None));
}

#[test]
fn a_store_that_cannot_be_read_chooses_nothing_and_stops_nobody() {
    let mut shop = shop("0%", |_| {});
    let why = "routes: `daily` can't be read now".to_owned();
    assert_eq!(begin(&mut shop, false), (false, Some(why)));
}

#[test]
fn it_is_asked_where_the_body_is_not_read_and_not_where_no_route_can_be_met() {
    let shop = shop("0%", |policy| {
        policy["routes"][0]["set"] = json!({"headers": {"x-pool": "slow"}});
    });
    let mut call = shop.call();
    assert_eq!(call.unread("too long", Some(2_000_000), true, NOON), Next::Look);
    assert_eq!(call.looked(&[Some(Level::default())], NOON), Next::Reserve);
    assert_eq!(call.decision(), Decision::Route);
    // Another route that is met asks for nothing.
    let other = self::shop("0%", |policy| {
        policy["routes"][0]["match"]["model"] = json!("claude-*");
        policy["routes"] = json!([policy["routes"][0], {"name": "all", "set": {"max_output_tokens": 64}}]);
    });
    assert_eq!(other.call().body(body("gpt-4o").as_bytes(), false, NOON), Next::Reserve);
}
