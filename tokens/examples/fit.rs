//! Fits the weights of `src/estimate.rs` to recorded usage and prints them with their errors:
//! `TOKENSTILE_CORPUS=FOLDER cargo xtask fit tokens`.
//!
//! The folder has `exchanges.dev.jsonl.zst`: recorded HTTP exchanges, one JSON object a line. What is fitted is the text of
//! answers, where the provider's output tokens are those of the text and a few more: no tool calls, no
//! reasoning, not streamed, at least 80 characters, each text once. Each error is from weights fitted without the answers of the
//! same source repository.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    reason = "a tool may stop where it fails"
)]

#[path = "fit/answers.rs"]
mod answers;
#[path = "fit/regression.rs"]
mod regression;

use answers::Answer;
use regression::{Sample, fit};
use std::collections::{BTreeMap, BTreeSet};
use tokenstile_tokens::{ModelEncoding, Scripts, encoding_for_model};

fn main() {
    let Some(folder) = std::env::var_os("TOKENSTILE_CORPUS") else {
        eprintln!("TOKENSTILE_CORPUS is not set: nothing to fit");
        return;
    };
    let answers = answers::read(&std::path::Path::new(&folder).join("exchanges.dev.jsonl.zst"));
    println!("{} answers\n", answers.len());
    let mut families: BTreeMap<String, Vec<Answer>> = BTreeMap::new();
    for answer in answers {
        families.entry(family(&answer.model)).or_default().push(answer);
    }
    let everything: Vec<Sample> = families.values().flatten().map(sample).collect();
    println!(
        "| family | answers | repositories | bytes / 4: p5, p50, p95 | o200k: p5, p50, p95 | estimate: p5, p50, p95 |"
    );
    println!("| --- | --- | --- | --- | --- | --- |");
    let mut weights = Vec::new();
    for (name, answers) in &families {
        let samples: Vec<Sample> = answers.iter().map(sample).collect();
        print_errors(name, answers);
        weights.push((name.as_str(), fit(&samples)));
    }
    weights.push(("everything", fit(&everything)));
    println!();
    for (name, fitted) in weights {
        let thousandths: Vec<i64> =
            fitted.weights.iter().map(|weight| (weight * 1000.0).round() as i64).collect();
        println!("{name}: {thousandths:?}, and {:.1} an answer", fitted.constant);
    }
    print_models(&families);
}

fn family(model: &str) -> String {
    match encoding_for_model(model) {
        ModelEncoding::Exact(encoding) => format!("exact {encoding:?}"),
        ModelEncoding::Estimate(estimator) => format!("{estimator:?}"),
    }
}

fn sample(answer: &Answer) -> Sample {
    Sample { features: Scripts::of(&answer.text).0.map(|tokens| tokens as f64), tokens: answer.tokens as f64 }
}

/// One row of docs/accuracy.md.
fn print_errors(name: &str, answers: &[Answer]) {
    let repositories: BTreeSet<&str> = answers.iter().map(|answer| answer.repository.as_str()).collect();
    let (mut by_bytes, mut by_tokens, mut by_estimate) = (Vec::new(), Vec::new(), Vec::new());
    for held_out in &repositories {
        let others: Vec<Sample> = answers.iter().filter(|a| a.repository != *held_out).map(sample).collect();
        let fitted = fit(&others);
        for answer in answers.iter().filter(|answer| answer.repository == *held_out) {
            let sample = sample(answer);
            let error = |guess: f64| 100.0 * (guess / sample.tokens - 1.0);
            by_bytes.push(error(answer.text.len() as f64 / 4.0));
            by_tokens.push(error(sample.features.iter().sum()));
            by_estimate.push(error(fitted.apply(&sample.features) + fitted.constant));
        }
    }
    let columns = [by_bytes, by_tokens, by_estimate].map(quantiles);
    println!("| {name} | {} | {} | {} |", answers.len(), repositories.len(), columns.join(" | "));
}

fn quantiles(mut errors: Vec<f64>) -> String {
    errors.sort_by(f64::total_cmp);
    let at = |share: f64| errors[((errors.len() - 1) as f64 * share).round() as usize];
    format!("{:+.0} {:+.0} {:+.0} %", at(0.05), at(0.5), at(0.95))
}

/// Tokens by tokens of o200k of each model, to see whether a family is one.
fn print_models(families: &BTreeMap<String, Vec<Answer>>) {
    println!("\ntokens / o200k by model:");
    for (name, answers) in families {
        let mut models: BTreeMap<&str, (f64, f64, usize)> = BTreeMap::new();
        for answer in answers {
            let sums = models.entry(&answer.model).or_default();
            let sample = sample(answer);
            *sums = (sums.0 + sample.tokens, sums.1 + sample.features.iter().sum::<f64>(), sums.2 + 1);
        }
        for (model, (tokens, o200k, answers)) in models {
            println!("{name:16} {:.3} {answers:4} {model}", tokens / o200k);
        }
    }
}
