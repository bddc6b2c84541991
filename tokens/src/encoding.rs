//! The encodings that are counted exactly, and the count of a text that is there as a whole. Called from outside;
//! `counter` does the same for text that arrives in parts.

use crate::piece::{self, Tally};
use crate::scripts::Script;
use crate::split::Splitter;
use crate::tables;
use crate::unseen::Unseen;
use crate::vocabulary::Vocabulary;

/// An encoding whose counts are exact.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Encoding {
    /// `cl100k_base`: gpt-4, gpt-3.5-turbo, the third generation of embeddings.
    Cl100k,
    /// `o200k_base`: gpt-4o, gpt-4.1, the o-series, gpt-5; and the text of `o200k_harmony` (gpt-oss).
    O200k,
}

impl Encoding {
    /// The number of tokens in `text`. Text that looks like a special token is plain text.
    ///
    /// ```
    /// use tokenstile_tokens::Encoding;
    ///
    /// assert_eq!(Encoding::O200k.count("A turnstile for tokens."), 7);
    /// assert_eq!(Encoding::Cl100k.count("<|endoftext|>"), 7);
    /// ```
    #[must_use]
    pub fn count(self, text: &str) -> u64 {
        let (Ok(tokens) | Err(tokens)) = self.count_at_most(text, u64::MAX);
        tokens
    }

    /// The number of tokens in `text`, or `None` as soon as it is certain that there are more than `limit`.
    ///
    /// ```
    /// use tokenstile_tokens::Encoding;
    ///
    /// assert_eq!(Encoding::O200k.count_until("one two three", 3), Some(3));
    /// assert_eq!(Encoding::O200k.count_until("one two three", 2), None);
    /// ```
    #[must_use]
    pub fn count_until(self, text: &str, limit: u64) -> Option<u64> {
        self.count_at_most(text, limit).ok()
    }

    fn count_at_most(self, text: &str, limit: u64) -> Result<u64, u64> {
        match self {
            Self::Cl100k => count(Self::Cl100k, text.as_bytes(), limit),
            Self::O200k => count(Self::O200k, text.as_bytes(), limit),
        }
    }

    /// Its tokens. The first call loads them: not for a text without any.
    #[inline]
    pub(crate) fn vocabulary(self) -> &'static Vocabulary {
        match self {
            Self::Cl100k => tables::cl100k(),
            Self::O200k => tables::o200k(),
        }
    }

    /// For the keys of caches: the vocabulary's, known without it.
    pub(crate) const fn id(self) -> u8 {
        self as u8
    }

    /// The end of the piece that begins at `at`.
    #[inline]
    pub(crate) fn split(self, splitter: &mut Splitter, at: usize) -> usize {
        match self {
            Self::Cl100k => splitter.cl100k(at),
            Self::O200k => splitter.o200k(at),
        }
    }
}

/// The tokens of `text`; an error as soon as there are more than `limit`.
#[inline(always)]
fn count(encoding: Encoding, text: &[u8], limit: u64) -> Result<u64, u64> {
    if text.is_empty() {
        return Ok(0);
    }
    let vocabulary = encoding.vocabulary();
    let (mut splitter, mut unseen) = (Splitter::new(text), Unseen::new());
    let (mut at, mut sum) = (0_usize, UpTo { tokens: 0, limit });
    while at < text.len() && !sum.is_full() {
        at = piece::plain(encoding, vocabulary, text, at, &mut unseen, &mut sum);
        if at < text.len() && !sum.is_full() {
            let end = encoding.split(&mut splitter, at);
            sum.tokens = sum.tokens.saturating_add(piece::count(vocabulary, text, at, end));
            at = end;
        }
    }
    unseen.count(vocabulary, &mut sum);
    if sum.is_full() { Err(sum.tokens) } else { Ok(sum.tokens) }
}

/// A sum that is full as soon as it is above a limit.
struct UpTo {
    tokens: u64,
    limit: u64,
}

impl Tally for UpTo {
    #[inline(always)]
    fn add(&mut self, _: Script, tokens: u64) {
        self.tokens = self.tokens.saturating_add(tokens);
    }

    fn is_full(&self) -> bool {
        self.tokens > self.limit
    }
}
