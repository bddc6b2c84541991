//! `tokenstile ab`, as a user calls it; its statistics are tested beside them.

use crate::lines::{json_of, log, record, says, tokenstile};
use serde_json::{Value, json};

/// 40 subjects with two calls each; `b` costs 1,000 more by call.
fn records() -> Vec<Value> {
    let call = |i: u64| {
        let (user, arm) = (i % 40, if i.is_multiple_of(2) { "a" } else { "b" });
        let cost = 5_000 + user / 2 * 10 + if arm == "b" { 1_000 } else { 0 };
        let more =
            json!({"identity": {"user": format!("u{user}")}, "arms": {"cheap": arm}, "cost_nano_usd": cost});
        record(&format!("{i}"), &more)
    };
    (0..80).map(call).collect()
}

#[test]
fn arms_are_compared_by_subject() {
    let ab = ["ab", "--experiment", "cheap", "--json", "-"];
    let said = json_of(&ab, &log(&records()), 0);
    let b = &said["arms"][1];
    assert_eq!((&b["subjects"], &b["requests"]), (&json!(20), &json!(80.0 / 2.0)));
    let cost = &b["by_request"]["cost_nano_usd"];
    assert_eq!((&cost["mean"], &cost["difference"]["of"]), (&json!(6_095.0), &json!(1_000.0)));
    // Costs of subjects are 0 to 190 in steps of 10 in both arms: their variance is 3,500, that of a mean of 20 of
    // them 175; Student's quantile with 38 degrees of freedom is 2.02439, and 2.02439 · √350 is 37.8729.
    let margin = cost["difference"]["margin"].as_f64().unwrap();
    assert!((margin - 37.8729).abs() < 0.001, "{margin}");
    let text = says(&ab[..3].iter().copied().chain(["-"]).collect::<Vec<_>>(), &log(&records()), 0);
    for line in [
        "  cost by request: $0.000006095, +$0.000001000 ± $0.000000038: a difference\n",
        "  output by request: 100.0 tokens, +0.0 ± 0.0 tokens: no certain difference\n",
        "  hang-ups by request: 0.00%, +0.00 ± 0.00 points: no certain difference\n",
        "By request, “b” has compared with “a”: cost 19.6% higher.\n",
    ] {
        assert!(text.contains(line), "{line}\n{text}");
    }
    // Names are for programs.
    assert!(!text.contains('_'), "{text}");
}

/// Ten of the forty calls of `b` were tried before, each once or more.
#[test]
fn calls_that_clients_try_again_are_counted_by_arm() {
    let mut records = records();
    for (i, record) in records.iter_mut().enumerate().filter(|(i, _)| i % 8 == 1) {
        record["retry_count"] = json!(1 + i / 8);
    }
    let ab = ["ab", "--experiment", "cheap", "--json", "-"];
    let said = json_of(&ab, &log(&records), 0);
    let mean = |arm: usize| said["arms"][arm]["by_request"]["retries"]["mean"].clone();
    assert_eq!((mean(0), mean(1)), (json!(0.0), json!(0.25)));
}

/// Who is held out is in no arm of the split, so that their number says nothing of its shares.
#[test]
fn a_holdout_is_no_mismatch_unless_it_has_a_weight() {
    let mut records = records();
    for i in 0..8 {
        let more = json!({"identity": {"user": format!("h{}", i / 2)}, "arms": {"cheap": "holdout"}});
        records.push(record(&format!("h{i}"), &more));
    }
    let ab = |weights: &[&str], status: i32| {
        let args = [&["ab", "--experiment", "cheap", "--json"], weights, &["-"]].concat();
        json_of(&args, &log(&records), status)
    };
    for weights in [&[][..], &["--weights", "a=500,b=500"]] {
        let said = ab(weights, 0);
        assert_eq!(said["shares_without_holdout"], true, "{weights:?}");
        assert_eq!(said["shares_p"], 1.0, "{weights:?}");
    }
    let said = ab(&["--weights", "a=300,b=300,holdout=400"], 1);
    assert_eq!((&said["shares_mismatch"], &said["shares_without_holdout"]), (&json!(true), &json!(false)));
    let text = says(&["ab", "--experiment", "cheap", "-"], &log(&records), 0);
    assert!(text.contains("The arm “holdout” is no part of the split"), "{text}");
}

#[test]
fn shares_that_are_not_the_splits_end_with_1_and_an_unknown_experiment_with_2() {
    let skewed = ["ab", "--experiment", "cheap", "--weights", "a=900,b=100", "--json", "-"];
    assert_eq!(json_of(&skewed, &log(&records()), 1)["shares_mismatch"], true);
    let output = tokenstile(&["ab", "--experiment", "dear", "-"], &log(&records()));
    assert_eq!(output.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&output.stderr).contains("there is cheap"));
}

/// Testers are no sample: a tester's calls in an arm that the secret chose are left out.
#[test]
fn who_chose_an_arm_is_left_out() {
    let mut all = records();
    let more = json!({"identity": {"user": "tester"}, "arms": {"cheap": "b"}, "arms_chosen": ["cheap"], "cost_nano_usd": 9_000_000});
    all.push(record("chosen", &more));
    let ab = ["ab", "--experiment", "cheap", "--json", "-"];
    assert_eq!(json_of(&ab, &log(&all), 0), json_of(&ab, &log(&records()), 0));
}
