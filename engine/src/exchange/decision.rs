//! What may be decided of a call: one word for headers, records, metrics and reports.

/// What was decided, in the order of strictness.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub enum Decision {
    /// It went on as it was.
    #[default]
    Allow,
    /// It went on, and the caller is told that the budget runs low.
    Warn,
    /// It went on, at a price.
    Overage,
    /// It went on later.
    Delay,
    /// A route chose another model or another way for it.
    Route,
    /// The answer is shortened.
    Clamp,
    /// A cheaper model serves.
    Downgrade,
    /// The caller was asked to confirm it.
    Confirm,
    /// It was refused.
    Deny,
}

impl Decision {
    /// All of them, the stricter the later.
    pub const ALL: [Self; 9] = [
        Self::Allow,
        Self::Warn,
        Self::Overage,
        Self::Delay,
        Self::Route,
        Self::Clamp,
        Self::Downgrade,
        Self::Confirm,
        Self::Deny,
    ];

    /// The word in headers, records and metrics.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Allow => "allow",
            Self::Warn => "warn",
            Self::Overage => "overage",
            Self::Delay => "delay",
            Self::Route => "route",
            Self::Clamp => "clamp",
            Self::Downgrade => "downgrade",
            Self::Confirm => "confirm",
            Self::Deny => "deny",
        }
    }
}
