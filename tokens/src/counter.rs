//! The feeder: counts text that arrives in parts, in bounded memory. Called from outside; must give the count that
//! `Encoding::count` gives for the whole.
//!
//! Text is gathered in a buffer. Pieces whose end is certain, whatever follows, are counted and leave it; a piece that
//! fills half the buffer and is not over goes on in `long`.

use crate::Encoding;
use crate::long::{Fed, Long};
use crate::piece::{self, Tally};
use crate::scripts::{Script, Scripts};
use crate::split::Splitter;
use crate::unseen::Unseen;
use crate::vocabulary::Vocabulary;

/// Counts text that arrives in parts, cut anywhere, also inside a character.
///
/// ```
/// use tokenstile_tokens::{Counter, Encoding};
///
/// let mut counter = Counter::new(Encoding::O200k);
/// let text = "Größe".as_bytes();
/// counter.push(&text[..3]); // in the middle of "ö"
/// counter.push(&text[3..]);
/// assert_eq!(counter.finish(), Encoding::O200k.count("Größe"));
/// ```
///
/// Bytes that are no UTF-8 count as `String::from_utf8_lossy` would replace them: each longest beginning of a
/// character that breaks off is one U+FFFD.
#[derive(Debug, Clone)]
pub struct Counter {
    encoding: Encoding,
    /// The tokens of the pieces that have left.
    tokens: u64,
    /// Whole characters of pieces not yet counted.
    buffer: Vec<u8>,
    /// The beginning of a character.
    begun: Vec<u8>,
    /// A piece that outgrew the buffer; the buffer goes on behind it.
    long: Option<Box<Long>>,
    /// For an estimate: the same tokens by kind of text.
    scripts: Option<Scripts>,
    /// The bytes that the buffer gathers before it is looked at.
    block: usize,
}

/// Large enough for the work to be a small part of counting, small enough to keep one for each request.
const BLOCK: usize = 4096;

impl Counter {
    /// An empty counter.
    #[must_use]
    pub const fn new(encoding: Encoding) -> Self {
        Self::with_block(encoding, BLOCK)
    }

    const fn with_block(encoding: Encoding, block: usize) -> Self {
        Self { encoding, tokens: 0, buffer: Vec::new(), begun: Vec::new(), long: None, scripts: None, block }
    }

    /// A counter that keeps what an estimate needs.
    pub(crate) const fn with_scripts() -> Self {
        let mut counter = Self::new(Encoding::O200k);
        counter.scripts = Some(Scripts([0; 6]));
        counter
    }

    /// The encoding that this counter was made for.
    #[must_use]
    pub const fn encoding(&self) -> Encoding {
        self.encoding
    }

    /// Takes the next bytes.
    pub fn push(&mut self, mut bytes: &[u8]) {
        while let (false, Some((&first, rest))) = (self.begun.is_empty(), bytes.split_first()) {
            if self.complete(first) {
                bytes = rest;
            }
        }
        while !bytes.is_empty() {
            let error = match str::from_utf8(bytes) {
                Ok(text) => return self.text(text.as_bytes()),
                Err(error) => error,
            };
            let (text, rest) = bytes.split_at_checked(error.valid_up_to()).unwrap_or((bytes, &[]));
            self.text(text);
            let Some(len) = error.error_len() else { return self.begun.extend_from_slice(rest) };
            self.text(REPLACEMENT);
            bytes = rest.get(len..).unwrap_or_default();
        }
    }

    /// Tokens that are certain so far: never more than [`finish`](Self::finish) will return.
    #[must_use]
    pub const fn at_least(&self) -> u64 {
        self.tokens
    }

    /// The count of everything that was pushed.
    #[must_use]
    pub fn finish(mut self) -> u64 {
        self.end();
        self.tokens
    }

    /// [`finish`](Self::finish), by kind of text.
    pub(crate) fn finish_scripts(mut self) -> Scripts {
        self.end();
        self.scripts.unwrap_or_default()
    }

    fn end(&mut self) {
        if !self.begun.is_empty() {
            self.text(REPLACEMENT);
        }
        self.look(true);
    }

    /// Adds a byte to the character that has begun, and says whether it belongs there.
    fn complete(&mut self, byte: u8) -> bool {
        self.begun.push(byte);
        let invalid = match str::from_utf8(&self.begun) {
            Ok(_) => {
                let character = std::mem::take(&mut self.begun);
                self.text(&character);
                false
            }
            Err(error) => error.error_len().is_some(),
        };
        if invalid {
            self.begun.clear();
            self.text(REPLACEMENT);
        }
        !invalid
    }

    /// Takes whole characters.
    fn text(&mut self, mut text: &[u8]) {
        while self.buffer.len().saturating_add(text.len()) >= self.block {
            let part = border_before(text, self.block.saturating_sub(self.buffer.len()));
            let (now, later) = text.split_at_checked(part).unwrap_or((text, &[]));
            self.buffer.extend_from_slice(now);
            self.look(false);
            text = later;
        }
        self.buffer.extend_from_slice(text);
    }

    /// Counts what is certain. `last`: no text follows.
    fn look(&mut self, last: bool) {
        let mut buffer = std::mem::take(&mut self.buffer);
        let mut at = 0;
        loop {
            let rest = buffer.get(at..).unwrap_or_default();
            if let Some(mut long) = self.long.take() {
                match long.feed(rest, last) {
                    Fed::Open(used) => {
                        self.long = Some(long);
                        at = at.saturating_add(used);
                        break;
                    }
                    Fed::Ended(used) => {
                        self.add(long.script, long.finish());
                        at = at.saturating_add(used);
                    }
                }
            }
            at = self.pieces(&buffer, at, last);
            let rest = buffer.get(at..).unwrap_or_default();
            if rest.len() <= self.block / 2 {
                break;
            }
            let (long, used) = Long::new(self.encoding, rest);
            self.long = Some(Box::new(long));
            at = at.saturating_add(used);
        }
        buffer.drain(..at.min(buffer.len()));
        self.buffer = buffer;
    }

    /// Counts pieces from `at` on up to one that is not certain, and returns where that one begins.
    fn pieces(&mut self, text: &[u8], mut at: usize, last: bool) -> usize {
        if at >= text.len() {
            return at;
        }
        let vocabulary = self.encoding.vocabulary();
        let (mut splitter, mut unseen) = (Splitter::new(text), Unseen::new());
        while at < text.len() {
            at = self.plain(vocabulary, text, at, &mut unseen);
            if at == text.len() {
                break;
            }
            let end = self.encoding.split(&mut splitter, at);
            if splitter.touched_end && !last {
                break;
            }
            let tokens = piece::count(vocabulary, text, at, end);
            match self.scripts {
                Some(_) => self.add(Script::of_piece(text.get(at..end).unwrap_or_default()), tokens),
                None => self.tokens = self.tokens.saturating_add(tokens),
            }
            at = end;
        }
        unseen.count(vocabulary, self);
        at
    }

    /// Counts plain pieces from `at` on, and returns where they end. Some may be left in `unseen`.
    fn plain(
        &mut self,
        vocabulary: &'static Vocabulary,
        text: &[u8],
        at: usize,
        unseen: &mut Unseen,
    ) -> usize {
        let mut sum = Sum(0);
        let end = match (self.encoding, &self.scripts) {
            (Encoding::Cl100k, _) => piece::plain(Encoding::Cl100k, vocabulary, text, at, unseen, &mut sum),
            (Encoding::O200k, None) => piece::plain(Encoding::O200k, vocabulary, text, at, unseen, &mut sum),
            (Encoding::O200k, Some(_)) => piece::plain(Encoding::O200k, vocabulary, text, at, unseen, self),
        };
        self.tokens = self.tokens.saturating_add(sum.0);
        end
    }
}

impl Tally for Counter {
    #[inline]
    fn add(&mut self, script: Script, tokens: u64) {
        self.tokens = self.tokens.saturating_add(tokens);
        if let Some(scripts) = &mut self.scripts {
            scripts.add(script, tokens);
        }
    }
}

/// The tokens of all scripts.
struct Sum(u64);

impl Tally for Sum {
    #[inline(always)]
    fn add(&mut self, _: Script, tokens: u64) {
        self.0 = self.0.saturating_add(tokens);
    }
}

/// U+FFFD in UTF-8.
const REPLACEMENT: &[u8] = "\u{FFFD}".as_bytes();

/// The last border of characters at or before `at`; the first one after the first character if there is none.
fn border_before(text: &[u8], at: usize) -> usize {
    let is_border = |&at: &usize| text.get(at).is_none_or(|byte| byte & 0xC0 != 0x80);
    (1..=at.min(text.len()))
        .rev()
        .find(is_border)
        .or_else(|| (1..=text.len()).find(is_border))
        .unwrap_or(text.len())
}

#[cfg(test)]
mod tests {
    //! Cutting a text anywhere changes nothing: also with a buffer so small that `long` has most of the work.

    use super::*;

    const PARTS: &[&str] = &[
        "a", "B", "s", "ll", "'", "ſ", " ", "  ", "\t", "\n", "\r\n", "/", ".", "!!", "=", "1", "٣", "é",
        "\u{301}", "中", "文", "한", "ʰ", "ǅ", "👍", "\u{200d}", "\u{3000}", "\u{a0}", "don't", "HELLO",
        "world",
    ];

    fn below(seed: &mut u64, end: usize) -> usize {
        *seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        ((*seed >> 33) % end as u64) as usize
    }

    /// A text in which single parts, and so single classes of characters, are repeated often.
    fn text(seed: &mut u64) -> String {
        let mut text = String::new();
        for _ in 0..1 + below(seed, 6) {
            let (one, other) = (PARTS[below(seed, PARTS.len())], PARTS[below(seed, PARTS.len())]);
            for _ in 0..1 + below(seed, 60) {
                text.push_str(if below(seed, 4) == 0 { other } else { one });
            }
        }
        text
    }

    fn cut_anywhere(encoding: Encoding, block: usize, bytes: &[u8], seed: &mut u64) -> u64 {
        let mut counter = Counter::with_block(encoding, block);
        let mut rest = bytes;
        let longest = 1 + below(seed, 40);
        while !rest.is_empty() {
            let (now, later) = rest.split_at(rest.len().min(below(seed, longest + 1)));
            counter.push(now);
            rest = later;
        }
        counter.finish()
    }

    #[test]
    fn cuts_change_nothing() {
        let mut seed = 7;
        for round in 0..6_000 {
            let text = text(&mut seed);
            for encoding in [Encoding::Cl100k, Encoding::O200k] {
                let block = [32, 40, 64, 128, BLOCK][round % 5];
                let counted = cut_anywhere(encoding, block, text.as_bytes(), &mut seed);
                assert_eq!(counted, encoding.count(&text), "{encoding:?} {block} {text:?}");
            }
        }
    }

    #[test]
    fn very_long_pieces_are_counted_while_they_arrive() {
        let mut seed = 8;
        let ends = ["", "x", "'ll", "'", "\n", " ", "A", "中", "!"];
        for class in
            ["a", "A", "中", "中A", "中AAAAAAAAA", " ", "\n ", " \n\n", "=", "-/", "\u{301}", "ab!", "é"]
        {
            for end in ends {
                let text = class.repeat(9_000 / class.len()) + end + "b";
                for encoding in [Encoding::Cl100k, Encoding::O200k] {
                    let counted = cut_anywhere(encoding, BLOCK, text.as_bytes(), &mut seed);
                    assert_eq!(counted, encoding.count(&text), "{encoding:?} {class:?} {end:?}");
                }
            }
        }
    }

    #[test]
    fn invalid_bytes_count_as_their_replacement() {
        let mut seed = 9;
        let bytes =
            [b'a', b' ', b'\'', 0x80, 0xBF, 0xC3, 0xA9, 0xE4, 0xB8, 0xAD, 0xF0, 0x9F, 0x91, 0x8D, 0xFF, 0xED];
        for _ in 0..20_000 {
            let text: Vec<u8> =
                (0..below(&mut seed, 20)).map(|_| bytes[below(&mut seed, bytes.len())]).collect();
            let counted = cut_anywhere(Encoding::O200k, 32, &text, &mut seed);
            assert_eq!(counted, Encoding::O200k.count(&String::from_utf8_lossy(&text)), "{text:?}");
        }
    }

    #[test]
    fn memory_does_not_grow_with_the_text() {
        for class in ["a", "中A", " ", "!", "word "] {
            let mut counter = Counter::new(Encoding::O200k);
            for _ in 0..200 {
                counter.push(class.repeat(1024).as_bytes());
                assert!(counter.buffer.capacity() <= 2 * BLOCK, "{class:?}");
                assert!(counter.long.as_ref().is_none_or(|long| long.memory() < 200_000), "{class:?}");
            }
            assert_eq!(counter.finish(), Encoding::O200k.count(&class.repeat(200 * 1024)));
        }
    }

    #[test]
    fn what_is_certain_never_shrinks() {
        let mut counter = Counter::new(Encoding::Cl100k);
        let text = "The quick brown fox.\n".repeat(1000);
        let mut before = 0;
        for part in text.as_bytes().chunks(777) {
            counter.push(part);
            assert!(counter.at_least() >= before);
            before = counter.at_least();
        }
        assert!(before > 0 && counter.finish() >= before);
    }
}
