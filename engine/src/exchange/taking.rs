//! What the model that is to serve takes of a request: efforts of reasoning, and what chooses words. What nobody says of a
//! model is not held against it.

use super::Exchange;
use crate::dialect::{Edits, Facts, Reasoning};
use crate::policy::{Effort, HoldRule};
use crate::usage::Served;

impl Exchange {
    /// The family of a model, if OpenAI or Azure serve it and it reasons. Others serve it by rules of their own.
    pub(super) fn reasoning_of(&self, model: &str) -> Option<&'static Reasoning> {
        let quote = self.quote_for(model, &Served::default());
        let vendor = match quote.entry.split_once('/')?.0 {
            // A price of the policy's own.
            "policy" => self.provider().unwrap_or("openai"),
            vendor => vendor,
        };
        if matches!(vendor, "openai" | "azure") { Reasoning::of(&quote.name) } else { None }
    }

    /// What the price book, or the policy, has a model for: `openai/gpt-4o`; empty if nothing.
    pub(super) fn entry_of(&self, model: &str) -> String {
        self.quote_for(model, &Served::default()).entry.clone()
    }

    /// Whether this call costs more with `one` than with `other`, where both prices are known.
    pub(super) fn is_dearer(&self, one: &str, other: &str) -> bool {
        let usage = self.expected_usage();
        let [one, other] = [one, other].map(|model| self.quote_for(model, &Served::default()));
        one.known && other.known && one.price.cost(usage) > other.price.cost(usage)
    }

    /// The most tokens that an answer of this model has after this prompt, as far as the table knows either.
    fn most_output(&self, model: &str) -> Option<u64> {
        let known = self.quote_for(model, &Served::default()).capability;
        let stated = |tokens: u64| Some(tokens).filter(|tokens| *tokens > 0);
        let room = stated(known.context).map(|context| context.saturating_sub(self.prompt_tokens));
        stated(known.max_output).into_iter().chain(room).min()
    }

    /// The most that an answer has anyhow, where a bound would restrict nothing: the request states none, and the model
    /// that serves has no more. APIs refuse a bound above that ("max_tokens is too large"), and also the most itself
    /// where it is all of the context; so none is put in place.
    pub(super) fn ends_anyhow(&self, bound: u64, model: &str) -> Option<u64> {
        self.facts.as_ref().filter(|facts| facts.output_bound.is_none())?;
        self.most_output(model).filter(|most| bound >= *most)
    }

    /// Notes a bound that need not be stated. What is held of the longest answer is no more.
    pub(super) fn leave_unstated(&mut self, bound: Option<u64>) {
        self.unstated_bound = self.unstated_bound.into_iter().chain(bound).min();
    }

    /// The same of a limit or a route, which comes before anything is held.
    pub(super) fn hold_unstated(&mut self, limit: u64) {
        let bound = self.facts.as_ref().map(|facts| limit.saturating_add(facts.thinking_budget.unwrap_or(0)));
        let most = bound.and_then(|bound| self.ends_anyhow(bound, self.routed_model()));
        if most.is_some() {
            self.output_limit = self.output_limit.into_iter().chain(most).min();
            self.leave_unstated(bound);
        }
    }

    /// A budget has put another model in place since, whose answers may be longer.
    pub(super) fn state_bound_of_another(&mut self) {
        let needed = |bound: &u64| self.ends_anyhow(*bound, self.served_model()).is_none();
        let has_place = |bound: &u64| {
            let facts = self.facts.as_ref().filter(|_| self.body_editable);
            facts.is_some_and(|facts| facts.set_output_bound(*bound, &mut Edits::default()))
        };
        // The worst case was held by what the model asked for has.
        let held = self.output_limit.filter(|_| self.policy.hold == HoldRule::WorstCase);
        let bound = self.unstated_bound.map(|bound| held.map_or(bound, |held| held.min(bound)));
        let bound = bound.filter(needed).filter(has_place);
        self.outcome.output_bound = self.outcome.output_bound.into_iter().chain(bound).min();
    }

    /// The effort that this model takes in place of one that is to be put there.
    pub(super) fn taken_effort(&self, model: &str, effort: Effort) -> Result<Effort, String> {
        let Some(family) = self.reasoning_of(model) else { return Ok(effort) };
        family.nearest(effort).map_err(|takes| format!("`{model}` takes {takes}"))
    }

    /// Makes the model that serves serve, by its name and with the name of the bound that it takes.
    pub(super) fn name_model(&self, facts: &Facts, edits: &mut Edits) {
        // Who chose it has made sure that there is a place for it.
        let _ = facts.set_model(self.served_model(), edits);
        if self.reasoning_of(self.served_model()).is_some() {
            facts.rename_bound(edits);
        }
    }

    /// The effort to state in place of the request's, by what rules chose and the model that serves takes.
    pub(super) fn stated_effort(&self) -> Option<Effort> {
        let effort = self.outcome.effort?;
        // Another model than the one that it was chosen for may serve.
        Some(self.taken_effort(self.served_model(), effort).unwrap_or(effort))
    }

    /// The effort to state where the request states one that this model does not take.
    pub(super) fn other_effort(&self, model: &str) -> Result<Option<Effort>, String> {
        let mut other = None;
        for (effort, _) in self.facts.iter().flat_map(|facts| &facts.efforts) {
            let taken = self.taken_effort(model, *effort)?;
            if taken != *effort {
                other = Some(other.map_or(taken, |before: Effort| before.min(taken)));
            }
        }
        if other.is_some() && !self.body_editable {
            return Err(format!(
                "`{model}` takes another effort, and this proxy cannot change request bodies"
            ));
        }
        Ok(other)
    }

    /// Whether this model takes how the request states its bound, and what it chooses words by.
    pub(super) fn takes_the_rest(&self, model: &str) -> Result<(), String> {
        let (Some(facts), Some(family)) = (&self.facts, self.reasoning_of(model)) else { return Ok(()) };
        let mut refused: Vec<_> = family.refuses(facts).collect();
        let is_named = facts.max_tokens_at.is_some();
        let renames = is_named && self.body_editable;
        let states_both = facts.output_bound.is_some() && facts.output_bound_spans.len() > 1;
        if (is_named && !renames) || states_both {
            refused.push("max_tokens");
        }
        if refused.is_empty() {
            return Ok(());
        }
        Err(format!("`{model}` refuses what this request states: {}", refused.join(", ")))
    }
}
