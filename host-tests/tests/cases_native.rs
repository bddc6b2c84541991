//! Every case of `tests/cases/` against the engine alone. What fails here is a fault of the rules.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by a panic")]

use tokenstile_host::cases::{Native, Suite, filter};

#[test]
fn every_case_holds_without_a_proxy() {
    let suite = Suite::load(&filter::root().join("host-tests/tests/cases")).unwrap();
    let outcome = suite.run(&Native);
    outcome.skipped.iter().for_each(|case| println!("skipped: {case}"));
    println!("native: {} cases hold", outcome.passed);
    assert!(outcome.failures.is_empty(), "\n{}\n", outcome.failures.join("\n\n"));
    assert!(outcome.passed > 0, "no case ran");
}

#[test]
fn the_counts_in_the_cases_are_tiktokens_own() {
    let count = |text: &str| tiktoken_rs::o200k_base_singleton().count_ordinary(text);
    // Case "prompts of any script are counted exactly": 3 to prime, and 3 and a role of one token a message.
    let prompt = count("Du bist höflich.") + count("héllo 👋🏽 世界 مرحبا");
    assert_eq!((3 + 2 * (3 + 1) + prompt, count("👩‍👩‍👧 你好，世界")), (25, 12));
    assert_eq!(count("Hello world!"), 3);
    assert_eq!(count("hi"), 1);
}
