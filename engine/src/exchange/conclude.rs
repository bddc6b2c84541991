//! From what stands in the ledger to a decision: the ladder of each budget, the strictest outcome.

use super::plan::{Planned, held};
use super::{Decision, Exchange, Next};
use crate::dialect::{Edits, ModelAt};
use crate::ledger::{Denied, Level};
use crate::policy::{Action, Budget, Cheaper, Policy};
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

/// What one ladder says of a call.
struct Climb<'p> {
    decision: Decision,
    warn: Option<&'p Action>,
    clamp: Option<u64>,
    serve: Option<String>,
    deny: Option<&'p Action>,
    skipped: Option<String>,
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
            budget.ladder.iter().any(|step| (least..=most).contains(&step.at))
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
        let Some(refusal) = refused else { return self.forward() };
        self.give_back();
        self.refuse(&refusal, now)
    }

    /// What one budget says of the call: a refusal, or what is noted in the outcome.
    fn weigh(&mut self, policy: &Policy, planned: &Planned, now: EpochMs) -> Option<Refusal> {
        let budget = policy.budgets.get(planned.budget)?;
        let reserved = planned.reserved.filter(|reserved| reserved.receipt.is_some())?;
        let before = reserved.before.total();
        let after = before.saturating_add(planned.hold.amount);
        let climb = self.climb(policy, budget, after);
        if budget.shadow || self.exempt {
            if climb.decision > Decision::Allow {
                self.outcome.shadow.push((budget.name.clone(), climb.decision));
            }
            return None;
        }
        self.outcome.skipped.extend(climb.skipped.clone());
        if let Some(deny) = climb.deny {
            return Some(refusal(budget, planned, reserved.before, deny, self.asked_model(), now));
        }
        let missing = after.saturating_sub(budget.limit).max(0);
        let state = BudgetState::new(budget, &planned.open, after, (missing, reserved.before), now);
        self.note(budget, &climb, &state, planned.hold.amount, now);
        self.outcome.states.push(state);
        None
    }

    /// Which steps of a ladder apply with `after` used. A step that cannot be carried out makes the
    /// next one apply; a refusal only once the limit is passed.
    fn climb<'p>(&self, policy: &'p Policy, budget: &'p Budget, after: Amount) -> Climb<'p> {
        let mut climb = Climb {
            decision: Decision::Allow,
            warn: None,
            clamp: None,
            serve: None,
            deny: None,
            skipped: None,
        };
        let mut fell = false;
        for step in &budget.ladder {
            // A warning comes as soon as the threshold is reached; what restricts, only beyond it.
            let reached =
                if matches!(step.action, Action::Warn { .. }) { after >= step.at } else { after > step.at };
            // In the place of a step that cannot be carried out, nothing is refused that still has a budget.
            let replaces = fell && (after > budget.limit || !matches!(step.action, Action::Deny { .. }));
            if !reached && !replaces {
                break;
            }
            fell = false;
            match &step.action {
                Action::Warn { .. } => climb.warn = Some(&step.action),
                Action::Clamp { max_output_tokens } => match self.shorter(*max_output_tokens) {
                    Ok(bound) => climb.clamp = bound,
                    Err(why) => fell = self.skip(&mut climb, budget, &why),
                },
                Action::Downgrade { list } => match self.cheaper(policy, *list) {
                    Ok(model) => climb.serve = model,
                    Err(why) => fell = self.skip(&mut climb, budget, &why),
                },
                Action::Deny { .. } => climb.deny = Some(&step.action),
            }
        }
        climb.decision = match () {
            () if climb.deny.is_some() => Decision::Deny,
            () if climb.serve.is_some() => Decision::Downgrade,
            () if climb.clamp.is_some() => Decision::Clamp,
            () if climb.warn.is_some() => Decision::Warn,
            () => Decision::Allow,
        };
        climb
    }

    /// Notes a step that cannot be carried out; whether the next one applies in its place.
    fn skip(&self, climb: &mut Climb<'_>, budget: &Budget, why: &str) -> bool {
        climb.skipped = Some(format!("{}: {why}", budget.name));
        // A body that was not seen says nothing against its sender: only what refuses does.
        !self.unseen
    }

    /// The output bound that `max_output_tokens` puts in place; `Ok(None)` if the call's own is no higher.
    ///
    /// A bound must leave room for the thinking that the request asks for, or Anthropic refuses it:
    /// <https://docs.claude.com/en/docs/build-with-claude/extended-thinking#max-tokens-and-context-window-size>.
    fn shorter(&self, max_output_tokens: u64) -> Result<Option<u64>, String> {
        let Some(facts) = &self.facts else {
            return Err("the body could not be read, so its output bound cannot be lowered".to_owned());
        };
        let bound = max_output_tokens.saturating_add(facts.thinking_budget.unwrap_or(0));
        if facts.output_bound.is_some_and(|asked| asked <= bound) {
            return Ok(None);
        }
        if !self.body_editable {
            return Err("this proxy cannot change request bodies".to_owned());
        }
        if !facts.set_output_bound(bound, &mut Edits::default()) {
            return Err("this request has no place for an output bound".to_owned());
        }
        Ok(Some(bound))
    }

    /// The model that a downgrade list puts in place; `Ok(None)` if the call has it already.
    fn cheaper(&self, policy: &Policy, list: usize) -> Result<Option<String>, String> {
        let why_not = match self.facts.as_ref().map(|facts| &facts.model_at) {
            None => Some("the body could not be read, so its model cannot be changed"),
            Some(ModelAt::Nowhere) => Some("this request names no model that could be changed"),
            Some(ModelAt::Body(_) | ModelAt::Form(_)) if !self.body_editable => {
                Some("this proxy cannot change request bodies")
            }
            Some(ModelAt::Path(_)) if !self.path_editable => {
                Some("the path has left already; `hold_headers` keeps it until the decision")
            }
            Some(_) => None,
        };
        if let Some(why) = why_not {
            return Err(why.to_owned());
        }
        let list = policy.downgrades.get(list).ok_or("no such list")?;
        match list.cheaper(self.served_model()) {
            Cheaper::Use(model) => Ok(Some(model.to_owned())),
            Cheaper::Already => Ok(None),
            Cheaper::Unlisted => {
                Err(format!("`{}` names nothing cheaper than `{}`", list.name, self.served_model()))
            }
        }
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
        if let Some(Action::Warn { message }) = climb.warn {
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
