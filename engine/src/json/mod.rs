//! JSON read in one pass, fed in pieces cut anywhere, with bounded memory and no tree.
//!
//! Owns the grammar and the path of each value. Dialects pass a [`Visitor`] and match on paths of
//! [`Key`]s. Knows no dialect and no meaning of a value.

mod key;
mod pointer;
mod reader;
mod text;

pub use key::Key;
pub use pointer::Pointer;
pub(crate) use pointer::{Both, PointerFinder};
pub use reader::{JsonError, Reader};

/// What the reader met at a path. Offsets count bytes since the reader's start.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Event<'a> {
    /// `{` or `[` was read; the path names this container.
    Begin(Container),
    /// The container at this path closed.
    End,
    /// A string value began: `at` is the offset of its opening quote.
    TextBegin {
        /// That offset.
        at: usize,
    },
    /// The next unescaped piece of that string, cut anywhere, also inside a character.
    Text(&'a [u8]),
    /// The string closed: `end` is the offset behind its closing quote.
    TextEnd {
        /// That offset.
        end: usize,
    },
    /// A number as written, its first 40 bytes at most.
    Number(Number<'a>),
    /// `true` or `false`.
    Bool(bool),
    /// `null`.
    Null,
}

/// An object or an array.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Container {
    /// `{…}`
    Object,
    /// `[…]`
    Array,
}

/// A JSON number as written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Number<'a>(pub &'a str);

impl Number<'_> {
    /// Whether its value is unknown: what follows the bytes that are kept may be an exponent. Digits alone are
    /// larger than any count already.
    #[must_use]
    pub fn is_cut(self) -> bool {
        self.0.len() >= reader::NUMBER_MAX && !self.0.bytes().all(|b| b.is_ascii_digit())
    }

    /// The number as a count: whole and not negative, whichever way it was written (`1e3`, `10.0`).
    /// Larger than `u64` becomes `u64::MAX`: a bound that large bounds nothing.
    #[must_use]
    pub fn as_count(self) -> Option<u64> {
        if self.is_cut() {
            return None;
        }
        if let Ok(count) = self.0.parse::<u64>() {
            return Some(count);
        }
        let float: f64 = self.0.parse().ok()?;
        // A cast from float to integer saturates, which is the meaning wanted.
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "checked and saturating")]
        (float >= 0.0 && (float.fract() == 0.0 || float.is_infinite())).then_some(float as u64)
    }
}

/// Takes what a [`Reader`] meets, in order.
pub trait Visitor {
    /// `path` names the value from the root: object keys, and [`Key::Item`] for array elements.
    fn event(&mut self, path: &[Key], event: Event<'_>);

    /// The event that follows stands at these offsets: a number, a literal, or a container's bracket.
    /// Texts say themselves where they stand.
    fn at(&mut self, span: std::ops::Range<usize>) {
        let _ = span;
    }

    /// An object key was read and its value follows at `path`. `name` is unescaped and at most 64
    /// bytes of it are kept: enough for every key that has a meaning.
    fn key(&mut self, path: &[Key], name: &[u8]) {
        let _ = (path, name);
    }
}
