//! What another model than the answering one used for an answer: an advisor that was asked, a tool that draws. It is in
//! the totals, and costs by the rates of its own. Called by the dialects and by the settlement; knows no prices.

use super::{Part, Stated, Usage};

/// The model, and what it used.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Other {
    /// As the answer names it.
    pub model: String,
    /// Part of what the answer states in all.
    pub usage: Usage,
}

impl Stated {
    /// What an answer states of it.
    pub(crate) fn of_another_model(&self) -> Option<Usage> {
        let (read, write) = (self.or_zero(Part::OtherCacheRead), self.or_zero(Part::OtherCacheWrite));
        let output = self.or_zero(Part::OtherOutput);
        let usage = Usage {
            input: self.or_zero(Part::OtherInput).saturating_add(read).saturating_add(write),
            cache_read: read,
            cache_write: write,
            input_image: self.or_zero(Part::OtherInputImage),
            output,
            output_image: self.or_zero(Part::OtherOutputImage).min(output),
            ..Usage::default()
        };
        (usage != Usage::default()).then_some(usage)
    }
}

impl Usage {
    /// The same less what another model used.
    #[must_use]
    pub const fn without(self, other: Self) -> Self {
        Self {
            input: self.input.saturating_sub(other.input),
            cache_read: self.cache_read.saturating_sub(other.cache_read),
            cache_write: self.cache_write.saturating_sub(other.cache_write),
            input_image: self.input_image.saturating_sub(other.input_image),
            output: self.output.saturating_sub(other.output),
            output_image: self.output_image.saturating_sub(other.output_image),
            ..self
        }
    }

    /// The same and what another model used.
    #[must_use]
    pub const fn with(self, other: Self) -> Self {
        Self {
            input: self.input.saturating_add(other.input),
            cache_read: self.cache_read.saturating_add(other.cache_read),
            cache_write: self.cache_write.saturating_add(other.cache_write),
            input_image: self.input_image.saturating_add(other.input_image),
            output: self.output.saturating_add(other.output),
            output_image: self.output_image.saturating_add(other.output_image),
            ..self
        }
    }
}
