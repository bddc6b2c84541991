//! The forms of bills: which columns say what. Called by the parent. It owns the table, each row with where it comes
//! from.

use super::{Line, Reading, line, model};

/// One form.
#[derive(Debug)]
pub struct Form {
    /// Its name.
    pub name: &'static str,
    /// Providers, as the price book names them, whose calls it bills; any if there are none.
    pub providers: &'static [&'static str],
    /// The column of the time: the first of these that is there.
    date: &'static [&'static str],
    /// Of the model.
    model: &'static [&'static str],
    /// Of the amount.
    cost: &'static [&'static str],
    /// Of the currency.
    currency: &'static [&'static str],
    /// Lines of which none of these columns contains any of these words are for something else.
    only: Option<(&'static [&'static str], &'static [&'static str])>,
    /// What of the model's column is the model.
    cut: fn(&str) -> &str,
}

/// What stands before the first of these.
fn before<'t>(text: &'t str, ends: &[&str]) -> &'t str {
    let at = ends.iter().filter_map(|end| text.find(end)).min();
    at.and_then(|at| text.get(..at)).unwrap_or(text)
}

const OPENAI: usize = 0;
const ANTHROPIC_API: usize = 2;
const PLAIN: usize = 5;

/// The forms, in the order in which they are tried; the last is what `--columns` describes.
pub const FORMS: [Form; 6] = [
    // OpenAI's costs, by line item: <https://platform.openai.com/docs/api-reference/usage/costs>. The export of the
    // dashboard has the same fields as columns, as OpenAI's own example makes them:
    // <https://cookbook.openai.com/examples/completions_usage_api>. A line item is `gpt-4o-2024-08-06, input`.
    Form {
        name: "OpenAI costs",
        providers: &["openai"],
        date: &["start_time_iso", "start_time"],
        model: &["line_item"],
        cost: &["amount_value"],
        currency: &["amount_currency", "currency"],
        only: None,
        cut: |text| before(text, &[", "]),
    },
    // The CSV of the Claude Console's cost page:
    // <https://support.claude.com/en/articles/9534590-cost-and-usage-reporting-in-the-claude-console>. `Claude Haiku 4.5`.
    Form {
        name: "Claude Console costs",
        providers: &["anthropic"],
        date: &["usage_date_utc"],
        model: &["model"],
        cost: &["cost_usd"],
        currency: &[],
        only: None,
        cut: |text| text,
    },
    // Anthropic's cost report, an API: JSON alone, amounts in cents.
    // <https://docs.claude.com/en/api/admin-api/usage-cost/get-cost-report>
    Form {
        name: "Anthropic cost report",
        providers: &["anthropic"],
        date: &[],
        model: &[],
        cost: &[],
        currency: &[],
        only: None,
        cut: |text| text,
    },
    // AWS's cost and usage reports, both versions: <https://docs.aws.amazon.com/cur/latest/userguide/Lineitem-columns.html>.
    // Of Bedrock a usage type is `USW2-Claude4.5Sonnet-output-tokens`, or ends in `-cache-read-input-token-count`:
    // <https://docs.aws.amazon.com/bedrock/latest/userguide/cost-mgmt-understanding-cur-data.html>
    Form {
        name: "AWS cost and usage report",
        providers: &["aws"],
        date: &["line_item_usage_start_date", "lineItem/UsageStartDate"],
        model: &["line_item_usage_type", "lineItem/UsageType"],
        cost: &["line_item_unblended_cost", "lineItem/UnblendedCost"],
        currency: &["line_item_currency_code", "lineItem/CurrencyCode"],
        only: Some((&["line_item_usage_type", "lineItem/UsageType"], &["-token"])),
        cut: |text| {
            let text = text.split_once('-').map_or(text, |(_, rest)| rest);
            before(text, &["-mantle", "-input-token", "-output-token", "-cache-"])
        },
    },
    // Google Cloud's billing export:
    // <https://cloud.google.com/billing/docs/how-to/export-data-bigquery-tables/standard-usage>. Nested fields are written
    // with a dot or, by BigQuery's flattening, with an underscore.
    Form {
        name: "Google Cloud billing export",
        providers: &["google"],
        date: &["usage_start_time"],
        model: &["sku.description", "sku_description"],
        cost: &["cost"],
        currency: &["currency"],
        only: Some((
            &["service.description", "service_description"],
            &["Vertex AI", "Gemini API", "Generative Language API"],
        )),
        cut: |text| text,
    },
    Form {
        name: "CSV",
        providers: &[],
        date: &["date", "day"],
        model: &["model"],
        cost: &["cost", "cost_usd"],
        currency: &["currency"],
        only: None,
        cut: |text| text,
    },
];

pub(super) const fn openai() -> &'static Form {
    &FORMS[OPENAI]
}

pub(super) const fn anthropic_api() -> &'static Form {
    &FORMS[ANTHROPIC_API]
}

impl Form {
    /// The model in what the bill has in its place.
    pub(super) fn model_in(&self, text: &str) -> String {
        let model = (self.cut)(text).trim();
        model::without_kind(model).to_owned()
    }
}

/// Where a bill has what.
pub(super) struct Columns {
    pub(super) form: &'static Form,
    date: usize,
    model: Option<usize>,
    cost: usize,
    currency: Option<usize>,
    only: Option<usize>,
}

fn place(header: &[String], names: &[&str]) -> Option<usize> {
    names.iter().find_map(|name| header.iter().position(|column| column.eq_ignore_ascii_case(name)))
}

/// Finds the form of a bill by its header.
pub(super) fn columns(header: &[String], reading: &Reading) -> Result<Columns, String> {
    let form = if reading.columns.is_empty() {
        let fits = |form: &&'static Form| {
            let has = |names| place(header, names).is_some();
            has(form.date) && has(form.model) && has(form.cost)
        };
        // OpenAI's costs may come without line items.
        let bare = || {
            FORMS.iter().find(|form| place(header, form.date).is_some() && place(header, form.cost).is_some())
        };
        FORMS.iter().find(fits).or_else(bare)
    } else {
        Some(&FORMS[PLAIN])
    };
    let unknown = || {
        let known: Vec<&str> = FORMS.iter().map(|form| form.name).collect();
        format!(
            "no known form of bill ({}) has the columns {}; say which they are: `--columns date=…,model=…,cost=…`",
            known.join(", "),
            header.join(", ")
        )
    };
    let form = form.ok_or_else(unknown)?;
    let named = |what: &str, usual: &[&str]| match reading.columns.get(what) {
        None => Ok(place(header, usual)),
        Some(name) => place(header, &[name])
            .map(Some)
            .ok_or_else(|| format!("the bill has no column `{name}`; it has {}", header.join(", "))),
    };
    let needed = |what: &str, usual: &[&str]| {
        named(what, usual)?.ok_or_else(|| format!("say which column is the {what}: `--columns {what}=…`"))
    };
    Ok(Columns {
        date: needed("date", form.date)?,
        model: named("model", form.model)?,
        cost: needed("cost", form.cost)?,
        currency: named("currency", form.currency)?,
        only: form.only.and_then(|(names, _)| place(header, names)),
        form,
    })
}

impl Columns {
    /// A row's line; none if it is for something else.
    pub(super) fn line(&self, row: &csv::StringRecord, cents: bool) -> Result<Option<Line>, String> {
        let cell = |at: Option<usize>| at.and_then(|at| row.get(at)).unwrap_or_default().trim();
        let cost = cell(Some(self.cost));
        let words = self.form.only.map_or(&[][..], |(_, words)| words);
        let is_ours = self.only.is_none() || words.iter().any(|word| cell(self.only).contains(word));
        if cost.is_empty() || !is_ours {
            return Ok(None);
        }
        let currency = cell(self.currency);
        if !currency.is_empty() && !currency.eq_ignore_ascii_case("usd") {
            return Err(format!("the bill is in {currency}; records are in US dollars"));
        }
        line(cell(Some(self.date)), self.form.model_in(cell(self.model)), cost, cents).map(Some)
    }
}
