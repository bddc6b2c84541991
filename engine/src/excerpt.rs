//! Bytes from outside as one value of an identity: bounded, readable, and never the same for two that differ.

use siphasher::sip::SipHasher13;
use std::hash::Hasher;

/// Longer values are cut: a header of a megabyte must not be copied into every record.
const KEPT_MAX: usize = 256;
/// What a keyed hash of a secret begins with. No other value looks like one: see [`Excerpt::finish`].
pub(crate) const HASH_PREFIXES: [&str; 2] = ["key-", "cookie-"];

/// A value that comes in pieces.
#[derive(Debug, Clone, Default)]
pub(crate) struct Excerpt {
    kept: Vec<u8>,
    whole: SipHasher13,
    len: usize,
}

impl Excerpt {
    /// The value of bytes that are all here; `None` if there are none.
    pub(crate) fn of(bytes: &[u8]) -> Option<String> {
        let mut excerpt = Self::default();
        excerpt.push(bytes);
        excerpt.finish()
    }

    /// The next piece.
    pub(crate) fn push(&mut self, piece: &[u8]) {
        let room = KEPT_MAX.saturating_sub(self.kept.len()).min(piece.len());
        self.kept.extend_from_slice(piece.get(..room).unwrap_or_default());
        self.whole.write(piece);
        self.len = self.len.saturating_add(piece.len());
    }

    /// The value; `None` if it is empty.
    ///
    /// Bytes that are not UTF-8 are escaped behind a mark, and so is text that begins with that mark or looks like
    /// the hash of a secret: nobody can write another's value. One too long is cut, and a hash of the whole keeps it
    /// apart from others cut alike; what was cut is longer than anything that was not.
    pub(crate) fn finish(self) -> Option<String> {
        let is_cut = self.len > self.kept.len();
        let text = match std::str::from_utf8(&self.kept) {
            Ok(text) => Some(text),
            // The cut went through a character.
            Err(error) if is_cut && error.error_len().is_none() => {
                let valid = self.kept.get(..error.valid_up_to());
                valid.and_then(|valid| std::str::from_utf8(valid).ok())
            }
            Err(_) => None,
        };
        let mut value = match text {
            Some(text) if !is_marked(text) => text.to_owned(),
            _ => format!("{MARK}{}", self.kept.escape_ascii()),
        };
        if is_cut || value.len() > KEPT_MAX {
            value.truncate(value.floor_char_boundary(KEPT_MAX));
            value.push_str(&format!("…{:016x}", self.whole.finish()));
        }
        (self.len > 0).then_some(value)
    }
}

/// Stands before what is escaped.
const MARK: char = char::REPLACEMENT_CHARACTER;

/// Whether text could be taken for something that we wrote.
fn is_marked(text: &str) -> bool {
    let digits = HASH_PREFIXES.iter().find_map(|prefix| text.strip_prefix(prefix));
    let is_hash =
        digits.is_some_and(|digits| digits.len() == 16 && digits.bytes().all(|b| b.is_ascii_hexdigit()));
    text.starts_with(MARK) || is_hash
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn values_stay_readable_and_bounded() {
        assert_eq!(Excerpt::of(b""), None);
        assert_eq!(Excerpt::of(b"ana").as_deref(), Some("ana"));
        assert_eq!(Excerpt::of("Zoë 世界".as_bytes()).as_deref(), Some("Zoë 世界"));
        assert_eq!(Excerpt::of(b"\xa1\xb1").as_deref(), Some("\u{fffd}\\xa1\\xb1"));
        for long in [vec![b'a'; 1 << 20], "€".repeat(1000).into_bytes(), vec![0xff; 1 << 20]] {
            let value = Excerpt::of(&long).unwrap();
            assert!((260..300).contains(&value.len()), "{value}");
        }
    }

    /// What a caller writes is never what another's bytes, or a secret's hash, became.
    #[test]
    fn nobody_writes_another_ones_value() {
        let made = [
            Excerpt::of(b"\xa1\xb1").unwrap(),
            Excerpt::of(&[b'a'; 300]).unwrap(),
            Excerpt::of(&[0xff; 300]).unwrap(),
            Excerpt::of("€".repeat(100).as_bytes()).unwrap(),
            "key-0123456789abcdef".to_owned(),
            "cookie-0123456789abcdef".to_owned(),
        ];
        for value in made {
            assert_ne!(Excerpt::of(value.as_bytes()).unwrap(), value);
        }
    }

    proptest! {
        #[test]
        fn what_differs_stays_apart(a: Vec<u8>, b: Vec<u8>, cut in 0..64_usize) {
            prop_assert_eq!(a == b, Excerpt::of(&a) == Excerpt::of(&b));
            // Cut anywhere it is the same.
            let mut pieces = Excerpt::default();
            let (front, back) = a.split_at(cut.min(a.len()));
            pieces.push(front);
            pieces.push(back);
            prop_assert_eq!(pieces.finish(), Excerpt::of(&a));
        }
    }
}
