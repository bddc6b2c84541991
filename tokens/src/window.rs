//! The number of tokens in a very long piece, in memory that does not grow with it. Called by `piece` for pieces of
//! more than a few hundred bytes and by `long` for those that arrive in parts.
//!
//! Every beginning of a piece has an encoding, and its last token depends only on the 128 bytes before its end:
//! it is the one token that may follow the encoding of what comes before it (`pair`). So the last token and the count of
//! each place are worked out from left to right, each place looking as far ahead as a token can reach. A ring of the last
//! 256 places is all that is kept.

use crate::pair;
use crate::vocabulary::{TOKEN_BYTES_MAX, Token, Vocabulary};

/// A piece that is being counted.
#[derive(Debug)]
pub(crate) struct Window {
    /// The bytes from at most 128 before `at` on.
    bytes: Vec<u8>,
    /// The place, in `bytes`, whose tokens are next looked at.
    at: usize,
    /// The same place, from the beginning of the piece.
    place: u64,
    /// By the last eight bits of the place.
    ends: Vec<End>,
    /// A place whose count is wanted, and that count once the place is reached.
    mark: (u64, u64),
}

/// The encoding of the piece up to some place.
#[derive(Clone, Copy, Debug, Default)]
struct End {
    tokens: u64,
    /// Its last token; of length 0 while it is not known.
    last: Token,
}

/// Bytes are moved down when so many of them lie behind.
const BEHIND_MAX: usize = 1024;

impl Window {
    pub(crate) fn new() -> Self {
        Self { bytes: Vec::new(), at: 0, place: 0, ends: vec![End::default(); 256], mark: (0, 0) }
    }

    /// The number of tokens in a piece that is there as a whole.
    #[inline(never)]
    pub(crate) fn count(vocabulary: &'static Vocabulary, piece: &[u8]) -> u64 {
        let mut window = Self::new();
        for part in piece.chunks(BEHIND_MAX) {
            window.push(vocabulary, part);
        }
        window.finish(vocabulary)
    }

    /// How many bytes were pushed.
    pub(crate) fn len(&self) -> u64 {
        self.place.wrapping_add(self.bytes.len().wrapping_sub(self.at) as u64)
    }

    pub(crate) fn push(&mut self, vocabulary: &Vocabulary, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
        while self.bytes.len().wrapping_sub(self.at) >= TOKEN_BYTES_MAX {
            self.step(vocabulary);
        }
    }

    /// Remembers this place: [`finish_at_mark`](Self::finish_at_mark) counts the tokens up to here.
    pub(crate) fn mark(&mut self) {
        self.mark = (self.len(), 0);
    }

    /// The number of tokens up to the last mark, as if the piece ended there.
    pub(crate) fn finish_at_mark(mut self, vocabulary: &Vocabulary) -> u64 {
        while self.place <= self.mark.0 && self.at <= self.bytes.len() {
            self.step(vocabulary);
        }
        self.mark.1
    }

    /// The number of tokens in all.
    pub(crate) fn finish(mut self, vocabulary: &Vocabulary) -> u64 {
        self.mark();
        self.finish_at_mark(vocabulary)
    }

    /// Looks at the tokens that begin at `at`, and enters each as the last one before its end, if it is.
    fn step(&mut self, vocabulary: &Vocabulary) {
        let here = self.end(self.place);
        self.ends[usize::from(self.place as u8)] = End::default();
        if self.place == self.mark.0 {
            self.mark.1 = here.tokens;
        }
        let begins = self.place == 0;
        if !begins && here.last.len == 0 {
            debug_assert!(false, "every beginning of a piece has an encoding");
            return self.advance();
        }
        let mut node = Vocabulary::ROOT;
        let ahead = self.bytes.get(self.at..).unwrap_or_default();
        for (offset, &byte) in ahead.iter().enumerate() {
            let Some(child) = vocabulary.child(node, byte) else { break };
            node = child;
            let len = offset.wrapping_add(1);
            let end = usize::from(self.place.wrapping_add(len as u64) as u8);
            if self.ends[end].last.len != 0 {
                continue;
            }
            let Some(rank) = vocabulary.rank(node) else { continue };
            let token = Token { rank, len, node };
            if begins || pair::possible(vocabulary, &self.bytes, self.at, here.last, token) {
                self.ends[end] = End { tokens: here.tokens.wrapping_add(1), last: token };
            }
        }
        self.advance();
    }

    fn advance(&mut self) {
        self.at = self.at.wrapping_add(1);
        self.place = self.place.wrapping_add(1);
        if self.at > BEHIND_MAX {
            self.bytes.drain(..self.at.wrapping_sub(TOKEN_BYTES_MAX));
            self.at = TOKEN_BYTES_MAX;
        }
    }

    fn end(&self, place: u64) -> End {
        self.ends[usize::from(place as u8)]
    }
}
