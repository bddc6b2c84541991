//! What a caller is told: the headers of an answer that goes through, the refusal of a budget, and the sentences of both.
//! Called by [`super::conclude`]; nothing is decided here.

use super::Exchange;
use super::plan::Planned;
use crate::ledger::Level;
use crate::policy::{Action, Overage};
use crate::refusal::{BudgetState, Refusal, RefusalKind, Told, ratelimit_headers};
use crate::units::{Amount, EpochMs, Meter, NanoUsd};
use crate::usage::Served;

impl Exchange {
    /// The headers that an allowed answer carries: nothing is done silently.
    pub(super) fn told_headers(&self, now: EpochMs) -> Vec<(&'static str, String)> {
        let mut headers = ratelimit_headers(&self.outcome.states, now);
        headers.push(("x-tokenstile-decision", self.outcome.decision.name().to_owned()));
        if let Some(rule) = &self.outcome.rule {
            headers.push(("x-tokenstile-rule", rule.clone()));
        }
        let told = self.outcome.told();
        if !told.is_empty() {
            headers.push(("x-tokenstile-warning", header_text(&told)));
        }
        if let Some(bound) = self.outcome.output_bound {
            headers.push(("x-tokenstile-max-output-tokens", bound.to_string()));
        }
        if let Some(effort) = self.outcome.effort {
            headers.push(("x-tokenstile-reasoning-effort", effort.name().to_owned()));
        }
        if let Some(delay) = self.outcome.delay {
            headers.push(("x-tokenstile-delay-ms", delay.ms.to_string()));
        }
        if !self.outcome.overage_terms.is_empty() {
            headers.push(("x-tokenstile-overage", self.outcome.overage_terms.join(", ")));
        }
        if self.facts.is_some() {
            let usage = self.expected_usage();
            let usage = self.outcome.output_bound.map_or(usage, |bound| self.ending_at(usage, bound));
            let other =
                self.serves_another().then(|| self.quote_for(self.served_model(), &Served::default()));
            let cost = other.as_deref().unwrap_or_else(|| self.asked_quote()).price.cost(usage);
            headers.push(("x-tokenstile-estimated-tokens", usage.total().to_string()));
            headers.push(("x-tokenstile-estimated-usd", cost.to_string().replace(['$', ','], "")));
        }
        if self.serves_another() {
            headers.push(("x-tokenstile-model-requested", header_text(self.asked_model())));
            headers.push(("x-tokenstile-model-served", header_text(self.served_model())));
        }
        if !self.routing.arms.is_empty() {
            let arms = self.routing.arms.iter().map(|(rule, arm)| format!("{rule}={arm}"));
            headers.push(("x-tokenstile-arm", arms.collect::<Vec<_>>().join(", ")));
        }
        headers
    }
}

impl Exchange {
    /// The refusal of a budget with `level` used by others, of a call that may not come to more than `cap` with it.
    pub(super) fn refusal(
        &self,
        told: &Told<'_>,
        planned: &Planned,
        level: Level,
        deny: &Action,
        cap: Amount,
    ) -> Refusal {
        let (budget, needed, before) = (told.budget, told.needed, level.total());
        let missing = before.saturating_add(needed).saturating_sub(cap);
        let state = BudgetState::new(budget, &planned.open, before, (missing, level), told.now);
        let mut state = state.until_refused(Some(cap));
        let is_quota = planned.open.is_quota();
        let Action::Deny { short, exhausted, upgrade_url, has_own_words, .. } = deny else {
            return Refusal { budget: Some(state), ..Refusal::other(RefusalKind::Quota, String::new()) };
        };
        state.upgrade_url.clone_from(upgrade_url);
        let sooner = self.sooner(planned, level, needed, told.now);
        // It ends, or has another limit then, whatever the window says.
        let sooner = sooner.filter(|at| state.resets_at.is_none_or(|resets| *at < resets));
        if let Some(at) = sooner {
            state.resets_at = Some(at);
        }
        // It holds by what the ladder puts in place already: there is no less of it. Where nothing is left there will be
        // something, for less than that.
        let never = needed > cap && (!is_quota || state.remaining() > 0);
        let is_nothing = budget.meter.count(cap) == 0;
        let waiting_helps = sooner.is_some() || !(never || is_nothing);
        if !waiting_helps {
            // In the policy's own words, unless they promise a time.
            if !*has_own_words || !is_nothing && short.pick(told.accepted).1.says_when() {
                return never_fits(state, needed, cap);
            }
            state.resets_at = None;
        }
        let waits_long = state.resets_at.is_some_and(|at| told.now.seconds_until(at) > RATE_SECONDS_MAX);
        let is_rate = !is_quota && waiting_helps && !waits_long;
        let kind = if is_rate { RefusalKind::Rate } else { RefusalKind::Quota };
        let template = if state.remaining() == 0 { exhausted } else { short };
        let (message, language) =
            if told.unread { Default::default() } else { state.message(template, told) };
        Refusal { language, budget: Some(state), ..Refusal::other(kind, message) }
    }

    /// When the call fits because the budget is over then, or an exception from its limit is.
    fn sooner(&self, planned: &Planned, level: Level, needed: Amount, now: EpochMs) -> Option<EpochMs> {
        let budget = self.policy.budgets.get(planned.budget)?;
        let ends = budget.term.until;
        let other =
            self.policy.limit_after(planned.budget, &self.identity, now).and_then(|(until, other)| {
                let Some(cap) = other.cap() else { return Some(until) };
                let missing = level.total().saturating_add(needed).saturating_sub(cap);
                if missing <= 0 {
                    return Some(until);
                }
                let fits = planned.open.free_at(missing, level, now).filter(|_| needed <= cap)?;
                Some(fits.max(until))
            });
        ends.into_iter().chain(other).min()
    }
}

/// A program waits for no longer than this: Anthropic's SDKs sleep for as long as `retry-after` says, OpenAI's give up or come
/// back too early.
const RATE_SECONDS_MAX: u64 = 120;

/// More than a full bucket or a whole window holds: waiting does not help, so no time is named and no retry asked for.
fn never_fits(mut state: BudgetState, needed: Amount, cap: Amount) -> Refusal {
    state.resets_at = None;
    let (rule, meter) = (&state.rule, state.meter);
    let mut message = if state.meter.count(cap) == 0 {
        format!("`{rule}` allows none of this: waiting does not change that.")
    } else {
        let (needed, cap) = (meter.told(meter.said_needed(needed)), meter.display(cap));
        let advice = match meter {
            Meter::InputTokens => "Shorten it.",
            Meter::OutputTokens => "Lower its output bound.",
            _ => "Shorten it, or lower its output bound.",
        };
        format!("This request needs about {needed} at once, and `{rule}` allows {cap}. {advice}")
    };
    if let Some(url) = &state.upgrade_url {
        message += &format!(" Or upgrade: {url}");
    }
    Refusal { budget: Some(state), ..Refusal::other(RefusalKind::Quota, message) }
}

/// What use beyond these amounts costs, from the lowest on; nothing where it costs nothing.
pub(super) fn overages_told(meter: Meter, overages: &[(Amount, &Overage)]) -> Option<String> {
    let mut told = String::new();
    for (at, overage) in overages {
        let (amount, price) = (meter.told(*at), overage.price_text(meter));
        told += &if told.is_empty() {
            format!("What is used beyond {amount} costs {price}")
        } else {
            format!(", and beyond {amount} {price}")
        };
    }
    (!told.is_empty()).then_some(told)
}

/// The same for the caller's program: `daily;usd_per_1k_tokens=0.02`. Of several the amounts are told, too.
pub(super) fn overage_terms(rule: &str, meter: Meter, overages: &[(Amount, &Overage)]) -> Vec<String> {
    let beyond = |at: Amount| match meter {
        Meter::Usd => NanoUsd(at).to_string().replace(['$', ','], ""),
        _ => meter.count(at).to_string(),
    };
    let term = |(at, overage): &(Amount, &Overage)| {
        let term = format!("{rule};{}", overage.terms(meter));
        if overages.len() > 1 { format!("{term};beyond={}", beyond(*at)) } else { term }
    };
    overages.iter().map(term).collect()
}

/// `Answers end at 1,024 tokens`.
pub(super) fn bound_told(bound: u64) -> String {
    format!("Answers end at {}", Meter::Tokens.told(Meter::Tokens.amount(bound)))
}

/// How long what a step does will last.
pub(super) fn until(state: &BudgetState) -> String {
    let resets = state.resets_text();
    match state.meter {
        Meter::RequestsInFlight => "a request ends".to_owned(),
        // A length of time stands apart: it is not the time at which it resets.
        _ if resets.starts_with("in ") => format!("the quota resets, {resets}"),
        _ => format!("the quota resets {resets}"),
    }
}

/// Text that may stand in a header: one line, no control characters.
fn header_text(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}
