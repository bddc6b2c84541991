//! The short pieces seen lately, with their counts. Called by `piece` and `unseen`; knows nothing of tokens.
//!
//! In prose one short piece in sixteen is not found, two thirds of these because they were never there. The straightest way
//! to a hit counts: two pieces a slot were found more often and yet 25 % slower, with a branch or without, and moving
//! what is driven out to the neighbouring slot was 15 % slower.

use std::cell::Cell;

/// Pieces up to this length fit a slot.
pub(crate) const SHORT: usize = 15;

const SLOTS: usize = 27 * 1024;
/// Above the 15 bytes of the piece: 4 bits of count, the encoding, and a bit that no empty slot has.
const COUNT: u32 = 56;
const COUNT_BITS: u64 = 0xF;
const ENCODING: u32 = 60;
const USED: u32 = 61;
const TOP_BYTE: u64 = 0xFF << COUNT;

/// A short piece with its count: bytes 0 to 7, then the others below the top byte.
type Slot = [Cell<u64>; 2];

thread_local! {
    /// 432 KB, zero at start, so not in the file. In a VM without threads this is a plain static.
    static SEEN: [Slot; SLOTS] = const { [const { [const { Cell::new(0) }; 2] }; SLOTS] };
}

/// A short piece: its bytes, filled up with bytes that UTF-8 does not have, and the encoding.
#[derive(Clone, Copy, Default)]
pub(crate) struct Key {
    low: u64,
    high: u64,
}

impl Key {
    /// Of the first `len` bytes of `chunk`; `encoding` is 0 or 1.
    #[inline(always)]
    pub(crate) fn new(chunk: [u8; 16], len: usize, encoding: u8) -> Self {
        let both = u128::from_le_bytes(chunk);
        let [fill_low, fill_high] = FILLING.get(len).copied().unwrap_or_default();
        let high = (both >> 64) as u64 | fill_high;
        Self {
            low: both as u64 | fill_low,
            high: high & !TOP_BYTE | u64::from(encoding) << ENCODING | 1 << USED,
        }
    }

    /// The tokens of the piece, if it was seen lately.
    #[inline(always)]
    pub(crate) fn tokens(self) -> Option<u64> {
        SEEN.with(|slots| {
            let [low, high] = slots.get(self.slot())?;
            let kept = high.get();
            let same = low.get() == self.low && kept & !(COUNT_BITS << COUNT) == self.high;
            same.then_some(kept >> COUNT & COUNT_BITS)
        })
    }

    /// Remembers the tokens of the piece, at most 15.
    pub(crate) fn keep(self, tokens: u64) {
        SEEN.with(|slots| {
            let Some([low, high]) = slots.get(self.slot()) else { return };
            low.set(self.low);
            high.set(self.high | (tokens & COUNT_BITS) << COUNT);
        });
    }

    /// The bytes of the piece, filled up with 0xFF.
    #[inline(always)]
    pub(crate) const fn chunk(self) -> [u8; 16] {
        (((self.high | TOP_BYTE) as u128) << 64 | self.low as u128).to_le_bytes()
    }

    #[inline(always)]
    fn slot(self) -> usize {
        let mixed = self.low ^ self.high.wrapping_mul(0xD6E8_FEB8_6659_FD93).rotate_left(32);
        let hash = mixed.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 32;
        (hash.wrapping_mul(SLOTS as u64) >> 32) as usize
    }
}

/// By length: ones where the piece has no bytes. (A table, since shifting 128 bits is a call in wasm.)
#[expect(clippy::indexing_slicing, reason = "runs at compile time")]
static FILLING: [[u64; 2]; SHORT + 1] = {
    let mut filling = [[u64::MAX; 2]; SHORT + 1];
    let mut len = 1;
    while len <= SHORT {
        filling[len] =
            if len < 8 { [u64::MAX << (8 * len), u64::MAX] } else { [0, u64::MAX << (8 * (len - 8))] };
        len += 1;
    }
    filling
};
