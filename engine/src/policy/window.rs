//! Windows: how a budget is forgotten, at a given time.

use crate::ledger::WindowRule;
use crate::units::{Amount, EpochMs};
use jiff::tz::TimeZone;
use jiff::{Timestamp, Zoned};

/// How a budget is forgotten.
#[derive(Debug, Clone)]
pub enum Window {
    /// From midnight to midnight in a zone.
    CalendarDay {
        /// The zone.
        zone: TimeZone,
    },
    /// Refilled steadily.
    Bucket {
        /// What comes back in `every_ms`.
        refill: Amount,
        /// The period in milliseconds, at least 1.
        every_ms: i64,
    },
}

/// A window as it stands at one time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OpenWindow {
    /// For the ledger.
    pub rule: WindowRule,
    /// The length in whole seconds, as `w` in `RateLimit-Policy`.
    pub seconds: u64,
    /// When a calendar window ends, in its zone.
    ends: Option<Zoned>,
}

impl Window {
    /// Whether it refills instead of beginning anew.
    #[must_use]
    pub const fn is_bucket(&self) -> bool {
        matches!(self, Self::Bucket { .. })
    }

    /// The word that keeps amounts of different kinds of window apart.
    pub(super) const fn kind(&self) -> &'static str {
        match self {
            Self::CalendarDay { .. } => "day",
            Self::Bucket { .. } => "bucket",
        }
    }

    /// The window that is open at `now`.
    #[must_use]
    pub fn open(&self, limit: Amount, now: EpochMs) -> OpenWindow {
        match self {
            Self::CalendarDay { zone } => day(zone, now),
            Self::Bucket { refill, every_ms } => OpenWindow {
                rule: WindowRule::Refill { refill: *refill, every_ms: *every_ms },
                seconds: ms_to_refill(limit, *refill, *every_ms).unsigned_abs().div_ceil(1000),
                ends: None,
            },
        }
    }
}

impl OpenWindow {
    /// When `missing` more units will be free: at the window's end, or when so much has refilled.
    #[must_use]
    pub fn free_at(&self, missing: Amount, now: EpochMs) -> EpochMs {
        match self.rule {
            WindowRule::Until(end) => end,
            WindowRule::Refill { refill, every_ms } => now.plus_ms(ms_to_refill(missing, refill, every_ms)),
        }
    }

    /// `at midnight PST`, or `in 12 seconds`.
    #[must_use]
    pub fn resets_at_text(&self, at: EpochMs, now: EpochMs) -> String {
        self.ends.as_ref().map_or_else(
            || format!("in {}", duration_text(now.seconds_until(at))),
            |end| format!("at {} {}", clock_text(end), end.strftime("%Z")),
        )
    }

    /// `today's ` for a day, nothing for a bucket.
    #[must_use]
    pub const fn period_text(&self) -> &'static str {
        if self.ends.is_some() { "today's " } else { "" }
    }

    /// Whether waiting is the caller's business and not its client's: a quota, not a rate.
    #[must_use]
    pub const fn is_quota(&self) -> bool {
        self.ends.is_some()
    }
}

fn ms_to_refill(amount: Amount, refill: Amount, every_ms: i64) -> i64 {
    let product = i128::from(amount.max(0)).saturating_mul(i128::from(every_ms));
    let ms = product
        .checked_add(i128::from(refill).saturating_sub(1))
        .and_then(|p| p.checked_div(i128::from(refill)));
    ms.and_then(|ms| i64::try_from(ms).ok()).unwrap_or(i64::MAX)
}

/// The day around `now`. A clock outside the years that jiff knows (±9999) has one endless day.
fn day(zone: &TimeZone, now: EpochMs) -> OpenWindow {
    let bounds = || {
        let start = Timestamp::from_millisecond(now.0).ok()?.to_zoned(zone.clone()).start_of_day().ok()?;
        let end = start.tomorrow().ok()?.start_of_day().ok()?;
        Some((start.timestamp().as_millisecond(), end))
    };
    let Some((start, end)) = bounds() else {
        return OpenWindow { rule: WindowRule::Until(EpochMs(i64::MAX)), seconds: 86_400, ends: None };
    };
    let end_ms = end.timestamp().as_millisecond();
    OpenWindow {
        rule: WindowRule::Until(EpochMs(end_ms)),
        seconds: end_ms.saturating_sub(start).unsigned_abs() / 1000,
        ends: Some(end),
    }
}

fn clock_text(at: &Zoned) -> String {
    if at.hour() == 0 && at.minute() == 0 { "midnight".to_owned() } else { at.strftime("%H:%M").to_string() }
}

/// `45 seconds`, `12 minutes`, `4 hours`: one unit, rounded up, as people say it.
#[must_use]
pub(crate) fn duration_text(seconds: u64) -> String {
    let (n, unit) = match seconds {
        0..=90 => (seconds, "second"),
        91..=5_400 => (seconds.div_ceil(60), "minute"),
        5_401..=172_800 => (seconds.div_ceil(3_600), "hour"),
        _ => (seconds.div_ceil(86_400), "day"),
    };
    format!("{n} {unit}{}", if n == 1 { "" } else { "s" })
}
