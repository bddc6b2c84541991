//! Counting a prompt: what every dialect's counter needs. Owns the text at hand; knows no dialect.

use super::{Facts, Route};
use crate::json::{Event, Reader, Visitor};
use tokenstile_tokens::{ModelCounter, ModelEncoding, encoding_for_model};

/// A body whose facts are known, to be counted.
#[derive(Debug)]
pub(crate) struct Prompt<'a> {
    pub(crate) body: &'a [u8],
    pub(crate) facts: &'a Facts,
    /// For dialects whose counting depends on the path or the provider.
    #[allow(dead_code, reason = "dialects to come read it")]
    pub(crate) route: &'a Route,
}

/// How many tokens a prompt has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct PromptCount {
    /// So many.
    pub tokens: u64,
    /// Whether it is known exactly, by the provider's own rule and encoding.
    pub is_exact: bool,
}

impl Prompt<'_> {
    /// The encoding of the model asked for; an empty name counts as the newest.
    pub(crate) fn encoding(&self) -> ModelEncoding {
        encoding_for_model(&self.facts.model)
    }

    /// Reads the body once more with a counter; `None` if it is no JSON.
    pub(crate) fn visit<V: Visitor>(&self, mut counter: V) -> Option<V> {
        let mut reader = Reader::new();
        reader.feed(self.body, &mut counter).ok()?;
        reader.finish(&mut counter).ok()?;
        Some(counter)
    }

    /// The certain bound, for bodies that turn out unreadable: no token is shorter than a byte.
    pub(crate) fn bound(&self) -> PromptCount {
        PromptCount { tokens: tokenstile_tokens::upper_bound(self.body.len() as u64), is_exact: false }
    }
}

/// Counts the strings that reach the model, fed in pieces.
#[derive(Debug)]
pub(crate) struct Texts {
    encoding: ModelEncoding,
    open: Option<ModelCounter>,
    /// Tokens so far, texts and what else was added.
    pub(crate) tokens: u64,
}

impl Texts {
    pub(crate) const fn new(encoding: ModelEncoding) -> Self {
        Self { encoding, open: None, tokens: 0 }
    }

    /// Adds tokens that are no text.
    pub(crate) const fn add(&mut self, tokens: u64) {
        self.tokens = self.tokens.saturating_add(tokens);
    }

    /// Adds a text that is whole.
    pub(crate) fn text(&mut self, text: &[u8]) {
        let mut counter = self.encoding.counter();
        counter.push(text);
        self.add(counter.finish().tokens());
    }

    /// Takes an event of a string value; `counts`: this string reaches the model.
    pub(crate) fn event(&mut self, counts: bool, event: Event<'_>) {
        match event {
            Event::TextBegin { .. } if counts => self.open = Some(self.encoding.counter()),
            Event::Text(piece) => {
                if let Some(counter) = &mut self.open {
                    counter.push(piece);
                }
            }
            Event::TextEnd { .. } => {
                if let Some(counter) = self.open.take() {
                    self.add(counter.finish().tokens());
                }
            }
            _ => {}
        }
    }
}
