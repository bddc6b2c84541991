//! What of a call's cost each kind of token has. It owns the split; rates are the price book's.

use super::Record;
use super::money::Nano;
use tokenstile_engine::price::{Prices, Unit};

/// One kind of token of a call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Item {
    /// As the price book names it; `tokens` if no rates are known.
    pub(super) meter: &'static str,
    /// How many.
    pub(super) quantity: u64,
    /// Counted each (searches, calls), and not in tokens.
    pub(super) is_each: bool,
    /// What they cost.
    pub(super) cost: Nano,
}

/// Splits a call's cost by the rates of its price, so that the parts sum up to it; where no rates are known, all tokens
/// are one item. `own`: those of the policy, which a record names and does not state.
pub(super) fn items(record: &Record, own: &Prices) -> Vec<Item> {
    let cost = Nano::from(record.cost_nano_usd);
    let weighted = weights(record, own);
    let all: u128 = weighted.iter().map(|(_, _, weight)| *weight).sum();
    let whole = i128::try_from(all).unwrap_or(0);
    if whole == 0 {
        let quantity = record.usage.input + record.usage.output;
        return vec![Item { meter: "tokens", quantity, is_each: false, cost }];
    }
    let mut items: Vec<Item> = weighted
        .into_iter()
        .map(|(unit, quantity, weight)| {
            let weight = i128::try_from(weight).unwrap_or(0);
            let cost = cost.saturating_mul(weight).div_euclid(whole);
            Item { meter: unit.name(), quantity, is_each: unit.is_each(), cost }
        })
        .collect();
    // What rounding leaves, less than a billionth a part, goes to the dearest.
    let left = cost - items.iter().map(|item| item.cost).sum::<Nano>();
    if let Some(dearest) = items.iter_mut().max_by_key(|item| item.cost) {
        dearest.cost += left;
    }
    items
}

fn weights(record: &Record, own: &Prices) -> Vec<(Unit, u64, u128)> {
    let mut weights = Vec::new();
    if let Some(quote) = record.quote_with(own) {
        quote.price.charges((&record.usage).into(), |unit, count, rate| {
            if count > 0 {
                weights.push((unit, count, u128::from(count) * u128::from(rate)));
            }
        });
    }
    weights
}
