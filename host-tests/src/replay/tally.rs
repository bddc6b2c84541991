//! Adds up what the calls of a trace came to under one policy. It keeps sums and not calls, so that the length of the
//! trace does not matter.

use super::native::Landed;
use super::outcome::{Outcome, restricts};
use super::people::{Counts, Hit, People};
use super::series::Series;
use super::spread::{Spread, SpreadReport};
use serde::Serialize;
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use tokenstile_engine::policy::Policy;
use tokenstile_engine::units::{EpochMs, Meter, NanoUsd};

/// As many values of a dimension are told apart.
const VALUES: usize = 20_000;
/// As many of them are told, by what they cost.
const TOLD: usize = 25;
/// What a rule says of a stream that it stops, and what saves by that: no decision, for the call has gone on.
pub const STOP: &str = "stop";
/// As many reasons of troubles are told apart.
const TROUBLES: usize = 50;

/// The sums so far.
#[derive(Debug)]
pub struct Tally {
    policy: Arc<Policy>,
    report: Tallied,
    dimensions: Vec<HashMap<String, Share>>,
    people: People,
    spread: Spread,
    last: EpochMs,
}

/// The sums.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Tallied {
    /// The policy's name.
    pub policy: String,
    /// Metered calls.
    pub calls: u64,
    /// Those that did not go upstream.
    pub refused: u64,
    /// Those that failed when they were recorded.
    pub failed: u64,
    /// Those that had been refused when they were recorded, so that their use is assumed.
    pub assumed: u64,
    /// Tokens and cost as they were.
    pub without: Spend,
    /// Tokens and cost under the policy.
    pub with: Spend,
    /// Calls whose price is not known: what they cost is a ceiling, or the policy's word.
    pub unpriced: Unpriced,
    /// What was decided, and how often; of rules in shadow mode, what they would have.
    pub decisions: BTreeMap<&'static str, u64>,
    /// What saved how much.
    pub levers: BTreeMap<&'static str, LeverSum>,
    /// What callers are charged for use beyond steps of overage: no part of the cost.
    pub overage: Charged,
    /// Alerts that were raised.
    pub alerts: u64,
    /// Rule by rule: budgets in the policy's order, limits of single requests, blocks, routes.
    pub rules: Vec<Rule>,
    /// Spend by dimension, and by model.
    pub by: Vec<By>,
    /// Who is hit, the hardest hit first.
    pub hit: Vec<Hit>,
    /// How many are hit.
    pub hit_count: u64,
    /// Expected against used.
    pub estimate: SpreadReport,
    /// Over time.
    pub series: Series,
    /// Steps that could not be carried out and what failed, and how often.
    pub troubles: BTreeMap<String, u64>,
    /// Calls whose answer under a changed request cannot be known: they were taken as they were.
    pub not_simulated: u64,
    /// Those whose stream was stopped when its budget was used up: they are charged up to there.
    pub stopped: u64,
    /// Those that used more than a budget that stops streams had left, of which it is not known whether they streamed, or
    /// what would have streamed in their place: they go on.
    pub may_stop: u64,
}

/// Tokens and cost.
#[derive(Debug, Clone, Copy, Default, Serialize)]
pub struct Spend {
    /// Input tokens.
    pub input_tokens: u64,
    /// Output tokens.
    pub output_tokens: u64,
    /// Billionths of a dollar.
    pub cost_nano_usd: i64,
}

/// Calls whose price is not known, and how much of the cost is theirs.
#[derive(Debug, Clone, Copy, Default, Serialize)]
pub struct Unpriced {
    /// How many.
    pub calls: u64,
    /// Billionths of a dollar, as they were.
    pub cost_without_nano_usd: i64,
    /// The same under the policy.
    pub cost_with_nano_usd: i64,
}

/// What a lever did.
#[derive(Debug, Clone, Copy, Default, Serialize)]
pub struct LeverSum {
    /// On so many calls.
    pub calls: u64,
    /// Billionths of a dollar.
    pub saved_nano_usd: i64,
}

/// What is charged.
#[derive(Debug, Clone, Copy, Default, Serialize)]
pub struct Charged {
    /// For so many calls.
    pub calls: u64,
    /// Billionths of a dollar.
    pub charged_nano_usd: i64,
}

/// What a rule did.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Rule {
    /// Its name.
    pub name: String,
    /// It decides and does nothing.
    pub shadow: bool,
    /// Its limit, as people read it.
    pub limit: String,
    /// Calls that met it.
    pub calls: u64,
    /// What it said of them, if not to let them pass.
    pub said: BTreeMap<&'static str, u64>,
    /// Calls on which it had the last word.
    pub decided: u64,
    /// Its subjects.
    #[serde(flatten)]
    pub counts: Counts,
    /// The most that a subject used beyond the amount at which the rule refuses, in the limit's unit (billionths of a
    /// dollar for `usd`).
    pub overshoot: u64,
    /// The same as people read it.
    pub overshoot_text: String,
    /// The same, of the limit.
    pub overshoot_of_limit: f64,
}

/// Spend by the values of a dimension.
#[derive(Debug, Clone, Serialize)]
pub struct By {
    /// The dimension, or `model`.
    pub dimension: String,
    /// How many values it has.
    pub values: u64,
    /// The dearest.
    pub top: Vec<Share>,
    /// All others together.
    pub others: Share,
}

/// The share of one value.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Share {
    /// The value.
    pub value: String,
    /// Its calls.
    pub calls: u64,
    /// Those that were held back, clamped, downgraded, asked about or refused, or would have been.
    pub restricted: u64,
    /// Cost as it was.
    pub cost_without_nano_usd: i64,
    /// Cost under the policy.
    pub cost_with_nano_usd: i64,
}

impl Tally {
    /// Nothing yet.
    #[must_use]
    pub fn new(policy: Arc<Policy>) -> Self {
        let budgets = policy.declared().iter();
        let rule = |budget: &tokenstile_engine::policy::Budget| Rule {
            name: budget.name.clone(),
            shadow: budget.shadow,
            limit: amount(budget.meter, budget.limit),
            ..Rule::default()
        };
        let limits = policy.request_limits.iter().map(|limit| Rule {
            name: limit.name.clone(),
            shadow: limit.shadow,
            limit: format!("{}{} a request", limit.measure.display(limit.limit), limit.measure.unit_text()),
            ..Rule::default()
        });
        let blocks = policy.blocks.iter().map(|block| Rule {
            name: block.name.clone(),
            shadow: block.shadow,
            limit: "block".to_owned(),
            ..Rule::default()
        });
        let routes = policy.routes.iter().map(|route| Rule {
            name: route.name.clone(),
            limit: "route".to_owned(),
            ..Rule::default()
        });
        let rules = budgets.map(rule).chain(limits).chain(blocks).chain(routes).collect();
        let report = Tallied { policy: policy.name.clone(), rules, ..Tallied::default() };
        let dimensions = vec![HashMap::new(); policy.identity.len() + 1];
        let (people, spread) = (People::default(), Spread::default());
        Self { report, dimensions, people, spread, last: EpochMs(i64::MIN), policy }
    }

    /// Adds a call.
    pub fn take(&mut self, outcome: &Outcome) {
        let report = &mut self.report;
        report.calls += 1;
        report.refused += u64::from(outcome.refused);
        report.failed += u64::from(outcome.failed);
        report.assumed += u64::from(outcome.assumed);
        report.not_simulated += u64::from(!outcome.simulable && outcome.is_rerouted());
        report.stopped += u64::from(outcome.stopped.is_some());
        report.may_stop += u64::from(outcome.may_stop);
        report.without.add(outcome.used_asked, outcome.cost_asked);
        report.with.add(outcome.used, outcome.cost);
        report.unpriced.take(outcome);
        *report.decisions.entry(outcome.strictest().name()).or_default() += 1;
        for lever in &outcome.levers {
            let sum = report.levers.entry(lever.name).or_default();
            sum.calls += 1;
            sum.saved_nano_usd = sum.saved_nano_usd.saturating_add(lever.saved.0);
        }
        // What a rule on single requests says is all that it is known to have met.
        let budgets = self.policy.declared().len();
        let others = outcome.said.iter().map(|(rule, _)| *rule).filter(|rule| *rule >= budgets);
        others.for_each(|rule| {
            if let Some(rule) = report.rules.get_mut(rule) {
                rule.calls += 1;
            }
        });
        for met in &outcome.met {
            if let Some(rule) = report.rules.get_mut(met.rule) {
                rule.calls += 1;
            }
        }
        for (rule, said) in &outcome.said {
            if let Some(rule) = report.rules.get_mut(*rule) {
                *rule.said.entry(said.name()).or_default() += 1;
                rule.decided += u64::from(outcome.rule.as_ref() == Some(&rule.name));
            }
        }
        if let Some(rule) = outcome.stopped.as_ref().and_then(|stopped| report.rules.get_mut(stopped.rule)) {
            *rule.said.entry(STOP).or_default() += 1;
        }
        for trouble in &outcome.troubles {
            if let Some(count) = report.troubles.get_mut(trouble) {
                *count += 1;
            } else if report.troubles.len() < TROUBLES {
                report.troubles.insert(trouble.clone(), 1);
            }
        }
        report.series.take(outcome);
        self.last = self.last.max(outcome.ends);
        if !outcome.failed && !outcome.assumed {
            self.spread.take(outcome.expected.total(), outcome.used_asked.total());
        }
        let values = outcome.identity.iter().chain([&outcome.asked]);
        for (shares, value) in self.dimensions.iter_mut().zip(values) {
            if let Some(share) = share(shares, value) {
                share.take(outcome);
            }
        }
        self.people.take(outcome, &self.policy);
    }

    /// What became known when calls ended.
    pub fn landed(&mut self, landed: &Landed) {
        for over in &landed.passed {
            self.people.over(over.rule, over.tag, over.by);
        }
        self.report.alerts += landed.alerts;
        for charge in &landed.charged {
            self.report.overage.calls += 1;
            self.report.overage.charged_nano_usd =
                self.report.overage.charged_nano_usd.saturating_add(charge.0);
        }
    }

    /// The sums.
    #[must_use]
    pub fn finish(mut self) -> Tallied {
        let (hit, hit_count) = self.people.hit(&self.policy, self.last);
        let names = self.policy.identity.iter().map(|dimension| dimension.name.as_str()).chain(["model"]);
        let by = names.zip(std::mem::take(&mut self.dimensions));
        let mut report = self.report;
        report.by = by.map(|(name, shares)| By::of(name, shares)).collect();
        (report.hit, report.hit_count) = (hit, hit_count);
        report.estimate = self.spread.report();
        for (index, (rule, budget)) in report.rules.iter_mut().zip(self.policy.declared()).enumerate() {
            rule.counts = self.people.counts(index);
            let over = budget.meter.whole(rule.counts.over_most);
            rule.overshoot = budget.meter.count(over);
            #[expect(clippy::cast_precision_loss, reason = "a ratio")]
            let part = over as f64 / budget.limit.max(1) as f64;
            rule.overshoot_of_limit = part;
            rule.overshoot_text = if over > 0 { amount(budget.meter, over) } else { String::new() };
        }
        report
    }
}

/// The share of a value; of all others, when there are too many.
fn share<'s>(shares: &'s mut HashMap<String, Share>, value: &str) -> Option<&'s mut Share> {
    let mut value = value;
    if !shares.contains_key(value) {
        value = if shares.len() < VALUES { value } else { OTHERS };
        let share = || Share { value: value.to_owned(), ..Share::default() };
        shares.entry(value.to_owned()).or_insert_with(share);
    }
    shares.get_mut(value)
}

/// The value of all that were too many.
const OTHERS: &str = "(others)";

impl Share {
    fn take(&mut self, outcome: &Outcome) {
        self.calls += 1;
        self.restricted += u64::from(restricts(outcome.strictest()));
        self.cost_without_nano_usd = self.cost_without_nano_usd.saturating_add(outcome.cost_asked.0);
        self.cost_with_nano_usd = self.cost_with_nano_usd.saturating_add(outcome.cost.0);
    }

    fn add(&mut self, other: &Self) {
        self.calls += other.calls;
        self.restricted += other.restricted;
        self.cost_without_nano_usd = self.cost_without_nano_usd.saturating_add(other.cost_without_nano_usd);
        self.cost_with_nano_usd = self.cost_with_nano_usd.saturating_add(other.cost_with_nano_usd);
    }
}

impl By {
    fn of(dimension: &str, shares: HashMap<String, Share>) -> Self {
        let mut top: Vec<Share> = shares.into_values().collect();
        top.sort_by(|a, b| {
            (b.cost_without_nano_usd, b.calls, &a.value).cmp(&(a.cost_without_nano_usd, a.calls, &b.value))
        });
        let values = top.len() as u64;
        let mut others = Share { value: OTHERS.to_owned(), ..Share::default() };
        top.drain(TOLD.min(top.len())..).for_each(|share| others.add(&share));
        Self { dimension: dimension.to_owned(), values, top, others }
    }
}

impl Unpriced {
    fn take(&mut self, outcome: &Outcome) {
        let guessed = |known: bool, cost: NanoUsd| if known { 0 } else { cost.0 };
        let without = guessed(outcome.is_asked_price_known, outcome.cost_asked);
        let with = guessed(outcome.is_price_known, outcome.cost);
        self.calls += u64::from(without != 0 || with != 0);
        self.cost_without_nano_usd = self.cost_without_nano_usd.saturating_add(without);
        self.cost_with_nano_usd = self.cost_with_nano_usd.saturating_add(with);
    }
}

impl Spend {
    fn add(&mut self, usage: tokenstile_engine::usage::Usage, cost: NanoUsd) {
        self.input_tokens = self.input_tokens.saturating_add(usage.input);
        self.output_tokens = self.output_tokens.saturating_add(usage.output);
        self.cost_nano_usd = self.cost_nano_usd.saturating_add(cost.0);
    }
}

/// An amount as people read it: `50,000 tokens`, `$2.50`.
#[must_use]
pub fn amount(meter: Meter, amount: i64) -> String {
    meter.told(amount)
}
