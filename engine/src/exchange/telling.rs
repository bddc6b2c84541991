//! What a caller is told: the headers of an answer that goes through, the refusal of a budget, and the sentences of both.
//! Called by [`super::conclude`]; nothing is decided here.

use super::Exchange;
use super::plan::Planned;
use crate::ledger::Level;
use crate::policy::{Action, Overage};
use crate::refusal::{BudgetState, Refusal, RefusalKind, Told, ratelimit_headers};
use crate::units::{Amount, EpochMs, Meter};
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

/// The refusal of a budget with `level` used by others.
pub(super) fn refusal(told: &Told<'_>, planned: &Planned, level: Level, deny: &Action) -> Refusal {
    let (budget, needed, before) = (told.budget, told.needed, level.total());
    let cap = planned.hold.cap.unwrap_or(budget.limit);
    let missing = before.saturating_add(needed).saturating_sub(cap);
    let state = BudgetState::new(budget, &planned.open, before, (missing, level), told.now);
    let mut state = state.until_refused(Some(cap));
    let kind = if planned.open.is_quota() { RefusalKind::Quota } else { RefusalKind::Rate };
    let Action::Deny { short, exhausted, upgrade_url, .. } = deny else {
        return Refusal { budget: Some(state), ..Refusal::other(kind, String::new()) };
    };
    state.upgrade_url.clone_from(upgrade_url);
    let template = if state.remaining() == 0 { exhausted } else { short };
    let (message, language) = if told.unread { Default::default() } else { state.message(template, told) };
    // Where calls are counted there is no shorter one, and where nothing is left there will be something.
    // Of a window's quota the prompt alone decides, where an answer may end where the rest does.
    let never = match kind {
        RefusalKind::Rate => needed > cap && budget.meter != Meter::RequestsInFlight,
        _ => (told.prompt > cap || (told.whole && needed > cap)) && state.remaining() > 0,
    };
    if never {
        return never_fits(state, needed, cap);
    }
    Refusal { language, budget: Some(state), ..Refusal::other(kind, message) }
}

/// More than a full bucket or a whole window holds: waiting does not help, so no time is named and no retry asked for.
fn never_fits(mut state: BudgetState, needed: Amount, cap: Amount) -> Refusal {
    state.resets_at = None;
    let message = format!(
        "This request needs about {}{} at once, and `{}` allows {}. Shorten it, or lower its output bound.",
        state.meter.display(needed),
        state.meter.unit_text(),
        state.rule,
        state.meter.display(cap)
    );
    Refusal { budget: Some(state), ..Refusal::other(RefusalKind::Quota, message) }
}

/// What use beyond this amount costs.
pub(super) fn overage_told(meter: Meter, at: Amount, overage: &Overage) -> String {
    let (amount, unit, price) = (meter.display(at), meter.unit_text(), overage.price_text(meter));
    format!("What is used beyond {amount}{unit} costs {price}")
}

/// How long what a step does will last.
pub(super) fn until(state: &BudgetState) -> String {
    match state.meter {
        Meter::RequestsInFlight => "a request ends".to_owned(),
        _ => format!("the quota resets {}", state.resets_text()),
    }
}

/// Text that may stand in a header: one line, no control characters.
fn header_text(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}
