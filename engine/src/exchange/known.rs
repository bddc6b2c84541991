//! A call of which the facts are known and the bytes are not, such as a line of a log or of a trace; and what an
//! observer may ask of any call. Called by replays and tests. Decides nothing: every step is the one that the
//! proxy's calls take.

use super::{Decision, Exchange, Next, State, UsageSource};
use crate::dialect::{Facts, ModelAt, Room};
use crate::ledger::Hold;
use crate::policy::Budget;
use crate::price::Quote;
use crate::units::{EpochMs, NanoUsd};
use crate::usage::{AnswerReader, Served, Usage};
use std::rc::Rc;

/// What was asked for, and what serves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ServedBy<'a> {
    /// The model asked for; empty if the body was not read.
    pub asked: &'a str,
    /// The model that serves.
    pub served: &'a str,
    /// The output tokens of all choices together, where a bound was put in place.
    pub output_max: Option<u64>,
    /// The service tier that a route puts in the place of the request's.
    pub service_tier: Option<&'static str>,
}

impl Facts {
    /// What is known of a call without its body. A downgrade and a clamp find a place, as they do in almost every
    /// body: their edits are not to be carried out.
    #[must_use]
    pub fn without_body(model: String, output_bound: Option<u64>) -> Self {
        let room = Room { range: 0..0, before: String::new(), after: String::new() };
        Self {
            model,
            model_at: ModelAt::Body(0..0),
            output_bound,
            output_bound_room: Some(room.clone()),
            service_tier_at: Some(room),
            choices: 1,
            ..Self::default()
        }
    }
}

impl Exchange {
    /// In the place of [`Exchange::body`]: the facts, and how many tokens the prompt has.
    pub fn known(&mut self, facts: Facts, prompt_tokens: u64, now: EpochMs) -> Next {
        if self.state != State::Reading {
            return Next::Nothing;
        }
        self.identity.complete(&facts.pointed);
        self.prompt_tokens = prompt_tokens;
        self.facts = Some(facts);
        self.look(now).unwrap_or_else(|| self.meter(now))
    }

    /// What was expected of its answer when it was recorded: its holds come to the same again.
    pub const fn expects_output(&mut self, tokens: u64) {
        self.recorded_output = Some(tokens);
    }

    /// Whether its body was read. What refuses by the headers reads none.
    #[must_use]
    pub const fn is_read(&self) -> bool {
        self.facts.is_some()
    }

    /// Replies need no words: nobody reads them.
    pub const fn replies_are_unread(&mut self) {
        self.replies_unread = true;
    }

    /// In the place of [`Exchange::answer_head`] and [`Exchange::answer_chunk`], before [`Exchange::end_known`].
    pub const fn answered(&mut self, status: u16) {
        self.status = status;
    }

    /// In the place of [`Exchange::end`]: the call is over, whole if it is `complete`, was answered by `served`, and used
    /// this, which is known from `source`.
    pub fn end_known(
        &mut self,
        used: (Usage, UsageSource),
        served: Served,
        complete: bool,
        now: EpochMs,
    ) -> Option<super::Settlement> {
        let state = std::mem::replace(&mut self.state, State::Ended);
        if state == State::Ended {
            return None;
        }
        let nothing = (Usage::default(), UsageSource::None);
        let used = if state == State::Forwarded { used } else { nothing };
        Some(self.settled(state, complete, used, served, now))
    }

    /// The budgets that the call meets, each with what it holds there, in the policy's order.
    pub fn met(&self) -> impl Iterator<Item = (&Budget, &Hold)> {
        let planned = self.plan.iter();
        planned.filter_map(|planned| Some((self.policy.budgets.get(planned.budget)?, &planned.hold)))
    }

    /// What each rule said of the call, if not to let it pass, those in shadow mode last.
    #[must_use]
    pub fn said(&self) -> Vec<(&str, Decision)> {
        let mut said: Vec<_> = self.outcome.said().collect();
        if let (Decision::Confirm, Some(rule)) = (self.outcome.decision, &self.outcome.rule) {
            said = vec![(rule, Decision::Confirm)];
        }
        if let (Decision::Deny, Some(rule)) = (self.outcome.decision, &self.outcome.rule) {
            said = vec![(rule, Decision::Deny)];
        }
        said.extend(self.outcome.shadow.iter().map(|(rule, decision)| (rule.as_str(), *decision)));
        said
    }

    /// What was asked for, and what serves.
    #[must_use]
    pub fn served_by(&self) -> ServedBy<'_> {
        let choices = self.facts.as_ref().map_or(1, |facts| facts.choices);
        ServedBy {
            asked: self.asked_model(),
            served: self.served_model(),
            output_max: self.outcome.output_bound.map(|bound| bound.saturating_mul(choices)),
            service_tier: self.routing.service_tier,
        }
    }

    /// Who calls, completed by what the body says.
    #[must_use]
    pub const fn identity(&self) -> &crate::policy::Identity {
        &self.identity
    }

    /// Who serves, as the price book names it; empty if unknown.
    #[must_use]
    pub fn served_at(&self) -> &str {
        self.provider().unwrap_or_default()
    }

    /// Why steps were not carried out, and what failed.
    pub fn troubles(&self) -> impl Iterator<Item = &str> {
        self.outcome.skipped.iter().chain(&self.failure).chain(&self.unread).map(String::as_str)
    }

    /// The rule that decided, if one did.
    #[must_use]
    pub fn rule(&self) -> Option<&str> {
        self.outcome.rule.as_deref()
    }

    /// The rule of `routes` that chooses for it; empty if none does.
    #[must_use]
    pub fn route(&self) -> &str {
        self.routing.rule.as_deref().unwrap_or_default()
    }

    /// What is expected before the call: its prompt, and the output that its hold assumes.
    #[must_use]
    pub fn expects(&self) -> Usage {
        self.held_usage(self.expected_usage())
    }

    /// The price of the model asked for, if `served` answers: what this call costs if it goes through as it is.
    #[must_use]
    pub fn price_as_asked(&self, served: &Served) -> Rc<Quote> {
        let mut served = served.clone();
        if let (Some(facts), "" | "auto") = (&self.facts, served.service_tier.as_str()) {
            // Not as a route has it.
            let stated = !matches!(facts.service_tier.as_str(), "" | "auto");
            served.service_tier = if stated { facts.service_tier.clone() } else { "default".to_owned() };
        }
        self.quote_for(self.asked_model(), &served)
    }

    /// The price of the model that serves, if `served` answers.
    #[must_use]
    pub fn price_as_served(&self, served: &Served) -> Rc<Quote> {
        self.quote_for(self.served_model(), served)
    }

    /// What a usage costs by this price, or by what `served` says that the provider charged for it.
    #[must_use]
    pub fn cost_known(&self, quote: &Quote, usage: Usage, served: &Served) -> NanoUsd {
        self.billed(quote, served).unwrap_or_else(|| self.cost_at(&quote.price, usage, served))
    }

    /// What a recorded answer to this call used, whole if it is `complete`, and how that is known. The call itself is not
    /// changed.
    #[must_use]
    pub fn used_by(&self, reader: AnswerReader, status: u16, complete: bool) -> (Usage, UsageSource) {
        self.used_of(Some(reader), status, complete)
    }

    /// How much of what its stream used came before it was stopped, had it used this in all, and the budget that stops
    /// it; `None` if it goes on to its end.
    #[must_use]
    pub fn stopped_after(&self, usage: Usage, served: &Served) -> Option<(Usage, &str)> {
        self.stopped_in(usage, served).map(|(usage, budget)| (usage, budget.name.as_str()))
    }

    /// The budget that has ended its stream.
    #[must_use]
    pub fn stopped_by_budget(&self) -> Option<&str> {
        self.stopped_by().map(|budget| budget.name.as_str())
    }

    /// Its stream has used this: what budgets in shadow mode say of that is part of [`Exchange::said`] from here on.
    pub fn streamed(&mut self, usage: Usage, cost: NanoUsd) {
        self.note_unstopped(usage, cost);
    }

    /// A reader of this call's answer.
    #[must_use]
    pub fn reader(&self, content_type: &[u8], encoded: bool) -> AnswerReader {
        AnswerReader::new(self.route.dialect, content_type, encoded, self.asked_model())
    }
}
