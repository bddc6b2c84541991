//! The ledger's arithmetic: never over the cap, nothing leaked, nothing charged twice.

#![allow(clippy::arithmetic_side_effects, reason = "a test that overflows fails")]

use super::*;
use proptest::prelude::*;
use std::collections::HashMap;

#[derive(Default, Clone)]
struct Map {
    pages: HashMap<u32, Page>,
    /// Fails the updates with these numbers, counted from 0.
    fail: Vec<usize>,
    updates: usize,
}

impl Store for Map {
    fn update<T>(&mut self, number: u32, mut change: impl FnMut(&mut Page) -> T) -> Result<T, StoreError> {
        let n = self.updates;
        self.updates += 1;
        if self.fail.contains(&n) {
            return Err(StoreError::Failed(10));
        }
        // As under compare-and-swap, the change may run on a page that is thrown away.
        let _ = change(&mut self.pages.get(&number).cloned().unwrap_or_default());
        Ok(change(self.pages.entry(number).or_default()))
    }
}

const DAY: WindowRule = WindowRule::Until(EpochMs(86_400_000));
const BUCKET: WindowRule = WindowRule::Refill { refill: 10, every_ms: 1_000 };

fn hold(tag: u64, window: WindowRule, amount: Amount, cap: Amount) -> Hold {
    Hold { key: SlotKey { page: 0, tag }, window, amount, cap: Some(cap) }
}

fn reserve(store: &mut Map, holds: &[Hold], now: i64) -> Result<Vec<Reserved>, Denied> {
    reserve_all(store, holds, EpochMs(now), true, &mut Vec::new()).unwrap()
}

fn level(store: &Map, hold: &Hold, now: i64) -> Level {
    store.pages.get(&hold.key.page).map_or_else(Level::default, |page| page.level(hold, EpochMs(now)))
}

#[test]
fn a_hold_is_replaced_by_what_was_used_and_debt_is_kept() {
    let (mut store, hold) = (Map::default(), hold(1, DAY, 60, 100));
    let first = reserve(&mut store, &[hold], 0).unwrap();
    assert_eq!(
        reserve(&mut store, &[hold], 0),
        Err(Denied { index: 0, level: Some(Level { used: 0, held: 60 }) })
    );
    settle_all(&mut store, &mut vec![hold.settle(&first[0], 130)], EpochMs(1));
    assert_eq!(level(&store, &hold, 1), Level { used: 130, held: 0 });
    assert!(reserve(&mut store, &[Hold { amount: 0, ..hold }], 1).is_err());
}

/// api7/aisix#450: one of two scopes rejects, and the other has already been burned.
#[test]
fn the_second_scope_refuses_and_the_first_is_given_back() {
    let (mut store, user, tenant) = (Map::default(), hold(1, DAY, 10, 100), hold(2, DAY, 10, 5));
    assert_eq!(reserve(&mut store, &[user, tenant], 0).unwrap_err().index, 1);
    assert_eq!(level(&store, &user, 0), Level::default());
}

#[test]
fn what_a_failing_store_did_not_give_back_is_owed() {
    let (user, tenant) = (hold(1, DAY, 10, 100), hold(2, DAY, 10, 5));
    let mut store = Map { fail: vec![2], ..Map::default() };
    let mut owed = Vec::new();
    assert!(reserve_all(&mut store, &[user, tenant], EpochMs(0), true, &mut owed).unwrap().is_err());
    assert_eq!((level(&store, &user, 0).held, owed.len()), (10, 1));
    settle_all(&mut store, &mut owed, EpochMs(0));
    assert_eq!((level(&store, &user, 0).held, owed.len()), (0, 0));
}

/// litellm#18953: a false refusal exactly at the boundary; litellm#29576: a counter not cleared.
#[test]
fn a_window_ends_at_its_end_and_takes_its_holds_along() {
    let (mut store, today) = (Map::default(), hold(1, DAY, 100, 100));
    let held = reserve(&mut store, &[today], 0).unwrap();
    let tomorrow = hold(1, WindowRule::Until(EpochMs(2 * 86_400_000)), 100, 100);
    assert!(reserve(&mut store, &[tomorrow], 86_400_000).is_ok());
    settle_all(&mut store, &mut vec![today.settle(&held[0], 70)], EpochMs(86_400_001));
    assert_eq!(level(&store, &tomorrow, 86_400_001), Level { used: 0, held: 100 });
}

/// litellm#36592: a leaked reservation is never given back.
#[test]
fn a_hold_that_is_never_settled_expires() {
    let (mut store, hold) = (Map::default(), hold(1, DAY, 100, 100));
    reserve(&mut store, &[hold], 0).unwrap();
    assert_eq!(level(&store, &hold, HOLD_LIFE_MS).held, 100);
    assert_eq!(level(&store, &hold, 2 * HOLD_LIFE_MS).held, 0);
    assert!(reserve(&mut store, &[hold], 2 * HOLD_LIFE_MS).is_ok());
}

/// litellm#30002: every retry pushed the reset further away.
#[test]
fn refused_calls_do_not_delay_the_refill() {
    let (mut store, hold) = (Map::default(), hold(1, BUCKET, 100, 100));
    let held = reserve(&mut store, &[hold], 0).unwrap();
    settle_all(&mut store, &mut vec![hold.settle(&held[0], 100)], EpochMs(0));
    for now in 1..10_000 {
        assert!(reserve(&mut store, &[hold], now).is_err(), "{now}");
    }
    assert!(reserve(&mut store, &[hold], 10_000).is_ok());
}

#[test]
fn a_full_page_forgets_only_what_is_worth_nothing() {
    let mut store = Map::default();
    for tag in 1..=SLOTS_PER_PAGE as u64 {
        let hold = hold(tag, DAY, 1, 100);
        let held = reserve(&mut store, &[hold], 0).unwrap();
        settle_all(&mut store, &mut vec![hold.settle(&held[0], 5)], EpochMs(0));
    }
    let newcomer = hold(99, DAY, 1, 100);
    assert_eq!(reserve(&mut store, &[newcomer], 1), Err(Denied { index: 0, level: None }));
    let through = reserve_all(&mut store, &[newcomer], EpochMs(1), false, &mut Vec::new()).unwrap().unwrap();
    assert_eq!(through[0].receipt, None);
    let next_day = Hold { window: WindowRule::Until(EpochMs(2 * 86_400_000)), ..newcomer };
    assert!(reserve(&mut store, &[next_day], 86_400_000).is_ok());
    let refilled = hold(100, BUCKET, 1, 100);
    assert!(reserve(&mut store, &[refilled], 86_400_000).is_ok());
}

/// What a random caller does.
#[derive(Debug, Clone)]
enum Act {
    Reserve { amount: Amount },
    Settle { which: usize, used: Amount },
    Wait { ms: i64 },
}

fn acts() -> impl Strategy<Value = Vec<Act>> {
    let act = prop_oneof![
        3 => (0_i64..50).prop_map(|amount| Act::Reserve { amount }),
        3 => (0_usize..8, 0_i64..80).prop_map(|(which, used)| Act::Settle { which, used }),
        1 => (0_i64..3_000).prop_map(|ms| Act::Wait { ms }),
    ];
    prop::collection::vec(act, 0..60)
}

proptest! {
    /// The bound of ARCHITECTURE.md: used ≤ cap + Σ over settled calls of max(0, actual − hold).
    #[test]
    fn never_over_the_cap_plus_the_stated_bound(acts in acts()) {
        let (mut store, mut now, mut open) = (Map::default(), 0, Vec::new());
        let (mut spent, mut beyond) = (0, 0);
        for act in acts {
            match act {
                Act::Reserve { amount } => {
                    let hold = hold(7, DAY, amount, 200);
                    if let Ok(held) = reserve(&mut store, &[hold], now) {
                        open.push((hold, held[0]));
                    }
                }
                Act::Settle { which, used } if !open.is_empty() => {
                    let (hold, held) = open.remove(which % open.len());
                    settle_all(&mut store, &mut vec![hold.settle(&held, used)], EpochMs(now));
                    spent += used;
                    beyond += (used - hold.amount).max(0);
                }
                Act::Settle { .. } => {}
                Act::Wait { ms } => now += ms,
            }
            let held: Amount = open.iter().map(|(hold, _)| hold.amount).sum();
            let stands = level(&store, &hold(7, DAY, 0, 0), now);
            prop_assert_eq!(stands, Level { used: spent, held });
            prop_assert!(stands.total() <= 200 + beyond);
        }
    }

    /// A bucket never gives more than its size plus what time refilled.
    #[test]
    fn a_bucket_gives_no_more_than_time_refills(acts in acts()) {
        let (mut store, mut now, mut taken) = (Map::default(), 0, 0);
        for act in acts {
            match act {
                Act::Reserve { amount } => {
                    let hold = hold(7, BUCKET, amount, 100);
                    if let Ok(held) = reserve(&mut store, &[hold], now) {
                        settle_all(&mut store, &mut vec![hold.settle(&held[0], amount)], EpochMs(now));
                        taken += amount;
                    }
                }
                Act::Wait { ms } => now += ms,
                Act::Settle { .. } => {}
            }
            prop_assert!(taken <= 100 + now * 10 / 1_000, "{taken} by {now}");
        }
    }
}
