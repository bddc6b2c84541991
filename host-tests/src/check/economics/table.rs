//! Whether the ledger's table has room for so many users: a subject has its place in one page of sixteen, by its hash, so
//! that pages fill up before the table does. Called by `mod.rs`.

use super::{Sound, is_user_alone};
use serde_json::Value;
use tokenstile_engine::ledger::SLOTS_PER_PAGE;
use tokenstile_engine::policy::{Budget, Condition, Verdict};

/// The table where a policy does not say how large it is.
const SLOTS: u64 = 65_536;
/// A size at which the search for one that is enough ends: 3 GB.
const SLOTS_MOST: u64 = 1 << 25;

/// A table that is too small.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SmallTable {
    /// Subjects of all budgets, each user one in each of theirs.
    pub subjects: u64,
    /// How many of them are to be expected to find no room.
    pub without_room: u64,
    /// The slots that it has.
    pub slots: u64,
    /// A number of slots that is enough.
    pub enough: u64,
}

/// The table, if it is too small for so many users (by tier, or of all under the empty name) and lets calls pass then.
pub(super) fn too_small(sound: &Sound, users: &[(String, u64)], place: Option<usize>) -> Option<SmallTable> {
    if sound.policy.table_full != Verdict::Allow {
        return None;
    }
    let of_tier = |budget: &Budget, tier: &str| {
        budget.matches.iter().all(|condition| match condition {
            Condition::Dimension(at, value) if Some(*at) == place => tier.is_empty() || value == tier,
            _ => true,
        })
    };
    let counted = |tier: &str| {
        let budgets = sound.policy.declared().iter();
        budgets.filter(|budget| is_user_alone(&sound.policy, budget) && of_tier(budget, tier)).count() as u64
    };
    let subjects = users.iter().map(|(tier, count)| count.saturating_mul(counted(tier)));
    let subjects = subjects.fold(0, u64::saturating_add);
    let slots = sound.document.get("table_slots").and_then(Value::as_u64).unwrap_or(SLOTS);
    let without_room = without_room(subjects, slots);
    if without_room == 0 {
        return None;
    }
    let mut enough = slots.max(1).next_power_of_two();
    while enough < SLOTS_MOST && self::without_room(subjects, enough) > 0 {
        enough *= 2;
    }
    Some(SmallTable { subjects, without_room, slots, enough })
}

/// How many subjects are to be expected in pages that are full: pages have as many as a Poisson distribution says.
#[expect(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "an expectation"
)]
fn without_room(subjects: u64, slots: u64) -> u64 {
    let pages = slots.div_ceil(SLOTS_PER_PAGE as u64).max(1) as f64;
    let mean = subjects as f64 / pages;
    // The mean of those that fit: of a page with k, the lesser of k and its slots.
    let (mut one, mut fewer, mut fit) = ((-mean).exp(), 0.0, 0.0);
    for k in 0..SLOTS_PER_PAGE {
        fewer += one;
        fit += one * k as f64;
        one *= mean / (k + 1) as f64;
    }
    fit += (1.0 - fewer) * SLOTS_PER_PAGE as f64;
    ((mean - fit) * pages).max(0.0) as u64
}

#[cfg(test)]
mod tests {
    use super::without_room;

    #[test]
    fn pages_fill_up_before_the_table_does() {
        assert_eq!(without_room(0, 64), 0);
        assert_eq!(without_room(16_000, 65_536), 0);
        // Sixteen subjects a page: a tenth of them falls on pages that are full, which is sixteen times the Poisson
        // probability of sixteen.
        assert_eq!(without_room(65_536, 65_536), 6_502);
        assert_eq!(without_room(100_000, 64), 99_936);
    }
}
