//! The result for a terminal: what differs first, then the sums, then rule by rule, whose it is and who is hit.

use super::words::{count, length, percent, said, time, unpriced, usd};
use crate::replay::Report;
use crate::replay::compare::Compared;
use crate::replay::filter::Agreement;
use crate::replay::tally::{By, Tallied};
use comfy_table::{CellAlignment, ColumnConstraint, ContentArrangement, Table, Width};
use std::fmt::Write as _;

/// As many rows of who and whose are told.
const ROWS: usize = 10;

/// The whole report.
#[must_use]
pub fn report(report: &Report) -> String {
    let mut out = trace(report);
    if let (Some(differences), Some(against)) = (&report.differences, &report.against) {
        compared(&mut out, differences, &report.policy, against);
    }
    if let Some(agreement) = &report.filter {
        agreed(&mut out, agreement);
    }
    tallied(&mut out, &report.policy);
    if let Some(against) = &report.against {
        out += "\n────────\n";
        tallied(&mut out, against);
    }
    out
}

fn trace(report: &Report) -> String {
    let trace = &report.trace;
    let mut out =
        format!("{} calls from {} to {} UTC", count(trace.calls), time(trace.from_ms), time(trace.to_ms));
    if trace.not_metered > 0 {
        let _ = write!(out, ", {} of them not metered", count(trace.not_metered));
    }
    out += ".\n";
    for (why, number) in &trace.left_out {
        let _ = writeln!(out, "Left out: {} {why}.", count(*number));
    }
    if trace.bad > 0 {
        let _ = writeln!(out, "Not readable: {} lines.", count(trace.bad));
    }
    if trace.late > 0 {
        let _ = writeln!(out, "Out of order: {} calls ran later than they had.", count(trace.late));
    }
    out
}

fn agreed(out: &mut String, agreement: &Agreement) {
    let Agreement { calls, different, differences } = agreement;
    let _ = match different {
        0 => writeln!(out, "The filter decides as the engine does on all {} calls.", count(*calls)),
        _ => {
            writeln!(out, "The filter decides otherwise on {} of {} calls:", count(*different), count(*calls))
        }
    };
    for difference in differences {
        let _ = writeln!(out, "  {difference}");
    }
}

fn compared(out: &mut String, compared: &Compared, policy: &Tallied, against: &Tallied) {
    let more = policy.with.cost_nano_usd - against.with.cost_nano_usd;
    let _ = writeln!(
        out,
        "\nWhat differs: `{}` against `{}`\n{} of {} calls are treated otherwise. They cost {} by `{}` and {} by `{}`: {} {}.",
        policy.policy,
        against.policy,
        count(compared.changed),
        count(compared.calls),
        usd(policy.with.cost_nano_usd),
        policy.policy,
        usd(against.with.cost_nano_usd),
        against.policy,
        usd(more.abs()),
        if more > 0 { "more" } else { "less" },
    );
    let rows = compared.changes.iter().map(|change| {
        vec![
            change.from.to_owned(),
            change.to.to_owned(),
            count(change.calls),
            signed(change.cost_more_nano_usd),
        ]
    });
    table(out, &["before", "now", "calls", "costs more"], rows, &[2, 3]);
    let rows = compared.whose.iter().take(ROWS).map(|whose| {
        vec![
            named(&whose.value),
            count(whose.stricter),
            count(whose.milder),
            signed(whose.cost_more_nano_usd),
        ]
    });
    table(out, &["whose", "stricter", "milder", "costs more"], rows, &[1, 2, 3]);
}

fn tallied(out: &mut String, tallied: &Tallied) {
    let (without, with) = (tallied.without.cost_nano_usd, tallied.with.cost_nano_usd);
    let saved = without - with;
    let _ = writeln!(out, "\nUnder `{}`", tallied.policy);
    let _ = writeln!(
        out,
        "{} of {} calls go upstream, {} are refused. {} without it, {} with it: {} saved ({}).",
        count(tallied.calls - tallied.refused),
        count(tallied.calls),
        count(tallied.refused),
        usd(without),
        usd(with),
        usd(saved),
        percent(saved, without),
    );
    if tallied.overage.calls > 0 {
        let (calls, charged) = (count(tallied.overage.calls), usd(tallied.overage.charged_nano_usd));
        let _ = writeln!(out, "{charged} are charged for overage, for {calls} calls.");
    }
    if let Some(ceiling) = unpriced(&tallied.unpriced) {
        let _ = writeln!(out, "{ceiling}");
    }
    notes(out, tallied);
    let levers = tallied.levers.iter();
    let rows = levers.map(|(name, sum)| {
        vec![
            (*name).to_owned(),
            count(sum.calls),
            signed(sum.saved_nano_usd),
            percent(sum.saved_nano_usd, without),
        ]
    });
    table(out, &["saved by", "calls", "saved", "of all"], rows, &[1, 2, 3]);
    rules(out, tallied);
    for by in &tallied.by {
        shares(out, by);
    }
    hit(out, tallied);
    estimate(out, tallied);
}

fn notes(out: &mut String, tallied: &Tallied) {
    let mut note = |number: u64, text: &str| {
        if number > 0 {
            let _ = writeln!(out, "{} {text}", count(number));
        }
    };
    note(tallied.alerts, "alerts are raised.");
    note(tallied.failed, "calls had failed and used nothing.");
    note(tallied.assumed, "calls had been refused: they are taken to use what was expected of them.");
    note(
        tallied.not_simulated,
        "calls were changed in a way whose answer is not known: they cost what they did.",
    );
    note(tallied.stopped, "streams are stopped when their budget is used up, and charged up to there.");
    note(
        tallied.may_stop,
        "calls used more than a budget that stops streams had left; whether they streamed, or what would have streamed in \
         their place, is not known: they go on.",
    );
    for (trouble, number) in &tallied.troubles {
        note(*number, &format!("× {trouble}"));
    }
}

fn rules(out: &mut String, tallied: &Tallied) {
    let rows = tallied.rules.iter().map(|rule| {
        let name = if rule.shadow { format!("{} (shadow)", rule.name) } else { rule.name.clone() };
        vec![
            name,
            rule.limit.clone(),
            count(rule.calls),
            said(&rule.said),
            format!("{} of {}", count(rule.counts.hit), count(rule.counts.subjects)),
            if rule.overshoot > 0 {
                format!("{} by up to {}", count(rule.counts.over), rule.overshoot_text)
            } else {
                "–".to_owned()
            },
        ]
    });
    table(out, &["rule", "limit", "calls", "said", "hit", "overshot"], rows, &[2]);
}

fn shares(out: &mut String, by: &By) {
    let shown = by.top.iter().take(ROWS);
    let rows = shown.map(|share| {
        vec![
            named(&share.value),
            count(share.calls),
            count(share.restricted),
            usd(share.cost_without_nano_usd),
            usd(share.cost_with_nano_usd),
        ]
    });
    let name = if by.values > ROWS as u64 {
        format!("{} (dearest {ROWS} of {})", by.dimension, count(by.values))
    } else {
        by.dimension.clone()
    };
    table(out, &[&name, "calls", "restricted", "without", "with"], rows, &[1, 2, 3, 4]);
}

fn hit(out: &mut String, tallied: &Tallied) {
    let rows = tallied.hit.iter().take(ROWS).map(|hit| {
        vec![
            hit.rule.clone(),
            named(&hit.subject),
            count(hit.calls),
            said(&hit.said),
            length(hit.restricted_ms),
        ]
    });
    let whom = format!("hit (hardest {} of {})", tallied.hit.len().min(ROWS), count(tallied.hit_count));
    table(out, &["rule", &whom, "calls", "said", "restricted for"], rows, &[2]);
}

fn estimate(out: &mut String, tallied: &Tallied) {
    let estimate = &tallied.estimate;
    if estimate.calls == 0 {
        return;
    }
    let _ = writeln!(
        out,
        "\nExpected before the calls: {} tokens; used: {}.",
        count(estimate.expected_tokens),
        count(estimate.used_tokens),
    );
    let ratios = estimate.ratio.iter().map(|at| format!("{:.2} at {}%", at.ratio, at.percent));
    let _ = writeln!(out, "Expected by used: {}.", ratios.collect::<Vec<_>>().join(", "));
}

fn signed(nano: i64) -> String {
    if nano < 0 { format!("-{}", usd(-nano)) } else { usd(nano) }
}

fn named(value: &str) -> String {
    if value.is_empty() { "(none)".to_owned() } else { value.to_owned() }
}

/// Nothing if there are no rows.
fn table(out: &mut String, header: &[&str], rows: impl Iterator<Item = Vec<String>>, right: &[usize]) {
    let rows: Vec<Vec<String>> = rows.collect();
    if rows.is_empty() {
        return;
    }
    let mut table = Table::new();
    table.load_style(comfy_table::presets::NOTHING).set_header(header.to_vec()).add_rows(rows);
    table.set_content_arrangement(ContentArrangement::Dynamic).set_width(120);
    for column in right {
        if let Some(column) = table.column_mut(*column) {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
    if let Some(first) = table.column_mut(0) {
        first.set_constraint(ColumnConstraint::LowerBoundary(Width::Fixed(8)));
    }
    out.push('\n');
    for line in table.lines() {
        let _ = writeln!(out, "{}", line.trim_end());
    }
}
