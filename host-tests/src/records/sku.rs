//! What of a call's cost each kind of token has. It owns the split; rates are the price book's, or the policy's own.

use super::Record;
use super::money::Nano;
use tokenstile_engine::price::{Price, Unit};

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
    /// What they would have cost by the price book: the same, unless the policy has a price of its own.
    pub(super) list_cost: Nano,
}

/// Splits a call's costs by the rates of their prices, so that the parts sum up to each; where no rates are known, all
/// tokens are one item.
pub(super) fn items(record: &Record) -> Vec<Item> {
    let cost = Nano::from(record.cost_nano_usd);
    let list_cost = record.list_cost_nano_usd.map(Nano::from);
    let paid = parts(record, record.paid_price());
    let Some(costs) = shares(&paid, cost) else {
        let quantity = record.usage.input + record.usage.output;
        let list_cost = list_cost.unwrap_or(cost);
        return vec![Item { meter: "tokens", quantity, is_each: false, cost, list_cost }];
    };
    let mut items = Vec::with_capacity(paid.len());
    for (part, cost) in paid.iter().zip(&costs) {
        let (meter, is_each) = (part.unit.name(), part.unit.is_each());
        items.push(Item { meter, quantity: part.quantity, is_each, cost: *cost, list_cost: *cost });
    }
    let Some(list_cost) = list_cost else { return items };
    items.iter_mut().for_each(|item| item.list_cost = 0);
    let listed = parts(record, record.list_price());
    // Where the book's rates are not known, in proportion to what was paid; were those 0, it is one sum.
    let (listed, costs) = match shares(&listed, list_cost) {
        Some(costs) => (&listed, costs),
        None => (&paid, shares(&paid, list_cost).unwrap_or_else(|| vec![list_cost])),
    };
    for (part, cost) in listed.iter().zip(costs) {
        // A kind that is not paid by itself is paid as the whole that it is a part of.
        let mut kinds = std::iter::once(&part.unit).chain(part.unit.wholes());
        let place = kinds.find_map(|kind| paid.iter().position(|part| part.unit == *kind));
        if let Some(item) = items.get_mut(place.unwrap_or(0)) {
            item.list_cost += cost;
        }
    }
    items
}

/// What is charged by itself: how many, and how much of the cost it has.
struct Part {
    unit: Unit,
    quantity: u64,
    weight: u128,
}

fn parts(record: &Record, price: Option<Price>) -> Vec<Part> {
    let mut parts = Vec::new();
    if let Some(price) = price {
        price.charges((&record.usage).into(), |unit, quantity, rate| {
            if quantity > 0 {
                parts.push(Part { unit, quantity, weight: u128::from(quantity) * u128::from(rate) });
            }
        });
    }
    parts
}

/// What each part has of a cost; `None` if their rates do not say.
fn shares(parts: &[Part], cost: Nano) -> Option<Vec<Nano>> {
    let all: u128 = parts.iter().map(|part| part.weight).sum();
    let whole = i128::try_from(all).unwrap_or(0);
    if parts.is_empty() || (whole == 0 && cost != 0) {
        return None;
    }
    let share = |part: &Part| {
        let weight = i128::try_from(part.weight).unwrap_or(0);
        cost.saturating_mul(weight).checked_div_euclid(whole).unwrap_or(0)
    };
    let mut shares: Vec<Nano> = parts.iter().map(share).collect();
    // What rounding leaves, less than a billionth a part, goes to the dearest.
    let left = cost - shares.iter().sum::<Nano>();
    if let Some(dearest) = shares.iter_mut().max() {
        *dearest += left;
    }
    Some(shares)
}
