//! What one ladder says of a call: which of its steps apply, and whether they can be carried out.
//!
//! [`super::conclude`] asks for every budget and makes one outcome of the answers; nothing is changed here.

use super::plan::Planned;
use super::shadowed::Would;
use super::{Decision, Exchange};
use crate::dialect::{Edits, Features};
use crate::ledger::WindowRule;
use crate::policy::{Action, Bound, Budget, Cheaper, Confirm, Downgrade, Effort, Overage, Policy, Step};
use crate::price::{Quote, Unit};
use crate::units::{Amount, EpochMs, Meter};
use crate::usage::{Served, Usage};

/// What one ladder says of a call.
#[derive(Default)]
pub(super) struct Climb<'p> {
    pub(super) decision: Decision,
    pub(super) warn: Option<&'p Action>,
    /// Those that this call pays, from the lowest on, each with where it begins.
    pub(super) overages: Vec<(Amount, &'p Overage)>,
    pub(super) delay: Option<Delay>,
    pub(super) clamp: Clamp,
    pub(super) serve: Option<Serve>,
    pub(super) confirm: Option<&'p Confirm>,
    pub(super) deny: Option<&'p Action>,
    /// The amount beyond which that refuses.
    pub(super) denies_beyond: Amount,
    pub(super) skipped: Option<String>,
    /// What steps in shadow mode would have done.
    pub(super) shadow: Decision,
    /// And changed.
    pub(super) would: Would,
}

/// What a call meets in one budget.
#[derive(Clone, Copy)]
pub(super) struct Reach {
    /// Settled, and held by others.
    pub(super) before: Amount,
    /// With what this call is expected to use.
    pub(super) after: Amount,
    /// With what it holds: less than that where only a shorter answer fits.
    pub(super) held: Amount,
}

impl Reach {
    /// Of a call whose hold was taken when so much stood.
    pub(super) const fn of(planned: &Planned, before: Amount) -> Self {
        let after = before.saturating_add(planned.expected);
        Self { before, after, held: before.saturating_add(planned.hold.amount) }
    }
}

/// The model that serves instead of the one asked for.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Serving<'a> {
    /// By what the budgets before have said.
    pub(super) now: Option<&'a str>,
    /// By what all of them will have said.
    pub(super) last: Option<&'a str>,
}

/// What an answer is shortened to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Clamp {
    pub(super) bound: Option<u64>,
    /// What need not be stated, as the model that serves has no more.
    pub(super) unstated: Option<u64>,
    pub(super) effort: Option<Effort>,
}

impl Clamp {
    pub(super) const fn is_some(self) -> bool {
        self.bound.is_some() || self.effort.is_some()
    }

    /// The shorter of both: every step that is passed applies.
    fn and(self, other: Self) -> Self {
        let bound = self.bound.into_iter().chain(other.bound).min();
        let unstated = self.unstated.into_iter().chain(other.unstated).min();
        Self { bound, unstated, effort: self.effort.into_iter().chain(other.effort).min() }
    }
}

/// Who answers instead.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Serve {
    pub(super) model: String,
    /// The most output that it has, where the request states more.
    pub(super) bound: Option<u64>,
    /// The effort that it takes, where the request states one that it does not.
    pub(super) effort: Option<Effort>,
}

/// How long a call waits before it goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Delay {
    pub(super) ms: i64,
    pub(super) up_to_ms: i64,
}

impl Delay {
    /// Where a call cannot wait here, it is sent back to wait there: for how long still, if at all.
    ///
    /// Time is cut into turns twice as long as the longest delay, in whole seconds. A turn begins with the delay of
    /// this call, in which such calls are sent back, and after it they go on: whoever comes again when told goes on.
    /// Subjects begin their turns at different times.
    pub(super) fn sent_back(self, tag: u64, now: EpochMs) -> Option<i64> {
        let turn = self.up_to_ms.saturating_add(999).saturating_div(1_000).saturating_mul(2_000);
        let shift = i64::try_from(tag % 1_000_003).unwrap_or(0);
        let into = now.0.saturating_add(shift).checked_rem_euclid(turn)?;
        Some(self.ms.saturating_sub(into)).filter(|left| *left > 0)
    }
}

impl Action {
    /// What is decided where this applies.
    pub(crate) const fn decision(&self) -> Decision {
        match self {
            Self::Warn { .. } => Decision::Warn,
            Self::Overage(_) => Decision::Overage,
            Self::Delay { .. } => Decision::Delay,
            Self::Clamp { .. } => Decision::Clamp,
            Self::Downgrade { .. } => Decision::Downgrade,
            Self::Confirm(_) => Decision::Confirm,
            Self::Deny { .. } => Decision::Deny,
            Self::Alert => Decision::Allow,
        }
    }
}

impl Exchange {
    /// Which steps of a ladder apply. A step that cannot be carried out makes the next one apply, as does an overage
    /// that has come to its end; a refusal only once the limit is passed.
    pub(super) fn climb<'p>(
        &self,
        policy: &'p Policy,
        budget: &'p Budget,
        planned: &Planned,
        reach: Reach,
        serving: Serving<'_>,
    ) -> Climb<'p> {
        let mut climb = Climb::default();
        let mut fell = false;
        // Which of the warnings that are given once were given, a bit each.
        let mut warned = planned.reserved.map_or(0, |reserved| reserved.before.warned);
        // What is for operators alone changes no call.
        let steps = budget.ladder.iter().filter(|step| !matches!(step.action, Action::Alert));
        for step in steps {
            // What restricts goes by what was asked for; what is told or charged, by what comes of it.
            let (after, restricts) = match step.action {
                Action::Deny { .. } => (reach.held, true),
                Action::Warn { .. } => (reach.after.min(reach.held), false),
                Action::Overage(_) => (self.comes_to_by(planned, budget.meter, &climb, reach), false),
                _ => (reach.after, true),
            };
            // A warning comes as soon as the threshold is reached; what restricts, only beyond it.
            let reached =
                if matches!(step.action, Action::Warn { .. }) { after >= step.at } else { after > step.at };
            if step.shadow {
                let would =
                    if reached { self.would(policy, budget, &step.action, reach, serving) } else { None };
                if let Some(would) = would {
                    climb.shadow = climb.shadow.max(step.action.decision());
                    climb.would = std::mem::take(&mut climb.would).and(would);
                }
                continue;
            }
            // In the place of a step that cannot be carried out, nothing is refused that still has a budget.
            let replaces = fell && (after > budget.limit || !matches!(step.action, Action::Deny { .. }));
            if !reached && !replaces {
                if restricts {
                    break;
                }
                continue;
            }
            fell = false;
            match &step.action {
                Action::Warn { once: true, .. } => {
                    if warned & 1 == 0 {
                        climb.warn = Some(&step.action);
                    }
                    warned >>= 1;
                }
                Action::Warn { .. } => climb.warn = Some(&step.action),
                Action::Overage(overage) => {
                    climb.pays(reach, step.at, overage);
                    fell = overage.end(step.at).is_some_and(|end| reach.held > end);
                }
                Action::Delay { up_to_ms } => {
                    let delay = delay(budget, planned, step, *up_to_ms, reach.after);
                    climb.delay = climb.delay.filter(|other| other.ms >= delay.ms).or(Some(delay));
                }
                Action::Clamp { bound, effort } => {
                    let serve = climb.serve.as_ref().map(|serve| serve.model.as_str());
                    let serve = serving.last.or(serve).or(serving.now);
                    match self.shorter(budget, (*bound, *effort), reach, serve) {
                        Ok(clamp) => climb.clamp = climb.clamp.and(clamp),
                        Err(why) => fell = self.skip(&mut climb, budget, &why),
                    }
                }
                Action::Downgrade { list } => match self.cheaper(policy, *list, serving) {
                    // What is cheaper as it is stays as it is.
                    Ok(Some(serve)) => match self.stays_served(&serve.model) {
                        Some(why) => climb.skipped = Some(format!("{}: {why}", budget.name)),
                        None => climb.serve = Some(serve),
                    },
                    Ok(None) => {}
                    Err(why) => fell = self.skip(&mut climb, budget, &why),
                },
                Action::Confirm(_) if self.is_confirmed() => {}
                Action::Confirm(confirm) => match self.can_be_confirmed() {
                    Ok(()) => climb.confirm = Some(confirm),
                    Err(why) => fell = self.skip(&mut climb, budget, &why),
                },
                Action::Deny { .. } => {
                    climb.deny = Some(&step.action);
                    climb.denies_beyond = if reached { step.at } else { budget.limit };
                }
                Action::Alert => {}
            }
        }
        climb.decide();
        climb
    }

    /// What stands with what this call comes to by the steps before.
    fn comes_to_by(&self, planned: &Planned, meter: Meter, climb: &Climb<'_>, reach: Reach) -> Amount {
        let needs = self.needs_by(planned, meter, climb).map(|needs| reach.before.saturating_add(needs));
        needs.into_iter().fold(reach.after.min(reach.held), Amount::min)
    }

    /// What a step would change; `None` if it would do nothing.
    fn would(
        &self,
        policy: &Policy,
        budget: &Budget,
        action: &Action,
        reach: Reach,
        serving: Serving<'_>,
    ) -> Option<Would> {
        match action {
            Action::Clamp { bound, effort } => {
                let clamp = self.shorter(budget, (*bound, *effort), reach, serving.now);
                clamp
                    .ok()
                    .filter(|clamp| clamp.is_some())
                    .map(|clamp| Would { model: None, bound: clamp.bound })
            }
            Action::Downgrade { list } => {
                let serve = self.cheaper(policy, *list, serving).ok().flatten();
                let serve = serve.filter(|serve| self.stays_served(&serve.model).is_none())?;
                Some(Would { model: Some(serve.model), bound: None })
            }
            Action::Confirm(_) if self.is_confirmed() => None,
            _ => Some(Would::default()),
        }
    }

    /// Notes a step that cannot be carried out; whether the next one applies in its place.
    fn skip(&self, climb: &mut Climb<'_>, budget: &Budget, why: &str) -> bool {
        climb.skipped = Some(format!("{}: {why}", budget.name));
        // A body that was not seen says nothing against its sender: only what refuses does.
        self.unseen.is_none()
    }

    /// What a clamp puts in place; nothing where the call's own bound and effort are no higher. An effort that the
    /// request does not state is the provider's to choose: it is left out.
    fn shorter(
        &self,
        budget: &Budget,
        (bound, effort): (Option<Bound>, Option<Effort>),
        reach: Reach,
        serve: Option<&str>,
    ) -> Result<Clamp, String> {
        let Some(facts) = &self.facts else {
            return Err("the body could not be read, so its output bound cannot be lowered".to_owned());
        };
        let effort = effort.map(|effort| facts.known_effort(effort));
        let effort = effort.filter(|effort| facts.lower_effort(*effort, &mut Edits::default()));
        let serves = serve.unwrap_or_else(|| self.served_model());
        let effort = effort.map(|effort| self.taken_effort(serves, effort)).transpose()?;
        // A bound must leave room for the thinking that the request asks for, or Anthropic refuses it:
        // <https://docs.claude.com/en/docs/build-with-claude/extended-thinking#max-tokens-and-context-window-size>.
        let thinking = facts.thinking_budget.unwrap_or(0);
        let bound = match bound {
            None => None,
            Some(Bound::Tokens(tokens)) => Some((tokens.saturating_add(thinking), 0)),
            Some(Bound::Remaining { at_least }) => {
                let affords = self.affords(budget, reach.before, serve);
                affords.map(|tokens| (tokens, at_least.saturating_add(thinking)))
            }
        };
        // What the request allows itself is no more than that.
        let bound = bound.filter(|(bound, _)| facts.output_bound.is_none_or(|asked| asked > *bound));
        if let Some((bound, least)) = bound.filter(|(bound, least)| bound < least) {
            return Err(format!("{bound} tokens of output remain, and {least} are the least"));
        }
        // A hold of more than the model has is made to fit by a bound all the same.
        let (bound, unstated) = match bound.map(|(bound, _)| (bound, self.ends_anyhow(bound, serves))) {
            Some((bound, Some(most))) if bound < self.expected_output() => (Some(most), None),
            Some((bound, Some(_))) => (None, Some(bound)),
            other => (other.map(|(bound, _)| bound), None),
        };
        let clamp = Clamp { bound, unstated, effort };
        if clamp.is_some() && !self.body_editable {
            return Err("this proxy cannot change request bodies".to_owned());
        }
        if clamp.bound.is_some_and(|bound| !facts.set_output_bound(bound, &mut Edits::default())) {
            return Err("this request has no place for an output bound".to_owned());
        }
        Ok(clamp)
    }

    /// The output tokens of one answer that the rest of a budget pays for; `None` if any number.
    fn affords(&self, budget: &Budget, before: Amount, serve: Option<&str>) -> Option<u64> {
        let quote = serve.map(|model| self.quote_for(model, &Served::default()));
        let quote = quote.as_deref().unwrap_or_else(|| self.asked_quote());
        let prompt = Usage { input: self.prompt_tokens, ..Usage::default() };
        let all = output_for(budget.meter, budget.affordable().saturating_sub(before), prompt, quote)?;
        let choices = self.facts.as_ref().map_or(1, |facts| facts.choices.max(1));
        all.checked_div(choices)
    }

    /// The model that a downgrade list puts in place; `Ok(None)` if the call has it already.
    fn cheaper(&self, policy: &Policy, list: usize, serving: Serving<'_>) -> Result<Option<Serve>, String> {
        self.can_change_model()?;
        let list = policy.downgrades.get(list).ok_or("no such list")?;
        let serves = serving.now.unwrap_or_else(|| self.served_model());
        match list.cheaper(serves, |model| self.entry_of(model)) {
            // A list that means it by another name does not mean to make it dearer.
            Cheaper::Use(rule) if !rule.names(serves) && self.is_dearer(&rule.to, serves) => Ok(None),
            Cheaper::Use(rule) => self.serve(rule).map(Some),
            Cheaper::Already => Ok(None),
            Cheaper::Unlisted => Err(format!("`{}` names nothing cheaper than `{serves}`", list.name)),
        }
    }

    /// The model that serves instead, if it can do what the request uses. What nobody knows of it is not held
    /// against it.
    pub(super) fn serve(&self, rule: &Downgrade) -> Result<Serve, String> {
        self.is_allowed(&rule.to)?;
        let Some(facts) = &self.facts else { return Err("the body could not be read".to_owned()) };
        let known = self.quote_for(&rule.to, &Served::default()).capability;
        let lacks = known.lacks.without(rule.can).and(rule.cannot).shared_with(facts.features);
        if lacks != Features::default() {
            let lacks = lacks.names().collect::<Vec<_>>().join(", ");
            return Err(format!("`{}` lacks what this request uses: {lacks}", rule.to));
        }
        if facts.has_rare_effort() && !rule.can.contains(Features::EFFORT) {
            return Err(format!("`{}` may not know an effort above `high`", rule.to));
        }
        let effort = self.other_effort(&rule.to)?;
        self.takes_the_rest(&rule.to)?;
        let most = Some(known.max_output).filter(|most| *most > 0);
        let bound = most.filter(|most| facts.output_bound.is_some_and(|asked| asked > *most));
        if bound.is_some_and(|bound| facts.thinking_budget.is_some_and(|thinking| thinking >= bound)) {
            return Err(format!("`{}` answers in less than this request's thinking", rule.to));
        }
        let output = bound.or(facts.output_bound).unwrap_or(0);
        let needs = self.prompt_tokens.saturating_add(output);
        if known.context > 0 && needs > known.context {
            let context = known.context;
            return Err(format!(
                "`{}` has a context of {context} tokens, and this request needs {needs}",
                rule.to
            ));
        }
        if let Some(bound) = bound
            && (!self.body_editable || !facts.set_output_bound(bound, &mut Edits::default()))
        {
            return Err(format!("`{}` has {bound} tokens of output at most", rule.to));
        }
        Ok(Serve { model: rule.to.clone(), bound, effort })
    }

    /// Whether a prompt of so many tokens may be more than the model of a downgrade has room for.
    pub(super) fn may_be_too_long(&self, policy: &Policy, list: usize, prompt: u64) -> bool {
        let list = policy.downgrades.get(list);
        let list = list.map(|list| list.cheaper(self.served_model(), |model| self.entry_of(model)));
        let Some(Cheaper::Use(rule)) = list else { return false };
        let output = self.facts.as_ref().and_then(|facts| facts.output_bound).unwrap_or(0);
        let context = self.quote_for(&rule.to, &Served::default()).capability.context;
        context > 0 && prompt.saturating_add(output) > context
    }
}

impl<'p> Climb<'p> {
    /// Nothing of what this call uses is of a price whose end had been reached before it.
    fn pays(&mut self, reach: Reach, at: Amount, overage: &'p Overage) {
        let goes_on = |end: Amount| reach.before < end;
        self.overages.retain(|(begins, other)| goes_on(at) && other.end(*begins).is_none_or(goes_on));
        self.overages.push((at, overage));
    }

    /// The strictest of what applies.
    pub(super) fn decide(&mut self) {
        self.decision = match () {
            () if self.deny.is_some() => Decision::Deny,
            () if self.confirm.is_some() => Decision::Confirm,
            () if self.serve.is_some() => Decision::Downgrade,
            () if self.clamp.is_some() => Decision::Clamp,
            () if self.delay.is_some() => Decision::Delay,
            () if !self.overages.is_empty() => Decision::Overage,
            () if self.warn.is_some() => Decision::Warn,
            () => Decision::Allow,
        };
    }
}

/// The output tokens of all answers that so much pays for, after this prompt; `None` if any number.
pub(super) fn output_for(meter: Meter, rest: Amount, prompt: Usage, quote: &Quote) -> Option<u64> {
    let rest = rest.max(0);
    match meter {
        Meter::Tokens => Some(meter.count(rest).saturating_sub(prompt.input)),
        Meter::OutputTokens => Some(meter.count(rest)),
        Meter::Usd => {
            let price = &quote.price;
            let rates = [Unit::Output, Unit::Reasoning];
            let rates = rates.map(|unit| price.rate(unit, prompt.input).unwrap_or(0));
            let left = rest.saturating_sub(price.cost(prompt).0).max(0);
            let pico = i128::from(left).saturating_mul(1_000);
            let tokens = pico.checked_div(i128::from(rates.into_iter().max()?))?;
            Some(u64::try_from(tokens).unwrap_or(u64::MAX))
        }
        Meter::InputTokens | Meter::Requests | Meter::RequestsInFlight => None,
    }
}

/// How long a call waits that passes a step: in a bucket until enough has refilled, elsewhere in proportion to how
/// far it is on the way to the next step, or to 100 %.
fn delay(budget: &Budget, planned: &Planned, step: &Step, up_to_ms: i64, after: Amount) -> Delay {
    let beyond = i128::from(after.saturating_sub(step.at).max(0));
    let (times, over) = match planned.open.rule {
        WindowRule::Refill { refill, every_ms } => (every_ms, i128::from(refill)),
        _ => {
            let higher = budget.enforced().map(|step| step.at).chain([budget.limit]);
            let next = higher.filter(|at| *at > step.at).min().unwrap_or(after);
            (up_to_ms, i128::from(next.saturating_sub(step.at)))
        }
    };
    let ms = beyond.saturating_mul(i128::from(times)).checked_div(over).unwrap_or(i128::MAX);
    Delay { ms: i64::try_from(ms).unwrap_or(i64::MAX).clamp(1, up_to_ms.max(1)), up_to_ms }
}
