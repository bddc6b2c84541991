//! The number of tokens in one piece: what the splitter found between two borders that no token crosses.
//! Called for every piece of every text, so this is where the time goes.
//!
//! Three ways, by length. A short piece is looked up among the pieces `seen` lately; if it is not there, it waits in
//! `unseen` for others. Else `greedy` counts it; and for a very long one `window` has it done part by part.

#![expect(clippy::arithmetic_side_effects, reason = "places in a text, far from overflow; tests would stop")]

use crate::Encoding;
use crate::block;
use crate::greedy::{self, Memory, words};
use crate::scripts::Script;
use crate::seen::{Key, SHORT};
use crate::unseen::Unseen;
use crate::vocabulary::Vocabulary;
use crate::window::Window;

/// Longer pieces are counted by `window`.
const LONG: usize = 512;

/// The number of tokens in `piece`, which lies at `at..end` of `text`.
#[inline]
pub(crate) fn count(vocabulary: &'static Vocabulary, text: &[u8], at: usize, end: usize) -> u64 {
    let piece = text.get(at..end).unwrap_or_default();
    match piece.len() {
        length @ ..=1 => length as u64,
        2..=SHORT => short(vocabulary, text.get(at..).unwrap_or_default(), piece),
        16..=LONG => encode(vocabulary, piece),
        _ => Window::count(vocabulary, piece),
    }
}

/// Counts pieces from `at` on for as long as they are plain (`block`) and the tally wants more; returns where it
/// stopped. Some pieces may be left in `unseen`.
#[inline(always)]
pub(crate) fn plain<T: Tally>(
    encoding: Encoding,
    vocabulary: &'static Vocabulary,
    text: &[u8],
    mut at: usize,
    unseen: &mut Unseen,
    tally: &mut T,
) -> usize {
    let mut tail;
    loop {
        let rest = text.get(at..).unwrap_or_default();
        let block = match rest.first_chunk::<{ block::BYTES }>() {
            Some(block) => block,
            None => {
                // Behind the text stands what no piece of ASCII goes on with.
                tail = [0xFF; block::BYTES];
                tail.iter_mut().zip(rest).for_each(|(to, from)| *to = *from);
                &tail
            }
        };
        if block.first().is_none_or(|byte| *byte >= 0x80) {
            return at;
        }
        let starts = block::starts(encoding, block);
        let (mut left, mut start) = (starts.places, 0_usize);
        while left != 0 {
            let end = left.trailing_zeros() as usize;
            left &= left - 1;
            let plain =
                Plain { letters: starts.letters >> start, digits: starts.digits >> start, len: end - start };
            match block.get(start..).and_then(<[u8]>::first_chunk) {
                Some(chunk) if end - start <= SHORT => {
                    let key = Key::new(*chunk, end - start, encoding.id());
                    match key.tokens() {
                        Some(tokens) => tally.add(plain.script(), tokens),
                        None => unseen.push(vocabulary, key, &plain, tally),
                    }
                }
                _ => tally.add(plain.script(), encode(vocabulary, block.get(start..end).unwrap_or_default())),
            }
            start = end;
        }
        if start == 0 || tally.is_full() {
            return at + start;
        }
        at += start;
    }
}

/// Where the tokens of plain pieces are added up.
pub(crate) trait Tally {
    fn add(&mut self, script: Script, tokens: u64);

    /// Whether more tokens make no difference.
    fn is_full(&self) -> bool {
        false
    }
}

/// A piece of ASCII: which of its bytes are letters and digits (with those of later pieces), and its length.
pub(crate) struct Plain {
    letters: u64,
    digits: u64,
    pub(crate) len: usize,
}

impl Plain {
    /// Its kind of text; what `Script::of_piece` would say.
    #[inline(always)]
    pub(crate) const fn script(&self) -> Script {
        if self.digits & 1 != 0 {
            Script::Numbers
        } else if self.letters & (if self.len > 1 { 3 } else { 1 }) != 0 {
            Script::Ascii
        } else {
            Script::Symbols
        }
    }
}

/// `rest` is the text from the piece on.
#[inline]
fn short(vocabulary: &'static Vocabulary, rest: &[u8], piece: &[u8]) -> u64 {
    let chunk = rest.first_chunk().copied().unwrap_or_else(|| {
        let mut chunk = [0; 16];
        chunk.iter_mut().zip(piece).for_each(|(to, from)| *to = *from);
        chunk
    });
    let key = Key::new(chunk, piece.len(), vocabulary.id);
    key.tokens().unwrap_or_else(|| {
        let tokens = encode(vocabulary, piece);
        key.keep(tokens);
        tokens
    })
}

/// A piece that fits on the stack together with what `greedy` remembers of it.
#[inline(never)]
pub(crate) fn encode(vocabulary: &Vocabulary, piece: &[u8]) -> u64 {
    let tokens = if piece.len() < 64 {
        greedy::count(vocabulary, piece, 0, None, &mut Memory::new(&mut [0], &mut [0]))
    } else {
        let (mut taken, mut dead) = ([0; words(LONG)], [0; words(LONG)]);
        greedy::count(vocabulary, piece, 0, None, &mut Memory::new(&mut taken, &mut dead))
    };
    tokens.unwrap_or(piece.len() as u64)
}
