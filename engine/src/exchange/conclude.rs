//! From what stands in the ledger to a decision: what every ladder says, the strictest outcome.

use super::climb::{Climb, Delay, Reach, Serve, Serving};
use super::plan::{Planned, held};
use super::shadowed::Would;
use super::telling::{bound_told, overage_terms, overages_told, until};
use super::{Decision, Exchange, Next, State};
use crate::alert::Owed;
use crate::ledger::{Denied, Level, WindowRule};
use crate::policy::{Action, Bound, Budget, Effort, Policy, Step};
use crate::refusal::{BudgetState, Refusal, RefusalKind, Told, is_english};
use crate::units::{Amount, EpochMs, Meter};

/// What was decided and why.
#[derive(Debug, Default)]
pub(super) struct Outcome {
    pub(super) decision: Decision,
    /// The budget whose step decided.
    pub(super) rule: Option<String>,
    /// The cheaper model, if one serves.
    pub(super) served_model: Option<String>,
    /// The output bound put in place, if one is.
    pub(super) output_bound: Option<u64>,
    /// The effort of reasoning put in place, if one is.
    pub(super) effort: Option<Effort>,
    /// How long the call waits before it goes on.
    pub(super) delay: Option<Delay>,
    /// The budget that holds it back, by its place in the plan.
    delayed: Option<usize>,
    /// The price of what is used beyond a step, for the caller's program.
    pub(super) overage_terms: Vec<String>,
    /// The budget that downgraded, and the sentence that says so.
    downgraded: Option<(String, String)>,
    /// The budget that clamps, and the sentence that says so.
    clamped: Option<(String, String)>,
    /// The budgets that warn, and their sentences.
    warnings: Vec<(String, String)>,
    /// The budgets that charge for more, and their sentences.
    overages: Vec<(String, String)>,
    /// The route that changed something, and the sentence that says so.
    pub(super) routed: Option<(String, String)>,
    /// The budget that slows down, and the sentence that says so.
    slowed: Option<(String, String)>,
    /// Each enforced budget as the caller is told of it.
    pub(super) states: Vec<BudgetState>,
    /// What budgets in shadow mode would have done: rule and decision.
    pub(super) shadow: Vec<(String, Decision)>,
    /// What those of them would have changed that let the call pass.
    pub(super) would: Vec<(String, Would)>,
    /// What is left of budgets in shadow mode, with this call.
    pub(super) shadow_headroom: Vec<(String, Meter, Amount)>,
    /// Why a step could not be carried out.
    pub(super) skipped: Vec<String>,
}

impl Outcome {
    /// The strictest of what was noted, and the budget that said it first.
    pub(super) fn settle_decision(&mut self) {
        let strictest = [
            (Decision::Downgrade, self.downgraded.as_ref()),
            (Decision::Clamp, self.clamped.as_ref()),
            (Decision::Route, self.routed.as_ref()),
            (Decision::Delay, self.slowed.as_ref()),
            (Decision::Overage, self.overages.first()),
            (Decision::Warn, self.warnings.first()),
        ];
        let strictest = strictest.into_iter().find_map(|(decision, by)| Some((decision, by?)));
        let (decision, rule) = strictest.map_or((Decision::Allow, None), |(d, (rule, _))| (d, Some(rule)));
        self.decision = decision;
        self.rule = rule.cloned();
    }

    /// What each enforced rule said, short of a refusal.
    pub(super) fn said(&self) -> impl Iterator<Item = (&str, Decision)> {
        let warned = self.warnings.iter().map(|by| (by, Decision::Warn));
        let charged = self.overages.iter().map(|by| (by, Decision::Overage));
        let slowed = self.slowed.iter().map(|by| (by, Decision::Delay));
        let routed = self.routed.iter().map(|by| (by, Decision::Route));
        let clamped = self.clamped.iter().map(|by| (by, Decision::Clamp));
        let downgraded = self.downgraded.iter().map(|by| (by, Decision::Downgrade));
        let all = warned.chain(charged).chain(slowed).chain(routed).chain(clamped).chain(downgraded);
        all.map(|((rule, _), decision)| (rule.as_str(), decision))
    }

    /// A rule puts a bound to the answer.
    pub(super) fn clamp(&mut self, rule: &str, bound: u64) {
        if self.output_bound.is_none_or(|other| bound < other) {
            self.clamped = Some((rule.to_owned(), format!("{}.", bound_told(bound))));
            self.output_bound = Some(bound);
            self.settle_decision();
        }
    }

    /// What the request should have said could not be put in place: nothing says that it holds.
    pub(super) fn undo_edits(&mut self) {
        self.served_model = None;
        self.output_bound = None;
        self.effort = None;
        self.downgraded = None;
        self.clamped = None;
        self.routed = None;
        self.settle_decision();
    }

    /// What the caller is told, as one line.
    pub(super) fn told(&self) -> String {
        // Who is downgraded is not told of a model that does not serve either.
        let routed = self.routed.as_ref().filter(|_| self.downgraded.is_none());
        let done = self.slowed.iter().chain(&self.clamped).chain(&self.downgraded).chain(routed);
        let sentences =
            self.warnings.iter().chain(&self.overages).chain(done).map(|(_, sentence)| sentence.as_str());
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
            budget.ladder.iter().filter(decides).any(|step| {
                let by_count = || match step.action {
                    Action::Clamp { bound: Some(Bound::Remaining { .. }), .. } => true,
                    Action::Downgrade { list } => self.may_be_too_long(&self.policy, list, bound),
                    _ => false,
                };
                (least..=most).contains(&step.at) || (most >= step.at && by_count())
            })
        })
    }

    /// Whether a call that was refused by its estimate might go through once it is counted.
    pub(super) fn may_fit(&self, denied: &Denied) -> bool {
        let planned = self.plan.get(denied.index).filter(|_| self.prompt_bound.is_some());
        let budget = planned.and_then(|planned| self.policy.budgets.get(planned.budget));
        let (Some(planned), Some(budget), Some(level)) = (planned, budget, denied.level) else {
            return false;
        };
        let least = self.usage_with(0);
        let least = held(budget.meter, least, self.asked_quote().price.cost(least));
        planned.hold.cap.is_some_and(|cap| level.total().saturating_add(least) <= cap)
    }

    /// All holds are taken: climbs each ladder. Of those that refuse, the one that lasts longest decides.
    pub(super) fn conclude(&mut self, now: EpochMs) -> Next {
        let policy = self.policy.clone();
        let last = self.will_serve(&policy);
        let plan = std::mem::take(&mut self.plan);
        let mut refusals = Vec::new();
        for (index, planned) in plan.iter().enumerate() {
            let refusal = self.weigh(&policy, index, planned, last.as_deref(), now);
            refusals.extend(refusal.map(|refusal| (index, refusal)));
        }
        // Nobody is asked to confirm what is refused then.
        let rank = |(index, refusal): &(usize, Refusal)| {
            let place = self.order.iter().position(|place| place == index);
            (refusal.kind == RefusalKind::Confirm, place)
        };
        let refused = refusals.into_iter().min_by_key(rank).map(|(_, refusal)| refusal);
        self.plan = plan;
        if let Some(refusal) = refused {
            self.give_back();
            return self.refuse(&refusal, now);
        }
        self.tell_of_running();
        let Some(delay) = self.outcome.delay else { return self.forward() };
        self.state = State::Delayed;
        Next::Delay(now.plus_ms(delay.ms))
    }

    /// Calls that run are never settled: operators are told when one begins.
    fn tell_of_running(&mut self) {
        let told = |planned: &Planned| {
            let before = planned.reserved.filter(|_| planned.hold.window == WindowRule::InFlight)?.before;
            self.alerted(planned, before, before.total().saturating_add(planned.hold.amount))
        };
        let mut told = self.plan.iter().filter_map(told).collect();
        self.owed.append(&mut told);
    }

    /// What one budget says of the call: a refusal, or what is noted in the outcome.
    /// `last`: the model that will serve by what all of them say, where a bound depends on it.
    fn weigh(
        &mut self,
        policy: &Policy,
        index: usize,
        planned: &Planned,
        last: Option<&str>,
        now: EpochMs,
    ) -> Option<Refusal> {
        let budget = policy.budgets.get(planned.budget)?;
        let reserved = planned.reserved.filter(|reserved| reserved.receipt.is_some())?;
        let reach = Reach::of(planned, reserved.before.total());
        let Reach { before, held: with_hold, .. } = reach;
        let serving = Serving { now: self.outcome.served_model.as_deref(), last };
        let mut climb = self.climb(policy, budget, planned, reach, serving);
        self.reduced.keep(&mut climb, planned.budget);
        if budget.shadow || self.exempt {
            // Enforced, it would hold by what its ladder puts in place.
            let needs = self.needs_by(planned, budget.meter, &climb).filter(|_| climb.deny.is_some());
            if let Some(needs) = needs {
                let reach = Reach { held: before.saturating_add(needs), ..reach };
                climb = self.climb(policy, budget, planned, reach, serving);
            }
            if budget.shadow {
                let left = budget.affordable().saturating_sub(reach.held);
                self.outcome.shadow_headroom.push((budget.name.clone(), budget.meter, left));
            }
            let decision = climb.decision.max(climb.shadow);
            let model = climb.serve.map(|serve| serve.model);
            let would = Would { model, bound: climb.clamp.bound }.and(climb.would);
            self.note_shadow(budget, decision, would);
            return None;
        }
        self.note_shadow(budget, climb.shadow, std::mem::take(&mut climb.would));
        self.outcome.skipped.extend(climb.skipped.clone());
        if let Some((refusal, alert)) = self.refused_by(&climb, budget, planned, reserved.before, now) {
            self.owed.extend(alert);
            return Some(refusal);
        }
        if let Some(confirm) = climb.confirm {
            let missing = with_hold.saturating_sub(budget.limit).max(0);
            let state = BudgetState::new(budget, &planned.open, before, (missing, reserved.before), now);
            let comes_to = self.comes_to(&climb, planned.budget);
            let needed = held(budget.meter, comes_to.0, comes_to.1);
            let mut says = state.message(&confirm.message, &self.told(budget, needed, now));
            if is_english(&says.1) {
                let priced = overages_told(budget.meter, &climb.overages);
                let serves = climb.serve.map(|serve| format!("{} answers", serve.model));
                let ends = climb.clamp.bound.map(bound_told);
                for told in priced.into_iter().chain(serves).chain(ends) {
                    says.0 += &format!(" {told}.");
                }
            }
            let asked = self.ask(&budget.name, confirm, says, comes_to, now);
            return Some(Refusal { budget: Some(state), ..asked });
        }
        let missing = with_hold.saturating_sub(budget.limit).max(0);
        let state = BudgetState::new(budget, &planned.open, with_hold, (missing, reserved.before), now);
        let state = state.until_refused(budget.cap());
        if let Some(delay) = climb.delay.filter(|d| self.outcome.delay.is_none_or(|other| d.ms > other.ms)) {
            self.outcome.delay = Some(delay);
            self.outcome.delayed = Some(index);
            let told = match planned.open.rule {
                // It refills all the time: when a call waits no longer depends on those that come.
                WindowRule::Refill { .. } => "Calls are slowed down to what the quota refills.".to_owned(),
                _ => format!("Calls are slowed down until {}.", until(&state)),
            };
            self.outcome.slowed = Some((budget.name.clone(), told));
        }
        self.note(budget, &climb, &state, planned.hold.amount, now);
        self.outcome.states.push(state);
        None
    }

    fn note_shadow(&mut self, budget: &Budget, decision: Decision, would: Would) {
        if decision > Decision::Allow {
            self.outcome.shadow.push((budget.name.clone(), decision));
        }
        if !would.is_nothing() {
            self.outcome.would.push((budget.name.clone(), would));
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
        if let Some(Action::Warn { message, .. }) = climb.warn {
            let told = self.told(budget, needed, now);
            let (message, _) = state.message(message, &told);
            self.outcome.warnings.push((budget.name.clone(), message));
        }
        if let Some(told) = overages_told(budget.meter, &climb.overages) {
            let told = format!("{told} until {}.", until(state));
            self.outcome.overages.push((budget.name.clone(), told));
            self.outcome.overage_terms.extend(overage_terms(&budget.name, budget.meter, &climb.overages));
        }
        self.note_clamp(budget, climb, state);
        if let Some(Serve { model, bound, effort }) = &climb.serve {
            let lowest = |bound: &u64| self.outcome.output_bound.is_none_or(|other| *bound < other);
            if let Some(bound) = bound.filter(lowest) {
                self.outcome.output_bound = Some(bound);
            }
            self.outcome.effort = self.outcome.effort.into_iter().chain(*effort).min();
            let asked = self.asked_model();
            let told = format!("{model} answers instead of {asked} until {}.", until(state));
            self.outcome.downgraded = Some((budget.name.clone(), told));
            self.outcome.served_model = Some(model.clone());
        }
        self.outcome.settle_decision();
    }

    fn note_clamp(&mut self, budget: &Budget, climb: &Climb<'_>, state: &BudgetState) {
        let lowest = |bound: &u64| self.outcome.output_bound.is_none_or(|other| *bound < other);
        if let Some(bound) = climb.clamp.bound.filter(lowest) {
            let told = format!("{} until {}.", bound_told(bound), until(state));
            self.outcome.clamped = Some((budget.name.clone(), told));
            self.outcome.output_bound = Some(bound);
        }
        self.leave_unstated(climb.clamp.unstated);
        let lowest = |effort: &Effort| self.outcome.effort.is_none_or(|other| *effort < other);
        if let Some(effort) = climb.clamp.effort.filter(lowest) {
            let told = format!("Reasoning effort is {} until {}.", effort.name(), until(state));
            let clamped = self.outcome.clamped.take();
            let clamped = clamped.map(|(rule, before)| (rule, format!("{before} {told}")));
            self.outcome.clamped = Some(clamped.unwrap_or_else(|| (budget.name.clone(), told)));
            self.outcome.effort = Some(effort);
        }
    }

    /// [`Next::Delay`] cannot be done: this host cannot resume a request, or too many wait already. The client is
    /// sent back to wait there, for whole seconds; who has waited goes on.
    pub fn cannot_delay(&mut self, now: EpochMs) -> Next {
        if self.state != State::Delayed {
            return Next::Nothing;
        }
        let policy = self.policy.clone();
        let planned = self.outcome.delayed.and_then(|index| self.plan.get(index));
        let sent_back = planned.and_then(|planned| {
            let ms = self.outcome.delay?.sent_back(planned.hold.key.tag, now)?;
            let budget = policy.budgets.get(planned.budget)?;
            let level = planned.reserved?.before;
            let mut state = BudgetState::new(budget, &planned.open, level.total(), (0, level), now);
            state.resets_at = Some(now.plus_ms(ms));
            Some(state)
        });
        self.outcome.delay = None;
        let Some(state) = sent_back else {
            self.outcome.slowed = None;
            self.outcome.settle_decision();
            return self.forward();
        };
        let seconds = state.resets_at.map_or(1, |at| now.seconds_until(at));
        let message = format!(
            "Calls are slowed down: you've used {}% of {}AI quota. Try again in {}.",
            state.percent(),
            state.period_text(),
            crate::policy::duration_text(seconds)
        );
        self.give_back();
        self.refuse(&Refusal { budget: Some(state), ..Refusal::other(RefusalKind::Rate, message) }, now)
    }

    /// What sentences say of this call.
    pub(super) fn told<'c>(&'c self, budget: &'c Budget, needed: Amount, now: EpochMs) -> Told<'c> {
        Told {
            budget,
            needed,
            model: self.asked_model(),
            accepted: &self.accepted,
            unread: self.replies_unread,
            now,
        }
    }

    /// Operators are told of a budget's refusals: those begin before all is used, for a call that needs more than is left
    /// is refused. Not while more than a tenth is left: who asks for very much at once says nothing of what is used, and
    /// would silence what is told of the window later.
    pub(super) fn alert_of_refusal(&self, told: &Told<'_>, planned: &Planned, level: Level) -> Option<Owed> {
        let deny = told.budget.deny().filter(|deny| deny.alert.is_some())?;
        let nearly = deny.at.saturating_sub(told.budget.limit / 10);
        // What counts calls is as little as a call can be.
        let is_told = told.budget.meter.counts_calls() || level.total() >= nearly;
        is_told.then(|| self.alerted(planned, level, deny.at)).flatten()
    }

    /// The store refused a hold.
    pub(super) fn denied(&mut self, denied: &Denied, now: EpochMs) -> Next {
        let policy = self.policy.clone();
        if let Some(next) = self.token_was_used(denied.index, denied.level, now) {
            return next;
        }
        let planned = self.plan.get(denied.index);
        let met = planned.and_then(|planned| Some((planned, policy.budgets.get(planned.budget)?)));
        let Some((planned, budget)) = met else {
            if denied.level.is_none() {
                return self.table_is_full(now);
            }
            return self.fail("the store refused a hold that was not asked for", now);
        };
        let deny = budget.deny();
        let (Some(level), Some(deny)) = (denied.level, deny) else {
            return self.table_is_full(now);
        };
        let needed = self.least_needed(planned, budget, planned.hold.amount);
        let told = self.told(budget, needed, now);
        let cap = planned.hold.cap.unwrap_or(budget.limit);
        let refusal = self.refusal(&told, planned, level, &deny.action, cap);
        let alert = self.alert_of_refusal(&told, planned, level);
        let (longer, its_alert) = self.refused_by_longer(denied, now).unzip();
        self.owed.extend(its_alert.flatten().into_iter().chain(alert));
        self.refuse(longer.as_ref().unwrap_or(&refusal), now)
    }

    /// What a ladder refuses that a hold went through, and what operators are told of it.
    fn refused_by(
        &self,
        climb: &Climb<'_>,
        budget: &Budget,
        planned: &Planned,
        level: Level,
        now: EpochMs,
    ) -> Option<(Refusal, Option<Owed>)> {
        let deny = climb.deny?;
        let needed = self.least_needed(planned, budget, planned.hold.amount.max(planned.expected));
        let told = self.told(budget, needed, now);
        let refusal = self.refusal(&told, planned, level, deny, climb.denies_beyond);
        Some((refusal, self.alert_of_refusal(&told, planned, level)))
    }

    /// The refusal of a budget whose window lasts longer than that of the one that refused a hold: its own had been
    /// taken, and it refuses in the place of a step that cannot be carried out.
    fn refused_by_longer(&self, denied: &Denied, now: EpochMs) -> Option<(Refusal, Option<Owed>)> {
        let taken = self.in_order().zip(&denied.taken).filter(|(_, reserved)| reserved.receipt.is_some());
        let last = self.reduced.serve.as_ref().map(|(serve, _)| serve.model.as_str());
        taken.into_iter().find_map(|(planned, reserved)| {
            let budget = self.policy.budgets.get(planned.budget).filter(|budget| !budget.shadow)?;
            let reach = Reach::of(planned, reserved.before.total());
            let climb = self.climb(&self.policy, budget, planned, reach, Serving { now: None, last });
            self.refused_by(&climb, budget, planned, reserved.before, now)
        })
    }

    fn table_is_full(&mut self, now: EpochMs) -> Next {
        if self.exempt {
            return self.forward();
        }
        let message = "Budgets can't be checked right now: too many users at once. Try again in a moment.";
        self.failure = Some("the table of budgets is full; raise `table_slots`".to_owned());
        self.refuse(&Refusal::other(RefusalKind::Unavailable, message.to_owned()), now)
    }
}
