//! Conversations that stay on the model that has them in its cache: a prompt costs a part of its price where it is read
//! from the provider's cache, and all of it with another model. The price book decides what is cheaper for this call.
//!
//! What is held where is known from what answers state, on this worker alone.

use super::climb::Serve;
use super::{Exchange, UsageSource};
use crate::learned::Cached;
use crate::policy::{Downgrade, Keep, Policy, RouteRule};
use crate::units::{EpochMs, grouped};
use crate::usage::{Served, Usage};

/// The model that has a call's conversation in its cache.
#[derive(Debug, Clone)]
pub(super) struct Kept {
    /// The rule that keeps it there.
    pub(super) rule: String,
    pub(super) model: String,
    /// The tokens that were read from the cache or written to it by the call before.
    tokens: u64,
}

impl Exchange {
    /// Looks up where the conversation is, by the first of these routes that keeps it, in shadow mode or not.
    pub(super) fn find_kept(&mut self, met: &[&RouteRule], now: EpochMs) {
        let keeping = |is_shadow: bool| {
            let known = |keep: &Keep| !self.identity.value(keep.by).is_empty();
            let mut routes = met.iter().filter(|route| route.shadow == is_shadow);
            routes.find_map(|route| Some((route.name.clone(), route.keep.filter(known)?)))
        };
        let (enforced, shadow) = (keeping(false), keeping(true));
        if enforced.is_none() && shadow.is_none() {
            return;
        }
        let Some(key) = self.conversation() else { return };
        self.routing.conversation = Some(key);
        let cached =
            self.learned.as_ref().and_then(|learned| learned.try_borrow().ok()?.cached(key).cloned());
        let Some(cached) = cached else { return };
        let kept = |(rule, keep): (String, Keep)| {
            let is_fresh = (0..=keep.for_ms).contains(&now.0.saturating_sub(cached.at.0));
            is_fresh.then(|| Kept { rule, model: cached.model.clone(), tokens: cached.tokens })
        };
        if let Some(kept) = shadow.and_then(kept) {
            let would = self.can_keep(&kept).is_ok() && self.stays_on(&kept, self.asked_model()).is_some();
            self.routing.shadow_kept = would.then_some(kept.rule);
        }
        let Some(kept) = enforced.and_then(kept) else { return };
        match self.can_keep(&kept) {
            Ok(_) => self.routing.kept = Some(kept),
            Err(why) => self.outcome.skipped.push(format!("{}: {why}", kept.rule)),
        }
    }

    /// Whether the model can serve this call, as any that a route puts in place.
    fn can_keep(&self, kept: &Kept) -> Result<Serve, String> {
        if kept.model != self.asked_model() {
            self.can_change_model()?;
        }
        self.serve(&Downgrade::to(kept.model.clone()))
    }

    /// What names the conversation: who calls, whom, and the model that is asked for. Nobody meets another's.
    fn conversation(&self) -> Option<u64> {
        let asked = self.facts.as_ref().map(|facts| facts.model.as_str())?;
        let whom = [self.provider().unwrap_or_default(), self.route.dialect.name, asked];
        Some(self.policy.conversation_key(&self.identity, whom))
    }

    /// Why a budget does not move the conversation to this model, if staying where its cache is costs no more. One
    /// that another budget has moved is kept no more.
    pub(super) fn stays_served(&self, other: &str) -> Option<String> {
        let kept = self.routing.kept.as_ref().filter(|_| self.outcome.served_model.is_none())?;
        self.stays_on(kept, other)
    }

    /// Why the conversation does not move to this model, if staying costs no more.
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
                kept.rule, kept.model, grouped(cached.cache_read)
            )
        })
    }

    /// Before routes are followed: the conversation stays whatever model they choose, or moves and is kept no more. The
    /// arm of an experiment comes before it.
    pub(super) fn settle_kept(&mut self, policy: &Policy, met: &[&RouteRule], now: EpochMs) {
        let Some(kept) = self.routing.kept.take() else { return };
        let chosen = self.chosen_model(policy, met, now);
        let routed = chosen.as_ref().map_or_else(|| self.asked_model(), |(_, model)| model.as_str());
        if kept.model == routed {
            self.routing.kept = Some(kept);
            return;
        }
        let Some(why) = self.stays_on(&kept, routed).filter(|_| !self.is_compared(policy, met, now)) else {
            return;
        };
        let Ok(serve) = self.can_keep(&kept) else { return };
        if let Some((route, _)) = chosen {
            self.outcome.skipped.push(format!("{route}: {why}"));
        }
        self.routing.stays = true;
        if kept.model != self.asked_model() {
            self.put_in_place(&kept.rule, serve);
            self.tell_of_route();
        }
        self.routing.kept = Some(kept);
    }

    /// A route's model serves.
    pub(super) fn put_in_place(&mut self, rule: &str, Serve { model, bound, effort }: Serve) {
        let told = format!("{model} answers instead of {}.", self.asked_model());
        self.routing.told.get_or_insert((rule.to_owned(), told));
        self.routing.model = Some(model);
        self.outcome.effort = self.outcome.effort.into_iter().chain(effort).min();
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
            let promised = self.routing.kept.as_ref().map_or(0, |kept| kept.tokens);
            // What is written and never read is worth no staying.
            let is_read = usage.cache_read >= promised.div_ceil(2);
            let tokens = usage.cache_read.saturating_add(usage.cache_write).min(usage.input);
            let tokens = if is_read { tokens } else { 0 };
            let cached = Cached { model: self.routed_model().to_owned(), tokens, at: self.started };
            learned.remember(key, cached);
        }
    }
}
