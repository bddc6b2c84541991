//! Fits the weights of prompt parts to recorded usage, and says how well they do on repositories that the
//! fit did not see.
//!
//! Least absolute error relative to the smaller of both counts, by reweighted least squares with weights that are never negative; each
//! weight is drawn a little towards a prior, so that a part that was hardly recorded stays near what it is
//! by the documents.

use crate::measure::Row;
use std::collections::{BTreeMap, BTreeSet};
use tokenstile_engine::dialect::{PromptPart, model_stem};

/// What a part weighs where the recordings say nothing.
const PRIOR: &[(PromptPart, f64)] = &[
    (PromptPart::Base, 3.0),
    (PromptPart::Text, 1.0),
    (PromptPart::Messages, 3.0),
    (PromptPart::ToolText, 1.0),
    (PromptPart::NamedTools, 8.0),
    (PromptPart::Properties, 4.0),
    (PromptPart::PropertyNames, 1.0),
    (PromptPart::Types, 1.0),
    (PromptPart::Descriptions, 2.0),
    (PromptPart::DescriptionText, 1.0),
    (PromptPart::Enums, 2.0),
    (PromptPart::EnumText, 1.0),
    (PromptPart::FormatText, 1.0),
    (PromptPart::FormatMarks, 0.5),
    (PromptPart::JsonText, 1.0),
    (PromptPart::JsonMarks, 1.0),
    (PromptPart::ToolCalls, 6.0),
    (PromptPart::ToolResults, 3.0),
    (PromptPart::Images, 1.0),
    (PromptPart::FileBytes, 0.05),
    (PromptPart::SealedBytes, 0.1),
];
/// How much the prior counts against one recorded call.
const PRIOR_STRENGTH: f64 = 0.02;
/// Parts that are no weight of their own: the difference of two others.
const LEFT_OUT: &[PromptPart] = &[PromptPart::Calls, PromptPart::Tools];
/// How much the family's weights count against one call of a model.
const FAMILY_STRENGTH: f64 = 0.05;
/// By how much a model's own table must lessen the mean error.
const GAIN_MIN: f64 = 0.02;
/// Fewer calls than this make no table.
const CALLS_MIN: usize = 8;
/// Shorter prompts than this count as this long: a token more or less is no error.
const SHORT: f64 = 20.0;

/// An error from which a call counts less, at first and in the end.
const FAR_AT_FIRST: f64 = 3.0;
/// The same.
const FAR: f64 = 0.5;

type Weights = Vec<f64>;

/// Between what a weight must lie: text is text, whatever stands around it.
const fn bounds(part: PromptPart) -> (f64, f64) {
    match part {
        PromptPart::Text => (0.9, 1.1),
        PromptPart::Messages => (0.0, 20.0),
        PromptPart::FileBytes | PromptPart::SealedBytes => (0.0, 0.5),
        _ => (0.0, f64::INFINITY),
    }
}

/// Fits tables for each style: one for all models, one for each family, and one for a model that its family's
/// table does not fit. Prints `weight_tables.rs`; how well they do, on stderr.
pub(crate) fn fit(rows: &[Row]) {
    println!(
        "//! Made by `cargo xtask fit`: thousandths of a token. Recordings, method and error: docs/accuracy.md.\n"
    );
    println!("use super::{{P, Weights}};\n");
    println!("pub(super) static TABLES: &[(&str, &str, Weights)] = &[");
    let fitted = |row: &&Row| row.truth.is_some() && !row.style.is_empty() && row.style != "text";
    let mut styles: BTreeMap<&str, Vec<&Row>> = BTreeMap::new();
    for row in rows.iter().filter(fitted) {
        styles.entry(row.style).or_default().push(row);
    }
    let documented: Weights = PromptPart::ALL.iter().map(|part| prior(*part)).collect();
    for (style, rows) in &styles {
        let other = solve(rows, &documented, PRIOR_STRENGTH);
        report(style, "*", rows, &other, &documented, PRIOR_STRENGTH);
        table(style, "*", &other);
        for (family, rows) in grouped(rows, |row| row.family.to_owned()) {
            let mut nearest = other.clone();
            if family != "other" && rows.len() >= CALLS_MIN {
                nearest = solve(&rows, &documented, PRIOR_STRENGTH);
                report(style, &format!("{family}*"), &rows, &nearest, &documented, PRIOR_STRENGTH);
                table(style, &format!("{family}*"), &nearest);
            }
            for (stem, rows) in grouped(&rows, |row| model_stem(&row.model)) {
                let own = solve(&rows, &nearest, FAMILY_STRENGTH);
                // A table must earn its place.
                if rows.len() >= CALLS_MIN && mean_error(&rows, &own) + GAIN_MIN < mean_error(&rows, &nearest)
                {
                    report(style, &stem, &rows, &own, &nearest, FAMILY_STRENGTH);
                    table(style, &stem, &own);
                }
            }
        }
    }
    println!("];");
}

fn grouped<'r>(rows: &[&'r Row], name: impl Fn(&Row) -> String) -> BTreeMap<String, Vec<&'r Row>> {
    let mut groups: BTreeMap<String, Vec<&Row>> = BTreeMap::new();
    for row in rows {
        groups.entry(name(row)).or_default().push(row);
    }
    groups
}

fn table(style: &str, name: &str, weights: &[f64]) {
    println!("    (\n        \"{style}\",\n        \"{name}\",\n        &[");
    for (part, weight) in PromptPart::ALL.iter().zip(weights) {
        let thousandths = (weight * 1000.0).round() as u64;
        if thousandths > 0 {
            println!("            (P::{part:?}, {}),", with_underscores(thousandths));
        }
    }
    println!("        ],\n    ),");
}

fn with_underscores(n: u64) -> String {
    if n < 1000 { n.to_string() } else { format!("{}_{:03}", with_underscores(n / 1000), n % 1000) }
}

/// What each row has of each part.
fn matrix(rows: &[&Row]) -> Vec<Vec<f64>> {
    let count = |row: &Row, part: &PromptPart| row.parts.get(part.name()).copied().unwrap_or(0) as f64;
    let used = |part: &PromptPart| !LEFT_OUT.contains(part);
    let line = |row: &&Row| {
        PromptPart::ALL.iter().map(|part| if used(part) { count(row, part) } else { 0.0 }).collect()
    };
    rows.iter().map(line).collect()
}

fn prior(part: PromptPart) -> f64 {
    PRIOR.iter().find(|(known, _)| *known == part).map_or(0.0, |(_, weight)| *weight)
}

fn solve(rows: &[&Row], priors: &[f64], strength: f64) -> Weights {
    let a = matrix(rows);
    let y: Vec<f64> = rows.iter().map(|row| row.truth.unwrap_or(0) as f64).collect();
    let n = PromptPart::ALL.len();
    let mut x = priors.to_vec();
    for round in 0..40 {
        let w = weigh(&a, &y, &x, if round < 10 { FAR_AT_FIRST } else { FAR });
        // The strength of the prior: some of the evidence of a mean call that has the part.
        let pull: Vec<f64> = (0..n)
            .map(|j| {
                let with: Vec<f64> = a
                    .iter()
                    .zip(&w)
                    .filter(|(line, _)| line[j] > 0.0)
                    .map(|(line, w)| w * line[j] * line[j])
                    .collect();
                if with.is_empty() { 1.0 } else { strength * with.iter().sum::<f64>() / with.len() as f64 }
            })
            .collect();
        descend(&a, &y, &w, priors, &pull, &mut x);
    }
    x
}

/// The weight of each call for the next round.
fn weigh(a: &[Vec<f64>], y: &[f64], x: &[f64], far: f64) -> Vec<f64> {
    let weight = |(line, y): (&Vec<f64>, &f64)| {
        // Half is as wrong as twice.
        let ours = dot(line, x);
        let scale = y.min(ours).max(SHORT);
        let error = (ours - y).abs() / scale;
        // A call that is far off is so by what nobody sees: it must not draw the others after it.
        scale.powi(-2) / error.max(0.004) / (1.0 + (error / far).powi(2))
    };
    a.iter().zip(y).map(weight).collect()
}

/// Coordinate descent: the best weight for each part in turn, none below zero.
fn descend(a: &[Vec<f64>], y: &[f64], w: &[f64], priors: &[f64], pull: &[f64], x: &mut [f64]) {
    let mut rest: Vec<f64> = a.iter().zip(y).map(|(line, y)| y - dot(line, x)).collect();
    for _ in 0..300 {
        let mut moved = 0.0_f64;
        for j in 0..x.len() {
            let (mut top, mut bottom) = (pull[j] * (priors[j] - x[j]), pull[j]);
            for (i, line) in a.iter().enumerate().filter(|(_, line)| line[j] != 0.0) {
                top += w[i] * line[j] * rest[i];
                bottom += w[i] * line[j] * line[j];
            }
            let (least, most) = bounds(PromptPart::ALL[j]);
            let step = (x[j] + top / bottom).clamp(least, most) - x[j];
            if step != 0.0 {
                x[j] += step;
                a.iter().zip(&mut rest).for_each(|(line, rest)| *rest -= line[j] * step);
                moved = moved.max(step.abs());
            }
        }
        if moved < 1e-5 {
            break;
        }
    }
}

fn dot(line: &[f64], x: &[f64]) -> f64 {
    line.iter().zip(x).map(|(a, x)| a * x).sum()
}

/// Errors on the calls themselves, and on each repository by weights that were fitted without it.
fn report(style: &str, family: &str, rows: &[&Row], weights: &[f64], priors: &[f64], strength: f64) {
    let own = errors(rows, weights);
    let repos: BTreeSet<&str> = rows.iter().map(|row| row.repo.as_str()).collect();
    let mut crossed = Vec::new();
    for repo in &repos {
        let (with, without): (Vec<&Row>, Vec<&Row>) = rows.iter().partition(|row| row.repo == *repo);
        if without.len() >= CALLS_MIN {
            crossed.extend(errors(&with, &solve(&without, priors, strength)));
        }
    }
    eprintln!(
        "{style}/{family}: {} calls of {} repositories, error {}, of repositories not fitted {}",
        rows.len(),
        repos.len(),
        quantiles(own),
        quantiles(crossed)
    );
}

fn errors(rows: &[&Row], weights: &[f64]) -> Vec<f64> {
    let error = |(line, row): (Vec<f64>, &&Row)| {
        let truth = row.truth.unwrap_or(1) as f64;
        (dot(&line, weights).round() / truth - 1.0).abs()
    };
    matrix(rows).into_iter().zip(rows).map(error).collect()
}

/// The mean error, each error 100 % at most.
fn mean_error(rows: &[&Row], weights: &[f64]) -> f64 {
    errors(rows, weights).into_iter().map(|error| error.min(1.0)).sum::<f64>() / rows.len() as f64
}

fn quantiles(mut errors: Vec<f64>) -> String {
    errors.sort_by(f64::total_cmp);
    let at = |share: f64| {
        let index = ((errors.len().saturating_sub(1)) as f64 * share).round() as usize;
        errors.get(index).map_or("-".to_owned(), |error| format!("{:.1} %", error * 100.0))
    };
    format!("p50 {} p95 {}", at(0.5), at(0.95))
}
