//! The price book: what a token costs, by model.
//!
//! Facts from the public table genai-prices (PyPI, MIT), as of 2026-08-21, in dollars a million
//! tokens there and nano-dollars a token here (1 $/M = 1,000 n$).

use crate::units::NanoUsd;
use crate::usage::Usage;

/// The day of the price facts.
pub const PRICES_AS_OF: &str = "2026-08-21";

/// Nano-dollars a token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Price {
    input: i64,
    cached: i64,
    output: i64,
}

const fn price(input: i64, cached: i64, output: i64) -> Price {
    Price { input, cached, output }
}

/// Models by name without date. Where the table states no cached price, cached input costs as input.
const BOOK: &[(&str, Price)] = &[
    ("gpt-3.5-turbo", price(500, 500, 1_500)),
    ("gpt-4", price(30_000, 30_000, 60_000)),
    ("gpt-4-turbo", price(10_000, 10_000, 30_000)),
    ("gpt-4.1", price(2_000, 500, 8_000)),
    ("gpt-4.1-mini", price(400, 100, 1_600)),
    ("gpt-4.1-nano", price(100, 25, 400)),
    ("gpt-4o", price(2_500, 1_250, 10_000)),
    ("gpt-4o-mini", price(150, 75, 600)),
    ("gpt-5", price(1_250, 125, 10_000)),
    ("gpt-5-mini", price(250, 25, 2_000)),
    ("gpt-5-nano", price(50, 5, 400)),
    ("gpt-5-pro", price(15_000, 15_000, 120_000)),
    ("gpt-5.1", price(1_250, 125, 10_000)),
    ("gpt-5.2", price(1_750, 175, 14_000)),
    ("o1", price(15_000, 7_500, 60_000)),
    ("o3", price(2_000, 500, 8_000)),
    ("o3-mini", price(1_100, 550, 4_400)),
    ("o3-pro", price(20_000, 20_000, 80_000)),
    ("o4-mini", price(1_100, 275, 4_400)),
];

/// A model that the book does not know costs as much as the dearest one it knows (o1-pro): unknown
/// must not mean free.
const CEILING: Price = price(150_000, 150_000, 600_000);

/// The price of a model, and whether the book knows it.
#[must_use]
pub fn of_model(model: &str) -> (Price, bool) {
    let name = model.rsplit('/').next().unwrap_or(model);
    let found = BOOK.iter().find(|(known, _)| *known == without_date(name));
    found.map_or((CEILING, false), |(_, price)| (*price, true))
}

/// `gpt-4o-2024-08-06` is priced as `gpt-4o`.
fn without_date(name: &str) -> &str {
    let is_date = |s: &str| {
        s.bytes().enumerate().all(|(i, b)| if i == 4 || i == 7 { b == b'-' } else { b.is_ascii_digit() })
    };
    let cut = name.len().checked_sub(11).and_then(|at| name.split_at_checked(at));
    match cut {
        Some((head, tail)) if tail.strip_prefix('-').is_some_and(is_date) => head,
        _ => name,
    }
}

impl Price {
    /// What this usage costs. OpenAI's cached tokens are a part of its input tokens.
    #[must_use]
    pub fn cost(self, usage: Usage) -> NanoUsd {
        let cached = usage.cache_read.min(usage.input);
        let part = |tokens: u64, price: i64| i64::try_from(tokens).unwrap_or(i64::MAX).saturating_mul(price);
        NanoUsd(
            part(usage.input.saturating_sub(cached), self.input)
                .saturating_add(part(cached, self.cached))
                .saturating_add(part(usage.output, self.output)),
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cost_is_exact_and_unknown_is_not_free() {
        let usage = Usage { input: 1_000, cache_read: 400, output: 100, ..Usage::default() };
        for (model, cost, known) in [
            ("gpt-4o", 600 * 2_500 + 400 * 1_250 + 100 * 10_000, true),
            ("gpt-4o-2024-08-06", 600 * 2_500 + 400 * 1_250 + 100 * 10_000, true),
            ("openai/gpt-4o-mini", 600 * 150 + 400 * 75 + 100 * 600, true),
            ("mystery", 1_000 * 150_000 + 100 * 600_000, false),
        ] {
            let (price, is_known) = of_model(model);
            assert_eq!((price.cost(usage), is_known), (NanoUsd(cost), known), "{model}");
        }
    }
}
