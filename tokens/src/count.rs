//! The feeder. (The tables are not in yet: this commit publishes the interface, and counts the certain bound.)

use crate::Encoding;

/// A number of tokens that says how far it can be trusted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Count {
    /// What the provider's tokenizer would say.
    Exact(u64),
    /// Close, within the errors published in docs/accuracy.md.
    Estimated(u64),
}

impl Count {
    /// The number, whatever its worth.
    #[must_use]
    pub const fn tokens(self) -> u64 {
        match self {
            Self::Exact(tokens) | Self::Estimated(tokens) => tokens,
        }
    }
}

/// Counts text that arrives in pieces cut anywhere, also inside a character.
#[derive(Debug)]
pub struct Counter {
    encoding: Encoding,
    tokens: u64,
}

impl Counter {
    /// An empty counter.
    #[must_use]
    pub const fn new(encoding: Encoding) -> Self {
        Self { encoding, tokens: 0 }
    }

    /// The encoding that this counter was made for.
    #[must_use]
    pub const fn encoding(&self) -> Encoding {
        self.encoding
    }

    /// Takes the next bytes. Invalid UTF-8 counts as `String::from_utf8_lossy` would replace it.
    pub fn push(&mut self, bytes: &[u8]) {
        self.tokens = self.tokens.saturating_add(bytes.len() as u64);
    }

    /// Tokens that are certain so far: never more than [`finish`](Self::finish) will return.
    #[must_use]
    pub const fn at_least(&self) -> u64 {
        0
    }

    /// The count of everything that was pushed.
    #[must_use]
    pub const fn finish(self) -> u64 {
        self.tokens
    }
}
