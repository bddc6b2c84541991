//! Why records and a bill differ. Called by the parent. An explanation is given only where the data has a trace of
//! it, and only for what differs; what is left stays unexplained, and is told as such.

use super::{Options, Reconciliation, Row, Sums, float, hour};
use crate::records::bill::Bill;
use crate::records::money::{Nano, dollars};
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
    if let Some(whole) =
        unit(&result.total, options.tolerance).or_else(|| time_zone(result, bill, hours, options))
    {
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
    if found.is_empty() {
        let rows = result.beyond().filter(|row| !is_absent(&row.model));
        found.extend(partial_days(rows, hours, &options.zone));
    }
    for (model, sums) in result.models.iter().filter(|(model, _)| !is_absent(model)) {
        if !found.iter().any(|explanation| explanation.model.as_ref().is_none_or(|other| other == model)) {
            found.extend(other_price(result, model, sums));
        }
    }
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

/// The clock by which the days of the bill fit, if by the given one they do not.
fn time_zone(
    result: &Reconciliation,
    bill: &Bill,
    hours: &BTreeMap<i64, Nano>,
    options: &Options,
) -> Option<Explanation> {
    if bill.is_hourly() {
        return None;
    }
    let mut billed: BTreeMap<Date, Nano> = BTreeMap::new();
    for row in &result.rows {
        *billed.entry(row.day).or_default() += row.sums.billed;
    }
    let allowed = options.tolerance * float(result.total.billed) + float(result.total.rounding);
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
    if by_day(result) <= allowed {
        return None;
    }
    // The nearest of those that fit: at night many do.
    let mut shifts: Vec<i64> = (-12..=14).collect();
    shifts.sort_by_key(|shift| shift.abs());
    let shift = shifts.into_iter().find(|shift| error(*shift).is_some_and(|error| error <= allowed))?;
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
        "Nothing was recorded in {} hours in which the bill has usage ({} to {} UTC), {} of it: the filter did not run, or its records are not all here.",
        missing.len(),
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
        if sums.recorded.calls == 0 && sums.billed > sums.rounding {
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
        let (calls, cost) = (recorded.unpriced.0, dollars(recorded.unpriced.1));
        tell(
            Cause::UnknownPrice,
            format!("The price of {calls} calls is not known; {cost} is their ceiling."),
        );
    }
    if before(recorded.estimated) {
        let (calls, cost) = (recorded.estimated.0, dollars(recorded.estimated.1));
        tell(
            Cause::EstimatedUsage,
            format!(
                "The usage of {calls} calls ({cost}) was counted or estimated, not stated by the provider."
            ),
        );
    }
    if before(recorded.cut) && more_is_billed {
        let (calls, cost) = (recorded.cut.0, dollars(recorded.cut.1));
        tell(
            Cause::CutStreams,
            format!(
                "{calls} answers ({cost}) were cut short: the provider may bill what it made after the caller had left."
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
fn partial_days<'r>(
    rows: impl Iterator<Item = &'r Row>,
    hours: &BTreeMap<i64, Nano>,
    zone: &TimeZone,
) -> Vec<Explanation> {
    let (Some((first, _)), Some((last, _))) = (hours.first_key_value(), hours.last_key_value()) else {
        return Vec::new();
    };
    let zoned = |hour: i64| Timestamp::from_second(hour * 3_600).map(|at| at.to_zoned(zone.clone())).ok();
    let (Some(first), Some(last)) = (zoned(*first), zoned(*last + 1)) else { return Vec::new() };
    let mut found = Vec::new();
    let days: BTreeSet<Date> = rows.filter(|row| row.sums.difference() > 0).map(|row| row.day).collect();
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

/// The same factor on every day of a model.
fn other_price(result: &Reconciliation, model: &str, sums: &Sums) -> Option<Explanation> {
    let rows: Vec<&Row> =
        result.rows.iter().filter(|row| row.model == model && row.sums.recorded.calls > 0).collect();
    if rows.len() < DAYS_MIN || sums.recorded.cost == 0 || !sums.is_beyond(result.tolerance) {
        return None;
    }
    let factor = float(sums.billed) / float(sums.recorded.cost);
    let fits = |row: &&Row| {
        let expected = float(row.sums.recorded.cost) * factor;
        (float(row.sums.billed) - expected).abs() <= 0.005 * expected + float(row.sums.rounding)
    };
    rows.iter().all(fits).then(|| {
        let text = format!(
            "`{model}` is billed at {factor:.3} times the recorded price on all of {} days: a contract's price, a service tier, or a price of after {}.",
            rows.len(),
            sums.recorded.prices_as_of
        );
        Explanation::of_model(Cause::OtherPrice, model, text)
    })
}
