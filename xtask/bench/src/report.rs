//! The report: medians and ratios, as Markdown tables.
//!
//! Called by `main`. Ratios are taken within a round, filter against no filter measured moments
//! before, and the median of the rounds is shown: a busy minute spoils one round and not the result.

use std::{fmt::Write, time::Duration};

use crate::{
    envoy::Filter,
    measure::{Figures, Sample, Throughput},
};

/// The whole report.
pub(crate) fn markdown(figures: &Figures) -> String {
    let mut text = String::new();
    // Writing to a String cannot fail.
    let _ = write(&mut text, figures);
    text
}

fn write(text: &mut String, figures: &Figures) -> std::fmt::Result {
    writeln!(
        text,
        "{} rounds of {:.1} s; `tokenstile.wasm` {:.2} MB.\n",
        figures.rounds,
        figures.seconds,
        megabytes(figures.wasm_bytes)
    )?;
    ratios(text, figures)?;
    absolute(text, figures)?;
    latency(text, figures)?;
    memory(text, figures)
}

fn ratios(text: &mut String, figures: &Figures) -> std::fmt::Result {
    writeln!(
        text,
        "CPU time of Envoy for one request, as a ratio to Envoy without a filter (lowest–highest round):\n"
    )?;
    heading(text, &figures.filters[1..])?;
    for none in figures.throughput.iter().filter(|row| row.filter == Filter::None) {
        write!(text, "| {} |", none.scenario)?;
        for row in same_scenario(figures, none).filter(|row| row.filter != Filter::None) {
            let pairs = row.samples.iter().zip(&none.samples);
            let mut ratios: Vec<f64> = pairs.map(|(one, base)| micros(one.cpu) / micros(base.cpu)).collect();
            ratios.sort_by(f64::total_cmp);
            write!(text, " {:.2} ({:.2}–{:.2}) |", median(&ratios), ratios[0], ratios[ratios.len() - 1])?;
        }
        writeln!(text)?;
    }
    writeln!(text)
}

fn absolute(text: &mut String, figures: &Figures) -> std::fmt::Result {
    writeln!(
        text,
        "CPU seconds of Envoy for 1,000 requests, and requests a second at saturation of one worker:\n"
    )?;
    heading(text, &figures.filters)?;
    for none in figures.throughput.iter().filter(|row| row.filter == Filter::None) {
        write!(text, "| {} |", none.scenario)?;
        for row in same_scenario(figures, none) {
            let cpu = median_of(&row.samples, |sample| sample.cpu.as_secs_f64() * 1_000.0);
            let rate = median_of(&row.samples, |sample| sample.per_second);
            write!(text, " {cpu:.3} s, {rate:.0}/s |")?;
        }
        writeln!(text)?;
    }
    writeln!(text)
}

fn latency(text: &mut String, figures: &Figures) -> std::fmt::Result {
    writeln!(text, "Latency at {} requests a second, p50 and p99 in milliseconds:\n", figures.rate)?;
    heading(text, &figures.filters)?;
    let mut scenario = "";
    for row in &figures.latency {
        if row.scenario != scenario {
            let end = if scenario.is_empty() { "" } else { "\n" };
            scenario = row.scenario;
            write!(text, "{end}| {scenario} |")?;
        }
        let at = |percent: usize| row.sorted[(row.sorted.len() - 1) * percent / 100].as_secs_f64() * 1_000.0;
        write!(text, " {:.2}, {:.2} |", at(50), at(99))?;
    }
    writeln!(text, "\n")
}

fn memory(text: &mut String, figures: &Figures) -> std::fmt::Result {
    writeln!(text, "Start and memory of the whole Envoy process:\n")?;
    writeln!(
        text,
        "| | ready, 1 worker | RSS, 1 worker | ready, 4 workers | RSS, 4 workers | RSS after the run |"
    )?;
    writeln!(text, "| --- | --- | --- | --- | --- | --- |")?;
    for filter in [Filter::None, Filter::Empty, Filter::Ours] {
        write!(text, "| {} |", filter.name())?;
        for start in figures.starts.iter().filter(|start| start.filter == filter) {
            let mut ready: Vec<f64> = start.ready.iter().map(Duration::as_secs_f64).collect();
            ready.sort_by(f64::total_cmp);
            write!(text, " {:.2} s | {:.1} MB |", median(&ready), megabytes(start.rss))?;
        }
        for end in figures.ends.iter().filter(|end| end.filter == filter) {
            write!(text, " {:.1} MB, {} requests |", megabytes(end.rss), end.requests)?;
        }
        writeln!(text)?;
    }
    Ok(())
}

fn heading(text: &mut String, filters: &[Filter]) -> std::fmt::Result {
    let names: Vec<_> = filters.iter().map(|filter| filter.name()).collect();
    writeln!(text, "| | {} |", names.join(" | "))?;
    writeln!(text, "| --- |{}", " --- |".repeat(names.len()))
}

fn same_scenario<'a>(figures: &'a Figures, of: &'a Throughput) -> impl Iterator<Item = &'a Throughput> {
    figures.throughput.iter().filter(|row| row.scenario == of.scenario)
}

fn median_of(samples: &[Sample], value: impl Fn(&Sample) -> f64) -> f64 {
    let mut values: Vec<f64> = samples.iter().map(value).collect();
    values.sort_by(f64::total_cmp);
    median(&values)
}

/// Of sorted values; a round at least was measured.
fn median(sorted: &[f64]) -> f64 {
    sorted[sorted.len() / 2]
}

fn micros(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1e6
}

fn megabytes(bytes: u64) -> f64 {
    bytes as f64 / 1e6
}
