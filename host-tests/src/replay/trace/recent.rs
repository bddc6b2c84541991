//! Which records came before. Called by whoever follows records without an end in sight: the trace of a replay, and
//! `tokenstile top`. It knows no record but its id.

use std::collections::{HashSet, VecDeque};
use std::hash::{DefaultHasher, Hash as _, Hasher as _};

/// Records of late, by their ids: a collector may get one twice, within minutes. Older ones are forgotten, so that the
/// length of a trace does not matter.
#[derive(Debug, Default)]
pub struct Recent {
    ids: HashSet<u64>,
    order: VecDeque<u64>,
}

impl Recent {
    const MAX: usize = 200_000;

    /// Whether it did not come before. One without an id cannot be told from another.
    pub fn is_new(&mut self, id: &str) -> bool {
        if id.is_empty() {
            return true;
        }
        let mut hasher = DefaultHasher::new();
        id.hash(&mut hasher);
        let hash = hasher.finish();
        if !self.ids.insert(hash) {
            return false;
        }
        self.order.push_back(hash);
        let oldest = if self.order.len() > Self::MAX { self.order.pop_front() } else { None };
        if let Some(oldest) = oldest {
            self.ids.remove(&oldest);
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use super::Recent;

    #[test]
    fn what_came_of_late_is_known_and_no_more_than_that_is_kept() {
        let mut recent = Recent::default();
        assert!(recent.is_new("0") && !recent.is_new("0"));
        assert!(recent.is_new("") && recent.is_new(""), "nobody has no id");
        assert!((1..=Recent::MAX).all(|id| recent.is_new(&id.to_string())));
        assert_eq!((recent.ids.len(), recent.order.len()), (Recent::MAX, Recent::MAX));
        assert!(recent.is_new("0"), "the oldest is forgotten");
    }
}
