//! Which price a call has: by the policy's own prices, then by the book, then by the rule for the unknown.

use super::Price;
use super::book::{self, Capability, Model, Provider, ServiceTier};
use crate::units::EpochMs;
use wildmatch::WildMatch;

/// What is known of a call when its price is asked for.
#[derive(Debug, Clone, Copy)]
pub struct PriceQuery<'a> {
    /// The provider's name in the book, if it is known.
    pub provider: Option<&'a str>,
    /// The model that the request names.
    pub requested: &'a str,
    /// The model that the answer names; empty before there is one.
    pub answered: &'a str,
    /// How it is served.
    pub tier: ServiceTier,
    /// Where it must be served, if that costs more: `us` (Anthropic's `inference_geo`), `regional` (Vertex AI).
    pub place: &'a str,
    /// When: prices have a history.
    pub at: EpochMs,
}

/// A price, and how it was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Quote {
    /// What is charged.
    pub price: Price,
    /// What the book has for it, where the price is the policy's own and the book knows the model.
    pub list: Option<Price>,
    /// Whether the model is known; if not, the price is the policy's rule for that.
    pub known: bool,
    /// The entry of the book or of the policy: `openai/gpt-4o`. Empty if unknown.
    pub entry: String,
    /// The spelling of the model's name by which it was found. Empty if unknown.
    pub name: String,
    /// What is known of the model beside its price.
    pub capability: Capability,
    /// The service tier that the book was asked for; the policy's own prices know none.
    pub tier: ServiceTier,
}

impl Quote {
    /// Whether it is a price of the policy's own.
    #[must_use]
    pub fn is_own(&self) -> bool {
        self.entry.starts_with(OWN)
    }
}

/// What stands before the name of a model that the policy itself has a price for.
const OWN: &str = "policy/";

/// What a model costs that neither the policy nor the book knows.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum UnknownPrice {
    /// As much as the dearest known model of its provider, or of all.
    #[default]
    Ceiling,
    /// Its calls are refused.
    Deny,
    /// This.
    Price(Box<Price>),
}

/// A price of the policy's own.
#[derive(Debug, Clone)]
pub struct Override {
    /// Names of models, with globs.
    pub model: WildMatch,
    /// Only for this provider.
    pub provider: Option<String>,
    /// What is charged.
    pub price: Price,
}

/// The prices of a policy: its own ones over the book.
#[derive(Debug, Clone, Default)]
pub struct Prices {
    /// Tried in this order, before the book.
    pub overrides: Vec<Override>,
    /// Names that stand for models of the book, as deployments do: (name in lower case, model).
    pub aliases: Vec<(String, String)>,
    /// For all others.
    pub unknown: UnknownPrice,
    /// What a provider's answer says that it charges is the cost.
    pub charges_stated: bool,
}

/// The provider, as the book names it, that serves at this host and path.
#[must_use]
pub fn provider_of_host(host: &[u8], path: &[u8]) -> Option<&'static str> {
    let host = host.split(|byte| *byte == b':').next().unwrap_or_default();
    let path = path.split(|byte| *byte == b'?').next().unwrap_or_default();
    let place = [host, path].concat().to_ascii_lowercase();
    Provider::of_host(&place).map(|provider| provider.id)
}

/// The providers of the book by name.
pub fn providers() -> impl Iterator<Item = &'static str> {
    Provider::all().map(|provider| provider.id)
}

/// The models of the book: provider and name.
pub fn models() -> impl Iterator<Item = (&'static str, &'static str)> {
    Provider::all().flat_map(|provider| provider.models().map(move |model| (provider.id, model.id)))
}

/// What each model of the book costs that this provider serves, or any, in a service tier, at a place (see
/// [`PriceQuery::place`]) and at a time. Those without any rate are left out.
pub fn quotes(
    provider: Option<&str>,
    tier: ServiceTier,
    place: &str,
    at: EpochMs,
) -> impl Iterator<Item = Quote> {
    let all = Provider::all().filter(move |each| provider.is_none_or(|only| each.id == only));
    all.flat_map(move |provider| provider.models().map(move |model| (provider, model))).filter_map(
        move |(provider, model)| {
            let named = PriceQuery { provider: None, requested: model.id, answered: "", tier, place, at };
            priced(provider, model, model.id, &named)
        },
    )
}

/// Whether the book has a provider of this name.
#[must_use]
pub fn is_provider(name: &str) -> bool {
    Provider::named(name).is_some()
}

/// Entries of the book (`openai/gpt-4o`) whose names are near to this one, the nearest first, five at most.
#[must_use]
pub fn models_like(name: &str, provider: Option<&str>) -> Vec<String> {
    let name = plain(name);
    let concerned = |each: &Provider| provider.is_none_or(|only| each.id == only);
    let mut near: Vec<(usize, String)> = Vec::new();
    for each in Provider::all().filter(concerned) {
        for id in each.models().map(|model| model.id) {
            let bare = id.rsplit('/').next().unwrap_or(id);
            let far = edits(&name, &id.to_lowercase()).min(edits(&name, &bare.to_lowercase()));
            if far <= name.len() / 3 {
                near.push((far, format!("{}/{id}", each.id)));
            }
        }
    }
    near.sort();
    near.into_iter().take(5).map(|(_, entry)| entry).collect()
}

/// Letters to change, add or leave out (Levenshtein).
fn edits(a: &str, b: &str) -> usize {
    let mut row: Vec<usize> = (0..=b.chars().count()).collect();
    for (i, x) in a.chars().enumerate() {
        let mut diagonal = i;
        let mut left = i.saturating_add(1);
        if let Some(first) = row.first_mut() {
            *first = left;
        }
        for (cell, y) in row.iter_mut().skip(1).zip(b.chars()) {
            let changed = diagonal.saturating_add(usize::from(x != y));
            diagonal = *cell;
            left = changed.min(cell.saturating_add(1)).min(left.saturating_add(1));
            *cell = left;
        }
    }
    row.last().copied().unwrap_or(0)
}

impl Prices {
    /// The price of a call.
    #[must_use]
    pub fn quote(&self, query: &PriceQuery<'_>) -> Quote {
        let both = names(query, &self.aliases);
        let own = both.iter().find_map(|name| self.own(name, query.provider));
        // Another maker's model than the one asked for is no other spelling of it.
        let listed = if is_fallback(query) {
            names(&PriceQuery { requested: "", ..*query }, &self.aliases)
        } else {
            both
        };
        let own = own.map(|own| Quote { list: in_book(&listed, query).map(|listed| listed.price), ..own });
        own.or_else(|| in_book(&listed, query)).unwrap_or_else(|| Quote {
            price: match &self.unknown {
                UnknownPrice::Price(price) => (**price).clone(),
                UnknownPrice::Ceiling | UnknownPrice::Deny => ceiling(query.provider),
            },
            list: None,
            known: false,
            entry: String::new(),
            name: String::new(),
            capability: Capability::default(),
            tier: ServiceTier::Standard,
        })
    }

    fn own(&self, name: &str, provider: Option<&str>) -> Option<Quote> {
        let concerns = |own: &&Override| {
            own.model.matches(name) && own.provider.as_deref().is_none_or(|only| Some(only) == provider)
        };
        let own = self.overrides.iter().find(concerns)?;
        let (entry, name) = ([OWN, name].concat(), name.to_owned());
        Some(Quote {
            price: own.price.clone(),
            list: None,
            known: true,
            entry,
            name,
            capability: Capability::default(),
            tier: ServiceTier::Standard,
        })
    }
}

fn ceiling(provider: Option<&str>) -> Price {
    provider.and_then(Provider::named).and_then(Provider::dearest).unwrap_or_else(book::dearest)
}

/// The names to look for, the best first, each after its alias.
fn names(query: &PriceQuery<'_>, aliases: &[(String, String)]) -> Vec<String> {
    // What answers is what is billed (with OpenRouter too: "priced using the model that was ultimately used",
    // <https://openrouter.ai/docs/guides/routing/model-fallbacks>); but Bedrock names no model, or a region's.
    let asked_first = query.provider == Some("aws");
    let both =
        if asked_first { [query.requested, query.answered] } else { [query.answered, query.requested] };
    let mut names: Vec<String> = Vec::with_capacity(2);
    for name in both {
        let name = plain(name);
        let alias = aliases.iter().find(|(from, _)| *from == name);
        let name = alias.map_or(name, |(_, to)| plain(to));
        if !name.is_empty() && !names.contains(&name) {
            names.push(name);
        }
    }
    names
}

/// Whether OpenRouter's answer is of another maker's model than the one that was asked for.
fn is_fallback(query: &PriceQuery<'_>) -> bool {
    query.provider == Some("openrouter")
        && matches!((maker(query.answered), maker(query.requested)), (Some(one), Some(other)) if one != other)
}

/// What stands before the slash: `anthropic/claude-sonnet-4.5`.
fn maker(name: &str) -> Option<&str> {
    name.split_once('/').map(|(maker, _)| maker)
}

fn in_book(names: &[String], query: &PriceQuery<'_>) -> Option<Quote> {
    let exact = |name: &String| vec![name.clone()];
    // As it stands; then without what vendors and dates add.
    let attempts = names.iter().map(exact).chain(names.iter().map(|name| bare_spellings(name)));
    let mut attempts = attempts.flatten();
    match query.provider.and_then(Provider::named) {
        Some(provider) => attempts
            .find_map(|name| find(provider, &name, query))
            .or_else(|| names.iter().find_map(|name| at_maker(provider, name, query))),
        // Nobody says who serves: by the name, and never twice.
        None if query.provider.is_none() => attempts.find_map(|name| by_name(&name, query)),
        None => None,
    }
}

/// Where nobody says who serves: by the rules for names, which know OpenAI's chat models alone and none that embed; and by
/// who serves at Hugging Face (`meta-llama/Llama-3.3-70B-Instruct:novita`, <https://huggingface.co/docs/inference-providers>).
fn by_name(name: &str, query: &PriceQuery<'_>) -> Option<Quote> {
    let makers = Provider::of_model(name).chain(Provider::named("openai"));
    let found = makers.into_iter().find_map(|provider| find(provider, name, query));
    found.or_else(|| {
        let (model, server) = name.split_once(':')?;
        find(Provider::named(&format!("huggingface_{server}"))?, model, query)
    })
}

/// OpenRouter asks what the makers ask: "passes through the pricing of the underlying providers"
/// (<https://openrouter.ai/docs/faq>).
fn at_maker(provider: Provider, name: &str, query: &PriceQuery<'_>) -> Option<Quote> {
    let (maker, model) = name.split_once('/').filter(|_| provider.id == "openrouter")?;
    find(Provider::named(maker)?, model, query)
}

fn find(provider: Provider, name: &str, query: &PriceQuery<'_>) -> Option<Quote> {
    let model: Model = provider.model(name).or_else(|| provider.model(&dashed_date(name)?))?;
    priced(provider, model, name, query)
}

fn priced(provider: Provider, model: Model, name: &str, query: &PriceQuery<'_>) -> Option<Quote> {
    let (price, has_tier, capability) = model.price(query.tier, query.at)?;
    let tier = Some(query.tier).filter(|_| !has_tier);
    let times = provider.times(model.id, tier, query.place).unwrap_or(1_000);
    let price = if times == 1_000 { price } else { price.times(times) };
    // An entry without any rate says nothing: unknown must not mean free.
    let price = Some(price).filter(Price::is_stated)?;
    let entry = format!("{}/{}", provider.id, model.id);
    // A tier that this entry has no price for is priced as any call.
    let is_of_tier = has_tier || provider.times(model.id, tier, "").is_some_and(|times| times != 1_000);
    let tier = if is_of_tier { query.tier } else { ServiceTier::Standard };
    Some(Quote { price, list: None, known: true, entry, name: name.to_owned(), capability, tier })
}

/// In lower case, percent-decoded, without what stands around a name in paths and ARNs.
fn plain(name: &str) -> String {
    let name = percent_decoded(name).to_ascii_lowercase();
    let name = match name.strip_prefix("arn:") {
        Some(arn) => arn.split_once('/').map_or(arn, |(_, model)| model).to_owned(),
        None => name,
    };
    let name = name
        .strip_prefix("publishers/")
        .and_then(|rest| rest.split_once("/models/"))
        .map_or(name.as_str(), |(_, model)| model);
    name.strip_prefix("models/").unwrap_or(name).to_owned()
}

fn percent_decoded(name: &str) -> String {
    if !name.contains('%') {
        return name.to_owned();
    }
    let mut out = Vec::with_capacity(name.len());
    let mut rest = name.as_bytes();
    while let Some((byte, behind)) = rest.split_first() {
        let hex = behind.get(..2).and_then(|two| std::str::from_utf8(two).ok());
        let decoded = hex.and_then(|hex| u8::from_str_radix(hex, 16).ok()).filter(|_| *byte == b'%');
        out.push(decoded.unwrap_or(*byte));
        rest = if decoded.is_some() { behind.get(2..).unwrap_or_default() } else { behind };
    }
    String::from_utf8_lossy(&out).into_owned()
}

/// The name without its vendor, without its date, without both; `-latest` is such a date.
fn bare_spellings(name: &str) -> Vec<String> {
    let mut out = Vec::new();
    let mut push = |spelling: &str| {
        if spelling != name && !spelling.is_empty() && !out.iter().any(|known| known == spelling) {
            out.push(spelling.to_owned());
        }
    };
    let model = name.rsplit('/').next().unwrap_or(name);
    for spelling in [model, without_date(name), without_date(model)] {
        push(spelling);
        push(spelling.split(':').next().unwrap_or(spelling));
    }
    out
}

/// `gpt-4o-2024-08-06`, `claude-sonnet-4-20250514`, `mistral-large-latest`, `gemini-…@001`.
pub(crate) fn without_date(name: &str) -> &str {
    let name = name.split_once('@').map_or(name, |(model, _)| model);
    let name = name.strip_suffix("-latest").unwrap_or(name);
    let is_date = |tail: &str, dashed: bool| {
        let fits = |(i, byte): (usize, u8)| {
            if dashed && (i == 4 || i == 7) { byte == b'-' } else { byte.is_ascii_digit() }
        };
        tail.starts_with("20") && tail.bytes().enumerate().all(fits)
    };
    for (length, dashed) in [(10, true), (8, false)] {
        let cut = name.len().checked_sub(length).and_then(|at| name.split_at_checked(at));
        if let Some((head, tail)) = cut
            && let Some(head) = head.strip_suffix('-')
            && is_date(tail, dashed)
        {
            return head;
        }
    }
    name
}

/// `gpt-5.2-20251211` as `gpt-5.2-2025-12-11`, as genai-prices tries it.
fn dashed_date(name: &str) -> Option<String> {
    let bare = without_date(name);
    let date = name.strip_prefix(bare)?.strip_prefix('-').filter(|date| date.len() == 8)?;
    let (year, rest) = date.split_at_checked(4)?;
    let (month, day) = rest.split_at_checked(2)?;
    Some(format!("{bare}-{year}-{month}-{day}"))
}
