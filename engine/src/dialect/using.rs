//! What a body uses, by where its values stand and what its texts say. Dialects tell by [`Shape`] which mean what.

use super::{Features, Says, Shape};
use crate::json::{Event, Key};

/// Longer than any word that says what is used.
const WORD_MAX: usize = 256;

/// Gathers it, an event at a time.
#[derive(Default)]
pub(super) struct Using {
    /// What the text at hand says.
    says: Option<Says>,
    word: Vec<u8>,
    /// What the object at hand uses if nothing in it says what.
    unsaid: Features,
}

impl Using {
    /// Whether the text at hand must be seen to its end.
    pub(super) const fn is_wanted(&self) -> bool {
        self.says.is_some()
    }

    /// What this event adds.
    pub(super) fn event(&mut self, shape: &Shape, path: &[Key], event: Event<'_>) -> Features {
        match event {
            Event::Null | Event::Bool(false) => Features::default(),
            // Completions give the chosen token's with `logprobs: 0`.
            Event::Number(n) if n.as_count() == Some(0) && path != [Key::Logprobs] => Features::default(),
            Event::Number(_) | Event::Bool(true) => (shape.uses)(path),
            Event::TextBegin { .. } => {
                self.says = (shape.says)(path);
                self.word.clear();
                (shape.uses)(path)
            }
            Event::Text(piece) => {
                let room = WORD_MAX.saturating_sub(self.word.len()).min(piece.len());
                let piece = piece.get(..room).filter(|_| self.says.is_some());
                self.word.extend_from_slice(piece.unwrap_or_default());
                Features::default()
            }
            Event::TextEnd { .. } => {
                let said = self.says.take().and_then(|says| says(&self.word));
                if said.is_some() {
                    self.unsaid = Features::default();
                }
                said.unwrap_or_default()
            }
            Event::Begin(_) => {
                let unsaid = (shape.unsaid)(path);
                if unsaid != Features::default() {
                    self.unsaid = unsaid;
                }
                (shape.uses)(path)
            }
            Event::End if (shape.unsaid)(path) != Features::default() => std::mem::take(&mut self.unsaid),
            Event::End => Features::default(),
        }
    }
}

/// Whether a value chooses words otherwise than by default.
pub(super) fn is_tuned(key: Key, event: Event<'_>) -> bool {
    match event {
        Event::Number(n) => {
            let default = if matches!(key, Key::Temperature | Key::TopP) { "1" } else { "0" };
            let value = |text: &str| text.parse::<f64>().ok();
            value(n.0).map(f64::to_bits) != value(default).map(f64::to_bits)
        }
        Event::Bool(stated) => stated,
        Event::TextBegin { .. } | Event::Begin(_) => true,
        Event::Null | Event::Text(_) | Event::TextEnd { .. } | Event::End => false,
    }
}
