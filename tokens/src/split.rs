//! Splits text into the pieces that no token crosses, as the pattern of the encoding does, without a regular
//! expression: every character is looked at a fixed number of times, whatever a stranger sends. Called by `count` and
//! `counter`; knows the patterns and nothing of tokens.
//!
//! The patterns (from OpenAI's tiktoken, `tiktoken_ext/openai_public.py`), alternatives tried in this order:
//!
//! ```text
//! cl100k_base  '(?i:[sdmt]|ll|ve|re)                        contraction
//!              [^\r\n\p{L}\p{N}]?+\p{L}++                   word
//!              \p{N}{1,3}+                                  number
//!               ?[^\s\p{L}\p{N}]++[\r\n]*+                  symbols
//!              \s++$ | \s*[\r\n] | \s+(?!\S) | \s           space
//!
//! o200k_base   [^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+(contraction)?
//!              [^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*(contraction)?
//!              \p{N}{1,3}                                   number
//!               ?[^\s\p{L}\p{N}]+[\r\n/]*                   symbols
//!              \s*[\r\n]+ | \s+(?!\S) | \s+                 space
//! ```

#![expect(clippy::arithmetic_side_effects, reason = "places in a slice, far from overflow; tests would stop")]

use crate::classes::{Any, Class, class_at};

/// A place in a text, and the pieces from there on.
pub(crate) struct Splitter<'t> {
    text: &'t [u8],
    /// Whether the end of the text had a part in the last piece: with more text the piece could be another.
    pub(crate) touched_end: bool,
}

pub(crate) const WORD: Any = Any::of(&[Class::UPPER, Class::LOWER, Class::LETTER]);
pub(crate) const WORD_OR_MARK: Any = Any::of(&[Class::UPPER, Class::LOWER, Class::LETTER, Class::MARK]);
/// What may stand in the first half of an o200k word, and in its second half.
pub(crate) const HEAD: Any = Any::of(&[Class::UPPER, Class::LETTER, Class::MARK]);
pub(crate) const TAIL: Any = Any::of(&[Class::LOWER, Class::LETTER, Class::MARK]);
/// What may stand in both.
pub(crate) const BOTH: Any = Any::of(&[Class::LETTER, Class::MARK]);
const NUMBER: Any = Any::of(&[Class::NUMBER]);
pub(crate) const SYMBOL: Any = Any::of(&[Class::OTHER, Class::MARK]);
pub(crate) const SPACE: Any = Any::of(&[Class::SPACE, Class::NEWLINE]);

impl<'t> Splitter<'t> {
    pub(crate) const fn new(text: &'t [u8]) -> Self {
        Self { text, touched_end: false }
    }

    /// The end of the cl100k piece that begins at `at`.
    #[inline]
    pub(crate) fn cl100k(&mut self, at: usize) -> usize {
        self.touched_end = false;
        let (class, len) = self.class(at);
        let second = at + len;
        if class.is(WORD) {
            return self.letters(second);
        }
        if class == Class::NUMBER {
            return self.digits(second);
        }
        if let Some(end) = self.contraction(at) {
            return end;
        }
        if class != Class::NEWLINE {
            let (next, len) = self.class(second);
            if next.is(WORD) {
                return self.letters(second + len);
            }
            if let Some(end) = self.symbols(at, class, second, next) {
                return self.newlines(end, b'\n');
            }
        }
        self.space(at, true)
    }

    /// The end of the o200k piece that begins at `at`.
    #[inline]
    pub(crate) fn o200k(&mut self, at: usize) -> usize {
        self.touched_end = false;
        let (class, len) = self.class(at);
        let second = at + len;
        if class == Class::NUMBER {
            return self.digits(second);
        }
        if class.is(WORD) {
            return self.word(at, at);
        }
        if class != Class::NEWLINE {
            let (next, _) = self.class(second);
            if next.is(WORD_OR_MARK) || class == Class::MARK {
                return self.word(at, second);
            }
            if let Some(end) = self.symbols(at, class, second, next) {
                return self.newlines(end, b'/');
            }
        }
        self.space(at, false)
    }

    #[inline]
    fn class(&mut self, at: usize) -> (Class, usize) {
        let found = class_at(self.text, at);
        if found.1 == 0 {
            self.touched_end = true;
        }
        found
    }

    fn byte(&mut self, at: usize) -> u8 {
        self.text.get(at).copied().unwrap_or_else(|| {
            self.touched_end = true;
            0
        })
    }

    /// The end of the characters of these classes from `at` on.
    #[inline]
    fn run(&mut self, mut at: usize, any: Any) -> usize {
        loop {
            let (class, len) = self.class(at);
            if !class.is(any) {
                return at;
            }
            at += len;
        }
    }

    #[inline]
    fn letters(&mut self, mut at: usize) -> usize {
        while let Some(chunk) = self.text.get(at..).and_then(<[u8]>::first_chunk) {
            let count = ascii_run(u64::from_le_bytes(*chunk) | LOWER_CASE);
            at += count;
            if count < 8 {
                if self.text.get(at).is_some_and(u8::is_ascii) {
                    return at;
                }
                break;
            }
        }
        self.run(at, WORD)
    }

    /// One to three digits; the first ends at `at`.
    fn digits(&mut self, mut at: usize) -> usize {
        for _ in 0..2 {
            let (class, len) = self.class(at);
            if !class.is(NUMBER) {
                break;
            }
            at += len;
        }
        at
    }

    /// `first` is where a word may begin with a character that is no letter, `start` where its letters do.
    ///
    /// The first half takes all it can. A second half follows with at least one character; failing that, the first
    /// half gives back until a character is freed that both halves may hold; failing that too, the first half
    /// is a word by itself.
    #[inline]
    fn word(&mut self, first: usize, start: usize) -> usize {
        let mut at = start;
        let mut both = None;
        let end = loop {
            let (class, len) = self.class(at);
            if !class.is(HEAD) {
                break if class == Class::LOWER {
                    self.lower(at)
                } else {
                    self.without_tail(first, at, both)
                };
            }
            at += len;
            if class.is(BOTH) {
                both = Some(at);
            }
        };
        self.contraction(end).unwrap_or(end)
    }

    /// The end of a word whose first half ends at `at`, with nothing behind for the second.
    fn without_tail(&mut self, first: usize, at: usize, both: Option<usize>) -> usize {
        match both {
            Some(end) => end,
            // A mark may begin a word as the character before the letters, which needs letters; or by itself.
            None if class_at(self.text, first).0 == Class::MARK => first + class_at(self.text, first).1,
            None => at,
        }
    }

    #[inline]
    fn lower(&mut self, mut at: usize) -> usize {
        while let Some(chunk) = self.text.get(at..).and_then(<[u8]>::first_chunk) {
            let count = ascii_run(u64::from_le_bytes(*chunk));
            at += count;
            if count < 8 {
                if self.text.get(at).is_some_and(u8::is_ascii) {
                    return at;
                }
                break;
            }
        }
        self.run(at, TAIL)
    }

    /// `'s`, `'t`, `'re`, `'ve`, `'m`, `'ll`, `'d` in any case; `ſ` is a case of `s`.
    #[inline]
    pub(crate) fn contraction(&mut self, at: usize) -> Option<usize> {
        if self.byte(at) != b'\'' {
            return None;
        }
        let second = self.byte(at + 1);
        let long = match second | 0x20 {
            b's' | b't' | b'm' | b'd' => return Some(at + 2),
            b'r' | b'v' => b'e',
            b'l' => b'l',
            _ => {
                return (self.text.get(at + 1..)?.starts_with("ſ".as_bytes())).then(|| at + 3);
            }
        };
        (self.byte(at + 2) | 0x20 == long).then(|| at + 3)
    }

    /// The end of the symbols, a blank before them allowed. `next` is the class of what comes second.
    #[inline]
    fn symbols(&mut self, at: usize, class: Class, second: usize, next: Class) -> Option<usize> {
        let blank = self.text.get(at) == Some(&b' ') && next.is(SYMBOL);
        (blank || class.is(SYMBOL)).then(|| self.run(second, SYMBOL))
    }

    /// The line ends behind symbols; o200k takes slashes with them.
    #[inline]
    fn newlines(&mut self, mut at: usize, also: u8) -> usize {
        loop {
            let byte = self.byte(at);
            if byte != b'\r' && byte != b'\n' && byte != also {
                return at;
            }
            at += 1;
        }
    }

    /// White space: up to the last line end; else all but the last character, which belongs to what follows; else that
    /// one. At the end of the text all of it (in cl100k even if there are line ends).
    fn space(&mut self, at: usize, all_at_end: bool) -> usize {
        let (mut end, mut last, mut line) = (at, at, None);
        let class = loop {
            let (class, len) = self.class(end);
            if !class.is(SPACE) {
                break class;
            }
            last = end;
            end += len;
            if class == Class::NEWLINE {
                line = Some(end);
            }
        };
        match line {
            _ if class == Class::END && all_at_end => end,
            Some(line) => line,
            None if class != Class::END && last > at => last,
            None => end,
        }
    }
}

/// A mask that turns ASCII capitals into small letters (and other bytes into bytes that are no letters, or
/// stay beyond ASCII).
const LOWER_CASE: u64 = 0x2020_2020_2020_2020;

/// How many of eight bytes, from the lowest on, are `a` to `z`.
#[inline]
const fn ascii_run(bytes: u64) -> usize {
    const HIGH: u64 = 0x8080_8080_8080_8080;
    const ONES: u64 = 0x0101_0101_0101_0101;
    let low = bytes & !HIGH;
    let from_a = low.wrapping_add(ONES * (0x80 - b'a' as u64));
    let beyond_z = low.wrapping_add(ONES * (0x80 - b'z' as u64 - 1));
    let letters = from_a & !beyond_z & !bytes & HIGH;
    ((!letters & HIGH).trailing_zeros() / 8) as usize
}
