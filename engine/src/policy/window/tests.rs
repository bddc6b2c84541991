//! Windows at every kind of edge: to the millisecond, over clock changes, leap days and short months.

#![allow(clippy::arithmetic_side_effects, reason = "a test that overflows fails")]

use super::*;
use jiff::tz::TimeZoneDatabase;
use proptest::prelude::*;

use CalendarUnit::{BillingMonth, Day, Hour, Month, Week};

fn window(unit: CalendarUnit, zone: &str) -> Window {
    Window::Calendar { unit, zone: TimeZoneDatabase::bundled().get(zone).unwrap() }
}

fn at(text: &str) -> EpochMs {
    EpochMs(text.parse::<Timestamp>().unwrap().as_millisecond())
}

fn end(window: &Window, now: EpochMs) -> EpochMs {
    match window.open(0, now).rule {
        WindowRule::Until(end) => end,
        other => panic!("{other:?}"),
    }
}

#[test]
fn calendar_windows_end_to_the_millisecond() {
    let cases = [
        (Hour, "UTC", "2026-11-22T12:00:00Z", "2026-11-22T12:59:59.999Z", 3_600),
        (Hour, "Asia/Kolkata", "2026-11-22T12:30:00Z", "2026-11-22T13:29:59.999Z", 3_600),
        (Day, "Asia/Tokyo", "2026-11-21T15:00:00Z", "2026-11-22T14:59:59.999Z", 86_400),
        // Weeks begin on Monday: 2026-11-23 is one.
        (Week, "UTC", "2026-11-23T00:00:00Z", "2026-11-29T23:59:59.999Z", 604_800),
        (Week, "America/Los_Angeles", "2026-11-23T08:00:00Z", "2026-11-30T07:59:59.999Z", 604_800),
        (Month, "UTC", "2026-11-01T00:00:00Z", "2026-11-30T23:59:59.999Z", 30 * 86_400),
        // Months of 28, 29 (2028, also 2000), and not in 2100.
        (Month, "UTC", "2026-02-01T00:00:00Z", "2026-02-28T23:59:59.999Z", 28 * 86_400),
        (Month, "UTC", "2028-02-01T00:00:00Z", "2028-02-29T23:59:59.999Z", 29 * 86_400),
        (Month, "UTC", "2000-02-01T00:00:00Z", "2000-02-29T23:59:59.999Z", 29 * 86_400),
        (Month, "UTC", "2100-02-01T00:00:00Z", "2100-02-28T23:59:59.999Z", 28 * 86_400),
        (Month, "UTC", "2026-12-01T00:00:00Z", "2026-12-31T23:59:59.999Z", 31 * 86_400),
        (BillingMonth { day: 1 }, "UTC", "2026-11-01T00:00:00Z", "2026-11-30T23:59:59.999Z", 30 * 86_400),
        (BillingMonth { day: 15 }, "UTC", "2026-12-15T00:00:00Z", "2027-01-14T23:59:59.999Z", 31 * 86_400),
        // A day that a month has not is its last.
        (BillingMonth { day: 31 }, "UTC", "2026-01-31T00:00:00Z", "2026-02-27T23:59:59.999Z", 28 * 86_400),
        (BillingMonth { day: 31 }, "UTC", "2026-02-28T00:00:00Z", "2026-03-30T23:59:59.999Z", 31 * 86_400),
        (BillingMonth { day: 31 }, "UTC", "2026-03-31T00:00:00Z", "2026-04-29T23:59:59.999Z", 30 * 86_400),
        (BillingMonth { day: 31 }, "UTC", "2026-04-30T00:00:00Z", "2026-05-30T23:59:59.999Z", 31 * 86_400),
        (BillingMonth { day: 29 }, "UTC", "2028-02-29T00:00:00Z", "2028-03-28T23:59:59.999Z", 29 * 86_400),
        (BillingMonth { day: 29 }, "UTC", "2027-02-28T00:00:00Z", "2027-03-28T23:59:59.999Z", 29 * 86_400),
    ];
    for (unit, zone, first, last, seconds) in cases {
        let (window, first, last) = (window(unit, zone), at(first), at(last));
        let ends = last.plus_ms(1);
        for now in [first, first.plus_ms(1), EpochMs(i64::midpoint(first.0, last.0)), last] {
            assert_eq!(end(&window, now), ends, "{unit:?} in {zone} at {now:?}");
            assert_eq!(window.open(0, now).seconds, seconds, "{unit:?} in {zone} at {now:?}");
        }
        assert_eq!(end(&window, first.plus_ms(-1)), first, "{unit:?} in {zone} before {first:?}");
        assert!(end(&window, ends) > ends, "{unit:?} in {zone}");
    }
}

#[test]
fn windows_follow_the_clock_changes_of_their_zone() {
    let los_angeles = "America/Los_Angeles";
    let cases = [
        // Forward on 2026-03-08, back on 2026-11-01.
        (Day, los_angeles, "2026-03-08T12:00:00Z", "2026-03-09T07:00:00Z", 82_800),
        (Day, los_angeles, "2026-11-01T12:00:00Z", "2026-11-02T08:00:00Z", 90_000),
        (Week, los_angeles, "2026-03-05T12:00:00Z", "2026-03-09T07:00:00Z", 604_800 - 3_600),
        (Week, los_angeles, "2026-10-29T12:00:00Z", "2026-11-02T08:00:00Z", 604_800 + 3_600),
        (Month, los_angeles, "2026-03-20T12:00:00Z", "2026-04-01T07:00:00Z", 31 * 86_400 - 3_600),
        (
            BillingMonth { day: 31 },
            los_angeles,
            "2026-03-20T12:00:00Z",
            "2026-03-31T07:00:00Z",
            31 * 86_400 - 3_600,
        ),
        // The hour from one to two that comes twice is two windows; the one that never comes is none.
        (Hour, los_angeles, "2026-11-01T08:30:00Z", "2026-11-01T09:00:00Z", 3_600),
        (Hour, los_angeles, "2026-11-01T09:30:00Z", "2026-11-01T10:00:00Z", 3_600),
        (Hour, los_angeles, "2026-03-08T09:59:59Z", "2026-03-08T10:00:00Z", 3_600),
        (Hour, los_angeles, "2026-03-08T10:00:00Z", "2026-03-08T11:00:00Z", 3_600),
        // Midnight does not exist where clocks go forward at it, and the day begins at one.
        (Day, "America/Santiago", "2026-09-06T12:00:00Z", "2026-09-07T03:00:00Z", 82_800),
        (Day, "America/Santiago", "2026-09-06T03:59:59Z", "2026-09-06T04:00:00Z", 86_400),
        // Samoa had no 30 December 2011.
        (Day, "Pacific/Apia", "2011-12-30T09:59:59Z", "2011-12-30T10:00:00Z", 86_400),
        (Day, "Pacific/Apia", "2011-12-30T10:00:00Z", "2011-12-31T10:00:00Z", 86_400),
        // Clocks went back from 00:01 to 23:01 of the day before: one day, not one that has ended already.
        (Day, "America/Goose_Bay", "2010-11-07T03:30:00Z", "2010-11-08T04:00:00Z", 90_000),
    ];
    for (unit, zone, now, ends, seconds) in cases {
        let open = window(unit, zone).open(0, at(now));
        assert_eq!(open.rule, WindowRule::Until(at(ends)), "{unit:?} in {zone} at {now}");
        if zone != "America/Goose_Bay" {
            assert_eq!(open.seconds, seconds, "{unit:?} in {zone} at {now}");
        }
    }
}

#[test]
fn a_clock_beyond_every_calendar_has_one_endless_window() {
    for now in [i64::MIN, i64::MAX] {
        for unit in [Hour, Day, Week, Month, BillingMonth { day: 31 }] {
            assert_eq!(end(&window(unit, "UTC"), EpochMs(now)), EpochMs(i64::MAX));
        }
    }
}

#[test]
fn windows_are_told_as_people_say_them() {
    let noon = at("2026-11-25T20:00:00Z");
    let pacific = |unit| window(unit, "America/Los_Angeles");
    let cases = [
        (pacific(Hour), "this hour's ", "at 13:00 PST", true),
        (pacific(Day), "today's ", "at midnight PST", true),
        (pacific(Week), "this week's ", "on Monday, November 30, at midnight PST", true),
        (pacific(Month), "this month's ", "on December 1 at midnight PST", true),
        (pacific(BillingMonth { day: 15 }), "this billing month's ", "on December 15 at midnight PST", true),
        (Window::Rolling { period_ms: 86_400_000 }, "the last 24 hours' ", "in 6 hours", true),
        (Window::Rolling { period_ms: 60_000 }, "the last 60 seconds' ", "in 15 seconds", false),
        // As long as it is, and not rounded to what people would say.
        (Window::Rolling { period_ms: 100_000 }, "the last 100 seconds' ", "in 25 seconds", true),
        (Window::Rolling { period_ms: 5_400_000 }, "the last 90 minutes' ", "in 23 minutes", true),
        (Window::Rolling { period_ms: 180_000_000 }, "the last 50 hours' ", "in 90 minutes", true),
        (Window::Rolling { period_ms: 604_800_000 }, "the last 7 days' ", "in 6 hours", true),
        (Window::Rolling { period_ms: 7_201_000 }, "the last 7,201 seconds' ", "in 16 minutes", true),
        (Window::Rolling { period_ms: 1_500 }, "the last 1,500 milliseconds' ", "in 1 second", false),
        (Window::Rolling { period_ms: 1_000 }, "the last second's ", "in 1 second", false),
        (Window::Bucket { refill: 1, every_ms: 1_000 }, "your ", "in 12 seconds", false),
        (Window::InFlight, "your ", "when a request ends", false),
    ];
    let level = Level { used: 12, held: 0, earlier: [0, 0, 0, 12], ..Level::default() };
    for (window, period, resets, quota) in cases {
        let open = window.open(100, at("2026-11-25T18:00:00Z"));
        assert_eq!(open.period_text(), period);
        assert_eq!(open.is_quota(), quota, "{period}");
        let open = window.open(100, noon);
        let now = if matches!(window, Window::Rolling { .. }) { at("2026-11-25T18:00:00Z") } else { noon };
        assert_eq!(open.resets_at_text(open.free_at(12, level, now), now), resets, "{period}");
    }
}

#[test]
fn zones_without_a_name_are_told_by_their_offset() {
    let now = at("2026-11-25T20:00:00Z");
    for (zone, resets, plain) in [
        ("America/Sao_Paulo", "at midnight UTC-3", "2026-11-26 00:00 UTC-3"),
        ("Asia/Kathmandu", "at midnight UTC+5:45", "2026-11-27 00:00 UTC+5:45"),
        ("Pacific/Marquesas", "at midnight UTC-9:30", "2026-11-26 00:00 UTC-9:30"),
        ("Asia/Kolkata", "at midnight IST", "2026-11-27 00:00 IST"),
        ("UTC", "at midnight UTC", "2026-11-26 00:00 UTC"),
    ] {
        let window = window(Day, zone);
        let open = window.open(0, now);
        assert_eq!(open.resets_at_text(open.end(), now), resets, "{zone}");
        assert_eq!(plain_time_text(&window, open.end().unwrap()).as_deref(), Some(plain), "{zone}");
    }
}

/// Nothing comes back of a window that lets nothing through: only calls that run end by themselves.
#[test]
fn what_gives_nothing_back_never_resets() {
    let now = at("2026-11-25T20:00:00Z");
    let rolling = Window::Rolling { period_ms: 86_400_000 }.open(0, now);
    let bucket = Window::Bucket { refill: 1, every_ms: 1_000 }.open(0, now);
    let told = [rolling, bucket, Window::InFlight.open(0, now)].map(|open| open.resets_at_text(None, now));
    assert_eq!(told, ["never", "never", "when a request ends"]);
}

#[test]
fn a_rolling_window_says_when_enough_is_old_enough() {
    let window = Window::Rolling { period_ms: 4_000 };
    let now = EpochMs(20_300);
    let open = window.open(100, now);
    let level = Level { used: 100, held: 0, earlier: [40, 0, 30, 10], ..Level::default() };
    for (missing, free) in [(0, 21_000), (10, 21_000), (11, 22_000), (40, 22_000), (41, 24_000), (81, 25_000)]
    {
        assert_eq!(open.free_at(missing, level, now), Some(EpochMs(free)), "{missing}");
    }
}

fn units() -> impl Strategy<Value = CalendarUnit> {
    prop_oneof![
        Just(Hour),
        Just(Day),
        Just(Week),
        Just(Month),
        (1_i8..=31).prop_map(|day| BillingMonth { day })
    ]
}

const ZONES: [&str; 12] = [
    "UTC",
    "America/Los_Angeles",
    "America/Santiago",
    "America/Goose_Bay",
    "America/Havana",
    "Europe/Berlin",
    "Africa/Casablanca",
    "Asia/Kathmandu",
    "Asia/Tehran",
    "Australia/Lord_Howe",
    "Pacific/Apia",
    "Antarctica/Troll",
];

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    /// Every instant is in exactly one window, which has not ended: windows follow one another without a gap, and
    /// all instants of one say the same end.
    #[test]
    fn windows_cover_every_instant_exactly_once(
        unit in units(), zone in prop::sample::select(&ZONES[..]),
        // 1970 to 2100, and often near a change of the zone's clock.
        ms in 0..4_102_444_800_000_i64, near in any::<bool>(), offset in -7_200_000..7_200_000_i64,
        part in 0.0..1.0_f64,
    ) {
        let window = window(unit, zone);
        let zone = TimeZoneDatabase::bundled().get(zone).unwrap();
        let change = zone.following(Timestamp::from_millisecond(ms).unwrap()).next().filter(|_| near);
        let now = EpochMs(change.map_or(ms, |change| change.timestamp().as_millisecond() + offset));
        let ends = end(&window, now);
        prop_assert!(ends > now);
        prop_assert_eq!(end(&window, ends.plus_ms(-1)), ends);
        prop_assert!(end(&window, ends) > ends);
        let between = now.plus_ms(((ends.0 - now.0) as f64 * part) as i64).min(ends.plus_ms(-1));
        prop_assert_eq!(end(&window, between), ends);
        // And back: what comes before is the same window or an earlier one.
        let before = end(&window, now.plus_ms(-1));
        prop_assert!(before == ends || before == now);
    }

    /// A zone's change by policy, or a unit's: no window is longer than its unit, whatever stood before.
    #[test]
    fn no_window_is_longer_than_its_unit(unit in units(), zone in prop::sample::select(&ZONES[..]), ms in 0..4_102_444_800_000_i64) {
        let days = match unit { Hour => 1, Day => 3, Week => 9, Month | BillingMonth { .. } => 33 };
        let open = end(&window(unit, zone), EpochMs(ms)).0 - ms;
        prop_assert!(open <= days * 86_400_000);
    }
}
