//! The ledger's arithmetic: never over the cap, nothing leaked, nothing charged twice.

#![allow(clippy::arithmetic_side_effects, reason = "a test that overflows fails")]

use super::*;
use proptest::prelude::*;
use std::collections::HashMap;

mod told;

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
    Hold { key: SlotKey { page: 0, tag }, window, amount, cap: Some(cap), warns: [NO_WARNING; WARNINGS_MAX] }
}

fn reserve(store: &mut Map, holds: &[Hold], now: i64) -> Result<Vec<Reserved>, Denied> {
    reserve_all(store, holds, EpochMs(now), true, &mut Vec::new()).unwrap()
}

fn level(store: &Map, hold: &Hold, now: i64) -> Level {
    store.pages.get(&hold.key.page).map_or_else(Level::default, |page| page.level(hold, EpochMs(now)))
}

fn stood(used: Amount, held: Amount) -> Level {
    Level { used, held, ..Level::default() }
}

#[test]
fn a_hold_is_replaced_by_what_was_used_and_debt_is_kept() {
    let (mut store, hold) = (Map::default(), hold(1, DAY, 60, 100));
    let first = reserve(&mut store, &[hold], 0).unwrap();
    assert_eq!(
        reserve(&mut store, &[hold], 0),
        Err(Denied { index: 0, level: Some(stood(0, 60)), taken: Vec::new() })
    );
    settle_all(&mut store, &mut vec![hold.settle(&first[0], 130)], EpochMs(1));
    assert_eq!(level(&store, &hold, 1), stood(130, 0));
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
    assert_eq!(level(&store, &tomorrow, 86_400_001), stood(0, 100));
}

/// A worker whose clock is behind meets a slot of the next window: its call counts there, and nothing leaks.
#[test]
fn a_clock_that_went_back_over_a_windows_end_books_and_gives_back() {
    let mut store = Map::default();
    let (today, tomorrow) =
        (hold(1, DAY, 60, 100), hold(1, WindowRule::Until(EpochMs(2 * 86_400_000)), 60, 100));
    let ahead = reserve(&mut store, &[tomorrow], 86_400_000).unwrap();
    settle_all(&mut store, &mut vec![tomorrow.settle(&ahead[0], 10)], EpochMs(86_400_000));
    let behind = reserve(&mut store, &[today], 86_399_999).unwrap();
    assert_eq!(level(&store, &tomorrow, 86_400_000), stood(10, 60));
    settle_all(&mut store, &mut vec![today.settle(&behind[0], 7)], EpochMs(86_400_001));
    assert_eq!(level(&store, &tomorrow, 86_400_001), stood(17, 0));
}

#[test]
fn a_window_of_a_day_is_another_one_a_millisecond_later() {
    let mut store = Map::default();
    let day = |now: i64| hold(1, WindowRule::Until(EpochMs((now / 86_400_000 + 1) * 86_400_000)), 100, 100);
    for now in [0, 86_399_999, 86_400_000, 86_400_001, 172_799_999, 172_800_000] {
        let held = reserve(&mut store, &[day(now)], now);
        assert_eq!(held.is_ok(), now % 86_400_000 == 0, "{now}");
        if let Ok(held) = held {
            settle_all(&mut store, &mut vec![day(now).settle(&held[0], 100)], EpochMs(now));
        }
    }
}

const SLICE_MS: i64 = 1_000;
const ROLLING: WindowRule = WindowRule::Rolling { slice_ms: SLICE_MS };
const PERIOD_MS: i64 = SLICE_MS * SLICES as i64;

/// What was used counts for the whole period, and a slice longer at most, to the millisecond.
#[test]
fn a_rolling_window_forgets_after_its_length_and_before_a_slice_more() {
    for start in [0, 1, 999, 1_000, 12_345] {
        let (mut store, hold) = (Map::default(), hold(1, ROLLING, 100, 100));
        let held = reserve(&mut store, &[hold], start).unwrap();
        settle_all(&mut store, &mut vec![hold.settle(&held[0], 100)], EpochMs(start));
        let freed =
            (start..start + 10_000).find(|now| reserve(&mut store.clone(), &[hold], *now).is_ok()).unwrap();
        assert_eq!(freed, start - start % SLICE_MS + PERIOD_MS + SLICE_MS, "{start}");
        assert!((PERIOD_MS..=PERIOD_MS + SLICE_MS).contains(&(freed - start)));
    }
}

/// A hold belongs to the slice in which it was taken; one that has been forgotten charges nobody.
#[test]
fn a_long_call_counts_in_a_rolling_window_from_its_beginning() {
    for (ends, stands) in [(2_500, 80), (4_999, 80), (5_000, 0), (60_000, 0)] {
        let (mut store, hold) = (Map::default(), hold(1, ROLLING, 60, 100));
        let held = reserve(&mut store, &[hold], 500).unwrap();
        assert_eq!(level(&store, &hold, ends), stood(0, 60), "it counts while it runs");
        settle_all(&mut store, &mut vec![hold.settle(&held[0], 80)], EpochMs(ends));
        assert_eq!(level(&store, &hold, ends).total(), stands, "{ends}");
    }
}

#[test]
fn a_rolling_windows_clock_that_goes_back_forgets_nothing_and_waits_for_nothing() {
    let (mut store, hold) = (Map::default(), hold(1, ROLLING, 40, 100));
    let first = reserve(&mut store, &[hold], 10_000).unwrap();
    settle_all(&mut store, &mut vec![hold.settle(&first[0], 40)], EpochMs(10_000));
    let back = reserve(&mut store, &[hold], 3_000).unwrap();
    settle_all(&mut store, &mut vec![hold.settle(&back[0], 40)], EpochMs(3_000));
    assert_eq!(level(&store, &hold, 3_000), stood(80, 0));
    assert_eq!(level(&store, &hold, 14_999).total(), 80);
    assert_eq!(level(&store, &hold, 15_000).total(), 0);
}

/// Calls in flight: one in, one out; nothing stays, and one that was lost does not block for ever.
#[test]
fn calls_in_flight_count_as_long_as_they_run_and_leave_nothing() {
    let mut store = Map::default();
    let running = |tag| hold(tag, WindowRule::InFlight, 1, 2);
    let first = reserve(&mut store, &[running(1)], 0).unwrap();
    let second = reserve(&mut store, &[running(1)], 0).unwrap();
    assert!(reserve(&mut store, &[running(1)], 1).is_err());
    settle_all(&mut store, &mut vec![running(1).settle(&first[0], 0)], EpochMs(2));
    assert!(reserve(&mut store, &[running(1)], 2).is_ok());
    assert!(reserve(&mut store, &[running(1)], 3).is_err());
    // The other two are lost with their streams.
    let _ = second;
    assert!(reserve(&mut store, &[running(1)], 2 * HOLD_LIFE_MS).is_ok());
    // A million invented users who have nothing in flight take no room.
    for tag in 2..100 {
        let held = reserve(&mut store, &[running(tag)], 2 * HOLD_LIFE_MS).unwrap();
        settle_all(&mut store, &mut vec![running(tag).settle(&held[0], 0)], EpochMs(2 * HOLD_LIFE_MS));
    }
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
    assert_eq!(reserve(&mut store, &[newcomer], 1), Err(Denied { index: 0, level: None, taken: Vec::new() }));
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
            prop_assert_eq!(stands, stood(spent, held));
            prop_assert!(stands.total() <= 200 + beyond);
        }
    }

    /// The bound of ARCHITECTURE.md for rolling windows: the calls that begin in any period use no more than
    /// the cap and the sum above; and none is refused that would fit with a slice more counted.
    #[test]
    fn a_rolling_window_is_never_passed_nor_remembered_longer_than_stated(acts in acts()) {
        let (mut store, mut now, mut open, mut beyond) = (Map::default(), 0, Vec::new(), 0);
        let mut begun: Vec<(i64, Amount)> = Vec::new();
        let window = crate::policy::Window::Rolling { period_ms: PERIOD_MS };
        for act in acts {
            match act {
                Act::Reserve { amount } => {
                    let hold = hold(7, ROLLING, amount, 200);
                    let held: Amount = open.iter().map(|(hold, _, _): &(Hold, Reserved, i64)| hold.amount).sum();
                    let since = |age: i64| -> Amount {
                        begun.iter().filter(|(at, _)| *at > now - age).map(|(_, used)| used).sum()
                    };
                    match reserve(&mut store, &[hold], now) {
                        Ok(got) => {
                            prop_assert!(since(PERIOD_MS) + held + amount <= 200 + beyond);
                            open.push((hold, got[0], now));
                        }
                        Err(denied) => {
                            let level = denied.level.unwrap();
                            prop_assert!(since(PERIOD_MS + SLICE_MS) + held + amount > 200);
                            let missing = level.total() + amount - 200;
                            let free = window.open(200, EpochMs(now)).free_at(missing, level, EpochMs(now)).unwrap();
                            if held + amount <= 200 && open.iter().all(|(_, _, at)| now - at < SLICE_MS) {
                                let then = |now| reserve(&mut store.clone(), &[hold], now).is_ok();
                                prop_assert!(then(free.0) && !then(free.0 - 1), "told {free:?}");
                            }
                        }
                    }
                }
                Act::Settle { which, used } if !open.is_empty() => {
                    let (hold, held, at) = open.remove(which % open.len());
                    settle_all(&mut store, &mut vec![hold.settle(&held, used)], EpochMs(now));
                    begun.push((at, used));
                    beyond += (used - hold.amount).max(0);
                }
                Act::Settle { .. } => {}
                Act::Wait { ms } => now += ms,
            }
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
