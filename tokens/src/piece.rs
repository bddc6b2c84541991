//! The number of tokens in one piece: what the splitter found between two borders that no token crosses.
//! Called for every piece of every text, so this is where the time goes.
//!
//! Three ways, by length. A short piece is looked up among the pieces seen lately. Else the longest token that fits is
//! taken, and the next, going back whenever two neighbours are impossible (`pair`). Going back over a very long piece
//! would need memory for all of it: `window` counts those.

use std::cell::Cell;

use crate::pair;
use crate::vocabulary::{Token, Vocabulary};
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
        0 => 0,
        1 => 1,
        ..=SHORT => short(vocabulary, text.get(at..).unwrap_or_default(), piece),
        ..=LONG => encode(vocabulary, piece),
        _ => Window::count(vocabulary, piece),
    }
}

const INDEX_BITS: u32 = 14;
/// Above the 15 bytes of the piece: 4 bits of count, the encoding, and a bit that no empty slot has.
const COUNT: u32 = 120;
const ENCODING: u32 = 124;
const USED: u32 = 125;

thread_local! {
    /// Short pieces seen lately with their counts: 256 KB, zero at start, so not in the file.
    static SEEN: [Cell<u128>; 1 << INDEX_BITS] = const { [const { Cell::new(0) }; 1 << INDEX_BITS] };
}

/// `rest` is the text from the piece on.
#[inline]
fn short(vocabulary: &'static Vocabulary, rest: &[u8], piece: &[u8]) -> u64 {
    let key = key(rest, piece) | u128::from(vocabulary.id) << ENCODING | 1 << USED;
    let slot = slot(key);
    let kept = SEEN.with(|slots| slots.get(slot).map_or(0, Cell::get));
    if kept & !(0xF << COUNT) == key {
        return (kept >> COUNT) as u64 & 0xF;
    }
    let tokens = encode(vocabulary, piece);
    SEEN.with(|slots| slots.get(slot).map(|slot| slot.set(key | u128::from(tokens) << COUNT)));
    tokens
}

/// The bytes of a piece, filled up with bytes that UTF-8 does not have.
#[inline]
fn key(rest: &[u8], piece: &[u8]) -> u128 {
    let filling = (u128::MAX >> 8) << (8 * (piece.len() as u32 & 15));
    let bytes = match rest.first_chunk() {
        Some(chunk) => u128::from_le_bytes(*chunk),
        None => {
            let mut chunk = [0; 16];
            chunk.iter_mut().zip(piece).for_each(|(to, from)| *to = *from);
            u128::from_le_bytes(chunk)
        }
    };
    (bytes | filling) & (u128::MAX >> 8)
}

#[inline]
fn slot(key: u128) -> usize {
    let (low, high) = (key as u64, (key >> 64) as u64);
    let mixed = (low ^ high.rotate_left(29)).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    let mixed = (mixed ^ mixed >> 32).wrapping_mul(0xD6E8_FEB8_6659_FD93);
    (mixed >> (64 - INDEX_BITS)) as usize
}

/// Takes the longest token each time, and goes back where that leads nowhere. A place from which nothing leads on is
/// never entered again, so the work grows with the length and no faster.
#[inline(never)]
pub(crate) fn encode(vocabulary: &Vocabulary, piece: &[u8]) -> u64 {
    let Some(mut next) = vocabulary.longest(piece) else { return 0 };
    if next.len == piece.len() {
        return 1;
    }
    let (mut taken, mut dead) = (Places::default(), Places::default());
    let (mut at, mut tokens, mut last) = (0_usize, 0_u64, None::<Token>);
    loop {
        let end = at.wrapping_add(next.len);
        let fits = |last| pair::possible(vocabulary, piece, at, last, next);
        if !dead.contains(end) && last.is_none_or(fits) {
            tokens = tokens.wrapping_add(1);
            let Some(after) = vocabulary.longest(piece.get(end..).unwrap_or_default()) else { return tokens };
            taken.insert(end);
            (at, last, next) = (end, Some(next), after);
        } else if let Some(shorter) =
            vocabulary.longest(piece.get(at..end.wrapping_sub(1)).unwrap_or_default())
        {
            next = shorter;
        } else {
            // No token leads on from here: take back the one that led here, and try a shorter one in its place.
            let Some(back) = last else { return piece.len() as u64 };
            dead.insert(at);
            taken.remove(at);
            at = at.wrapping_sub(back.len);
            tokens = tokens.wrapping_sub(1);
            last = piece.get(taken.last_before(at)..at).and_then(|bytes| vocabulary.exact(bytes));
            next = back;
        }
    }
}

/// A set of places in a piece of at most `LONG` bytes.
#[derive(Default)]
struct Places([u64; LONG / 64 + 1]);

impl Places {
    #[inline]
    fn contains(&self, place: usize) -> bool {
        self.0.get(place / 64).is_some_and(|word| word >> (place % 64) & 1 != 0)
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
    fn last_before(&self, place: usize) -> usize {
        (0..place).rev().find(|&place| self.contains(place)).unwrap_or(0)
    }
}
