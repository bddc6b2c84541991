//! The page of `tokenstile report`.

use crate::page::plots::{Row as Bar, WITH, bars};
use crate::page::{cards, document, figure, section, table};
use crate::records::calls;
use crate::records::money::{Nano, dollars, each, percent};
use crate::records::plots::{self, in_dollars};
use crate::records::report::{Report, Row, Unit};
use crate::records::table::{TEMPLATE, doubts, template_cells};
use crate::records::tally::Tally;
use maud::{Markup, html};
use tokenstile_engine::units::grouped;

/// As many bars are drawn, and rows stand in a table.
const BARS: usize = 12;
const ROWS: usize = 100;

/// The page.
#[must_use]
pub fn page(report: &Report) -> String {
    let by: Vec<&str> = report.by.iter().map(|by| by.name.as_str()).collect();
    let title = format!("Spend by {}", by.join(" and "));
    let main = html! {
        (sums(report))
        (over_time(report))
        (rows(report, &by))
        (units(&report.units))
        (savings(report))
        (cache(report))
        (templates(report))
        (tail(report, &by))
        (notes(&report.total))
    };
    let footer = html! { "Made by " code { "tokenstile report" } ". Prices are those of the records." };
    document(&title, &lead(report), &main, &footer)
}

fn lead(report: &Report) -> String {
    let calls = calls(report.total.requests);
    report.span.map_or_else(String::new, |(first, last)| {
        let form = "%Y-%m-%d %H:%M";
        format!("{calls} from {} to {} UTC.", first.strftime(form), last.strftime(form))
    })
}

fn sums(report: &Report) -> Markup {
    let total = &report.total;
    let per_request = each(total.cost, total.requests).map_or_else(String::new, dollars);
    let mut all = vec![
        ("Spent", dollars(total.cost)),
        ("Per request", per_request),
        ("Read from caches", percent(total.cache_read.into(), total.input.into())),
        ("Saved by routing", dollars(total.savings)),
        ("Refused", format!("{} of {}", grouped(total.refused), grouped(total.requests))),
    ];
    if total.overage != 0 {
        all.push(("Charged for overage", dollars(total.overage)));
    }
    if let Some(forecast) = &report.forecast {
        all.push(("This month will be", dollars(forecast.expected)));
    }
    section("sums", "In sum", &cards(&all))
}

fn over_time(report: &Report) -> Markup {
    let days: Vec<Vec<String>> =
        report.days.iter().map(|(day, nano)| vec![day.to_string(), dollars(*nano)]).collect();
    let forecast = report.forecast.as_ref().map(|forecast| {
        let numbers = vec![
            vec!["spent".to_owned(), dollars(forecast.spent)],
            vec!["expected".to_owned(), dollars(forecast.expected)],
            vec!["with 95% at least".to_owned(), dollars(forecast.low)],
            vec!["with 95% at most".to_owned(), dollars(forecast.high)],
        ];
        let caption = format!(
            "{} will come to {}, and with 95% to something from {} to {}: by the mean and the spread of {} whole days",
            forecast.month,
            dollars(forecast.expected),
            dollars(forecast.low),
            dollars(forecast.high),
            forecast.days
        );
        let legend = [("with", "spent"), ("without", "expected, with its interval")];
        figure(
            &caption,
            &legend,
            plots::forecast(&report.days, forecast),
            &table(&["the month", ""], 1, &numbers),
        )
    });
    let inner = html! {
        @if !days.is_empty() {
            (figure("Spend by day (UTC)", &[], plots::days(&report.days), &table(&["day", "spent"], 1, &days)))
        }
        @match forecast {
            Some(forecast) => (forecast),
            None => p { "No forecast of the month: it takes three whole days." },
        }
    };
    section("time", "Over time", &inner)
}

fn key(row: &Row) -> Vec<String> {
    row.key.iter().map(|value| if value.is_empty() { "–" } else { value }.to_owned()).collect()
}

fn rows(report: &Report, by: &[&str]) -> Markup {
    const SUMS: [&str; 7] = ["requests", "cost", "share", "per request", "savings", "overage", "refused"];
    let all = report.total.cost;
    let mut dearest: Vec<&Row> = report.rows.iter().collect();
    dearest.sort_by_key(|row| std::cmp::Reverse(row.tally.cost));
    let drawn: Vec<Bar> = dearest
        .iter()
        .take(BARS)
        .map(|row| Bar {
            name: key(row).join(", "),
            bars: vec![(in_dollars(row.tally.cost), WITH)],
            label: format!("{} ({})", dollars(row.tally.cost), percent(row.tally.cost, all)),
        })
        .collect();
    let cells = |row: &Row| {
        let tally = &row.tally;
        let sums = [
            grouped(tally.requests),
            dollars(tally.cost),
            percent(tally.cost, all),
            each(tally.cost, tally.requests).map_or_else(String::new, dollars),
            dollars(tally.savings),
            dollars(tally.overage),
            grouped(tally.refused),
        ];
        key(row).into_iter().chain(sums).collect()
    };
    let numbers: Vec<Vec<String>> = report.rows.iter().take(ROWS).map(cells).collect();
    let header: Vec<&str> = by.iter().copied().chain(SUMS).collect();
    let caption = format!("The dearest {} of {}", drawn.len(), grouped(report.rows.len() as u64));
    let inner = html! {
        (figure(&caption, &[], bars(&drawn), &table(&header, by.len(), &numbers)))
        @if report.rows.len() > ROWS {
            p.small { "The table has the first " (ROWS) " rows; " code { "--format csv" } " has all." }
        }
    };
    section("rows", &format!("By {}", by.join(" and ")), &inner)
}

fn units(units: &[Unit]) -> Markup {
    if units.is_empty() {
        return html! {};
    }
    let drawn: Vec<Bar> = units
        .iter()
        .map(|unit| Bar {
            name: format!("per {}", unit.name),
            bars: vec![(in_dollars(unit.cost), WITH)],
            label: dollars(unit.cost),
        })
        .collect();
    let numbers: Vec<Vec<String>> = units
        .iter()
        .map(|unit| vec![unit.name.clone(), grouped(unit.count), dollars(unit.cost), dollars(unit.median)])
        .collect();
    let inner = figure(
        "What one of each costs, in the mean",
        &[],
        bars(&drawn),
        &table(&["of", "how many", "mean", "median"], 1, &numbers),
    );
    section("units", "What one costs", &inner)
}

fn savings(report: &Report) -> Markup {
    let mut saved: Vec<(&String, &Tally)> =
        report.by_rule.iter().filter(|(_, tally)| tally.savings != 0).collect();
    saved.sort_by_key(|(_, tally)| std::cmp::Reverse(tally.savings));
    let name = |rule: &str| if rule.is_empty() { "no rule" } else { rule }.to_owned();
    let drawn: Vec<Bar> = saved
        .iter()
        .take(BARS)
        .map(|(rule, tally)| Bar {
            name: name(rule),
            bars: vec![(in_dollars(tally.savings), WITH)],
            label: dollars(tally.savings),
        })
        .collect();
    let numbers: Vec<Vec<String>> = saved
        .iter()
        .map(|(rule, tally)| {
            let without = percent(tally.savings, tally.cost + tally.savings);
            vec![name(rule), grouped(tally.requests), dollars(tally.savings), without]
        })
        .collect();
    let inner = html! {
        @if saved.is_empty() { p { "No call was served by a cheaper model than it asked for." } }
        @else {
            (figure(
                "What the models asked for would have cost more, by the rule that chose another",
                &[],
                bars(&drawn),
                &table(&["rule", "calls", "saved", "of their price"], 1, &numbers),
            ))
        }
    };
    section("savings", "Savings by routing", &inner)
}

fn cache(report: &Report) -> Markup {
    let mut models: Vec<(&String, &Tally)> =
        report.by_model.iter().filter(|(_, tally)| tally.input > 0).collect();
    models.sort_by_key(|(_, tally)| std::cmp::Reverse(tally.input));
    if report.total.cache_read == 0 {
        return section(
            "cache",
            "Prompt caches",
            &html! { p { "No provider read any input from its cache." } },
        );
    }
    let share = |tally: &Tally| percent(tally.cache_read.into(), tally.input.into());
    #[expect(clippy::cast_precision_loss, reason = "a plot")]
    let drawn: Vec<Bar> = models
        .iter()
        .take(BARS)
        .map(|(model, tally)| Bar {
            name: (*model).clone(),
            bars: vec![(tally.cache_read as f64 / tally.input as f64, WITH)],
            label: share(tally),
        })
        .collect();
    let numbers: Vec<Vec<String>> = models
        .iter()
        .map(|(model, tally)| {
            vec![(*model).clone(), grouped(tally.input), grouped(tally.cache_read), share(tally)]
        })
        .collect();
    let inner = figure(
        "Of the input tokens, those that the provider read from its cache",
        &[],
        bars(&drawn),
        &table(&["model", "input tokens", "read from the cache", "share"], 1, &numbers),
    );
    section("cache", "Prompt caches", &inner)
}

fn templates(report: &Report) -> Markup {
    if report.templates.is_empty() {
        return html! {};
    }
    let all = report.total.cost;
    let drawn: Vec<Bar> = report
        .templates
        .iter()
        .take(BARS)
        .map(|template| Bar {
            name: template.hash.clone(),
            bars: vec![(in_dollars(template.tally.cost), WITH)],
            label: format!("{} ({})", dollars(template.tally.cost), percent(template.tally.cost, all)),
        })
        .collect();
    let numbers: Vec<Vec<String>> =
        report.templates.iter().take(ROWS).map(|template| template_cells(template, all)).collect();
    let caption = format!(
        "Calls whose prompts begin alike, the dearest {} of {}",
        drawn.len(),
        grouped(report.templates.len() as u64)
    );
    let could_save = report.uncached.iter().map(|prefix| prefix.could_save).sum::<Nano>();
    let inner = html! {
        (figure(&caption, &[], bars(&drawn), &table(&TEMPLATE, 1, &numbers)))
        @if !report.uncached.is_empty() {
            p { "Providers could cache what these begin with, and do not. With it they would have cost " (dollars(could_save)) " less." }
            ul { @for prefix in report.uncached.iter().take(ROWS) { li { (prefix.sentence()) } } }
        }
    };
    section("templates", "Prompt templates", &inner)
}

fn tail(report: &Report, by: &[&str]) -> Markup {
    let Some(tail) = &report.tail else { return html! {} };
    let total = &report.total;
    let share = |of: Nano, all: Nano| percent(of, all);
    let numbers: Vec<Vec<String>> = tail
        .rows
        .iter()
        .take(ROWS)
        .map(|row| {
            let last = row.last.map_or_else(String::new, |at| at.strftime("%Y-%m-%d").to_string());
            let tally = &row.tally;
            let per_request = each(tally.cost, tally.requests).map_or_else(String::new, dollars);
            key(row)
                .into_iter()
                .chain([grouped(tally.requests), dollars(tally.cost), per_request, last])
                .collect()
        })
        .collect();
    let header: Vec<&str> =
        by.iter().copied().chain(["requests", "cost", "per request", "last used"]).collect();
    let inner = html! {
        p {
            (grouped(tail.rows.len() as u64)) " of " (grouped(report.rows.len() as u64)) " make "
            (share(tail.tally.requests.into(), total.requests.into())) " of the requests and "
            (share(tail.tally.cost, total.cost)) " of the cost: the ones to ask whether they are still needed."
        }
        (table(&header, by.len(), &numbers))
    };
    section("tail", "Hardly used", &inner)
}

fn notes(total: &Tally) -> Markup {
    let notes = doubts(total);
    if notes.is_empty() {
        return html! {};
    }
    section("notes", "To know before use", &html! { ul { @for note in &notes { li { (note) } } } })
}
