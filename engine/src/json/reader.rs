//! The push reader: a state machine over bytes that calls a [`Visitor`].
//!
//! Strict where parsers differ (trailing bytes, missing commas, number grammar), so that a body it
//! accepts has one meaning. Depth and key length are bounded; nothing else is kept.

use super::text::{self, Escape, Unescape};
use super::{Container, Event, Key, Number, Visitor};

/// Deeper nesting than any real request; a provider's own parser gives up in this region as well.
const DEPTH_MAX: usize = 128;
/// Bytes of a key that are kept: longer than every key with a meaning.
const KEY_MAX: usize = 64;
/// Bytes of a number that are kept: enough for every count and price.
pub(super) const NUMBER_MAX: usize = 40;
/// A number of which too little was kept to know it: as long as what is kept, and no digits alone.
const HIDDEN: &str = "0.00000000000000000000000000000000000000";

/// Why bytes are not one JSON document.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum JsonError {
    /// A byte that the grammar does not allow here.
    Unexpected {
        /// Its offset.
        at: usize,
    },
    /// A backslash before something that is no escape.
    Escape,
    /// Nested deeper than the reader follows.
    TooDeep,
    /// The document ended too early.
    Incomplete,
}

impl std::fmt::Display for JsonError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Unexpected { at } => write!(f, "the body is not valid JSON at byte {at}"),
            Self::Escape => f.write_str("the body has an invalid escape in a JSON string"),
            Self::TooDeep => write!(f, "the body nests deeper than {DEPTH_MAX} levels"),
            Self::Incomplete => f.write_str("the body's JSON ends too early"),
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// A value must come; `or_close` right behind `[`.
    Value {
        or_close: bool,
    },
    /// A key must come; `or_close` right behind `{`.
    Key {
        or_close: bool,
    },
    Colon,
    /// Behind a value: comma or the container's end.
    Next,
    InKey,
    InText,
    InScalar,
    Done,
}

/// Reads one JSON document fed in pieces.
#[derive(Debug)]
pub struct Reader {
    state: State,
    path: Vec<Key>,
    containers: Vec<Container>,
    unescape: Unescape,
    scratch: Vec<u8>,
    number: NumberState,
    offset: usize,
    /// Where the number or literal at hand began.
    scalar_at: usize,
}

impl Default for Reader {
    fn default() -> Self {
        Self::new()
    }
}

impl Reader {
    /// A reader at the start of a document.
    #[must_use]
    pub fn new() -> Self {
        Self {
            state: State::Value { or_close: false },
            path: Vec::with_capacity(16),
            containers: Vec::with_capacity(16),
            unescape: Unescape::default(),
            scratch: Vec::with_capacity(KEY_MAX),
            number: NumberState::Begin,
            offset: 0,
            scalar_at: 0,
        }
    }

    /// Back to the start, for the next document.
    pub fn reset(&mut self) {
        self.state = State::Value { or_close: false };
        self.path.clear();
        self.containers.clear();
        self.unescape = Unescape::default();
        self.scratch.clear();
        self.offset = 0;
    }

    /// Reads the next piece.
    ///
    /// # Errors
    /// The document is not JSON, or nests too deep. The reader must not be fed further.
    pub fn feed(&mut self, piece: &[u8], visitor: &mut dyn Visitor) -> Result<(), JsonError> {
        let mut rest = piece;
        while let Some((&byte, tail)) = rest.split_first() {
            let taken = match self.state {
                State::InKey | State::InText => self.string(rest, visitor)?,
                State::InScalar => self.scalar(rest, visitor)?,
                State::Key { .. } if byte == b'"' => self.key(rest, visitor),
                _ if matches!(byte, b' ' | b'\n' | b'\r' | b'\t') => 1,
                _ => {
                    self.structure(byte, visitor)?;
                    1
                }
            };
            rest = if taken == 1 { tail } else { rest.get(taken..).unwrap_or_default() };
            self.offset = self.offset.saturating_add(taken);
        }
        Ok(())
    }

    /// The document is over.
    ///
    /// # Errors
    /// It ended too early, or its last number is none.
    pub fn finish(&mut self, visitor: &mut dyn Visitor) -> Result<(), JsonError> {
        if self.state == State::InScalar {
            self.end_scalar(visitor)?;
        }
        if self.state == State::Done { Ok(()) } else { Err(JsonError::Incomplete) }
    }

    fn unexpected(&self) -> JsonError {
        JsonError::Unexpected { at: self.offset }
    }

    /// Begins a key, and reads it at once with its colon if it is here whole and plain, as most are. Gives how many
    /// bytes it took.
    fn key(&mut self, rest: &[u8], visitor: &mut dyn Visitor) -> usize {
        let inside = rest.get(1..).unwrap_or_default();
        let mut near = inside.iter().take(KEY_MAX);
        let end = near.position(|byte| matches!(byte, b'"' | b'\\'));
        let Some((end, b'"')) = end.and_then(|end| Some((end, *inside.get(end)?))) else {
            self.scratch.clear();
            self.state = State::InKey;
            return 1;
        };
        let name = inside.get(..end).unwrap_or_default();
        self.path.push(Key::from_name(name));
        visitor.key(&self.path, name);
        if inside.get(end.saturating_add(1)) == Some(&b':') {
            self.state = State::Value { or_close: false };
            return end.saturating_add(3);
        }
        self.state = State::Colon;
        end.saturating_add(2)
    }

    fn structure(&mut self, byte: u8, visitor: &mut dyn Visitor) -> Result<(), JsonError> {
        match (self.state, byte) {
            (State::Value { or_close: true }, b']') | (State::Key { or_close: true }, b'}') => {
                self.close(visitor);
            }
            (State::Value { .. }, _) => self.begin_value(byte, visitor)?,
            (State::Colon, b':') => self.state = State::Value { or_close: false },
            (State::Next, b',') => self.comma(),
            (State::Next, b'}') if self.containers.last() == Some(&Container::Object) => {
                self.path.pop();
                self.close(visitor);
            }
            (State::Next, b']') if self.containers.last() == Some(&Container::Array) => {
                self.path.pop();
                self.close(visitor);
            }
            _ => return Err(self.unexpected()),
        }
        Ok(())
    }

    fn comma(&mut self) {
        self.state = match self.containers.last() {
            Some(Container::Array) => State::Value { or_close: false },
            _ => {
                self.path.pop();
                State::Key { or_close: false }
            }
        };
    }

    fn begin_value(&mut self, byte: u8, visitor: &mut dyn Visitor) -> Result<(), JsonError> {
        match byte {
            b'{' => self.open(Container::Object, visitor)?,
            b'[' => self.open(Container::Array, visitor)?,
            b'"' => {
                visitor.event(&self.path, Event::TextBegin { at: self.offset });
                self.state = State::InText;
            }
            b'-' | b'0'..=b'9' | b't' | b'f' | b'n' => {
                self.scratch.clear();
                self.scratch.push(byte);
                self.number = NumberState::Begin.behind(byte);
                self.scalar_at = self.offset;
                self.state = State::InScalar;
            }
            _ => return Err(self.unexpected()),
        }
        Ok(())
    }

    fn open(&mut self, container: Container, visitor: &mut dyn Visitor) -> Result<(), JsonError> {
        if self.containers.len() >= DEPTH_MAX {
            return Err(JsonError::TooDeep);
        }
        visitor.at(self.offset..self.offset.saturating_add(1));
        visitor.event(&self.path, Event::Begin(container));
        self.containers.push(container);
        self.state = match container {
            Container::Object => State::Key { or_close: true },
            Container::Array => {
                self.path.push(Key::Item);
                State::Value { or_close: true }
            }
        };
        Ok(())
    }

    /// Closes the innermost container. An array that closes empty still has its `Item` on the path.
    fn close(&mut self, visitor: &mut dyn Visitor) {
        if self.state == (State::Value { or_close: true }) {
            self.path.pop();
        }
        self.containers.pop();
        visitor.at(self.offset..self.offset.saturating_add(1));
        visitor.event(&self.path, Event::End);
        self.after_value();
    }

    fn after_value(&mut self) {
        self.state = if self.containers.is_empty() { State::Done } else { State::Next };
    }

    /// Reads within a key or a string value; gives how many bytes it took.
    fn string(&mut self, rest: &[u8], visitor: &mut dyn Visitor) -> Result<usize, JsonError> {
        if self.unescape.state != Escape::None {
            let byte = rest.first().copied().unwrap_or_default();
            let decoded = self.unescape.step(byte)?;
            self.text_piece(decoded.as_bytes(), visitor);
            return Ok(1);
        }
        // Raw control characters are let through: what a stricter provider refuses costs nothing.
        let plain = memchr::memchr2(b'"', b'\\', rest).unwrap_or(rest.len());
        if plain > 0 {
            let lone = self.unescape.flush();
            self.text_piece(lone.as_bytes(), visitor);
            self.text_piece(rest.get(..plain).unwrap_or_default(), visitor);
            if rest.get(plain) == Some(&b'"') {
                self.end_string(self.offset.saturating_add(plain), visitor);
                return Ok(plain.saturating_add(1));
            }
            return Ok(plain);
        }
        // Most escapes have two bytes, and both are here.
        if let Some([b'\\', byte]) = rest.get(..2)
            && let Some(decoded) = text::simple(*byte)
        {
            let lone = self.unescape.flush();
            self.text_piece(lone.as_bytes(), visitor);
            self.text_piece(&[decoded], visitor);
            return Ok(2);
        }
        if rest.first() == Some(&b'\\') {
            self.unescape.state = Escape::Backslash;
        } else {
            let lone = self.unescape.flush();
            self.text_piece(lone.as_bytes(), visitor);
            self.end_string(self.offset, visitor);
        }
        Ok(1)
    }

    fn text_piece(&mut self, piece: &[u8], visitor: &mut dyn Visitor) {
        if piece.is_empty() {
            return;
        }
        if self.state == State::InText {
            visitor.event(&self.path, Event::Text(piece));
        } else {
            let room = KEY_MAX.saturating_sub(self.scratch.len()).min(piece.len());
            self.scratch.extend_from_slice(piece.get(..room).unwrap_or_default());
        }
    }

    /// Its quote stands at `at`.
    fn end_string(&mut self, at: usize, visitor: &mut dyn Visitor) {
        if self.state == State::InKey {
            self.path.push(Key::from_name(&self.scratch));
            visitor.key(&self.path, &self.scratch);
            self.state = State::Colon;
        } else {
            visitor.event(&self.path, Event::TextEnd { end: at.saturating_add(1) });
            self.after_value();
        }
    }

    /// Reads within a number or literal; takes nothing when its end was reached.
    fn scalar(&mut self, rest: &[u8], visitor: &mut dyn Visitor) -> Result<usize, JsonError> {
        let is_part = |b: &u8| matches!(b, b'0'..=b'9' | b'a'..=b'z' | b'E' | b'+' | b'-' | b'.');
        let part = rest.iter().position(|b| !is_part(b)).unwrap_or(rest.len());
        if part == 0 {
            self.end_scalar(visitor)?;
            return Ok(0);
        }
        let room = NUMBER_MAX.saturating_sub(self.scratch.len()).min(part);
        self.scratch.extend_from_slice(rest.get(..room).unwrap_or_default());
        let part_bytes = rest.get(..part).unwrap_or_default();
        self.number = part_bytes.iter().fold(self.number, |state, byte| state.behind(*byte));
        Ok(part)
    }

    fn end_scalar(&mut self, visitor: &mut dyn Visitor) -> Result<(), JsonError> {
        let event = match self.scratch.as_slice() {
            b"true" => Event::Bool(true),
            b"false" => Event::Bool(false),
            b"null" => Event::Null,
            number => {
                let text = std::str::from_utf8(number).ok().filter(|_| self.number.is_whole());
                let text = text.ok_or_else(|| self.unexpected())?;
                // What was not kept may be a fraction or an exponent behind digits alone: then nothing is known.
                let is_hidden = text.len() >= NUMBER_MAX && self.number != NumberState::Digits;
                Event::Number(Number(if is_hidden { HIDDEN } else { text }))
            }
        };
        visitor.at(self.scalar_at..self.offset);
        visitor.event(&self.path, event);
        self.after_value();
        Ok(())
    }
}

/// How much of a number was read, by the grammar of RFC 8259, section 6. Kept apart from its bytes: a number may be
/// longer than what is kept of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum NumberState {
    Begin,
    Minus,
    /// A zero at the beginning: no digit may follow.
    Zero,
    Digits,
    Point,
    Fraction,
    Exponent,
    ExponentSign,
    ExponentDigits,
    Invalid,
}

impl NumberState {
    const fn behind(self, byte: u8) -> Self {
        match (self, byte) {
            (Self::Begin, b'-') => Self::Minus,
            (Self::Begin | Self::Minus, b'0') => Self::Zero,
            (Self::Begin | Self::Minus | Self::Digits, b'0'..=b'9') => Self::Digits,
            (Self::Zero | Self::Digits, b'.') => Self::Point,
            (Self::Point | Self::Fraction, b'0'..=b'9') => Self::Fraction,
            (Self::Zero | Self::Digits | Self::Fraction, b'e' | b'E') => Self::Exponent,
            (Self::Exponent, b'+' | b'-') => Self::ExponentSign,
            (Self::Exponent | Self::ExponentSign | Self::ExponentDigits, b'0'..=b'9') => Self::ExponentDigits,
            _ => Self::Invalid,
        }
    }

    const fn is_whole(self) -> bool {
        matches!(self, Self::Zero | Self::Digits | Self::Fraction | Self::ExponentDigits)
    }
}

#[cfg(test)]
mod tests;
