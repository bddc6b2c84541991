//! `tokenstile report`: sums by dimensions, what a unit costs, and a forecast. It owns what is summed; `table` how it
//! is shown to people.

use super::caching::{self, Uncached};
use super::dimension::{self, Dimension};
use super::forecast::{Forecast, forecast};
use super::money::{Nano, each};
use super::tally::{Tally, whole};
use super::templates::{self, Template};
use super::{Record, Seen, cell, table};
use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use serde_json::{Map, Value, json};
use std::collections::{BTreeMap, HashMap};

/// One row: the values of its dimensions, and the sums.
#[derive(Debug, Clone)]
pub struct Row {
    /// By the order of dimensions.
    pub key: Vec<String>,
    /// Its sums.
    pub tally: Tally,
    /// Its last call.
    pub last: Option<Timestamp>,
}

/// Rows that hardly anybody uses.
#[derive(Debug, Clone, Default)]
pub struct Tail {
    /// By requests, the fewest first.
    pub rows: Vec<Row>,
    /// Their sums.
    pub tally: Tally,
}

/// The tail has at most one of so many requests, and of so many dollars: a few calls for most of the money are used.
const TAIL_REQUESTS: u64 = 20;
const TAIL_COST: Nano = 10;

/// What one of something costs: a user, a conversation.
#[derive(Debug, Clone)]
pub struct Unit {
    /// The dimension.
    pub name: String,
    /// So many values it has.
    pub count: u64,
    /// What each of them costs in the mean.
    pub cost: Nano,
    /// What the one in the middle costs; of an even number, the two there in the mean.
    pub median: Nano,
}

/// What records come to.
#[derive(Debug)]
pub struct Report {
    /// By what it is divided.
    pub by: Vec<Dimension>,
    /// By cost, the highest first; in the order of time if the first dimension is one.
    pub rows: Vec<Row>,
    /// Of all.
    pub total: Tally,
    /// What one of each dimension of identity costs.
    pub units: Vec<Unit>,
    /// The month of the last call.
    pub forecast: Option<Forecast>,
    /// Rows that together have at most 5% of the requests, unless rows are times.
    pub tail: Option<Tail>,
    /// What was spent on each day (UTC).
    pub days: BTreeMap<Date, Nano>,
    /// By the rule that decided.
    pub by_rule: BTreeMap<String, Tally>,
    /// By the model that was served.
    pub by_model: BTreeMap<String, Tally>,
    /// Calls whose prompts begin alike, by cost, the highest first.
    pub templates: Vec<Template>,
    /// What providers could cache and do not, by what that would save, the most first.
    pub uncached: Vec<Uncached>,
    /// From the first call to the last.
    pub span: Option<(Timestamp, Timestamp)>,
}

/// Sums records up.
#[derive(Debug, Default)]
pub struct Builder {
    by: Vec<Dimension>,
    met: Vec<bool>,
    rows: HashMap<Vec<String>, (Tally, Option<Timestamp>)>,
    by_rule: BTreeMap<String, Tally>,
    by_model: BTreeMap<String, Tally>,
    templates: templates::Builder,
    caching: caching::Builder,
    identity: BTreeMap<String, HashMap<String, Nano>>,
    days: BTreeMap<Date, Nano>,
    span: Option<(Timestamp, Timestamp)>,
}

impl Builder {
    /// By these dimensions.
    #[must_use]
    pub fn new(by: Vec<Dimension>) -> Self {
        let met = vec![false; by.len()];
        Self { by, met, ..Self::default() }
    }

    /// Adds a record.
    pub fn add(&mut self, record: &Record) {
        for (met, dimension) in self.met.iter_mut().zip(&self.by) {
            *met |= dimension.is_in(record);
        }
        let key = self.by.iter().map(|dimension| dimension.of(record)).collect();
        let (tally, last) = self.rows.entry(key).or_default();
        tally.add(record);
        *last = (*last).max(record.time);
        self.by_rule.entry(record.rule.clone().unwrap_or_default()).or_default().add(record);
        self.by_model.entry(record.model().to_owned()).or_default().add(record);
        self.templates.add(record);
        self.caching.add(record);
        let cost = Nano::from(record.cost_nano_usd);
        for (name, value) in record.identity.iter().filter(|(_, value)| !value.is_empty()) {
            let values = self.identity.entry(name.clone()).or_default();
            *values.entry(value.clone()).or_default() += cost;
        }
        if let Some(time) = record.time {
            *self.days.entry(time.to_zoned(TimeZone::UTC).date()).or_default() += cost;
            let (first, last) = self.span.unwrap_or((time, time));
            self.span = Some((first.min(time), last.max(time)));
        }
    }

    /// The report.
    ///
    /// # Errors
    /// A dimension is in no record.
    pub fn finish(self) -> Result<Report, String> {
        if let Some((_, missing)) = self.met.iter().zip(&self.by).find(|(met, _)| !**met) {
            let mut known: Vec<&str> = dimension::fields().collect();
            known.extend(self.identity.keys().map(String::as_str));
            return Err(format!("no record has `{}`; there are {}", missing.name, known.join(", ")));
        }
        let mut total = Tally::default();
        self.rows.values().for_each(|(row, _)| total.merge(row));
        let row = |(key, (tally, last))| Row { key, tally, last };
        let mut rows: Vec<Row> = self.rows.into_iter().map(row).collect();
        let by_time = self.by.first().is_some_and(Dimension::is_time);
        rows.sort_by(|a, b| {
            let by_cost = || b.tally.cost.cmp(&a.tally.cost);
            let first = if by_time { a.key.first().cmp(&b.key.first()) } else { by_cost() };
            first.then_with(by_cost).then_with(|| a.key.cmp(&b.key))
        });
        let forecast = self.span.and_then(|(_, last)| forecast(&self.days, last));
        let units = self.identity.into_iter().filter_map(unit).collect();
        let tail = tail(&rows, &total).filter(|_| !self.by.iter().any(Dimension::is_time));
        let (days, by_rule, by_model) = (self.days, self.by_rule, self.by_model);
        Ok(Report {
            by: self.by,
            rows,
            total,
            units,
            forecast,
            tail,
            days,
            by_rule,
            by_model,
            templates: self.templates.finish(),
            uncached: self.caching.finish(),
            span: self.span,
        })
    }
}

/// The rows with the fewest requests, as long as all of them are few and cost little.
fn tail(rows: &[Row], total: &Tally) -> Option<Tail> {
    let mut fewest: Vec<&Row> = rows.iter().collect();
    fewest.sort_by(|a, b| a.tally.requests.cmp(&b.tally.requests).then_with(|| a.key.cmp(&b.key)));
    let mut tail = Tail::default();
    for row in fewest {
        if (tail.tally.requests + row.tally.requests) * TAIL_REQUESTS > total.requests {
            break;
        }
        if (tail.tally.cost + row.tally.cost) * TAIL_COST > total.cost {
            continue;
        }
        tail.tally.merge(&row.tally);
        tail.rows.push(row.clone());
    }
    (!tail.rows.is_empty()).then_some(tail)
}

fn unit((name, values): (String, HashMap<String, Nano>)) -> Option<Unit> {
    let mut costs: Vec<Nano> = values.into_values().collect();
    costs.sort_unstable();
    let count = costs.len() as u64;
    let cost = each(costs.iter().sum(), count)?;
    // Of an even number the mean of the two in the middle.
    let (below, above) = (costs.get(costs.len().saturating_sub(1) / 2)?, costs.get(costs.len() / 2)?);
    let median = each(below + above, 2)?;
    Some(Unit { name, count, cost, median })
}

impl Report {
    /// For people: so many rows, and what the others come to.
    #[must_use]
    pub fn text(&self, top: usize, width: Option<u16>) -> String {
        table::text(self, top, width)
    }

    /// As CSV, every row, dollars as exact decimals.
    ///
    /// # Errors
    /// None that a text has.
    pub fn csv(&self) -> Result<String, String> {
        let mut csv = csv::Writer::from_writer(Vec::new());
        let names = self.by.iter().map(|by| by.name.as_str());
        let columns = Tally::default().columns();
        let head: Vec<&str> = names.chain(columns.iter().map(|(name, _)| *name)).collect();
        csv.write_record(head).map_err(|error| error.to_string())?;
        for row in &self.rows {
            let values = row.tally.columns().into_iter().map(|(_, value)| value);
            csv.write_record(row.key.iter().map(|value| cell::text(value)).chain(values))
                .map_err(|error| error.to_string())?;
        }
        let bytes = csv.into_inner().map_err(|error| error.to_string())?;
        String::from_utf8(bytes).map_err(|error| error.to_string())
    }

    /// As one JSON object; dollars are whole billionths.
    #[must_use]
    pub fn json(&self, seen: &Seen) -> Value {
        let row = |row: &Row| {
            let key = self.by.iter().zip(&row.key);
            let key: Map<String, Value> =
                key.map(|(by, value)| (by.name.clone(), value.clone().into())).collect();
            json!({"by": key, "sums": row.tally.json()})
        };
        let unit = |unit: &Unit| {
            json!({"of": unit.name, "count": unit.count, "cost_nano_usd": whole(unit.cost),
                "median_nano_usd": whole(unit.median)})
        };
        json!({
            "from": self.span.map(|(first, _)| first.to_string()),
            "to": self.span.map(|(_, last)| last.to_string()),
            "records": seen.records,
            "duplicates": seen.duplicates,
            "unreadable": seen.bad.len(),
            "rows": self.rows.iter().map(row).collect::<Vec<_>>(),
            "total": self.total.json(),
            "tail": self.tail.as_ref().map(|tail| json!({
                "rows": tail.rows.iter().map(row).collect::<Vec<_>>(),
                "sums": tail.tally.json(),
            })),
            "templates": self.templates.iter().map(Template::json).collect::<Vec<_>>(),
            "uncached": self.uncached.iter().map(Uncached::json).collect::<Vec<_>>(),
            "units": self.units.iter().map(unit).collect::<Vec<_>>(),
            "forecast": self.forecast.as_ref().map(|forecast| json!({
                "month": forecast.month,
                "spent_nano_usd": whole(forecast.spent),
                "expected_nano_usd": whole(forecast.expected),
                "low_nano_usd": whole(forecast.low),
                "high_nano_usd": whole(forecast.high),
                "level": 0.95,
                "days": forecast.days,
            })),
        })
    }
}
