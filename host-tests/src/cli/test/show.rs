//! How the run of scenarios is shown, in each format, and what a failure tells. Called by `mod.rs`.

use super::super::format::{self, Case};
use super::{Coverage, Ran};
use serde_json::{Value, json};
use similar::TextDiff;
use std::fmt::Write;
use tokenstile_engine::policy::Policy;
use tokenstile_host::cases::{Seen, Weighed, Went};

/// What is wrong in a step: expected and seen, the facts of the call, and what each budget said of it.
pub(super) fn failure(policy: &Value, went: &Went, native: &[Seen]) -> String {
    let mut text = String::new();
    let (placed, others): (Vec<_>, Vec<_>) = went.found.iter().partition(|found| !found.at.is_empty());
    for found in others {
        let _ = writeln!(text, "{}", found.text);
    }
    if !placed.is_empty() {
        let lines = |value: &dyn Fn(&tokenstile_host::cases::Difference) -> String| -> String {
            placed.iter().map(|found| format!("{}: {}\n", found.at, value(found))).collect()
        };
        let expected = lines(&|found| found.expected.to_string());
        let got = lines(&|found| found.got.as_ref().map_or("nothing".to_owned(), ToString::to_string));
        text += &diff("expected", &expected, "seen", &got);
    }
    let seen = went.seen.iter().zip(native).next();
    if let Some((seen, native)) = seen {
        text += &facts(seen);
        text += &budgets(policy, &native.weighed);
    }
    text
}

/// Lines that differ, as `diff -u` shows them.
pub(super) fn diff(old_name: &str, old: &str, new_name: &str, new: &str) -> String {
    TextDiff::from_lines(old, new).unified_diff().context_radius(2).header(old_name, new_name).to_string()
}

/// What the record says that a decision is made of.
fn facts(seen: &Seen) -> String {
    let Some(record) = seen.records.iter().flatten().next() else { return String::new() };
    let mut text = "the call:\n".to_owned();
    for key in [
        "dialect",
        "model_requested",
        "identity",
        "decision",
        "rule",
        "skipped",
        "shadow",
        "hold_tokens",
        "usage",
        "unread",
        "failure",
    ] {
        if let Some(value) = record.get(key).filter(|value| !value.is_null()) {
            let _ = writeln!(text, "  {key}: {value}");
        }
    }
    text
}

/// What each budget said.
pub(crate) fn budgets(policy: &Value, weighed: &[Weighed]) -> String {
    let Ok(policy) = Policy::parse(policy.to_string().as_bytes()) else { return String::new() };
    let mut text = String::new();
    for one in weighed {
        let Some(budget) = policy.budgets.get(one.budget) else { continue };
        let show = |amount| budget.meter.display(amount);
        let reached: Vec<String> = one
            .reached
            .iter()
            .filter_map(|step| budget.ladder.get(*step))
            .map(|step| format!("{}%", step.per_mille / 10))
            .collect();
        let said = match (one.refused, one.spared, reached.as_slice()) {
            (true, ..) => "refuses".to_owned(),
            (_, true, _) => "not asked".to_owned(),
            (.., []) => "no step reached".to_owned(),
            (.., reached) => format!("reached {}", reached.join(", ")),
        };
        let _ = writeln!(
            text,
            "  {}: {} used, {} held by others, this call holds {}, of {}: {said}",
            budget.name,
            show(one.before.used),
            show(one.before.held),
            show(one.hold),
            show(budget.limit)
        );
    }
    if text.is_empty() { "no budget was met\n".to_owned() } else { format!("its budgets:\n{text}") }
}

pub(super) fn human(ran: &[Ran], coverage: &[(String, Coverage)]) -> String {
    let mut out = String::new();
    for one in ran {
        if let Some((title, text)) = &one.failure {
            let _ = writeln!(out, "\u{1b}[31mFAILED\u{1b}[0m {}: {}: {title}", one.file, one.name);
            for line in text.lines() {
                let colour = match line.as_bytes().first() {
                    Some(b'-') => "\u{1b}[31m",
                    Some(b'+') => "\u{1b}[32m",
                    _ => "",
                };
                let end = if colour.is_empty() { "" } else { "\u{1b}[0m" };
                let _ = writeln!(out, "    {colour}{line}{end}");
            }
        }
        for skipped in &one.skipped {
            let _ = writeln!(out, "skipped {}: {}: {skipped}", one.file, one.name);
        }
    }
    for (file, covered) in coverage {
        let _ = writeln!(out, "{file} reaches {}% of its policy", covered.percent());
        for missed in covered.missed() {
            let _ = writeln!(out, "    never: {missed}");
        }
    }
    let failed = ran.iter().filter(|one| one.failure.is_some()).count();
    let _ = writeln!(out, "{} scenarios, {failed} failed", ran.len());
    out
}

pub(super) fn json(ran: &[Ran], coverage: &[(String, Coverage)]) -> String {
    let one = |one: &Ran| {
        let failure = one.failure.as_ref().map(|(title, text)| json!({"title": title, "text": text}));
        json!({"file": one.file, "name": one.name, "ok": failure.is_none(), "failure": failure, "skipped": one.skipped,
               "seconds": one.seconds})
    };
    let covered = |(file, covered): &(String, Coverage)| json!({"file": file, "percent": covered.percent(), "never": covered.missed()});
    let scenarios: Vec<Value> = ran.iter().map(one).collect();
    let coverage: Vec<Value> = coverage.iter().map(covered).collect();
    format!("{:#}\n", json!({"scenarios": scenarios, "coverage": coverage}))
}

/// `short`: files that reach too little of their policies, and the sentence that says so.
pub(super) fn junit(ran: &[Ran], short: &[(&str, String)]) -> String {
    let case = |one: &Ran| Case {
        class: one.file.clone(),
        name: one.name.clone(),
        seconds: one.seconds,
        failure: one.failure.clone(),
        skipped: one.skipped.first().cloned(),
    };
    let uncovered = |(file, why): &(&str, String)| Case {
        class: (*file).to_owned(),
        name: "coverage".to_owned(),
        seconds: 0.0,
        failure: Some(("too little is reached".to_owned(), why.clone())),
        skipped: None,
    };
    let cases: Vec<Case> = ran.iter().map(case).chain(short.iter().map(uncovered)).collect();
    format::junit("tokenstile test", &cases)
}

pub(super) fn github(ran: &[Ran], short: &[(&str, String)]) -> String {
    let failed = ran.iter().filter_map(|one| one.failure.as_ref().map(|failure| (one, failure)));
    let failed = failed.map(|(one, (title, text))| {
        format::annotation("error", &one.file, &[], &format!("{}: {title}", one.name), text)
    });
    let short = short.iter().map(|(file, why)| format::annotation("error", file, &[], "coverage", why));
    failed.chain(short).collect()
}
