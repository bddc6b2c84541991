//! What is counted: spend by minute, by every dimension, decisions, arms, endings, failures. It owns the sums and knows
//! neither records nor metrics: `records` and `scrape` add to it.

use crate::records::money::Nano;
use std::collections::BTreeMap;

/// So many minutes are kept.
pub const MINUTES: i64 = 60;
/// What a value spends by the minute is the mean of so many: the running one, and those before it.
pub const RECENT: i64 = 5;
/// Values of a dimension; others are one.
const VALUES_MAX: usize = 10_000;
/// What those are called.
const OTHERS: &str = "(others)";

/// Sums of one value of a dimension.
#[derive(Debug, Clone, Default)]
pub struct Line {
    /// Calls.
    pub requests: u64,
    /// Tokens, input and output.
    pub tokens: u64,
    /// What they cost.
    pub cost: Nano,
    /// By minute, of the last few.
    recent: BTreeMap<i64, Nano>,
}

impl Line {
    /// What was spent by the minute, of late.
    #[must_use]
    pub fn per_minute(&self, window: Window) -> Nano {
        let minutes = window.now - RECENT + 1..=window.now;
        let spent: Nano = self.recent.range(minutes).map(|(_, nano)| *nano).sum();
        spent * 60 / Nano::from(window.seconds.max(1))
    }

    pub(super) fn add(&mut self, more: &Added) {
        self.requests += more.requests;
        self.tokens += more.tokens;
        self.cost += more.cost;
        if let Some(minute) = more.minute {
            *self.recent.entry(minute).or_default() += more.cost;
            self.recent.retain(|kept, _| *kept > minute - RECENT);
        }
    }
}

/// The last few minutes, as far as they were watched.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Window {
    now: i64,
    /// How long they were watched.
    pub seconds: i64,
}

impl Window {
    /// Whether all of it was watched; the running minute is never whole.
    #[must_use]
    pub fn is_full(self) -> bool {
        self.seconds >= (RECENT - 1) * 60
    }
}

/// What is added.
#[derive(Debug, Clone, Copy, Default)]
pub struct Added {
    pub(super) minute: Option<i64>,
    pub(super) requests: u64,
    pub(super) tokens: u64,
    pub(super) cost: Nano,
}

/// A budget as its caller is told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Budget {
    /// Its name.
    pub name: String,
    /// Used of the limit, in percent.
    pub percent: u64,
    /// Used, and the limit, with their unit.
    pub of: String,
    /// What the next call meets.
    pub state: String,
}

/// Everything that the view shows.
#[derive(Debug, Clone, Default)]
pub struct Board {
    /// All together.
    pub total: Line,
    /// What the models asked for would have cost more.
    pub savings: Nano,
    /// By dimension, and value.
    pub groups: BTreeMap<String, BTreeMap<String, Line>>,
    /// By rule (empty: none) and decision.
    pub decisions: BTreeMap<(String, String), u64>,
    /// By experiment and arm.
    pub arms: BTreeMap<(String, String), Line>,
    /// How calls ended.
    pub endings: BTreeMap<String, u64>,
    /// What failed in the filter, by kind.
    pub failures: BTreeMap<String, u64>,
    /// The budgets of one caller, if the quota endpoint is asked.
    pub budgets: Vec<Budget>,
    /// What is wrong with the source.
    pub trouble: Option<String>,
    minutes: BTreeMap<i64, Nano>,
    /// Of which time spending is known, in seconds since 1970. One without an end goes on.
    watched: Option<(i64, Option<i64>)>,
}

impl Board {
    /// All from this second on is known until now, and what comes is told as it comes.
    pub(super) fn watch_from(&mut self, from: i64) {
        let from = self.watched.map_or(from, |(before, _)| before.min(from));
        self.watched = Some((from, None));
    }

    /// What was spent between these seconds is known, and nothing after them.
    pub(super) fn watch_between(&mut self, from: i64, to: i64) {
        self.watched = Some((from, Some(to)));
    }

    /// What is known of the last few minutes at this second.
    #[must_use]
    pub fn window(&self, now: i64) -> Window {
        let minute = now.div_euclid(60);
        let (from, to) = self.watched.unwrap_or((now + 1, None));
        let seconds = to.unwrap_or(now + 1).min(now + 1) - from.max((minute - RECENT + 1) * 60);
        Window { now: minute, seconds: seconds.max(0) }
    }

    /// Adds to the sum and to the minute.
    pub(super) fn spend(&mut self, more: &Added) {
        self.total.add(more);
        if let Some(minute) = more.minute {
            *self.minutes.entry(minute).or_default() += more.cost;
            let newest = self.newest().unwrap_or(minute);
            self.minutes.retain(|kept, _| *kept > newest - MINUTES);
        }
    }

    /// Adds to one value of a dimension.
    pub(super) fn group(&mut self, dimension: &str, value: &str, more: &Added) {
        let values = self.groups.entry(dimension.to_owned()).or_default();
        let is_full = values.len() >= VALUES_MAX && !values.contains_key(value);
        values.entry(if is_full { OTHERS } else { value }.to_owned()).or_default().add(more);
    }

    /// The newest minute (since 1970) in which something was spent.
    #[must_use]
    pub fn newest(&self) -> Option<i64> {
        self.minutes.last_key_value().map(|(minute, _)| *minute)
    }

    /// What was spent in each of the last minutes, the oldest first.
    #[must_use]
    pub fn spend_by_minute(&self, now: i64) -> Vec<Nano> {
        (now - MINUTES + 1..=now)
            .map(|minute| self.minutes.get(&minute).copied().unwrap_or_default())
            .collect()
    }

    /// The dimensions, the one that views begin with first.
    #[must_use]
    pub fn dimensions(&self) -> Vec<&str> {
        let mut names: Vec<&str> = self.groups.keys().map(String::as_str).collect();
        let place =
            |name: &str| ["feature", "tenant", "user", "model"].iter().position(|known| *known == name);
        names.sort_by_key(|name| (place(name).unwrap_or(9), (*name).to_owned()));
        names
    }

    /// Rules by what they did, the strictest first: of records and metrics this is what is known of how close budgets
    /// are.
    #[must_use]
    pub fn rules(&self) -> Vec<(&str, &str, u64)> {
        let strictness = |decision: &str| {
            let all = tokenstile_engine::exchange::Decision::ALL;
            all.into_iter().position(|known| known.name() == decision).unwrap_or(0)
        };
        let mut rules: Vec<(&str, &str, u64)> = self
            .decisions
            .iter()
            .map(|((rule, decision), count)| (rule.as_str(), decision.as_str(), *count))
            .collect();
        rules.sort_by(|a, b| strictness(b.1).cmp(&strictness(a.1)).then(b.2.cmp(&a.2)).then(a.0.cmp(b.0)));
        rules
    }
}
