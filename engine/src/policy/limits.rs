//! Whose limit is another: tiers, overrides that end by date, exemptions. The limit is no part of a subject's key,
//! so what was used stays when it changes.

use super::amounts::amount_at;
use super::compile::Compiler;
use super::errors::no_budget;
use super::identity::{Dimension, Match};
use super::named::Named;
use super::{Budget, Identity, Policy, amounts, wire};
use crate::units::{Amount, EpochMs};
use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan};

/// Another limit of a budget.
#[derive(Debug, Clone)]
pub struct Alternative {
    /// For whom.
    pub who: Match,
    /// Until when; for ever, if not stated.
    pub until: Option<EpochMs>,
    /// The budget with this limit, by its place in [`Policy::budgets`].
    pub budget: usize,
}

/// Callers whom no budget restricts: they are metered and recorded.
#[derive(Debug, Clone)]
pub struct Exemption {
    /// Whom.
    pub who: Match,
    /// Until when; for ever, if not stated.
    pub until: Option<EpochMs>,
}

impl Policy {
    /// Whether no budget restricts this caller now.
    #[must_use]
    pub fn is_exempt(&self, identity: &Identity, now: EpochMs) -> bool {
        self.exempt.iter().any(|exempt| lasts(exempt.until, now) && identity.meets(&exempt.who))
    }

    /// When a budget, by its place among all, has another limit than now for this caller, if that is to come: then, and
    /// the budget with that limit.
    #[must_use]
    pub fn limit_after(
        &self,
        budget: usize,
        identity: &Identity,
        now: EpochMs,
    ) -> Option<(EpochMs, &Budget)> {
        let declared = self
            .declared()
            .iter()
            .find(|declared| declared.alternatives.iter().any(|other| other.budget == budget))?;
        let is_met = |other: &&Alternative| lasts(other.until, now) && identity.meets(&other.who);
        let until = declared.alternatives.iter().find(is_met)?.until?;
        let then = self.alternative(declared, identity, until).map_or(declared, |(_, other)| other);
        Some((until, then))
    }

    pub(super) fn alternative<'p>(
        &'p self,
        budget: &Budget,
        identity: &Identity,
        now: EpochMs,
    ) -> Option<(usize, &'p Budget)> {
        let is_met = |other: &&Alternative| lasts(other.until, now) && identity.meets(&other.who);
        let other = budget.alternatives.iter().find(is_met)?;
        Some((other.budget, self.budgets.get(other.budget)?))
    }
}

/// When a rule is in force.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Term {
    /// From when on; always, if not stated.
    pub since: Option<EpochMs>,
    /// Until when; for ever, if not stated.
    pub until: Option<EpochMs>,
}

impl Term {
    /// Whether it is in force at this time.
    #[must_use]
    pub fn lasts(&self, now: EpochMs) -> bool {
        self.since.is_none_or(|since| since <= now) && lasts(self.until, now)
    }
}

fn lasts(until: Option<EpochMs>, now: EpochMs) -> bool {
    until.is_none_or(|until| now < until)
}

/// The tier tables of the budgets, by budget, as written.
pub(super) type Tiers = Vec<Named<wire::Limit>>;

/// The dimension whose values are tiers.
const TIER: &str = "tier";

impl Compiler<'_> {
    /// Puts the other limits behind the budgets. `tiers` has one table for each of them.
    pub(super) fn limits(
        &mut self,
        budgets: &mut Vec<Budget>,
        tiers: Tiers,
        overrides: Vec<wire::Override>,
        identity: &[Dimension],
    ) {
        // An account's own limit comes before its tier's.
        for (i, wire) in overrides.into_iter().enumerate() {
            let path = format!("overrides[{i}]");
            let who = self.who(&path, &wire.matches, identity);
            let until = self.until(&path, wire.until.as_deref());
            let Some(at) = budgets.iter().position(|budget| budget.name == wire.budget) else {
                let wrong = no_budget(&wire.budget, budgets.iter().map(|budget| &budget.name));
                self.errors.add(format!("{path}.budget"), wrong);
                continue;
            };
            self.alternative(&format!("{path}.limit"), budgets, at, &wire.limit, (who, until));
        }
        for (at, table) in tiers.into_iter().enumerate() {
            let place = identity.iter().position(|dimension| dimension.name == TIER);
            for (tier, limit) in table {
                let path = format!("budgets[{at}].tiers");
                let Some(place) = place else {
                    self.errors
                        .add(path, "tiers are values of the dimension `tier`; declare it in `identity`");
                    break;
                };
                self.alternative(&format!("{path}.{tier}"), budgets, at, &limit, (vec![(place, tier)], None));
            }
        }
    }

    pub(super) fn exempt(&mut self, wire: Vec<wire::Exempt>, identity: &[Dimension]) -> Vec<Exemption> {
        let mut exemption = |(i, wire): (usize, wire::Exempt)| {
            let path = format!("exempt[{i}]");
            Exemption {
                who: self.who(&path, &wire.matches, identity),
                until: self.until(&path, wire.until.as_deref()),
            }
        };
        wire.into_iter().enumerate().map(&mut exemption).collect()
    }

    fn alternative(
        &mut self,
        path: &str,
        budgets: &mut Vec<Budget>,
        at: usize,
        limit: &wire::Limit,
        (who, until): (Match, Option<EpochMs>),
    ) {
        let next = budgets.len();
        let Some((meter, limit)) = amounts::limit(path, limit, self.errors) else { return };
        let Some(budget) = budgets.get_mut(at) else { return };
        if budget.window.is_bucket() {
            let wrong = "a bucket has one size for all; write a budget for each, with a `match`";
            return self.errors.add(path, wrong);
        }
        if meter != budget.meter {
            let wrong = format!("`{}` is counted in `{}`", budget.name, budget.meter.unit());
            return self.errors.add(path, wrong);
        }
        budget.alternatives.push(Alternative { who, until, budget: next });
        let other = with_limit(budget, limit);
        budgets.push(other);
    }

    /// Callers by the values of their dimensions.
    fn who(&mut self, path: &str, matches: &Named<String>, identity: &[Dimension]) -> Match {
        if matches.is_empty() {
            self.errors
                .add(format!("{path}.match"), "it would be for everyone; name a dimension and its value");
        }
        let places = self.places(&format!("{path}.match"), matches.names(), identity);
        places.into_iter().zip(matches.iter().map(|(_, value)| value.clone())).collect()
    }

    /// The end of a day in UTC, or a moment.
    pub(super) fn until(&mut self, path: &str, text: Option<&str>) -> Option<EpochMs> {
        self.moment(format!("{path}.until"), text?, 1, "last")
    }

    /// The beginning of a day in UTC, or a moment.
    fn since(&mut self, path: &str, text: Option<&str>) -> Option<EpochMs> {
        self.moment(format!("{path}.since"), text?, 0, "first")
    }

    /// When a rule begins and ends.
    pub(super) fn term(&mut self, path: &str, since: Option<&str>, until: Option<&str>) -> Term {
        let term = Term { since: self.since(path, since), until: self.until(path, until) };
        if let (Some(since), Some(until)) = (term.since, term.until)
            && since >= until
        {
            self.errors.add(format!("{path}.until"), "it ends before it begins");
        }
        term
    }

    pub(super) fn moment(&mut self, path: String, text: &str, days: i64, which: &str) -> Option<EpochMs> {
        let moment = || text.parse::<Timestamp>().ok();
        let day = || {
            let day = text.parse::<Date>().ok()?.checked_add(days.days()).ok()?;
            Some(day.to_zoned(TimeZone::UTC).ok()?.timestamp())
        };
        // A moment has a `T` between its date and its time.
        let at = if text.contains('T') { moment() } else { day() };
        if at.is_none() {
            let wrong = format!(
                "`{text}` is no date; write the {which} day, `2027-01-31` (UTC), or `2027-01-31T12:00:00Z`"
            );
            self.errors.add(path, wrong);
        }
        at.map(|at| EpochMs(at.as_millisecond()))
    }
}

/// The same budget with another limit.
fn with_limit(budget: &Budget, limit: Amount) -> Budget {
    let mut other = Budget { limit, alternatives: Vec::new(), ..budget.clone() };
    other.ladder.iter_mut().for_each(|step| step.at = amount_at(limit, step.per_mille));
    other
}
