//! Counts against tiktoken-rs: every short string of troublesome characters, every character there is, random
//! texts, and hostile ones. `TOKENSTILE_TOKENS_ROUNDS` multiplies the random part (1 by default: some seconds).

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    reason = "a tool may stop where it fails"
)]

mod common;

use common::{Random, assert_equal, rounds};
use tokenstile_tokens::Encoding;

/// Characters that fall on the borders of the patterns' classes.
const TROUBLE: &[&str] = &[
    "a",
    "S",
    "s",
    "l",
    "L",
    "t",
    "e",
    "R",
    "'",
    "ſ",
    "’",
    " ",
    "  ",
    "\t",
    "\n",
    "\r",
    "\r\n",
    "\u{85}",
    "\u{a0}",
    "\u{2028}",
    "\u{3000}",
    "\u{200b}",
    "/",
    ".",
    "!",
    "-",
    "_",
    "<|",
    "|>",
    "1",
    "23",
    "٣",
    "²",
    "Ⅷ",
    "é",
    "E\u{301}",
    "\u{301}",
    "\u{20e3}",
    "ǅ",
    "ʰ",
    "ª",
    "中",
    "の",
    "한",
    "א",
    "ि",
    "क",
    "ß",
    "İ",
    "K",
    "Å",
    "ﬁ",
    "👍",
    "🏽",
    "\u{200d}",
    "👨‍👩‍👧",
    "\u{fe0f}",
    "🇩",
    "\u{0}",
    "\u{7f}",
    "\u{feff}",
    "\u{fffd}",
    "\u{10ffff}",
    "\u{e000}",
    "𝐀",
    "𝒶",
    "𐐀",
    "𐐨",
    "𞤀",
];

#[test]
fn short_strings_of_troublesome_characters() {
    let mut text = String::new();
    for first in TROUBLE {
        for second in TROUBLE {
            for third in TROUBLE.iter().chain(&[""]) {
                text.clear();
                text.extend([*first, *second, *third]);
                assert_equal(&text);
            }
        }
    }
}

#[test]
fn every_character_alone_and_between_others() {
    for character in '\0'..=char::MAX {
        assert_equal(&format!("{character}a A{character}a1{character}{character} {character}\n"));
    }
}

#[test]
fn random_texts_of_troublesome_characters() {
    let mut random = Random::new(1);
    for _ in 0..rounds(20_000) {
        let text: String = (0..1 + random.below(24)).map(|_| *random.pick(TROUBLE)).collect();
        assert_equal(&text);
    }
}

#[test]
fn random_unicode() {
    let mut random = Random::new(2);
    for _ in 0..rounds(10_000) {
        let text: String = (0..1 + random.below(40)).map(|_| random.character()).collect();
        assert_equal(&text);
    }
}

/// Long pieces, in which the longest token is often the wrong one.
#[test]
fn random_letters_of_small_alphabets() {
    let mut random = Random::new(3);
    let alphabets = [
        "ab",
        "abc",
        "aA",
        "etaoinsrhl",
        "中国人的",
        "aé中",
        " ",
        " \n",
        "\t ",
        "=-",
        "/*",
        "_",
        "\u{301}a",
        "01",
    ];
    for round in 0..rounds(1_500) {
        let letters: Vec<char> = alphabets[round % alphabets.len()].chars().collect();
        let length = 1 + random.below(if round % 10 == 0 { 3000 } else { 200 });
        assert_equal(&(0..length).map(|_| *random.pick(&letters)).collect::<String>());
    }
}

/// Rulers and blank stretches: dozens of tokens begin at each place, and nearly all are wrong.
#[test]
fn runs_of_one_byte() {
    let mut random = Random::new(5);
    for byte in "=-*#/_.~ \t\n\r\0a0X\\|".chars() {
        for length in (1..40).chain([47, 48, 63, 64, 65, 80, 96, 127, 128, 129, 200, 255, 256, 257, 300, 600])
        {
            let run = byte.to_string().repeat(length);
            assert_equal(&run);
            assert_equal(&format!("x{run}{}", random.pick(&["=-", "-", "y", "\n", " \n", "é"])));
        }
    }
    for _ in 0..rounds(300) {
        let run = |random: &mut Random| random.pick(&["=", "-", "*", "#", "/"]).repeat(1 + random.below(400));
        assert_equal(&(0..4).map(|_| run(&mut random)).collect::<String>());
    }
}

/// Pieces that do not fit the window at once.
#[test]
fn pieces_of_many_kilobytes() {
    let mut random = Random::new(6);
    for letters in ["abcdefghijklmnopqrstuvwxyz", "ab", "=-", "-", " ", "中文字", "aé"] {
        let letters: Vec<char> = letters.chars().collect();
        assert_equal(&(0..150_000).map(|_| *random.pick(&letters)).collect::<String>());
    }
}

/// Counted by OpenAI's own tiktoken: see `tools/make_vectors.py`.
#[test]
fn vectors_of_openai() {
    let vectors = include_str!("vectors.jsonl");
    assert!(vectors.lines().count() > 3000);
    for line in vectors.lines() {
        let (text, cl100k, o200k): (String, u64, u64) = serde_json::from_str(line).expect("a vector");
        assert_eq!(
            (Encoding::Cl100k.count(&text), Encoding::O200k.count(&text)),
            (cl100k, o200k),
            "{text:?}"
        );
    }
}

#[test]
fn a_limit_stops_the_count() {
    for text in ["", "one two three four", "a\n\nb  c"] {
        for encoding in [Encoding::Cl100k, Encoding::O200k] {
            let tokens = encoding.count(text);
            assert_eq!(encoding.count_until(text, tokens), Some(tokens));
            assert_eq!(tokens.checked_sub(1).and_then(|limit| encoding.count_until(text, limit)), None);
        }
    }
}

#[test]
fn tokens_glued_together() {
    let mut random = Random::new(4);
    let [(_, cl100k), (_, o200k)] = common::vocabularies::all();
    for round in 0..rounds(10_000) {
        let vocabulary = if round % 2 == 0 { &cl100k } else { &o200k };
        let bytes: Vec<u8> = (0..1 + random.below(8)).flat_map(|_| random.pick(vocabulary).clone()).collect();
        assert_equal(&String::from_utf8_lossy(&bytes));
    }
}

#[test]
fn special_tokens_are_plain_text() {
    for text in ["<|endoftext|>", "a<|endofprompt|>b", "<|im_start|>user\nhi<|im_end|>", "<|fim_prefix|>"] {
        assert_equal(text);
    }
}
