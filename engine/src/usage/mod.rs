//! What a call used: as the provider states it, or counted from what it sent. One meaning for every
//! dialect; the numbers as they stand on the wire are [`Stated`], what they mean is [`Usage`].

mod answer;
mod border;
mod eventstream;
mod framing;
mod other;
mod sse;
mod strip;

pub use answer::{Answer, AnswerReader, Served};
pub(crate) use border::Border;
pub use other::Other;
pub use strip::Strip;

/// Tokens of one call. Totals include their parts, as in the public table genai-prices.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Usage {
    /// All input tokens.
    pub input: u64,
    /// Those of the input that the provider read from its cache.
    pub cache_read: u64,
    /// Those of the input that the provider wrote to its cache, for 5 minutes or for longer.
    pub cache_write: u64,
    /// Those of `cache_write` that are kept for an hour.
    pub cache_write_1h: u64,
    /// Audio among the input.
    pub input_audio: u64,
    /// Images among the input.
    pub input_image: u64,
    /// Video among the input.
    pub input_video: u64,
    /// Audio that was read from the cache: part of `input_audio` and of `cache_read`.
    pub cache_read_audio: u64,
    /// Images that were read from the cache: part of `input_image` and of `cache_read`.
    pub cache_read_image: u64,
    /// All output tokens.
    pub output: u64,
    /// Reasoning or thinking among the output.
    pub reasoning: u64,
    /// Audio among the output.
    pub output_audio: u64,
    /// Images among the output.
    pub output_image: u64,
    /// Web searches that the provider made, billed each.
    pub web_searches: u64,
}

impl Usage {
    /// Input and output.
    #[must_use]
    pub const fn total(self) -> u64 {
        self.input.saturating_add(self.output)
    }

    /// The same without what the model wrote.
    #[must_use]
    pub const fn of_prompt(self) -> Self {
        Self { output: 0, reasoning: 0, output_audio: 0, output_image: 0, ..self }
    }
}

macro_rules! parts {
    ($($(#[$doc:meta])* $part:ident),* $(,)?) => {
        /// A number that some provider states about a call, as it stands on the wire.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub(crate) enum Part { $($(#[$doc])* $part),* }

        impl Part {
            const COUNT: usize = [$(Self::$part),*].len();
        }
    };
}

parts! {
    /// Input tokens, whatever this provider counts as such.
    Input,
    /// Output tokens, whatever this provider counts as such.
    Output,
    /// The provider's own sum.
    Total,
    /// Read from the cache.
    CacheRead,
    /// Read from the cache, said beside the details.
    CacheReadBeside,
    /// Input, said beside the body or for another purpose.
    InputBeside,
    /// Output, said so.
    OutputBeside,
    /// Written to the cache, said so.
    CacheWriteBeside,
    /// Written to the cache.
    CacheWrite,
    /// Written to the cache for 5 minutes.
    CacheWrite5m,
    /// Written to the cache for an hour.
    CacheWrite1h,
    /// Reasoning or thinking.
    Reasoning,
    /// Results of the provider's own tools, put into the prompt.
    ToolInput,
    /// Text in the input.
    InputText,
    /// Audio in the input.
    InputAudio,
    /// Images in the input.
    InputImage,
    /// Video in the input.
    InputVideo,
    /// Audio read from the cache.
    CacheReadAudio,
    /// Images read from the cache.
    CacheReadImage,
    /// Audio in the output.
    OutputAudio,
    /// Images in the output.
    OutputImage,
    /// Input of one inference among several that made this answer, and all that the totals leave out.
    ItemInput,
    /// The same of output.
    ItemOutput,
    /// The same of what the cache gave.
    ItemCacheRead,
    /// The same of what the cache took.
    ItemCacheWrite,
    /// See `ItemInput`.
    MoreInput,
    /// See `ItemInput`.
    MoreOutput,
    /// See `ItemInput`.
    MoreCacheRead,
    /// See `ItemInput`.
    MoreCacheWrite,
    /// Tokens of citations.
    Citations,
    /// Web searches.
    WebSearches,
    /// However many searches a prompt takes, one is charged.
    SearchesByPrompt,
    /// Input of another model than the answering one, outside its cache.
    OtherInput,
    /// Images among it.
    OtherInputImage,
    /// Its output.
    OtherOutput,
    /// Images among it.
    OtherOutputImage,
    /// What its cache gave.
    OtherCacheRead,
    /// What its cache took.
    OtherCacheWrite,
}

/// The numbers that a call's answer stated. Usage repeated in a stream is cumulative: each number
/// replaces the one before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stated([Option<u64>; Part::COUNT]);

impl Default for Stated {
    fn default() -> Self {
        Self([None; Part::COUNT])
    }
}

impl Stated {
    /// This number, if it was stated.
    pub(crate) fn get(&self, part: Part) -> Option<u64> {
        self.0.get(part as usize).copied().flatten()
    }

    /// This number, or 0.
    pub(crate) fn or_zero(&self, part: Part) -> u64 {
        self.get(part).unwrap_or(0)
    }

    pub(crate) fn set(&mut self, part: Part, number: u64) {
        if let Some(place) = self.0.get_mut(part as usize) {
            *place = Some(number);
        }
    }
}

#[cfg(test)]
mod tests;
