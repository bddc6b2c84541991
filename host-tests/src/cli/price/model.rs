//! What a model costs: every kind of token, in every tier, and the entry that says so.

use super::{Answer, Asked, dollars, rates, source, source_json, spelled, table};
use serde_json::{Map, Value, json};
use tokenstile_engine::price::{Price, PriceQuery, Quote, ServiceTier, Unit, UnknownPrice, models_like};
use tokenstile_engine::units::{NanoUsd, grouped};
use tokenstile_host::records::money;

pub(super) fn answer(model: &str, asked: &Asked<'_>) -> Answer {
    let tier = asked.tier.unwrap_or_default();
    let quote = quote(model, asked, tier);
    let others = ServiceTier::ALL.into_iter().filter(|other| *other != ServiceTier::Standard);
    let standard = self::quote(model, asked, ServiceTier::Standard).price;
    let mut tiers = vec![(ServiceTier::Standard, standard.clone())];
    tiers.extend(others.map(|other| (other, self::quote(model, asked, other).price)));
    tiers.retain(|(tier, price)| *tier == ServiceTier::Standard || *price != standard);
    let near = if quote.known { Vec::new() } else { models_like(model, asked.provider) };
    let cost = asked.usage.map(|usage| (usage, quote.price.cost(usage)));
    let refused = !quote.known && asked.policy.prices.unknown == UnknownPrice::Deny;

    let mut text = format!("{}\n", found(model, &quote, asked));
    text += &unknown(&quote, &near, asked);
    if let Some(place) = without_surcharge(model, &quote, asked, tier) {
        text +=
            &format!("Served at `{place}` it costs the same: the price book has no surcharge for that.\n");
    }
    text += &untiered(&quote, tier);
    if !refused {
        text += &format!("\n{}", prices(&tiers));
    }
    if let (Some((usage, cost)), false) = (&cost, refused) {
        text += &format!("\n{} cost {}, {}\n", spelled(usage), money::sum(*cost), quote.tier.name());
    }
    text += &format!("\n{}", source());
    let rates = |(tier, price): &(ServiceTier, Price)| (tier.name().to_owned(), all_rates(price));
    let json = json!({
        "model": model,
        "provider": asked.provider,
        "known": quote.known,
        "entry": quote.entry,
        "found_as": quote.name,
        "near": near,
        "unknown_rule": (!quote.known).then(|| rule(&asked.policy.prices.unknown)),
        "context_tokens": Some(quote.capability.context).filter(|context| *context > 0),
        "usd": if refused { Value::Null } else { tiers.iter().map(rates).collect::<Map<_, _>>().into() },
        "tier": tier.name(),
        "price_tier": quote.tier.name(),
        "cost_usd": cost.filter(|_| !refused).map(|(_, NanoUsd(nano))| dollars(nano)),
        "saturated": cost.is_some_and(|(_, cost)| money::is_cut(cost)),
        "prices": source_json(),
    });
    Answer { text, json, right: quote.known }
}

pub(super) fn quote(model: &str, asked: &Asked<'_>, tier: ServiceTier) -> Quote {
    asked.policy.prices.quote(&PriceQuery {
        provider: asked.provider,
        requested: model,
        answered: "",
        tier,
        place: asked.place,
        at: asked.at,
    })
}

/// That a known model has no price of the service tier, in a sentence: the filter takes the standard one.
pub(super) fn untiered(quote: &Quote, tier: ServiceTier) -> String {
    if !quote.known || quote.tier == tier {
        return String::new();
    }
    if quote.is_own() {
        return "The policy's own price is the same in every service tier.\n".to_owned();
    }
    format!("The price book has no {} price for it: the standard one is charged.\n", tier.name())
}

/// The place that was asked for, if it changes no price.
fn without_surcharge<'a>(
    model: &str,
    quote: &Quote,
    asked: &Asked<'a>,
    tier: ServiceTier,
) -> Option<&'a str> {
    let place = Some(asked.place).filter(|place| !place.is_empty() && quote.known)?;
    let anywhere = self::quote(model, &Asked { place: "", ..*asked }, tier);
    (anywhere.price == quote.price).then_some(place)
}

/// Which entry it is and why, in a sentence.
pub(super) fn found(model: &str, quote: &Quote, asked: &Asked<'_>) -> String {
    let alias = asked.policy.prices.aliases.iter().find(|(from, _)| from.eq_ignore_ascii_case(model));
    let alias = alias.map(|(_, to)| format!(", which stands for `{to}` in the policy,")).unwrap_or_default();
    if !quote.known {
        let whom = asked.provider.map(|provider| format!(" of {provider}")).unwrap_or_default();
        return format!("`{model}`{alias} is unknown to the price book{whom}.");
    }
    let whole = if quote.entry.starts_with("policy/") { "by an override of the policy" } else { "" };
    let same = quote.name.eq_ignore_ascii_case(model) || !alias.is_empty();
    let how = match (whole, same) {
        ("", true) => "by its name as it stands".to_owned(),
        ("", false) => format!("by its name as `{}`", quote.name),
        (own, _) => own.to_owned(),
    };
    let context = match quote.capability.context {
        0 => String::new(),
        tokens => format!("; a context of {} tokens", grouped(tokens)),
    };
    format!("`{model}`{alias} is {}, {how}{context}.", quote.entry)
}

/// What else there is to say of a model that is unknown: names near to it, and what the policy does.
pub(super) fn unknown(quote: &Quote, near: &[String], asked: &Asked<'_>) -> String {
    if quote.known {
        return String::new();
    }
    let near = if near.is_empty() { String::new() } else { format!("Near names: {}.\n", near.join(", ")) };
    let charged = match &asked.policy.prices.unknown {
        UnknownPrice::Ceiling => match asked.provider {
            Some(provider) => format!("It is charged as the dearest model of {provider}."),
            None => "It is charged as the dearest model of all.".to_owned(),
        },
        UnknownPrice::Deny => "The policy refuses its calls.".to_owned(),
        UnknownPrice::Price(_) => "It is charged by the policy's `unknown_price`.".to_owned(),
    };
    format!("{near}{charged}\n")
}

fn rule(unknown: &UnknownPrice) -> &'static str {
    match unknown {
        UnknownPrice::Ceiling => "ceiling",
        UnknownPrice::Deny => "deny",
        UnknownPrice::Price(_) => "unknown_price",
    }
}

/// Rows of kinds, columns of tiers; what changes with long prompts in rows of its own.
fn prices(tiers: &[(ServiceTier, Price)]) -> String {
    let mut header = vec!["$ a million tokens".to_owned()];
    header.extend(tiers.iter().map(|(tier, _)| tier.name().to_owned()));
    let mut steps: Vec<u64> = tiers.iter().flat_map(|(_, price)| price.tiers()).collect();
    steps.sort_unstable();
    steps.dedup();
    let cells = |unit: Unit, tokens: u64| -> Vec<String> {
        let cell = |(_, price): &(ServiceTier, Price)| {
            price.rate(unit, tokens).map_or_else(|| "-".to_owned(), |rate| unit.rate_text(rate))
        };
        tiers.iter().map(cell).collect()
    };
    let stated = |unit: &&Unit| tiers.iter().any(|(_, price)| price.rate(**unit, 0).is_some());
    let mut rows = Vec::new();
    for &unit in Unit::ALL.iter().filter(stated) {
        let name = unit.name();
        let label = if unit.is_each() { format!("{name} ($ a thousand)") } else { name.to_owned() };
        let mut below = cells(unit, 0);
        rows.push([vec![label], below.clone()].concat());
        for &step in &steps {
            let above = cells(unit, step.saturating_add(1));
            if above != below {
                rows.push([vec![format!("  over {} of input", grouped(step))], above.clone()].concat());
                below = above;
            }
        }
    }
    table(header, rows)
}

fn all_rates(price: &Price) -> Value {
    let named = |tokens: u64| -> Map<String, Value> {
        rates(price, tokens).into_iter().map(|(unit, rate)| (unit.name().to_owned(), rate.into())).collect()
    };
    let mut all = named(0);
    let above: Vec<Value> = price
        .tiers()
        .map(|tokens| json!({ "input_tokens_over": tokens, "usd": named(tokens.saturating_add(1)) }))
        .collect();
    if !above.is_empty() {
        all.insert("above".to_owned(), above.into());
    }
    all.into()
}
