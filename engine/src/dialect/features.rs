//! What a request may use, and a model may be able to do: one set of names for policies, prices and facts.

/// What a request uses, one bit each.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Features(pub u16);

/// What a `thinking.type` says.
pub(super) fn thinking(kind: &[u8]) -> Option<Features> {
    Some(if kind == b"disabled" { Features::default() } else { Features::REASONING })
}

/// What a file is by its media type.
pub(super) fn of_media_type(kind: &[u8]) -> Option<Features> {
    let kind = kind.to_ascii_lowercase();
    Some(match kind.split(|byte| *byte == b'/').next() {
        Some(b"image") => Features::VISION,
        Some(b"audio") => Features::AUDIO,
        Some(b"video") => Features::VIDEO,
        _ => Features::FILES,
    })
}

/// Whether a model searches the web by itself: <https://openrouter.ai/docs/features/web-search>,
/// <https://platform.openai.com/docs/guides/tools-web-search>.
pub(super) fn searches(model: &str) -> bool {
    let variant = model.rsplit_once(':').map(|(_, variant)| variant);
    variant.is_some_and(|variant| variant.eq_ignore_ascii_case("online"))
        || ["-search-preview", "-search-api"].iter().any(|word| model.contains(word))
}

impl Features {
    /// Tool or function definitions.
    pub const TOOLS: Self = Self(1);
    /// Images in the prompt.
    pub const VISION: Self = Self(1 << 1);
    /// Audio in the prompt or asked for.
    pub const AUDIO: Self = Self(1 << 2);
    /// Files or documents in the prompt.
    pub const FILES: Self = Self(1 << 3);
    /// An answer by JSON schema.
    pub const JSON_SCHEMA: Self = Self(1 << 4);
    /// Reasoning or thinking asked for.
    pub const REASONING: Self = Self(1 << 5);
    /// Log probabilities asked for.
    pub const LOGPROBS: Self = Self(1 << 6);
    /// Tools that the provider runs itself (web search, code execution).
    pub const SERVER_TOOLS: Self = Self(1 << 7);
    /// Video in the prompt.
    pub const VIDEO: Self = Self(1 << 8);
    /// An effort as Anthropic states it, for all tokens of the answer; OpenAI's is part of its reasoning.
    pub const EFFORT: Self = Self(1 << 9);

    /// Their names in policies and in the table of capabilities, in the order of their bits.
    pub const NAMES: [&str; 10] = include!("feature_names.in");

    /// By its name.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        Self::NAMES.iter().zip(0..).find(|(known, _)| **known == name).map(|(_, bit)| Self(1 << bit))
    }

    /// The names of all that is used.
    pub fn names(self) -> impl Iterator<Item = &'static str> {
        Self::NAMES.into_iter().filter(move |name| Self::named(name).is_some_and(|one| self.meets(one)))
    }

    /// What is in both.
    #[must_use]
    pub const fn shared_with(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }

    /// Without these.
    #[must_use]
    pub const fn without(self, other: Self) -> Self {
        Self(self.0 & !other.0)
    }

    /// Both together.
    #[must_use]
    pub const fn and(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// Whether anything of `other` is used.
    #[must_use]
    pub const fn meets(self, other: Self) -> bool {
        self.0 & other.0 != 0
    }

    /// Whether all of `other` is used.
    #[must_use]
    pub const fn contains(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }
}
