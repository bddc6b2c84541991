//! The feeder: counts text that arrives in parts, in bounded memory. Called from outside; must give the count that
//! `Encoding::count` gives for the whole.
//!
//! Text is gathered in a buffer. Pieces whose end is certain, whatever follows, are counted and leave it; a piece that
//! fills half the buffer and is not over goes on in `long`.

use crate::Encoding;
use crate::long::{Fed, Long};
use crate::piece;
use crate::split::Splitter;

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
#[derive(Debug)]
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
        Self { encoding, tokens: 0, buffer: Vec::new(), begun: Vec::new(), long: None, block }
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
        if !self.begun.is_empty() {
            self.text(REPLACEMENT);
        }
        self.look(true);
        self.tokens
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
                        self.tokens = self.tokens.saturating_add(long.finish());
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
        let mut splitter = Splitter::new(text);
        while at < text.len() {
            let end = self.encoding.split(&mut splitter, at);
            if splitter.touched_end && !last {
                break;
            }
            self.tokens = self.tokens.saturating_add(piece::count(self.encoding.vocabulary(), text, at, end));
            at = end;
        }
        at
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
