//! Numbers that no call has: whoever sums records is told of the line, the same everywhere.

use crate::lines::{log, record, tokenstile};
use serde_json::json;
use std::path::PathBuf;

/// One wrong record would lower what a team is charged, and nobody would see it.
#[test]
fn what_no_call_costs_or_uses_is_in_no_sum_and_its_line_is_named() {
    let call = |i: u64, more: &serde_json::Value| {
        let arm = if i.is_multiple_of(2) { "a" } else { "b" };
        let mut one = record(
            &format!("{i}"),
            &json!({"identity": {"user": format!("u{}", i % 8)}, "arms": {"cheap": arm}}),
        );
        more.as_object().unwrap().iter().for_each(|(key, value)| one[key] = value.clone());
        one
    };
    let fine: Vec<_> = (0..16).map(|i| call(i, &json!({}))).collect();
    let bill = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("below-zero.csv");
    std::fs::write(&bill, "Day,Model,USD\n2026-11-20,gpt-4o,0.056\n").unwrap();
    let bill = bill.to_str().unwrap();
    let usage = |tokens: u64| json!({"usage": {"input": tokens, "output": 1, "source": "reported"}});
    let wrong = [
        (json!({"cost_nano_usd": -3_500_000}), "an amount of -"),
        (json!({"overage": [{"rule": "daily", "charge_nano_usd": -1}]}), "an amount of -"),
        // Two of them are more than is counted to: a sum would begin anew, or the command end.
        (usage(u64::MAX), "18446744073709551615 tokens are more than a call has"),
        (usage(1_000_000_001), "1000000001 tokens are more than a call has"),
    ];
    for (wrong, why) in wrong {
        let with = [&fine[..5], &[call(99, &wrong)], &fine[5..]].concat();
        for args in [
            &["report", "--format", "json", "-"][..],
            &["focus", "-"],
            &["ab", "--experiment", "cheap", "--json", "-"],
            &["reconcile", "--columns", "date=Day,model=Model,cost=USD", "-", bill],
        ] {
            let (with, without) = (tokenstile(args, &log(&with)), tokenstile(args, &log(&fine)));
            let said = String::from_utf8_lossy(&with.stderr);
            assert_eq!((without.status.code(), with.status.code()), (Some(0), Some(1)), "{args:?}: {said}");
            assert!(said.contains(&format!("-:6: no cost record: {why}")), "{args:?}: {said}");
            // JSON tells of the line itself.
            let text = |bytes: &[u8]| {
                String::from_utf8_lossy(bytes)
                    .lines()
                    .filter(|line| !line.contains("\"unreadable"))
                    .collect::<String>()
            };
            assert_eq!(text(&with.stdout), text(&without.stdout), "{args:?}");
        }
    }
    // What was saved may be less than nothing: a dearer model served.
    let dearer = tokenstile(&["report", "-"], &log(&[record("1", &json!({"savings_nano_usd": -1_000_000}))]));
    assert_eq!(dearer.status.code(), Some(0));
}
