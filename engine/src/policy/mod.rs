//! The policy: JSON as written, checked as a whole, compiled once and never changed.

mod alerts;
mod amounts;
mod budget;
mod compile;
mod condition;
mod confirm;
mod deny;
mod downgrade;
mod duplicates;
mod effort;
mod errors;
mod hours;
mod identity;
mod language;
mod limits;
mod named;
mod prices;
mod reading;
mod routes;
mod rules;
mod scope;
mod standing;
mod steps;
mod template;
mod window;
mod wire;

pub use alerts::{CallOut, Form, Sink};
pub use budget::{Action, Budget, Step};
pub use condition::{Bounds, Call, Condition, is_of_model};
pub use confirm::{Confirm, Confirmations};
pub use downgrade::{Cheaper, Downgrade, DowngradeList};
pub use effort::Effort;
pub use errors::{PolicyError, PolicyErrors};
pub use hours::Hours;
pub use identity::{Ask, Dimension, Head, Header, Identity, IdentityReader, Match, Source, is_ours};
pub use language::Messages;
pub use limits::{Alternative, Exemption, Term};
pub use routes::{Arm, Assigned, HOLDOUT, Keep, NewModel, RouteRule, Setting, Split, knows_service_tier};
pub use rules::{Block, Measure, Over, RequestLimit};
pub use scope::{NO_ROUTE, Scope, Subject, UNKNOWN};
pub use standing::{Standing, Standings};
pub use steps::{Bound, Overage};
pub use template::{Facts as MessageFacts, Template};
pub use window::{CalendarUnit, OpenWindow, Window};
pub(crate) use window::{duration_text, length_text, plain_duration_text, plain_time_text};
pub use wire::{CountRule, HoldRule, Mode, StreamUsageRule, Unread, Verdict};

use crate::dialect::Route;
use crate::json::Pointer;
use crate::ledger::SlotKey;
use crate::price::Prices;
use crate::units::EpochMs;
use siphasher::sip128::{Hasher128, SipHasher13};
use std::hash::Hasher;
use std::sync::Arc;
use wildmatch::WildMatch;

/// A compiled policy.
#[derive(Debug)]
pub struct Policy {
    /// The name, part of every key in shared data: two policies share no budget.
    pub name: String,
    /// The filter may hold request headers back until the body was read.
    pub hold_headers: bool,
    /// What happens to a call when something of ours failed.
    pub on_error: Verdict,
    /// What happens to a body that cannot be read.
    pub opaque: Verdict,
    /// What happens to a body that was not seen.
    pub unread: Unread,
    /// What happens to a call of which no dialect is known: `deny` for a listener that serves LLM calls only.
    pub unknown: Verdict,
    /// Whether streams are asked for their usage.
    pub stream_usage: StreamUsageRule,
    /// How exactly prompts are counted before a call.
    pub count: CountRule,
    /// How much output a hold assumes.
    pub hold: HoldRule,
    /// Who serves all of these calls, as the price book names it; else path and host tell.
    pub provider: Option<String>,
    /// What models cost, and what happens to those that nobody knows.
    pub prices: Prices,
    /// What happens when the table has no room for a subject.
    pub table_full: Verdict,
    /// What a stream used and cost stands in a comment behind it.
    pub stream_notes: bool,
    /// Bodies longer than this many bytes are not read.
    pub max_body_bytes: usize,
    /// The output that a hold assumes, in tokens, where the request's own bound is not lower.
    pub expected_output_tokens: u64,
    /// Where callers ask what they have left; `None`: nowhere.
    pub quota_path: Option<String>,
    /// The quantile of what calls of the same kind came to, in thousandths, and what makes a kind; from then on the
    /// hold assumes that.
    pub learned_output: Option<(u64, Vec<Scope>)>,
    /// Who pays.
    pub identity: Vec<Dimension>,
    /// What the sources want to know of a body.
    pub pointers: Arc<[Pointer]>,
    /// Callers whom no budget restricts.
    pub exempt: Vec<Exemption>,
    /// Request headers that do not go upstream.
    pub strip_request_headers: Vec<WildMatch>,
    /// Named lists of cheaper models.
    pub downgrades: Vec<DowngradeList>,
    /// Where alerts go.
    pub sinks: Vec<Sink>,
    /// Calls that are stopped.
    pub blocks: Vec<Block>,
    /// How much one call may need.
    pub request_limits: Vec<RequestLimit>,
    /// How callers confirm; `None` where nothing asks them to.
    pub confirmations: Option<Confirmations>,
    /// Rules that choose how calls go on, in the policy's order.
    pub routes: Vec<RouteRule>,
    /// Some of them ask how far budgets are used.
    pub routes_ask_budgets: bool,
    /// The budgets, in the policy's order; behind them the same with other limits ([`Budget::alternatives`]).
    pub budgets: Vec<Budget>,
    /// How many of them the policy names.
    declared: usize,
    /// Whether cost records go to the proxy's log.
    pub records_to_log: bool,
    /// Where they are sent.
    pub records_to: Option<CallOut>,
    /// Whether they go to the filter state of their stream, for the proxy's access log.
    pub records_to_filter_state: bool,
    /// Whether they name what stands before conversations.
    pub records_prompt_prefix: bool,
    /// The dimensions that are labels of metrics: places in `identity`.
    pub metric_labels: Vec<usize>,
    /// How many values of such a label each worker tells apart.
    pub metric_values_max: usize,
    pages: u32,
    seed: u64,
}

impl Policy {
    /// Reads, checks and compiles a policy.
    ///
    /// # Errors
    /// Everything that is wrong with it, at once, each with its JSON path; where shapes are wrong beside keys that nobody
    /// knows, these alone.
    pub fn parse(json: &[u8]) -> Result<Self, PolicyErrors> {
        compile::compile(json)
    }

    /// Who serves a call, as the price book names it: the policy's own word, but for an API that this provider is known
    /// not to speak. OpenAI and Azure's OpenAI speak OpenAI's alone.
    #[must_use]
    pub fn serves<'a>(&'a self, route: &'a Route) -> Option<&'a str> {
        let own = self.provider.as_deref();
        let speaks_openai = ["openai", "azure"].iter().any(|name| route.dialect.name.starts_with(name));
        match own {
            Some("openai" | "azure") if !speaks_openai => route.provider.or(own),
            _ => own.or(route.provider),
        }
    }

    /// Whether some step of some budget changes requests.
    #[must_use]
    pub fn edits_requests(&self) -> bool {
        let edits = |step: &Step| matches!(step.action, Action::Clamp { .. } | Action::Downgrade { .. });
        let clamps = |limit: &RequestLimit| matches!(limit.over, Over::Clamp);
        self.budgets.iter().any(|budget| budget.enforced().any(edits))
            || self.request_limits.iter().any(clamps)
            || self.routes.iter().any(RouteRule::edits)
    }

    /// Where it stands that a confirmation was used.
    #[must_use]
    pub fn confirmation_key(&self, signature: u128) -> SlotKey {
        self.key_of([self.name.as_bytes(), b"\0confirmation", &signature.to_le_bytes()].into_iter())
    }

    /// Whether some route splits its callers.
    #[must_use]
    pub fn has_experiments(&self) -> bool {
        self.routes.iter().any(|route| route.split.is_some())
    }

    /// Whether somebody who knows a secret may choose the arm of an experiment.
    #[must_use]
    pub fn lets_choose_arms(&self) -> bool {
        let splits = self.routes.iter().filter_map(|route| route.split.as_ref());
        splits.into_iter().any(|split| split.secret.is_some())
    }

    /// Whether callers are answered in their language, so that it must be known.
    #[must_use]
    pub fn speaks_languages(&self) -> bool {
        let of_rules = self.blocks.iter().any(|block| block.message.are_several())
            || self.request_limits.iter().any(|limit| match &limit.over {
                Over::Deny { message, .. } | Over::Confirm(Confirm { message, .. }) => message.are_several(),
                Over::Clamp => false,
            });
        of_rules
            || self.budgets.iter().any(|budget| {
                budget.ladder.iter().any(|step| match &step.action {
                    Action::Warn { message, .. } => message.are_several(),
                    Action::Deny { exhausted, .. } => exhausted.are_several(),
                    _ => false,
                })
            })
    }

    /// Whether calls are to be told what earlier ones came to.
    #[must_use]
    pub fn learns(&self) -> bool {
        let keeps = || self.routes.iter().any(|route| route.keep.is_some());
        self.learned_output.is_some() || self.records_prompt_prefix || keeps()
    }

    /// Where it stands which model has a caller's conversation in its cache: of this provider, dialect and model asked for.
    #[must_use]
    pub fn conversation_key(&self, caller: &Identity, whom: [&str; 3]) -> u64 {
        let values = (0..self.identity.len()).map(|place| caller.value(place));
        self.key_of(values.chain(whom).map(str::as_bytes)).tag
    }

    /// Where it stands how many tokens a prefix has for a model.
    #[must_use]
    pub fn prefix_key(&self, hash: u64, model: &str) -> u64 {
        self.key_of([hash.to_le_bytes().as_slice(), model.as_bytes()].into_iter()).tag
    }

    /// The kind of call whose output is learned, if any is.
    #[must_use]
    pub fn kind_of(&self, subject: &Subject<'_>) -> Option<u64> {
        let (_, per) = self.learned_output.as_ref()?;
        let mut hasher = SipHasher13::new_with_keys(self.seed, 1);
        for &scope in per {
            let value = subject.value(scope);
            hasher.write_u64(value.len() as u64);
            hasher.write(value.as_bytes());
        }
        Some(hasher.finish128().h1.max(1))
    }

    /// Where the amount of `budget` for this subject stands.
    #[must_use]
    pub fn slot_key(&self, budget: &Budget, subject: &Subject<'_>) -> SlotKey {
        let of_budget = [&self.name, &budget.name, &budget.counted].map(String::as_bytes);
        let of_subject = budget.per.iter().map(|scope| subject.value(*scope).as_bytes());
        self.key_of(of_budget.into_iter().chain(of_subject))
    }

    fn key_of<'f>(&self, fields: impl Iterator<Item = &'f [u8]>) -> SlotKey {
        let mut hasher = SipHasher13::new_with_keys(self.seed, 0);
        for field in fields {
            // Lengths part the fields, so that no two subjects run together.
            hasher.write_u64(field.len() as u64);
            hasher.write(field);
        }
        let hash = hasher.finish128();
        // The remainder is less than `pages`, a u32.
        #[expect(clippy::cast_possible_truncation, reason = "less than a u32")]
        let page = hash.h2.checked_rem(u64::from(self.pages)).unwrap_or_default() as u32;
        SlotKey { page, tag: hash.h1.max(1) }
    }

    /// The budgets that the policy names, without those that stand for them with other limits.
    #[must_use]
    pub fn declared(&self) -> &[Budget] {
        self.budgets.get(..self.declared).unwrap_or(&self.budgets)
    }

    /// The seed of every hash of identities.
    #[must_use]
    pub const fn hash_seed(&self) -> u64 {
        self.seed
    }

    /// The budgets whose time it is, each with its place.
    fn in_force(&self, now: EpochMs) -> impl Iterator<Item = (usize, &Budget)> {
        self.declared().iter().enumerate().filter(move |(_, budget)| budget.term.lasts(now))
    }

    /// The budgets that this subject meets, each with the limit that it has now.
    pub fn budgets_for<'a>(
        &'a self,
        subject: &'a Subject<'_>,
        now: EpochMs,
    ) -> impl Iterator<Item = (usize, &'a Budget)> {
        let met = self.in_force(now).filter(|(_, budget)| budget.concerns(subject));
        met.map(move |(index, budget)| {
            self.alternative(budget, subject.identity, now).unwrap_or((index, budget))
        })
    }

    /// One of them: the budget that the policy names at this place, if this subject meets it.
    #[must_use]
    pub fn budget_for(
        &self,
        declared: usize,
        subject: &Subject<'_>,
        now: EpochMs,
    ) -> Option<(usize, &Budget)> {
        let budget = self.declared().get(declared)?;
        let is_met = budget.term.lasts(now) && budget.concerns(subject);
        let limited = self.alternative(budget, subject.identity, now).unwrap_or((declared, budget));
        is_met.then_some(limited)
    }

    /// The budgets that calls of this subject may meet, each with the limit that it has now; where it asks for no
    /// model, whatever the model and who serves it. Those in shadow mode are none.
    #[must_use]
    pub fn budgets_of(&self, subject: &Subject<'_>, now: EpochMs) -> Vec<&Budget> {
        let met = |condition: &Condition| match condition {
            Condition::Dimension(..) => subject.meets(condition),
            Condition::Model(_) => subject.asked.is_empty() || subject.meets(condition),
            Condition::Provider(_) => subject.provider.is_empty() || subject.meets(condition),
            Condition::Route(_) => subject.route.is_empty() || subject.meets(condition),
            // What only a call tells.
            _ => true,
        };
        let declared = self.in_force(now).map(|(_, budget)| budget);
        let may_meet = declared.filter(|budget| !budget.shadow && budget.matches.iter().all(met));
        let limited =
            |budget| self.alternative(budget, subject.identity, now).map_or(budget, |(_, other)| other);
        may_meet.map(limited).collect()
    }

    /// Those of [`Policy::budgets_for`] about which the body can say nothing more: neither whether the call meets
    /// them, nor as whose, nor with which limit.
    pub fn budgets_of_head<'a>(
        &'a self,
        subject: &'a Subject<'_>,
        now: EpochMs,
    ) -> impl Iterator<Item = (usize, &'a Budget)> {
        let identity = subject.identity;
        let is_known = |who: &Match| who.iter().all(|(place, _)| !identity.awaits(*place));
        let exempt_is_known = self.exempt.iter().all(|exempt| is_known(&exempt.who));
        let known = self.in_force(now).filter(move |(_, budget)| {
            exempt_is_known
                && budget.matches.iter().all(|condition| match condition {
                    Condition::Dimension(place, _) => !identity.awaits(*place),
                    Condition::Provider(_) | Condition::Dialect(_) => true,
                    _ => false,
                })
                && budget.per.iter().all(|scope| match scope {
                    Scope::Dimension(place) => !identity.awaits(*place),
                    Scope::Provider => true,
                    Scope::Model | Scope::Route => false,
                })
                && budget.alternatives.iter().all(|other| is_known(&other.who))
        });
        let met = known.filter(|(_, budget)| budget.concerns(subject));
        met.map(move |(index, budget)| self.alternative(budget, identity, now).unwrap_or((index, budget)))
    }

    /// Whether a request header must not go upstream: nobody but us sets `x-tokenstile-…`, and the policy names more.
    #[must_use]
    pub fn strips(&self, header: &[u8]) -> bool {
        if is_ours(header) {
            return true;
        }
        let confirms = |name: &String| name.as_bytes().eq_ignore_ascii_case(header);
        if self.confirmations.as_ref().is_some_and(|confirmations| confirmations.headers.iter().any(confirms))
        {
            return true;
        }
        let name = || String::from_utf8_lossy(header).to_ascii_lowercase();
        let patterns = &self.strip_request_headers;
        !patterns.is_empty() && Some(name()).is_some_and(|name| patterns.iter().any(|p| p.matches(&name)))
    }
}

#[cfg(test)]
mod tests;
