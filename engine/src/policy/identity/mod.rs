//! Who pays: named dimensions, each the first of its sources that yields a value.
//!
//! What the headers and the path say is read at once. What only the proxy knows is asked for, one by one and only
//! if no earlier source yielded ([`IdentityReader::wants`]); what only the body says is filled in when it was read
//! ([`Identity::complete`]).

mod address;
mod head;
mod reader;
mod source;
mod token;

pub use head::{Head, Header, is_ours};
pub use reader::IdentityReader;
pub use source::{Ask, Source};
pub(super) use source::{Sources, check_header};

use super::Policy;

/// One dimension of the policy's `identity`.
#[derive(Debug)]
pub struct Dimension {
    /// Its name: `user`, `tenant`, …
    pub name: String,
    /// Where its value comes from, in order.
    pub sources: Vec<Source>,
}

/// Values that dimensions must have: a dimension's place and its value.
pub type Match = Vec<(usize, String)>;

/// The values of one caller, one a dimension, in the policy's order.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Identity {
    values: Vec<String>,
    /// What the body may say of a dimension, before the value that stands now: the dimension, and the pointer's
    /// place among the policy's.
    pending: Vec<(usize, usize)>,
}

impl Identity {
    /// Reads who pays where the proxy has nothing to tell.
    #[must_use]
    pub fn of(policy: &Policy, head: Head<'_>) -> Self {
        let mut reader = IdentityReader::new(policy, head);
        while reader.wants().is_some() {
            reader.answer(None);
        }
        reader.finish()
    }

    /// Who pays where the values are known already, one a dimension in the policy's order.
    #[must_use]
    pub const fn known(values: Vec<String>) -> Self {
        Self { values, pending: Vec::new() }
    }

    /// The value of the dimension at this place; empty when no source yielded one.
    #[must_use]
    pub fn value(&self, dimension: usize) -> &str {
        self.values.get(dimension).map_or("", String::as_str)
    }

    /// Whether this caller has these values.
    #[must_use]
    pub fn meets(&self, matches: &Match) -> bool {
        matches.iter().all(|(dimension, value)| self.value(*dimension) == value)
    }

    /// Whether a body may still say something else of this dimension.
    #[must_use]
    pub fn awaits(&self, dimension: usize) -> bool {
        self.pending.iter().any(|(pending, _)| *pending == dimension)
    }

    /// The body was read: `pointed` has the values at the policy's pointers.
    pub(crate) fn complete(&mut self, pointed: &[Option<String>]) {
        let mut filled = None;
        for (dimension, pointer) in std::mem::take(&mut self.pending) {
            let found = pointed.get(pointer).and_then(Option::as_ref).filter(|_| filled != Some(dimension));
            if let (Some(found), Some(value)) = (found, self.values.get_mut(dimension)) {
                value.clone_from(found);
                filled = Some(dimension);
            }
        }
    }
}

#[cfg(test)]
mod tests;
