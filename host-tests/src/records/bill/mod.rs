//! A provider's bill as lines: a time, a model, an amount. Called by [`super::reconcile`]. It owns how bills are read;
//! which columns say what stands in `forms`. It knows no record.

mod amount;
mod forms;
mod json;
mod model;

pub use amount::Mark;
pub use forms::{FORMS, Form};
pub use model::words;

use super::money::Nano;
use amount::{Amount, Signs, Written, amount, time};
use jiff::civil::Date;
use jiff::{Timestamp, tz::TimeZone};
use std::collections::BTreeMap;

/// When something on a bill was used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum When {
    /// On a day of the bill's own calendar.
    Day(Date),
    /// In the hour that begins then, or in a longer time.
    From(Timestamp),
}

/// What a line is for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Item {
    /// A model, as the bill names it; empty if it names none.
    Model(String),
    /// Searches that the provider made, of whatever model.
    WebSearches,
}

/// One line.
#[derive(Debug, Clone)]
pub struct Line {
    /// When.
    pub when: When,
    /// What for.
    pub item: Item,
    /// What is asked for it.
    pub cost: Nano,
    /// How far that may be rounded.
    pub rounding: Nano,
}

/// What a bill says.
#[derive(Debug)]
pub struct Bill {
    /// The form it has.
    pub form: &'static Form,
    /// Its lines.
    pub lines: Vec<Line>,
    /// Lines for something else: another service, an empty day.
    pub others: u64,
}

impl Bill {
    /// Whether it says in which hours something was used, and not on which days alone.
    #[must_use]
    pub fn is_hourly(&self) -> bool {
        let mut times = self.lines.iter().filter_map(|line| match line.when {
            When::Day(_) => None,
            When::From(at) => Some(at.as_second()),
        });
        let first = times.next();
        times.any(|time| first.is_some_and(|first| (time - first) % 86_400 != 0))
    }

    /// The day of a line, by this clock where the line says more than a day.
    #[must_use]
    pub fn day(&self, line: &Line, zone: &TimeZone) -> Date {
        match line.when {
            When::Day(day) => day,
            When::From(at) if self.is_hourly() => at.to_zoned(zone.clone()).date(),
            When::From(at) => at.to_zoned(TimeZone::UTC).date(),
        }
    }

    /// Whether any line names a model.
    #[must_use]
    pub fn names_models(&self) -> bool {
        self.lines.iter().any(|line| matches!(&line.item, Item::Model(name) if !name.is_empty()))
    }

    /// Whether searches stand in lines of their own, and not in those of models.
    #[must_use]
    pub fn names_searches(&self) -> bool {
        self.names_models() && self.lines.iter().any(|line| line.item == Item::WebSearches)
    }
}

/// How to read a bill that no form fits, or otherwise than its form says.
#[derive(Debug, Clone, Default)]
pub struct Reading {
    /// Columns by what they have: `date`, `model`, `cost`, `currency`.
    pub columns: BTreeMap<String, String>,
    /// Amounts are cents.
    pub cents: bool,
    /// What stands before the decimals of a bill in CSV; else its amounts show it.
    pub decimal: Option<Mark>,
}

impl Reading {
    /// Columns as `date=Day`, `model=Model name`, `cost=USD`.
    ///
    /// # Errors
    /// One is none of these.
    pub fn columns(texts: &[String]) -> Result<BTreeMap<String, String>, String> {
        let one = |text: &String| match text.split_once('=') {
            Some((what, column)) if ["date", "model", "cost", "currency"].contains(&what) => {
                Ok((what.to_owned(), column.to_owned()))
            }
            _ => Err(format!("`{text}` is no column; write `date=…`, `model=…`, `cost=…` or `currency=…`")),
        };
        texts.iter().map(one).collect()
    }
}

/// Reads a bill: CSV, or an answer of a provider's cost API as JSON.
///
/// # Errors
/// It is neither, no form fits it, it is in another currency than dollars, or a cell cannot be read.
pub fn read(text: &str, reading: &Reading) -> Result<Bill, String> {
    let text = text.trim_start_matches('\u{feff}');
    if text.trim_start().starts_with('{') {
        return json::read(text);
    }
    // Excel's own CSV, and what is pasted from a table.
    let head = text.lines().next().unwrap_or_default();
    let of = |separator: char| head.matches(separator).count();
    let separator = [',', ';', '\t'].into_iter().max_by_key(|&c| of(c)).map_or(b',', |c| c as u8);
    let mut csv = csv::ReaderBuilder::new().delimiter(separator).from_reader(text.as_bytes());
    let header: Vec<String> =
        csv.headers().map_err(|error| error.to_string())?.iter().map(|name| name.trim().to_owned()).collect();
    let columns = forms::columns(&header, reading)?;
    let mark = match reading.decimal {
        Some(mark) => mark,
        None => {
            let mut signs = Signs::new(separator == b';');
            let mut csv = csv::ReaderBuilder::new().delimiter(separator).from_reader(text.as_bytes());
            csv.records().filter_map(Result::ok).for_each(|row| {
                columns.cost(&row).into_iter().for_each(|cost| signs.see(cost));
            });
            signs.mark()?
        }
    };
    let how = Written { cents: reading.cents, mark };
    let (mut lines, mut others) = (Vec::new(), 0);
    for row in csv.records() {
        let row = row.map_err(|error| error.to_string())?;
        let at = row.position().map_or(0, csv::Position::line);
        let wrong = |error: String| format!("line {at}: {error}");
        match columns.line(&row, how).map_err(wrong)? {
            Some(line) => lines.push(line),
            None => others += 1,
        }
    }
    if lines.is_empty() {
        return Err(format!("the bill ({}) has no line with an amount for a model", columns.form.name));
    }
    Ok(Bill { form: columns.form, lines, others })
}

fn line(when: &str, item: Item, cost: &str, how: Written) -> Result<Line, String> {
    let Amount { nano, rounding } = amount(cost, how)?;
    Ok(Line { when: time(when)?, item, cost: nano, rounding })
}
