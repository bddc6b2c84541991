//! How a look at policies is shown, in each format. Called by `mod.rs`.

use super::super::format::{self, Case};
use super::Looked;
use annotate_snippets::{AnnotationKind, Group, Level, Renderer, Snippet};
use serde_json::{Value, json};
use std::fmt::Write;
use tokenstile_engine::units::{NanoUsd, grouped};
use tokenstile_host::check::{AccountCost, Finding, Judged, NotCounted, Severity, SmallTable, sentences};
use tokenstile_host::records::money;

/// As a compiler shows it; then the policy in sentences and its worst case.
pub(super) fn human(looked: &[Looked], quiet: bool) -> String {
    let mut out = String::new();
    for one in looked {
        let told = |finding: &&Finding| !quiet || finding.severity != Severity::Hint;
        for finding in one.checked.findings.iter().filter(told) {
            let _ = writeln!(out, "{}\n", Renderer::styled().render(&report(one, finding)));
        }
        if let Some(unjudged) = unjudged(one) {
            let _ = writeln!(out, "{unjudged}\n");
        }
        if let Some(sound) = one.checked.policy.as_ref().filter(|_| !quiet) {
            let _ = writeln!(out, "{} says:", one.file);
            for sentence in sentences(sound) {
                let _ = writeln!(out, "  - {sentence}");
            }
            out.push_str(&worst_case(one));
        }
        for exceeded in &one.exceeded {
            let group = Level::ERROR.primary_title(format!("{}: {exceeded}", one.file));
            let _ = writeln!(out, "{}", Renderer::styled().render(&[Group::with_title(group)]));
        }
        let _ = writeln!(out, "{}: {}", one.file, verdict(one));
    }
    out
}

fn verdict(one: &Looked) -> String {
    let plural = |n: usize, what: &str| format!("{n} {what}{}", if n == 1 { "" } else { "s" });
    let errors = one.count(Severity::Error) + one.exceeded.len();
    match (errors, one.count(Severity::Warning)) {
        (0, 0) => "ok".to_owned(),
        (0, warnings) => format!("ok, with {}", plural(warnings, "warning")),
        (errors, 0) => plural(errors, "error"),
        (errors, warnings) => format!("{}, {}", plural(errors, "error"), plural(warnings, "warning")),
    }
}

/// What is not told yet.
const fn unjudged(one: &Looked) -> Option<&'static str> {
    match one.checked.judged {
        Judged::All => None,
        Judged::RuleByRule => {
            Some("Warnings that weigh rules against each other are told when the errors are mended.")
        }
        Judged::None => Some("Warnings are told when the errors are mended."),
    }
}

fn report<'a>(one: &'a Looked, finding: &'a Finding) -> Vec<Group<'a>> {
    let level = match finding.severity {
        Severity::Error => Level::ERROR,
        Severity::Warning => Level::WARNING,
        Severity::Hint => Level::NOTE,
    };
    // A mark needs a place; at the end of the file there is none.
    let end = one.text.len();
    let span = finding.span.start.min(end)..finding.span.end.min(end);
    let snippet = Snippet::source(&one.text)
        .path(&one.file)
        .annotation(AnnotationKind::Primary.span(span).label(finding.path.as_str()));
    let title = match finding.severity {
        Severity::Error => level.primary_title(&finding.message),
        Severity::Warning | Severity::Hint => level.primary_title(&finding.message).id(finding.code),
    };
    let group = title.element(snippet);
    match &finding.help {
        Some(help) => vec![group.element(Level::HELP.message(help))],
        None => vec![group],
    }
}

fn worst_case(one: &Looked) -> String {
    let Some(economics) = &one.economics else { return String::new() };
    let cost = |usd: Option<NanoUsd>| usd.map_or("without a bound".to_owned(), cents);
    let mut out = format!(
        "At most, with every token at the price of {}{}:\n",
        economics.dearest,
        served(&economics.served)
    );
    for request in &economics.per_request {
        let whose = match (request.tier.as_str(), request.exempt) {
            (_, true) => " of who is exempt".to_owned(),
            ("", _) => String::new(),
            (tier, _) => format!(" of tier {tier}"),
        };
        let asks = match (request.fills_context, request.answers) {
            (true, 1) => " that fills its context".to_owned(),
            (true, answers) => format!(" that fills its context and asks for {answers} answers"),
            (false, 1) => String::new(),
            (false, answers) => format!(" that asks for {answers} answers"),
        };
        let by = by(&request.rules);
        let model = format!("{}{}", request.model, served(&request.served));
        let _ = writeln!(out, "  - a call{whose} to {model}{asks}: {}{by}", cost(request.usd));
    }
    for tier in &economics.tiers {
        let whose = match (tier.tier.as_str(), economics.tiers.len()) {
            ("", 1) => "a user".to_owned(),
            ("", _) => "a user of any other tier".to_owned(),
            (name, _) => format!("a user of tier {name}"),
        };
        let by = by(&tier.rules);
        let _ = writeln!(out, "  - {whose} in a month: {}{by}", cost(tier.user_month));
    }
    for account in &economics.accounts {
        let by = if account.exempt { " (exempt)".to_owned() } else { by(&account.rules) };
        let _ = writeln!(out, "  - {} in a month: {}{by}", self::account(account), cost(account.month));
    }
    if economics.month.is_some() {
        let _ = writeln!(out, "  - everyone together in a month: {}", cost(economics.month));
    }
    if !economics.not_counted.is_empty() {
        let left: Vec<String> = economics.not_counted.iter().map(NotCounted::text).collect();
        let _ = writeln!(out, "  Not counted: {}, which no amount of tokens bounds.", left.join(" and "));
    }
    if let Some(small) = &economics.small_table {
        let _ = writeln!(out, "  Not bounded: {}.", table(small));
    }
    if one.waits && !economics.tiers.iter().all(|tier| tier.user_month.is_some()) {
        out.push_str(
            "  What is in shadow mode bounds nothing yet; `--enforce` works it out as if it was in force.\n",
        );
    }
    out
}

/// What becomes of users for whom the table has no room.
pub(super) fn table(small: &SmallTable) -> String {
    let SmallTable { subjects, without_room, slots, .. } = *small;
    format!(
        "{} of {} subjects, for whom the table of {} slots has no room (`table_full` lets them pass)",
        grouped(without_room),
        grouped(subjects),
        grouped(slots)
    )
}

/// How calls are served, if not as by default.
fn served(how: &str) -> String {
    if how.is_empty() { String::new() } else { format!(" ({how})") }
}

/// An account by its dimensions: `org acme, user u-42`; `each of org acme`, where it may be many.
pub(super) fn account(account: &AccountCost) -> String {
    let named = account.who.iter().map(|(name, value)| format!("{name} {value}"));
    let named = named.collect::<Vec<_>>().join(", ");
    if account.many && !account.exempt { format!("each of {named}") } else { named }
}

/// The rules that bound an amount.
fn by(rules: &[String]) -> String {
    if rules.is_empty() { String::new() } else { format!(" (by {})", rules.join(" and ")) }
}

/// Whole cents: a worst case is no bill.
fn cents(usd: NanoUsd) -> String {
    const CENT: i64 = NanoUsd::DOLLAR / 100;
    if usd.0 < CENT || money::is_cut(usd) {
        return money::sum(usd);
    }
    NanoUsd(usd.0.saturating_add(CENT - 1) / CENT * CENT).to_string()
}

/// Line and column of a byte, both from 1; columns count characters.
fn place(text: &str, at: usize) -> (usize, usize) {
    let before = text.get(..at.min(text.len())).unwrap_or(text);
    let line = before.matches('\n').count() + 1;
    let column = before.rsplit('\n').next().unwrap_or_default().chars().count() + 1;
    (line, column)
}

fn word(severity: Severity) -> &'static str {
    match severity {
        Severity::Error => "error",
        Severity::Warning => "warning",
        Severity::Hint => "hint",
    }
}

pub(super) fn json(looked: &[Looked], deny_warnings: bool) -> String {
    let finding = |one: &Looked, finding: &Finding| {
        let ((line, column), (end_line, end_column)) =
            (place(&one.text, finding.span.start), place(&one.text, finding.span.end));
        json!({
            "severity": word(finding.severity), "code": finding.code, "path": finding.path, "message": finding.message,
            "help": finding.help, "line": line, "column": column, "end_line": end_line, "end_column": end_column,
        })
    };
    let usd = |usd: Option<NanoUsd>| usd.map(|NanoUsd(nano)| nano as f64 / NanoUsd::DOLLAR as f64);
    let policy = |one: &Looked| {
        let findings: Vec<Value> = one.checked.findings.iter().map(|found| finding(one, found)).collect();
        let worst_case = one.economics.as_ref().map(|economics| {
            let request = |one: &tokenstile_host::check::PerRequest| {
                let tier = Some(&one.tier).filter(|tier| !tier.is_empty());
                json!({
                    "model": one.model, "served": Some(&one.served).filter(|how| !how.is_empty()), "tier": tier, "exempt": one.exempt, "usd": usd(one.usd), "answers": one.answers, "rules": one.rules,
                })
            };
            let tier = |one: &tokenstile_host::check::TierCost| {
                json!({"tier": one.tier, "usd_per_user_month": usd(one.user_month), "rules": one.rules})
            };
            let account = |one: &AccountCost| {
                let who: serde_json::Map<String, Value> =
                    one.who.iter().map(|(name, value)| (name.clone(), value.clone().into())).collect();
                json!({"who": who, "many": one.many, "exempt": one.exempt, "usd_month": usd(one.month), "rules": one.rules})
            };
            let left = |one: &NotCounted| {
                json!({"unit": one.unit, "usd_per_1k": usd(Some(one.usd_per_1k))})
            };
            json!({
                "priced_as": economics.dearest,
                "served": Some(&economics.served).filter(|how| !how.is_empty()),
                "not_counted": economics.not_counted.iter().map(left).collect::<Vec<_>>(),
                "requests": economics.per_request.iter().map(request).collect::<Vec<_>>(),
                "tiers": economics.tiers.iter().map(tier).collect::<Vec<_>>(),
                "accounts": economics.accounts.iter().map(account).collect::<Vec<_>>(),
                "usd_month": usd(economics.month),
                "small_table": economics.small_table.map(|small| json!({
                    "subjects": small.subjects, "without_room": small.without_room, "slots": small.slots, "enough": small.enough,
                })),
                "saturated": economics.month.is_some_and(money::is_cut),
            })
        });
        json!({
            "file": one.file, "ok": one.is_right(deny_warnings), "findings": findings, "exceeded": one.exceeded,
            "warnings_judged": match one.checked.judged {
                Judged::All => "all",
                Judged::RuleByRule => "rule by rule",
                Judged::None => "none",
            },
            "says": one.checked.policy.as_ref().map(sentences), "worst_case": worst_case,
        })
    };
    let policies: Vec<Value> = looked.iter().map(policy).collect();
    format!("{:#}\n", json!({ "policies": policies }))
}

fn line(one: &Looked, finding: &Finding) -> String {
    let (line, column) = place(&one.text, finding.span.start);
    let help = finding.help.as_ref().map(|help| format!("; {help}")).unwrap_or_default();
    format!("{}:{line}:{column}: {}: {}{help}", one.file, word(finding.severity), finding.message)
}

pub(super) fn junit(looked: &[Looked], deny_warnings: bool) -> String {
    let case = |one: &Looked| {
        let lines = one.checked.findings.iter().map(|finding| line(one, finding));
        let text: Vec<String> = lines.chain(one.exceeded.iter().cloned()).collect();
        let failure = (!one.is_right(deny_warnings)).then(|| (verdict(one), text.join("\n")));
        Case {
            class: "check".to_owned(),
            name: one.file.clone(),
            seconds: one.seconds,
            failure,
            skipped: None,
        }
    };
    format::junit("tokenstile check", &looked.iter().map(case).collect::<Vec<_>>())
}

pub(super) fn github(looked: &[Looked]) -> String {
    let mut out = String::new();
    for one in looked {
        for finding in &one.checked.findings {
            let ((line, column), (end_line, end_column)) =
                (place(&one.text, finding.span.start), place(&one.text, finding.span.end));
            let places = [("line", line), ("col", column), ("endLine", end_line), ("endColumn", end_column)];
            let help = finding.help.as_ref().map(|help| format!("\n{help}")).unwrap_or_default();
            let title = if finding.path.is_empty() { finding.code } else { &finding.path };
            let text = format!("{}{help}", finding.message);
            let level = if finding.severity == Severity::Hint { "notice" } else { word(finding.severity) };
            out.push_str(&format::annotation(level, &one.file, &places, title, &text));
        }
        for exceeded in &one.exceeded {
            out.push_str(&format::annotation("error", &one.file, &[("line", 1)], "worst case", exceeded));
        }
    }
    out
}
