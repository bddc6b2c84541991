//! `tokenstile reconcile`: cost records held against a provider's bill, by day and model. It owns what is compared;
//! `explain` why it differs, `show` how that is said, [`super::bill`] what the bill says.

mod explain;
mod show;

pub use explain::{Cause, Explanation};

use super::bill::{Bill, Item, When, words};
use super::money::Nano;
use super::sku::items;
use super::{Record, Seen};
use jiff::civil::Date;
use jiff::tz::TimeZone;
use std::collections::BTreeMap;
use tokenstile_engine::price::Unit;

/// How to compare.
#[derive(Debug, Clone)]
pub struct Options {
    /// Differences up to this share of the bill are none.
    pub tolerance: f64,
    /// By whose clock a day begins.
    pub zone: TimeZone,
    /// Whose calls are compared; if none, those that the bill's form is about.
    pub providers: Vec<String>,
}

/// What records come to.
#[derive(Debug, Clone, Default)]
pub struct Recorded {
    /// Calls.
    pub calls: u64,
    /// Of these, refused.
    pub refused: u64,
    /// Searches that the provider made in calls, where the bill has them in lines of their own: these belong to no
    /// model, and their calls are counted with the models.
    pub searches: u64,
    /// What they cost.
    pub cost: Nano,
    /// Calls of which the price is not known, and their ceiling.
    pub unpriced: (u64, Nano),
    /// Answers that were cut short before the provider stated their usage.
    pub cut: (u64, Nano),
    /// Other calls of which the usage is not the provider's own word.
    pub estimated: (u64, Nano),
    /// What they would cost by the price book of this version.
    pub repriced: Nano,
    /// The oldest price facts that they were priced by.
    pub prices_as_of: String,
}

impl Recorded {
    /// Adds a call without what is billed apart.
    fn add(&mut self, record: &Record, apart: Apart) {
        let cost = Nano::from(record.cost_nano_usd) - apart.cost;
        self.calls += 1;
        self.refused += u64::from(record.ending == "refused");
        self.cost += cost;
        self.repriced += repriced(record).map_or(cost, |all| all - apart.repriced);
        let is_known = !matches!(record.usage.source.as_str(), "counted" | "estimated");
        let doubt = match (record.priced, is_known, record.ending.as_str()) {
            (false, ..) => Some(&mut self.unpriced),
            (_, false, "cut" | "stopped") => Some(&mut self.cut),
            (_, false, _) => Some(&mut self.estimated),
            _ => None,
        };
        if let Some((calls, sum)) = doubt {
            *calls += 1;
            *sum += cost;
        }
        self.is_priced_as_of(&record.prices_as_of);
    }

    fn add_searches(&mut self, record: &Record, searches: Apart) {
        self.searches += record.usage.web_searches;
        self.cost += searches.cost;
        self.repriced += searches.repriced;
        self.is_priced_as_of(&record.prices_as_of);
    }

    /// Whether any record is of this.
    #[must_use]
    pub const fn is_there(&self) -> bool {
        self.calls > 0 || self.searches > 0
    }

    fn is_priced_as_of(&mut self, day: &str) {
        if !day.is_empty() && (self.prices_as_of.is_empty() || day < self.prices_as_of.as_str()) {
            day.clone_into(&mut self.prices_as_of);
        }
    }

    fn merge(&mut self, other: &Self) {
        let add = |to: &mut (u64, Nano), from: (u64, Nano)| *to = (to.0 + from.0, to.1 + from.1);
        self.calls += other.calls;
        self.refused += other.refused;
        self.searches += other.searches;
        self.cost += other.cost;
        self.repriced += other.repriced;
        add(&mut self.unpriced, other.unpriced);
        add(&mut self.cut, other.cut);
        add(&mut self.estimated, other.estimated);
        self.is_priced_as_of(&other.prices_as_of);
    }
}

/// What of a call's cost stands in other lines of the bill than its model's.
#[derive(Debug, Clone, Copy, Default)]
struct Apart {
    cost: Nano,
    repriced: Nano,
}

impl Apart {
    /// The call's searches. Where their price is not known, nothing can be told apart.
    fn searches(record: &Record) -> Self {
        let name = Unit::WebSearches.name();
        let cost = items(record).iter().find(|item| item.meter == name).map_or(0, |item| item.cost);
        let repriced = record.quote().map_or(cost, |quote| {
            let usage = (&record.usage).into();
            let all = Nano::from(quote.price.cost(usage).0);
            let without = tokenstile_engine::usage::Usage { web_searches: 0, ..usage };
            all - Nano::from(quote.price.cost(without).0)
        });
        Self { cost, repriced }
    }
}

/// What a call would cost by the price book of this version.
fn repriced(record: &Record) -> Option<Nano> {
    record.quote().map(|quote| Nano::from(quote.price.cost((&record.usage).into()).0))
}

/// One day of one model, or a sum of them.
#[derive(Debug, Clone, Default)]
pub struct Sums {
    /// What was recorded.
    pub recorded: Recorded,
    /// What is billed.
    pub billed: Nano,
    /// How far that is rounded.
    pub rounding: Nano,
    /// Lines of the bill.
    pub lines: u64,
}

impl Sums {
    /// How much more is billed than was recorded.
    #[must_use]
    pub fn difference(&self) -> Nano {
        self.billed - self.recorded.cost
    }

    /// The difference as a share of the bill; none where nothing is billed.
    #[must_use]
    pub fn share(&self) -> Option<f64> {
        (self.billed != 0).then(|| float(self.difference()) / float(self.billed).abs())
    }

    /// Whether it differs by more than this share of the bill, and by more than the bill's lines are rounded.
    #[must_use]
    pub fn is_beyond(&self, tolerance: f64) -> bool {
        float(self.difference().abs()) > tolerance * float(self.billed.abs()) + float(self.rounding)
    }

    fn merge(&mut self, other: &Self) {
        self.recorded.merge(&other.recorded);
        self.billed += other.billed;
        self.rounding += other.rounding;
        self.lines += other.lines;
    }
}

#[expect(clippy::cast_precision_loss, reason = "shares")]
fn float(nano: Nano) -> f64 {
    nano as f64
}

/// What searches are called where models are named.
const SEARCHES: &str = "web searches";

/// The key of searches, which no model has: words have no blanks.
fn searches() -> Vec<String> {
    vec![SEARCHES.to_owned()]
}

/// A day and a model's words; no words where the bill names no models.
type Key = (Date, Vec<String>);

/// Holds records against a bill.
#[derive(Debug)]
pub struct Builder<'b> {
    bill: &'b Bill,
    options: Options,
    providers: Vec<String>,
    cells: BTreeMap<Key, Sums>,
    names: BTreeMap<Vec<String>, String>,
    /// What was spent in each hour (since 1970), also outside of the bill's days.
    hours: BTreeMap<i64, Nano>,
    first_and_last: Option<(Date, Date)>,
    left_out: LeftOut,
    overage: Nano,
    savings: Nano,
}

/// What is not compared.
#[derive(Debug, Clone, Default)]
pub struct LeftOut {
    /// Records without a time.
    pub without_time: u64,
    /// Calls to providers that the bill is not about, and their cost.
    pub other_providers: (u64, Nano),
    /// Calls on other days than the bill's.
    pub other_days: (u64, Nano),
}

impl<'b> Builder<'b> {
    /// Against this bill.
    #[must_use]
    pub fn new(bill: &'b Bill, options: Options) -> Self {
        let of_form = || bill.form.providers.iter().map(|name| (*name).to_owned()).collect();
        let providers = if options.providers.is_empty() { of_form() } else { options.providers.clone() };
        let mut builder = Self {
            bill,
            options,
            providers,
            cells: BTreeMap::new(),
            names: BTreeMap::new(),
            hours: BTreeMap::new(),
            first_and_last: None,
            left_out: LeftOut::default(),
            overage: 0,
            savings: 0,
        };
        for line in &bill.lines {
            let day = bill.day(line, &builder.options.zone);
            let (key, name) = match &line.item {
                Item::Model(model) => (builder.key(model), model.as_str()),
                Item::WebSearches if bill.names_models() => (searches(), SEARCHES),
                Item::WebSearches => (Vec::new(), ""),
            };
            builder.names.entry(key.clone()).or_insert_with(|| name.to_owned());
            let cell = builder.cells.entry((day, key)).or_default();
            cell.billed += line.cost;
            cell.rounding += line.rounding;
            cell.lines += 1;
            let (first, last) = builder.first_and_last.unwrap_or((day, day));
            builder.first_and_last = Some((first.min(day), last.max(day)));
        }
        builder
    }

    fn key(&self, model: &str) -> Vec<String> {
        if self.bill.names_models() { words(model) } else { Vec::new() }
    }

    /// Adds a call.
    pub fn add(&mut self, record: &Record) {
        let cost = Nano::from(record.cost_nano_usd);
        let Some(time) = record.time else {
            self.left_out.without_time += 1;
            return;
        };
        if !self.providers.is_empty() && !self.providers.contains(&record.provider) {
            let (calls, sum) = self.left_out.other_providers;
            self.left_out.other_providers = (calls + 1, sum + cost);
            return;
        }
        *self.hours.entry(time.as_second().div_euclid(3_600)).or_default() += cost;
        let day = time.to_zoned(self.options.zone.clone()).date();
        if self.first_and_last.is_none_or(|(first, last)| day < first || day > last) {
            let (calls, sum) = self.left_out.other_days;
            self.left_out.other_days = (calls + 1, sum + cost);
            return;
        }
        self.overage += record.overage_nano_usd();
        self.savings += Nano::from(record.savings_nano_usd);
        // Names of deployments and aliases are the policy's; the price's are the provider's.
        let priced = record.price.split_once('/').filter(|_| record.priced);
        let model = priced.map_or(record.model(), |(_, model)| model).to_owned();
        let key = self.key(&model);
        if !key.is_empty() {
            // Records have the better names: bills mention dates and kinds of tokens.
            self.names.insert(key.clone(), model);
        }
        let has_searches = record.usage.web_searches > 0 && self.bill.names_searches();
        let apart = if has_searches { Apart::searches(record) } else { Apart::default() };
        self.cells.entry((day, key)).or_default().recorded.add(record, apart);
        if has_searches {
            self.cells.entry((day, searches())).or_default().recorded.add_searches(record, apart);
        }
    }

    /// What differs, and why.
    #[must_use]
    pub fn finish(self, seen: &Seen) -> Reconciliation {
        let mut result = Reconciliation {
            form: self.bill.form.name,
            names_models: self.bill.names_models(),
            tolerance: self.options.tolerance,
            rows: Vec::new(),
            models: BTreeMap::new(),
            total: Sums::default(),
            explanations: Vec::new(),
            left_out: self.left_out.clone(),
            overage: self.overage,
            savings: self.savings,
            duplicates: seen.duplicates,
            other_lines: self.bill.others,
        };
        for ((day, key), sums) in &self.cells {
            let model = self.names.get(key).cloned().unwrap_or_default();
            result.total.merge(sums);
            result.models.entry(model.clone()).or_default().merge(sums);
            result.rows.push(Row { day: *day, model, sums: sums.clone() });
        }
        result.explanations = explain::all(&result, self.bill, &self.hours, &self.options);
        result
    }
}

/// One day of one model.
#[derive(Debug, Clone)]
pub struct Row {
    /// The day.
    pub day: Date,
    /// The model; empty where the bill names none.
    pub model: String,
    /// Both sides.
    pub sums: Sums,
}

/// Records and a bill, held against each other.
#[derive(Debug)]
pub struct Reconciliation {
    /// The bill's form.
    pub form: &'static str,
    /// Whether the bill says of which model a cost is.
    pub names_models: bool,
    /// What is no difference, as a share of the bill.
    pub tolerance: f64,
    /// By day and model.
    pub rows: Vec<Row>,
    /// By model.
    pub models: BTreeMap<String, Sums>,
    /// All.
    pub total: Sums,
    /// Why it differs.
    pub explanations: Vec<Explanation>,
    /// What is not compared.
    pub left_out: LeftOut,
    /// What the policy charges beyond steps of overage: nobody's bill but its own.
    pub overage: Nano,
    /// What models asked for would have cost more.
    pub savings: Nano,
    /// Records that came more than once.
    pub duplicates: u64,
    /// Lines of the bill that are for something else.
    pub other_lines: u64,
}

impl Reconciliation {
    /// Whether the sum or that of a model differs by more than the tolerance.
    #[must_use]
    pub fn is_beyond(&self) -> bool {
        let all = self.models.values().chain([&self.total]);
        all.into_iter().any(|sums| sums.is_beyond(self.tolerance))
    }

    /// A model as people read it, by the sums of its calls: those of a refused call may be of none.
    #[must_use]
    pub fn name<'n>(&self, model: &'n str, sums: &Sums) -> &'n str {
        match model {
            "" if !self.names_models => "all",
            "" if sums.recorded.calls > 0 && sums.recorded.refused == sums.recorded.calls => {
                "no model (refused)"
            }
            "" => "no model named",
            model => model,
        }
    }

    /// Rows beyond the tolerance.
    pub fn beyond(&self) -> impl Iterator<Item = &Row> {
        self.rows.iter().filter(|row| row.sums.is_beyond(self.tolerance))
    }
}

/// The hour of a line, since 1970; none if the bill says days.
fn hour(when: When) -> Option<i64> {
    match when {
        When::Day(_) => None,
        When::From(at) => Some(at.as_second().div_euclid(3_600)),
    }
}
