//! The cost record: one JSON object a call. No prompt, no answer, no key.

use super::{Exchange, PromptPrefix, State};
use crate::policy::Effort;
use crate::price::{Quote, ServiceTier, Unit};
use crate::refusal::rfc3339;
use crate::units::{Amount, EpochMs, Meter, NanoUsd};
use crate::usage::Usage;
use serde::Serialize;
use serde_json::{Map, Value};
use std::rc::Rc;

/// Where the usage of a record comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum UsageSource {
    /// The provider stated it.
    Reported,
    /// Counted from what was sent and seen.
    Counted,
    /// The hold's estimate: the answer could not be read.
    Estimated,
    /// Nothing was used.
    None,
}

/// Tokens of a call: totals include their parts; parts of which there are none are left out.
#[derive(Debug, Clone, Serialize)]
pub struct RecordUsage {
    /// Input tokens, all of them.
    pub input: u64,
    /// Output tokens, reasoning included.
    pub output: u64,
    /// The parts.
    #[serde(flatten)]
    pub parts: Map<String, Value>,
    /// Where the numbers come from.
    pub source: UsageSource,
}

impl RecordUsage {
    pub(super) fn new(usage: Usage, source: UsageSource) -> Self {
        let parts = [
            ("cache_read", usage.cache_read),
            ("cache_write", usage.cache_write),
            ("cache_write_1h", usage.cache_write_1h),
            ("input_audio", usage.input_audio),
            ("input_image", usage.input_image),
            ("input_video", usage.input_video),
            ("cache_read_audio", usage.cache_read_audio),
            ("cache_read_image", usage.cache_read_image),
            ("reasoning", usage.reasoning),
            ("output_audio", usage.output_audio),
            ("output_image", usage.output_image),
            ("web_searches", usage.web_searches),
        ];
        let parts = parts.into_iter().filter(|(_, count)| *count > 0);
        let parts = parts.map(|(name, count)| (name.to_owned(), count.into())).collect();
        Self { input: usage.input, output: usage.output, parts, source }
    }
}

/// What is known of a call's usage and cost when it is over.
pub(super) struct Bill {
    pub(super) usage: RecordUsage,
    pub(super) cost: NanoUsd,
    /// By the price book, where the policy has a price of its own.
    pub(super) list_cost: Option<NanoUsd>,
    /// What the provider charged, if it says so.
    pub(super) billed: Option<NanoUsd>,
    /// Whether the price of another model that had a part in the answer is known.
    pub(super) others_known: bool,
    pub(super) savings: NanoUsd,
    pub(super) shadow_savings: Map<String, Value>,
    pub(super) quote: Rc<Quote>,
    pub(super) model_answered: String,
}

/// What one call came to.
#[derive(Debug, Clone, Serialize)]
pub struct Record {
    /// Unique to this call: a record that arrives twice is one.
    pub id: String,
    /// The proxy's or the client's name for the request, if it has one.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub request_id: String,
    /// When it began, RFC 3339.
    pub time: Option<String>,
    /// From its first header to its end.
    pub duration_ms: i64,
    /// From its first header to the first bytes of the answer's body.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub time_to_first_chunk_ms: Option<i64>,
    /// The policy's name.
    pub policy: String,
    /// The API spoken.
    pub dialect: &'static str,
    /// Who serves, as the price book names it: the policy says so, or the proxy's host name, or else it is the one
    /// whose price was taken; empty if unknown.
    pub provider: String,
    /// The answer was asked for as a stream.
    pub stream: bool,
    /// Who pays, by dimension.
    pub identity: Map<String, Value>,
    /// The model asked for; empty if the body was not read.
    pub model_requested: String,
    /// The model sent upstream.
    pub model_served: String,
    /// The model that the answer names.
    pub model_answered: String,
    /// `allow`, `warn`, `overage`, `delay`, `clamp`, `downgrade` or `deny`.
    pub decision: &'static str,
    /// The budget that decided.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rule: Option<String>,
    /// The first rule of `routes` that changed something of it, or in whose experiment the caller has an arm.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub route: Option<String>,
    /// Experiments, and the arm of each that the caller is in.
    #[serde(skip_serializing_if = "Map::is_empty")]
    pub arms: Map<String, Value>,
    /// Experiments of those whose arm the caller chose by the secret: no subject of them.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub arms_chosen: Vec<String>,
    /// How often the client had tried the call before, as its SDK says in a header; read where the policy has an
    /// experiment.
    #[serde(skip_serializing_if = "is_zero")]
    pub retry_count: u64,
    /// The caller is exempt: `shadow` says what its budgets would have done.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub exempt: bool,
    /// The output bound that was put in the place of the request's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_output_tokens: Option<u64>,
    /// The effort of reasoning that was put in the place of the request's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reasoning_effort: Option<&'static str>,
    /// The service tier that a route put in the place of the request's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub service_tier: Option<&'static str>,
    /// How long the call was held back, in milliseconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub delay_ms: Option<i64>,
    /// What was used beyond steps of overage, each with its price: see [`Exchange::booked`].
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub overage: Vec<Value>,
    /// What budgets and steps in shadow mode would have done.
    #[serde(skip_serializing_if = "Map::is_empty")]
    pub shadow: Map<String, Value>,
    /// What each of those would have saved of the cost, in billionths of a dollar: all of it, if it would have refused the
    /// call; less than 0 where it would have cost more. A stream that would have been ended has none.
    #[serde(skip_serializing_if = "Map::is_empty")]
    pub shadow_savings_nano_usd: Map<String, Value>,
    /// What was left of each budget in shadow mode with this call and all others in flight, in the budget's unit; below 0
    /// what it is passed by.
    #[serde(skip_serializing_if = "Map::is_empty")]
    pub shadow_headroom: Map<String, Value>,
    /// The budget that ended the answer while it streamed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stopped_by: Option<String>,
    /// Steps and routes that were not carried out, and why: they could not be, or `keep` held the conversation.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub skipped: Vec<String>,
    /// Why the body was not read.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub unread: Option<String>,
    /// What failed in the filter or its host.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub failure: Option<String>,
    /// The HTTP status of the answer; 0 if none began.
    pub status: u16,
    /// `complete`, `cut`, `stopped`, `error`, `refused` or `abandoned`.
    pub ending: &'static str,
    /// What was used.
    pub usage: RecordUsage,
    /// What was expected before the call.
    pub hold_tokens: u64,
    /// More belongs to the prompt than stood in the request (a stored conversation, a file by reference, a search of
    /// the provider's own), so that the hold may be far too small.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub prompt_partial: bool,
    /// What stood before the conversation: the system's text and the tools.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub prompt_prefix: Option<PromptPrefix>,
    /// What it cost by the price book, by the policy's own price, or by what the provider charged, in billionths of a dollar.
    pub cost_nano_usd: i64,
    /// `provider` where the cost is what the provider's answer states as its charge.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cost_source: Option<&'static str>,
    /// What it would have cost by the price book, in billionths of a dollar, where the policy's own price, or what the provider
    /// charged, is another.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub list_cost_nano_usd: Option<i64>,
    /// What the same tokens would have cost with the model that was asked for, less what they did cost, in
    /// billionths of a dollar.
    #[serde(skip_serializing_if = "is_zero")]
    pub savings_nano_usd: i64,
    /// Whether the price book knows the model; if not, the cost is a ceiling.
    pub priced: bool,
    /// Whose price of which model: an entry of the book (`openai/gpt-4o`) or of the policy; empty if unknown.
    pub price: String,
    /// The service tier whose price it is (`batch`, `flex`, `priority` or `fast`), where that is not the standard one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub price_tier: Option<&'static str>,
    /// The rates of a price of the policy's own, as it states them: dollars a million tokens (a thousand requests or
    /// searches), by kind.
    #[serde(skip_serializing_if = "Map::is_empty")]
    pub price_rates: Map<String, Value>,
    /// The day of the price facts.
    pub prices_as_of: &'static str,
}

impl Record {
    /// The record as one line of JSON.
    #[must_use]
    pub fn to_json(&self) -> String {
        serde_json::to_string(self).unwrap_or_default()
    }
}

impl Exchange {
    /// What was expected before the call, if a budget holds it.
    #[must_use]
    pub fn hold_tokens(&self) -> u64 {
        if self.plan.is_empty() { 0 } else { self.held_usage(self.expected_usage()).total() }
    }

    pub(super) fn record(&self, state: State, complete: bool, bill: Bill, now: EpochMs) -> Record {
        let ending = match state {
            State::Replied => "refused",
            State::Reading | State::Reserving | State::Delayed => "abandoned",
            _ if self.tail.is_over() => "stopped",
            _ if self.status >= 400 => "error",
            _ if complete => "complete",
            _ => "cut",
        };
        let dimensions = self.policy.identity.iter().enumerate();
        let shadow = self.outcome.shadow.iter();
        Record {
            id: self.id.clone(),
            request_id: self.request_id.clone(),
            time: rfc3339(self.started),
            duration_ms: now.0.saturating_sub(self.started.0),
            time_to_first_chunk_ms: self.first_chunk.map(|at| at.0.saturating_sub(self.started.0)),
            policy: self.policy.name.clone(),
            dialect: self.route.dialect.name,
            provider: self.provider().unwrap_or_else(|| price_of(&bill.quote)).to_owned(),
            stream: self.facts.as_ref().is_some_and(|facts| facts.stream),
            identity: dimensions.map(|(i, d)| (d.name.clone(), self.identity.value(i).into())).collect(),
            model_requested: self.asked_model().to_owned(),
            model_served: self.served_model().to_owned(),
            model_answered: bill.model_answered,
            decision: self.outcome.decision.name(),
            rule: self.outcome.rule.clone(),
            route: self.routing.rule.clone(),
            arms: self.routing.arms.iter().map(|(rule, arm)| (rule.clone(), arm.clone().into())).collect(),
            arms_chosen: self.routing.arms_chosen.clone(),
            retry_count: self.retry_count,
            exempt: self.exempt,
            max_output_tokens: self.outcome.output_bound,
            reasoning_effort: self.outcome.effort.map(Effort::name),
            service_tier: self.routing.service_tier,
            delay_ms: self.outcome.delay.filter(|_| state != State::Replied).map(|delay| delay.ms),
            overage: Vec::new(),
            shadow: shadow.map(|(rule, decision)| (rule.clone(), decision.name().into())).collect(),
            shadow_savings_nano_usd: bill.shadow_savings,
            shadow_headroom: headroom(&self.outcome.shadow_headroom),
            stopped_by: self.stopped_by().map(|budget| budget.name.clone()),
            skipped: self.outcome.skipped.clone(),
            unread: self.unread.clone(),
            failure: self.failure.clone(),
            status: self.status,
            ending,
            usage: bill.usage,
            prompt_partial: self.prompt_is_partial,
            hold_tokens: self.hold_tokens(),
            prompt_prefix: self.prompt_prefix.clone(),
            cost_nano_usd: bill.cost.0,
            cost_source: bill.billed.map(|_| "provider"),
            list_cost_nano_usd: bill.list_cost.map(|cost| cost.0),
            savings_nano_usd: bill.savings.0,
            priced: (bill.quote.known && bill.others_known) || bill.billed.is_some() || usage_is_none(state),
            price: bill.quote.entry.clone(),
            price_tier: Some(bill.quote.tier)
                .filter(|tier| *tier != ServiceTier::Standard)
                .map(ServiceTier::name),
            price_rates: own_rates(&bill.quote),
            prices_as_of: crate::price::PRICES_AS_OF,
        }
    }
}

/// `{"daily": {"tokens": 450}}`.
fn headroom(left: &[(String, Meter, Amount)]) -> Map<String, Value> {
    let told = |(rule, meter, left): &(String, Meter, Amount)| {
        let count = i64::try_from(meter.count(left.saturating_abs())).unwrap_or(i64::MAX);
        let count = count.saturating_mul(left.signum());
        let amount = Map::from_iter([(meter.exact_unit().to_owned(), count.into())]);
        (rule.clone(), amount.into())
    };
    left.iter().map(told).collect()
}

/// Whose price it is.
fn price_of(quote: &Quote) -> &str {
    quote.entry.split_once('/').map_or("", |(provider, _)| provider)
}

/// What the policy states of its own price.
fn own_rates(quote: &Quote) -> Map<String, Value> {
    let units = Unit::ALL.iter().filter(|_| quote.is_own());
    let rate =
        |unit: &Unit| Some((unit.name().to_owned(), unit.rate_text(quote.price.rate(*unit, 0)?).into()));
    units.filter_map(rate).collect()
}

fn is_zero<T: Default + PartialEq>(number: &T) -> bool {
    *number == T::default()
}

/// A call that never went upstream has no price to doubt.
fn usage_is_none(state: State) -> bool {
    state != State::Forwarded
}
