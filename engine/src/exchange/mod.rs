//! One call from its first header to its settlement: the state machine that every shell drives.
//!
//! The shell feeds what it saw and carries out what comes back. Between [`Next::Reserve`] and
//! [`Exchange::reserved`] any time may pass: the store may be elsewhere, late, or gone, and so may the
//! client.
//!
//! ```text
//! start ── body ──► Reserve ── reserved ──► Forward ── answer… ── end ──► settlement
//!   │        │         └── store_failed ──┘   ▲
//!   │        └── opaque ─────────────────────►│ or Reply
//!   └── unread (too long, or never seen) ────►┘
//! ```

mod answering;
mod climb;
mod conclude;
mod confirm;
mod counting;
mod decision;
mod early;
mod failing;
mod holding;
mod keeping;
mod known;
mod looking;
mod plan;
mod prefix;
mod record;
mod reducing;
mod retries;
mod routing;
mod rules;
mod settle;
mod shadowed;
mod tail;
mod taking;
mod telling;

pub use decision::Decision;
pub use known::ServedBy;
pub use looking::Look;
pub use prefix::PromptPrefix;
pub use record::{Record, RecordUsage, UsageSource};
pub use settle::Settlement;

use crate::alert::Owed;
use crate::dialect::{Edits, Facts, Opaque, Route, takes_stream_options};
use crate::learned::Learned;
use crate::memo::Memo;
use crate::policy::{Identity, Policy, Standings, StreamUsageRule, Unread, Verdict};
use crate::price::{Quote, UnknownPrice};
use crate::refusal::{Refusal, RefusalKind, Reply};
use crate::units::EpochMs;
use crate::usage::{AnswerReader, Strip};
use plan::Planned;
use std::cell::{OnceCell, RefCell};
use std::rc::Rc;
use std::sync::Arc;

/// What the shell does next.
#[derive(Debug, PartialEq, Eq)]
pub enum Next {
    /// Read what stands for [`Exchange::looks`], then call [`Exchange::looked`].
    Look,
    /// Take [`Exchange::holds`] from the store, then call [`Exchange::reserved`] or
    /// [`Exchange::store_failed`].
    Reserve,
    /// Count the prompt: call [`Exchange::count`] with the body once more.
    Count,
    /// Let the call go on with these edits.
    Forward(Edits),
    /// Let it wait until then and call [`Exchange::delayed`]; or call [`Exchange::cannot_delay`].
    Delay(EpochMs),
    /// Answer it.
    Reply(Reply),
    /// The client has gone: nothing to do but [`Exchange::take_owed`].
    Nothing,
}

/// How far the call is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// The body is awaited.
    Reading,
    /// The store is asked how far budgets are used.
    Looking,
    /// The store is asked.
    Reserving,
    /// It may go on, later.
    Delayed,
    /// It went upstream.
    Forwarded,
    /// We answered it.
    Replied,
    /// Settled, or the client left before it went anywhere.
    Ended,
}

/// One call.
#[derive(Debug)]
pub struct Exchange {
    policy: Arc<Policy>,
    route: Route,
    identity: Identity,
    /// The caller's `accept-language`, if the policy speaks more than one language.
    accepted: String,
    /// No budget restricts this caller.
    exempt: bool,
    state: State,
    started: EpochMs,
    id: String,
    request_id: String,
    /// When the answer's body began.
    first_chunk: Option<EpochMs>,
    /// What the body said; `None` as long as it was not read, or could not be.
    facts: Option<Facts>,
    /// Why the body could not be read.
    unread: Option<String>,
    /// It was not even seen: it has so many bytes, if that is known.
    unseen: Option<Option<usize>>,
    /// A rule puts this bound to the answer.
    output_limit: Option<u64>,
    /// A bound that rules want and that need not be stated: the model that was to serve has no more.
    unstated_bound: Option<u64>,
    /// What routes chose.
    routing: routing::Routing,
    /// What the store is asked for them.
    looks: Vec<Look>,
    /// How far the budgets are used that they ask for.
    standings: Standings,
    /// The arm that the caller wants, with the secret.
    wanted_arm: String,
    /// How often the client says that it has tried this call before.
    retry_count: u64,
    /// Whether the caller has confirmed it, where that is asked.
    confirming: confirm::Confirming,
    prompt_tokens: u64,
    /// The images that come with it.
    prompt_images: u64,
    /// What stands before the conversation, if the policy wants to know it.
    prompt_prefix: Option<PromptPrefix>,
    /// More belongs to the prompt than stands in the request.
    prompt_is_partial: bool,
    /// The price of the call as asked for.
    quote: OnceCell<Rc<Quote>>,
    /// What calls of this policy have in common.
    memo: Rc<RefCell<Memo>>,
    /// The prompt is estimated, and has this many tokens at most.
    prompt_bound: Option<u64>,
    body_editable: bool,
    path_editable: bool,
    answer_editable: bool,
    /// Takes out of the answer what we asked for and the client did not.
    strip: Option<Strip>,
    /// What we put into an answer that streams.
    tail: tail::Tail,
    plan: Vec<Planned>,
    /// The places in the plan, in the order in which holds are taken.
    order: Vec<usize>,
    /// What was learned of earlier calls, as far as the policy wants that.
    learned: Option<Rc<RefCell<Learned>>>,
    /// The kind of this call there, and the output expected of it, when it was first planned.
    kind: Option<(u64, u64)>,
    /// The output that was expected of it when it was recorded.
    recorded_output: Option<u64>,
    /// What ladders put in place of what was asked for, so that it fits: that much is held.
    reduced: reducing::Reduced,
    /// How far that is.
    reducing: reducing::Reducing,
    outcome: conclude::Outcome,
    /// What went wrong in us, if something did.
    failure: Option<String>,
    answer: Option<AnswerReader>,
    /// A part of the answer was not seen: what is counted of it is too little.
    answer_lost: bool,
    /// Nobody reads what a refusal says.
    replies_unread: bool,
    status: u16,
    owed: Vec<Owed>,
}

impl Exchange {
    /// A call of which the headers are known.
    #[must_use]
    pub fn new(policy: Arc<Policy>, mut route: Route, identity: Identity, now: EpochMs) -> Self {
        route.pointers = policy.pointers.clone();
        route.wants_prefix = policy.records_prompt_prefix;
        Self {
            policy,
            route,
            identity,
            accepted: String::new(),
            exempt: false,
            state: State::Reading,
            started: now,
            id: String::new(),
            request_id: String::new(),
            first_chunk: None,
            facts: None,
            unread: None,
            unseen: None,
            output_limit: None,
            unstated_bound: None,
            routing: routing::Routing::default(),
            looks: Vec::new(),
            standings: Standings::default(),
            wanted_arm: String::new(),
            retry_count: 0,
            confirming: confirm::Confirming::default(),
            prompt_tokens: 0,
            prompt_images: 0,
            prompt_prefix: None,
            prompt_is_partial: false,
            quote: OnceCell::new(),
            memo: Rc::default(),
            prompt_bound: None,
            body_editable: true,
            path_editable: true,
            answer_editable: true,
            strip: None,
            tail: tail::Tail::default(),
            plan: Vec::new(),
            order: Vec::new(),
            learned: None,
            kind: None,
            recorded_output: None,
            reduced: reducing::Reduced::default(),
            reducing: reducing::Reducing::Untried,
            outcome: conclude::Outcome::default(),
            failure: None,
            answer: None,
            answer_lost: false,
            replies_unread: false,
            status: 0,
            owed: Vec::new(),
        }
    }

    /// Names the call in its record: `id` is unique, `request_id` what the proxy calls it.
    pub fn set_ids(&mut self, id: String, request_id: String) {
        self.id = id;
        self.request_id = request_id;
    }

    /// The caller's `accept-language`.
    pub fn accepts_language(&mut self, header: &[u8]) {
        const MAX: usize = 512;
        let header = header.get(..MAX).unwrap_or(header);
        self.accepted = String::from_utf8_lossy(header).into_owned();
    }

    /// Lends what the worker has learned: expectations come from it, and what this call comes to goes there.
    pub fn learns(&mut self, learned: Rc<RefCell<Learned>>) {
        self.learned = Some(learned).filter(|_| self.policy.learns());
    }

    /// Lends what calls of the same policy have in common.
    pub fn remembers(&mut self, memo: Rc<RefCell<Memo>>) {
        self.memo = memo;
    }

    /// This host cannot replace bodies: steps that would change them fall to the next step.
    pub const fn body_is_read_only(&mut self) {
        self.body_editable = false;
    }

    /// The request's headers have left already, or this host cannot change them.
    pub const fn path_is_read_only(&mut self) {
        self.path_editable = false;
    }

    /// The whole body is here. `encoded`: a `content-encoding` other than identity was announced.
    pub fn body(&mut self, body: &[u8], encoded: bool, now: EpochMs) -> Next {
        if self.state != State::Reading {
            return Next::Nothing;
        }
        let read =
            if encoded { Err(Opaque("the body is compressed".to_owned())) } else { self.route.read(body) };
        match read {
            Ok(facts) => {
                self.identity.complete(&facts.pointed);
                self.prompt_bound = self.bound(body, &facts);
                self.prompt_tokens = match self.prompt_bound {
                    Some(_) => counting::by_length(body.len()),
                    None => self.counted(body, &facts),
                };
                self.name_prefix(body, &facts);
                self.facts = Some(facts);
                self.count_for_rules(body, now);
            }
            Err(opaque) if self.policy.opaque == Verdict::Deny => {
                let (why, advice) = (&opaque.0, opaque.advice());
                let message = format!("This request can't be checked against your budget: {why}. {advice}");
                return self.refuse(&Refusal::other(RefusalKind::Unreadable, message), now);
            }
            Err(Opaque(why)) => {
                self.prompt_tokens = counting::by_length(body.len());
                self.unread = Some(why);
            }
        }
        self.check_confirmation(body, now);
        self.look(now).unwrap_or_else(|| self.meter(now))
    }

    /// The facts are here: whether a rule stops the call, which budgets are met, and what is held in them.
    fn meter(&mut self, now: EpochMs) -> Next {
        if let Some(refused) = self.refuse_by_rules(now) {
            return refused;
        }
        self.plan(now);
        if self.plan.is_empty() {
            return self.forward();
        }
        self.state = State::Reserving;
        Next::Reserve
    }

    /// The refusal of a model that nobody knows, where the policy refuses such; also of one that was not read.
    fn refuse_unknown(&mut self, now: EpochMs) -> Option<Next> {
        if self.policy.prices.unknown != UnknownPrice::Deny || self.asked_quote().known {
            return None;
        }
        let what = match self.asked_model() {
            "" => "a model that can't be read".to_owned(),
            model => format!("`{model}`"),
        };
        let message =
            format!("Nobody knows what {what} costs, and this service's policy refuses such models.");
        Some(self.refuse(&Refusal::other(RefusalKind::UnknownModel, message), now))
    }

    /// The body will not be seen, or was not: the call pays by what its answer says. `bytes`: its length, as far as it
    /// is announced. `refusable`: it has not gone upstream yet.
    pub fn unread(&mut self, why: &str, bytes: Option<usize>, refusable: bool, now: EpochMs) -> Next {
        if self.state != State::Reading {
            return Next::Nothing;
        }
        self.unread = Some(why.to_owned());
        self.unseen = Some(bytes);
        if refusable && self.policy.unread == Unread::Deny {
            let message = format!("This request is too large to be checked against your budget: {why}.");
            return self.refuse(&Refusal::other(RefusalKind::TooLarge, message), now);
        }
        if !refusable {
            self.plan(now);
            return self.forward();
        }
        self.look(now).unwrap_or_else(|| self.meter_unread(now))
    }

    /// The same as [`Exchange::meter`] for a body that is not seen.
    fn meter_unread(&mut self, now: EpochMs) -> Next {
        if let Some(refused) = self.refuse_by_rules(now) {
            return refused;
        }
        self.plan(now);
        if self.plan.is_empty() {
            return self.forward();
        }
        // A budget that is used up refuses it like any other.
        self.state = State::Reserving;
        Next::Reserve
    }

    /// What must be settled with the store: empty it, settle it, keep what fails and try it again.
    pub fn take_owed(&mut self) -> Vec<Owed> {
        std::mem::take(&mut self.owed)
    }

    /// The API spoken.
    #[must_use]
    pub const fn dialect(&self) -> &'static str {
        self.route.dialect.name
    }

    /// What was decided.
    #[must_use]
    pub const fn decision(&self) -> Decision {
        self.outcome.decision
    }

    /// Whether the shell still waits for [`Exchange::reserved`].
    #[must_use]
    pub fn is_reserving(&self) -> bool {
        self.state == State::Reserving
    }

    /// Whether the call waits for [`Exchange::delayed`].
    #[must_use]
    pub fn is_delayed(&self) -> bool {
        self.state == State::Delayed
    }

    /// The time of [`Next::Delay`] has come.
    pub fn delayed(&mut self) -> Next {
        if self.state == State::Delayed { self.forward() } else { Next::Nothing }
    }

    /// Whether it was settled.
    #[must_use]
    pub fn is_over(&self) -> bool {
        self.state == State::Ended
    }

    /// Whether it went upstream, so that an answer is not ours.
    #[must_use]
    pub fn is_forwarded(&self) -> bool {
        self.state == State::Forwarded
    }

    /// Whether the body is still awaited.
    #[must_use]
    pub fn is_reading(&self) -> bool {
        self.state == State::Reading
    }

    fn forward(&mut self) -> Next {
        self.state = State::Forwarded;
        self.state_bound_of_another();
        let mut edits = Edits::default();
        if let Some(facts) = self.facts.as_ref().filter(|_| self.serves_another()) {
            self.name_model(facts, &mut edits);
        }
        if let (Some(facts), Some(tier)) = (&self.facts, self.routing.service_tier) {
            // `can_change_tier` has made sure that there is a place for it.
            let _ = facts.set_service_tier(tier, &mut edits);
        }
        edits.headers.clone_from(&self.routing.headers);
        if let (Some(facts), Some(bound)) = (&self.facts, self.outcome.output_bound) {
            // `shorter` has made sure that there is a place for it.
            let _ = facts.set_output_bound(bound, &mut edits);
        }
        if let (Some(facts), Some(effort)) = (&self.facts, self.stated_effort()) {
            let _ = facts.lower_effort(effort, &mut edits);
        }
        if let Some(facts) = self.facts.as_ref().filter(|_| self.may_ask_for_usage())
            && facts.ask_for_usage(&mut edits)
        {
            self.strip = Some(Strip::new());
        }
        Next::Forward(edits)
    }

    /// Whether a stream may be asked for its usage: without it, reasoning that nobody sees goes uncounted.
    #[must_use]
    pub fn may_ask_for_usage(&self) -> bool {
        self.policy.stream_usage == StreamUsageRule::Ask
            && self.body_editable
            && self.answer_editable
            && self.provider().is_some_and(takes_stream_options)
    }

    fn refuse(&mut self, refusal: &Refusal, now: EpochMs) -> Next {
        self.state = State::Replied;
        let asks = refusal.kind == RefusalKind::Confirm;
        self.outcome.decision = if asks { Decision::Confirm } else { Decision::Deny };
        self.outcome.rule = refusal.rule_name().map(str::to_owned);
        let reply = if self.replies_unread {
            Reply { status: 0, headers: Vec::new(), body: Vec::new() }
        } else {
            refusal.reply(self.route.dialect, now)
        };
        self.status = reply.status;
        Next::Reply(reply)
    }

    /// The model asked for; empty if the body was not read.
    fn asked_model(&self) -> &str {
        self.facts.as_ref().map_or("", |facts| &facts.model)
    }

    /// The model that serves.
    fn served_model(&self) -> &str {
        self.outcome.served_model.as_deref().unwrap_or_else(|| self.routed_model())
    }

    /// Whether another model serves than the one asked for.
    fn serves_another(&self) -> bool {
        self.outcome.served_model.is_some() || self.routing.model.is_some()
    }

    /// Holds that were taken and are not needed.
    fn give_back(&mut self) {
        for planned in &mut self.plan {
            if let Some(reserved) = planned.reserved.take() {
                self.owed.push(planned.hold.give_back(&reserved).into());
            }
        }
    }
}

#[cfg(test)]
mod tests;
