//! The day as a table, one refusal in full, and the totals: in plain words, figures from headers and records.

use super::Told;
use super::story::clock;
use crate::upstream::Bill;
use comfy_table::{Cell, CellAlignment, ColumnConstraint, ContentArrangement, Table, Width, presets};
use serde_json::Value;
use std::collections::BTreeMap;
use std::fmt;

const WIDTH: u16 = 128;
const TASK_WIDTH: u16 = 15;
const HAPPENED_WIDTH: u16 = 34;

/// One line for each call.
pub(super) fn table(day: &[Told], with_time: bool) -> String {
    let mut table = Table::new();
    table.load_style(presets::UTF8_HORIZONTAL_ONLY).set_width(WIDTH);
    table.set_content_arrangement(ContentArrangement::Dynamic);
    let mut head = vec![
        "Who",
        "Plan",
        "Task",
        "Asked for",
        "Served by",
        "Tokens",
        "Cost",
        "Left today",
        "What happened",
    ];
    if with_time {
        head.insert(0, "When");
    }
    table.set_header(head.clone());
    let mut used = BTreeMap::new();
    for told in day {
        table.add_row(row(told, with_time, &mut used));
    }
    for (column, name) in table.column_iter_mut().zip(head) {
        column.set_padding((0, 1));
        column.set_constraint(match name {
            "Task" => ColumnConstraint::Absolute(Width::Fixed(TASK_WIDTH)),
            "What happened" => ColumnConstraint::Absolute(Width::Fixed(HAPPENED_WIDTH)),
            _ => ColumnConstraint::ContentWidth,
        });
        if ["Tokens", "Cost", "Left today"].contains(&name) {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
    table.trim_fmt()
}

/// `used` is what each user's records add up to, by the day on which the quota began.
fn row(told: &Told, with_time: bool, used: &mut BTreeMap<(String, bool), u64>) -> Vec<Cell> {
    let (step, record) = (&told.step, &told.record);
    let total = used.entry((step.who.to_owned(), step.today)).or_default();
    *total += tokens(record);
    let refused = told.answered.status != 200;
    let served = if refused { "–" } else { text(record, "model_served") };
    let mut row = vec![
        Cell::new(step.who),
        Cell::new(step.plan),
        Cell::new(step.task),
        Cell::new(text(record, "model_requested")),
        Cell::new(served),
        Cell::new(thousands(tokens(record))),
        Cell::new(dollars(record["cost_nano_usd"].as_u64().unwrap_or(0))),
        Cell::new(left(told, *total)),
        Cell::new(happened(told)),
    ];
    if with_time {
        row.insert(0, Cell::new(clock(step.minute)));
    }
    row
}

/// The quota that the answer's headers state, less what the records say was used.
fn left(told: &Told, used: u64) -> String {
    let policy = told.answered.header("ratelimit-policy").unwrap_or_default();
    let quota = policy.split(';').find_map(|part| part.trim().strip_prefix("q=")?.parse::<u64>().ok());
    match quota {
        Some(quota) if used > quota => format!("{} over", thousands(used - quota)),
        Some(quota) => thousands(quota - used),
        None => "not stated".to_owned(),
    }
}

fn happened(told: &Told) -> String {
    let record = &told.record;
    match (text(record, "decision"), text(record, "ending")) {
        ("deny", _) => format!("Refused with a friendly message (below): {}. Costs nothing.", reason(told)),
        (_, "cut") => format!("Hung up in the middle. Pays for the {} tokens that came.", output(record)),
        ("downgrade", _) => {
            format!("The quota is used up: answered by the cheaper {}.", text(record, "model_served"))
        }
        ("warn", _) => {
            let warning = told.answered.header("x-tokenstile-warning").unwrap_or("a warning");
            format!("Answered, with a warning: “{warning}”")
        }
        ("allow", "complete") => "Answered.".to_owned(),
        (decision, ending) => format!("{decision}, {ending}"),
    }
}

fn reason(told: &Told) -> String {
    match told.answered.body["error"]["remaining"].as_u64() {
        Some(left) if left > 0 => {
            let needed = told.record["hold_tokens"].as_u64().unwrap_or(0);
            format!("it needs about {} tokens, {} are left", thousands(needed), thousands(left))
        }
        _ => "the quota is used up".to_owned(),
    }
}

/// The first refusal's body, as the caller's program gets it.
pub(super) fn refusal(day: &[Told]) -> String {
    let Some(told) = day.iter().find(|told| told.answered.status == 429) else {
        return "Nobody was refused.\n".to_owned();
    };
    let body = serde_json::to_string_pretty(&told.answered.body).unwrap_or_default();
    format!(
        "What {}'s program got when it was refused (status {}):\n{body}\n",
        told.step.who, told.answered.status
    )
}

/// What the provider billed beside what was recorded.
pub(super) struct Totals {
    billed: Bill,
    recorded_calls: u64,
    recorded: u64,
    cost_nano_usd: u64,
}

pub(super) fn totals(day: &[Told], billed: Bill) -> Totals {
    let served = day.iter().filter(|told| told.answered.status == 200);
    Totals {
        billed,
        recorded_calls: served.count() as u64,
        recorded: day.iter().map(|told| tokens(&told.record)).sum(),
        cost_nano_usd: day.iter().filter_map(|told| told.record["cost_nano_usd"].as_u64()).sum(),
    }
}

impl Totals {
    pub(super) fn agree(&self) -> bool {
        self.billed.total_tokens() == self.recorded && self.billed.requests == self.recorded_calls
    }
}

impl fmt::Display for Totals {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (billed, recorded) = (self.billed.total_tokens(), self.recorded);
        write!(f, "The provider billed {} tokens in {} calls. ", thousands(billed), self.billed.requests)?;
        write!(f, "Tokenstile recorded {} tokens in {} calls, ", thousands(recorded), self.recorded_calls)?;
        write!(f, "{} in all: ", dollars(self.cost_nano_usd))?;
        if self.agree() {
            return f.write_str("not one token is missing.");
        }
        write!(f, "a difference of {} tokens.", thousands(billed.abs_diff(recorded)))
    }
}

fn text<'r>(record: &'r Value, name: &str) -> &'r str {
    record[name].as_str().unwrap_or("?")
}

fn output(record: &Value) -> String {
    thousands(record["usage"]["output"].as_u64().unwrap_or(0))
}

fn tokens(record: &Value) -> u64 {
    ["input", "output"].iter().filter_map(|side| record["usage"][side].as_u64()).sum()
}

/// `12,345`.
fn thousands(number: u64) -> String {
    let digits = number.to_string();
    let mut out = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

/// Dollars with four places, rounded half up: `$0.0123`.
fn dollars(nano_usd: u64) -> String {
    let rounded = (nano_usd + 50_000) / 100_000;
    format!("${}.{:04}", thousands(rounded / 10_000), rounded % 10_000)
}

#[cfg(test)]
mod tests {
    use super::{dollars, thousands};

    #[test]
    fn figures_are_written_for_people() {
        assert_eq!([0, 999, 1_000, 1_234_567].map(thousands), ["0", "999", "1,000", "1,234,567"]);
        assert_eq!(dollars(0), "$0.0000");
        assert_eq!(dollars(49_999), "$0.0000");
        assert_eq!(dollars(50_000), "$0.0001");
        assert_eq!(dollars(1_234_567_890_000), "$1,234.5679");
    }
}
