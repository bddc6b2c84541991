//! The number of tokens in one piece: what the splitter found between two borders that no token crosses.
//! Called for every piece of every text, so this is where the time goes.
//!
//! Three ways, by length. A short piece is looked up among the pieces seen lately. Else `greedy` counts it; and for a
//! very long one `window` has it done part by part.
//!
//! In prose one short piece in twenty is not found, and it costs as much as the other nineteen together. So the number of
//! slots counts (16 Ki to 27 Ki: + 5 % on English; to 32 Ki: + 15 %, but more than 4 MB in all), and so does the
//! straightest way to a hit: two pieces a slot were found more often and yet 25 % slower, with a branch or without,
//! and moving what is driven out to the neighbouring slot was 15 % slower.

#![expect(clippy::arithmetic_side_effects, reason = "places in a text, far from overflow; tests would stop")]

use std::cell::Cell;

use crate::Encoding;
use crate::block;
use crate::greedy::{self, Memory, words};
use crate::scripts::Script;
use crate::vocabulary::Vocabulary;
use crate::window::Window;

/// Pieces up to this length fit a slot of the cache.
const SHORT: usize = 15;
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

/// Counts pieces from `at` on for as long as they are plain (`block`) and `each` wants more; returns where it stopped.
#[inline(always)]
pub(crate) fn plain(
    encoding: Encoding,
    text: &[u8],
    mut at: usize,
    mut each: impl FnMut(Plain, u64) -> bool,
) -> usize {
    let vocabulary = encoding.vocabulary();
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
            let tokens = match block.get(start..).and_then(<[u8]>::first_chunk) {
                Some(chunk) if end - start <= SHORT => seen(vocabulary, *chunk, end - start),
                _ => encode(vocabulary, block.get(start..end).unwrap_or_default()),
            };
            let plain =
                Plain { letters: starts.letters >> start, digits: starts.digits >> start, len: end - start };
            start = end;
            if !each(plain, tokens) {
                return at + start;
            }
        }
        if start == 0 {
            return at;
        }
        at += start;
    }
}

/// A piece of ASCII: which of its bytes are letters and digits (with those of later pieces), and its length.
pub(crate) struct Plain {
    letters: u64,
    digits: u64,
    len: usize,
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

const SLOTS: usize = 27 * 1024;
/// Above the 15 bytes of the piece: 4 bits of count, the encoding, and a bit that no empty slot has.
const COUNT: u32 = 56;
const ENCODING: u32 = 60;
const USED: u32 = 61;
const TOP_BYTE: u64 = 0xFF << COUNT;

/// A short piece with its count: bytes 0 to 7, then the others below the top byte.
type Slot = [Cell<u64>; 2];

thread_local! {
    /// Short pieces seen lately: 432 KB, zero at start, so not in the file. In a VM without threads this is a
    /// plain static.
    static SEEN: [Slot; SLOTS] = const { [const { [const { Cell::new(0) }; 2] }; SLOTS] };
}

/// `rest` is the text from the piece on.
#[inline]
fn short(vocabulary: &'static Vocabulary, rest: &[u8], piece: &[u8]) -> u64 {
    let chunk = rest.first_chunk().copied().unwrap_or_else(|| {
        let mut chunk = [0; 16];
        chunk.iter_mut().zip(piece).for_each(|(to, from)| *to = *from);
        chunk
    });
    seen(vocabulary, chunk, piece.len())
}

/// The tokens of the first bytes of `chunk`.
#[inline(always)]
fn seen(vocabulary: &'static Vocabulary, chunk: [u8; 16], len: usize) -> u64 {
    let [low, high] = key(chunk, len, vocabulary.id);
    SEEN.with(|slots| {
        let Some(slot) = slots.get(index(low, high)) else { return 0 };
        let [kept_low, kept_high] = slot;
        let kept = kept_high.get();
        if kept_low.get() == low && kept & !(0xF << COUNT) == high {
            return (kept >> COUNT) & 0xF;
        }
        unseen(vocabulary, chunk, len, slot)
    })
}

#[inline(never)]
fn unseen(vocabulary: &'static Vocabulary, chunk: [u8; 16], len: usize, slot: &Slot) -> u64 {
    let [low, high] = key(chunk, len, vocabulary.id);
    let tokens = encode(vocabulary, chunk.get(..len).unwrap_or_default());
    let [kept_low, kept_high] = slot;
    kept_low.set(low);
    kept_high.set(high | tokens << COUNT);
    tokens
}

/// The first bytes of `chunk`, filled up with bytes that UTF-8 does not have, and the encoding.
#[inline(always)]
fn key(chunk: [u8; 16], len: usize, encoding: u8) -> [u64; 2] {
    let [low, high] = halves(chunk);
    let [fill_low, fill_high] = FILLING.get(len).copied().unwrap_or_default();
    [low | fill_low, (high | fill_high) & !TOP_BYTE | u64::from(encoding) << ENCODING | 1 << USED]
}

#[inline]
fn halves(chunk: [u8; 16]) -> [u64; 2] {
    let both = u128::from_le_bytes(chunk);
    [both as u64, (both >> 64) as u64]
}

/// By length: ones where the piece has no bytes. (A table, since shifting 128 bits is a call in wasm.)
#[expect(clippy::indexing_slicing, reason = "runs at compile time")]
static FILLING: [[u64; 2]; 16] = {
    let mut filling = [[u64::MAX; 2]; 16];
    let mut len = 1;
    while len < 16 {
        filling[len] =
            if len < 8 { [u64::MAX << (8 * len), u64::MAX] } else { [0, u64::MAX << (8 * (len - 8))] };
        len += 1;
    }
    filling
};

#[inline]
fn index(low: u64, high: u64) -> usize {
    let mixed = low ^ high.wrapping_mul(0xD6E8_FEB8_6659_FD93).rotate_left(32);
    let hash = mixed.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 32;
    (hash.wrapping_mul(SLOTS as u64) >> 32) as usize
}

/// A piece that fits on the stack together with what `greedy` remembers of it.
#[inline(never)]
fn encode(vocabulary: &Vocabulary, piece: &[u8]) -> u64 {
    let tokens = if piece.len() < 64 {
        greedy::count(vocabulary, piece, 0, None, &mut Memory::new(&mut [0], &mut [0]))
    } else {
        let (mut taken, mut dead) = ([0; words(LONG)], [0; words(LONG)]);
        greedy::count(vocabulary, piece, 0, None, &mut Memory::new(&mut taken, &mut dead))
    };
    tokens.unwrap_or(piece.len() as u64)
}
