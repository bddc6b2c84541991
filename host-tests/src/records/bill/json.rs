//! The cost APIs' answers: OpenAI's <https://platform.openai.com/docs/api-reference/usage/costs> and Anthropic's
//! <https://docs.claude.com/en/api/admin-api/usage-cost/get-cost-report>. Called by the parent.

use super::amount::{Mark, Written};
use super::{Bill, forms, line};
use serde::Deserialize;
use serde_json::Value;

#[derive(Deserialize)]
struct Page {
    data: Vec<Bucket>,
    #[serde(default)]
    has_more: bool,
}

#[derive(Deserialize)]
struct Bucket {
    /// OpenAI: seconds since 1970.
    start_time: Option<i64>,
    /// Anthropic: RFC 3339.
    starting_at: Option<String>,
    results: Vec<Item>,
}

#[derive(Deserialize)]
struct Item {
    /// OpenAI: an object with a value in dollars; Anthropic: cents, as text.
    amount: Value,
    currency: Option<String>,
    line_item: Option<String>,
    model: Option<String>,
    description: Option<String>,
    /// Anthropic: `tokens`, `web_search`, …
    cost_type: Option<String>,
}

/// Reads one page.
pub(super) fn read(text: &str) -> Result<Bill, String> {
    let page: Page = serde_json::from_str(text)
        .map_err(|error| format!("it is JSON, and no answer of OpenAI's or Anthropic's cost API: {error}"))?;
    if page.has_more {
        return Err(
            "it is one page of several (`has_more`); ask for all of them with a greater `limit`".to_owned()
        );
    }
    let is_openai = page.data.iter().any(|bucket| bucket.start_time.is_some());
    let form = if is_openai { forms::openai() } else { forms::anthropic_api() };
    let mut lines = Vec::new();
    for bucket in &page.data {
        let start =
            bucket.start_time.map(|seconds| seconds.to_string()).or_else(|| bucket.starting_at.clone());
        let start = start.ok_or("a bucket has no time")?;
        for item in &bucket.results {
            let value = item.amount.get("value").unwrap_or(&item.amount);
            let cost = value.as_str().map_or_else(|| value.to_string(), ToOwned::to_owned);
            let currency = item.amount.get("currency").and_then(Value::as_str).or(item.currency.as_deref());
            if let Some(currency) = currency.filter(|currency| !currency.eq_ignore_ascii_case("usd")) {
                return Err(format!("the bill is in {currency}; records are in US dollars"));
            }
            let named = [&item.line_item, &item.model, &item.description].into_iter().flatten().next();
            let named = named.map_or("", String::as_str);
            let item = form.item(&[named, item.cost_type.as_deref().unwrap_or_default()], named);
            lines.push(line(&start, item, &cost, Written { cents: !is_openai, mark: Mark::Point })?);
        }
    }
    if lines.is_empty() {
        return Err(format!("the bill ({}) has no amount", form.name));
    }
    Ok(Bill { form, lines, others: 0 })
}
