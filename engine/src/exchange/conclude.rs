//! From what stands in the ledger to a decision: what every ladder says, the strictest outcome.

use super::climb::Climb;
use super::plan::{Planned, held};
use super::{Decision, Exchange, Next};
use crate::ledger::{Denied, Level, WindowRule};
use crate::policy::{Action, Budget, Policy, Step};
use crate::refusal::{BudgetState, Refusal, RefusalKind, ratelimit_headers};
use crate::units::{Amount, EpochMs, Meter};

/// What was decided and why.
#[derive(Debug)]
pub(super) struct Outcome {
    pub(super) decision: Decision,
    /// The budget whose step decided.
    pub(super) rule: Option<String>,
    /// The cheaper model, if one serves.
    pub(super) served_model: Option<String>,
    /// The output bound put in place, if one is.
    pub(super) output_bound: Option<u64>,
    /// The budget that downgraded, and the sentence that says so.
    downgraded: Option<(String, String)>,
    /// The budget that clamps, and the sentence that says so.
    clamped: Option<(String, String)>,
    /// The budgets that warn, and their sentences.
    warnings: Vec<(String, String)>,
    /// Each enforced budget as the caller is told of it.
    states: Vec<BudgetState>,
    /// What budgets in shadow mode would have done: rule and decision.
    pub(super) shadow: Vec<(String, Decision)>,
    /// Why a step could not be carried out.
    pub(super) skipped: Vec<String>,
}

impl Default for Outcome {
    fn default() -> Self {
        Self {
            decision: Decision::Allow,
            rule: None,
            served_model: None,
            output_bound: None,
            downgraded: None,
            clamped: None,
            warnings: Vec::new(),
            states: Vec::new(),
            shadow: Vec::new(),
            skipped: Vec::new(),
        }
    }
}

impl Outcome {
    /// The strictest of what was noted, and the budget that said it first.
    fn settle_decision(&mut self) {
        let (decision, rule) = match (&self.downgraded, &self.clamped, self.warnings.first()) {
            (Some((rule, _)), ..) => (Decision::Downgrade, Some(rule)),
            (None, Some((rule, _)), _) => (Decision::Clamp, Some(rule)),
            (None, None, Some((rule, _))) => (Decision::Warn, Some(rule)),
            (None, None, None) => (Decision::Allow, None),
        };
        self.decision = decision;
        self.rule = rule.cloned();
    }

    /// What the request should have said could not be put in place: nothing says that it holds.
    pub(super) fn undo_edits(&mut self) {
        self.served_model = None;
        self.output_bound = None;
        self.downgraded = None;
        self.clamped = None;
        self.settle_decision();
    }

    /// What the caller is told, as one line.
    fn told(&self) -> String {
        let done = self.clamped.iter().chain(&self.downgraded);
        let sentences = self.warnings.iter().chain(done).map(|(_, sentence)| sentence.as_str());
        sentences.collect::<Vec<_>>().join(" ")
    }
}

impl Exchange {
    /// Whether the bounds of an estimated prompt leave a decision open: some step of some ladder is reached
    /// by the longest prompt that it can be, and not by the shortest.
    pub(super) fn needs_count(&self) -> bool {
        let Some(bound) = self.prompt_bound else { return false };
        let (least, most) = (self.usage_with(0), self.usage_with(bound));
        self.plan.iter().any(|planned| {
            let budget = self.policy.budgets.get(planned.budget);
            let reserved = planned.reserved.filter(|reserved| reserved.receipt.is_some());
            let (Some(budget), Some(reserved)) = (budget, reserved) else { return false };
            let after = |usage| {
                let amount = held(budget.meter, usage, self.asked_quote().price.cost(usage));
                reserved.before.total().saturating_add(amount)
            };
            let (least, most) = (after(least), after(most));
            let decides = |step: &&Step| !matches!(step.action, Action::Alert);
            budget.ladder.iter().filter(decides).any(|step| (least..=most).contains(&step.at))
        })
    }

    /// Whether a call that was refused by its estimate might go through once it is counted.
    pub(super) fn may_fit(&self, denied: Denied) -> bool {
        let planned = self.plan.get(denied.index).filter(|_| self.prompt_bound.is_some());
        let budget = planned.and_then(|planned| self.policy.budgets.get(planned.budget));
        let (Some(planned), Some(budget), Some(level)) = (planned, budget, denied.level) else {
            return false;
        };
        let least = self.usage_with(0);
        let least = held(budget.meter, least, self.asked_quote().price.cost(least));
        planned.hold.cap.is_some_and(|cap| level.total().saturating_add(least) <= cap)
    }

    /// All holds are taken: climbs each ladder; the first that refuses decides.
    pub(super) fn conclude(&mut self, now: EpochMs) -> Next {
        let policy = self.policy.clone();
        let plan = std::mem::take(&mut self.plan);
        let refused = plan.iter().find_map(|planned| self.weigh(&policy, planned, now));
        self.plan = plan;
        let Some(refusal) = refused else {
            self.tell_of_running();
            return self.forward();
        };
        self.give_back();
        self.refuse(&refusal, now)
    }

    /// Calls that run are never settled: operators are told when one begins.
    fn tell_of_running(&mut self) {
        let told = |planned: &Planned| {
            let before = planned.reserved.filter(|_| planned.hold.window == WindowRule::InFlight)?.before;
            self.told(planned, before, before.total().saturating_add(planned.hold.amount))
        };
        let mut told = self.plan.iter().filter_map(told).collect();
        self.owed.append(&mut told);
    }

    /// What one budget says of the call: a refusal, or what is noted in the outcome.
    fn weigh(&mut self, policy: &Policy, planned: &Planned, now: EpochMs) -> Option<Refusal> {
        let budget = policy.budgets.get(planned.budget)?;
        let reserved = planned.reserved.filter(|reserved| reserved.receipt.is_some())?;
        let before = reserved.before.total();
        let after = before.saturating_add(planned.hold.amount);
        let climb = self.climb(policy, budget, after, reserved.before.warned);
        if budget.shadow || self.exempt {
            if climb.decision > Decision::Allow {
                self.outcome.shadow.push((budget.name.clone(), climb.decision));
            }
            return None;
        }
        self.outcome.skipped.extend(climb.skipped.clone());
        if let Some(deny) = climb.deny {
            let told = deny_alert(budget).and_then(|at| self.told(planned, reserved.before, at));
            self.owed.extend(told);
            return Some(refusal(budget, planned, reserved.before, deny, self.asked_model(), now));
        }
        let missing = after.saturating_sub(budget.limit).max(0);
        let state = BudgetState::new(budget, &planned.open, after, (missing, reserved.before), now);
        self.note(budget, &climb, &state, planned.hold.amount, now);
        self.outcome.states.push(state);
        None
    }

    /// Takes over what a ladder said short of a refusal.
    fn note(
        &mut self,
        budget: &Budget,
        climb: &Climb<'_>,
        state: &BudgetState,
        needed: Amount,
        now: EpochMs,
    ) {
        if let Some(Action::Warn { message, .. }) = climb.warn {
            let message = state.message(message, needed, self.asked_model(), now);
            self.outcome.warnings.push((budget.name.clone(), message));
        }
        if let Some(bound) =
            climb.clamp.filter(|bound| self.outcome.output_bound.is_none_or(|other| *bound < other))
        {
            let told = format!("Answers end at {bound} tokens until {}.", until(state));
            self.outcome.clamped = Some((budget.name.clone(), told));
            self.outcome.output_bound = Some(bound);
        }
        if let Some(model) = &climb.serve {
            let asked = self.asked_model();
            let told = format!("{model} answers instead of {asked} until {}.", until(state));
            self.outcome.downgraded = Some((budget.name.clone(), told));
            self.outcome.served_model = Some(model.clone());
        }
        self.outcome.settle_decision();
    }

    /// The store refused a hold.
    pub(super) fn denied(&mut self, denied: Denied, now: EpochMs) -> Next {
        let policy = self.policy.clone();
        let planned = self.plan.get(denied.index);
        let met = planned.and_then(|planned| Some((planned, policy.budgets.get(planned.budget)?)));
        let Some((planned, budget)) = met else {
            return self.fail("the store refused a hold that was not asked for", now);
        };
        let deny = budget.ladder.iter().find(|step| matches!(step.action, Action::Deny { .. }));
        let (Some(level), Some(deny)) = (denied.level, deny) else {
            return self.table_is_full(now);
        };
        let refusal = refusal(budget, planned, level, &deny.action, self.asked_model(), now);
        let told = deny_alert(budget).and_then(|at| self.told(planned, level, at));
        self.owed.extend(told);
        self.refuse(&refusal, now)
    }

    fn table_is_full(&mut self, now: EpochMs) -> Next {
        if self.exempt {
            return self.forward();
        }
        let message = "Budgets can't be checked right now: too many users at once. Try again in a moment.";
        self.failure = Some("the table of budgets is full; raise `table_slots`".to_owned());
        self.refuse(
            &Refusal { kind: RefusalKind::Unavailable, message: message.to_owned(), budget: None },
            now,
        )
    }

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
        if let Some(served) = &self.outcome.served_model {
            headers.push(("x-tokenstile-model-requested", header_text(self.asked_model())));
            headers.push(("x-tokenstile-model-served", header_text(served)));
        }
        headers
    }
}

/// The threshold at which a budget refuses, if operators are told of its refusals: those may begin before so much is
/// used, for a call that needs more than is left is refused.
fn deny_alert(budget: &Budget) -> Option<Amount> {
    let deny = budget.ladder.iter().find(|step| matches!(step.action, Action::Deny { .. }))?;
    deny.alert.map(|_| deny.at)
}

/// The refusal of a budget with `level` used by others.
fn refusal(
    budget: &Budget,
    planned: &Planned,
    level: Level,
    deny: &Action,
    model: &str,
    now: EpochMs,
) -> Refusal {
    let (needed, before) = (planned.hold.amount, level.total());
    let cap = planned.hold.cap.unwrap_or(budget.limit);
    let missing = before.saturating_add(needed).saturating_sub(cap);
    let mut state = BudgetState::new(budget, &planned.open, before, (missing, level), now);
    let kind = if planned.open.is_quota() { RefusalKind::Quota } else { RefusalKind::Rate };
    let Action::Deny { short, exhausted, upgrade_url } = deny else {
        return Refusal { kind, message: String::new(), budget: Some(state) };
    };
    state.upgrade_url.clone_from(upgrade_url);
    let template = if state.remaining() == 0 { exhausted } else { short };
    let message = state.message(template, needed, model, now);
    // In flight a call counts as one: there is no shorter one, and another will end.
    if kind == RefusalKind::Rate && needed > cap && budget.meter != Meter::RequestsInFlight {
        return never_fits(state, needed, cap);
    }
    Refusal { kind, message, budget: Some(state) }
}

/// More than a full bucket holds: waiting does not help, so no time is named and no retry asked for.
fn never_fits(mut state: BudgetState, needed: Amount, cap: Amount) -> Refusal {
    state.resets_at = None;
    let message = format!(
        "This request needs about {}{} at once, and `{}` allows {}. Shorten it, or lower its output bound.",
        state.meter.display(needed),
        state.meter.unit_text(),
        state.rule,
        state.meter.display(cap)
    );
    Refusal { kind: RefusalKind::Quota, message, budget: Some(state) }
}

/// How long what a step does will last.
fn until(state: &BudgetState) -> String {
    match state.meter {
        Meter::RequestsInFlight => "a request ends".to_owned(),
        _ => format!("the quota resets {}", state.resets_text),
    }
}

/// Text that may stand in a header: one line, no control characters.
fn header_text(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}
