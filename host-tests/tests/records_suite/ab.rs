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
        "Compared with “a”, the largest arm; `--baseline ARM` takes another.\n",
        "a: 20 subjects, 40 requests, of which budgets and limits downgraded 0 and clamped 0\n",
        "  input by request: 1000.0 tokens, +0.0 ± 0.0 tokens: no certain difference\n",
        "By request, “b” costs 19.6% more than “a”.\n",
    ] {
        assert!(text.contains(line), "{line}\n{text}");
    }
    // Names are for programs.
    assert!(!text.contains('_'), "{text}");
}

/// What is compared with has no difference from itself. Arms of unlike sizes and variances have Welch's degrees of
/// freedom: the means' variances are 3/2 · 2,000,000/9 = 333,333.3 and 6/5 · 40,000/36 = 1,333.3, the degrees 2.016,
/// and of these Student's quantile is 4.27006. With seven, as if variances were one, the margin was 1,367.9.
#[test]
fn the_baseline_has_no_difference_and_the_others_welchs_margin() {
    let costs = [("a", &[1_000, 2_000, 3_000][..]), ("b", &[2_400, 2_500, 2_600, 2_400, 2_500, 2_600])];
    let mut records = Vec::new();
    for (arm, costs) in costs {
        for (at, cost) in costs.iter().enumerate() {
            let id = format!("{arm}{at}");
            let more = json!({"identity": {"user": id}, "arms": {"cheap": arm}, "cost_nano_usd": cost});
            records.push(record(&id, &more));
        }
    }
    let ab = ["ab", "--experiment", "cheap", "--baseline", "a", "--json", "-"];
    let said = json_of(&ab, &log(&records), 0);
    let cost = |arm: usize| said["arms"][arm]["by_request"]["cost_nano_usd"].clone();
    assert_eq!(cost(0), json!({"mean": 2_000.0}));
    let margin = cost(1)["difference"]["margin"].as_f64().unwrap();
    assert!((margin - 2470.2435).abs() < 0.001, "{margin}");
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

/// Records of an experiment in arms of these names and so many subjects, each of two calls; the first costs the least.
fn arms(arms: &[(&str, usize)]) -> Vec<Value> {
    let mut records = Vec::new();
    for (place, (arm, subjects)) in arms.iter().enumerate() {
        for call in 0..subjects * 2 {
            let user = format!("{arm}-{}", call / 2);
            let more = json!({"identity": {"user": user}, "arms": {"cheap": arm}, "cost_nano_usd": 1_000_000 * (place + 1) + call,
                "usage": {"input": 1_000 + call, "output": 500 - 100 * place + call, "source": "reported"}});
            records.push(record(&format!("{arm}-{call}"), &more));
        }
    }
    records
}

/// Nobody is held out to be compared with, and the first name of the alphabet is no reason.
#[test]
fn what_arms_are_compared_with_is_the_control_or_what_changes_nothing_or_the_largest() {
    let policy = std::path::PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("ab-policy.json");
    let text = r#"{"version": 1, "name": "p", "hold_headers": true, "identity": {"user": ["header:x-user-id"]}, // as it is
        "routes": [{"name": "cheap", "split": {"by": "user", "arms": [
            {"name": "b", "weight": 300, "set": {"model": "gpt-4o-mini"}}, {"name": "as-it-is", "weight": 200}]}}]}"#;
    std::fs::write(&policy, text).unwrap();
    let policy = policy.to_str().unwrap();
    let of = |arms_of: &[(&str, usize)], more: &[&str]| {
        let args = [&["ab", "--experiment", "cheap"], more, &["-"]].concat();
        let text = says(&args, &log(&arms(arms_of)), 0);
        text.lines().find(|line| line.starts_with("Compared with")).unwrap().to_owned()
    };
    let weighted = ["--weights", "aaa=10,b=30,as-it-is=20,control=10"];
    let with = |more: &[&'static str]| [&weighted[..], more].concat();
    let known: Vec<&str> = [&weighted[..], &["--policy", policy]].concat();
    for (arms, more, told) in [
        (&[("holdout", 90), ("aaa", 10), ("b", 30)][..], weighted.to_vec(), "“b”, the largest arm"),
        (&[("aaa", 10), ("as-it-is", 20), ("b", 30)], known.clone(), "“as-it-is”, which changes nothing"),
        (&[("aaa", 10), ("as-it-is", 20), ("control", 10)], known, "“control”, by its name"),
        (&[("aaa", 10), ("b", 30), ("control", 10)], with(&["--baseline", "aaa"]), "“aaa”, as was asked"),
        (&[("holdout", 9), ("b", 30)], with(&["--baseline", "holdout"]), "“holdout”, as was asked"),
    ] {
        assert_eq!(of(arms, &more), format!("Compared with {told}; `--baseline ARM` takes another."));
    }
    let said =
        json_of(&["ab", "--experiment", "cheap", "--json", "-"], &log(&arms(&[("holdout", 5), ("b", 5)])), 0);
    assert_eq!((&said["baseline"], &said["arms"][1]["arm"]), (&json!("b"), &json!("holdout")));
    for (more, told) in [
        (["--baseline", "c"], "no record is in arm `c`; there is b, holdout"),
        (["--policy", "policies/off-peak.json"], "`policies/off-peak.json` has no route `cheap` that splits"),
    ] {
        let args = [&["ab", "--experiment", "cheap"], &more[..], &["-"]].concat();
        let output = tokenstile(&args, &log(&arms(&[("holdout", 5), ("b", 5)])));
        assert_eq!(output.status.code(), Some(2));
        assert!(String::from_utf8_lossy(&output.stderr).contains(told), "{output:?}");
    }
}

#[test]
fn what_differs_is_a_sentence_that_can_be_read_aloud() {
    let text =
        says(&["ab", "--experiment", "cheap", "-"], &log(&arms(&[("control", 9), ("b", 9), ("c", 9)])), 0);
    assert!(
        text.contains("By request, “b” costs 100.0% more and has 19.7% less output than “control”.\n"),
        "{text}"
    );
    let same = arms(&[("control", 9)]).into_iter().chain(arms(&[("b", 9)])).collect::<Vec<_>>();
    let text = says(&["ab", "--experiment", "cheap", "-"], &log(&same), 0);
    assert!(text.contains("By request, nothing that is certain sets “b” apart from “control”.\n"), "{text}");
}

/// What a budget made cheaper is not what the arm's name says; a bound of the arm's own is.
#[test]
fn calls_that_budgets_made_cheaper_are_counted_by_arm_and_so_is_who_was_in_two() {
    let mut records = records();
    for (place, decision, rule) in [
        (0, "downgrade", "daily"),
        (2, "clamp", "daily"),
        (4, "clamp", "cheap"),
        (6, "deny", "daily"),
        (1, "clamp", "long"),
    ] {
        records[place]["decision"] = json!(decision);
        records[place]["rule"] = json!(rule);
    }
    // One user came to the other arm.
    records[3]["arms"]["cheap"] = json!("a");
    let said = json_of(&["ab", "--experiment", "cheap", "--json", "-"], &log(&records), 0);
    let counts = |arm: usize| (said["arms"][arm]["downgraded"].clone(), said["arms"][arm]["clamped"].clone());
    assert_eq!((counts(0), counts(1)), ((json!(1), json!(1)), (json!(0), json!(1))));
    assert_eq!(said["subjects_in_several_arms"], 1);
    let text = says(&["ab", "--experiment", "cheap", "-"], &log(&records), 0);
    assert!(text.contains("1 subject was seen in more than one arm: "), "{text}");
    assert!(text.contains("requests, of which budgets and limits downgraded 1 and clamped 1\n"), "{text}");
}
