//! Everything that is wrong with a policy, each with its place and the way out.

use deserr::errors::JsonError;
use deserr::{DeserializeError, ErrorKind, IntoValue, MergeWithError, ValuePointerRef};
use std::fmt;
use std::ops::ControlFlow;

/// One thing that is wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PolicyError {
    /// The JSON path, such as `budgets[0].ladder[1].at`; empty for the document itself.
    pub path: String,
    /// What is wrong there and what would be right.
    pub message: String,
}

/// All that is wrong, in the order of the document's keys.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct PolicyErrors(pub Vec<PolicyError>);

impl PolicyErrors {
    pub(super) fn add(&mut self, path: impl Into<String>, message: impl Into<String>) {
        self.0.push(PolicyError { path: path.into(), message: message.into() });
    }
}

/// That a budget is named which there is not, and which there are.
pub(super) fn no_budget<'n>(name: &str, names: impl Iterator<Item = &'n String>) -> String {
    let names: Vec<String> = names.map(|name| format!("`{name}`")).collect();
    match names.join(", ") {
        none if none.is_empty() => format!("no budget `{name}`; the policy has none in `budgets`"),
        names => format!("no budget `{name}`; there are {names}"),
    }
}

impl fmt::Display for PolicyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.path.is_empty() {
            f.write_str(&self.message)
        } else {
            write!(f, "`{}`: {}", self.path, self.message)
        }
    }
}

impl fmt::Display for PolicyErrors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let n = self.0.len();
        write!(f, "the policy has {n} error{}", if n == 1 { "" } else { "s" })?;
        self.0.iter().try_for_each(|error| write!(f, "\n  {error}"))
    }
}

impl std::error::Error for PolicyErrors {}

// Reading goes on after every error. `inline(always)` lets the compiler see that: it leaves out what would clear away
// the half of each object that was read, a hundred kilobytes of the filter.
impl DeserializeError for PolicyErrors {
    #[inline(always)]
    fn error<V: IntoValue>(
        self_: Option<Self>,
        error: ErrorKind<V>,
        location: ValuePointerRef,
    ) -> ControlFlow<Self, Self> {
        ControlFlow::Continue(add(self_, error, location))
    }
}

impl MergeWithError<Self> for PolicyErrors {
    #[inline(always)]
    fn merge(self_: Option<Self>, other: Self, _: ValuePointerRef) -> ControlFlow<Self, Self> {
        ControlFlow::Continue(append(self_, other))
    }
}

#[inline(never)]
fn add<V: IntoValue>(
    errors: Option<PolicyErrors>,
    error: ErrorKind<V>,
    location: ValuePointerRef,
) -> PolicyErrors {
    let mut all = errors.unwrap_or_default();
    // deserr's own wording, which suggests the nearest known key; the place is said by `path`.
    let wording = match JsonError::error(None, error, ValuePointerRef::Origin) {
        ControlFlow::Break(e) | ControlFlow::Continue(e) => e.to_string(),
    };
    all.add(path_of(location), lower_first(&wording));
    all
}

#[inline(never)]
fn append(errors: Option<PolicyErrors>, other: PolicyErrors) -> PolicyErrors {
    let mut all = errors.unwrap_or_default();
    all.0.extend(other.0);
    all
}

fn path_of(location: ValuePointerRef) -> String {
    match location {
        ValuePointerRef::Origin => String::new(),
        ValuePointerRef::Key { key, prev } => match path_of(*prev) {
            before if before.is_empty() => key.to_owned(),
            before => format!("{before}.{key}"),
        },
        ValuePointerRef::Index { index, prev } => format!("{}[{index}]", path_of(*prev)),
    }
}

fn lower_first(text: &str) -> String {
    let mut chars = text.trim_end_matches('.').chars();
    chars.next().map(|c| c.to_lowercase().chain(chars).collect()).unwrap_or_default()
}
