//! `tokenstile reconcile`: bills made of known records, with one fault each. Every fault is found, and no other.

use crate::lines::{json_of, log, record, says, tokenstile};
use jiff::Timestamp;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::path::PathBuf;

/// Five days of two models, each hour some calls, as the price book has them; no day like another.
pub(crate) fn week() -> Vec<Value> {
    let mut records = Vec::new();
    for hour in 0..5 * 24_i64 {
        for call in 0..1 + (hour * 7 + hour / 24 * 3) % 5 {
            let time = Timestamp::from_second(1_795_132_800 - 4 * 86_400 + hour * 3_600 + call * 60).unwrap();
            let (model, cost) = if call % 2 == 0 { ("gpt-4o", 3_500_000) } else { ("gpt-4o-mini", 210_000) };
            records.push(record(
                &format!("{hour}-{call}"),
                &json!({"time": time.to_string(), "model_served": model, "cost_nano_usd": cost,
                    "model_requested": model, "model_answered": model, "price": format!("openai/{model}")}),
            ));
        }
    }
    records
}

fn time(record: &Value) -> Timestamp {
    record["time"].as_str().unwrap().parse().unwrap()
}

/// A bill as lines: start in seconds, model, nano-dollars; of each so many seconds one.
fn lines(records: &[Value], seconds: i64, shift: i64) -> Vec<(i64, String, i128)> {
    let mut sums: BTreeMap<(i64, String), i128> = BTreeMap::new();
    for record in records {
        let start = (time(record).as_second() + shift).div_euclid(seconds) * seconds;
        let model = record["model_served"].as_str().unwrap().to_owned();
        *sums.entry((start, model)).or_default() += i128::from(record["cost_nano_usd"].as_i64().unwrap());
    }
    sums.into_iter().map(|((start, model), nano)| (start, model, nano)).collect()
}

const HOUR: i64 = 3_600;
const DAY: i64 = 24 * HOUR;

fn decimal(nano: i128) -> String {
    format!("{}.{:09}", nano / 1_000_000_000, nano % 1_000_000_000)
}

/// As OpenAI's dashboard exports it: input and output are lines of their own.
fn openai(lines: &[(i64, String, i128)]) -> String {
    let mut csv =
        "start_time,end_time,start_time_iso,end_time_iso,amount_value,amount_currency,line_item,project_id\n"
            .to_owned();
    for (start, model, nano) in lines {
        let iso = Timestamp::from_second(*start).unwrap().strftime("%Y-%m-%dT%H:%M:%S+00:00");
        for (kind, nano) in [("input", nano / 3), ("output", nano - nano / 3)] {
            let amount = decimal(nano);
            csv +=
                &format!("{start},{},{iso},,{amount},usd,\"{model}-2024-08-06, {kind}\",proj\n", start + DAY);
        }
    }
    csv
}

pub(crate) fn file(name: &str, text: &str) -> PathBuf {
    let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("bills");
    std::fs::create_dir_all(&folder).unwrap();
    let file = folder.join(name);
    std::fs::write(&file, text).unwrap();
    file
}

pub(crate) fn reconciled(name: &str, records: &[Value], bill: &str, more: &[&str], status: i32) -> Value {
    let bill = file(name, bill);
    let args = [&["reconcile", "--format", "json"], more, &["-", bill.to_str().unwrap()]].concat();
    json_of(&args, &log(records), status)
}

pub(crate) fn causes(said: &Value) -> Vec<&str> {
    let mut causes: Vec<&str> =
        said["explanations"].as_array().unwrap().iter().map(|why| why["cause"].as_str().unwrap()).collect();
    causes.dedup();
    causes
}

/// Changes the calls of one day and model.
fn with(records: &[Value], day: &str, model: &str, change: &Value) -> Vec<Value> {
    let is_it =
        |record: &Value| record["time"].as_str().unwrap().starts_with(day) && record["model_served"] == model;
    let mut records = records.to_vec();
    for record in records.iter_mut().filter(|record| is_it(record)) {
        for (key, value) in change.as_object().unwrap() {
            record[key] = value.clone();
        }
    }
    records
}

#[test]
fn a_bill_of_what_was_recorded_agrees_to_the_nano_dollar() {
    let records = week();
    for (name, seconds) in [("days.csv", DAY), ("hours.csv", HOUR)] {
        let said =
            reconciled(name, &records, &openai(&lines(&records, seconds, 0)), &["--tolerance", "0"], 0);
        assert_eq!(said["total"]["difference_nano_usd"], 0, "{name}");
        assert_eq!(said["form"], "OpenAI costs");
        assert_eq!(said["rows"].as_array().unwrap().len(), 10);
        assert!(causes(&said).is_empty());
    }
    let sum: i64 = records.iter().map(|record| record["cost_nano_usd"].as_i64().unwrap()).sum();
    let said = reconciled("sum.csv", &records, &openai(&lines(&records, DAY, 0)), &[], 0);
    assert_eq!(said["total"]["recorded_nano_usd"], sum);
}

/// A call that is refused by its headers is of no model: it is no sum of all.
#[test]
fn refused_calls_without_a_model_are_called_so() {
    let bill = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("refused.csv");
    std::fs::write(&bill, "Day,Model,USD\n2026-11-20,gpt-4o,0.0035\n").unwrap();
    let of_none = |id: &str, more: Value| {
        let mut one = record(
            id,
            &json!({"model_requested": "", "model_served": "", "model_answered": "", "price": "", "priced": false}),
        );
        more.as_object().unwrap().iter().for_each(|(key, value)| one[key] = value.clone());
        one
    };
    let refused = of_none("2", json!({"ending": "refused", "cost_nano_usd": 0, "usage": {"source": "none"}}));
    let unread = of_none("3", json!({"unread": "compressed"}));
    let args = ["reconcile", "--columns", "date=Day,model=Model,cost=USD", "-", bill.to_str().unwrap()];
    let text = says(&args, &log(&[record("1", &json!({})), refused.clone()]), 0);
    assert!(text.contains("\n no model (refused)") && !text.contains("\n all "), "{text}");
    let text = says(&args, &log(&[record("1", &json!({})), refused, unread]), 1);
    // Nothing is billed, of which the difference would be a share.
    let line = text.lines().find(|line| line.contains("no model named")).unwrap();
    assert!(line.trim_end().ends_with('–'), "{line}");
    assert!(
        text.contains("\n no model named") && text.contains("Calls that name no model ($0.0035) fit no line"),
        "{text}"
    );
    // A bill that names no models has one sum.
    std::fs::write(&bill, "Day,USD\n2026-11-20,0.0035\n").unwrap();
    let args = ["reconcile", "--columns", "date=Day,cost=USD", "-", bill.to_str().unwrap()];
    let text = says(&args, &log(&[record("1", &json!({}))]), 0);
    assert!(text.contains("\n all "), "{text}");
}

/// Each of these faults is found, and nothing else is said.
#[test]
fn every_fault_is_explained_and_only_then() {
    let whole = week();
    let bill = lines(&whole, DAY, 0);
    let daily = openai(&bill);
    let factor = |model: &str, factor: f64| {
        let mut lines = bill.clone();
        for line in lines.iter_mut().filter(|line| line.1 == model) {
            #[expect(clippy::cast_possible_truncation, clippy::cast_precision_loss, reason = "a bill")]
            let nano = (line.2 as f64 * factor) as i128;
            line.2 = nano;
        }
        openai(&lines)
    };
    let without = |from: &str, to: &str| -> Vec<Value> {
        let [from, to] = [from, to].map(|text| text.parse::<Timestamp>().unwrap());
        whole.iter().filter(|record| !(from..to).contains(&time(record))).cloned().collect()
    };
    let usage = |input: u64, source: &str| json!({"input": input, "output": 0, "source": source});
    let unknown = with(
        &whole,
        "2026-11-18",
        "gpt-4o-mini",
        &json!({"priced": false, "price": "", "cost_nano_usd": 2_100_000}),
    );
    let estimated = with(
        &whole,
        "2026-11-18",
        "gpt-4o",
        &json!({"usage": usage(100, "estimated"), "cost_nano_usd": 250_000}),
    );
    let cut = with(
        &whole,
        "2026-11-18",
        "gpt-4o",
        &json!({"usage": usage(1_000, "counted"), "cost_nano_usd": 2_500_000, "ending": "cut"}),
    );
    let old =
        with(&whole, "2026-11", "gpt-4o", &json!({"cost_nano_usd": 5_000_000, "prices_as_of": "2026-05-01"}));
    let mut more = bill.clone();
    more.push((1_795_132_800, "o3".to_owned(), 500_000_000));
    let mini: Vec<_> = bill.iter().filter(|line| line.1 == "gpt-4o").cloned().collect();
    let in_cents: Vec<_> = bill.iter().map(|(at, model, nano)| (*at, model.clone(), nano * 100)).collect();
    let faults: [(&str, &[Value], String, i32); 11] = [
        ("unit", &whole, openai(&in_cents), 1),
        // The sums agree, and no day does.
        ("time_zone", &whole, openai(&lines(&whole, DAY, -8 * HOUR)), 0),
        (
            "missing_hours",
            &without("2026-11-18T10:00:00Z", "2026-11-18T20:00:00Z"),
            openai(&lines(&whole, HOUR, 0)),
            1,
        ),
        ("partial_day", &without("2026-11-16T00:00:00Z", "2026-11-16T12:00:00Z"), daily.clone(), 1),
        ("never_passed", &whole, openai(&more), 1),
        ("not_billed", &whole, openai(&mini), 1),
        ("unknown_price", &unknown, daily.clone(), 1),
        ("estimated_usage", &estimated, daily.clone(), 1),
        ("cut_streams", &cut, daily.clone(), 1),
        ("old_prices", &old, daily.clone(), 1),
        ("other_price", &whole, factor("gpt-4o", 0.9), 1),
    ];
    for (cause, records, bill, status) in &faults {
        let said = reconciled(&format!("{cause}.csv"), records, bill, &[], *status);
        assert_eq!(causes(&said), [*cause], "{said:#}");
    }
    let text = says(&["reconcile", "-", file("cut.csv", &daily).to_str().unwrap()], &log(&cut), 1);
    assert!(text.contains("2026-11-18 gpt-4o: ") && text.contains("were cut short"), "{text}");
}

/// Records that begin in the morning of the first day and end in the evening of the last, as those of the example.
fn of_working_hours() -> Vec<Value> {
    let mut records = Vec::new();
    for day in 0..7_i64 {
        for call in 0..200 + day * 13 {
            let time = 1_795_132_800 - 4 * DAY + day * DAY + 7 * HOUR + call * 170;
            let more = json!({"time": Timestamp::from_second(time).unwrap().to_string()});
            records.push(record(&format!("{day}-{call}"), &more));
        }
    }
    records
}

/// A factor that holds on all days is a price; records that begin within a day do not hide it.
#[test]
fn another_price_is_seen_beside_days_that_are_not_whole() {
    let records = of_working_hours();
    let bill = |factor: i128, records: &[Value]| {
        let lines = lines(records, DAY, 0).into_iter();
        openai(&lines.map(|(at, model, nano)| (at, model, nano * factor / 1_000)).collect::<Vec<_>>())
    };
    let said = reconciled("dearer.csv", &records, &bill(1_030, &records), &[], 1);
    assert_eq!(causes(&said), ["other_price"], "{said:#}");
    let text = said["explanations"][0]["text"].as_str().unwrap();
    assert!(text.contains("is billed at 1.030 times the recorded price on all of 7 days: "), "{text}");
    // Half of the first day is not there: what is left of it proves nothing.
    let later: Vec<Value> = records.iter().skip(100).cloned().collect();
    let said = reconciled("dearer-later.csv", &later, &bill(1_030, &records), &[], 1);
    assert_eq!(causes(&said), ["partial_day", "other_price"], "{said:#}");
    let text = said["explanations"][1]["text"].as_str().unwrap();
    assert!(text.contains("1.030 times the recorded price on all of 6 whole days: "), "{text}");
    let of_first = &said["explanations"][0];
    assert_eq!((&of_first["day"], said["explanations"].as_array().unwrap().len()), (&json!("2026-11-16"), 2));
}

/// Most calls come when it is one day by both clocks, so that the sums and most of each day agree.
#[test]
fn a_clock_that_fits_clearly_better_is_suggested_also_where_the_sums_agree() {
    let records = of_working_hours();
    let said = reconciled("angeles.csv", &records, &openai(&lines(&records, DAY, -8 * HOUR)), &[], 0);
    assert_eq!(causes(&said), ["time_zone"], "{said:#}");
    let text = said["explanations"][0]["text"].as_str().unwrap();
    assert!(text.contains("`--timezone -08:00`"), "{text}");
}

#[test]
fn what_an_explanation_advises_makes_it_agree() {
    let records = week();
    let days = openai(&lines(&records, DAY, -8 * HOUR));
    let said = reconciled("advised.csv", &records, &days, &[], 0);
    let text = said["explanations"][0]["text"].as_str().unwrap();
    let zone = text.split("--timezone ").nth(1).unwrap().split('`').next().unwrap();
    let advised =
        reconciled("advised.csv", &records, &days, &[&format!("--timezone={zone}"), "--tolerance=0"], 0);
    assert!(
        causes(&advised).is_empty()
            && advised["rows"].as_array().unwrap().iter().all(|row| row["sums"]["beyond"] == false)
    );
    let cents: Vec<_> =
        lines(&records, DAY, 0).into_iter().map(|(at, model, nano)| (at, model, nano * 100)).collect();
    let agreed = reconciled("cents.csv", &records, &openai(&cents), &["--unit", "cents"], 0);
    assert_eq!(agreed["total"]["difference_nano_usd"], 0);
}

/// Days whose sums agree are those of the clock that was taken, whatever differs within them.
#[test]
fn the_clock_that_was_taken_is_not_advised() {
    let records = week();
    let of_other = |(at, model, nano): (i64, String, i128)| {
        let model = if model == "gpt-4o-mini" { "o3".to_owned() } else { model };
        (at, model, nano)
    };
    let bill: Vec<_> = lines(&records, DAY, 0).into_iter().map(of_other).collect();
    let said = reconciled("other.csv", &records, &openai(&bill), &[], 1);
    assert_eq!(causes(&said), ["not_billed", "never_passed"], "{said:#}");
}

#[test]
fn one_of_something_is_no_plural() {
    let one = record("a", &json!({}));
    let timeless = record("b", &json!({"time": null}));
    let bill = "usage_start_time,service_description,sku_description,cost,currency\n\
                2026-11-20 10:00:00 UTC,Vertex AI,gpt-4o,0.0035,USD\n\
                2026-11-20 10:00:00 UTC,Compute Engine,N1 Core,12,USD\n";
    let bill = file("one.csv", bill);
    let args = ["reconcile", "--provider", "openai", "-", bill.to_str().unwrap()];
    let output = tokenstile(&args, &log(&[one.clone(), timeless, one]));
    let (text, errors) =
        (String::from_utf8(output.stdout).unwrap(), String::from_utf8(output.stderr).unwrap());
    for part in [
        "1 of 1 day of a model agrees within 2%.",
        "- 1 record has no time.\n",
        "- 1 line of the bill is for something else.\n",
    ] {
        assert!(text.contains(part), "{part}\n{text}");
    }
    assert!(errors.contains("1 record came more than once and is counted once"), "{errors}");
}

/// What nothing explains is said to be unexplained.
#[test]
fn a_difference_without_a_trace_is_not_explained() {
    let records = week();
    let mut bill = lines(&records, DAY, 0);
    bill[4].2 = bill[4].2 * 3 / 2;
    let bill = file("trace.csv", &openai(&bill));
    let said = json_of(&["reconcile", "--format", "json", "-", bill.to_str().unwrap()], &log(&records), 1);
    assert!(causes(&said).is_empty(), "{said:#}");
    let text = says(&["reconcile", "-", bill.to_str().unwrap()], &log(&records), 1);
    assert!(
        text.contains("not explained") && text.contains("9 of 10 days of a model agree within 2%"),
        "{text}"
    );
    let csv = says(&["reconcile", "--format", "csv", "-", bill.to_str().unwrap()], &log(&records), 1);
    assert_eq!(csv.lines().filter(|line| line.ends_with(",true,not explained")).count(), 1, "{csv}");
}

#[test]
fn overage_savings_and_other_providers_are_no_part_of_the_bill() {
    let mut records = week();
    let bill = openai(&lines(&records, DAY, 0));
    records[0]["overage"] = json!([{"rule": "r", "tokens": 5, "charge_nano_usd": 77}]);
    records[1]["savings_nano_usd"] = json!(88);
    let other = json!({"provider": "anthropic", "time": "2026-11-18T10:00:00Z"});
    records.push(record("other", &other));
    records.push(record("before", &json!({"time": "2026-11-01T00:00:00Z"})));
    let said = reconciled("notes.csv", &records, &bill, &["--tolerance", "0"], 0);
    let left = &said["not_compared"];
    assert_eq!((&left["overage_nano_usd"], &left["savings_nano_usd"]), (&json!(77), &json!(88)));
    assert_eq!(left["other_providers"]["requests"], 1);
    assert_eq!(left["other_days"]["requests"], 1);
    assert!(causes(&said).is_empty());
}
