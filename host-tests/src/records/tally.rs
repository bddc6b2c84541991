//! What some calls come to together. It owns the sums; whose calls they are, its callers know.

use super::Record;
use super::money::{Nano, each, exact};
use serde_json::{Value, json};

/// Sums over calls.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Tally {
    /// Calls.
    pub requests: u64,
    /// What they cost.
    pub cost: Nano,
    /// What the models asked for would have cost more.
    pub savings: Nano,
    /// What is charged beyond steps of overage.
    pub overage: Nano,
    /// Input tokens.
    pub input: u64,
    /// Of these, read from a cache.
    pub cache_read: u64,
    /// Output tokens.
    pub output: u64,
    /// Calls that the filter refused.
    pub refused: u64,
    /// Calls that the provider answered with an error.
    pub errors: u64,
    /// Calls of which the answer was cut short.
    pub cut: u64,
    /// Calls of which the price is not known: their cost is a ceiling.
    pub unpriced: u64,
    /// Calls of which the usage is not the provider's own word.
    pub not_reported: u64,
}

impl Tally {
    /// Adds a call.
    pub fn add(&mut self, record: &Record) {
        let ends = |ending: &str| u64::from(record.ending == ending);
        self.requests += 1;
        self.cost += Nano::from(record.cost_nano_usd);
        self.savings += Nano::from(record.savings_nano_usd);
        self.overage += record.overage_nano_usd();
        self.input += record.usage.input;
        self.cache_read += record.usage.cache_read;
        self.output += record.usage.output;
        self.refused += ends("refused");
        self.errors += ends("error");
        self.cut += ends("cut");
        self.unpriced += u64::from(!record.priced);
        self.not_reported += u64::from(matches!(record.usage.source.as_str(), "counted" | "estimated"));
    }

    /// Adds other calls.
    pub fn merge(&mut self, other: &Self) {
        self.requests += other.requests;
        self.cost += other.cost;
        self.savings += other.savings;
        self.overage += other.overage;
        self.input += other.input;
        self.cache_read += other.cache_read;
        self.output += other.output;
        self.refused += other.refused;
        self.errors += other.errors;
        self.cut += other.cut;
        self.unpriced += other.unpriced;
        self.not_reported += other.not_reported;
    }

    /// The columns of a CSV, and their values: dollars are exact decimals.
    #[must_use]
    pub fn columns(&self) -> [(&'static str, String); 13] {
        let per_request = each(self.cost, self.requests).unwrap_or_default();
        [
            ("requests", self.requests.to_string()),
            ("cost_usd", exact(self.cost)),
            ("cost_per_request_usd", exact(per_request)),
            ("savings_usd", exact(self.savings)),
            ("overage_usd", exact(self.overage)),
            ("input_tokens", self.input.to_string()),
            ("cache_read_tokens", self.cache_read.to_string()),
            ("output_tokens", self.output.to_string()),
            ("refused", self.refused.to_string()),
            ("errors", self.errors.to_string()),
            ("cut", self.cut.to_string()),
            ("unpriced", self.unpriced.to_string()),
            ("usage_not_reported", self.not_reported.to_string()),
        ]
    }

    /// As JSON: dollars are whole billionths.
    #[must_use]
    pub fn json(&self) -> Value {
        json!({
            "requests": self.requests,
            "cost_nano_usd": whole(self.cost),
            "cost_per_request_nano_usd": each(self.cost, self.requests).map(whole),
            "savings_nano_usd": whole(self.savings),
            "overage_nano_usd": whole(self.overage),
            "input_tokens": self.input,
            "cache_read_tokens": self.cache_read,
            "output_tokens": self.output,
            "refused": self.refused,
            "errors": self.errors,
            "cut": self.cut,
            "unpriced": self.unpriced,
            "usage_not_reported": self.not_reported,
        })
    }
}

/// A whole number as JSON can hold it: nine billion dollars at most, as in the ledger.
pub(super) fn whole(nano: Nano) -> i64 {
    i64::try_from(nano).unwrap_or(if nano < 0 { i64::MIN } else { i64::MAX })
}
