//! Owns what a policy's names of models mean in the price book. Called by `warnings` and `economics`.

use tokenstile_engine::policy::Policy;
use tokenstile_engine::price::{
    Price, PriceQuery, Prices, Quote, ServiceTier, Unit, UnknownPrice, models, quotes,
};
use tokenstile_engine::units::EpochMs;
use tokenstile_engine::usage::Usage;

/// What a call to this model costs under the policy.
pub(super) fn quote(policy: &Policy, model: &str, now: EpochMs) -> Quote {
    quote_in(policy, model, ServiceTier::Standard, now)
}

/// The same in a service tier.
pub(super) fn quote_in(policy: &Policy, model: &str, tier: ServiceTier, now: EpochMs) -> Quote {
    quote_at(policy, model, (tier, ""), now)
}

/// The same in a service tier, at a place.
pub(super) fn quote_at(
    policy: &Policy,
    model: &str,
    (tier, place): (ServiceTier, &str),
    now: EpochMs,
) -> Quote {
    policy.prices.quote(&PriceQuery {
        provider: policy.provider.as_deref(),
        requested: model,
        answered: "",
        tier,
        place,
        at: now,
    })
}

/// Models of the book that a pattern means; a name without `*` is itself.
pub(super) fn meant(policy: &Policy, pattern: &str) -> Vec<String> {
    if !pattern.contains('*') {
        return vec![pattern.to_owned()];
    }
    let matcher = wildmatch::WildMatch::new(pattern);
    let own = policy.prices.aliases.iter().map(|(name, _)| name.as_str());
    let provider = policy.provider.as_deref();
    let book =
        models().filter(|(of, _)| provider.is_none_or(|provider| provider == *of)).map(|(_, model)| model);
    let mut meant: Vec<String> =
        own.chain(book).filter(|name| matcher.matches(name)).map(str::to_owned).collect();
    meant.sort();
    meant.dedup();
    meant
}

/// Pico-dollars for the dearest token that a call can use, however long its prompt.
pub(super) fn dearest_token(price: &Price) -> u64 {
    let longest = price.tiers().max().map_or(0, |start| start.saturating_add(1));
    let each = |unit: &&Unit| !unit.is_each();
    let rates =
        Unit::ALL.iter().filter(each).flat_map(|unit| [price.rate(*unit, 0), price.rate(*unit, longest)]);
    rates.flatten().max().unwrap_or(0)
}

/// What a thousand tokens in and a thousand out cost: the measure by which two models are compared.
pub(super) fn sample(price: &Price) -> i64 {
    price.cost(Usage { input: 1_000, output: 1_000, ..Usage::default() }).0
}

/// The same for any model that a call may name, in any of these service tiers and at any of these places: the rule for
/// the unknown is the dearest of the provider, or of all, unless the policy has prices of its own.
pub(super) fn dearest_of_all(policy: &Policy, tiers: &[ServiceTier], places: &[&str], now: EpochMs) -> u64 {
    let own = policy.prices.overrides.iter().map(|own| dearest_token(&own.price));
    let unknown = match &policy.prices.unknown {
        UnknownPrice::Price(price) => dearest_token(price),
        UnknownPrice::Ceiling | UnknownPrice::Deny => 0,
    };
    let book = Prices::default().quote(&PriceQuery {
        provider: policy.provider.as_deref(),
        requested: "",
        answered: "",
        tier: ServiceTier::named("standard"),
        place: "",
        at: now,
    });
    let provider = policy.provider.as_deref();
    let ways = places.iter().flat_map(|place| tiers.iter().map(move |tier| (*tier, *place)));
    let served = ways.flat_map(|(tier, place)| quotes(provider, tier, place, now));
    let served = served.map(|quote| dearest_token(&quote.price));
    own.chain([unknown, dearest_token(&book.price)]).chain(served).max().unwrap_or(0)
}
