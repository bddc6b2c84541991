//! `tokenstile report`.

use crate::lines::{json_of, log, record, repository, says, tokenstile};
use serde_json::{Value, json};

const WEEK: &str = "examples/replay/week.log.gz";

/// Sums taken by other means than the command's: a reader of JSON and an addition.
fn sum(field: &str) -> i64 {
    let packed = std::fs::File::open(repository(WEEK)).unwrap();
    let text = std::io::read_to_string(flate2::read::GzDecoder::new(packed)).unwrap();
    let records = text.lines().filter_map(|line| line.split_once("tokenstile-record "));
    records.map(|(_, json)| serde_json::from_str::<Value>(json).unwrap()[field].as_i64().unwrap()).sum()
}

#[test]
fn rows_sum_up_to_the_total_and_to_the_records_whatever_divides_them() {
    let cost = sum("cost_nano_usd");
    for by in ["model", "feature,model", "user", "day", "hour,tier", "decision", "rule", "arm", "provider"] {
        let report = json_of(&["report", "--by", by, "--format", "json", WEEK], "", 0);
        let rows = report["rows"].as_array().unwrap();
        let of_rows = |field: &str| rows.iter().map(|row| row["sums"][field].as_i64().unwrap()).sum::<i64>();
        assert_eq!(of_rows("cost_nano_usd"), cost, "{by}");
        assert_eq!(report["total"]["cost_nano_usd"], cost, "{by}");
        assert_eq!(report["total"]["requests"], of_rows("requests"), "{by}");
        assert!(report["rows"][0]["by"].as_object().unwrap().len() == by.split(',').count());
    }
    let csv = says(&["report", "--by", "user", "--format", "csv", WEEK], "", 0);
    let mut rows = csv::Reader::from_reader(csv.as_bytes());
    let exact = |text: &str| text.replace('.', "").parse::<i64>().unwrap();
    let of_rows: i64 = rows.records().map(|row| exact(&row.unwrap()[2])).sum();
    assert_eq!(of_rows, cost, "a CSV is exact to the nano-dollar");
}

#[test]
fn a_record_that_came_twice_is_one_and_what_is_no_record_is_told() {
    let one = record("a", &json!({}));
    let other = record(
        "b",
        &json!({
            "identity": {"user": "bob"}, "savings_nano_usd": 7, "cost_nano_usd": 1, "ending": "refused",
            "overage": [{"rule": "x", "tokens": 5, "charge_nano_usd": 11}],
            "usage": {"input": 10, "cache_read": 5, "output": 0, "source": "estimated"}, "priced": false,
        }),
    );
    let text = log(&[one.clone(), other, one]) + "[info] another line\n";
    let report = json_of(&["report", "--by", "user", "--format", "json", "-"], &text, 0);
    assert_eq!((&report["records"], &report["duplicates"]), (&json!(2), &json!(1)));
    let total = &report["total"];
    let expected = [
        ("cost_nano_usd", 3_500_001),
        ("cost_per_request_nano_usd", 1_750_001),
        ("savings_nano_usd", 7),
        ("overage_nano_usd", 11),
        ("cache_read_tokens", 5),
        ("refused", 1),
        ("unpriced", 1),
        ("usage_not_reported", 1),
    ];
    for (field, value) in expected {
        assert_eq!(total[field], value, "{field}");
    }
    assert_eq!(
        report["units"],
        json!([
            {"of": "user", "count": 2, "cost_nano_usd": 1_750_001, "median_nano_usd": 1}
        ])
    );
    let broken = text + "tokenstile-record {\"id\": 3}\n";
    let output = tokenstile(&["report", "-"], &broken);
    assert_eq!(output.status.code(), Some(1));
    let errors = String::from_utf8(output.stderr).unwrap();
    assert!(errors.contains("-:5: no cost record"), "{errors}");
    assert!(errors.contains("1 records came more than once"), "{errors}");
}

#[test]
fn a_mistake_is_told_with_what_would_be_right() {
    for (args, input, says) in [
        (&["report", "--by", "team", WEEK][..], "", "no record has `team`; there are model, "),
        (&["report", "-"][..], "no record\n", "there is no cost record"),
        (&["report", "missing.log"][..], "", "cannot read `missing.log`"),
    ] {
        let output = tokenstile(args, input);
        let errors = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(2), "{errors}");
        assert!(errors.contains(says), "{errors}");
        assert!(output.stdout.is_empty());
    }
}

/// Worked by hand: ten days of 1 and 3 dollars in turn, the last call at noon of the eleventh.
#[test]
fn a_forecast_is_the_mean_of_whole_days_with_the_spread_of_their_sum() {
    let at = |day: usize, nano: u64| {
        let time = format!("2026-11-{day:02}T12:00:00Z");
        record(&format!("{day}"), &json!({"time": time, "cost_nano_usd": nano}))
    };
    let mut days: Vec<_> =
        (2..=11).map(|day| at(day, if day % 2 == 0 { 1_000_000_000 } else { 3_000_000_000 })).collect();
    days.push(at(1, 5_000_000_000));
    days.push(at(12, 0));
    let report = json_of(&["report", "--format", "json", "-"], &log(&days), 0);
    let forecast = &report["forecast"];
    // k = 10 whole days with mean 2 and deviation √(10/9); n = 18.5 days are left; t(9) = 2.26216.
    // 25 + 37 = 62; 2.26216 · √(10/9 · (18.5 + 18.5²/10)) = 17.3145.
    assert_eq!(forecast["spent_nano_usd"], 25_000_000_000_i64);
    assert_eq!(forecast["expected_nano_usd"], 62_000_000_000_i64);
    let margin = forecast["high_nano_usd"].as_f64().unwrap() / 1e9 - 62.0;
    assert!((margin - 17.3145).abs() < 0.001, "{margin}");
    assert_eq!(forecast["days"], 10);
    let few = json_of(&["report", "--format", "json", "-"], &log(&days[..2]), 0);
    assert_eq!(few["forecast"], Value::Null);
}

/// Each command that a block of the document shows prints what the block shows, but for spaces at the ends of lines.
#[test]
fn the_document_shows_what_the_commands_print() {
    let document = std::fs::read_to_string(repository("docs/attribution.md")).unwrap();
    let mut shown = 0;
    for block in document.split("```text\n$ tokenstile ").skip(1) {
        let (command, rest) = block.split_once('\n').unwrap();
        let output = tokenstile(&command.split(' ').collect::<Vec<_>>(), "");
        assert_ne!(output.status.code(), Some(2), "{command}");
        let printed = String::from_utf8(output.stdout).unwrap();
        let trimmed: Vec<&str> = printed.lines().map(str::trim_end).collect();
        assert_eq!(rest.split("\n```").next().unwrap(), trimmed.join("\n"), "{command}");
        shown += 1;
    }
    assert!(shown > 0);
}
