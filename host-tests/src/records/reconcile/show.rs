//! A reconciliation for people and for programs. Called by `tokenstile reconcile`. It owns its looks.

use super::{Reconciliation, Row, Sums};
use crate::records::cell;
use crate::records::money::{Nano, dollars, exact};
use crate::records::tally::whole;
use crate::records::{calls, so_many};
use comfy_table::{CellAlignment, ContentArrangement, Table, presets};
use serde_json::{Value, json};
use std::fmt::Write as _;
use tokenstile_engine::units::grouped;

/// So many rows are shown to people.
const SHOWN: usize = 40;

fn share(sums: &Sums) -> String {
    sums.share().map_or_else(|| "–".to_owned(), |share| format!("{:+.2}%", share * 100.0))
}

fn signed(nano: Nano) -> String {
    if nano > 0 { format!("+{}", dollars(nano)) } else { dollars(nano) }
}

/// Searches are counted by themselves, where a row is of them alone.
fn counted(sums: &Sums) -> String {
    match (sums.recorded.calls, sums.recorded.searches) {
        (0, 1) => "1 search".to_owned(),
        (0, searches) if searches > 0 => format!("{} searches", grouped(searches)),
        (calls, _) => grouped(calls),
    }
}

fn cells(sums: &Sums) -> [String; 5] {
    [counted(sums), dollars(sums.recorded.cost), dollars(sums.billed), signed(sums.difference()), share(sums)]
}

fn table(head: &[&str], numbers: usize, rows: impl Iterator<Item = Vec<String>>) -> Table {
    let mut table = Table::new();
    table.load_style(presets::UTF8_HORIZONTAL_ONLY).set_content_arrangement(ContentArrangement::Dynamic);
    table.set_header(head);
    table.add_rows(rows);
    for column in table.column_iter_mut().skip(numbers).take(5) {
        column.set_cell_alignment(CellAlignment::Right);
    }
    table
}

const SUMS: [&str; 5] = ["requests", "recorded", "billed", "difference", "of the bill"];

impl Reconciliation {
    /// For people.
    #[must_use]
    pub fn text(&self) -> String {
        let bar = format!("{}%", self.tolerance * 100.0);
        let sums = &self.total;
        let verdict = if self.is_beyond() { "beyond" } else { "within" };
        let mut text = format!(
            "{} recorded, {} billed ({}): {} ({}), {verdict} {bar}.\n\n",
            dollars(sums.recorded.cost),
            dollars(sums.billed),
            self.form,
            signed(sums.difference()),
            share(sums)
        );
        let name = |model: &str, sums: &Sums| self.name(model, sums).to_owned();
        let models =
            self.models.iter().map(|(model, sums)| [vec![name(model, sums)], cells(sums).to_vec()].concat());
        let total = [vec!["total".to_owned()], cells(sums).to_vec()].concat();
        let head: Vec<&str> = std::iter::once("model").chain(SUMS).collect();
        let _ = writeln!(text, "{}\n", table(&head, 1, models.chain([total])));
        let beyond: Vec<&Row> = self.beyond().collect();
        let agree = self.rows.len() - beyond.len();
        let (all, agree_s) = (self.rows.len(), if agree == 1 { "agrees" } else { "agree" });
        let _ =
            writeln!(text, "{agree} of {} of a model {agree_s} within {bar}.", so_many(all as u64, "day"));
        if !beyond.is_empty() {
            let row = |row: &&Row| {
                [
                    vec![row.day.to_string(), name(&row.model, &row.sums)],
                    cells(&row.sums).to_vec(),
                    vec![self.causes(row)],
                ]
                .concat()
            };
            let head: Vec<&str> = ["day", "model"].into_iter().chain(SUMS).chain(["why"]).collect();
            let _ = writeln!(text, "\n{}", table(&head, 2, beyond.iter().take(SHOWN).map(row)));
            if beyond.len() > SHOWN {
                let _ = writeln!(text, "and {} more; `--format csv` has all.", beyond.len() - SHOWN);
            }
        }
        text.push_str(&self.why());
        text.push_str(&self.notes());
        text
    }

    fn causes(&self, row: &Row) -> String {
        let mut causes: Vec<&str> =
            self.explanations.iter().filter(|why| why.is_about(row)).map(|why| why.cause.name()).collect();
        causes.dedup();
        if causes.is_empty() { "not explained".to_owned() } else { causes.join(", ") }
    }

    fn why(&self) -> String {
        let mut text = String::new();
        if !self.explanations.is_empty() {
            text.push_str("\nWhat the data says of it:\n");
        }
        for why in &self.explanations {
            let day = why.day.map(|day| format!("{day}")).unwrap_or_default();
            let model = why.day.and(why.model.as_deref()).unwrap_or_default();
            let head = [day.as_str(), model]
                .into_iter()
                .filter(|part| !part.is_empty())
                .collect::<Vec<_>>()
                .join(" ");
            let head = if head.is_empty() { head } else { format!("{head}: ") };
            let _ = writeln!(text, "- {}: {head}{}", why.cause.name(), why.text);
        }
        text
    }

    /// What is not compared.
    fn notes(&self) -> String {
        let mut notes = Vec::new();
        let left = &self.left_out;
        let mut tell = |(count, cost): (u64, Nano), what: &str| {
            if count > 0 {
                notes.push(format!("{} ({}) {what}", calls(count), dollars(cost)));
            }
        };
        tell(left.other_providers, "went to providers that the bill is not about.");
        let were = if left.other_days.0 == 1 { "was on another day" } else { "were on other days" };
        tell(left.other_days, &format!("{were} than the bill's."));
        if left.without_time > 0 {
            let have = if left.without_time == 1 { "has" } else { "have" };
            notes.push(format!("{} {have} no time.", so_many(left.without_time, "record")));
        }
        if self.other_lines > 0 {
            let are = if self.other_lines == 1 { "is" } else { "are" };
            notes
                .push(format!("{} of the bill {are} for something else.", so_many(self.other_lines, "line")));
        }
        if self.overage != 0 {
            notes.push(format!(
                "Overage ({}) is what the policy charges, and no provider bills it.",
                dollars(self.overage)
            ));
        }
        if self.savings != 0 {
            notes.push(format!("Savings ({}) were never a charge.", dollars(self.savings)));
        }
        if notes.is_empty() {
            return String::new();
        }
        let list: String = notes.iter().map(|note| format!("- {note}\n")).collect();
        format!("\nNot compared:\n{list}")
    }

    /// As CSV, every row, dollars as exact decimals.
    ///
    /// # Errors
    /// None that a text has.
    pub fn csv(&self) -> Result<String, String> {
        let mut csv = csv::Writer::from_writer(Vec::new());
        let head = [
            "day",
            "model",
            "requests",
            "web_searches",
            "recorded_usd",
            "billed_usd",
            "difference_usd",
            "share",
            "beyond",
            "why",
        ];
        csv.write_record(head).map_err(|error| error.to_string())?;
        for row in &self.rows {
            let beyond = row.sums.is_beyond(self.tolerance);
            let cells = [
                row.day.to_string(),
                cell::text(&row.model),
                row.sums.recorded.calls.to_string(),
                row.sums.recorded.searches.to_string(),
                exact(row.sums.recorded.cost),
                exact(row.sums.billed),
                exact(row.sums.difference()),
                row.sums.share().map_or_else(String::new, |share| format!("{share:.6}")),
                beyond.to_string(),
                if beyond { self.causes(row) } else { String::new() },
            ];
            csv.write_record(cells).map_err(|error| error.to_string())?;
        }
        let bytes = csv.into_inner().map_err(|error| error.to_string())?;
        String::from_utf8(bytes).map_err(|error| error.to_string())
    }

    /// As one JSON object; dollars are whole billionths.
    #[must_use]
    pub fn json(&self) -> Value {
        let sums = |sums: &Sums| {
            json!({"requests": sums.recorded.calls, "web_searches": sums.recorded.searches,
                "recorded_nano_usd": whole(sums.recorded.cost),
                "billed_nano_usd": whole(sums.billed), "difference_nano_usd": whole(sums.difference()),
                "share": sums.share(), "beyond": sums.is_beyond(self.tolerance)})
        };
        let row =
            |row: &Row| json!({"day": row.day.to_string(), "model": row.model, "sums": sums(&row.sums)});
        let why = |why: &super::Explanation| json!({"cause": why.cause.name(), "day": why.day.map(|day| day.to_string()), "model": why.model, "text": why.text});
        let left = &self.left_out;
        json!({
            "form": self.form,
            "tolerance": self.tolerance,
            "beyond": self.is_beyond(),
            "total": sums(&self.total),
            "models": self.models.iter().map(|(model, all)| json!({"model": model, "sums": sums(all)})).collect::<Vec<_>>(),
            "rows": self.rows.iter().map(row).collect::<Vec<_>>(),
            "explanations": self.explanations.iter().map(why).collect::<Vec<_>>(),
            "not_compared": {
                "other_providers": {"requests": left.other_providers.0, "cost_nano_usd": whole(left.other_providers.1)},
                "other_days": {"requests": left.other_days.0, "cost_nano_usd": whole(left.other_days.1)},
                "records_without_time": left.without_time,
                "duplicates": self.duplicates,
                "other_lines_of_the_bill": self.other_lines,
                "overage_nano_usd": whole(self.overage),
                "savings_nano_usd": whole(self.savings),
            },
        })
    }
}
