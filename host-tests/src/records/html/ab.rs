//! The page of `tokenstile ab`.

use crate::page::{cards, document, figure, section, table};
use crate::records::ab::{Arm, Experiment, counted};
use crate::records::measure::MEASURES;
use crate::records::plots::{self, Interval};
use crate::records::so_many;
use maud::{Markup, html};

/// The page.
#[must_use]
pub fn page(route: &str, experiment: &Experiment) -> String {
    let title = format!("Experiment “{route}”");
    let main = html! {
        (sums(experiment))
        (differences(experiment))
        (means(experiment))
        (notes(experiment))
    };
    let footer = html! { "Made by " code { "tokenstile ab" } "." };
    document(&title, &lead(experiment), &main, &footer)
}

fn lead(experiment: &Experiment) -> String {
    let calls: f64 = experiment.arms.iter().map(|arm| arm.calls).sum();
    let subjects: usize = experiment.arms.iter().map(|arm| arm.subjects).sum();
    let (arms, subjects) = (experiment.arms.len() as u64, subjects as u64);
    format!("{}, {}, {}.", so_many(arms, "arm"), so_many(subjects, "subject"), counted(calls, "call"))
}

fn sums(experiment: &Experiment) -> Markup {
    let mut all: Vec<(&str, String)> =
        experiment.arms.iter().map(|arm| (arm.name.as_str(), arm.subjects())).collect();
    let shares = if experiment.is_mismatched() { "not those of the split" } else { "as the split has them" };
    all.push(("Shares", shares.to_owned()));
    let inner = html! {
        (cards(&all))
        @if experiment.is_mismatched() {
            p { strong { "Subjects did not come in the shares of the split: do not trust what follows; find out why first." } }
        }
        @if let Some(left_out) = experiment.left_out() { p { (left_out) } }
        @if let Some(moved) = experiment.moved() { p { strong { (moved) } } }
        p { (experiment.baseline()) }
        @for sentence in experiment.sentences() { p { (sentence) } }
    };
    section("sums", "In sum", &inner)
}

fn others(experiment: &Experiment) -> impl Iterator<Item = &Arm> {
    experiment.arms.iter().skip(1)
}

fn differences(experiment: &Experiment) -> Markup {
    let Some(first) = experiment.arms.first() else { return html! {} };
    let (mut intervals, mut numbers) = (Vec::new(), Vec::new());
    for arm in others(experiment) {
        for (i, measure) in MEASURES.iter().enumerate() {
            let Some(difference) = experiment.difference(arm, i) else { continue };
            let of_first = first.means.get(i).map_or(0.0, |mean| mean.0);
            let sure = if difference.is_certain() { "a difference" } else { "no certain difference" };
            let name = format!("{}: {}", arm.name, measure.label);
            let (of, margin) = measure.unit.difference(difference.of, difference.margin);
            numbers.push(vec![name.clone(), of, margin, sure.to_owned()]);
            // A share of nothing is none.
            if of_first > 0.0 {
                intervals.push(Interval {
                    name,
                    at: difference.of / of_first,
                    margin: difference.margin / of_first,
                    is_certain: difference.is_certain(),
                });
            }
        }
    }
    let caption = format!(
        "By request, how much more or less than “{}”, with 95% intervals clustered by subject",
        first.name
    );
    let legend = [("with", "a difference"), ("other", "no certain difference")];
    let header = ["arm and measure", "difference", "margin", ""];
    let inner = figure(&caption, &legend, plots::intervals(&intervals), &table(&header, 1, &numbers));
    section("differences", "What differs", &inner)
}

fn means(experiment: &Experiment) -> Markup {
    let row = |arm: &Arm| {
        let means = arm.means.iter().zip(MEASURES).map(|((mean, _), measure)| measure.unit.mean(*mean));
        let counts = [arm.stepped.downgraded, arm.stepped.clamped].map(|count| count.to_string());
        let first = [arm.name.clone(), arm.subjects.to_string(), arm.calls.to_string()];
        first.into_iter().chain(counts).chain(means).collect()
    };
    let rows: Vec<Vec<String>> = experiment.arms.iter().map(row).collect();
    let measures = MEASURES.iter().map(|measure| measure.label);
    let header = ["arm", "subjects", "requests", "downgraded", "clamped"].into_iter();
    let header: Vec<&str> = header.chain(measures).collect();
    section("arms", "Each arm, by request", &table(&header, 1, &rows))
}

fn notes(experiment: &Experiment) -> Markup {
    let p = experiment.shares_p.map_or_else(String::new, |p| {
        format!("Shares of subjects as uneven as these come by chance with the probability {p:.3}.")
    });
    let inner = html! { ul {
        @if !p.is_empty() { li { (p) } }
        li { "Errors, refusals, retries and hang-ups are shares of the requests; their differences are points of a per cent." }
        li { "Downgraded and clamped are the requests that budgets and limits of the policy made cheaper, whatever the arm." }
        li { "Subjects were assigned, and not requests: intervals are clustered by subject." }
        li { "Of twenty differences that are none, one will look like one." }
    } };
    section("notes", "To know before use", &inner)
}
