//! The forms of bills: which columns say what. Called by the parent. It owns the table, each row with where it comes
//! from.

use super::amount::Written;
use super::{Item, Line, Reading, line, model};

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
    /// The column of what is charged, where the model's does not say that it is a search.
    kind: &'static [&'static str],
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
    // <https://cookbook.openai.com/examples/completions_usage_api>. A line item is `gpt-4o-2024-08-06, input`,
    // and one of searches `web search tool calls`.
    Form {
        name: "OpenAI costs",
        providers: &["openai"],
        date: &["start_time_iso", "start_time"],
        model: &["line_item"],
        cost: &["amount_value"],
        currency: &["amount_currency", "currency"],
        only: None,
        kind: &[],
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
        kind: &["cost_type"],
        cut: |text| text,
    },
    // Anthropic's cost report, an API: JSON alone, amounts in cents.
    // <https://docs.claude.com/en/api/admin-api/usage-cost/get-cost-report>. Searches have a `cost_type` of their own.
    Form {
        name: "Anthropic cost report",
        providers: &["anthropic"],
        date: &[],
        model: &[],
        cost: &[],
        currency: &[],
        only: None,
        kind: &[],
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
        kind: &[],
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
        kind: &[],
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
        kind: &[],
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
    /// What is charged: a search, if one of these texts says so, else the model in what the bill has in its place.
    pub(super) fn item(&self, kinds: &[&str], named: &str) -> Item {
        if kinds.iter().any(|kind| model::is_search(kind)) {
            return Item::WebSearches;
        }
        let model = (self.cut)(named).trim();
        Item::Model(model::without_kind(model).to_owned())
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
    kind: Option<usize>,
}

fn place(header: &[String], names: &[&str]) -> Option<usize> {
    names.iter().find_map(|name| header.iter().position(|column| column.eq_ignore_ascii_case(name)))
}

/// Finds the form of a bill by its header.
pub(super) fn columns(header: &[String], reading: &Reading) -> Result<Columns, String> {
    if header.iter().all(String::is_empty) {
        return Err("the bill has no header: its first line names no column".to_owned());
    }
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
        kind: place(header, form.kind),
        form,
    })
}

impl Columns {
    /// A row's amount; none if it has none, or is for something else.
    pub(super) fn cost<'r>(&self, row: &'r csv::StringRecord) -> Option<&'r str> {
        let words = self.form.only.map_or(&[][..], |(_, words)| words);
        let is_ours = self.only.is_none() || words.iter().any(|word| cell(row, self.only).contains(word));
        Some(cell(row, Some(self.cost))).filter(|cost| !cost.is_empty() && is_ours)
    }

    /// A row's line; none if it is for something else.
    pub(super) fn line(&self, row: &csv::StringRecord, how: Written) -> Result<Option<Line>, String> {
        let Some(cost) = self.cost(row) else { return Ok(None) };
        let currency = cell(row, self.currency);
        if !currency.is_empty() && !currency.eq_ignore_ascii_case("usd") {
            return Err(format!("the bill is in {currency}; records are in US dollars"));
        }
        let (named, kind) = (cell(row, self.model), cell(row, self.kind));
        let item = self.form.item(&[named, kind], named);
        line(cell(row, Some(self.date)), item, cost, how).map(Some)
    }
}

fn cell(row: &csv::StringRecord, at: Option<usize>) -> &str {
    at.and_then(|at| row.get(at)).unwrap_or_default().trim()
}
