//! `tokenstile report`.

use crate::lines::{json_of, log, record, repository, says, tokenstile};
use portable_pty::{CommandBuilder, PtySize, native_pty_system};
use serde_json::{Value, json};
use std::io::Read as _;

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
            {"of": "user", "count": 2, "cost_nano_usd": 1_750_001, "median_nano_usd": 1_750_001}
        ])
    );
    let broken = text + "tokenstile-record {\"id\": 3}\n";
    let output = tokenstile(&["report", "-"], &broken);
    assert_eq!(output.status.code(), Some(1));
    let errors = String::from_utf8(output.stderr).unwrap();
    assert!(errors.contains("-:5: no cost record"), "{errors}");
    assert!(errors.contains("1 record came more than once"), "{errors}");
}

/// Clients name models and users: what a spreadsheet would carry out stays a text, in both forms of CSV.
#[test]
fn what_begins_like_a_formula_is_written_as_a_text() {
    let formula = "=HYPERLINK(\"http://evil.example\")";
    let call = |id: &str, value: &str| {
        record(
            id,
            &json!({"identity": {"user": value}, "model_served": value, "price": "", "savings_nano_usd": -5}),
        )
    };
    let values = [formula, "+1", "-1", "@sum", "\tx", "plain-1"];
    let text = log(&values.iter().map(|value| call(&format!("{value:?}"), value)).collect::<Vec<_>>());
    let column = |args: &[&str], name: &str| {
        let csv = says(args, &text, 0);
        let mut rows = csv::Reader::from_reader(csv.as_bytes());
        let at = rows.headers().unwrap().iter().position(|known| known == name).unwrap();
        let mut column: Vec<String> = rows.records().map(|row| row.unwrap()[at].to_owned()).collect();
        column.sort();
        column.dedup();
        column
    };
    let mut expected =
        ["'+1", "'-1", "'=HYPERLINK(\"http://evil.example\")", "'@sum", "'\tx", "plain-1"].to_vec();
    expected.sort_unstable();
    assert_eq!(column(&["report", "--by", "user", "--format", "csv", "-"], "user"), expected);
    assert_eq!(column(&["focus", "-"], "ServiceName"), expected);
    // Numbers stay numbers.
    let saved = column(&["report", "--by", "user", "--format", "csv", "-"], "savings_usd");
    assert!(saved.iter().all(|saved| saved.starts_with('-') && saved.parse::<f64>().is_ok()), "{saved:?}");
    assert!(
        column(&["focus", "-"], "x_SavingsCost")
            .iter()
            .all(|saved| saved == "0.000000000" || saved.starts_with("-0."))
    );
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

/// A call of a template, so many seconds after the first.
fn of_template(id: usize, seconds: usize, more: &Value) -> Value {
    let time = format!("2026-11-20T10:{:02}:{:02}Z", seconds / 60, seconds % 60);
    let mut all = json!({"time": time, "prompt_prefix": {"hash": "00000000000000aa", "tokens": 2_000}});
    for (key, value) in more.as_object().unwrap() {
        all[key] = value.clone();
    }
    record(&format!("{id}"), &all)
}

#[test]
fn templates_are_the_calls_that_begin_alike() {
    let other = json!({"prompt_prefix": {"hash": "00000000000000bb", "tokens": 50}, "cost_nano_usd": 1,
        "usage": {"input": 100, "cache_read": 25, "output": 1, "source": "reported"}});
    let records = [
        of_template(1, 0, &json!({})),
        of_template(2, 1_000, &json!({"prompt_prefix": {"hash": "00000000000000aa", "tokens": 2_100}})),
        of_template(3, 2, &other),
        record("4", &json!({})),
    ];
    let report = json_of(&["report", "--format", "json", "-"], &log(&records), 0);
    let templates = report["templates"].as_array().unwrap();
    let of = |place: usize, pointer: &str| templates[place].pointer(pointer).unwrap().clone();
    assert_eq!(templates.len(), 2, "a record that names no template is of none");
    assert_eq!((of(0, "/hash"), of(0, "/prefix_tokens")), (json!("00000000000000aa"), json!(2_100)));
    assert_eq!((of(0, "/sums/requests"), of(0, "/sums/cost_nano_usd")), (json!(2), json!(7_000_000)));
    let text = says(&["report", "-"], &log(&records), 0);
    let row = text.lines().find(|line| line.contains("00000000000000bb")).unwrap();
    assert!(row.contains("25.0%"), "{row}");
    assert!(text.contains("Prompt templates, the dearest 2 of 2:"), "{text}");
    assert_eq!(report["uncached"], json!([]), "nothing came again while a cache would have had it");
}

/// Worked by hand: gpt-4o's input costs 2.50 dollars a million, read from the cache 1.25. Of five calls of 2,000 tokens three
/// come within five minutes of the one before and read nothing: 3 · 2,000 · 1.25 micro-dollars.
#[test]
fn what_a_provider_could_cache_and_does_not_is_told_with_what_it_costs() {
    let reads = |tokens: u64| json!({"usage": {"input": 3_000, "cache_read": tokens, "output": 10, "source": "reported"}});
    // The first, two repeats (one of which reads a little), one too late, and its repeat.
    let records: Vec<Value> = [(0, 0), (200, 199), (500, 0), (801, 0), (1_101, 0)]
        .into_iter()
        .enumerate()
        .map(|(id, (seconds, read))| of_template(id, seconds, &reads(read)))
        .collect();
    let uncached = |records: &[Value]| {
        json_of(&["report", "--format", "json", "-"], &log(records), 0)["uncached"].clone()
    };
    let found = uncached(&records);
    let expected = json!({"hash": "00000000000000aa", "model": "openai/gpt-4o", "prefix_tokens": 2_000, "cached_from_tokens": 1_024,
        "requests": 5, "repeats": 3, "missed": 3, "could_save_nano_usd": 7_500_000});
    for (key, value) in expected.as_object().unwrap() {
        assert_eq!(found[0][key], *value, "{key}");
    }
    let text = says(&["report", "-"], &log(&records), 0);
    assert!(
        text.contains("3 of its 5 calls came within 5 minutes") && text.contains("$0.0075 less"),
        "{text}"
    );
    assert!(text.contains("`prompt_cache_key`"), "{text}");
    // Most of the repeats read it; or it is too short to be cached; or the price is the policy's own.
    let read: Vec<Value> = records
        .iter()
        .enumerate()
        .map(|(id, _)| of_template(id, id, &reads(if id == 0 { 0 } else { 1_920 })))
        .collect();
    assert_eq!(uncached(&read), json!([]));
    for change in [
        json!({"prompt_prefix": {"hash": "00000000000000aa", "tokens": 1_023}}),
        json!({"price": "policy/gpt-4o"}),
        json!({"price": "openai/gpt-4"}),
    ] {
        let changed: Vec<Value> = (0..5).map(|id| of_template(id, id, &change)).collect();
        assert_eq!(uncached(&changed), json!([]), "{change}");
    }
}

/// Claude's cache costs a quarter more to write than to send: two calls, 5,000 tokens at 3 dollars a million. The second would
/// cost 13.5 milli-dollars less, and the first 3.75 more. One alone would only cost more.
#[test]
fn writing_the_cache_is_paid_for() {
    let sonnet = json!({"price": "anthropic/claude-sonnet-4-5", "prompt_prefix": {"hash": "00000000000000aa", "tokens": 5_000}});
    let records: Vec<Value> = (0..2).map(|id| of_template(id, id * 60, &sonnet)).collect();
    let report = json_of(&["report", "--format", "json", "-"], &log(&records), 0);
    assert_eq!(report["uncached"][0]["could_save_nano_usd"], 9_750_000);
}

/// Few calls that cost the most are no tail to cut off.
#[test]
fn what_costs_the_most_is_not_hardly_used() {
    let of = |feature: &str, number: usize, cost: u64| -> Vec<Value> {
        let one = |i: usize| {
            let more = json!({"identity": {"feature": feature}, "cost_nano_usd": cost});
            record(&format!("{feature}-{i}"), &more)
        };
        (0..number).map(one).collect()
    };
    let records =
        [of("chat", 100, 1_000_000), of("research", 2, 900_000_000), of("titles", 3, 1_000)].concat();
    let text = says(&["report", "--by", "feature", "-"], &log(&records), 0);
    assert!(text.contains("Hardly used, 2.9% of the requests and 0.0% of the cost: titles.\n"), "{text}");
}

/// What the command writes to a terminal of 80 columns.
fn in_a_terminal(args: &[&str]) -> String {
    let size = PtySize { rows: 24, cols: 80, pixel_width: 0, pixel_height: 0 };
    let pair = native_pty_system().openpty(size).unwrap();
    let mut command = CommandBuilder::new(env!("CARGO_BIN_EXE_tokenstile"));
    command.args(args);
    command.cwd(repository(""));
    let mut child = pair.slave.spawn_command(command).unwrap();
    drop(pair.slave);
    let mut output = pair.master.try_clone_reader().unwrap();
    let mut bytes = Vec::new();
    // A terminal whose other end is closed ends by an error on Linux.
    let _ = output.read_to_end(&mut bytes);
    assert!(child.wait().unwrap().success());
    String::from_utf8(bytes).unwrap()
}

/// A table that is wider than the terminal is folded by it, and nobody can read that.
#[test]
fn a_table_fits_the_terminal_and_long_names_are_whole_where_programs_read() {
    let text = in_a_terminal(&["report", "--by", "feature,model", WEEK]);
    let rows: Vec<&str> = text.lines().filter(|line| line.starts_with([' ', '─', '═'])).collect();
    assert!(rows.len() > 8 && rows.iter().all(|row| row.trim_end().chars().count() <= 80), "{text}");
    assert!(
        text.contains(" claude-sonnet-4-5 ") && text.contains("There is none of: overage, savings, refused"),
        "{text}"
    );
    let long = "a-model-of-our-own-with-a-name-that-says-all-of-what-it-was-made-of";
    let file = std::path::PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("long.ndjson");
    let overage = json!([{"rule": "r", "charge_nano_usd": 9_000_000}]);
    let used = json!({"model_served": long, "savings_nano_usd": 5_000_000, "overage": overage});
    let refused = json!({"ending": "refused"});
    std::fs::write(&file, log(&[record("a", &used), record("b", &refused)])).unwrap();
    let text = in_a_terminal(&["report", file.to_str().unwrap()]);
    let rows: Vec<&str> = text.lines().filter(|line| line.starts_with([' ', '─', '═'])).collect();
    assert!(rows.len() > 5 && rows.iter().all(|row| row.trim_end().chars().count() <= 80), "{text}");
    assert!(text.contains(" a-model-") && text.contains("… ") && !text.contains(long), "{text}");
    for format in ["csv", "json"] {
        assert!(
            says(&["report", "--format", format, file.to_str().unwrap()], "", 0).contains(long),
            "{format}"
        );
    }
    // In a file or a pipe the table is as wide as it is.
    assert!(says(&["report", file.to_str().unwrap()], "", 0).contains(long));
}

#[test]
fn one_call_is_no_calls() {
    let usage = json!({"input": 10, "output": 1, "source": "estimated"});
    let text = says(&["report", "-"], &log(&[record("1", &json!({"priced": false, "usage": usage}))]), 0);
    for part in [
        "1 call from 2026-11-20",
        "The price of 1 call is not known: its cost is a ceiling.",
        "The usage of 1 call was counted",
    ] {
        assert!(text.contains(part), "{part}\n{text}");
    }
    let two = log(&["gpt-4o", "gpt-4o-mini"].map(|model| record(model, &json!({"model_served": model}))));
    assert!(says(&["report", "--top", "1", "-"], &two, 0).contains("\n 1 other "));
}
