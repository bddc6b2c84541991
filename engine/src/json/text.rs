//! String escapes, decoded across cuts: what a backslash began may end in the next piece.

use super::JsonError;

/// The part of an escape read so far, when a piece ended inside it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) enum Escape {
    /// Not inside an escape.
    #[default]
    None,
    /// Behind a backslash.
    Backslash,
    /// Inside `\uXXXX`: digits seen and their value.
    Hex { seen: u8, value: u32 },
}

/// Decodes escapes to UTF-8; holds a high surrogate until its low half comes.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Unescape {
    pub(super) state: Escape,
    high: Option<u32>,
}

/// A decoded character, after the replacement that an unpaired surrogate before it left behind.
pub(super) struct Decoded {
    bytes: [u8; 8],
    len: usize,
}

impl Decoded {
    const fn empty() -> Self {
        Self { bytes: [0; 8], len: 0 }
    }

    fn push(&mut self, c: char) {
        if let Some(rest) = self.bytes.get_mut(self.len..self.len.saturating_add(c.len_utf8())) {
            self.len = self.len.saturating_add(c.encode_utf8(rest).len());
        }
    }

    pub(super) fn as_bytes(&self) -> &[u8] {
        self.bytes.get(..self.len).unwrap_or_default()
    }
}

/// What this byte behind a backslash stands for, if that is one character.
pub(super) const fn simple(byte: u8) -> Option<u8> {
    Some(match byte {
        b'"' | b'\\' | b'/' => byte,
        b'b' => 8,
        b'f' => 12,
        b'n' => b'\n',
        b'r' => b'\r',
        b't' => b'\t',
        _ => return None,
    })
}

impl Unescape {
    /// Takes the next byte of an escape; gives what it completed.
    pub(super) fn step(&mut self, byte: u8) -> Result<Decoded, JsonError> {
        match self.state {
            Escape::None => Ok(Decoded::empty()),
            Escape::Backslash if byte == b'u' => {
                self.state = Escape::Hex { seen: 0, value: 0 };
                Ok(Decoded::empty())
            }
            Escape::Backslash => self.simple(byte),
            Escape::Hex { seen, value } => self.hex(byte, seen, value),
        }
    }

    /// A high surrogate without its low half is text that no encoder should send; every parser in
    /// use reads it as a replacement character or keeps it, so it counts as one.
    pub(super) fn flush(&mut self) -> Decoded {
        let mut out = Decoded::empty();
        if self.high.take().is_some() {
            out.push(char::REPLACEMENT_CHARACTER);
        }
        out
    }

    fn simple(&mut self, byte: u8) -> Result<Decoded, JsonError> {
        let c = char::from(simple(byte).ok_or(JsonError::Escape)?);
        self.state = Escape::None;
        let mut out = self.flush();
        out.push(c);
        Ok(out)
    }

    fn hex(&mut self, byte: u8, seen: u8, value: u32) -> Result<Decoded, JsonError> {
        let digit = char::from(byte).to_digit(16).ok_or(JsonError::Escape)?;
        let value = value << 4 | digit;
        if seen < 3 {
            self.state = Escape::Hex { seen: seen.saturating_add(1), value };
            return Ok(Decoded::empty());
        }
        self.state = Escape::None;
        Ok(self.code_unit(value))
    }

    /// UTF-16 to characters, RFC 8259 section 7.
    fn code_unit(&mut self, unit: u32) -> Decoded {
        if let (Some(high), 0xDC00..=0xDFFF) = (self.high, unit) {
            self.high = None;
            let mut out = Decoded::empty();
            let code = 0x1_0000_u32.saturating_add((high & 0x3FF) << 10).saturating_add(unit & 0x3FF);
            out.push(char::from_u32(code).unwrap_or(char::REPLACEMENT_CHARACTER));
            return out;
        }
        let mut out = self.flush();
        if (0xD800..=0xDBFF).contains(&unit) {
            self.high = Some(unit);
        } else {
            out.push(char::from_u32(unit).unwrap_or(char::REPLACEMENT_CHARACTER));
        }
        out
    }
}
