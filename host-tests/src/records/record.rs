//! The cost record as it is read back. It owns the fields that exports need, and what a record's time is; the type
//! that writes them is the engine's. Fields that a record has and this type does not know are left alone.

use crate::replay::trace::plausible;
use serde::de::Error as _;
use serde::{Deserialize, Deserializer};
use std::collections::BTreeMap;
use tokenstile_engine::price::{Price, PriceQuery, Prices, Quote, ServiceTier, Unit};
use tokenstile_engine::units::EpochMs;

/// What one call came to. What every record has is required, but for what older ones had not yet.
#[derive(Debug, Clone, Default, Deserialize)]
pub struct Record {
    /// Unique to the call.
    #[serde(default)]
    pub id: String,
    /// When it began.
    pub time: Option<jiff::Timestamp>,
    /// From its first header to its end.
    #[serde(default)]
    pub duration_ms: i64,
    /// From its first header to the first bytes of the answer's body.
    pub time_to_first_chunk_ms: Option<i64>,
    /// The policy's name.
    #[serde(default)]
    pub policy: String,
    /// The API spoken.
    pub dialect: String,
    /// Who serves, as the price book names it.
    #[serde(default)]
    pub provider: String,
    /// Who pays, by dimension.
    #[serde(default)]
    pub identity: BTreeMap<String, String>,
    /// The model asked for.
    pub model_requested: String,
    /// The model sent upstream.
    #[serde(default)]
    pub model_served: String,
    /// The model that the answer names.
    #[serde(default)]
    pub model_answered: String,
    /// What was decided.
    #[serde(default)]
    pub decision: String,
    /// The budget or rule that decided.
    pub rule: Option<String>,
    /// The rule of `routes` that chose for it.
    pub route: Option<String>,
    /// Experiments, and the arm of each.
    #[serde(default)]
    pub arms: BTreeMap<String, String>,
    /// Those of them whose arm the caller chose.
    #[serde(default)]
    pub arms_chosen: Vec<String>,
    /// How often the client had tried the call before.
    #[serde(default)]
    pub retry_count: u64,
    /// What was used beyond steps of overage.
    #[serde(default)]
    pub overage: Vec<Overage>,
    /// Why the body was not read.
    pub unread: Option<String>,
    /// What failed in the filter or its host.
    pub failure: Option<String>,
    /// The HTTP status; 0 if no answer began.
    #[serde(default)]
    pub status: u16,
    /// `complete`, `cut`, `stopped`, `error`, `refused` or `abandoned`.
    pub ending: String,
    /// What was used.
    #[serde(deserialize_with = "counted")]
    pub usage: Usage,
    /// What stood before the conversation.
    pub prompt_prefix: Option<PromptPrefix>,
    /// What it cost.
    #[serde(deserialize_with = "owed")]
    pub cost_nano_usd: i64,
    /// What it would have cost by the price book, where the policy's own price, or what the provider charged, is another.
    #[serde(default, deserialize_with = "owed_if_said")]
    pub list_cost_nano_usd: Option<i64>,
    /// What the model asked for would have cost more.
    #[serde(default)]
    pub savings_nano_usd: i64,
    /// Whether the price book knows the model.
    pub priced: bool,
    /// Whose price it is.
    #[serde(default)]
    pub price: String,
    /// The rates of a price of the policy's own, by kind.
    #[serde(default)]
    pub price_rates: BTreeMap<String, String>,
    /// The service tier whose price it is; empty if that is the standard one.
    #[serde(default)]
    pub price_tier: String,
    /// The day of the price facts.
    #[serde(default)]
    pub prices_as_of: String,
}

/// What stood before a conversation.
#[derive(Debug, Clone, Default, Deserialize)]
pub struct PromptPrefix {
    /// A hash of it.
    pub hash: String,
    /// Its tokens.
    #[serde(default)]
    pub tokens: u64,
}

/// What a call used beyond a step of overage.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub struct Overage {
    /// The budget.
    pub rule: String,
    /// What is charged for it.
    #[serde(deserialize_with = "owed")]
    pub charge_nano_usd: i64,
}

/// An amount that is owed. The filter writes none below 0: one that is would lower a sum and be seen by nobody.
fn owed<'de, D: Deserializer<'de>>(number: D) -> Result<i64, D::Error> {
    let nano = i64::deserialize(number)?;
    if nano < 0 {
        return Err(D::Error::custom(format!(
            "an amount of {nano} billionths of a dollar is below 0, and no call costs that"
        )));
    }
    Ok(nano)
}

fn owed_if_said<'de, D: Deserializer<'de>>(number: D) -> Result<Option<i64>, D::Error> {
    owed(number).map(Some)
}

/// A usage that a call can have.
fn counted<'de, D: Deserializer<'de>>(usage: D) -> Result<Usage, D::Error> {
    let usage = Usage::deserialize(usage)?;
    plausible(&(&usage).into()).map_err(D::Error::custom)?;
    Ok(usage)
}

/// Tokens: totals include their parts.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub struct Usage {
    /// All input.
    pub input: u64,
    /// All output.
    pub output: u64,
    /// Of the input, read from a cache.
    pub cache_read: u64,
    /// Of the input, written to a cache.
    pub cache_write: u64,
    /// Of the written, kept for an hour.
    pub cache_write_1h: u64,
    /// Of the input, audio.
    pub input_audio: u64,
    /// Of the input, images.
    pub input_image: u64,
    /// Of the input, video.
    pub input_video: u64,
    /// Audio read from a cache.
    pub cache_read_audio: u64,
    /// Images read from a cache.
    pub cache_read_image: u64,
    /// Of the output, reasoning.
    pub reasoning: u64,
    /// Of the output, audio.
    pub output_audio: u64,
    /// Of the output, images.
    pub output_image: u64,
    /// Searches that the provider made.
    pub web_searches: u64,
    /// `reported`, `counted`, `estimated` or `none`.
    pub source: String,
}

impl From<&Usage> for tokenstile_engine::usage::Usage {
    fn from(usage: &Usage) -> Self {
        Self {
            input: usage.input,
            output: usage.output,
            cache_read: usage.cache_read,
            cache_write: usage.cache_write,
            cache_write_1h: usage.cache_write_1h,
            input_audio: usage.input_audio,
            input_image: usage.input_image,
            input_video: usage.input_video,
            cache_read_audio: usage.cache_read_audio,
            cache_read_image: usage.cache_read_image,
            reasoning: usage.reasoning,
            output_audio: usage.output_audio,
            output_image: usage.output_image,
            web_searches: usage.web_searches,
        }
    }
}

impl Record {
    /// The service tier whose price was taken. A route may ask for one that the provider then has not served.
    #[must_use]
    pub fn tier(&self) -> ServiceTier {
        ServiceTier::named(&self.price_tier)
    }

    /// What this version's price book says of the model that was paid, at the call's time and in its service tier; `None`
    /// if it does not know it.
    pub(crate) fn quote(&self) -> Option<Quote> {
        let (provider, model) = self.price.split_once('/')?;
        self.quote_of(provider, model)
    }

    fn quote_of(&self, provider: &str, model: &str) -> Option<Quote> {
        let quote = Prices::default().quote(&PriceQuery {
            provider: Some(provider),
            requested: model,
            answered: "",
            tier: self.tier(),
            place: "",
            at: EpochMs(self.time.map_or(0, jiff::Timestamp::as_millisecond)),
        });
        Some(quote).filter(|quote| quote.known)
    }

    /// What was paid by: the policy's own rates, or those that the price book has in this version.
    pub(crate) fn paid_price(&self) -> Option<Price> {
        let own = self.price_rates.iter().filter_map(|(name, rate)| {
            let unit = Unit::named(name)?;
            Some((unit, unit.parse_rate(rate)?))
        });
        let own = own.fold(Price::default(), |price, (unit, rate)| price.with(unit, rate));
        Some(own).filter(Price::is_stated).or_else(|| Some(self.quote()?.price))
    }

    /// What the price book has in the place of the policy's own price.
    pub(crate) fn list_price(&self) -> Option<Price> {
        self.list_cost_nano_usd?;
        let names = [self.model_answered.as_str(), self.model()];
        names.iter().find_map(|name| Some(self.quote_of(&self.provider, name)?.price))
    }

    /// The model that was paid for.
    #[must_use]
    pub fn model(&self) -> &str {
        [&self.model_served, &self.model_requested]
            .into_iter()
            .find(|name| !name.is_empty())
            .map_or("", |name| name)
    }

    /// The sum of what is charged beyond steps of overage.
    #[must_use]
    pub fn overage_nano_usd(&self) -> i128 {
        self.overage.iter().map(|line| i128::from(line.charge_nano_usd)).sum()
    }
}
