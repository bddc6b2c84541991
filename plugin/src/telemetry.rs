//! Counters, gauges and histograms in the host's own stats.
//!
//! A metric is defined when it is first needed: each worker's VM would otherwise seed it. Its labels stand in its
//! name, `tokenstile_tokens;type=input;model=openai/gpt-4o`: a proxy that has labels takes them out (Envoy by
//! `stats_tags`), for any other they are part of the name.

use crate::host::{self, Level};
use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use tokenstile_engine::exchange::{Exchange, Record, Settlement, UsageSource};
use tokenstile_engine::policy::Policy;
use tokenstile_engine::price;

/// What a dimension is called whose own value is one too many.
const OTHER: &str = "other";

/// The metrics that this VM has defined.
#[derive(Debug)]
pub(crate) struct Metrics {
    policy: Arc<Policy>,
    ids: HashMap<String, u32>,
    /// Room for a name, kept from one to the next.
    name: String,
    /// For each dimension that is a label, the values seen.
    values: Vec<HashSet<String>>,
    /// What stays as it is was told.
    told: bool,
}

impl Metrics {
    pub(crate) fn new(policy: Arc<Policy>) -> Self {
        let values = vec![HashSet::new(); policy.metric_labels.len()];
        Self { policy, ids: HashMap::new(), name: String::new(), values, told: false }
    }

    /// Adds to a counter. A host without metrics loses nothing else.
    pub(crate) fn add(&mut self, name: &str, labels: &[(&str, &str)], by: u64) {
        self.count(name, labels, "", by);
    }

    fn count(&mut self, name: &str, labels: &[(&str, &str)], who: &str, by: u64) {
        if by > 0
            && let Some(id) = self.id(host::Metric::Counter, name, labels, who)
        {
            let _ = host::increment(id, i64::try_from(by).unwrap_or(i64::MAX));
        }
    }

    pub(crate) fn observe(&mut self, name: &str, labels: &[(&str, &str)], value: u64) {
        self.record(host::Metric::Histogram, name, labels, value);
    }

    fn record(&mut self, kind: host::Metric, name: &str, labels: &[(&str, &str)], value: u64) {
        if let Some(id) = self.id(kind, name, labels, "") {
            let _ = host::record(id, value);
        }
    }

    fn id(&mut self, kind: host::Metric, name: &str, labels: &[(&str, &str)], who: &str) -> Option<u32> {
        let full = &mut self.name;
        full.clear();
        full.push_str("tokenstile_");
        full.push_str(name);
        for (label, value) in labels {
            push_label(full, label, value);
        }
        full.push_str(who);
        if let Some(id) = self.ids.get(full.as_str()) {
            return Some(*id);
        }
        let id = host::define_metric(kind, full).ok()?;
        self.ids.insert(full.clone(), id);
        Some(id)
    }

    /// The labels that the policy asks for, each with no more values than it allows.
    fn who(&mut self, record: &Record) -> String {
        let mut who = String::new();
        let policy = self.policy.clone();
        for (place, seen) in policy.metric_labels.iter().zip(&mut self.values) {
            let Some(dimension) = policy.identity.get(*place) else { continue };
            let value = record.identity.get(&dimension.name).and_then(|value| value.as_str()).unwrap_or("");
            let known = seen.contains(value) || seen.len() < policy.metric_values_max;
            if known {
                seen.insert(value.to_owned());
            }
            push_label(&mut who, &dimension.name, if known { value } else { OTHER });
        }
        who
    }

    /// Gauges that each worker sets to the same. They come with the first call: no VM is seeded with them.
    fn tell_once(&mut self) {
        if std::mem::replace(&mut self.told, true) {
            return;
        }
        let gauge = host::Metric::Gauge;
        self.record(gauge, "prices_as_of_seconds", &[], price::as_of_seconds());
        let policy = self.policy.clone();
        for budget in policy.declared() {
            let labels = [("rule", budget.name.as_str()), ("unit", budget.meter.exact_unit())];
            self.record(gauge, "budget_limit", &labels, budget.meter.count(budget.limit));
        }
    }

    /// Counts a settled call.
    pub(crate) fn settled(&mut self, exchange: &Exchange, settlement: &Settlement) {
        self.tell_once();
        let record = &settlement.record;
        let who = self.who(record);
        let decided = [
            ("dialect", record.dialect),
            ("decision", record.decision),
            ("rule", record.rule.as_deref().unwrap_or("")),
        ];
        self.count("requests", &decided, &who, 1);
        self.add("endings", &[("ending", record.ending)], 1);
        self.spent(settlement, &who);
        for (rule, decision) in &record.shadow {
            let decision = decision.as_str().unwrap_or("");
            let labels = [("decision", decision), ("rule", rule)];
            self.add("shadow_requests", &labels, 1);
            self.add("shadow_cost_nano_usd", &labels, record.cost_nano_usd.unsigned_abs());
            let saved = record.shadow_savings_nano_usd.get(rule);
            let (saved, extra) = parted(saved.map_or(0, |saved| saved.as_i64().unwrap_or(0)));
            self.add("shadow_savings_nano_usd", &labels, saved);
            self.add("shadow_extra_cost_nano_usd", &labels, extra);
        }
        // Who has chosen an arm is no subject of it.
        let assigned = record.arms.iter().filter(|(experiment, _)| !record.arms_chosen.contains(experiment));
        for (experiment, arm) in assigned {
            let labels = [("experiment", experiment.as_str()), ("arm", arm.as_str().unwrap_or(""))];
            self.add("arm_cost_nano_usd", &labels, record.cost_nano_usd.unsigned_abs());
            let [experiment, arm] = labels;
            self.add("arm_requests", &[experiment, arm, ("ending", record.ending)], 1);
        }
        self.of_budgets(exchange, settlement);
        self.add("unread_requests", &[], u64::from(record.unread.is_some()));
        self.add("unpriced_requests", &[("dialect", record.dialect)], u64::from(!record.priced));
        self.add("skipped_steps", &[], record.skipped.len() as u64);
        self.timed(record);
    }

    /// Tokens and money, by the model that was paid.
    fn spent(&mut self, settlement: &Settlement, who: &str) {
        let Settlement { record, usage, .. } = settlement;
        let model = if record.price.is_empty() { OTHER } else { &record.price };
        let types = [
            ("input", usage.input),
            ("cache_read", usage.cache_read),
            ("cache_write", usage.cache_write),
            ("output", usage.output),
            ("reasoning", usage.reasoning),
        ];
        for (kind, tokens) in types {
            self.count("tokens", &[("type", kind), ("model", model)], who, tokens);
        }
        self.count("cost_nano_usd", &[("model", model)], who, record.cost_nano_usd.unsigned_abs());
        let (savings, extra) = parted(record.savings_nano_usd);
        self.count("savings_nano_usd", &[("model", model)], who, savings);
        self.count("extra_cost_nano_usd", &[("model", model)], who, extra);
        let charges = record.overage.iter().filter_map(|line| line.get("charge_nano_usd")?.as_u64());
        self.count("overage_nano_usd", &[], who, charges.fold(0, u64::saturating_add));
    }

    /// What the call used of each budget that it met, and how good the estimate was.
    fn of_budgets(&mut self, exchange: &Exchange, settlement: &Settlement) {
        let record = &settlement.record;
        for (budget, used, is_first) in exchange.used_of_budgets(settlement) {
            let rule = ("rule", budget.name.as_str());
            self.add("budget_requests", &[rule], 1);
            self.add("budget_subjects", &[rule], u64::from(is_first));
            let unit = ("unit", budget.meter.exact_unit());
            self.add("budget_used", &[rule, unit], budget.meter.count(used));
        }
        if record.usage.source == UsageSource::Reported && record.hold_tokens > 0 {
            let dialect = [("dialect", record.dialect)];
            self.add("estimated_tokens", &dialect, record.hold_tokens);
            self.add("reported_tokens", &dialect, record.usage.input.saturating_add(record.usage.output));
        }
    }

    fn timed(&mut self, record: &Record) {
        if record.ending != "complete" {
            return;
        }
        let dialect = [("dialect", record.dialect)];
        self.observe("duration_ms", &dialect, record.duration_ms.unsigned_abs());
        if let Some(first) = record.time_to_first_chunk_ms.filter(|_| record.stream) {
            self.observe("time_to_first_chunk_ms", &dialect, first.unsigned_abs());
        }
    }

    /// Counts and logs something of ours that failed.
    pub(crate) fn failed(&mut self, kind: &str, why: &str) {
        self.add("failures", &[("kind", kind)], 1);
        host::log(Level::Warn, &format!("tokenstile: {kind}: {why}"));
    }
}

/// What was saved, and what was paid more: a counter does not go down, so each has its own.
fn parted(savings: i64) -> (u64, u64) {
    (u64::try_from(savings).unwrap_or(0), u64::try_from(savings.saturating_neg()).unwrap_or(0))
}

/// Adds `;label=value`, if there is a value. What would end it is replaced.
fn push_label(name: &mut String, label: &str, value: &str) {
    const LONGEST: usize = 64;
    if value.is_empty() {
        return;
    }
    for part in [";", label, "="] {
        name.push_str(part);
    }
    let would_end = |c: char| matches!(c, ';' | '=' | '"' | '\\') || c.is_control();
    if value.len() <= LONGEST && !value.contains(would_end) {
        return name.push_str(value);
    }
    let clean = |c: char| if would_end(c) { '_' } else { c };
    name.extend(value.chars().take(LONGEST).map(clean));
}
