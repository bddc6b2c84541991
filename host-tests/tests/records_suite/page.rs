//! The pages of `report` and `ab`.

use crate::lines::{log, record, says};
use crate::page_support::{is_drawn, stands_alone};
use serde_json::{Value, json};
use std::path::PathBuf;

const WEEK: &str = "examples/replay/week.log.gz";

/// A week of 40 users in two arms of an experiment, with a route that saves, caches, and a model hardly used.
fn records() -> Vec<Value> {
    let one = |i: u64| {
        let (user, arm) = (i % 40, if i.is_multiple_of(2) { "control" } else { "cheap" });
        let cost = 5_000_000 + user * 10_000 - if arm == "cheap" { 2_000_000 } else { 0 };
        let day = 10 + i * 7 / 400;
        record(
            &i.to_string(),
            &json!({
                "time": format!("2026-11-{day}T10:00:00Z"),
                "identity": {"user": format!("<b>u{user}</b>"), "conversation": format!("c{}", i / 4), "feature": "chat"},
                "arms": {"cheap": arm}, "cost_nano_usd": cost, "savings_nano_usd": if arm == "cheap" { 2_000_000 } else { 0 },
                "rule": if arm == "cheap" { json!("cheap") } else { Value::Null },
                "model_served": if i < 5 { "o1" } else { "gpt-4o" },
                "usage": {"input": 1000, "cache_read": 300, "output": 100 + user, "source": "reported"},
            }),
        )
    };
    (0..400).map(one).collect()
}

/// A page of these records, and its text.
fn page(name: &str, args: &[&str], input: &str) -> (PathBuf, String) {
    let path = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(format!("{name}.html"));
    let html = path.to_str().unwrap().to_owned();
    says(&[args, &["--html", &html]].concat(), input, 0);
    let text = std::fs::read_to_string(&path).unwrap();
    (path, text)
}

#[test]
fn the_pages_stand_alone_and_say_in_words_what_they_draw() {
    let text = log(&records());
    let (_, report) = page("report-alone", &["report", "--by", "user,model", "-"], &text);
    assert_eq!(stands_alone(&report), 6);
    // 400 calls of 5.195 in the mean, less 2 for every second one.
    for part in [
        "$1.6780",
        "Saved by routing",
        "$0.4000",
        "30.0%",
        "per conversation",
        "Hardly used",
        "2026-11 will come to",
        "2026-11-10",
    ] {
        assert!(report.contains(part), "`{part}`");
    }
    assert!(report.contains("&lt;b&gt;u0&lt;/b&gt;") && !report.contains("<b>u"));
    let (_, ab) = page("ab-alone", &["ab", "--experiment", "cheap", "-"], &text);
    assert_eq!(stands_alone(&ab), 1);
    assert!(!ab.contains("cost_nano_usd") && !ab.contains("hang_ups"), "names are for programs");
    for part in [
        "20 subjects",
        "“control” has compared with “cheap”: cost ",
        "% higher",
        "no certain difference",
        "95% intervals clustered by subject",
        ">0.00%<",
        " points<",
    ] {
        assert!(ab.contains(part), "`{part}`");
    }
    let (_, week) = page("week-alone", &["report", "--by", "feature,model", WEEK], "");
    assert!(stands_alone(&week) >= 4 && week.contains("No provider read any input from its cache."));
}

#[test]
fn a_browser_draws_the_pages_by_day_by_night_and_for_paper() {
    let text = log(&records());
    is_drawn(&page("report-browser", &["report", "--by", "model", "-"], &text).0, 2_400);
    is_drawn(&page("ab-browser", &["ab", "--experiment", "cheap", "-"], &text).0, 1_200);
}
