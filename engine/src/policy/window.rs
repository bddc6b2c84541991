//! Windows: how a budget is forgotten, at a given time.

use crate::ledger::{Level, SLICES, WindowRule};
use crate::units::{Amount, EpochMs, grouped};
use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan, Zoned};

/// How a budget is forgotten.
#[derive(Debug, Clone)]
pub enum Window {
    /// All at once, at the ends of a calendar's units in a zone.
    Calendar {
        /// The unit.
        unit: CalendarUnit,
        /// The zone.
        zone: TimeZone,
    },
    /// Each amount by itself, once this many milliseconds have passed.
    Rolling {
        /// At least [`SLICES`].
        period_ms: i64,
    },
    /// Refilled steadily.
    Bucket {
        /// What comes back in `every_ms`.
        refill: Amount,
        /// The period in milliseconds, at least 1.
        every_ms: i64,
    },
    /// With the end of the call.
    InFlight,
}

/// A unit of the calendar.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CalendarUnit {
    /// By the zone's clock. A change of that clock in its middle ends it.
    Hour,
    /// From midnight, or from the first minute that the zone has on that day.
    Day,
    /// From Monday (ISO 8601).
    Week,
    /// From the first.
    Month,
    /// From this day of the month, or the month's last if it has no such day.
    BillingMonth {
        /// 1 to 31.
        day: i8,
    },
}

/// A window as it stands at one time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OpenWindow {
    /// For the ledger.
    pub rule: WindowRule,
    /// The length in whole seconds, as `w` in `RateLimit-Policy`; 0 if it has none.
    pub seconds: u64,
    /// When a calendar window ends, in its zone, and of what unit it is.
    ends: Option<(Zoned, CalendarUnit)>,
    /// The length of a rolling window in milliseconds, as the policy has it; 0 of others.
    rolling_ms: u64,
}

/// The longest window that clients are to wait for, and not people.
const RATE_SECONDS_MAX: u64 = 60;

impl Window {
    /// Whether it refills instead of beginning anew.
    #[must_use]
    pub const fn is_bucket(&self) -> bool {
        matches!(self, Self::Bucket { .. })
    }

    /// What keeps amounts of different windows apart: a budget whose window has changed begins anew. That of
    /// a bucket leaves its size and its rate out.
    pub(super) fn identity(&self) -> String {
        match self {
            Self::Calendar { unit, zone } => format!("{unit:?} {}", zone.iana_name().unwrap_or_default()),
            Self::Rolling { period_ms } => format!("rolling {period_ms}"),
            Self::Bucket { .. } => "bucket".to_owned(),
            Self::InFlight => "in flight".to_owned(),
        }
    }

    /// The window that is open at `now`.
    #[must_use]
    pub fn open(&self, limit: Amount, now: EpochMs) -> OpenWindow {
        match self {
            Self::Calendar { unit, zone } => calendar(*unit, zone, now),
            Self::Rolling { period_ms } => {
                let slice_ms = period_ms.unsigned_abs().div_ceil(SLICES as u64);
                OpenWindow {
                    rule: WindowRule::Rolling { slice_ms: i64::try_from(slice_ms).unwrap_or(i64::MAX) },
                    seconds: period_ms.unsigned_abs().div_ceil(1000),
                    ends: None,
                    rolling_ms: period_ms.unsigned_abs(),
                }
            }
            Self::Bucket { refill, every_ms } => OpenWindow {
                rule: WindowRule::Refill { refill: *refill, every_ms: *every_ms },
                seconds: ms_to_refill(limit, *refill, *every_ms).unsigned_abs().div_ceil(1000),
                ends: None,
                rolling_ms: 0,
            },
            Self::InFlight => {
                OpenWindow { rule: WindowRule::InFlight, seconds: 0, ends: None, rolling_ms: 0 }
            }
        }
    }
}

impl OpenWindow {
    /// No budget's window: it ends then.
    #[must_use]
    pub const fn until(end: EpochMs) -> Self {
        Self { rule: WindowRule::Until(end), seconds: 0, ends: None, rolling_ms: 0 }
    }

    /// When `missing` more units will be free, with `level` standing: at the window's end, when so much has
    /// refilled, or when so much is old enough. `None` where it depends on others' calls alone.
    #[must_use]
    pub fn free_at(&self, missing: Amount, level: Level, now: EpochMs) -> Option<EpochMs> {
        match self.rule {
            WindowRule::Until(end) => Some(end),
            WindowRule::Refill { refill, every_ms } => {
                Some(now.plus_ms(ms_to_refill(missing, refill, every_ms)))
            }
            WindowRule::Rolling { slice_ms } => Some(rolled_off_at(missing, level, slice_ms, now)),
            WindowRule::InFlight => None,
        }
    }

    /// How long it may take until so much is free again; less than any other where that is a matter of calls.
    #[must_use]
    pub fn lasts_ms(&self, amount: Amount, now: EpochMs) -> i64 {
        match self.rule {
            WindowRule::Until(end) => end.0.saturating_sub(now.0),
            WindowRule::Rolling { .. } => {
                i64::try_from(self.seconds).unwrap_or(i64::MAX).saturating_mul(1_000)
            }
            WindowRule::Refill { refill, every_ms } => ms_to_refill(amount, refill, every_ms),
            WindowRule::InFlight => -1,
        }
    }

    /// When it ends, if it does: the window's name.
    #[must_use]
    pub const fn end(&self) -> Option<EpochMs> {
        match self.rule {
            WindowRule::Until(end) => Some(end),
            _ => None,
        }
    }

    /// `at midnight PST`, `on December 1 at midnight PST`, `in 12 seconds`, or `when a request ends`; `never` of a
    /// window that gives nothing back.
    #[must_use]
    pub fn resets_at_text(&self, at: Option<EpochMs>, now: EpochMs) -> String {
        // Something else than the window ends first: a budget's last day, an exception.
        let sooner = at.filter(|at| self.end().is_some_and(|end| *at < end));
        if let (Some((end, _)), Some(at)) = (&self.ends, sooner)
            && let (Some(at), Some(now)) = (zoned(at, end.time_zone()), zoned(now, end.time_zone()))
        {
            let clock = format!("at {} {}", clock_text(&at), zone_text(&at));
            let day =
                if at.date() == now.date() { String::new() } else { at.strftime("on %B %-d ").to_string() };
            return day + &clock;
        }
        let Some((end, unit)) = &self.ends else {
            let in_time = |at| format!("in {}", duration_text(now.seconds_until(at)));
            let without = if self.rule == WindowRule::InFlight { "when a request ends" } else { "never" };
            return at.map_or_else(|| without.to_owned(), in_time);
        };
        let clock = format!("at {} {}", clock_text(end), zone_text(end));
        match unit {
            CalendarUnit::Hour | CalendarUnit::Day => clock,
            CalendarUnit::Week => format!("on {} {clock}", end.strftime("%A, %B %-d,")),
            CalendarUnit::Month | CalendarUnit::BillingMonth { .. } => {
                format!("on {} {clock}", end.strftime("%B %-d"))
            }
        }
    }

    /// `today's `, `this week's `, `the last 24 hours' `, or `your `.
    #[must_use]
    pub fn period_text(&self) -> String {
        let calendar = |unit: &CalendarUnit| match unit {
            CalendarUnit::Hour => "this hour's ",
            CalendarUnit::Day => "today's ",
            CalendarUnit::Week => "this week's ",
            CalendarUnit::Month => "this month's ",
            CalendarUnit::BillingMonth { .. } => "this billing month's ",
        };
        match (&self.ends, self.rule) {
            (Some((_, unit)), _) => calendar(unit).to_owned(),
            (None, WindowRule::Rolling { .. }) => {
                let length = length_text(self.rolling_ms);
                // Of one only its unit is said: the last second's.
                length
                    .strip_prefix("1 ")
                    .map_or_else(|| format!("the last {length}' "), |unit| format!("the last {unit}'s "))
            }
            (None, _) => "your ".to_owned(),
        }
    }

    /// Whether waiting is the caller's business and not its client's: a quota, not a rate.
    #[must_use]
    pub const fn is_quota(&self) -> bool {
        match self.rule {
            WindowRule::Until(_) => true,
            WindowRule::Rolling { .. } => self.seconds > RATE_SECONDS_MAX,
            WindowRule::Refill { .. } | WindowRule::InFlight => false,
        }
    }
}

impl CalendarUnit {
    /// The first day of the unit that has this day.
    fn first_day(self, date: Date) -> Option<Date> {
        match self {
            Self::Hour | Self::Day => Some(date),
            Self::Week => date.checked_sub(date.weekday().to_monday_zero_offset().days()).ok(),
            Self::Month => Some(date.first_of_month()),
            Self::BillingMonth { day } => {
                let this = clamped(date, day)?;
                if date >= this { Some(this) } else { clamped(date.first_of_month().yesterday().ok()?, day) }
            }
        }
    }

    /// The first day of the unit after it.
    fn next_first_day(self, date: Date) -> Option<Date> {
        match self {
            Self::Hour | Self::Day => date.tomorrow().ok(),
            Self::Week => self.first_day(date)?.checked_add(7.days()).ok(),
            Self::Month => date.last_of_month().tomorrow().ok(),
            Self::BillingMonth { day } => {
                let this = clamped(date, day)?;
                if date < this { Some(this) } else { clamped(date.last_of_month().tomorrow().ok()?, day) }
            }
        }
    }
}

/// This day of the month of `date`, or its last.
fn clamped(date: Date, day: i8) -> Option<Date> {
    Date::new(date.year(), date.month(), day.min(date.days_in_month())).ok()
}

/// When enough slices have been forgotten, the oldest first; at the latest when the running one is.
fn rolled_off_at(missing: Amount, level: Level, slice_ms: i64, now: EpochMs) -> EpochMs {
    let into = now.0.checked_rem_euclid(slice_ms).unwrap_or_default();
    let mut at = now.plus_ms(slice_ms.saturating_sub(into));
    let mut freed: Amount = 0;
    for amount in level.earlier.iter().rev() {
        freed = freed.saturating_add(*amount);
        // With nothing missing: when something comes back at all.
        if freed >= missing.max(1) {
            break;
        }
        at = at.plus_ms(slice_ms);
    }
    at
}

fn ms_to_refill(amount: Amount, refill: Amount, every_ms: i64) -> i64 {
    let product = i128::from(amount.max(0)).saturating_mul(i128::from(every_ms));
    let ms = product
        .checked_add(i128::from(refill).saturating_sub(1))
        .and_then(|p| p.checked_div(i128::from(refill)));
    ms.and_then(|ms| i64::try_from(ms).ok()).unwrap_or(i64::MAX)
}

/// The window around `now`. A clock outside the years that jiff knows (±9999) has one that is endless.
fn calendar(unit: CalendarUnit, zone: &TimeZone, now: EpochMs) -> OpenWindow {
    let bounds = || {
        let at = Timestamp::from_millisecond(now.0).ok()?.to_zoned(zone.clone());
        if unit == CalendarUnit::Hour { hour(&at) } else { days(unit, &at) }
    };
    let Some((start, end)) = bounds() else {
        let rule = WindowRule::Until(EpochMs(i64::MAX));
        return OpenWindow { rule, seconds: 86_400, ends: None, rolling_ms: 0 };
    };
    let end_ms = end.timestamp().as_millisecond();
    OpenWindow {
        rule: WindowRule::Until(EpochMs(end_ms)),
        seconds: end_ms.saturating_sub(start).unsigned_abs() / 1000,
        ends: Some((end, unit)),
        rolling_ms: 0,
    }
}

/// Start and end of whole days.
fn days(unit: CalendarUnit, at: &Zoned) -> Option<(i64, Zoned)> {
    let midnight = |date: Date| date.to_zoned(at.time_zone().clone()).ok();
    let start = midnight(unit.first_day(at.date())?)?;
    let next = unit.next_first_day(at.date())?;
    let end = midnight(next)?;
    // A clock set back over midnight shows yesterday's date again, of which the end has been.
    let end = if end.timestamp() > at.timestamp() { end } else { midnight(unit.next_first_day(next)?)? };
    Some((start.timestamp().as_millisecond(), end))
}

const HOUR_MS: i64 = 3_600_000;

/// Start and end of an hour of the zone's clock.
fn hour(at: &Zoned) -> Option<(i64, Zoned)> {
    let offset_ms = i64::from(at.offset().seconds()).checked_mul(1000)?;
    let now_ms = at.timestamp().as_millisecond();
    let into = now_ms.checked_add(offset_ms)?.checked_rem_euclid(HOUR_MS)?;
    let start = now_ms.checked_sub(into)?;
    let end = Timestamp::from_millisecond(start.checked_add(HOUR_MS)?).ok()?;
    let change = at.time_zone().following(at.timestamp()).next().map(|change| change.timestamp());
    let end = change.map_or(end, |change| change.min(end));
    Some((start, end.to_zoned(at.time_zone().clone())))
}

fn zoned(at: EpochMs, zone: &TimeZone) -> Option<Zoned> {
    Some(Timestamp::from_millisecond(at.0).ok()?.to_zoned(zone.clone()))
}

fn clock_text(at: &Zoned) -> String {
    if at.hour() == 0 && at.minute() == 0 { "midnight".to_owned() } else { at.strftime("%H:%M").to_string() }
}

/// `PST`; of a zone whose abbreviation is but a number, `UTC-3` or `UTC+5:45`.
fn zone_text(at: &Zoned) -> String {
    let named = at.strftime("%Z").to_string();
    if !named.starts_with(['+', '-']) {
        return named;
    }
    let seconds = at.offset().seconds();
    let (sign, minutes) = (if seconds < 0 { '-' } else { '+' }, seconds.unsigned_abs() / 60);
    match (minutes / 60, minutes % 60) {
        (hours, 0) => format!("UTC{sign}{hours}"),
        (hours, minutes) => format!("UTC{sign}{hours}:{minutes:02}"),
    }
}

/// `2026-11-24 00:00 PST`, for sentences that are not English; nothing for a window without a calendar.
#[must_use]
pub(crate) fn plain_time_text(window: &Window, at: EpochMs) -> Option<String> {
    let Window::Calendar { zone, .. } = window else { return None };
    let at = Timestamp::from_millisecond(at.0).ok()?.to_zoned(zone.clone());
    Some(format!("{} {}", at.strftime("%Y-%m-%d %H:%M"), zone_text(&at)))
}

/// `45 s`, `12 min`, `4 h`, `3 d`: for sentences that are not English.
#[must_use]
pub(crate) fn plain_duration_text(seconds: u64) -> String {
    let text = duration_text(seconds);
    let (n, unit) = text.split_once(' ').unwrap_or((&text, ""));
    let symbol = match unit.as_bytes().first() {
        Some(b'm') => "min",
        _ => unit.get(..1).unwrap_or_default(),
    };
    format!("{n} {symbol}")
}

/// `100 seconds`, `24 hours`: a length in milliseconds as it is, in the largest unit that has a handful of it and goes
/// into it without a rest.
#[must_use]
pub(crate) fn length_text(ms: u64) -> String {
    // The least length that is told in a unit, and the unit.
    const UNITS: [(u64, u64, &str); 4] = [
        (172_800_001, 86_400_000, "day"),
        (5_400_001, 3_600_000, "hour"),
        (90_001, 60_000, "minute"),
        (1, 1_000, "second"),
    ];
    let told = |(least, of, name): &(u64, u64, &'static str)| {
        let n = ms.checked_div(*of).filter(|_| ms >= *least && ms.is_multiple_of(*of))?;
        Some((n, *name))
    };
    let (n, unit) = UNITS.iter().find_map(told).unwrap_or((ms, "millisecond"));
    format!("{} {unit}{}", grouped(n), if n == 1 { "" } else { "s" })
}

/// `45 seconds`, `12 minutes`, `4 hours`: how long to wait, in one unit, rounded up, as people say it; never nothing.
#[must_use]
pub(crate) fn duration_text(seconds: u64) -> String {
    let (n, unit) = match seconds {
        0..=90 => (seconds.max(1), "second"),
        91..=5_400 => (seconds.div_ceil(60), "minute"),
        5_401..=172_800 => (seconds.div_ceil(3_600), "hour"),
        _ => (seconds.div_ceil(86_400), "day"),
    };
    format!("{n} {unit}{}", if n == 1 { "" } else { "s" })
}

#[cfg(test)]
mod tests;
