//! What a month will have cost. It owns the method, which is the mean of the past days: Hyndman and Athanasopoulos,
//! *Forecasting: Principles and Practice*, <https://otexts.com/fpp3/simple-methods.html> and
//! <https://otexts.com/fpp3/prediction-intervals.html>.
//!
//! With the mean m and the deviation s of k whole days, the n days that are left come to n·m, and with 95% lie within
//! n·m ± t·s·√(n + n²/k), where t is Student's quantile with k − 1 degrees of freedom: the days' own spread, and what
//! is not known of their mean. It takes days to be alike and independent; growth and weekends are not in it.

use super::money::Nano;
use jiff::civil::Date;
use jiff::{Timestamp, ToSpan as _, tz::TimeZone};
use statrs::distribution::{ContinuousCDF, StudentsT};
use std::collections::BTreeMap;

/// Fewer whole days tell nothing of their spread.
pub const DAYS_MIN: usize = 3;
/// Older days tell little of the coming ones.
pub const DAYS_MAX: usize = 28;

/// What a month will have cost.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Forecast {
    /// The month, as `2026-11`.
    pub month: String,
    /// What was spent in it.
    pub spent: Nano,
    /// What it will come to.
    pub expected: Nano,
    /// With 95% at least this, and what was spent already.
    pub low: Nano,
    /// With 95% at most this.
    pub high: Nano,
    /// From so many whole days.
    pub days: usize,
}

/// Forecasts the month of the last call by what was spent each day (UTC).
#[must_use]
pub fn forecast(spent: &BTreeMap<Date, Nano>, last: Timestamp) -> Option<Forecast> {
    let today = last.to_zoned(TimeZone::UTC).date();
    let first = *spent.keys().next()?;
    // The first day and the last are not whole; days on which nothing was spent are.
    let whole = first.tomorrow().ok()?.series(1.day()).take_while(|day| *day < today);
    let mut past: Vec<f64> = whole.map(|day| float(spent.get(&day).copied().unwrap_or_default())).collect();
    past.drain(..past.len().saturating_sub(DAYS_MAX));
    if past.len() < DAYS_MIN {
        return None;
    }
    let (k, n) = (past.len() as f64, days_left(today, last)?);
    let mean = past.iter().sum::<f64>() / k;
    let variance = past.iter().map(|day| (day - mean).powi(2)).sum::<f64>() / (k - 1.0);
    let t = StudentsT::new(0.0, 1.0, k - 1.0).ok()?.inverse_cdf(0.975);
    let margin = t * (variance * (n + n * n / k)).sqrt();
    let month = today.first_of_month()..=today;
    let spent = spent.range(month).map(|(_, nano)| *nano).sum();
    let to_come = |more: f64| spent + nano(more.max(0.0));
    Some(Forecast {
        month: today.strftime("%Y-%m").to_string(),
        spent,
        expected: to_come(n * mean),
        low: to_come(n * mean - margin),
        high: to_come(n * mean + margin),
        days: past.len(),
    })
}

/// How much of the month is left after the last call, in days.
fn days_left(today: Date, last: Timestamp) -> Option<f64> {
    let end = today.last_of_month().tomorrow().ok()?.to_zoned(TimeZone::UTC).ok()?.timestamp();
    Some((end.as_millisecond() - last.as_millisecond()) as f64 / 86_400_000.0)
}

#[expect(clippy::cast_precision_loss, reason = "a forecast")]
fn float(nano: Nano) -> f64 {
    nano as f64
}

#[expect(clippy::cast_possible_truncation, reason = "a forecast")]
fn nano(amount: f64) -> Nano {
    amount.round() as Nano
}
