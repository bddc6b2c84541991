//! Counts against tiktoken-rs on short strings that proptest makes up, and makes smaller when one fails; those that
//! once failed are in `property.proptest-regressions` and come first. `TOKENSTILE_TOKENS_ROUNDS` multiplies their
//! number: 1,200,000 texts by default, each in both encodings.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    reason = "a tool may stop where it fails"
)]

mod common;

use common::{assert_equal, rounds};
use proptest::collection::vec;
use proptest::prelude::{ProptestConfig, Strategy, any, prop_oneof};
use proptest::sample::select;
use proptest::test_runner::{FileFailurePersistence, TestRunner};

/// Looked at in blocks of 64 bytes are only texts with more ASCII behind them, so each text is also counted with this
/// behind it.
const BEHIND: &str =
    " and so on, with words, 1234 digits and\n    lines that are plain ASCII for two blocks or more.\n";

fn check(cases: usize, texts: impl Strategy<Value = String>) {
    let config = ProptestConfig {
        cases: u32::try_from(rounds(cases)).unwrap_or(u32::MAX),
        failure_persistence: Some(Box::new(FileFailurePersistence::WithSource("proptest-regressions"))),
        source_file: Some(file!()),
        ..ProptestConfig::default()
    };
    let outcome = TestRunner::new(config).run(&texts, |text| {
        assert_equal(&text);
        Ok(())
    });
    outcome.unwrap_or_else(|failure| panic!("{failure}"));
}

/// What pieces of plain text are made of, most of it common.
fn plain() -> impl Strategy<Value = String> {
    let part = prop_oneof![
        4 => select(vec![" the", " of", "word", "Name", "URL", "camelCase", "x", " A", "ing"]),
        4 => select(vec![" ", " ", "  ", "\t", "\n", "\n\n", "\r\n", "    ", "\u{b}", "\u{1f}"]),
        3 => select(vec![".", ",", "(", ")", "{", "/", "//", "\"", "'", "''", "-", "_", "=", "<|"]),
        2 => select(vec!["1", "23", "456", "7890", "0", "1234567890123"]),
        1 => select(vec!["'s", "'ll", "'RE", "'Ve", "n't", "'D", "'m", "é", "\u{a0}", "ſ", "中", "\u{301}"]),
    ];
    vec(part, 0..24).prop_map(|parts| parts.concat())
}

#[test]
fn plain_text() {
    check(300_000, (plain(), any::<bool>()).prop_map(|(text, more)| text + if more { BEHIND } else { "" }));
}

#[test]
fn plain_bytes() {
    let byte = prop_oneof![3 => select(b"aZ9 \n'/.".to_vec()), 1 => 0_u8..0x80];
    let text = vec(byte, 0..20).prop_map(|bytes| bytes.into_iter().map(char::from).collect::<String>());
    check(300_000, text.prop_map(|text| text + BEHIND));
}

#[test]
fn short_unicode() {
    check(400_000, vec(any::<char>(), 0..6).prop_map(String::from_iter));
}

#[test]
fn repetitions() {
    let part = (select(vec!["-", "=", "*", " ", "a", "ab", "中", "\n", "é", "/", "0"]), 1_usize..40);
    let parts =
        vec(part, 1..5).prop_map(|parts| parts.iter().map(|(text, times)| text.repeat(*times)).collect());
    check(200_000, parts);
}
