//! Steps of a ladder that have a shape of their own: `clamp`, `overage`, `delay`. From as written to as they run.
//!
//! Called by [`super::compile`], and for the arithmetic of overage by the exchange.

use super::compile::Compiler;
use super::{Action, Step, amounts, wire};
use crate::units::{Amount, Meter, NanoUsd};

/// OpenAI's Responses take no lower bound:
/// <https://platform.openai.com/docs/api-reference/responses/create#responses-create-max_output_tokens>.
pub(super) const OUTPUT_BOUND_MIN: u64 = 16;
/// Longer than this no client waits for what is meant to slow it down.
const DELAY_MS_MAX: i64 = 30_000;

/// How many tokens one answer may have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Bound {
    /// So many, beside the thinking that the request asks for.
    Tokens(u64),
    /// What is left of the budget pays for.
    Remaining {
        /// With less than this, beside the thinking, the next step applies.
        at_least: u64,
    },
}

/// What goes on beyond a step, and what it costs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Overage {
    /// The price of [`Overage::per`].
    price: NanoUsd,
    /// What is bought for it, in the budget's meter.
    per: Amount,
    /// The most that it comes to.
    up_to: Option<NanoUsd>,
}

impl Overage {
    /// What so much costs, rounded to billionths of a dollar, half up.
    #[must_use]
    pub fn charge(&self, amount: Amount) -> NanoUsd {
        let nano = i128::from(amount.max(0)).saturating_mul(i128::from(self.price.0));
        let half = i128::from(self.per) / 2;
        let nano = nano.saturating_add(half).checked_div(i128::from(self.per)).unwrap_or_default();
        NanoUsd(i64::try_from(nano).unwrap_or(i64::MAX))
    }

    /// The amount at which it has come to all that it may, if it begins at `at`.
    #[must_use]
    pub fn end(&self, at: Amount) -> Option<Amount> {
        let bought = i128::from(self.up_to?.0).saturating_mul(i128::from(self.per));
        let bought = bought.checked_div(i128::from(self.price.0))?;
        Some(at.saturating_add(i64::try_from(bought).unwrap_or(i64::MAX)))
    }

    /// The most that it comes to, if that is bounded.
    #[must_use]
    pub const fn up_to(&self) -> Option<NanoUsd> {
        self.up_to
    }

    /// The price, as the policy writes it: a key and a number of dollars.
    #[must_use]
    pub fn terms(&self, meter: Meter) -> String {
        format!("{}={}", price_key(meter).unwrap_or_default(), self.price.to_string().replace(['$', ','], ""))
    }

    /// The price, for people: `$0.02 per 1,000 tokens`.
    #[must_use]
    pub fn price_text(&self, meter: Meter) -> String {
        match meter {
            Meter::Usd => format!("{} per $1.00", self.price),
            Meter::Requests => format!("{} per request", self.price),
            _ => format!("{} per 1,000{}", self.price, meter.unit_text()),
        }
    }
}

const fn price_key(meter: Meter) -> Option<&'static str> {
    match meter {
        Meter::Tokens | Meter::InputTokens | Meter::OutputTokens => Some("usd_per_1k_tokens"),
        Meter::Requests => Some("usd_per_request"),
        Meter::Usd => Some("usd_per_usd"),
        Meter::RequestsInFlight => None,
    }
}

impl Compiler<'_> {
    pub(super) fn clamp(&mut self, path: &str, wire: &wire::Clamp, meter: Meter) -> Action {
        let least = format!("at least {OUTPUT_BOUND_MIN}: some APIs refuse less");
        let too_low = |tokens: Option<u64>| tokens.is_some_and(|tokens| tokens < OUTPUT_BOUND_MIN);
        if too_low(wire.max_output_tokens) {
            self.errors.add(format!("{path}.max_output_tokens"), least.clone());
        }
        if too_low(wire.at_least) {
            self.errors.add(format!("{path}.at_least"), least);
        }
        if wire.at_least.is_some() && wire.to.is_none() {
            let wrong = "only {\"to\": \"remaining\"} has a least; `max_output_tokens` is one number";
            self.errors.add(format!("{path}.at_least"), wrong);
        }
        if wire.to.is_some() && !matches!(meter, Meter::Tokens | Meter::OutputTokens | Meter::Usd) {
            let wrong = format!("output does not count in `{}`; write `max_output_tokens`", meter.unit());
            self.errors.add(format!("{path}.to"), wrong);
        }
        let at_least = wire.at_least.unwrap_or(OUTPUT_BOUND_MIN);
        let bound = match (wire.max_output_tokens, wire.to) {
            (Some(tokens), None) => Some(Bound::Tokens(tokens)),
            (None, Some(wire::ClampTo::Remaining)) => Some(Bound::Remaining { at_least }),
            (None, None) if wire.reasoning_effort.is_some() => None,
            _ => {
                let wrong = "exactly one of `max_output_tokens` and {\"to\": \"remaining\"} is needed, \
                             or `reasoning_effort` alone";
                self.errors.add(path, wrong);
                None
            }
        };
        Action::Clamp { bound, effort: wire.reasoning_effort }
    }

    pub(super) fn overage(&mut self, path: &str, wire: &wire::Overage, meter: Meter) -> Option<Action> {
        let Some(key) = price_key(meter) else {
            self.errors.add(path, "a call that runs uses nothing up that could be paid for");
            return None;
        };
        let prices = [
            ("usd_per_1k_tokens", &wire.usd_per_1k_tokens),
            ("usd_per_request", &wire.usd_per_request),
            ("usd_per_usd", &wire.usd_per_usd),
        ];
        let mut stated = prices.iter().filter_map(|(name, price)| Some((*name, price.as_deref()?)));
        let price = stated.next().filter(|(name, _)| *name == key && stated.next().is_none());
        let Some((_, price)) = price else {
            let wrong = format!("a budget of `{}` needs `{key}`, and no other price", meter.unit());
            self.errors.add(path, wrong);
            return None;
        };
        let price = self.dollars(&format!("{path}.{key}"), price);
        let up_to = wire.up_to.as_ref().map(|cap| self.dollars(&format!("{path}.up_to.usd"), &cap.usd));
        let per = match meter {
            Meter::Usd => NanoUsd::DOLLAR,
            Meter::Requests => meter.amount(1),
            _ => meter.amount(1_000),
        };
        let up_to = up_to.map_or(Some(None), |cap| cap.map(Some));
        Some(Action::Overage(Overage { price: price?, per, up_to: up_to? }))
    }

    fn dollars(&mut self, path: &str, text: &str) -> Option<NanoUsd> {
        let money = NanoUsd::parse(text).filter(|money| money.0 > 0);
        if money.is_none() {
            let wrong = format!("`{text}` is no amount of dollars above 0; write it like \"5\" or \"0.02\"");
            self.errors.add(path, wrong);
        }
        money
    }

    /// What can only be said of an overage among its neighbours.
    pub(super) fn overages(&mut self, path: &str, ladder: &[Step]) {
        for (i, step) in ladder.iter().enumerate() {
            let Action::Overage(overage) = &step.action else { continue };
            if step.per_mille < 1_000 {
                let wrong = "below `100%` the budget itself pays; an overage begins there at the earliest";
                self.errors.add(format!("{path}[{i}].at"), wrong);
            }
            let ends = overage.up_to.is_some();
            let mut behind = ladder.iter().skip(i.saturating_add(1));
            if ends && !step.shadow && !behind.any(|step| !step.shadow) {
                let wrong = "no step says what happens then; add one behind it, such as {\"at\": \"500%\", \"deny\": {}}";
                self.errors.add(format!("{path}[{i}].overage.up_to"), wrong);
            }
        }
    }

    pub(super) fn delay(&mut self, path: &str, wire: &wire::Delay) -> Option<Action> {
        let path = format!("{path}.up_to");
        let up_to_ms = amounts::duration(&path, &wire.up_to, self.errors)?;
        if up_to_ms > DELAY_MS_MAX {
            self.errors.add(path, format!("`{}` is longer than `30s`: clients give up", wire.up_to));
        }
        Some(Action::Delay { up_to_ms })
    }
}
