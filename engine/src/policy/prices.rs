//! The prices of a policy: its own ones, names that stand for models, and the rule for the unknown.

use super::Policy;
use super::errors::PolicyErrors;
use super::named::Named;
use crate::price::{
    Override, Price, PriceQuery, Prices, ServiceTier, Unit, UnknownPrice, is_provider, providers,
};
use crate::units::EpochMs;
use deserr::Deserr;
use wildmatch::WildMatch;

impl Policy {
    /// What the price book, or the policy itself, has a model for, before anything else of a call is known:
    /// `openai/gpt-4o`; empty if nothing.
    #[must_use]
    pub fn entry_of(&self, model: &str) -> String {
        let query = PriceQuery {
            provider: self.provider.as_deref(),
            requested: model,
            answered: "",
            tier: ServiceTier::Standard,
            place: "",
            at: EpochMs(0),
        };
        self.prices.quote(&query).entry
    }
}

/// The `prices` object as written.
#[derive(Debug, Default, Deserr)]
#[deserr(error = PolicyErrors, deny_unknown_fields)]
pub(super) struct Wire {
    #[deserr(default)]
    unknown: UnknownRule,
    #[deserr(default)]
    unknown_price: Option<Named<String>>,
    #[deserr(default)]
    overrides: Vec<OverrideWire>,
    #[deserr(default)]
    aliases: Named<String>,
    #[deserr(default)]
    provider_cost: ProviderCost,
}

/// What becomes of what a provider's answer says that it charges.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserr)]
#[deserr(error = PolicyErrors, rename_all = lowercase)]
enum ProviderCost {
    /// Nothing: the price book tells the cost.
    #[default]
    Ignore,
    /// It is the cost.
    Charge,
}

/// What happens to a model that nobody knows the price of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserr)]
#[deserr(error = PolicyErrors, rename_all = lowercase)]
enum UnknownRule {
    /// It costs as much as the dearest known one.
    #[default]
    Ceiling,
    /// Its calls are refused.
    Deny,
}

/// One price of the policy's own.
#[derive(Debug, Deserr)]
#[deserr(error = PolicyErrors, deny_unknown_fields)]
struct OverrideWire {
    model: String,
    #[deserr(default)]
    provider: Option<String>,
    usd: Named<String>,
}

/// From the prices as written to the prices as used.
pub(super) fn compile(wire: Wire, provider: Option<&str>, errors: &mut PolicyErrors) -> Prices {
    check_providers(&wire, provider, errors);
    let unknown = match wire.unknown_price {
        Some(_) if wire.unknown == UnknownRule::Deny => {
            errors.add("prices.unknown_price", "never used: `unknown` is `deny`");
            UnknownPrice::Deny
        }
        Some(rates) => UnknownPrice::Price(Box::new(price("prices.unknown_price", &rates, errors))),
        None if wire.unknown == UnknownRule::Deny => UnknownPrice::Deny,
        None => UnknownPrice::Ceiling,
    };
    let overrides = wire.overrides.into_iter().enumerate().map(|(i, own)| {
        let path = format!("prices.overrides[{i}]");
        if own.model.is_empty() {
            errors.add(format!("{path}.model"), "a model name is needed, such as `gpt-4o*`");
        }
        let price = price(&format!("{path}.usd"), &own.usd, errors);
        Override { model: WildMatch::new(&own.model.to_ascii_lowercase()), provider: own.provider, price }
    });
    let overrides = overrides.collect();
    let aliases = wire.aliases.into_iter().map(|(from, to)| {
        if to.is_empty() {
            errors.add(format!("prices.aliases.{from}"), "a model name is needed, such as `gpt-4o`");
        }
        (from.to_ascii_lowercase(), to)
    });
    let charges_stated = wire.provider_cost == ProviderCost::Charge;
    Prices { overrides, aliases: aliases.collect(), unknown, charges_stated }
}

/// A misspelt provider would make every model unknown. A name that the book lacks is right where the policy
/// itself has prices for it.
fn check_providers(wire: &Wire, provider: Option<&str>, errors: &mut PolicyErrors) {
    let own: Vec<&str> = wire.overrides.iter().filter_map(|own| own.provider.as_deref()).collect();
    let mut check = |path: String, name: &str, elsewhere: bool| {
        if !is_provider(name) && !elsewhere {
            let known: Vec<&str> = providers().collect();
            let message = format!("the price book knows no provider `{name}`; it knows {}", known.join(", "));
            errors.add(path, message);
        }
    };
    if let Some(name) = provider {
        check("provider".to_owned(), name, own.contains(&name) || wire.unknown_price.is_some());
    }
    for (i, name) in
        wire.overrides.iter().enumerate().filter_map(|(i, own)| Some((i, own.provider.as_deref()?)))
    {
        check(format!("prices.overrides[{i}].provider"), name, provider == Some(name));
    }
}

/// Dollars a million tokens (a thousand requests or searches), as decimal texts by unit.
fn price(path: &str, rates: &Named<String>, errors: &mut PolicyErrors) -> Price {
    let mut price = Price::default();
    for (name, text) in rates.iter() {
        let Some(unit) = Unit::named(name) else {
            let known: Vec<&str> = Unit::ALL.iter().map(|unit| unit.name()).collect();
            errors.add(format!("{path}.{name}"), format!("unknown unit; known are {}", known.join(", ")));
            continue;
        };
        match unit.parse_rate(text) {
            Some(rate) => price = price.with(unit, rate),
            None => errors.add(
                format!("{path}.{name}"),
                format!("`{text}` is no price; write dollars with at most six decimals, like \"2.50\""),
            ),
        }
    }
    let is_whole = |unit: &Unit| price.rate(*unit, 0).is_some();
    let is_complete = is_whole(&Unit::Requests) || (is_whole(&Unit::Input) && is_whole(&Unit::Output));
    if !is_complete {
        errors.add(path, "`input` and `output` are needed (or `requests`); what is free says \"0\"");
    }
    price
}
