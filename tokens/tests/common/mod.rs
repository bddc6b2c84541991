//! What the tests share: the oracle, and random numbers that are the same every time.
#![allow(dead_code, unreachable_pub, reason = "each test uses a part")]

use tokenstile_tokens::Encoding;

#[path = "../../tools/vocabularies.rs"]
pub mod vocabularies;

/// What tiktoken-rs counts.
pub fn oracle(encoding: Encoding, text: &str) -> u64 {
    let oracle = match encoding {
        Encoding::Cl100k => tiktoken_rs::cl100k_base_singleton(),
        Encoding::O200k => tiktoken_rs::o200k_base_singleton(),
    };
    oracle.encode_ordinary(text).len() as u64
}

/// Fails unless both encodings count what tiktoken-rs counts.
#[track_caller]
pub fn assert_equal(text: &str) {
    for encoding in [Encoding::Cl100k, Encoding::O200k] {
        let (ours, theirs) = (encoding.count(text), oracle(encoding, text));
        assert_eq!(ours, theirs, "{encoding:?} {:?}", text.chars().take(300).collect::<String>());
    }
}

/// `base` rounds, or a multiple of it that the environment asks for.
pub fn rounds(base: usize) -> usize {
    base * std::env::var("TOKENSTILE_TOKENS_ROUNDS").ok().and_then(|times| times.parse().ok()).unwrap_or(1)
}

/// A small random number generator (SplitMix64), so that a failure can be seen again.
pub struct Random(u64);

impl Random {
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mixed = (self.0 ^ self.0 >> 30).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ mixed >> 31
    }

    pub fn below(&mut self, end: usize) -> usize {
        (self.next() % end as u64) as usize
    }

    pub fn pick<'a, T>(&mut self, from: &'a [T]) -> &'a T {
        &from[self.below(from.len())]
    }

    /// Any character, the lower planes more often.
    pub fn character(&mut self) -> char {
        let end = [0x80, 0x250, 0x3100, 0x1_0000, 0x2_0000, 0x11_0000][self.below(6)];
        char::from_u32(self.below(end) as u32).unwrap_or('\u{FFFD}')
    }
}
