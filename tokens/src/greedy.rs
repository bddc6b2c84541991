//! Byte pair encoding without merging: longest tokens first, going back where two cannot be neighbours. Called by `piece`
//! and `window`.
//!
//! A row of tokens in which all neighbours are possible (`pair`) is the one encoding of its bytes, so the first row that
//! reaches the end is the answer. A place that leads nowhere is marked dead and never entered again, so the work grows
//! with the length and no faster, whatever the text.

#![expect(clippy::arithmetic_side_effects, reason = "places in a slice, far from overflow; tests would stop")]

use crate::pair;
use crate::run::{self, Runs};
use crate::vocabulary::{Token, Vocabulary};

/// Counts the tokens of `text` from `start` on, where `before` ends (`None` at the beginning of a piece).
///
/// The answer is `None` if the encoding of the whole text has no border at `start`: it always has one at the
/// beginning of a piece.
#[inline]
pub(crate) fn count(
    vocabulary: &Vocabulary,
    text: &[u8],
    start: usize,
    before: Option<Token>,
    memory: &mut Memory,
) -> Option<u64> {
    let Memory { taken, dead } = memory;
    let (mut at, mut tokens, mut last) = (start, 0_u64, before);
    let (mut below, mut runs) = (usize::MAX, None);
    while at < text.len() {
        #[cfg(test)]
        tests::STEPS.with(|steps| steps.set(steps.get() + 1));
        if let Some((next, checked)) = candidate(vocabulary, text, start, at, last, below, dead, &mut runs) {
            let end = at + next.len;
            let fits = |last| pair::possible(vocabulary, text, at, last, next);
            if !checked && (dead.contains(end - start) || !last.is_none_or(fits)) {
                below = next.len;
                continue;
            }
            tokens += 1;
            taken.insert(end - start);
            (at, last, below) = (end, Some(next), usize::MAX);
        } else if at == start {
            return None;
        } else {
            // No token leads on from here: take back the one that led here, and try a shorter one in its place.
            dead.insert(at - start);
            taken.remove(at - start);
            below = last?.len;
            at -= below;
            tokens -= 1;
            last = if at == start {
                before
            } else {
                token_before(vocabulary, text, start, at, taken, runs.as_deref())
            };
        }
    }
    Some(tokens)
}

/// The longest token at `at` of less than `below` bytes, and whether it is certain that it may follow `last` and leads on.
#[inline]
#[expect(clippy::too_many_arguments, reason = "the state of `count`, in two places")]
fn candidate(
    vocabulary: &Vocabulary,
    text: &[u8],
    start: usize,
    at: usize,
    last: Option<Token>,
    below: usize,
    dead: &Places,
    runs: &mut Option<Box<Runs>>,
) -> Option<(Token, bool)> {
    if runs.is_some() || (below != usize::MAX && run::begins(text, at)) {
        let runs = runs.get_or_insert_with(|| Box::new(Runs::new()));
        if runs.enter(vocabulary, text, at) {
            return runs.candidate(vocabulary, text, at, last, below, dead.from(at - start + 1));
        }
    }
    let end = at.saturating_add(below - 1).min(text.len());
    Some((vocabulary.longest(text.get(at..end)?)?, false))
}

/// The taken token that ends at `at`.
pub(crate) fn token_before(
    vocabulary: &Vocabulary,
    text: &[u8],
    start: usize,
    at: usize,
    taken: &Places,
    runs: Option<&Runs>,
) -> Option<Token> {
    let from = start + taken.last_before(at - start);
    let in_run = runs.and_then(|runs| runs.token_at(from, at));
    in_run.or_else(|| vocabulary.exact(text.get(from..at)?))
}

/// What is remembered while going forth and back; places count from the start.
pub(crate) struct Memory<'m> {
    /// The ends of the tokens taken.
    pub(crate) taken: Places<'m>,
    /// From where nothing leads on.
    dead: Places<'m>,
}

impl<'m> Memory<'m> {
    /// Each part has a bit for every place, the end included, and all are 0.
    pub(crate) fn new(taken: &'m mut [u64], dead: &'m mut [u64]) -> Self {
        Self { taken: Places(taken), dead: Places(dead) }
    }
}

/// The words that a set of the places in `bytes` bytes needs.
pub(crate) const fn words(bytes: usize) -> usize {
    bytes / 64 + 1
}

/// A set of places in a text.
pub(crate) struct Places<'m>(&'m mut [u64]);

impl Places<'_> {
    #[inline]
    fn contains(&self, place: usize) -> bool {
        self.0.get(place / 64).is_some_and(|word| word >> (place % 64) & 1 != 0)
    }

    /// The 128 places from `place` on.
    fn from(&self, place: usize) -> u128 {
        let word = |at: usize| self.0.get(at).copied().map_or(0, u128::from);
        let (first, shift) = (place / 64, place % 64);
        let low = word(first) | word(first + 1) << 64;
        if shift == 0 { low } else { low >> shift | word(first + 2) << (128 - shift) }
    }

    #[inline]
    fn insert(&mut self, place: usize) {
        if let Some(word) = self.0.get_mut(place / 64) {
            *word |= 1 << (place % 64);
        }
    }

    fn remove(&mut self, place: usize) {
        if let Some(word) = self.0.get_mut(place / 64) {
            *word &= !(1 << (place % 64));
        }
    }

    /// The greatest place below `place`, or 0.
    pub(crate) fn last_before(&self, place: usize) -> usize {
        let below = |(at, word): (usize, &u64)| {
            let word = if at == place / 64 { word & ((1 << (place % 64)) - 1) } else { *word };
            word.checked_ilog2().map(|bit| at * 64 + bit as usize)
        };
        let upto = self.0.get(..=place / 64).unwrap_or_default();
        upto.iter().enumerate().rev().find_map(below).unwrap_or(0)
    }

    /// How many places there are up to and with `place`.
    pub(crate) fn count_to(&self, place: usize) -> u64 {
        (1..=place).filter(|&place| self.contains(place)).count() as u64
    }
}

#[cfg(test)]
mod tests {
    //! The work is counted in steps, not in seconds: on any text a few for each byte, however long the text.

    use crate::Encoding;
    use std::cell::Cell;

    thread_local! {
        pub(super) static STEPS: Cell<u64> = const { Cell::new(0) };
    }

    fn steps(encoding: Encoding, text: &str) -> u64 {
        STEPS.with(|steps| steps.set(0));
        let _ = encoding.count(text);
        STEPS.with(Cell::get)
    }

    /// Text of a seeded random choice of letters.
    fn random(letters: &str, bytes: usize) -> String {
        let letters: Vec<char> = letters.chars().collect();
        let mut state = 1_u64;
        let mut text = String::new();
        while text.len() < bytes {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            text.push(letters[(state >> 33) as usize % letters.len()]);
        }
        text
    }

    #[test]
    fn hostile_text_takes_a_few_steps_a_byte() {
        let alphabets = [
            "abcdefghijklmnopqrstuvwxyz",
            "ab",
            "aaab",
            "-",
            "=",
            "*",
            "#",
            "/",
            "_",
            " ",
            "\n",
            "\t",
            "\t ",
            "-=",
            "=*-#/",
            "'",
            "中",
            "中文字",
            "\u{301}",
            "é",
            "👍",
            "aA",
            "AB",
            "x-",
            "\u{3000} ",
        ];
        for letters in alphabets {
            for encoding in [Encoding::Cl100k, Encoding::O200k] {
                let (small, large) = (random(letters, 10_000), random(letters, 200_000));
                let (few, many) = (steps(encoding, &small), steps(encoding, &large));
                assert!(few <= 10 * 10_000, "{encoding:?} {letters:?} {few}");
                // Twenty times the text; looking for certain borders (`window`) costs a part of it again.
                assert!(many <= 20 * few.max(20_000) * 3, "{encoding:?} {letters:?} {few} {many}");
            }
        }
    }
}
