//! At which price the tokens of a model are counted: the dearest that its callers can choose, by service tiers and places
//! that cost more, or that a route chooses for them. And what no tokens bound. Called by `mod.rs` and `request.rs`.

use crate::check::models;
use tokenstile_engine::dialect::Features;
use tokenstile_engine::policy::{Budget, Condition, Policy, RouteRule, Setting, Term, knows_service_tier};
use tokenstile_engine::price::{Quote, ServiceTier, Unit, quotes};
use tokenstile_engine::units::{EpochMs, Meter, NanoUsd};

/// Places that cost more and that a request can name: Anthropic's `inference_geo`, a region of Vertex AI in the path.
const PLACES: [&str; 3] = ["", "us", "regional"];

/// The dearest price of a model.
#[derive(Debug, Clone)]
pub(super) struct Dearest {
    pub(super) quote: Quote,
    /// Pico-dollars for its dearest token.
    pub(super) token: u64,
    /// How a call is served that costs so much: a service tier, a place; empty as by default.
    pub(super) served: String,
}

/// What is paid beside tokens, and is left out of what they bound.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NotCounted {
    /// `web_searches` or `requests`, as in `prices/book.json`.
    pub unit: &'static str,
    /// What a thousand of them cost, at the dearest model.
    pub usd_per_1k: NanoUsd,
}

impl NotCounted {
    /// As people say it: `web searches at $10.00 a thousand`.
    #[must_use]
    pub fn text(&self) -> String {
        format!("{} at {} a thousand", self.unit.replace('_', " "), self.usd_per_1k)
    }
}

/// How a call to a model comes to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Comes {
    /// Callers name it.
    Asked,
    /// A route or a ladder puts it in the place of another, of which nothing is known.
    InPlace,
}

pub(super) fn dearest(policy: &Policy, model: &str, comes: Comes, now: EpochMs) -> Dearest {
    let quote = models::quote(policy, model, now);
    let tiers = tiers(policy, model, &quote, comes);
    dearest_of(tiers.as_slice(), |tier, place| models::quote_at(policy, model, (tier, place), now))
        .unwrap_or_else(|| Dearest {
            token: models::dearest_token(&quote.price),
            quote,
            served: String::new(),
        })
}

/// The dearest of these tiers, everywhere; of those that cost the same the first.
fn dearest_of(tiers: &[ServiceTier], quote: impl Fn(ServiceTier, &str) -> Quote) -> Option<Dearest> {
    let mut dearest: Option<Dearest> = None;
    for (place, tier) in PLACES.iter().flat_map(|place| tiers.iter().map(move |tier| (place, tier))) {
        let quote = quote(*tier, place);
        let token = models::dearest_token(&quote.price);
        if dearest.as_ref().is_none_or(|dearest| dearest.token < token) {
            let tier = Some(quote.tier.name()).filter(|_| quote.tier != ServiceTier::Standard);
            let place = Some(*place).filter(|place| !place.is_empty());
            let served = tier.into_iter().chain(place).collect::<Vec<_>>().join(", ");
            dearest = Some(Dearest { quote, token, served });
        }
    }
    dearest
}

/// Pico-dollars for the dearest token of any model, served in any way.
pub(super) fn of_all(policy: &Policy, now: EpochMs) -> u64 {
    // A model that has no price of its own in a tier costs what it does by default.
    models::dearest_of_all(policy, &[ServiceTier::Priority, ServiceTier::Fast], &PLACES, now)
}

/// The prices of all models that callers may name.
pub(super) fn all_prices(policy: &Policy, now: EpochMs) -> Vec<(String, Quote)> {
    let all = quotes(policy.provider.as_deref(), ServiceTier::Standard, "", now);
    all.map(|quote| (quote.name.clone(), quote)).collect()
}

/// The service tiers in which its calls may be served: any, unless a route chooses one for all of them.
fn tiers(policy: &Policy, model: &str, quote: &Quote, comes: Comes) -> Vec<ServiceTier> {
    // Routes change the tier in the words of these APIs.
    let api = match quote.entry.split_once('/').map_or("", |(provider, _)| provider) {
        "openai" | "azure" => "openai-chat",
        "anthropic" => "anthropic-messages",
        _ => return ServiceTier::ALL.to_vec(),
    };
    let tier = |set: &Setting| set.service_tier.filter(|tier| knows_service_tier(api, tier));
    let concerns = |condition: &Condition| match condition {
        Condition::Model(pattern) => comes == Comes::Asked && pattern.matches(model),
        _ => false,
    };
    let for_all = |route: &RouteRule| {
        route.split.is_none() && route.term == Term::default() && route.matches.iter().all(concerns)
    };
    let mut chosen = Vec::new();
    for route in policy.routes.iter().filter(|route| !route.shadow) {
        let arms = route.split.iter().flat_map(|split| &split.arms).map(|arm| &arm.set);
        chosen.extend(arms.chain([&route.set]).filter_map(tier).map(ServiceTier::named));
        if for_all(route) && tier(&route.set).is_some() {
            // Anthropic's `speed` is no service tier.
            chosen.extend((api == "anthropic-messages").then_some(ServiceTier::Fast));
            return chosen;
        }
    }
    ServiceTier::ALL.to_vec()
}

/// What the calls to these models are charged beside their tokens where these budgets bound them.
pub(super) fn not_counted(
    policy: &Policy,
    prices: &[(String, Quote)],
    (single_calls, budgets): (bool, &[&Budget]),
) -> Vec<NotCounted> {
    let by_tokens =
        |budget: &&Budget| matches!(budget.meter, Meter::Tokens | Meter::InputTokens | Meter::OutputTokens);
    let by_calls = |budget: &&Budget| budget.meter == Meter::Requests;
    let searches = single_calls || budgets.iter().any(|budget| by_tokens(budget) || by_calls(budget));
    let blocks = blocks_searches(policy);
    let may_search = |(model, quote): &&(String, Quote)| !blocks || searches_unasked(model, quote);
    let most = |unit: Unit, prices: &mut dyn Iterator<Item = &(String, Quote)>| {
        let dearest = prices.filter_map(|(_, quote)| quote.price.rate(unit, 0)).max()?;
        // Pico-dollars each are billionths of a dollar a thousand.
        let usd_per_1k = NanoUsd(i64::try_from(dearest).unwrap_or(i64::MAX));
        (dearest > 0).then(|| NotCounted { unit: unit.name(), usd_per_1k })
    };
    let searches = searches.then(|| most(Unit::WebSearches, &mut prices.iter().filter(may_search)));
    let calls = budgets.iter().any(by_tokens);
    let calls = calls.then(|| most(Unit::Requests, &mut prices.iter()));
    [searches, calls].into_iter().flatten().flatten().collect()
}

/// Whether every call is refused that lets the provider search.
fn blocks_searches(policy: &Policy) -> bool {
    policy.blocks.iter().filter(|block| !block.shadow && block.term == Term::default()).any(|block| {
        let searches = |condition: &Condition| {
            matches!(condition, Condition::Uses(features) if Features::SERVER_TOOLS.contains(*features))
        };
        block.matches.iter().all(searches)
    })
}

/// A model that searches without being told to.
fn searches_unasked(model: &str, quote: &Quote) -> bool {
    model.contains("search") || quote.entry.starts_with("perplexity/")
}
