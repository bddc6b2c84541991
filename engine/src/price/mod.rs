//! The price book: what a token costs, by provider and model.
//!
//! Facts from the public table genai-prices (PyPI, MIT), packed by `build.rs`; see `prices/README.md`.
//! Prices are whole pico-dollars: one is the millionth part of a dollar a million tokens.

mod book;
mod memo;
mod quote;

pub use book::{Capability, ServiceTier, packed_bytes};
pub use memo::Quotes;
pub(crate) use quote::without_date;
pub use quote::{
    Override, PriceQuery, Prices, Quote, UnknownPrice, is_provider, models, models_like, provider_of_host,
    providers, quotes,
};

use crate::units::NanoUsd;
use crate::usage::Usage;

/// The day of the price facts.
pub const PRICES_AS_OF: &str = env!("TOKENSTILE_PRICES_AS_OF");
/// The same in seconds since 1970, at the beginning of that day.
#[must_use]
pub fn as_of_seconds() -> u64 {
    let day = PRICES_AS_OF.parse::<jiff::civil::Date>().ok();
    let at = day.and_then(|day| day.to_zoned(jiff::tz::TimeZone::UTC).ok());
    at.and_then(|at| u64::try_from(at.timestamp().as_second()).ok()).unwrap_or(0)
}
/// The release of genai-prices that they come from.
pub const PRICES_VERSION: &str = env!("TOKENSTILE_PRICES_VERSION");

macro_rules! units {
    ($($(#[$doc:meta])* $unit:ident = $name:literal),* $(,)?) => {
        /// What is charged by itself. A part that has no rate of its own costs as the whole it belongs to.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub enum Unit { $($(#[$doc])* $unit),* }

        impl Unit {
            /// All of them, in the order of the packed book.
            pub const ALL: &'static [Self] = &[$(Self::$unit),*];

            /// Its name in policies, records and `prices/book.json`.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self { $(Self::$unit => $name),* }
            }
        }
    };
}

units! {
    /// Input tokens.
    Input = "input",
    /// Input read from the provider's cache.
    CacheRead = "cache_read",
    /// Input written to the cache.
    CacheWrite = "cache_write",
    /// Input written to the cache for an hour.
    CacheWrite1h = "cache_write_1h",
    /// Audio in the input.
    InputAudio = "input_audio",
    /// Audio read from the cache.
    CacheReadAudio = "cache_read_audio",
    /// Images in the input.
    InputImage = "input_image",
    /// Images read from the cache.
    CacheReadImage = "cache_read_image",
    /// Video in the input.
    InputVideo = "input_video",
    /// Output tokens.
    Output = "output",
    /// Reasoning in the output.
    Reasoning = "reasoning",
    /// Audio in the output.
    OutputAudio = "output_audio",
    /// Images in the output.
    OutputImage = "output_image",
    /// The call itself.
    Requests = "requests",
    /// Searches that the provider made.
    WebSearches = "web_searches",
}

const UNITS: usize = Unit::ALL.len();

impl Unit {
    /// By its name in policies.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|unit| unit.name() == name)
    }

    /// Reads dollars a million tokens (or a thousand requests or searches) with at most six decimals.
    #[must_use]
    pub fn parse_rate(self, text: &str) -> Option<u64> {
        let (whole, decimals) = text.split_once('.').unwrap_or((text, ""));
        let is_number = |s: &str| s.bytes().all(|byte| byte.is_ascii_digit());
        if whole.is_empty()
            || whole.len() > 9
            || decimals.len() > 6
            || !is_number(whole)
            || !is_number(decimals)
        {
            return None;
        }
        let millionths: u64 = format!("{whole}{decimals:0<6}").parse().ok()?;
        // A millionth of a dollar a million is a pico-dollar each, and a nano-dollar each of a thousand.
        millionths.checked_mul(self.millionth())
    }

    /// Pico-dollars for one of this in a millionth of the dollars that prices are written in.
    const fn millionth(self) -> u64 {
        if self.is_each() { 1_000 } else { 1 }
    }

    /// Charged by the thousand, not by the million tokens.
    #[must_use]
    pub const fn is_each(self) -> bool {
        matches!(self, Self::Requests | Self::WebSearches)
    }

    /// A rate as [`Unit::parse_rate`] reads it: dollars a million, or a thousand.
    #[must_use]
    pub fn rate_text(self, pico_usd: u64) -> String {
        let millionths = pico_usd.checked_div(self.millionth()).unwrap_or(0);
        let text = format!("{}.{:06}", millionths / 1_000_000, millionths % 1_000_000);
        text.trim_end_matches('0').trim_end_matches('.').to_owned()
    }

    const fn count(self, usage: &Usage) -> u64 {
        match self {
            Self::Input => usage.input,
            Self::CacheRead => usage.cache_read,
            Self::CacheWrite => usage.cache_write,
            Self::CacheWrite1h => usage.cache_write_1h,
            Self::InputAudio => usage.input_audio,
            Self::CacheReadAudio => usage.cache_read_audio,
            Self::InputImage => usage.input_image,
            Self::CacheReadImage => usage.cache_read_image,
            Self::InputVideo => usage.input_video,
            Self::Output => usage.output,
            Self::Reasoning => usage.reasoning,
            Self::OutputAudio => usage.output_audio,
            Self::OutputImage => usage.output_image,
            Self::Requests => 1,
            Self::WebSearches => usage.web_searches,
        }
    }

    /// The wholes that this is a part of, the smallest first.
    #[must_use]
    pub const fn wholes(self) -> &'static [Self] {
        match self {
            Self::CacheWrite1h => &[Self::CacheWrite, Self::Input],
            Self::CacheReadAudio => &[Self::CacheRead, Self::InputAudio, Self::Input],
            Self::CacheReadImage => &[Self::CacheRead, Self::InputImage, Self::Input],
            Self::CacheRead | Self::CacheWrite | Self::InputAudio | Self::InputImage | Self::InputVideo => {
                &[Self::Input]
            }
            Self::Reasoning | Self::OutputAudio | Self::OutputImage => &[Self::Output],
            Self::Input | Self::Output | Self::Requests | Self::WebSearches => &[],
        }
    }
}

/// Parts come before their wholes.
const PARTS_FIRST: [Unit; UNITS] = [
    Unit::CacheWrite1h,
    Unit::CacheReadAudio,
    Unit::CacheReadImage,
    Unit::CacheRead,
    Unit::CacheWrite,
    Unit::InputAudio,
    Unit::InputImage,
    Unit::InputVideo,
    Unit::Reasoning,
    Unit::OutputAudio,
    Unit::OutputImage,
    Unit::Input,
    Unit::Output,
    Unit::Requests,
    Unit::WebSearches,
];

/// What a model costs: pico-dollars a unit. Long prompts may cost more: then all of the call does.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Price {
    rates: [Option<u64>; UNITS],
    /// Rates for calls with more input tokens than this, from the shortest to the longest.
    above: Vec<(u64, Unit, u64)>,
}

impl Price {
    /// This price with a rate in pico-dollars.
    #[must_use]
    pub fn with(mut self, unit: Unit, pico_usd: u64) -> Self {
        self.set(unit, pico_usd);
        self
    }

    fn set(&mut self, unit: Unit, pico_usd: u64) {
        if let Some(rate) = self.rates.get_mut(unit as usize) {
            *rate = Some(pico_usd);
        }
    }

    fn set_above(&mut self, tokens: u64, unit: Unit, pico_usd: u64) {
        self.above.push((tokens, unit, pico_usd));
    }

    /// The rate of a unit by itself, in pico-dollars, for a call of so many input tokens.
    #[must_use]
    pub fn rate(&self, unit: Unit, input_tokens: u64) -> Option<u64> {
        let base = self.rates.get(unit as usize).copied().flatten()?;
        let above = self.above.iter().rev().find(|(start, of, _)| *of == unit && input_tokens > *start);
        Some(above.map_or(base, |(_, _, rate)| *rate))
    }

    /// From how many input tokens on rates change.
    pub fn tiers(&self) -> impl Iterator<Item = u64> {
        let mut starts: Vec<u64> = self.above.iter().map(|(start, ..)| *start).collect();
        starts.sort_unstable();
        starts.dedup();
        starts.into_iter()
    }

    /// Whether anything is charged, if only 0: an entry without any rate says nothing.
    #[must_use]
    pub fn is_stated(&self) -> bool {
        self.rates.iter().any(Option::is_some)
    }

    /// Takes rates for units that have none.
    fn take_missing(&mut self, other: &Self) {
        for &unit in Unit::ALL {
            if self.rate(unit, 0).is_none() {
                self.take(other, unit);
            }
        }
    }

    /// Takes all rates that the other one has.
    fn replace(&mut self, other: &Self) {
        for &unit in Unit::ALL {
            if other.rate(unit, 0).is_some() {
                self.take(other, unit);
            }
        }
    }

    /// All tokens at so many thousandths of their rates; requests and searches as they are.
    fn times(mut self, thousandths: u64) -> Self {
        let scaled = |rate: u64| rate.saturating_mul(thousandths) / 1_000;
        for (&unit, rate) in Unit::ALL.iter().zip(&mut self.rates) {
            if !unit.is_each() {
                *rate = rate.map(scaled);
            }
        }
        for (_, unit, rate) in &mut self.above {
            if !unit.is_each() {
                *rate = scaled(*rate);
            }
        }
        self
    }

    fn take(&mut self, other: &Self, unit: Unit) {
        if let (Some(mine), Some(theirs)) =
            (self.rates.get_mut(unit as usize), other.rates.get(unit as usize))
        {
            *mine = *theirs;
            self.above.retain(|(_, of, _)| *of != unit);
            self.above.extend(other.above.iter().filter(|(_, of, _)| *of == unit));
        }
    }

    /// What this usage costs, rounded once to billionths of a dollar, half up. A part is charged by its own
    /// rate where it has one, and its whole for the rest, as genai-prices does.
    #[must_use]
    pub fn cost(&self, usage: Usage) -> NanoUsd {
        let mut pico = 0_u128;
        self.charges(usage, |_, count, rate| {
            pico = pico.saturating_add(u128::from(count).saturating_mul(u128::from(rate)));
        });
        NanoUsd(i64::try_from(pico.saturating_add(500) / 1_000).unwrap_or(i64::MAX))
    }

    /// What is charged by itself: the unit, how many of it, and its rate in pico-dollars.
    pub fn charges(&self, usage: Usage, mut charge: impl FnMut(Unit, u64, u64)) {
        let mut left = [0_u64; UNITS];
        for &unit in Unit::ALL {
            if let Some(place) = left.get_mut(unit as usize) {
                *place = unit.count(&usage);
            }
        }
        for unit in PARTS_FIRST {
            let Some(rate) = self.rate(unit, usage.input) else { continue };
            let count = left.get(unit as usize).copied().unwrap_or(0);
            charge(unit, count, rate);
            for &whole in unit.wholes() {
                if let Some(place) = left.get_mut(whole as usize) {
                    *place = place.saturating_sub(count);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests;
