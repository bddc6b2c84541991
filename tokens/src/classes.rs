//! The class of a character, as the splitting patterns of the encodings see it. Called by `split` and `long`.

#![expect(clippy::arithmetic_side_effects, reason = "places in a slice, far from overflow; tests would stop")]

/// What a character is to a splitting pattern; the end of the text has a class of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Class(u8);

impl Class {
    /// None of the others: punctuation, symbols, controls, unassigned.
    pub(crate) const OTHER: Self = Self(0);
    /// `\s` but for the two of `NEWLINE`.
    pub(crate) const SPACE: Self = Self(1);
    /// `[\r\n]`.
    pub(crate) const NEWLINE: Self = Self(2);
    /// `\p{N}`.
    pub(crate) const NUMBER: Self = Self(3);
    /// `[\p{Lu}\p{Lt}]`.
    pub(crate) const UPPER: Self = Self(4);
    /// `\p{Ll}`.
    pub(crate) const LOWER: Self = Self(5);
    /// `[\p{Lm}\p{Lo}]`: letters without case.
    pub(crate) const LETTER: Self = Self(6);
    /// `\p{M}`.
    pub(crate) const MARK: Self = Self(7);
    /// No character at all.
    pub(crate) const END: Self = Self(8);

    #[inline]
    pub(crate) const fn is(self, any: Any) -> bool {
        any.0 >> self.0 & 1 != 0
    }
}

/// A set of classes.
#[derive(Clone, Copy)]
pub(crate) struct Any(u16);

impl Any {
    pub(crate) const fn of(classes: &[Class]) -> Self {
        let mut set = 0;
        let mut rest = classes;
        while let [first, tail @ ..] = rest {
            set |= 1 << first.0;
            rest = tail;
        }
        Self(set)
    }
}

/// 128 characters a block: the number of each block, two bytes little-endian; then the blocks, half a byte a
/// character. 32 KB; `tools/tables.rs` makes it from the Unicode data that the oracle's patterns use.
static TABLE: &[u8] = include_bytes!("../tables/classes");
const BLOCKS: usize = 0x11_0000 / 128;
/// The table's first block; `Class::ascii` needs no look-up.
static ASCII: [Class; 128] = ascii_classes();

/// The class of the character that `text` has at `at`, and its length in bytes. `text` is UTF-8 and `at` a
/// border of characters.
#[inline]
pub(crate) fn class_at(text: &[u8], at: usize) -> (Class, usize) {
    match text.get(at) {
        None => (Class::END, 0),
        Some(&byte) => match ASCII.get(usize::from(byte)) {
            Some(&class) => (class, 1),
            None => class_beyond_ascii(text, at, byte),
        },
    }
}

fn class_beyond_ascii(text: &[u8], at: usize, first: u8) -> (Class, usize) {
    let len = match first {
        0xF0.. => 4,
        0xE0..0xF0 => 3,
        _ => 2,
    };
    (class_of(code_at(text, at) as usize), len)
}

/// The code point of the character that `text` has at `at`; 0 at its end.
#[inline]
pub(crate) fn code_at(text: &[u8], at: usize) -> u32 {
    let byte = |offset: usize| text.get(at + offset).map_or(0, |byte| u32::from(byte & 0x3F));
    let first = text.get(at).map_or(0, |byte| u32::from(*byte));
    match first {
        0xF0.. => (first & 0x07) << 18 | byte(1) << 12 | byte(2) << 6 | byte(3),
        0xE0..0xF0 => (first & 0x0F) << 12 | byte(1) << 6 | byte(2),
        0x80..0xE0 => (first & 0x1F) << 6 | byte(1),
        _ => first,
    }
}

#[expect(clippy::indexing_slicing, reason = "each index is compared with the length; `get` is not const")]
const fn class_of(code: usize) -> Class {
    let number = code / 128 * 2;
    if number + 1 >= TABLE.len() {
        return Class::OTHER;
    }
    let block = TABLE[number] as usize | (TABLE[number + 1] as usize) << 8;
    let at = BLOCKS * 2 + block * 64 + code % 128 / 2;
    if at < TABLE.len() { Class(TABLE[at] >> (code % 2 * 4) & 0xF) } else { Class::OTHER }
}

#[expect(clippy::indexing_slicing, reason = "runs at compile time")]
const fn ascii_classes() -> [Class; 128] {
    let mut classes = [Class::OTHER; 128];
    let mut code = 0;
    while code < 128 {
        classes[code] = class_of(code);
        code += 1;
    }
    classes
}
