//! What was measured, as tables for people and as JSON lines for programs.

use crate::measure::Row;
use anyhow::Result;
use comfy_table::Table;
use std::collections::BTreeMap;

/// Labels of the recordings that name inference calls of a dialect which is metered.
const METERED: &[&str] = &[
    "openai-chat",
    "openai-completions",
    "openai-responses",
    "openai-embeddings",
    "azure-openai-chat",
    "azure-openai-completions",
    "azure-openai-responses",
    "azure-openai-embeddings",
    "azure-ai-inference-chat",
    "anthropic-messages",
    "vertex-anthropic",
    "gemini-generate",
    "gemini-stream-generate",
    "gemini-embed",
    "bedrock-converse",
    "bedrock-converse-stream",
    "bedrock-invoke",
    "bedrock-invoke-stream",
    "cohere-v2-chat",
    "cohere-v2-embed",
    "ollama-chat",
    "ollama-generate",
    "ollama-embed",
    "openai-images",
    "openai-audio-speech",
    "openai-audio-transcribe",
    "rerank",
    "cohere-v2-rerank",
];

/// One JSON object an exchange.
pub(crate) fn json(rows: &[Row]) -> Result<()> {
    for row in rows {
        println!("{}", serde_json::to_string(row)?);
    }
    Ok(())
}

/// The tables: recognition and usage, then estimates.
pub(crate) fn tables(rows: &[Row], by_model: bool) {
    let mut groups: BTreeMap<(String, String), Vec<&Row>> = BTreeMap::new();
    for row in rows {
        let second = if by_model { row.model.clone() } else { row.provider.clone() };
        groups.entry((row.dialect.clone(), second.clone())).or_default().push(row);
        if !by_model {
            groups.entry((row.dialect.clone(), "all".to_owned())).or_default().push(row);
        }
    }
    let mut table = Table::new();
    table.load_style(comfy_table::presets::NOTHING);
    let second = if by_model { "model" } else { "provider" };
    table.set_header([
        "recorded dialect",
        second,
        "n",
        "recognised",
        "model right",
        "opaque",
        "usage = oracle",
        "price = oracle",
        "estimates",
        "median |e|",
        "p95 |e|",
        "bias",
        "< 80 %",
    ]);
    for ((dialect, second), rows) in &groups {
        table.add_row(line(dialect, second, rows));
    }
    println!("{table}");
    summary(rows);
}

fn line(dialect: &str, second: &str, rows: &[&Row]) -> Vec<String> {
    let count = |test: &dyn Fn(&Row) -> bool| rows.iter().filter(|row| test(row)).count();
    let known = count(&|row| row.model_right.is_some());
    let with_oracle = count(&|row| row.has_oracle);
    let errors = Errors::of(rows.iter().copied());
    vec![
        dialect.to_owned(),
        second.to_owned(),
        rows.len().to_string(),
        count(&|row| !row.recognised.is_empty()).to_string(),
        format!("{}/{known}", count(&|row| row.model_right == Some(true))),
        count(&|row| row.opaque.is_some()).to_string(),
        format!("{}/{with_oracle}", count(&equals_oracle)),
        format!(
            "{}/{}",
            count(&|row| row.price_right == Some(true)),
            count(&|row| row.price_right.is_some())
        ),
        errors.n.to_string(),
        percent(errors.median),
        percent(errors.p95),
        percent(errors.bias),
        percent(errors.far_below),
    ]
}

fn equals_oracle(row: &Row) -> bool {
    row.has_oracle && row.usage.is_some() && row.usage_differs.is_none()
}

fn percent(share: f64) -> String {
    if share.is_nan() { "-".to_owned() } else { format!("{:.1} %", share * 100.0) }
}

/// The error of estimates against the provider's own count.
struct Errors {
    n: usize,
    median: f64,
    p95: f64,
    bias: f64,
    far_below: f64,
}

impl Errors {
    fn of<'r>(rows: impl Iterator<Item = &'r Row>) -> Self {
        let ratio = |row: &Row| Some(row.estimate? as f64 / row.truth? as f64);
        let ratios: Vec<f64> = rows.filter_map(ratio).collect();
        let n = ratios.len();
        let mut errors: Vec<f64> = ratios.iter().map(|ratio| (ratio - 1.0).abs()).collect();
        errors.sort_by(f64::total_cmp);
        let at = |share: f64| {
            let index = ((n.saturating_sub(1)) as f64 * share).round() as usize;
            errors.get(index).copied().unwrap_or(f64::NAN)
        };
        let mean = |sum: f64| if n == 0 { f64::NAN } else { sum / n as f64 };
        Self {
            n,
            median: at(0.5),
            p95: at(0.95),
            bias: mean(ratios.iter().map(|ratio| ratio - 1.0).sum()),
            far_below: mean(ratios.iter().filter(|ratio| **ratio < 0.8).count() as f64),
        }
    }
}

/// Whether the recording calls it an inference call of a dialect which is metered.
fn is_metered(row: &&Row) -> bool {
    METERED.contains(&row.dialect.as_str()) && row.posts
}

fn summary(rows: &[Row]) {
    let metered = is_metered;
    let all: Vec<&Row> = rows.iter().filter(metered).collect();
    let recognised = all.iter().filter(|row| !row.recognised.is_empty()).count();
    let oracle: Vec<&&Row> = all.iter().filter(|row| row.has_oracle).collect();
    let equal = oracle.iter().filter(|row| equals_oracle(row)).count();
    let models: Vec<bool> = all.iter().filter_map(|row| row.model_right).collect();
    let right = models.iter().filter(|right| **right).count();
    let seen = rows.iter().filter(|row| row.dialect == "non-llm" && !row.recognised.is_empty()).count();
    println!("\nrecognised: {recognised} of {} calls of metered dialects", all.len());
    println!("model right: {right} of {}", models.len());
    println!("usage equal to the oracle: {equal} of {}", oracle.len());
    let prices: Vec<bool> = all.iter().filter_map(|row| row.price_right).collect();
    println!(
        "price equal to the oracle: {} of {}",
        prices.iter().filter(|right| **right).count(),
        prices.len()
    );
    println!("paths without an LLM that were read: {seen}");
    estimates(rows);
}

/// How well prompts are estimated, by the groups that have a bar.
pub(crate) fn estimates(rows: &[Row]) {
    for (name, verbatim, test) in BARS {
        let e = Errors::of(rows_of(rows, verbatim, test));
        say_errors(name, &e);
        let whole = rows_of(rows, verbatim, test).filter(|row| !row.is_partial);
        say_errors(&format!("{name}, of whole prompts"), &Errors::of(whole));
    }
    say_errors("all", &Errors::of(rows.iter().filter(is_metered)));
}

fn rows_of(rows: &[Row], verbatim: bool, test: Test) -> impl Iterator<Item = &Row> {
    rows.iter().filter(move |row| is_metered(row) && test(row) && (!verbatim || row.verbatim))
}

fn say_errors(name: &str, e: &Errors) {
    println!(
        "estimates, {name}: {} calls, median {}, p95 {}, bias {}, below 80 % {}",
        e.n,
        percent(e.median),
        percent(e.p95),
        percent(e.bias),
        percent(e.far_below)
    );
}

type Test = fn(&Row) -> bool;

/// The groups that have a bar of their own.
const BARS: [(&str, bool, Test); 4] = [
    ("OpenAI chat and responses (verbatim)", true, is_openai),
    ("Anthropic", false, is_anthropic),
    ("Gemini", false, is_gemini),
    ("all others", false, |row| !is_openai(row) && !is_anthropic(row) && !is_gemini(row)),
];

/// One figure beside its bar.
struct Bar {
    name: String,
    figure: String,
    bar: &'static str,
    holds: bool,
}

/// A share of calls that must be at least so high; of none it is missed, for nothing was shown.
fn share(name: &str, good: usize, all: usize, least: f64, bar: &'static str) -> Bar {
    let share = if all == 0 { f64::NAN } else { good as f64 / all as f64 };
    let figure = format!("{good} of {all} ({:.2} %)", share * 100.0);
    Bar { name: name.to_owned(), figure, bar, holds: share >= least }
}

/// An error that must be at most so high; beside it, the one of prompts that stand in their requests as a whole.
fn error(name: String, error: f64, of_whole: f64, most: f64, bar: &'static str) -> Bar {
    let figure = format!("{} (whole prompts: {})", percent(error), percent(of_whole));
    Bar { name, figure, bar, holds: error <= most }
}

/// What the figures must reach, each with the figure; `true` if all do.
pub(crate) fn bars(rows: &[Row]) -> bool {
    let all: Vec<&Row> = rows.iter().filter(is_metered).collect();
    let count = |test: &dyn Fn(&Row) -> bool| all.iter().filter(|row| test(row)).count();
    let touched = rows.iter().filter(|row| row.dialect == "non-llm" && !row.recognised.is_empty()).count();
    let faults = rows.iter().filter(|row| row.edit_fault.is_some()).count();
    let mut bars = vec![
        share("calls recognised", count(&|row| !row.recognised.is_empty()), all.len(), 1.0, "100 %"),
        share(
            "model right",
            count(&|row| row.model_right == Some(true)),
            count(&|row| row.model_right.is_some()),
            1.0,
            "100 %",
        ),
        share(
            "usage equal to the oracle",
            count(&equals_oracle),
            count(&|row| row.has_oracle),
            0.995,
            "≥ 99.5 %",
        ),
        share(
            "price equal to the oracle",
            count(&|row| row.price_right == Some(true)),
            count(&|row| row.price_right.is_some()),
            0.99,
            "≥ 99 %",
        ),
    ];
    let limits = [
        (0.01, "≤ 1 %", 0.06, "≤ 6 %"),
        (0.04, "≤ 4 %", 0.15, "≤ 15 %"),
        (0.04, "≤ 4 %", 0.15, "≤ 15 %"),
        (0.06, "≤ 6 %", 0.25, "≤ 25 %"),
    ];
    for ((name, verbatim, test), (median, median_bar, p95, p95_bar)) in BARS.into_iter().zip(limits) {
        let e = Errors::of(rows_of(rows, verbatim, test));
        let whole = Errors::of(rows_of(rows, verbatim, test).filter(|row| !row.is_partial));
        let median_name = format!("estimates, {name}: median error");
        bars.push(error(median_name, e.median, whole.median, median, median_bar));
        bars.push(error(format!("estimates, {name}: p95"), e.p95, whole.p95, p95, p95_bar));
    }
    let far = Errors::of(all.iter().copied()).far_below;
    let far_of_whole = Errors::of(all.iter().copied().filter(|row| !row.is_partial)).far_below;
    bars.push(error("estimates below 80 % of the truth".to_owned(), far, far_of_whole, 0.01, "≤ 1 %"));
    for (name, count) in
        [("paths without an LLM read or altered", touched), ("edits that change other bytes", faults)]
    {
        bars.push(Bar { name: name.to_owned(), figure: count.to_string(), bar: "0", holds: count == 0 });
    }
    let mut table = Table::new();
    table.load_style(comfy_table::presets::NOTHING);
    table.set_header(["", "figure", "bar", ""]);
    for Bar { name, figure, bar, holds } in &bars {
        table.add_row([name.as_str(), figure.as_str(), *bar, if *holds { "ok" } else { "MISSED" }]);
    }
    println!(
        "\n{}",
        table.lines().map(|line| format!("{}\n", line.trim_end())).collect::<String>().trim_end()
    );
    bars.iter().all(|bar| bar.holds)
}

fn is_openai(row: &Row) -> bool {
    matches!(row.provider.as_str(), "openai" | "azure")
        && matches!(row.dialect.as_str(), "openai-chat" | "openai-responses")
}

fn is_anthropic(row: &Row) -> bool {
    matches!(row.dialect.as_str(), "anthropic-messages" | "vertex-anthropic")
}

fn is_gemini(row: &Row) -> bool {
    row.dialect.starts_with("gemini-")
}

/// Every difference by id.
pub(crate) fn differences(rows: &[Row]) {
    for row in rows {
        let metered = is_metered(&row);
        let say = |what: &str| println!("{} {} {} {}: {what}", row.id, row.dialect, row.provider, row.status);
        if metered && row.recognised.is_empty() {
            say("not recognised");
        }
        if row.dialect == "non-llm" && !row.recognised.is_empty() {
            say(&format!("read as {}", row.recognised));
        }
        if row.model_right == Some(false) {
            say(&format!(
                "model `{}`, recorded `{}`",
                row.model,
                row.model_recorded.clone().unwrap_or_default()
            ));
        }
        for (name, fault) in [
            ("opaque", &row.opaque),
            ("edit", &row.edit_fault),
            ("usage", &row.usage_differs),
            ("price", &row.price_differs),
        ] {
            if let Some(fault) = fault {
                say(&format!("{name}: {fault}"));
            }
        }
    }
}

/// The worst estimates by id.
pub(crate) fn worst(rows: &[Row], count: usize) {
    let ratio = |row: &&Row| Some(row.estimate? as f64 / row.truth? as f64);
    let mut ranked: Vec<(f64, &Row)> = rows.iter().filter_map(|row| Some((ratio(&row)?, row))).collect();
    ranked.sort_by(|a, b| (b.0 - 1.0).abs().total_cmp(&(a.0 - 1.0).abs()));
    for (ratio, row) in ranked.into_iter().take(count) {
        let (estimate, truth) = (row.estimate.unwrap_or(0), row.truth.unwrap_or(0));
        println!(
            "{} {} {} {} {}: {estimate} for {truth} ({:+.1} %)",
            row.id,
            row.dialect,
            row.provider,
            row.model,
            if row.verbatim { "verbatim" } else { "reserialised" },
            (ratio - 1.0) * 100.0
        );
    }
}
