//! Short pieces that were not seen lately, gathered to be looked for together. Called by `piece`, `encoding` and `counter`.
//!
//! Most of them are one token, and what finding it costs is waiting: each step down the trie needs what the step before
//! has read, and a word not seen lately lies where the processor's caches do not reach. So the steps for four
//! pieces are taken side by side, and wait together: + 10 to 15 % on English and code in V8 on a busy machine; eight
//! were no better.

use crate::piece::{self, Plain, Tally};
use crate::scripts::Script;
use crate::seen::Key;
use crate::vocabulary::Vocabulary;

/// So many are looked for together.
const TOGETHER: usize = 4;

/// The pieces that wait.
pub(crate) struct Unseen {
    chunks: [[u8; 16]; TOGETHER],
    pieces: [Piece; TOGETHER],
    waiting: usize,
}

#[derive(Clone, Copy)]
struct Piece {
    key: Key,
    len: usize,
    script: Script,
}

impl Unseen {
    pub(crate) fn new() -> Self {
        let none = Piece { key: Key::default(), len: 0, script: Script::Symbols };
        Self { chunks: [[0xFF; 16]; TOGETHER], pieces: [none; TOGETHER], waiting: 0 }
    }

    /// Takes a piece; as soon as there are enough of them, they are counted.
    #[inline(always)]
    pub(crate) fn push(
        &mut self,
        vocabulary: &'static Vocabulary,
        key: Key,
        plain: &Plain,
        tally: &mut impl Tally,
    ) {
        if let (Some(chunk), Some(piece)) =
            (self.chunks.get_mut(self.waiting), self.pieces.get_mut(self.waiting))
        {
            (*chunk, *piece) = (key.chunk(), Piece { key, len: plain.len, script: plain.script() });
        }
        self.waiting = self.waiting.saturating_add(1);
        if self.waiting >= TOGETHER {
            self.count(vocabulary, tally);
        }
    }

    /// Counts the pieces that wait.
    #[inline(never)]
    pub(crate) fn count(&mut self, vocabulary: &'static Vocabulary, tally: &mut impl Tally) {
        if self.waiting == 0 {
            return;
        }
        let tokens = vocabulary.longest_each(&self.chunks);
        for ((token, piece), chunk) in tokens.iter().zip(&self.pieces).zip(&self.chunks).take(self.waiting) {
            let tokens = if token.len == piece.len {
                1
            } else {
                piece::encode(vocabulary, chunk.get(..piece.len).unwrap_or_default())
            };
            piece.key.keep(tokens);
            tally.add(piece.script, tokens);
        }
        self.waiting = 0;
    }
}
