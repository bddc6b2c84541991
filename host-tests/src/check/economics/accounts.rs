//! What single accounts can cost at most: those that `overrides` give another limit, and those that are `exempt`, whom no
//! budget bounds. Called by `mod.rs`.

use super::{TierCost, Worst};
use crate::check::Sound;
use tokenstile_engine::policy::{Alternative, Budget, Condition, Scope, Term};
use tokenstile_engine::units::{EpochMs, NanoUsd};

/// Values of dimensions, by their places in the policy.
pub(super) type Known = Vec<(usize, String)>;

/// An account that the policy names.
#[derive(Debug, Clone)]
pub struct AccountCost {
    /// Its dimensions and their values.
    pub who: Vec<(String, String)>,
    /// No budget restricts it.
    pub exempt: bool,
    /// It may be many: not all that a budget tells apart is named.
    pub many: bool,
    /// What it can cost in a month; `None`: nothing bounds it.
    pub month: Option<NanoUsd>,
    /// The budgets that bound it.
    pub rules: Vec<String>,
}

impl AccountCost {
    /// Its tier; empty if it may have any.
    fn tier(&self) -> &str {
        self.who.iter().find(|(name, _)| name == "tier").map_or("", |(_, tier)| tier)
    }

    fn may_be_of(&self, tier: &str) -> bool {
        tier.is_empty() || self.tier().is_empty() || self.tier() == tier
    }
}

pub(super) fn lasts(until: Option<EpochMs>, now: EpochMs) -> bool {
    until.is_none_or(|until| now < until)
}

/// Budgets that are always in force: one that is not bounds no month.
pub(super) fn budgets(sound: &Sound) -> impl Iterator<Item = &Budget> {
    sound.policy.budgets.iter().take(sound.declared).filter(|budget| budget.term == Term::default())
}

/// The budget as a caller of whom this is known meets it; `None` if not every call of theirs does. Where a limit ends some
/// day, the higher of it and what comes after counts.
pub(super) fn limited<'s>(
    sound: &'s Sound,
    budget: &'s Budget,
    known: &Known,
    now: EpochMs,
) -> Option<&'s Budget> {
    let is_met = budget.matches.iter().all(|condition| match condition {
        Condition::Dimension(at, value) => known.iter().any(|(place, is)| place == at && is == value),
        _ => false,
    });
    let theirs =
        |other: &&Alternative| lasts(other.until, now) && other.who.iter().all(|one| known.contains(one));
    let theirs = budget.alternatives.iter().filter(theirs);
    let first = theirs.clone().position(|other| other.until.is_none()).map_or(usize::MAX, |at| at + 1);
    let own = Some(budget).filter(|_| first == usize::MAX);
    let limits = theirs.take(first).filter_map(|other| sound.policy.budgets.get(other.budget)).chain(own);
    limits.max_by_key(|budget| budget.limit).filter(|_| is_met)
}

/// The budget as anybody meets it: with the highest limit that it has for somebody.
pub(super) fn highest<'s>(sound: &'s Sound, budget: &'s Budget, now: EpochMs) -> &'s Budget {
    let others = budget.alternatives.iter().filter(|other| lasts(other.until, now));
    let others = others.filter_map(|other| sound.policy.budgets.get(other.budget));
    others.chain([budget]).max_by_key(|budget| budget.limit).unwrap_or(budget)
}

/// The accounts of `overrides` and `exempt`, if they are more than a tier.
pub(super) fn accounts(
    sound: &Sound,
    worst: &Worst<'_>,
    place: Option<usize>,
    tiers: &[String],
) -> Vec<AccountCost> {
    let now = worst.now;
    let exempt: Vec<&Known> =
        sound.policy.exempt.iter().filter(|one| lasts(one.until, now)).map(|one| &one.who).collect();
    let alternatives =
        || budgets(sound).flat_map(|budget| budget.alternatives.iter().map(move |o| (budget, o)));
    let of_tier = |who: &Known| who.iter().all(|(at, _)| Some(*at) == place);
    let is_exempt = |who: &Known| exempt.iter().any(|free| free.iter().all(|one| who.contains(one)));
    let mut named: Vec<&Known> = Vec::new();
    for (_, other) in alternatives().filter(|(_, other)| lasts(other.until, now)) {
        if !of_tier(&other.who) && !is_exempt(&other.who) && !named.contains(&&other.who) {
            named.push(&other.who);
        }
    }
    let words = |who: &Known| {
        let word = |(at, value): &(usize, String)| {
            let name = sound.policy.identity.get(*at).map(|dimension| dimension.name.clone());
            (name.unwrap_or_default(), value.clone())
        };
        who.iter().map(word).collect()
    };
    let limited_one = |who: &&Known| {
        let all_named = |budget: &Budget| {
            let is_named =
                |scope: &Scope| matches!(scope, Scope::Dimension(at) if who.iter().any(|(p, _)| p == at));
            budget.per.iter().all(is_named)
        };
        let many = alternatives().any(|(budget, other)| other.who == **who && !all_named(budget));
        let (month, rules) = in_a_month(sound, worst, who, (place, tiers));
        AccountCost { who: words(who), exempt: false, many, month, rules }
    };
    let exempt_one = |who: &&Known| AccountCost {
        who: words(who),
        exempt: true,
        many: true,
        month: None,
        rules: Vec::new(),
    };
    named.iter().map(limited_one).chain(exempt.iter().map(exempt_one)).collect()
}

/// The most that it can cost, in whichever tier it may be.
fn in_a_month(
    sound: &Sound,
    worst: &Worst<'_>,
    who: &Known,
    (place, tiers): (Option<usize>, &[String]),
) -> (Option<NanoUsd>, Vec<String>) {
    let own = who.iter().find(|(at, _)| Some(*at) == place).map(|(_, tier)| std::slice::from_ref(tier));
    let of_tier = |tier: &String| {
        let mut known = who.clone();
        known.extend(place.filter(|_| own.is_none() && !tier.is_empty()).map(|place| (place, tier.clone())));
        worst.for_tier(place, tier).of_known(sound, &known)
    };
    let costs = own.unwrap_or(tiers).iter().map(of_tier);
    // What nothing bounds is the most.
    costs.max_by_key(|(usd, _)| (usd.is_none(), *usd)).unwrap_or_default()
}

/// So many users by tier, of whom some are such accounts.
pub(super) fn by_users(
    tiers: &[TierCost],
    accounts: &[AccountCost],
    users: &[(String, u64)],
) -> Option<NanoUsd> {
    if users.is_empty() || accounts.iter().any(|account| account.exempt) {
        return None;
    }
    let each = |tier: &String| {
        // A number for all, where nobody says which tier they have: the dearest tier.
        let of_tier =
            tiers.iter().find(|row| !tier.is_empty() && row.tier == *tier).map(|row| row.user_month);
        let one = of_tier.unwrap_or_else(|| {
            let all: Option<Vec<NanoUsd>> = tiers.iter().map(|row| row.user_month).collect();
            all.and_then(|all| all.into_iter().max())
        })?;
        let others = accounts.iter().filter(|account| account.many && account.may_be_of(tier));
        others.map(|account| account.month).try_fold(one, |most, month| Some(most.max(month?)))
    };
    let group = |(tier, count): &(String, u64)| Some((tier.clone(), each(tier)?, *count));
    let mut groups = users.iter().map(group).collect::<Option<Vec<_>>>()?;
    let mut single: Vec<&AccountCost> = accounts.iter().filter(|account| !account.many).collect();
    single.sort_by_key(|account| std::cmp::Reverse(account.month));
    let mut sum = 0_i64;
    for account in single {
        let month = account.month?;
        let mut theirs = groups.iter_mut().filter(|(tier, ..)| account.may_be_of(tier)).peekable();
        let nobody_counted_it = theirs.peek().is_none();
        // It is one of those that cost the least.
        let one = theirs.filter(|(.., left)| *left > 0).min_by_key(|(_, each, _)| *each);
        let takes = one.filter(|(_, each, _)| month > *each).map(|(.., left)| *left -= 1).is_some();
        if takes || nobody_counted_it {
            sum = sum.saturating_add(month.0);
        }
    }
    let of_group = |(_, each, left): &(String, NanoUsd, u64)| {
        each.0.saturating_mul(i64::try_from(*left).unwrap_or(i64::MAX))
    };
    Some(NanoUsd(groups.iter().map(of_group).fold(sum, i64::saturating_add)))
}
