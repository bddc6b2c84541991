//! A report for people: a table, and a few sentences. It owns their looks, and calculates nothing but shares.

use super::forecast::DAYS_MIN;
use super::money::{Nano, dollars, each, percent};
use super::report::{Report, Row};
use super::sheet::Sheet;
use super::tally::Tally;
use super::templates::Template;
use super::{calls, so_many};
use std::fmt::Write as _;
use tokenstile_engine::units::grouped;

const SUMS: [&str; 8] =
    ["requests", "cost", "share", "per request", "savings", "overage", "cached", "refused"];

/// What a narrow terminal is spared, the first one first.
const SPARED: [&str; 6] = ["overage", "savings", "refused", "cached", "share", "per request"];

pub(super) fn text(report: &Report, top: usize, width: Option<u16>) -> String {
    let mut text = String::new();
    if let Some((first, last)) = report.span {
        let form = "%Y-%m-%d %H:%M";
        let calls = calls(report.total.requests);
        let _ = writeln!(
            text,
            "{calls} from {} to {} UTC cost {}.\n",
            first.strftime(form),
            last.strftime(form),
            dollars(report.total.cost)
        );
    }
    let _ = writeln!(text, "{}", table(report, top, width));
    text.push_str(&templates(report, top, width));
    for unit in &report.units {
        let _ = writeln!(
            text,
            "{}: {} each in the mean, {} in the median.",
            so_many(unit.count, &unit.name),
            dollars(unit.cost),
            dollars(unit.median)
        );
    }
    text.push_str(&forecast(report));
    text.push_str(&tail(report));
    text.push_str(&uncached(report, top));
    for doubt in doubts(&report.total) {
        let _ = writeln!(text, "{doubt}");
    }
    text
}

/// The dearest prompt templates, if records name them.
fn templates(report: &Report, top: usize, width: Option<u16>) -> String {
    if report.templates.is_empty() {
        return String::new();
    }
    let mut sheet = Sheet::new(TEMPLATE.into_iter(), 1);
    for template in report.templates.iter().take(top) {
        sheet.row(template_cells(template, report.total.cost));
    }
    let (shown, all) = (report.templates.len().min(top), report.templates.len());
    let table = sheet.text(width, &SPARED);
    format!("Prompt templates, the dearest {} of {}:\n{table}\n", shown, grouped(all as u64))
}

/// The columns of [`template_cells`].
pub(super) const TEMPLATE: [&str; 7] =
    ["prompt template", "prefix tokens", "requests", "cost", "share", "per request", "cached"];

/// What is said of a template.
pub(super) fn template_cells(template: &Template, all: Nano) -> Vec<String> {
    let tally = &template.tally;
    vec![
        template.hash.clone(),
        grouped(template.tokens),
        grouped(tally.requests),
        dollars(tally.cost),
        percent(tally.cost, all),
        each(tally.cost, tally.requests).map_or_else(String::new, dollars),
        percent(tally.cache_read.into(), tally.input.into()),
    ]
}

fn table(report: &Report, top: usize, width: Option<u16>) -> String {
    let names = report.by.iter().map(|by| by.name.as_str());
    let mut sheet = Sheet::new(names.chain(SUMS), report.by.len());
    let all = report.total.cost;
    let shown = report.rows.len().min(top);
    let (first, others) = report.rows.split_at(shown);
    for Row { key, tally, .. } in first {
        let key = key.iter().map(|value| if value.is_empty() { "–" } else { value }.to_owned());
        sheet.row(key.chain(sums(tally, all)).collect());
    }
    let last = |name: String| {
        let blanks = report.by.iter().skip(1).map(|_| String::new());
        std::iter::once(name).chain(blanks)
    };
    if !others.is_empty() {
        let mut tally = Tally::default();
        others.iter().for_each(|row| tally.merge(&row.tally));
        let name = so_many(others.len() as u64, "other");
        sheet.row(last(name).chain(sums(&tally, all)).collect());
    }
    sheet.row(last("total".to_owned()).chain(sums(&report.total, all)).collect());
    sheet.text(width, &SPARED)
}

fn sums(tally: &Tally, all: Nano) -> [String; 8] {
    let some = |nano: Nano| if nano == 0 { "–".to_owned() } else { dollars(nano) };
    [
        grouped(tally.requests),
        dollars(tally.cost),
        percent(tally.cost, all),
        each(tally.cost, tally.requests).map_or_else(String::new, dollars),
        some(tally.savings),
        some(tally.overage),
        percent(tally.cache_read.into(), tally.input.into()),
        grouped(tally.refused),
    ]
}

fn forecast(report: &Report) -> String {
    match &report.forecast {
        Some(forecast) => format!(
            "{} will come to {} ({} to {} with 95%), by the mean and the spread of {} whole days; {} of it is spent.\n",
            forecast.month,
            dollars(forecast.expected),
            dollars(forecast.low),
            dollars(forecast.high),
            forecast.days,
            dollars(forecast.spent)
        ),
        None => format!("No forecast of the month: it takes {DAYS_MIN} whole days.\n"),
    }
}

/// Whom to ask whether it is still needed.
fn tail(report: &Report) -> String {
    const NAMED: usize = 5;
    let Some(tail) = &report.tail else { return String::new() };
    let name = |row: &Row| {
        row.key.iter().map(|value| if value.is_empty() { "–" } else { value }).collect::<Vec<_>>().join(" ")
    };
    let mut names: Vec<String> = tail.rows.iter().take(NAMED).map(name).collect();
    if tail.rows.len() > NAMED {
        names.push(format!("{} more", grouped((tail.rows.len() - NAMED) as u64)));
    }
    format!(
        "Hardly used, {} of the requests and {} of the cost: {}.\n",
        percent(tail.tally.requests.into(), report.total.requests.into()),
        percent(tail.tally.cost, report.total.cost),
        names.join(", ")
    )
}

/// What providers could cache and do not.
fn uncached(report: &Report, top: usize) -> String {
    report.uncached.iter().take(top).map(|prefix| prefix.sentence() + "\n").collect()
}

/// What of the sums is not certain, in sentences.
pub(super) fn doubts(total: &Tally) -> Vec<String> {
    let mut doubts = Vec::new();
    if total.unpriced > 0 {
        let (calls, their) = (calls(total.unpriced), if total.unpriced == 1 { "its" } else { "their" });
        doubts.push(format!("The price of {calls} is not known: {their} cost is a ceiling."));
    }
    if total.not_reported > 0 {
        let calls = calls(total.not_reported);
        doubts.push(format!("The usage of {calls} was counted or estimated, not stated by the provider."));
    }
    doubts
}
