//! Scopes: what tells the subjects of a budget apart, who calls and what is called.

use super::Identity;

/// One thing by which subjects differ.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scope {
    /// A dimension, by its place in the policy's `identity`.
    Dimension(usize),
    /// The model asked for.
    Model,
    /// Who serves it.
    Provider,
    /// The rule of `routes` that chooses for it.
    Route,
}

/// The value of a model or a provider that is not known: the body was not read, or no book names it.
/// Names that callers invent are one subject, not one each.
pub const UNKNOWN: &str = "unknown";

/// The route of a call for which no rule of `routes` chooses.
pub const NO_ROUTE: &str = "none";

/// One call as budgets see it.
#[derive(Debug, Clone, Copy)]
pub struct Subject<'a> {
    /// Who calls.
    pub identity: &'a Identity,
    /// The model as it was asked for; empty if the body was not read.
    pub asked: &'a str,
    /// The model as the price book or the policy names it, such as `openai/gpt-4o`; empty if unknown.
    pub priced_as: &'a str,
    /// Who serves, as the price book names it; empty if unknown.
    pub provider: &'a str,
    /// The API spoken, by its name in records.
    pub dialect: &'a str,
    /// The rule of `routes` that chooses for it; empty if none does.
    pub route: &'a str,
}

impl<'a> Subject<'a> {
    /// A call of which only the sender is known.
    #[must_use]
    pub const fn of(identity: &'a Identity) -> Self {
        Self { identity, asked: "", priced_as: "", provider: "", dialect: "", route: "" }
    }

    /// The value by which subjects differ. A model has one whatever alias or date it was asked for by.
    #[must_use]
    pub fn value(&self, scope: Scope) -> &'a str {
        match scope {
            Scope::Dimension(place) => self.identity.value(place),
            Scope::Model => known(self.priced_as),
            Scope::Provider => known(self.provider),
            Scope::Route if self.route.is_empty() => NO_ROUTE,
            Scope::Route => self.route,
        }
    }
}

pub(super) const fn known(value: &str) -> &str {
    if value.is_empty() { UNKNOWN } else { value }
}
