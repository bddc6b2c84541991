//! Quotes given lately: the book is packed for size, and reading it again for each call of the same model costs more
//! than reading the call.

use super::{PriceQuery, Prices, Quote, ServiceTier};
use std::rc::Rc;

/// Quotes kept. Most proxies see fewer models than this in a minute; strangers may name any number.
const QUOTES_MAX: usize = 64;
/// Names that are longer, in bytes, are not kept.
const NAME_MAX: usize = 128;
/// No price changes within a minute: those that depend on the time name a day, or minutes of the day.
const MINUTE_MS: i64 = 60_000;

/// Quotes of one policy in two minutes: calls that begin and calls that end are priced by when they began. Part of what
/// the shell lends to its exchanges: `Memo`.
#[derive(Debug, Default)]
pub struct Quotes([Minute; 2]);

#[derive(Debug, Default)]
struct Minute {
    at: i64,
    /// Behind the tag of each.
    kept: Vec<(u64, Asked, Rc<Quote>)>,
}

/// A [`PriceQuery`] but for its time.
#[derive(Debug)]
struct Asked {
    provider: Option<String>,
    requested: String,
    answered: String,
    tier: ServiceTier,
    place: String,
}

/// Tells most queries apart by the ends of their names: comparing names with all that are kept took an eighth of a
/// replay's time.
fn tag(query: &PriceQuery<'_>) -> u64 {
    let end = |name: &str| match name.as_bytes().last_chunk() {
        Some(last) => u64::from_le_bytes(*last),
        None => name.bytes().fold(0, |all, byte| (all << 8) | u64::from(byte)),
    };
    let length = query.requested.len() as u64;
    end(query.requested).rotate_left(17) ^ end(query.answered).rotate_left(5) ^ length
}

impl Asked {
    fn is(&self, query: &PriceQuery<'_>) -> bool {
        self.requested == query.requested
            && self.answered == query.answered
            && self.tier == query.tier
            && self.provider.as_deref() == query.provider
            && self.place == query.place
    }
}

impl Quotes {
    /// [`Prices::quote`], which must be of the same policy each time.
    pub fn quote(&mut self, prices: &Prices, query: &PriceQuery<'_>) -> Rc<Quote> {
        let at = query.at.0.div_euclid(MINUTE_MS);
        let [older, newer] = &mut self.0;
        if older.at > newer.at {
            std::mem::swap(older, newer);
        }
        let minute = if newer.at == at { newer } else { older };
        if minute.at != at || minute.kept.len() >= QUOTES_MAX {
            minute.kept.clear();
            minute.at = at;
        }
        let tag = tag(query);
        let known = minute.kept.iter().find(|(other, asked, _)| *other == tag && asked.is(query));
        if let Some((.., quote)) = known {
            return quote.clone();
        }
        let quote = Rc::new(prices.quote(query));
        if [query.requested, query.answered, query.place].iter().all(|name| name.len() <= NAME_MAX) {
            let asked = Asked {
                provider: query.provider.map(str::to_owned),
                requested: query.requested.to_owned(),
                answered: query.answered.to_owned(),
                tier: query.tier,
                place: query.place.to_owned(),
            };
            minute.kept.push((tag, asked, quote.clone()));
        }
        quote
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::units::EpochMs;

    fn asked(model: &str, at: i64) -> PriceQuery<'_> {
        PriceQuery {
            provider: Some("deepseek"),
            requested: model,
            answered: "",
            tier: ServiceTier::Standard,
            place: "",
            at: EpochMs(at),
        }
    }

    /// DeepSeek's prices change on the minute (by time of day) and with the day.
    #[test]
    fn says_what_the_book_says_in_any_order_and_number() {
        let (prices, mut quotes) = (Prices::default(), Quotes::default());
        let names: Vec<String> = (0..200).map(|i| format!("nobodys-model-{i}")).collect();
        let models = ["deepseek-chat", "deepseek-reasoner", "gpt-4o"];
        for step in 0..4_000_i64 {
            // Minutes forwards and backwards, 20 s at a time.
            let at = 1_740_000_000_000 + (step % 1_000) * 20_000 - (step / 1_000) * 7_000_000;
            for model in models {
                let query = asked(model, at);
                assert_eq!(*quotes.quote(&prices, &query), prices.quote(&query), "{model} at {at}");
            }
            let query = asked(&names[usize::try_from(step % 200).unwrap()], at);
            assert_eq!(*quotes.quote(&prices, &query), prices.quote(&query));
            assert!(quotes.0.iter().all(|minute| minute.kept.len() <= QUOTES_MAX));
        }
    }

    #[test]
    fn who_serves_how_and_where_are_kept_apart() {
        let (prices, mut quotes) = (Prices::default(), Quotes::default());
        let base = PriceQuery { provider: None, requested: "gpt-5", ..asked("", 1_790_000_000_000) };
        let others = [
            base,
            PriceQuery { provider: Some("openai"), ..base },
            PriceQuery { provider: Some("azure"), ..base },
            PriceQuery { provider: Some("azure"), tier: ServiceTier::Flex, ..base },
            PriceQuery { answered: "gpt-5-mini", ..base },
            PriceQuery { place: "us", requested: "claude-opus-4-6", ..base },
            PriceQuery { requested: "claude-opus-4-6", ..base },
        ];
        for _ in 0..2 {
            for query in &others {
                assert_eq!(*quotes.quote(&prices, query), prices.quote(query), "{query:?}");
            }
        }
    }
}
