//! Conversations that stay on the model that has them in its cache: a prompt costs a part of its price where it is read
//! from the provider's cache, and all of it with another model. The price book decides what is cheaper for this call.
//!
//! What is held where is known from what answers state, on this worker alone.

use super::climb::Serve;
use super::{Exchange, UsageSource};
use crate::learned::Cached;
use crate::policy::{Downgrade, Keep, Policy, RouteRule};
use crate::units::EpochMs;
use crate::usage::{Served, Usage};

/// The model that has a call's conversation in its cache.
#[derive(Debug, Clone)]
pub(super) struct Kept {
    /// The rule that keeps it there.
    rule: String,
    pub(super) model: String,
    /// The tokens that were read from the cache or written to it by the call before.
    tokens: u64,
}

impl Exchange {
    /// Looks up where the conversation is, by the first of these routes that keeps any.
    pub(super) fn find_kept(&mut self, policy: &Policy, met: &[&RouteRule], now: EpochMs) {
        let mut keeping = met.iter().filter_map(|route| Some((*route, route.keep?)));
        let Some((route, keep)) = keeping.next() else { return };
        let Some(key) = self.conversation(policy, keep) else { return };
        let cached =
            self.learned.as_ref().and_then(|learned| learned.try_borrow().ok()?.cached(key).cloned());
        self.routing.conversation = Some(key);
        let is_fresh = |cached: &Cached| (0..=keep.for_ms).contains(&now.0.saturating_sub(cached.at.0));
        let Some(Cached { model, tokens, .. }) = cached.filter(is_fresh) else { return };
        let kept = Kept { rule: route.name.clone(), model, tokens };
        if route.shadow {
            self.routing.shadow_kept = self.stays_on(&kept, self.asked_model()).is_some();
        } else {
            self.routing.kept = Some(kept);
        }
    }

    /// What names the conversation: the caller's word for it, and the model that it asks for.
    fn conversation(&self, policy: &Policy, keep: Keep) -> Option<u64> {
        let value = self.identity.value(keep.by);
        let asked = self.facts.as_ref().map(|facts| facts.model.as_str())?;
        (!value.is_empty()).then(|| policy.conversation_key(keep.by, value, asked))
    }

    /// Why the conversation does not move to this model, if staying where its cache is costs no more.
    pub(super) fn stays(&self, other: &str) -> Option<String> {
        self.stays_on(self.routing.kept.as_ref()?, other)
    }

    /// The same for a budget's ladder: a conversation that another one has moved is kept no more.
    pub(super) fn stays_served(&self, other: &str) -> Option<String> {
        self.stays(other).filter(|_| self.outcome.served_model.is_none())
    }

    fn stays_on(&self, kept: &Kept, other: &str) -> Option<String> {
        if kept.model == other {
            return None;
        }
        let usage = self.expected_usage();
        let cached = Usage { cache_read: kept.tokens.min(usage.input), ..usage };
        let cost = |model, usage| self.quote_for(model, &Served::default()).price.cost(usage);
        let (here, there) = (cost(&kept.model, cached), cost(other, usage));
        (here <= there).then(|| {
            format!(
                "`{}` keeps the conversation on `{}`, which has {} tokens of it in its cache: about {here} there, and {there} with `{other}`",
                kept.rule, kept.model, cached.cache_read
            )
        })
    }

    /// All routes have chosen: the conversation stays, or has moved and is kept no more.
    pub(super) fn settle_kept(&mut self) {
        let Some(kept) = self.routing.kept.clone() else { return };
        if kept.model == self.routed_model() {
            return;
        }
        // What another route or the arm of an experiment has chosen is chosen.
        let may_stay = self.routing.model.is_none() && self.routing.arms.is_empty();
        if !may_stay || self.stays(self.asked_model()).is_none() {
            self.routing.kept = None;
            return;
        }
        let rule = Downgrade::to(kept.model.clone());
        match self.can_change_model().and_then(|()| self.serve(&rule)) {
            Ok(serve) => {
                self.put_in_place(&kept.rule, serve);
                self.tell_of_route();
            }
            Err(why) => {
                self.outcome.skipped.push(format!("{}: {why}", kept.rule));
                self.routing.kept = None;
            }
        }
        self.routing.rule.get_or_insert(kept.rule);
    }

    /// A route's model serves.
    pub(super) fn put_in_place(&mut self, rule: &str, Serve { model, bound }: Serve) {
        let told = format!("{model} answers instead of {}.", self.asked_model());
        self.routing.told.get_or_insert((rule.to_owned(), told));
        self.routing.model = Some(model);
        if let Some(bound) = bound {
            self.outcome.clamp(rule, bound);
            self.output_limit = self.outcome.output_bound;
        }
    }

    /// Remembers which model has the conversation in its cache. One that a budget has put in place is not kept: the
    /// conversation goes back when the budget lets it.
    pub(super) fn remember_conversation(&self, usage: Usage, source: UsageSource) {
        let stated = source == UsageSource::Reported && self.outcome.served_model.is_none();
        let (Some(key), Some(learned), true) = (self.routing.conversation, &self.learned, stated) else {
            return;
        };
        if let Ok(mut learned) = learned.try_borrow_mut() {
            let tokens = usage.cache_read.saturating_add(usage.cache_write).min(usage.input);
            let cached = Cached { model: self.routed_model().to_owned(), tokens, at: self.started };
            learned.remember(key, cached);
        }
    }
}
