//! Whole calls at the edges of time: the millisecond between two windows, days of 23 and 25 hours, leap days, clocks that
//! go back, and a zone that a policy changes.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    clippy::needless_pass_by_value,
    reason = "a test fails by a panic"
)]

use serde_json::{Value, json};
use std::collections::HashMap;
use std::sync::Arc;
use tokenstile_engine::alert::settle_all;
use tokenstile_engine::dialect::recognise;
use tokenstile_engine::exchange::{Exchange, Next};
use tokenstile_engine::ledger::{Page, Store, StoreError, reserve_all};
use tokenstile_engine::policy::{Head, Identity, Policy};
use tokenstile_engine::units::EpochMs;

#[derive(Default)]
struct Pages(HashMap<u32, Page>);

impl Store for Pages {
    fn update<T>(&mut self, number: u32, mut change: impl FnMut(&mut Page) -> T) -> Result<T, StoreError> {
        Ok(change(self.0.entry(number).or_default()))
    }
}

/// One proxy's ledger, under policies that change.
#[derive(Default)]
struct Desk(Pages);

impl Desk {
    /// Whether a call of one request goes through at this time.
    fn passes(&mut self, policy: &Arc<Policy>, at: &str) -> bool {
        let now = EpochMs(at.parse::<jiff::Timestamp>().unwrap().as_millisecond());
        let route = recognise(b"POST", b"api.openai.com", b"/v1/chat/completions").metered().unwrap();
        let identity = Identity::of(policy, Head::default());
        let mut call = Exchange::new(policy.clone(), route, identity, now);
        let body = br#"{"model":"gpt-4o","messages":[{"role":"user","content":"hi"}]}"#;
        assert_eq!(call.body(body, false, now), Next::Reserve);
        let got = reserve_all(&mut self.0, &call.holds(), now, true, &mut Vec::new()).unwrap();
        let passes = matches!(call.reserved(&got, now), Next::Forward(_));
        call.answer_head(200, b"application/json", false, &[], now);
        call.answer_chunk(br#"{"usage":{"prompt_tokens":8,"completion_tokens":2}}"#, true);
        call.end(true, now);
        settle_all(&mut self.0, &mut call.take_owed(), now);
        passes
    }

    /// Calls one after the other: which went through.
    fn all(&mut self, policy: &Arc<Policy>, calls: &[(&str, bool)]) {
        for (at, passes) in calls {
            assert_eq!(self.passes(policy, at), *passes, "{at}");
        }
    }
}

/// One request in each window.
fn one(window: Value) -> Arc<Policy> {
    limited(json!({"limit": {"requests": 1}, "window": window}))
}

fn limited(mut budget: Value) -> Arc<Policy> {
    budget["name"] = json!("one");
    budget["per"] = json!([]);
    budget["ladder"] = json!([{"at": "100%", "deny": {}}]);
    let policy = json!({"version": 1, "name": "clock", "budgets": [budget]});
    Arc::new(Policy::parse(policy.to_string().as_bytes()).unwrap_or_else(|errors| panic!("{errors}")))
}

#[test]
fn a_quota_is_full_again_at_the_millisecond_of_midnight_and_not_before() {
    let day = one(json!({"calendar": "day", "timezone": "Asia/Kolkata"}));
    Desk::default().all(
        &day,
        &[
            ("2026-11-22T18:30:00.000Z", true),
            ("2026-11-23T18:29:59.999Z", false),
            ("2026-11-23T18:30:00.000Z", true),
            ("2026-11-23T18:30:00.001Z", false),
        ],
    );
}

#[test]
fn a_day_of_23_hours_ends_an_hour_sooner() {
    let day = one(json!({"calendar": "day", "timezone": "America/Los_Angeles"}));
    Desk::default().all(
        &day,
        &[
            ("2026-03-08T08:00:00Z", true),
            ("2026-03-09T06:59:59.999Z", false),
            ("2026-03-09T07:00:00Z", true),
        ],
    );
}

#[test]
fn a_day_of_25_hours_is_one_day() {
    let day = one(json!({"calendar": "day", "timezone": "America/Los_Angeles"}));
    Desk::default().all(
        &day,
        &[
            ("2026-11-01T07:00:00Z", true),
            // 23:30 by the clock that was set back.
            ("2026-11-02T07:30:00Z", false),
            ("2026-11-02T08:00:00Z", true),
        ],
    );
}

/// One o'clock in the morning comes twice, and each is an hour of its own; two o'clock does not come in spring.
#[test]
fn an_hour_that_comes_twice_is_two_windows() {
    let hour = one(json!({"calendar": "hour", "timezone": "America/Los_Angeles"}));
    Desk::default().all(
        &hour,
        &[
            ("2026-11-01T08:10:00Z", true),
            ("2026-11-01T08:59:59.999Z", false),
            ("2026-11-01T09:10:00Z", true),
            ("2026-11-01T09:50:00Z", false),
        ],
    );
    Desk::default().all(&hour, &[("2026-03-08T09:50:00Z", true), ("2026-03-08T10:00:00Z", true)]);
}

#[test]
fn a_leap_day_is_a_day_and_its_month_has_29() {
    let day = one(json!({"calendar": "day"}));
    Desk::default().all(
        &day,
        &[
            ("2028-02-28T23:59:59.999Z", true),
            ("2028-02-29T00:00:00Z", true),
            ("2028-02-29T23:59:59.999Z", false),
            ("2028-03-01T00:00:00Z", true),
        ],
    );
    let month = one(json!({"calendar": "month"}));
    for (last, next) in [
        ("2028-02-29T23:59:59.999Z", "2028-03-01T00:00:00Z"),
        ("2026-02-28T23:59:59.999Z", "2026-03-01T00:00:00Z"),
        ("2026-04-30T23:59:59.999Z", "2026-05-01T00:00:00Z"),
        ("2026-12-31T23:59:59.999Z", "2027-01-01T00:00:00Z"),
    ] {
        Desk::default().all(&month, &[(last, true), (last, false), (next, true), (next, false)]);
    }
    // Billed on the 30th: in February on its last day.
    let billing = one(json!({"calendar": "billing_month", "day": 30}));
    for (last, next) in [
        ("2028-02-28T23:59:59.999Z", "2028-02-29T00:00:00Z"),
        ("2027-02-27T23:59:59.999Z", "2027-02-28T00:00:00Z"),
        ("2028-03-29T23:59:59.999Z", "2028-03-30T00:00:00Z"),
    ] {
        Desk::default().all(&billing, &[(last, true), (last, false), (next, true), (next, false)]);
    }
}

/// Two workers' clocks differ, or one is set back: nothing that was counted is forgotten, and nothing is given twice.
#[test]
fn a_clock_that_goes_back_gives_nothing_away() {
    let day = one(json!({"calendar": "day"}));
    Desk::default().all(
        &day,
        &[
            ("2026-11-23T00:00:00Z", true),
            ("2026-11-22T23:59:59.999Z", false),
            ("2026-11-01T00:00:00Z", false),
            ("2026-11-23T23:59:59.999Z", false),
            ("2026-11-24T00:00:00Z", true),
        ],
    );
    let rolling = one(json!({"rolling": "4h"}));
    Desk::default().all(
        &rolling,
        &[
            ("2026-11-23T12:00:00Z", true),
            ("2026-11-23T02:00:00Z", false),
            ("2026-11-23T15:59:59.999Z", false),
            ("2026-11-23T17:00:00Z", true),
        ],
    );
    let bucket = limited(json!({"bucket": {"requests": 1, "refill": {"requests": 1, "every": "1h"}}}));
    Desk::default().all(
        &bucket,
        &[
            ("2026-11-23T12:00:00Z", true),
            ("2026-11-23T11:00:00Z", false),
            // An hour after the clock went back is not an hour after the call.
            ("2026-11-23T12:59:59.999Z", false),
            ("2026-11-23T13:00:00Z", true),
        ],
    );
}

/// Midnight is another moment in another zone: what was counted until one is not counted until the other, and an
/// amount is found again when the zone is the old one.
#[test]
fn another_zone_is_another_window_and_another_limit_is_not() {
    let zone = |zone: &str, limit: u64| {
        limited(json!({"limit": {"requests": limit}, "window": {"calendar": "day", "timezone": zone}}))
    };
    let mut desk = Desk::default();
    desk.all(
        &zone("America/Los_Angeles", 1),
        &[("2026-11-23T12:00:00Z", true), ("2026-11-23T12:00:01Z", false)],
    );
    desk.all(&zone("Asia/Tokyo", 1), &[("2026-11-23T12:00:02Z", true), ("2026-11-23T12:00:03Z", false)]);
    desk.all(&zone("America/Los_Angeles", 1), &[("2026-11-23T12:00:04Z", false)]);
    desk.all(
        &zone("America/Los_Angeles", 2),
        &[("2026-11-23T12:00:05Z", true), ("2026-11-23T12:00:06Z", false)],
    );
    // Tokyo's day ends sooner.
    desk.all(&zone("Asia/Tokyo", 1), &[("2026-11-23T15:00:00Z", true)]);
    desk.all(
        &zone("America/Los_Angeles", 2),
        &[("2026-11-23T15:00:00Z", false), ("2026-11-24T08:00:00Z", true)],
    );
}
