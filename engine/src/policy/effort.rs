//! How hard a model thinks: what a policy's `clamp` lowers, and requests state.

use super::PolicyErrors;
use deserr::Deserr;

/// How hard a model thinks, from the least to the most, as OpenAI and Anthropic name it:
/// <https://platform.openai.com/docs/api-reference/chat/create#chat-create-reasoning_effort>,
/// <https://platform.claude.com/docs/en/build-with-claude/effort>.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default, Deserr)]
#[deserr(error = PolicyErrors, rename_all = lowercase)]
pub enum Effort {
    /// Not at all.
    #[default]
    None,
    /// As little as it can.
    Minimal,
    /// A little.
    Low,
    /// Some.
    Medium,
    /// Much.
    High,
    /// More.
    Xhigh,
    /// As much as it can.
    Max,
}

impl Effort {
    const ALL: [Self; 7] =
        [Self::None, Self::Minimal, Self::Low, Self::Medium, Self::High, Self::Xhigh, Self::Max];

    /// The word for it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Minimal => "minimal",
            Self::Low => "low",
            Self::Medium => "medium",
            Self::High => "high",
            Self::Xhigh => "xhigh",
            Self::Max => "max",
        }
    }

    /// By its word in a request.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|effort| effort.name() == name)
    }
}
