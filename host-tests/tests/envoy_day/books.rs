//! What a day came to, by whoever has counted it.

use serde_json::Value;
use std::collections::BTreeMap;
use std::fmt;
use tokenstile_host::metrics::sum;
use tokenstile_host::upstream::Bill;

/// The provider's own prices, in nano-dollars for a token of input and of output: <https://openai.com/api/pricing>, and not
/// read from the price book, which is what is tested.
pub(crate) const RATES: [(&str, u64, u64); 2] = [("gpt-4o", 2_500, 10_000), ("gpt-4o-mini", 150, 600)];

/// Sums; what somebody does not count is none.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Books {
    requests: Option<u64>,
    input: Option<u64>,
    output: Option<u64>,
    nano_usd: u64,
}

impl Books {
    pub(crate) fn of_records(records: &[Value]) -> Self {
        let sum =
            |place: &str| records.iter().map(|record| record.pointer(place).unwrap().as_u64().unwrap()).sum();
        Self {
            requests: Some(records.len() as u64),
            input: Some(sum("/usage/input")),
            output: Some(sum("/usage/output")),
            nano_usd: sum("/cost_nano_usd"),
        }
    }

    pub(crate) fn of_metrics(metrics: &BTreeMap<String, f64>) -> Self {
        let all = |wanted: &str| {
            let sum = sum(metrics.iter().map(|(name, value)| (name.as_str(), *value)), wanted).unwrap_or(0.0);
            // Exact: whole, and far below 2^53.
            assert!(sum.fract() == 0.0 && sum < 9e15, "{wanted}: {sum}");
            #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "just looked at")]
            let sum = sum as u64;
            sum
        };
        Self {
            requests: Some(all("tokenstile_requests")),
            input: Some(all("tokenstile_tokens;type=input")),
            output: Some(all("tokenstile_tokens;type=output")),
            nano_usd: all("tokenstile_cost_nano_usd"),
        }
    }

    /// What the quota endpoint says of the budget that all calls meet.
    pub(crate) fn of_ledger(quota: &Value) -> Self {
        let budgets = quota["budgets"].as_array().unwrap();
        let used = budgets.iter().find(|budget| budget["name"] == "all").unwrap()["used"].as_str().unwrap();
        let (whole, part) = used.split_once('.').unwrap_or((used, ""));
        let nano_usd = format!("{whole}{part:0<9}").parse().unwrap();
        Self { nano_usd, ..Self::default() }
    }

    pub(crate) fn of_provider(bills: &BTreeMap<String, Bill>, rates: &[(&str, u64, u64)]) -> Self {
        let (mut books, mut input, mut output, mut requests) = (Self::default(), 0, 0, 0);
        for (model, bill) in bills {
            let (_, of_input, of_output) = rates.iter().find(|(name, ..)| name == model).unwrap();
            books.nano_usd += bill.prompt_tokens * of_input + bill.completion_tokens * of_output;
            input += bill.prompt_tokens;
            output += bill.completion_tokens;
            requests += bill.requests;
        }
        Self { requests: Some(requests), input: Some(input), output: Some(output), ..books }
    }

    /// Whether all that both count is the same.
    pub(crate) fn agree(&self, other: &Self) -> bool {
        let same = |a: Option<u64>, b: Option<u64>| a.is_none() || b.is_none() || a == b;
        self.nano_usd == other.nano_usd
            && same(self.requests, other.requests)
            && same(self.input, other.input)
            && same(self.output, other.output)
    }
}

impl fmt::Display for Books {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (dollars, nano) = (self.nano_usd / 1_000_000_000, self.nano_usd % 1_000_000_000);
        write!(f, "${dollars}.{nano:09}")?;
        for (name, count) in [("requests", self.requests), ("input", self.input), ("output", self.output)] {
            if let Some(count) = count {
                write!(f, "  {count} {name}")?;
            }
        }
        Ok(())
    }
}
