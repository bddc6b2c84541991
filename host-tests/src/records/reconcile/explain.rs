//! Why records and a bill differ. Called by the parent. An explanation is given only where the data has a trace of
//! it, and only for what differs; what is left stays unexplained, and is told as such.

use super::{Options, Reconciliation, Row, Sums, float, hour};
use crate::records::bill::Bill;
use crate::records::money::{Nano, dollars};
use crate::records::{calls, so_many};
use jiff::civil::Date;
use jiff::tz::{Offset, TimeZone};
use jiff::{Timestamp, ToSpan as _};
use std::collections::{BTreeMap, BTreeSet};

/// A kind of explanation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Cause {
    /// All amounts differ by a power of ten.
    Unit,
    /// The bill's days are those of another clock.
    TimeZone,
    /// The bill has usage in hours of which there is no record.
    MissingHours,
    /// Records begin or end within a day of the bill.
    PartialDay,
    /// A model of the bill is in no record.
    NeverPassed,
    /// A model of the records is not in the bill.
    NotBilled,
    /// Calls of which the price is not known.
    UnknownPrice,
    /// Calls of which the usage was counted or estimated.
    EstimatedUsage,
    /// Answers that were cut short.
    CutStreams,
    /// By the price book of this version it fits.
    OldPrices,
    /// The same factor on every day.
    OtherPrice,
}

impl Cause {
    /// Its name in CSV and JSON.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Unit => "unit",
            Self::TimeZone => "time_zone",
            Self::MissingHours => "missing_hours",
            Self::PartialDay => "partial_day",
            Self::NeverPassed => "never_passed",
            Self::NotBilled => "not_billed",
            Self::UnknownPrice => "unknown_price",
            Self::EstimatedUsage => "estimated_usage",
            Self::CutStreams => "cut_streams",
            Self::OldPrices => "old_prices",
            Self::OtherPrice => "other_price",
        }
    }
}

/// Why something differs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Explanation {
    /// What kind of.
    pub cause: Cause,
    /// Of which day; of all if none.
    pub day: Option<Date>,
    /// Of which model; of all if none.
    pub model: Option<String>,
    /// In a sentence.
    pub text: String,
}

impl Explanation {
    fn of_all(cause: Cause, text: String) -> Self {
        Self { cause, day: None, model: None, text }
    }

    fn of_model(cause: Cause, model: &str, text: String) -> Self {
        Self { model: Some(model.to_owned()), ..Self::of_all(cause, text) }
    }

    fn of_row(cause: Cause, row: &Row, text: String) -> Self {
        Self { day: Some(row.day), ..Self::of_model(cause, &row.model, text) }
    }

    /// Whether it is about this row.
    #[must_use]
    pub fn is_about(&self, row: &Row) -> bool {
        self.day.is_none_or(|day| day == row.day)
            && self.model.as_ref().is_none_or(|model| *model == row.model)
    }
}

/// All that the data supports; what makes every row differ stands alone.
pub(super) fn all(
    result: &Reconciliation,
    bill: &Bill,
    hours: &BTreeMap<i64, Nano>,
    options: &Options,
) -> Vec<Explanation> {
    if result.beyond().next().is_none() {
        return Vec::new();
    }
    if let Some(whole) = unit(&result.total, options.tolerance).or_else(|| time_zone(result, bill, hours)) {
        return vec![whole];
    }
    let mut found = Vec::new();
    found.extend(missing_hours(bill, hours));
    let absent = models(result);
    let is_absent =
        |model: &str| absent.iter().any(|explanation| explanation.model.as_deref() == Some(model));
    for row in result.beyond().filter(|row| !is_absent(&row.model)) {
        of_row(row, options.tolerance, &mut found);
    }
    let rows = || result.beyond().filter(|row| !is_absent(&row.model));
    let has_none = |found: &[Explanation], model: &str| {
        !is_absent(model)
            && found.iter().all(|why| why.model.as_ref().is_some_and(|other| other.as_str() != model))
    };
    let left: Vec<&Row> = rows().filter(|row| !found.iter().any(|why| why.is_about(row))).collect();
    let mut partial = partial_days(&left, hours, &options.zone);
    let mut priced = Vec::new();
    for model in result.models.keys().filter(|model| has_none(&found, model)) {
        priced.extend(other_price(result, model, &partial).map(|(why, days)| (model, why, days)));
    }
    // What another price explains is no part of a day.
    let is_priced =
        |row: &Row| priced.iter().any(|(model, _, days)| **model == row.model && days.contains(&row.day));
    partial.retain(|partial| left.iter().any(|row| partial.is_about(row) && !is_priced(row)));
    found.extend(partial);
    found.extend(priced.into_iter().map(|(_, why, _)| why));
    found.extend(absent);
    found
}

fn near(a: Nano, b: Nano, tolerance: f64) -> bool {
    float((a - b).abs()) <= tolerance * float(b.abs())
}

fn unit(total: &Sums, tolerance: f64) -> Option<Explanation> {
    let (recorded, billed) = (total.recorded.cost, total.billed);
    let factor = [100, 1_000, 1_000_000].into_iter();
    let more = factor.clone().find(|factor| near(billed, recorded.saturating_mul(*factor), tolerance));
    let less = factor.clone().find(|factor| near(recorded, billed.saturating_mul(*factor), tolerance));
    let text = match (more, less) {
        _ if recorded == 0 || billed == 0 => return None,
        (Some(100), _) => {
            "The bill's amounts are 100 times those recorded: they are cents. Say `--unit cents`.".to_owned()
        }
        (Some(factor), _) => {
            format!("The bill's amounts are {factor} times those recorded: another unit than dollars.")
        }
        (_, Some(factor)) => format!(
            "The bill's amounts are {factor} times less than those recorded: another unit than dollars."
        ),
        (None, None) => return None,
    };
    Some(Explanation::of_all(Cause::Unit, text))
}

/// By a clock that is right, days differ so many times less.
const CLEARLY: f64 = 4.0;

/// The clock by which the days of the bill fit clearly better than by the given one, whatever their sum is.
fn time_zone(result: &Reconciliation, bill: &Bill, hours: &BTreeMap<i64, Nano>) -> Option<Explanation> {
    if bill.is_hourly() {
        return None;
    }
    let mut billed: BTreeMap<Date, Nano> = BTreeMap::new();
    for row in &result.rows {
        *billed.entry(row.day).or_default() += row.sums.billed;
    }
    let error = |shift: i64| {
        let mut left = billed.clone();
        for (hour, cost) in hours {
            let day = Timestamp::from_second((hour + shift) * 3_600).ok()?.to_zoned(TimeZone::UTC).date();
            // Days that the bill does not have are not compared.
            left.entry(day).and_modify(|left| *left -= *cost);
        }
        Some(left.values().map(|left| float(left.abs())).sum::<f64>())
    };
    let by_day = |result: &Reconciliation| {
        let mut left = billed.clone();
        for row in &result.rows {
            left.entry(row.day).and_modify(|left| *left -= row.sums.recorded.cost);
        }
        left.values().map(|left| float(left.abs())).sum::<f64>()
    };
    let (as_taken, rounding) = (by_day(result), float(result.total.rounding));
    let mut shifts: Vec<i64> = (-12..=14).collect();
    shifts.sort_by_key(|shift| shift.abs());
    let errors: Vec<(i64, f64)> =
        shifts.into_iter().filter_map(|shift| error(shift).map(|error| (shift, error))).collect();
    let best = errors.iter().map(|(_, error)| *error).fold(f64::INFINITY, f64::min);
    if best > as_taken / CLEARLY + rounding || best > as_taken / 2.0 {
        return None;
    }
    // The nearest of those that fit as well: at night many do.
    let as_well = best + float(result.total.billed.abs()) / 10_000.0 + rounding;
    // The clock that was taken is one of them: what differs is something else.
    if as_taken <= as_well {
        return None;
    }
    let (shift, _) = errors.into_iter().find(|(_, error)| *error <= as_well)?;
    let offset = Offset::from_hours(i8::try_from(shift).ok()?).ok()?;
    let text = format!(
        "The bill's days are not those of the clock that was taken: by UTC{offset} they fit. Say `--timezone {offset}:00`."
    );
    Some(Explanation::of_all(Cause::TimeZone, text))
}

/// Hours in which the bill has usage, and nothing was recorded.
fn missing_hours(bill: &Bill, hours: &BTreeMap<i64, Nano>) -> Option<Explanation> {
    if !bill.is_hourly() {
        return None;
    }
    let mut missing: BTreeMap<i64, Nano> = BTreeMap::new();
    for line in bill.lines.iter().filter(|line| line.cost > 0) {
        if let Some(hour) = hour(line.when).filter(|hour| !hours.contains_key(hour)) {
            *missing.entry(hour).or_default() += line.cost;
        }
    }
    let (first, _) = missing.first_key_value()?;
    let (last, _) = missing.last_key_value()?;
    let time =
        |hour: i64| Timestamp::from_second(hour * 3_600).map(|at| at.strftime("%Y-%m-%d %H:%M").to_string());
    let text = format!(
        "Nothing was recorded in {} in which the bill has usage ({} to {} UTC), {} of it: the filter did not run, or its records are not all here.",
        so_many(missing.len() as u64, "hour"),
        time(*first).ok()?,
        time(*last + 1).ok()?,
        dollars(missing.values().sum())
    );
    Some(Explanation::of_all(Cause::MissingHours, text))
}

/// Models on one side alone.
fn models(result: &Reconciliation) -> Vec<Explanation> {
    let mut found = Vec::new();
    for (model, sums) in &result.models {
        if !sums.recorded.is_there() && sums.billed > sums.rounding {
            let billed = dollars(sums.billed);
            let text = format!("`{model}` ({billed}) is in no record: those calls did not pass the filter.");
            found.push(Explanation::of_model(Cause::NeverPassed, model, text));
        }
        if sums.lines == 0 && sums.recorded.cost > 0 {
            let cost = dollars(sums.recorded.cost);
            let text = if model.is_empty() {
                format!(
                    "Calls that name no model ({cost}) fit no line of the bill: their bodies were not read."
                )
            } else {
                format!(
                    "`{model}` ({cost}) is not in the bill: it is on another account's, or under another name."
                )
            };
            found.push(Explanation::of_model(Cause::NotBilled, model, text));
        }
    }
    found
}

/// What calls of this day and model make its sum uncertain.
fn of_row(row: &Row, tolerance: f64, found: &mut Vec<Explanation>) {
    let recorded = &row.sums.recorded;
    let more_is_billed = row.sums.difference() > 0;
    let mut tell = |cause, text| found.push(Explanation::of_row(cause, row, text));
    let before = |(_, cost): (u64, Nano)| cost > 0;
    if before(recorded.unpriced) && !more_is_billed {
        let (calls, cost) = (calls(recorded.unpriced.0), dollars(recorded.unpriced.1));
        tell(Cause::UnknownPrice, format!("The price of {calls} is not known; {cost} is the ceiling."));
    }
    if before(recorded.estimated) {
        let (calls, cost) = (calls(recorded.estimated.0), dollars(recorded.estimated.1));
        tell(
            Cause::EstimatedUsage,
            format!("The usage of {calls} ({cost}) was counted or estimated, not stated by the provider."),
        );
    }
    if before(recorded.cut) && more_is_billed {
        let (calls, cost) = (calls(recorded.cut.0), dollars(recorded.cut.1));
        tell(
            Cause::CutStreams,
            format!(
                "The answers of {calls} ({cost}) were cut short: the provider may bill what it made after the caller had left."
            ),
        );
    }
    let fits_now = near(recorded.repriced, row.sums.billed, tolerance);
    if fits_now && recorded.unpriced.0 + recorded.estimated.0 + recorded.cut.0 == 0 {
        let (then, now) = (&recorded.prices_as_of, tokenstile_engine::price::PRICES_AS_OF);
        tell(
            Cause::OldPrices,
            format!(
                "Recorded by prices as of {then}; by those as of {now} it comes to {}, which fits.",
                dollars(recorded.repriced)
            ),
        );
    }
}

/// The first and the last day of the records, if they do not have all of it.
fn partial_days(rows: &[&Row], hours: &BTreeMap<i64, Nano>, zone: &TimeZone) -> Vec<Explanation> {
    let (Some((first, _)), Some((last, _))) = (hours.first_key_value(), hours.last_key_value()) else {
        return Vec::new();
    };
    let zoned = |hour: i64| Timestamp::from_second(hour * 3_600).map(|at| at.to_zoned(zone.clone())).ok();
    let (Some(first), Some(last)) = (zoned(*first), zoned(*last + 1)) else { return Vec::new() };
    let mut found = Vec::new();
    let days: BTreeSet<Date> =
        rows.iter().filter(|row| row.sums.difference() > 0).map(|row| row.day).collect();
    for day in days {
        let text = if day < first.date() || last.checked_sub(1.second()).is_ok_and(|last| day > last.date()) {
            "There is no record of this day.".to_owned()
        } else if day == first.date() && first.hour() > 0 {
            format!("Records begin at {} on this day.", first.strftime("%H:%M"))
        } else if last.checked_sub(1.second()).is_ok_and(|before| day == before.date()) && last.hour() > 0 {
            format!("Records end at {} on this day.", last.strftime("%H:%M"))
        } else {
            continue;
        };
        found.push(Explanation { day: Some(day), ..Explanation::of_all(Cause::PartialDay, text) });
    }
    found
}

/// So many days show that it is no chance.
const DAYS_MIN: usize = 3;

/// The same factor on every day of a model, but perhaps for those that are not whole; and the days that it explains.
fn other_price(
    result: &Reconciliation,
    model: &str,
    partial: &[Explanation],
) -> Option<(Explanation, BTreeSet<Date>)> {
    let all: Vec<&Row> =
        result.rows.iter().filter(|row| row.model == model && row.sums.recorded.is_there()).collect();
    let is_whole = |row: &&&Row| !partial.iter().any(|partial| partial.is_about(row));
    let whole: Vec<&Row> = all.iter().filter(is_whole).copied().collect();
    let (factor, fit) = [&all, &whole].into_iter().find_map(|rows| {
        let factor = factor(rows, result.tolerance)?;
        let fits = |row: &&Row| fits(row, factor);
        rows.iter().all(fits).then(|| (factor, all.iter().copied().filter(fits).collect::<Vec<_>>()))
    })?;
    let mut sums = Sums::default();
    fit.iter().for_each(|row| sums.merge(&row.sums));
    let kind = if fit.len() == all.len() { "" } else { "whole " };
    let text = format!(
        "`{model}` is billed at {factor:.3} times the recorded price on all of {} {kind}days: a contract's price, a service tier, or a price of after {}.",
        fit.len(),
        sums.recorded.prices_as_of
    );
    let days = fit.iter().map(|row| row.day).collect();
    Some((Explanation::of_model(Cause::OtherPrice, model, text), days))
}

/// How many times more is billed for days that are enough to say so, if that is a difference.
fn factor(rows: &[&Row], tolerance: f64) -> Option<f64> {
    let mut sums = Sums::default();
    rows.iter().for_each(|row| sums.merge(&row.sums));
    let differs = rows.len() >= DAYS_MIN && sums.recorded.cost != 0 && sums.is_beyond(tolerance);
    differs.then(|| float(sums.billed) / float(sums.recorded.cost))
}

fn fits(row: &Row, factor: f64) -> bool {
    let expected = float(row.sums.recorded.cost) * factor;
    (float(row.sums.billed) - expected).abs() <= 0.005 * expected + float(row.sums.rounding)
}
