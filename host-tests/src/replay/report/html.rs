//! The result as a page. Called by `tokenstile replay --html`. How pages look is `crate::page`'s.

use super::plots;
use super::words::{count, length, percent, said, time, unpriced, usd};
use crate::page::plots::{Row, WITH, WITHOUT, bars};
use crate::page::{cards, document, figure, section, table};
use crate::replay::Report;
use crate::replay::tally::{By, Share, Tallied};
use maud::{Markup, PreEscaped, html};
use std::collections::BTreeSet;

/// The page.
#[must_use]
pub fn page(report: &Report) -> String {
    let tallied = &report.policy;
    let title = format!("Replay of “{}”", tallied.policy);
    let main = html! {
        @if report.differences.is_some() { (differences(report)) }
        (sums(tallied))
        (over_time(tallied))
        (levers(tallied))
        (rules(tallied))
        @for by in &tallied.by { (shares(by)) }
        (hit(tallied))
        (estimate(tallied))
        @if let Some(against) = &report.against { (other(against)) }
        (notes(report))
    };
    let footer = html! { "Made by " code { "tokenstile replay" } ". Prices are those of the policy and of the price book." };
    document(&title, &trace(report), &main, &footer)
}

fn trace(report: &Report) -> String {
    let trace = &report.trace;
    let calls = count(trace.calls);
    format!("{calls} calls from {} to {} UTC.", time(trace.from_ms), time(trace.to_ms))
}

fn sums(tallied: &Tallied) -> Markup {
    let (without, with) = (tallied.without.cost_nano_usd, tallied.with.cost_nano_usd);
    let all = [
        ("Without the policy", usd(without)),
        ("With it", usd(with)),
        ("Saved", format!("{} ({})", usd(without - with), percent(without - with, without))),
        ("Refused", format!("{} of {}", count(tallied.refused), count(tallied.calls))),
        ("Hit", format!("{} subjects", count(tallied.hit_count))),
        ("Charged for overage", usd(tallied.overage.charged_nano_usd)),
    ];
    let shown = if tallied.overage.calls > 0 { &all[..] } else { &all[..all.len() - 1] };
    let inner = html! {
        (cards(shown))
        @if let Some(ceiling) = unpriced(&tallied.unpriced) { p { (ceiling) } }
    };
    section("sums", "In sum", &inner)
}

fn over_time(tallied: &Tallied) -> Markup {
    let series = &tallied.series;
    let names: BTreeSet<&str> = series.steps.iter().flat_map(|step| step.decisions.keys().copied()).collect();
    let names: Vec<&str> = plots::decisions().filter(|name| names.contains(name)).collect();
    // The tables have a few lines, not one for each step of time.
    let each = series.steps.len().div_ceil(24).max(1);
    let mut spend = Vec::new();
    let mut ladder = Vec::new();
    let (mut without, mut with) = (0, 0);
    for (chunk, number) in series.steps.chunks(each).zip(0_i64..) {
        without += chunk.iter().map(|step| step.cost_without_nano_usd).sum::<i64>();
        with += chunk.iter().map(|step| step.cost_with_nano_usd).sum::<i64>();
        let from = series.start_ms + number * series.step_ms * i64::try_from(each).unwrap_or(1);
        spend.push(vec![time(from), usd(without), usd(with)]);
        let sum = |name: &&str| count(chunk.iter().filter_map(|step| step.decisions.get(*name)).sum());
        ladder.push(std::iter::once(time(from)).chain(names.iter().map(sum)).collect());
    }
    let header: Vec<&str> = std::iter::once("from").chain(names.iter().copied()).collect();
    let classes: Vec<(&str, &str)> = names.iter().map(|name| (step_class(name), *name)).collect();
    let inner = html! {
        (figure(
            "Spend until then, without the policy and with it",
            &[("without", "without"), ("with", "with")],
            plots::spend(series),
            &table(&["from", "without, so far", "with, so far"], 1, &spend),
        ))
        (figure(
            "Calls by the step of the ladder that they met",
            &classes,
            plots::steps(series, &names),
            &table(&header, 1, &ladder),
        ))
    };
    section("time", "Over time", &inner)
}

fn step_class(name: &str) -> &'static str {
    plots::decisions().find(|known| *known == name).unwrap_or("other")
}

fn levers(tallied: &Tallied) -> Markup {
    let without = tallied.without.cost_nano_usd;
    let rows: Vec<Vec<String>> = tallied
        .levers
        .iter()
        .map(|(name, sum)| {
            let saved = sum.saved_nano_usd;
            vec![(*name).to_owned(), count(sum.calls), usd(saved), percent(saved, without)]
        })
        .collect();
    #[expect(clippy::cast_precision_loss, reason = "a plot")]
    let bar = |nano: i64| vec![(nano as f64, WITH)];
    let drawn: Vec<Row> = tallied
        .levers
        .iter()
        .map(|(name, sum)| {
            let saved = sum.saved_nano_usd;
            Row { name: (*name).to_owned(), bars: bar(saved), label: usd(saved) }
        })
        .collect();
    let numbers = table(&["saved by", "calls", "saved", "of all spend"], 1, &rows);
    let inner = html! {
        @if rows.is_empty() { p { "Nothing was saved: no rule in force changed or refused a call." } }
        @else { (figure("Savings by lever", &[("with", "saved")], bars(&drawn), &numbers)) }
    };
    section("levers", "Savings by lever", &inner)
}

fn rules(tallied: &Tallied) -> Markup {
    let rows: Vec<Vec<String>> = tallied
        .rules
        .iter()
        .map(|rule| {
            let over = match rule.overshoot {
                0 => "–".to_owned(),
                _ => format!("{} by up to {}", count(rule.counts.over), rule.overshoot_text),
            };
            vec![
                if rule.shadow { format!("{} (shadow)", rule.name) } else { rule.name.clone() },
                rule.limit.clone(),
                said(&rule.said),
                over,
                count(rule.calls),
                count(rule.decided),
                count(rule.counts.subjects),
                count(rule.counts.hit),
            ]
        })
        .collect();
    let header = ["rule", "limit", "said", "overshot", "calls", "decided", "subjects", "hit"];
    let inner = html! {
        (table(&header, 4, &rows))
        (overshoot(tallied))
        p.small { "Overshot: subjects that used more than the amount at which the rule refuses, since what a call uses is known only when it has ended." }
    };
    section("rules", "Rule by rule", &inner)
}

/// How far beyond its amount each rule was passed at most, of its limit.
fn overshoot(tallied: &Tallied) -> Markup {
    let over = tallied.rules.iter().filter(|rule| rule.overshoot > 0);
    let drawn: Vec<Row> = over
        .clone()
        .map(|rule| Row {
            name: rule.name.clone(),
            bars: vec![(rule.overshoot_of_limit, WITHOUT)],
            label: format!("{} ({:.1}%)", rule.overshoot_text, rule.overshoot_of_limit * 100.0),
        })
        .collect();
    let rows: Vec<Vec<String>> = over
        .map(|rule| {
            let subjects = count(rule.counts.over);
            vec![rule.name.clone(), rule.limit.clone(), subjects, rule.overshoot_text.clone()]
        })
        .collect();
    let numbers = table(&["rule", "limit", "subjects", "by up to"], 2, &rows);
    html! { @if !drawn.is_empty() {
        (figure("Overshoot: the most that a subject used beyond where its rule refuses", &[], bars(&drawn), &numbers))
    } }
}

/// As many bars are drawn.
const BARS: usize = 12;

fn shares(by: &By) -> Markup {
    let row = |share: &Share| {
        vec![
            if share.value.is_empty() { "(none)".to_owned() } else { share.value.clone() },
            count(share.calls),
            count(share.restricted),
            usd(share.cost_without_nano_usd),
            usd(share.cost_with_nano_usd),
        ]
    };
    let mut rows: Vec<Vec<String>> = by.top.iter().map(row).collect();
    if by.others.calls > 0 {
        rows.push(row(&by.others));
    }
    let shown: Vec<Share> = by.top.iter().take(BARS).cloned().collect();
    let caption = format!("Spend by {}: the dearest {} of {}", by.dimension, shown.len(), count(by.values));
    let numbers = table(&[&by.dimension, "calls", "restricted", "without", "with"], 1, &rows);
    let legend = [("without", "without"), ("with", "with")];
    let inner = figure(&caption, &legend, plots::shares(&shown), &numbers);
    section(&format!("by-{}", by.dimension), &format!("By {}", by.dimension), &inner)
}

fn hit(tallied: &Tallied) -> Markup {
    let rows: Vec<Vec<String>> = tallied
        .hit
        .iter()
        .map(|hit| {
            vec![
                hit.subject.clone(),
                hit.rule.clone(),
                said(&hit.said),
                count(hit.calls),
                length(hit.restricted_ms),
            ]
        })
        .collect();
    #[expect(clippy::cast_precision_loss, reason = "a plot")]
    let drawn = tallied.hit.iter().take(BARS).map(|hit| {
        let counts = hit.said.iter().map(|(name, number)| (*number as f64, plots::step_colour(name)));
        let label = format!("{}; {}", said(&hit.said), length(hit.restricted_ms));
        Row { name: format!("{} ({})", hit.subject, hit.rule), bars: counts.collect(), label }
    });
    let drawn: Vec<Row> = drawn.collect();
    let numbers = table(&["who", "rule", "said", "calls", "restricted for"], 3, &rows);
    let legend: Vec<(&str, &str)> = tallied
        .hit
        .iter()
        .flat_map(|hit| hit.said.keys().copied())
        .collect::<BTreeSet<&str>>()
        .into_iter()
        .map(|name| (step_class(name), name))
        .collect();
    let caption = format!(
        "The hardest hit {} of {}: what was said of their calls, and for how long they were restricted",
        drawn.len(),
        count(tallied.hit_count),
    );
    let inner = html! {
        @if rows.is_empty() { p { "Nobody: no rule had anything to say." } }
        @else { (figure(&caption, &legend, bars(&drawn), &numbers)) }
    };
    section("hit", "Who is hit", &inner)
}

fn estimate(tallied: &Tallied) -> Markup {
    let estimate = &tallied.estimate;
    let bins = estimate.bins.iter().filter(|bin| bin.calls > 0);
    let rows: Vec<Vec<String>> =
        bins.map(|bin| vec![format!("{:.2} to {:.2}", bin.from, bin.to), count(bin.calls)]).collect();
    let median = estimate.ratio.iter().find(|at| at.percent > 49.0).map_or(0.0, |at| at.ratio);
    let inner = html! {
        p { "Expected before the calls: " (count(estimate.expected_tokens)) " tokens; used: " (count(estimate.used_tokens))
            ". At the median a call was expected to use " (format!("{median:.2}")) " times what it used." }
        (figure(
            "Tokens expected before a call, by those that it used",
            &[("without", "expected too little"), ("with", "expected enough")],
            plots::estimate(&estimate.bins),
            &table(&["expected by used", "calls"], 1, &rows),
        ))
    };
    section("estimate", "Estimate against actual", &inner)
}

fn differences(report: &Report) -> Markup {
    let (Some(differences), Some(against)) = (&report.differences, &report.against) else { return html! {} };
    let policy = &report.policy;
    let signed = |nano: i64| if nano < 0 { format!("−{}", usd(-nano)) } else { usd(nano) };
    let changes: Vec<Vec<String>> = differences
        .changes
        .iter()
        .map(|change| {
            let more = signed(change.cost_more_nano_usd);
            vec![format!("{} → {}", change.from, change.to), count(change.calls), more]
        })
        .collect();
    let whose: Vec<Vec<String>> = differences
        .whose
        .iter()
        .map(|whose| {
            let more = signed(whose.cost_more_nano_usd);
            vec![whose.value.clone(), count(whose.stricter), count(whose.milder), more]
        })
        .collect();
    let sums = vec![
        vec![
            against.policy.clone(),
            usd(against.with.cost_nano_usd),
            count(against.refused),
            count(against.hit_count),
        ],
        vec![
            policy.policy.clone(),
            usd(policy.with.cost_nano_usd),
            count(policy.refused),
            count(policy.hit_count),
        ],
    ];
    let inner = html! {
        p { (count(differences.changed)) " of " (count(differences.calls)) " calls are treated otherwise." }
        (table(&["policy", "spend", "refused", "hit"], 1, &sums))
        @if !changes.is_empty() { (table(&["before → now", "calls", "costs more"], 1, &changes)) }
        @if !whose.is_empty() { (table(&["whose", "stricter", "milder", "costs more"], 1, &whose)) }
    };
    section("differences", &format!("What differs from “{}”", against.policy), &inner)
}

fn other(against: &Tallied) -> Markup {
    let inner = html! {
        (rules(against))
        (hit(against))
    };
    // Its own ids are those of the first policy's sections: they stand in a part that has none.
    let text = inner.into_string();
    let text = ["rules", "hit"].iter().fold(text, |text, id| {
        text.replace(&format!("id=\"{id}\""), &format!("id=\"against-{id}\""))
            .replace(&format!("aria-labelledby=\"{id}\""), &format!("aria-labelledby=\"against-{id}\""))
    });
    let notes = of_policy(against);
    html! {
        hr;
        h2 { "Under “" (against.policy) "”" }
        @if let Some(ceiling) = unpriced(&against.unpriced) { p { (ceiling) } }
        (PreEscaped(text))
        @if !notes.is_empty() { (section("against-notes", "To know of it before use", &list(&notes))) }
    }
}

fn notes(report: &Report) -> Markup {
    let trace = &report.trace;
    let mut notes =
        vec![note(trace.not_metered, "calls are not metered."), note(trace.bad, "lines could not be read.")];
    notes.extend(trace.left_out.iter().map(|(why, number)| note(*number, &format!("left out: {why}."))));
    notes.push(note(trace.late, "calls ran later than they had, since they stood out of order."));
    let notes: Vec<String> = notes.into_iter().flatten().chain(of_policy(&report.policy)).collect();
    if notes.is_empty() {
        html! {}
    } else {
        section("notes", "To know before use", &list(&notes))
    }
}

/// What is to be known of the numbers under one policy.
fn of_policy(tallied: &Tallied) -> Vec<String> {
    let mut notes = vec![
        note(tallied.failed, "calls had failed and used nothing."),
        note(tallied.assumed, "calls had been refused: they are taken to use what was expected of them."),
        note(tallied.not_simulated, "calls were changed in a way whose answer is not known."),
        note(tallied.stopped, "streams are stopped when their budget is used up, and charged up to there."),
        note(
            tallied.may_stop,
            "calls used more than a budget that stops streams had left; whether they streamed, or what would have streamed \
             in their place, is not known: they go on.",
        ),
    ];
    notes.extend(tallied.troubles.iter().map(|(trouble, number)| note(*number, &format!("× {trouble}"))));
    notes.into_iter().flatten().collect()
}

fn note(number: u64, text: &str) -> Option<String> {
    (number > 0).then(|| format!("{} {text}", count(number)))
}

fn list(notes: &[String]) -> Markup {
    html! { ul { @for note in notes { li { (note) } } } }
}
