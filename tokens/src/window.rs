//! The number of tokens in a very long piece, in memory that does not grow with it. Called by `piece` for pieces of
//! more than a few hundred bytes, and by `long` for those that arrive in parts.
//!
//! The piece is gathered in a buffer. Each time that is full, a border behind which nothing can change is looked for, and
//! what lies before it is counted and dropped. No token is longer than 128 bytes, so whatever follows, the encoding has
//! a border in the last 128 places; and the encoding of the bytes before *that* border is a beginning of the whole
//! one. So an earlier border is certain if the encodings up to each of these 128 places all have it: that is tried.

#![expect(
    clippy::arithmetic_side_effects,
    reason = "places in a buffer, far from overflow; tests would stop"
)]

use crate::greedy::{self, Memory, words};
use crate::vocabulary::{TOKEN_BYTES_MAX, Token, Vocabulary};

/// A piece that is being counted.
#[derive(Debug, Clone)]
pub(crate) struct Window {
    /// The bytes behind `start`, and before it those of the token `before`.
    bytes: Vec<u8>,
    /// A border that is certain.
    start: usize,
    /// The token that ends there; none at the beginning of the piece.
    before: Option<Token>,
    /// The tokens up to there.
    tokens: u64,
    mark: Mark,
    /// So many bytes are gathered before some are dropped.
    full: usize,
}

/// A place up to which the tokens are wanted as well.
#[derive(Clone, Copy, Debug)]
enum Mark {
    At(usize),
    Counted(u64),
}

/// Finding a certain border costs as much as counting some ten thousand bytes, and two windows with all else that is
/// kept of a stream must stay below 64 KB.
const FULL: usize = 1 << 14;
/// A text that is there as a whole is kept by somebody else already.
const FULL_OF_WHOLE: usize = 1 << 16;
/// A certain border is looked for so far from the end, then farther. The nearer, the less is counted to see that it
/// is certain; 128 places is the least.
const BACK: [usize; 4] = [144, 256, 1_024, BACK_MAX];
/// See there.
const BACK_MAX: usize = 4_096;
/// The border is the last one before the place looked at: one token farther.
const REACH: usize = BACK_MAX + 2 * TOKEN_BYTES_MAX;

impl Window {
    pub(crate) const fn new() -> Self {
        Self { bytes: Vec::new(), start: 0, before: None, tokens: 0, mark: Mark::Counted(0), full: FULL }
    }

    /// The number of tokens in a piece that is there as a whole.
    #[inline(never)]
    pub(crate) fn count(vocabulary: &'static Vocabulary, piece: &[u8]) -> u64 {
        let mut window = Self { full: FULL_OF_WHOLE, ..Self::new() };
        window.push(vocabulary, piece);
        window.finish(vocabulary)
    }

    pub(crate) fn push(&mut self, vocabulary: &Vocabulary, mut bytes: &[u8]) {
        while self.bytes.len() + bytes.len() > self.full {
            let (now, later) = bytes.split_at_checked(self.full - self.bytes.len()).unwrap_or_default();
            self.bytes.extend_from_slice(now);
            self.drop_certain(vocabulary);
            bytes = later;
        }
        self.bytes.extend_from_slice(bytes);
    }

    /// Remembers this place: [`finish_at_mark`](Self::finish_at_mark) counts the tokens up to here.
    pub(crate) const fn mark(&mut self) {
        self.mark = Mark::At(self.bytes.len());
    }

    /// The number of tokens up to the last mark, as if the piece ended there.
    pub(crate) fn finish_at_mark(&self, vocabulary: &Vocabulary) -> u64 {
        match self.mark {
            Mark::At(end) => self.tokens_to(vocabulary, end),
            Mark::Counted(tokens) => tokens,
        }
    }

    /// The number of tokens in all.
    pub(crate) fn finish(&self, vocabulary: &Vocabulary) -> u64 {
        self.tokens_to(vocabulary, self.bytes.len())
    }

    /// The bytes held in memory.
    #[cfg(test)]
    pub(crate) const fn memory(&self) -> usize {
        self.bytes.capacity()
    }

    /// The number of tokens in the piece if it ended at `end` of the buffer.
    fn tokens_to(&self, vocabulary: &Vocabulary, end: usize) -> u64 {
        let length = end.saturating_sub(self.start);
        let (mut taken, mut dead) = (vec![0; words(length)], vec![0; words(length)]);
        let text = self.bytes.get(..end).unwrap_or_default();
        let memory = &mut Memory::new(&mut taken, &mut dead);
        let counted = greedy::count(vocabulary, text, self.start, self.before, memory);
        debug_assert!(counted.is_some(), "a certain border is in every encoding");
        self.tokens.saturating_add(counted.unwrap_or(length as u64))
    }

    /// Counts and drops what lies before a border that is certain. Should there be none, which no text has been seen
    /// to do, the buffer grows.
    fn drop_certain(&mut self, vocabulary: &Vocabulary) {
        self.mark = Mark::Counted(self.finish_at_mark(vocabulary));
        let length = self.bytes.len() - self.start;
        let (mut taken, mut dead) = (vec![0; words(length)], vec![0; words(length)]);
        let mut memory = Memory::new(&mut taken, &mut dead);
        greedy::count(vocabulary, &self.bytes, self.start, self.before, &mut memory);
        for back in BACK {
            let border = memory.taken.last_before(length.saturating_sub(back));
            let token = greedy::token_before(
                vocabulary,
                &self.bytes,
                self.start,
                self.start + border,
                &memory.taken,
                None,
            );
            if border == 0 || !self.is_certain(vocabulary, self.start + border, token) {
                continue;
            }
            self.tokens = self.tokens.saturating_add(memory.taken.count_to(border));
            let keep = self.start + border - token.map_or(0, |token| token.len);
            (self.start, self.before) = (self.start + border - keep, token);
            self.bytes.drain(..keep);
            return;
        }
        self.full = self.full.saturating_mul(2);
    }

    /// Whether every encoding of the bytes up to one of the last places has this border.
    fn is_certain(&self, vocabulary: &Vocabulary, border: usize, token: Option<Token>) -> bool {
        (self.bytes.len() - TOKEN_BYTES_MAX + 1..=self.bytes.len()).all(|end| {
            let (mut taken, mut dead) = ([0; words(REACH)], [0; words(REACH)]);
            let text = self.bytes.get(..end).unwrap_or_default();
            greedy::count(vocabulary, text, border, token, &mut Memory::new(&mut taken, &mut dead)).is_some()
        })
    }
}
