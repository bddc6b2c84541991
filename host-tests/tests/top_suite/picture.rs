//! One picture, as text.

use crate::{append, file, record};
use serde_json::json;
use std::process::{Command, Output};

fn top(args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_tokenstile")).arg("top").args(args).output().unwrap()
}

/// 20 calls a minute, for ten minutes: an experiment, a budget that warns and refuses, and a failure.
fn records() -> String {
    let mut text = String::new();
    for minute in 0..10 {
        for call in 0..=minute {
            let arm = if call % 2 == 0 { "control" } else { "cheap" };
            let more = match call {
                7 => json!({"decision": "deny", "rule": "daily", "ending": "refused", "cost_nano_usd": 0}),
                5 | 6 => json!({"decision": "warn", "rule": "daily"}),
                4 => json!({"failure": "no time"}),
                _ => json!({"arms": {"cheap-for-chat": arm}, "savings_nano_usd": 1_000_000}),
            };
            text += &record(minute, &format!("user-{call}"), &more);
        }
    }
    text
}

const PICTURE: &str = include_str!("picture.txt");

#[test]
fn a_picture_has_all_that_matters_at_80_by_24() {
    let path = file("picture.log");
    append(&path, &records());
    let output = top(&["--once", path.to_str().unwrap()]);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8(output.stdout).unwrap().replace(path.to_str().unwrap(), "records.log");
    if std::env::var_os("TOKENSTILE_BLESS").is_some() {
        std::fs::write(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/top_suite/picture.txt"), &text).unwrap();
        return;
    }
    assert_eq!(
        text, PICTURE,
        "`TOKENSTILE_BLESS=1 cargo test -p tokenstile-host --test top_suite` writes it anew:\n{text}"
    );
}

/// A sink delivers at least once, and a collector's file has such a record twice.
#[test]
fn a_record_that_came_twice_is_one_call() {
    let path = file("twice.log");
    append(&path, &record(0, "ana", &json!({})).repeat(2));
    append(&path, &record(0, "ana", &json!({"id": ""})).repeat(2));
    let output = top(&["--once", path.to_str().unwrap()]);
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(text.contains("$10.5000 in 3 requests"), "{text}");
    // The minute before the first call, and its own.
    assert!(text.contains("$5.2500/min (of 120 s)"), "{text}");
}

/// What does not fit is cut off, and nothing panics.
#[test]
fn every_size_and_every_name_is_drawn() {
    let path = file("sizes.log");
    append(&path, &records());
    append(
        &path,
        &record(
            3,
            "\u{1b}[2Jevil\u{7}",
            &json!({"rule": "日本語のとても長い名前のルール", "decision": "deny"}),
        ),
    );
    for size in ["20x10", "40x12", "80x24", "200x60", "500x200"] {
        let output = top(&["--once", "--size", size, path.to_str().unwrap()]);
        assert!(output.status.success(), "{size}: {}", String::from_utf8_lossy(&output.stderr));
        assert!(!output.stdout.contains(&0x1b) && !output.stdout.contains(&7), "{size}");
    }
}

#[test]
fn what_cannot_be_followed_is_told() {
    let empty = file("empty.log");
    for (args, told) in [
        (&["missing.log"][..], "cannot read `missing.log`"),
        (&["--once", "http://127.0.0.1:1/stats/prometheus"], "http://127.0.0.1:1/stats/prometheus: "),
        (&["https://127.0.0.1:1/"], "http alone"),
        (&["--once", "--size", "1x1", "-"], "`1x1` is no size"),
        (&["--quota", "http://127.0.0.1:1/", "--header", "x", "-"], "`x` is no header"),
        (&[empty.to_str().unwrap()], "no terminal; `--once`"),
    ] {
        let output = top(args);
        let errors = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(2), "{args:?}: {errors}");
        assert!(errors.contains(told), "{errors}");
    }
}
