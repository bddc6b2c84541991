//! A million invented users stay inside the table's stated memory. What is forgotten for them costs nothing to forget;
//! who has used something keeps it.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    reason = "a test fails by a panic"
)]

use serde_json::json;
use std::collections::HashMap;
use tokenstile_engine::ledger::{
    Hold, NO_WARNING, PAGE_BYTES, Page, Store, StoreError, WARNINGS_MAX, reserve_all, settle_all,
};
use tokenstile_engine::policy::{Head, Identity, Policy, Subject};
use tokenstile_engine::units::EpochMs;

const USERS: u64 = 1_000_000;
const SLOTS: u64 = 65_536;
/// 2026-11-22T12:00:00Z
const NOON: i64 = 1_795_348_800_000;

#[derive(Default)]
struct Pages(HashMap<u32, Page>);

impl Store for Pages {
    fn update<T>(&mut self, number: u32, mut change: impl FnMut(&mut Page) -> T) -> Result<T, StoreError> {
        Ok(change(self.0.entry(number).or_default()))
    }
}

/// The hold of so many tokens on the only budget of a policy.
fn hold(policy: &Policy, user: &str, tokens: u64, now: EpochMs) -> Hold {
    let headers = [(b"x-user-id".as_slice(), user.as_bytes())];
    let identity = Identity::of(policy, Head { headers: &headers, ..Head::default() });
    let subject = Subject::of(&identity);
    let budget = &policy.budgets[0];
    Hold {
        key: policy.slot_key(budget, &subject),
        window: budget.window.open(budget.limit, now).rule,
        amount: budget.meter.amount(tokens),
        cap: budget.cap(),
        warns: [NO_WARNING; WARNINGS_MAX],
    }
}

/// Everyone calls once, a hundred each millisecond; then how much the table has, how many had no place, and what
/// stands for the one who was there before them.
fn crowd(budget: &serde_json::Value) -> (usize, u64, u64) {
    let policy = json!({
        "version": 1, "name": "crowd", "table_slots": SLOTS, "identity": {"user": ["header:x-user-id"]},
        "budgets": [budget],
    });
    let policy = Policy::parse(policy.to_string().as_bytes()).unwrap();
    let (mut pages, mut homeless) = (Pages::default(), 0);
    let mut call = |user: &str, tokens: u64, now: EpochMs| {
        let hold = hold(&policy, user, tokens, now);
        let taken = reserve_all(&mut pages, &[hold], now, false, &mut Vec::new()).unwrap().unwrap();
        homeless += u64::from(taken[0].receipt.is_none());
        settle_all(&mut pages, &mut vec![hold.settle(&taken[0], hold.amount)], now);
    };
    call("ana", 500, EpochMs(NOON));
    for user in 0..USERS {
        let now = EpochMs(NOON + i64::try_from(user).unwrap() / 100);
        call(&user.to_string(), 1, now);
    }
    let now = EpochMs(NOON + 10_000);
    let ana = hold(&policy, "ana", 0, now);
    let stands = pages.0.get(&ana.key.page).map_or(0, |page| page.level(&ana, now).used);
    (pages.0.len() * PAGE_BYTES, homeless, policy.budgets[0].meter.count(stands))
}

#[test]
fn a_million_users_of_a_day_have_no_more_places_than_there_are_and_forget_nobody() {
    let day = json!({"name": "daily", "per": ["user"], "limit": {"tokens": 1000}, "window": {"calendar": "day"},
        "ladder": [{"at": "100%", "deny": {}}]});
    let (bytes, homeless, ana) = crowd(&day);
    // ARCHITECTURE.md: 6.3 MB.
    assert_eq!(bytes as u64, SLOTS * 96);
    assert_eq!(homeless, USERS + 1 - SLOTS, "every place is taken, and none is taken away");
    assert_eq!(ana, 500);
}

#[test]
fn a_million_users_of_a_bucket_that_refills_share_the_places_and_leave_those_who_wait() {
    let bucket = json!({"name": "burst", "per": ["user"],
        "bucket": {"tokens": 1000, "refill": {"tokens": 10, "every": "1s"}}, "ladder": [{"at": "100%", "deny": {}}]});
    let (bytes, homeless, ana) = crowd(&bucket);
    assert!(bytes as u64 <= SLOTS * 96);
    // A token is back in 100 ms, in which 10,000 others come: a sixth of the places.
    assert_eq!(homeless, 0);
    assert_eq!(ana, 400, "her bucket has refilled for ten seconds");
}
