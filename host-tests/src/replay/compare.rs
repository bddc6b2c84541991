//! Two policies over the same calls: which calls they treat differently, and whose. It keeps sums and not calls.

use super::outcome::Outcome;
use serde::Serialize;
use std::collections::{BTreeMap, HashMap};
use tokenstile_engine::exchange::Decision;
use tokenstile_engine::policy::Policy;

/// As many values are told apart.
const VALUES: usize = 20_000;
/// As many of them are told.
const TOLD: usize = 15;

/// The sums so far.
#[derive(Debug, Default)]
pub struct Compare {
    calls: u64,
    /// Where the dimension stands that says whose calls they are.
    whose_place: usize,
    changed: BTreeMap<(Decision, Decision), Change>,
    whose: HashMap<String, Whose>,
}

#[derive(Debug, Default, Clone, Copy)]
struct Change {
    calls: u64,
    cost: i64,
}

/// What differs.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Compared {
    /// Calls that both met.
    pub calls: u64,
    /// Those that they treat differently.
    pub changed: u64,
    /// How differently, the commonest first.
    pub changes: Vec<Changed>,
    /// Of whom, by the dimension `user`, or the first if there is none; the most first.
    pub whose: Vec<Whose>,
}

/// Calls that one policy treats like this and the other like that.
#[derive(Debug, Clone, Copy, Serialize)]
pub struct Changed {
    /// By `--against`.
    pub from: &'static str,
    /// By `--policy`.
    pub to: &'static str,
    /// How many.
    pub calls: u64,
    /// What they cost more by `--policy`, in billionths of a dollar.
    pub cost_more_nano_usd: i64,
}

/// Whose calls are treated differently.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Whose {
    /// Who.
    pub value: String,
    /// Calls that are treated more strictly by `--policy`.
    pub stricter: u64,
    /// Calls that are treated less strictly.
    pub milder: u64,
    /// What their calls cost more by `--policy`, in billionths of a dollar.
    pub cost_more_nano_usd: i64,
}

impl Compare {
    /// Nothing yet, of calls whose identity is that of `against`.
    #[must_use]
    pub fn new(against: &Policy) -> Self {
        let user = against.identity.iter().position(|dimension| dimension.name == "user");
        Self { whose_place: user.unwrap_or(0), ..Self::default() }
    }

    /// Adds a call, as `against` and as `policy` treat it.
    pub fn take(&mut self, against: &Outcome, policy: &Outcome) {
        self.calls += 1;
        let (from, to) = (against.strictest(), policy.strictest());
        let more = policy.cost.0.saturating_sub(against.cost.0);
        if from == to && more == 0 {
            return;
        }
        let change = self.changed.entry((from, to)).or_default();
        change.calls += 1;
        change.cost = change.cost.saturating_add(more);
        let value = against.identity.get(self.whose_place).map_or("", String::as_str);
        if self.whose.len() < VALUES || self.whose.contains_key(value) {
            let whose = self.whose.entry(value.to_owned()).or_default();
            whose.stricter += u64::from(to > from);
            whose.milder += u64::from(to < from);
            whose.cost_more_nano_usd = whose.cost_more_nano_usd.saturating_add(more);
        }
    }

    /// The sums.
    #[must_use]
    pub fn finish(self) -> Compared {
        let changes = self.changed.iter().map(|((from, to), change)| Changed {
            from: from.name(),
            to: to.name(),
            calls: change.calls,
            cost_more_nano_usd: change.cost,
        });
        let mut changes: Vec<Changed> = changes.collect();
        changes.sort_by_key(|change| (std::cmp::Reverse(change.calls), change.from, change.to));
        let whose = self.whose.into_iter().map(|(value, whose)| Whose { value, ..whose });
        let mut whose: Vec<Whose> = whose.collect();
        whose.sort_by(|a, b| {
            (b.stricter + b.milder).cmp(&(a.stricter + a.milder)).then(a.value.cmp(&b.value))
        });
        whose.truncate(TOLD);
        let changed = changes.iter().map(|change| change.calls).sum();
        Compared { calls: self.calls, changed, changes, whose }
    }
}
