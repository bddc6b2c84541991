//! Estimates for models whose tokenizer is not public or not implemented: tokens of `o200k_base`, weighed by kind of text.
//! Called by `models`. The weights come from `examples/fit.rs`; docs/accuracy.md has their errors.

use crate::scripts::Scripts;

/// A family of models that share a tokenizer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Estimator {
    /// Anthropic's models from Claude 3 to 4.6.
    Claude,
    /// Anthropic's models from Claude Opus 4.7 on.
    Claude5,
    /// Google's Gemini, and Gemma.
    Gemini,
    /// Meta's Llama 3.
    Llama3,
    /// Meta's Llama 4.
    Llama4,
    /// Mistral's models.
    Mistral,
    /// DeepSeek V3, R1 and later.
    DeepSeek,
    /// Alibaba's Qwen.
    Qwen,
    /// Cohere's Command.
    Command,
    /// Amazon's Nova.
    Nova,
    /// Amazon's Titan: too little recorded usage, so weighed as an unknown model.
    Titan,
    /// xAI's Grok.
    Grok,
    /// A model of OpenAI that the table does not know, or one of before 2022.
    OpenAi,
    /// A model that no row of the table names.
    Unknown,
}

impl Estimator {
    /// The estimated number of tokens in `text`.
    #[must_use]
    pub fn count(self, text: &str) -> u64 {
        self.estimate(Scripts::of(text))
    }

    /// The estimate for tokens of `o200k_base` by kind of text, rounded up.
    #[must_use]
    pub fn estimate(self, scripts: Scripts) -> u64 {
        let weighed =
            scripts.0.iter().zip(self.weights()).map(|(tokens, weight)| tokens.saturating_mul(weight));
        weighed.fold(0, u64::saturating_add).div_ceil(1000)
    }

    /// Thousandths of a token for each token of `o200k_base`, by kind of text. Printed by
    /// `cargo xtask fit tokens`, but for the kinds that hardly occur in the recorded
    /// answers: there the program gives the family's overall ratio, and Claude's ideographs are from a comparison with
    /// an unofficial reconstruction of its tokenizer.
    const fn weights(self) -> [u64; 6] {
        match self {
            //                 ASCII, cased, ideographs, others, numbers, symbols
            Self::Claude => [1080, 1198, 1450, 1337, 1145, 1227],
            Self::Claude5 => [1514, 1491, 1491, 1491, 1386, 1407],
            Self::Gemini => [991, 1035, 1035, 1258, 1700, 1179],
            Self::Llama3 => [1042, 1039, 1039, 1039, 971, 1011],
            Self::Llama4 => [1016, 994, 1000, 1000, 994, 969],
            Self::Mistral => [1055, 1014, 1042, 1120, 1381, 961],
            Self::DeepSeek => [959, 1022, 1022, 1022, 978, 1124],
            Self::Qwen => [1019, 1018, 1018, 1043, 1016, 1013],
            Self::Command => [1043, 1068, 1012, 1252, 1243, 1239],
            Self::Nova => [1015, 996, 1000, 1031, 1126, 889],
            Self::Grok => [997, 980, 980, 980, 988, 955],
            Self::OpenAi => [1000, 1000, 1000, 1000, 1000, 1000],
            Self::Titan | Self::Unknown => [1025, 1193, 1005, 1573, 1153, 1178],
        }
    }
}
