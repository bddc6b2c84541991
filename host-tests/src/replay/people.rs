//! Who is hit by a rule, how often, and for how long: from the first call that it restricts until such a call would pass
//! again, or one does. Owned by a tally.

use super::outcome::{Outcome, restricts};
use serde::Serialize;
use std::collections::{BTreeMap, HashMap};
use tokenstile_engine::exchange::Decision;
use tokenstile_engine::policy::Policy;
use tokenstile_engine::units::EpochMs;

/// As many subjects are told apart.
const SUBJECTS: usize = 200_000;
/// As many of those who are hit are told, the hardest hit first.
const TOLD: usize = 50;

/// The subjects of all rules.
#[derive(Debug, Default)]
pub struct People {
    known: HashMap<(usize, u64), Person>,
    /// Meetings of subjects that came when the room was full.
    others: u64,
}

#[derive(Debug, Default)]
struct Person {
    subject: String,
    met: u64,
    said: BTreeMap<&'static str, u64>,
    /// Restricted since, and until then at most.
    since: Option<(EpochMs, Option<EpochMs>)>,
    restricted_ms: i64,
    over: i64,
}

/// One who is hit.
#[derive(Debug, Clone, Serialize)]
pub struct Hit {
    /// By this rule.
    pub rule: String,
    /// Who.
    pub subject: String,
    /// Calls that met the rule.
    pub calls: u64,
    /// What the rule said of them, if not to let them pass.
    pub said: BTreeMap<&'static str, u64>,
    /// So long were calls restricted.
    pub restricted_ms: i64,
}

/// How many subjects a rule has.
#[derive(Debug, Clone, Copy, Default, Serialize)]
pub struct Counts {
    /// That met it.
    pub subjects: u64,
    /// That it warned or restricted.
    pub hit: u64,
    /// That passed the amount at which it refuses.
    pub over: u64,
    /// By so much at most, in the ledger's unit.
    #[serde(skip)]
    pub over_most: i64,
}

impl People {
    /// Adds a call.
    pub fn take(&mut self, outcome: &Outcome, policy: &Policy) {
        for met in &outcome.met {
            let Some(budget) = policy.budgets.get(met.rule) else { continue };
            let said = outcome.said.iter().find(|(rule, _)| *rule == met.rule).map(|(_, said)| *said);
            let key = (met.rule, met.tag);
            let is_known = self.known.contains_key(&key);
            if !is_known && self.known.len() >= SUBJECTS {
                self.others += 1;
                continue;
            }
            let person = self.known.entry(key).or_default();
            if !is_known {
                person.subject = outcome.subject(budget);
            }
            person.met += 1;
            person.heard(said, outcome.began, met.free_at);
            // What another rule refuses has not passed this one.
            if !said.is_some_and(restricts) && !outcome.refused {
                person.free(outcome.began);
            }
        }
    }

    /// A subject passed the amount at which its rule refuses.
    pub fn over(&mut self, rule: usize, tag: u64, by: i64) {
        if let Some(person) = self.known.get_mut(&(rule, tag)) {
            person.over = person.over.max(by);
        }
    }

    /// How many subjects this rule has.
    #[must_use]
    pub fn counts(&self, rule: usize) -> Counts {
        let mut counts = Counts::default();
        for (_, person) in self.known.iter().filter(|((of, _), _)| *of == rule) {
            counts.subjects += 1;
            counts.hit += u64::from(!person.said.is_empty());
            counts.over += u64::from(person.over > 0);
            counts.over_most = counts.over_most.max(person.over);
        }
        counts
    }

    /// Those who are hit, the hardest hit first; and how many there are.
    #[must_use]
    pub fn hit(&self, policy: &Policy, end: EpochMs) -> (Vec<Hit>, u64) {
        let hit = self.known.iter().filter(|(_, person)| !person.said.is_empty());
        let mut hit: Vec<Hit> = hit
            .map(|((rule, _), person)| Hit {
                rule: policy.budgets.get(*rule).map_or_else(String::new, |budget| budget.name.clone()),
                subject: person.subject.clone(),
                calls: person.met,
                said: person.said.clone(),
                restricted_ms: person.restricted_until(end),
            })
            .collect();
        let count = hit.len() as u64;
        hit.sort_by(|a, b| {
            let hard = |hit: &Hit| (restricted(&hit.said), hit.restricted_ms, hit.said.values().sum::<u64>());
            hard(b).cmp(&hard(a)).then_with(|| (&a.rule, &a.subject).cmp(&(&b.rule, &b.subject)))
        });
        hit.truncate(TOLD);
        (hit, count)
    }
}

fn restricted(said: &BTreeMap<&'static str, u64>) -> u64 {
    let mild = [Decision::Warn, Decision::Overage, Decision::Route].map(Decision::name);
    said.iter().filter(|(name, _)| !mild.contains(name)).map(|(_, count)| count).sum()
}

impl Person {
    fn heard(&mut self, said: Option<Decision>, now: EpochMs, free_at: Option<EpochMs>) {
        let Some(said) = said else { return };
        *self.said.entry(said.name()).or_default() += 1;
        if !restricts(said) {
            return;
        }
        if let Some((_, Some(until))) = self.since
            && until <= now
        {
            self.free(until);
        }
        let (since, _) = self.since.unwrap_or((now, None));
        self.since = Some((since, free_at));
    }

    fn free(&mut self, at: EpochMs) {
        self.restricted_ms = self.restricted_until(at);
        self.since = None;
    }

    fn restricted_until(&self, end: EpochMs) -> i64 {
        let more = self.since.map_or(0, |(since, until)| {
            until.map_or(end, |until| until.min(end)).0.saturating_sub(since.0).max(0)
        });
        self.restricted_ms.saturating_add(more)
    }
}
