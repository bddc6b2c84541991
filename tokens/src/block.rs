//! The pieces of 64 bytes at once, where they are plain ASCII. Called by `encoding` and `counter` before `split` looks at
//! single characters; must give what `split` gives, and is silent about whatever is not plain.
//!
//! A bit mask for each class of characters says where it stands; a few shifts turn these into the mask of the places
//! where pieces begin. There is no branch in it, and so none that the processor guesses wrong: the pieces of prose are
//! unpredictable, and going from piece to piece costs a wrong guess for about every second one. On JSON, where nearly all
//! pieces are in the cache, this made counting 1.9 times as fast in V8, on English 1.5
//! and on code 1.1 (cl100k) to 1.6 times.
//!
//! In wasm the masks are made by operations on 16 bytes where those are switched on (1.3 times as fast on code and JSON),
//! else by arithmetic on 8 bytes in a word. Both give the same masks.

#![expect(clippy::arithmetic_side_effects, reason = "shifts below 64; tests would stop")]

use crate::Encoding;

/// What is looked at: 64 places where a piece may begin, and the rest of a short piece that begins at the last.
pub(crate) const BYTES: usize = PLACES + 16;
const PLACES: usize = 64;

/// Where pieces begin in a block.
pub(crate) struct Starts {
    /// A bit for each place; the block itself begins a piece.
    pub(crate) places: u64,
    /// Letters and digits, to tell kinds of pieces apart.
    pub(crate) letters: u64,
    pub(crate) digits: u64,
}

/// Where pieces begin in a block that begins with one, as far as that is certain, the first one not among them.
#[inline]
pub(crate) fn starts(encoding: Encoding, block: &[u8; BYTES]) -> Starts {
    let [a, b, c, d, _] = block.as_chunks::<16>().0 else {
        return Starts { places: 0, letters: 0, digits: 0 };
    };
    let masks = Masks::new([a, b, c, d]);
    let Masks { upper, lower, digit, white, blank, newline, high, quote, slash } = masks;
    let letter = upper | lower;
    let space = (white | blank) & !newline;
    let symbol = !(letter | digit | white | blank | high);
    // What is left to `split`: characters beyond ASCII, white space before a line end, apostrophes.
    let mut odd = high | space & newline >> 1;
    // White space behind a line end belongs to it if another line end follows: adding its first bit carries to its end.
    let (behind, unknown) = space.overflowing_add(space & newline << 1);
    if unknown || behind & !space & (newline | high) != 0 {
        odd |= newline;
    }
    if quote != 0 {
        odd |= contractions(block, quote);
    }
    let symbols = symbol & !(symbol << 1) & !(blank << 1);
    let mut words = letter & !(letter << 1) & !((space | symbols) << 1);
    if matches!(encoding, Encoding::O200k) {
        words |= upper & lower << 1;
        odd |= slash & newline << 1;
    }
    let lines = newline & !(newline << 1) & !(symbol << 1);
    // White space leaves its last character to what follows.
    let spaces = space & !(space << 1 & space >> 1);
    let starts = words | numbers(digit) | symbols | lines | spaces;
    // The two characters behind a border have a part in it.
    let certain = (1_u64 << (odd.trailing_zeros().max(1) - 1)) - 1;
    Starts { places: starts & certain & !1, letters: letter, digits: digit }
}

/// Every third of a row of digits begins a piece.
#[inline]
fn numbers(digit: u64) -> u64 {
    let fourth = digit & digit << 1 & digit << 2 & digit << 3;
    let mut starts = digit & !(digit << 1);
    let mut more = starts << 3 & fourth;
    while more != 0 {
        starts |= more;
        more = more << 3 & fourth;
    }
    starts
}

/// Those apostrophes behind which a contraction may stand.
#[cold]
fn contractions(block: &[u8; BYTES], mut quote: u64) -> u64 {
    let mut found = 0;
    while quote != 0 {
        let at = quote.trailing_zeros();
        let next = block.get(at as usize + 1).map_or(0, |byte| byte | 0x20);
        found |= u64::from(matches!(next, b's' | b'd' | b'm' | b't' | b'l' | b'v' | b'r' | 0x80..)) << at;
        quote &= quote - 1;
    }
    found
}

/// A bit for each of 64 bytes.
struct Masks {
    upper: u64,
    lower: u64,
    digit: u64,
    /// `\t` to `\r`.
    white: u64,
    blank: u64,
    newline: u64,
    /// Beyond ASCII.
    high: u64,
    quote: u64,
    slash: u64,
}

impl Masks {
    #[inline(always)]
    fn new(chunks: [&[u8; 16]; 4]) -> Self {
        let bytes = chunks.map(Sixteen::new);
        let mask = |test: &dyn Fn(Sixteen) -> u64| {
            let [a, b, c, d] = bytes;
            test(a) | test(b) << 16 | test(c) << 32 | test(d) << 48
        };
        Self {
            upper: mask(&|bytes| bytes.between(b'A', b'Z')),
            lower: mask(&|bytes| bytes.between(b'a', b'z')),
            digit: mask(&|bytes| bytes.between(b'0', b'9')),
            white: mask(&|bytes| bytes.between(b'\t', b'\r')),
            blank: mask(&|bytes| bytes.equal(b' ')),
            newline: mask(&|bytes| bytes.equal(b'\n') | bytes.equal(b'\r')),
            high: mask(&Sixteen::high),
            quote: mask(&|bytes| bytes.equal(b'\'')),
            slash: mask(&|bytes| bytes.equal(b'/')),
        }
    }
}

#[derive(Clone, Copy)]
#[cfg(all(target_arch = "wasm32", target_feature = "simd128"))]
struct Sixteen(core::arch::wasm32::v128);

#[cfg(all(target_arch = "wasm32", target_feature = "simd128"))]
use core::arch::wasm32::{i8x16_bitmask, u8x16_eq, u8x16_le, u8x16_splat, u8x16_sub, u64x2};

#[cfg(all(target_arch = "wasm32", target_feature = "simd128"))]
impl Sixteen {
    #[inline(always)]
    fn new(bytes: &[u8; 16]) -> Self {
        let both = u128::from_le_bytes(*bytes);
        Self(u64x2(both as u64, (both >> 64) as u64))
    }

    #[inline(always)]
    fn between(self, first: u8, last: u8) -> u64 {
        let from_first = u8x16_sub(self.0, u8x16_splat(first));
        u64::from(i8x16_bitmask(u8x16_le(from_first, u8x16_splat(last - first))))
    }

    #[inline(always)]
    fn equal(self, byte: u8) -> u64 {
        u64::from(i8x16_bitmask(u8x16_eq(self.0, u8x16_splat(byte))))
    }

    #[inline(always)]
    fn high(self) -> u64 {
        u64::from(i8x16_bitmask(self.0))
    }
}

/// Sixteen bytes as two words whose bytes are worked on side by side.
#[derive(Clone, Copy)]
#[cfg(not(all(target_arch = "wasm32", target_feature = "simd128")))]
struct Sixteen([u64; 2]);

#[cfg(not(all(target_arch = "wasm32", target_feature = "simd128")))]
impl Sixteen {
    #[inline(always)]
    fn new(bytes: &[u8; 16]) -> Self {
        let both = u128::from_le_bytes(*bytes);
        Self([both as u64, (both >> 64) as u64])
    }

    #[inline(always)]
    fn between(self, first: u8, last: u8) -> u64 {
        self.gather(|word| {
            let low = word & !HIGH;
            let from_first = low + ONES * u64::from(0x80 - first);
            let beyond_last = low + ONES * u64::from(0x7F - last);
            from_first & !beyond_last & !word
        })
    }

    #[inline(always)]
    fn equal(self, byte: u8) -> u64 {
        self.between(byte, byte)
    }

    #[inline(always)]
    fn high(self) -> u64 {
        self.gather(|word| word)
    }

    /// The highest bits of the bytes, side by side.
    #[inline(always)]
    fn gather(self, test: impl Fn(u64) -> u64) -> u64 {
        let [low, high] = self.0.map(|word| (test(word) & HIGH).wrapping_mul(0x0002_0408_1020_4081) >> 56);
        low | high << 8
    }
}

#[cfg(not(all(target_arch = "wasm32", target_feature = "simd128")))]
const HIGH: u64 = 0x8080_8080_8080_8080;
#[cfg(not(all(target_arch = "wasm32", target_feature = "simd128")))]
const ONES: u64 = 0x0101_0101_0101_0101;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::split::Splitter;

    /// The last five are not ASCII.
    const PARTS: &[&str] = &[
        "a", "B", "word", "Name", "s", "ll", "re", "'", "1", "23", "4567890", " ", "  ", "      ", "\t",
        "\n", "\r\n", "/", "//", ".", "()", "_", "\u{1f}", "\u{b}", "\0", "\u{7f}", "é", "\u{a0}",
        "\u{3000}", "中", "\u{301}",
    ];

    #[test]
    fn pieces_are_those_of_the_splitter() {
        let (mut seed, mut found) = (5_u64, 0);
        for round in 0..100_000 {
            let mut text = String::new();
            let parts = if round % 2 == 0 { PARTS.len() } else { PARTS.len() - 5 };
            while text.len() < BYTES {
                seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                text.push_str(PARTS[(seed >> 33) as usize % parts]);
            }
            for encoding in [Encoding::Cl100k, Encoding::O200k] {
                let mut places = starts(encoding, text.as_bytes().first_chunk().unwrap()).places;
                let (mut splitter, mut at) = (Splitter::new(text.as_bytes()), 0);
                while places != 0 {
                    at = encoding.split(&mut splitter, at);
                    assert_eq!(at, places.trailing_zeros() as usize, "{encoding:?} {text:?}");
                    places &= places - 1;
                    found += 1;
                }
            }
        }
        assert!(found > 500_000, "only {found} pieces");
    }
}
