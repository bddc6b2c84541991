//! A count that says what it is worth. Made by `models`; read by everybody.

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
