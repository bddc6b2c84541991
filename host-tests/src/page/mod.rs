//! Pages for people: one file each that fetches nothing, in which every plot has a table that says the same, read on
//! paper, by day and by night. It owns their looks; what stands on them, their callers know: the reports of a replay,
//! of records, of an experiment.

pub(crate) mod plots;

use maud::{DOCTYPE, Markup, PreEscaped, html};

const STYLE: &str = include_str!("page.css");

/// A page: its title, a line below it, what stands on it, and which command made it.
pub(crate) fn document(title: &str, lead: &str, main: &Markup, footer: &Markup) -> String {
    let page = html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                title { (title) " · Tokenstile" }
                style { (PreEscaped(STYLE)) }
            }
            body {
                header {
                    h1 { (title) }
                    p { (lead) }
                }
                main { (main) }
                footer { p { (footer) } }
            }
        }
    };
    page.into_string()
}

/// A part with a title.
pub(crate) fn section(id: &str, title: &str, inner: &Markup) -> Markup {
    html! { section aria-labelledby=(id) { h2 id=(id) { (title) } (inner) } }
}

/// A plot with what it says, and its numbers beside it.
pub(crate) fn figure(caption: &str, legend: &[(&str, &str)], svg: String, numbers: &Markup) -> Markup {
    html! {
        figure {
            figcaption { (caption) }
            @if !legend.is_empty() {
                ul.legend aria-hidden="true" {
                    @for (class, name) in legend { li { span class={ "mark " (class) } {} (name) } }
                }
            }
            div.plot role="img" aria-label=(caption) { (PreEscaped(svg)) }
            details { summary { "The numbers" } (numbers) }
        }
    }
}

/// A table; the columns from `right` on are numbers.
pub(crate) fn table(header: &[&str], right: usize, rows: &[Vec<String>]) -> Markup {
    html! {
        div.wide tabindex="0" { table {
            thead { tr { @for (at, name) in header.iter().enumerate() {
                th scope="col" class=[(at >= right).then_some("number")] { (name) }
            } } }
            tbody { @for row in rows { tr { @for (at, cell) in row.iter().enumerate() {
                @if at == 0 { th scope="row" { (cell) } }
                @else { td class=[(at >= right).then_some("number")] { (cell) } }
            } } } }
        } }
    }
}

/// What matters most, as names and values.
pub(crate) fn cards(cards: &[(&str, String)]) -> Markup {
    html! { dl.cards { @for (name, value) in cards { div { dt { (name) } dd { (value) } } } } }
}
