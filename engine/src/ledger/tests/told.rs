//! Thresholds are told once: among several workers with clocks of their own, whatever runs twice, and with a store
//! that fails.

use super::*;
use std::collections::HashSet;

const END: i64 = 86_400_000;
/// Thresholds, one of them reached by whoever uses nothing.
const AT: [Amount; 5] = [0, 50, 100, 101, 150];
/// The thresholds of warnings.
const WARNS: [Amount; 4] = [0, 50, 100, 101];
const NOTHING: [Amount; 0] = [];

/// Settles, and gives the thresholds that are told.
fn told(store: &mut Map, mut settlement: Settle, now: i64) -> Vec<Amount> {
    let mut settled = Settled::default();
    let passed = settle(store, &mut settlement, EpochMs(now), &mut settled).unwrap();
    assert_eq!(settled.without_room, 0);
    passed.map_or_else(Vec::new, |passed| AT.into_iter().filter(|at| passed.has(*at)).collect())
}

fn used(window: WindowRule, used: Amount) -> Settle {
    let key = SlotKey { page: 0, tag: 1 };
    Settle { key, window, receipt: None, used, watched: false, untold: false, tells: Some(-1) }
}

/// What `reserve` says of warnings: the thresholds that are new with this hold.
fn warned(hold: &Hold, reserved: &Reserved) -> Vec<Amount> {
    let after = reserved.before.total() + hold.amount;
    let new = |(place, at): &(usize, Amount)| *at <= after && reserved.before.warned & (1 << place) == 0;
    WARNS.into_iter().enumerate().filter(new).map(|(_, at)| at).collect()
}

#[test]
fn a_threshold_is_told_once_a_window() {
    let mut store = Map::default();
    assert_eq!(told(&mut store, used(DAY, 49), 0), [0]);
    assert_eq!(told(&mut store, used(DAY, 1), 1), [50]);
    assert_eq!(told(&mut store, used(DAY, 30), 2), NOTHING);
    assert_eq!(told(&mut store, used(DAY, 21), END - 1), [100, 101]);
    let tomorrow = WindowRule::Until(EpochMs(2 * END));
    assert_eq!(told(&mut store, used(tomorrow, 60), END), [0, 50]);
    // Yesterday's amounts, which a slow call brings, are no news of today.
    assert_eq!(told(&mut store, used(DAY, 500), END + 1), NOTHING);
    // Nobody watches: nothing is marked, so that who asks later is told.
    assert_eq!(told(&mut store, Settle { tells: None, ..used(tomorrow, 60) }, END), NOTHING);
    assert_eq!(told(&mut store, used(tomorrow, 0), END), [100, 101]);
}

/// A refusal is told although nothing was used, also of somebody who never used anything.
#[test]
fn what_was_reached_without_being_used_is_told_once() {
    let mut store = Map::default();
    let reached = |at| Settle { tells: Some(at), ..used(DAY, 0) };
    assert_eq!(told(&mut store, reached(0), 0), [0]);
    assert_eq!(told(&mut store, reached(100), 0), [50, 100]);
    assert_eq!(told(&mut store, reached(100), 1), NOTHING);
    assert_eq!(told(&mut store, used(DAY, 100), 2), NOTHING);
}

/// The hysteresis: a level that sways around a threshold says so once; below half of it, it is armed again.
#[test]
fn a_bucket_tells_again_when_it_has_recovered_by_half() {
    let mut store = Map::default();
    assert_eq!(told(&mut store, used(BUCKET, 100), 0), [0, 50, 100]);
    // Ten units a second come back: 51 stand, and again.
    assert_eq!(told(&mut store, used(BUCKET, 60), 4_900), [101]);
    assert_eq!(told(&mut store, used(BUCKET, 51), 10_900), NOTHING);
    // 50 stand, no more than half of what is told next.
    assert_eq!(told(&mut store, used(BUCKET, 50), 16_100), [100]);
    assert_eq!(told(&mut store, used(BUCKET, 1), 16_100), [101]);
    // Empty again, it is as one that was never used, but for what needs no use.
    assert_eq!(told(&mut store, used(BUCKET, 100), 1_000_000), [50, 100]);
}

#[test]
fn a_rolling_window_tells_again_when_half_was_forgotten() {
    let mut store = Map::default();
    assert_eq!(told(&mut store, used(ROLLING, 60), 0), [0, 50]);
    assert_eq!(told(&mut store, used(ROLLING, 40), 1_000), [100]);
    // Of the first slice nothing counts any more: 40 stand, which is no more than half of 100 and not of 50.
    assert_eq!(told(&mut store, used(ROLLING, 60), 5_000), [100]);
    assert_eq!(told(&mut store, used(ROLLING, 1), 6_000), NOTHING);
}

#[test]
fn calls_in_flight_are_told_by_what_was_reached() {
    let mut store = Map::default();
    let running = Hold { amount: 50, ..hold(1, WindowRule::InFlight, 50, 1000) };
    let first = reserve(&mut store, &[running], 0).unwrap();
    let second = reserve(&mut store, &[running], 0).unwrap();
    let reached = |at| Settle { tells: Some(at), ..used(WindowRule::InFlight, 0) };
    assert_eq!(told(&mut store, reached(50), 0), [0, 50]);
    assert_eq!(told(&mut store, reached(100), 0), [100]);
    let end = |got: &[Reserved]| Settle { tells: Some(-1), ..running.settle(&got[0], 0) };
    assert_eq!(told(&mut store, end(&first), 1), NOTHING);
    // 50 run, no more than half of 100.
    let third = reserve(&mut store, &[running], 2).unwrap();
    assert_eq!(told(&mut store, reached(100), 2), [100]);
    for got in [second, third] {
        assert_eq!(told(&mut store, end(&got), 3), NOTHING);
    }
}

/// A caller who is warned once is warned although another budget refused the call that reached the threshold.
#[test]
fn a_warning_that_nobody_saw_is_given_again() {
    let mut store = Map::default();
    let hold = Hold { warns: WARNS, ..hold(1, DAY, 60, 1000) };
    let first = reserve(&mut store, &[hold], 0).unwrap()[0];
    assert_eq!(warned(&hold, &first), [0, 50]);
    settle_all(&mut store, &mut vec![hold.give_back(&first)], EpochMs(0));
    let second = reserve(&mut store, &[hold], 0).unwrap()[0];
    assert_eq!(warned(&hold, &second), [0, 50]);
    settle_all(&mut store, &mut vec![hold.settle(&second, 0)], EpochMs(0));
    let third = reserve(&mut store, &[hold], 0).unwrap()[0];
    assert_eq!(warned(&hold, &third), NOTHING);
    // What another call was told stays told.
    let fourth = reserve(&mut store, &[hold], 0).unwrap()[0];
    assert_eq!(warned(&hold, &fourth), [100, 101]);
    settle_all(&mut store, &mut vec![hold.give_back(&third)], EpochMs(0));
    let fifth = reserve(&mut store, &[hold], 0).unwrap()[0];
    assert_eq!(warned(&hold, &fifth), NOTHING);
}

/// What a random worker does.
#[derive(Debug, Clone)]
enum Act {
    Reserve { amount: Amount },
    Settle { which: usize, used: Amount },
    GiveBack { which: usize },
    Retry,
    Wait { ms: i64 },
}

/// Acts of three workers; each act says whether the store fails it.
fn acts() -> impl Strategy<Value = Vec<(usize, bool, Act)>> {
    let act = prop_oneof![
        3 => (0_i64..50).prop_map(|amount| Act::Reserve { amount }),
        3 => (0_usize..8, 0_i64..80).prop_map(|(which, used)| Act::Settle { which, used }),
        1 => (0_usize..8).prop_map(|which| Act::GiveBack { which }),
        1 => Just(Act::Retry),
        1 => (0_i64..END / 8).prop_map(|ms| Act::Wait { ms }),
    ];
    prop::collection::vec((0_usize..3, prop::bool::weighted(0.2), act), 0..80)
}

/// The clocks of the workers, apart from the first one's.
const SKEW_MS: [i64; 3] = [0, -40, 1_500];

fn day(now: i64) -> i64 {
    (now.div_euclid(END) + 1) * END
}

proptest! {
    /// Each threshold that a day's use passed was told once, by one of the workers; none that it did not pass.
    #[test]
    fn operators_are_told_of_each_threshold_once(acts in acts()) {
        let (mut store, mut clock, mut open, mut owed) = (Map::default(), END, Vec::new(), Vec::new());
        let mut seen: HashSet<(i64, Amount)> = HashSet::new();
        let mut window = 0;
        for (worker, fails, act) in acts {
            let now = clock + SKEW_MS[worker];
            match act {
                Act::Reserve { amount } => {
                    let hold = hold(1, WindowRule::Until(EpochMs(day(now))), amount, 1_000_000);
                    window = window.max(day(now));
                    store.fail = Vec::new();
                    let got = reserve(&mut store, &[hold], now).unwrap()[0];
                    // The window in which it was taken: a slot that is ahead stays where it is.
                    open.push((hold, got, window));
                }
                Act::Settle { which, used } if !open.is_empty() => {
                    let (hold, got, taken) = open.remove(which % open.len());
                    owed.push((Settle { tells: Some(-1), ..hold.settle(&got, used) }, taken));
                }
                Act::GiveBack { which } if !open.is_empty() => {
                    let (hold, got, taken) = open.remove(which % open.len());
                    owed.push((hold.give_back(&got), taken));
                }
                Act::Settle { .. } | Act::GiveBack { .. } | Act::Retry => {}
                Act::Wait { ms } => clock += ms,
            }
            store.fail = if fails { vec![store.updates] } else { Vec::new() };
            let mut left = Vec::new();
            for (mut settlement, taken) in owed.drain(..) {
                let mut settled = Settled::default();
                match settle(&mut store, &mut settlement, EpochMs(now), &mut settled) {
                    Err(_) => left.push((settlement, taken)),
                    Ok(passed) => {
                        prop_assert_eq!(settled.without_room, 0);
                        // Whose day is over is booked nowhere, once the slot has moved on.
                        let stands = store.pages[&0].level(&hold(1, WindowRule::Until(EpochMs(0)), 0, 0), EpochMs(now));
                        let passed = passed.map(|passed| AT.into_iter().filter(move |at| passed.has(*at)));
                        for at in passed.into_iter().flatten() {
                            prop_assert!(at <= stands.used);
                            prop_assert!(seen.insert((taken, at)), "{} twice", at);
                        }
                        if settlement.tells.is_some() && taken == window {
                            for at in AT.into_iter().filter(|at| *at <= stands.used) {
                                prop_assert!(seen.contains(&(taken, at)), "{} not told", at);
                            }
                        }
                    }
                }
            }
            owed = left;
        }
    }

    /// A caller who is warned once is not warned twice, and is warned.
    #[test]
    fn callers_are_warned_of_each_threshold_once(acts in acts()) {
        let (mut store, mut clock, mut open) = (Map::default(), 0, Vec::new());
        // By call: the thresholds that its answer tells.
        let mut shown: HashMap<usize, Vec<Amount>> = HashMap::new();
        for (call, (_, _, act)) in acts.into_iter().enumerate() {
            match act {
                Act::Reserve { amount } => {
                    let hold = Hold { warns: WARNS, ..hold(1, DAY, amount, 1_000_000) };
                    let got = reserve(&mut store, &[hold], clock).unwrap()[0];
                    let news = warned(&hold, &got);
                    let before: HashSet<Amount> = shown.values().flatten().copied().collect();
                    prop_assert!(news.iter().all(|at| !before.contains(at)), "{:?} again", news);
                    let reached = got.before.total() + amount;
                    let told = |at: &Amount| before.contains(at) || news.contains(at);
                    prop_assert!(WARNS.iter().all(|at| *at > reached || told(at)), "{} not told", reached);
                    shown.insert(call, news);
                    open.push((call, hold, got));
                }
                Act::Settle { which, used } if !open.is_empty() => {
                    let (_, hold, got) = open.remove(which % open.len());
                    settle_all(&mut store, &mut vec![hold.settle(&got, used)], EpochMs(clock));
                }
                Act::GiveBack { which } if !open.is_empty() => {
                    let (call, hold, got) = open.remove(which % open.len());
                    settle_all(&mut store, &mut vec![hold.give_back(&got)], EpochMs(clock));
                    // Nobody saw it.
                    shown.remove(&call);
                }
                Act::Wait { ms } => clock = (clock + ms / 100).min(END - 1),
                _ => {}
            }
        }
    }
}
