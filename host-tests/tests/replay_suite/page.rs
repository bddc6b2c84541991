//! The page of a replay: nothing is fetched, every plot has a name and a table, and a real browser draws it by day, by
//! night and for paper.

use super::command::{POLICY, counts, tokenstile};
use super::file;
use crate::page_support::{is_drawn, stands_alone};
use std::path::{Path, PathBuf};

/// The page of a replay of two policies; each test has files of its own.
fn page(test: &str) -> (PathBuf, String) {
    let file = |name: &str, bytes: &[u8]| file(&format!("{test}-{name}"), bytes);
    let path = file("page.html", b"");
    let (policy, trace) = (file("page.jsonc", POLICY.as_bytes()), file("page.csv", counts().as_bytes()));
    let wide = POLICY.replace("60000", "600000").replace("\"daily\"", "\"wide\"");
    let wide = file("page-wide.jsonc", wide.as_bytes());
    let text = |path: &Path| path.to_str().unwrap().to_owned();
    let (status, _, err) = tokenstile(&[
        "replay",
        "--policy",
        &text(&policy),
        "--against",
        &text(&wide),
        "--html",
        &text(&path),
        &text(&trace),
    ]);
    assert_eq!(status, 0, "{err}");
    let html = std::fs::read_to_string(&path).unwrap();
    (path, html)
}

#[test]
fn the_page_stands_alone_and_says_in_words_what_it_draws() {
    let (_, html) = page("alone");
    let plots = stands_alone(&html);
    assert!(plots >= 7, "{plots} plots");
}

#[test]
fn a_browser_draws_the_page_by_day_by_night_and_for_paper() {
    is_drawn(&page("browser").0, 3_600);
}
