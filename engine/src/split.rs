//! Who is in which arm of an experiment: the same subject in the same arm, on every proxy and after every restart.
//!
//! Arms take their subjects one after the other: each draws a number for a subject, and takes it if that is below the
//! arm's share of what the arms before it have left. What the last one leaves is in no arm. So a change of a weight moves
//! nobody between the arms before it, and the last arm, which usually grows, takes from what is in none. Hashing by
//! rendezvous would let what is in none, whose weight changes too, give to all. All in integers, so that every
//! processor says the same.

use siphasher::sip::SipHasher13;
use std::hash::Hasher as _;

/// Thousandths of the subjects.
pub(crate) const PER_MILLE: u32 = 1000;

/// The arm that this subject is in: its place among `arms`, which are names and weights in thousandths of all subjects.
/// `None`: it is in none.
pub(crate) fn arm<'a>(
    salt: &str,
    subject: &str,
    arms: impl IntoIterator<Item = (&'a str, u32)>,
) -> Option<usize> {
    let mut left = PER_MILLE;
    arms.into_iter().position(|(name, weight)| {
        let takes = drawn(&[salt, name, subject], left) < weight;
        left = left.saturating_sub(weight);
        takes
    })
}

/// Whether a subject is kept out of an experiment, as `per_mille` of them are.
pub(crate) fn is_held_out(salt: &str, subject: &str, per_mille: u32) -> bool {
    drawn(&[salt, "", subject], PER_MILLE) < per_mille
}

/// Whether a subject of an arm that grows is in it by now, as `per_mille` of them are. Who is in stays in.
pub(crate) fn is_in_by_now(salt: &str, name: &str, subject: &str, per_mille: u32) -> bool {
    drawn(&[salt, name, subject, "ramp"], PER_MILLE) < per_mille
}

/// A number from 0 to below `end`, each as often.
fn drawn(fields: &[&str], end: u32) -> u32 {
    let mut hasher = SipHasher13::new();
    for field in fields {
        hasher.write_u64(field.len() as u64);
        hasher.write(field.as_bytes());
    }
    let scaled = u128::from(hasher.finish()).wrapping_mul(u128::from(end)) >> 64;
    u32::try_from(scaled).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::{PER_MILLE, arm, is_held_out, is_in_by_now};
    use proptest::prelude::*;

    const SUBJECTS: u32 = 20_000;

    fn share(is_one: impl Fn(&str) -> bool) -> f64 {
        let ones = (0..SUBJECTS).filter(|subject| is_one(&subject.to_string())).count();
        ones as f64 / f64::from(SUBJECTS)
    }

    #[test]
    fn shares_are_as_the_weights() {
        let arms = [("control", 800), ("mini", 90), ("nano", 10)];
        // Three standard deviations of the rarest.
        for (place, expected) in [(Some(0), 0.8), (Some(1), 0.09), (Some(2), 0.01), (None, 0.1)] {
            let share = share(|subject| arm("salt", subject, arms) == place);
            assert!((share - expected).abs() < 0.0085, "{share} of {expected}");
        }
        assert!(
            (0..SUBJECTS).all(|subject| arm("s", &subject.to_string(), [("a", 0), ("b", 1000)]) == Some(1))
        );
        assert_eq!(arm("salt", "ann", [("a", 0)]), None);
        assert_eq!(arm("salt", "ann", []), None);
    }

    #[test]
    fn an_arm_stays_what_it_was_in_an_earlier_release() {
        let arms = [("control", 500), ("mini", 500)];
        let of = |subject| arm("short-questions", subject, arms).unwrap();
        assert_eq!(["ann", "ben", "cid", "dot", "eve", "fay"].map(of), [1, 0, 0, 0, 1, 1]);
    }

    #[test]
    fn a_hold_out_and_a_ramp_are_as_large_as_they_say() {
        assert!((share(|subject| is_held_out("salt", subject, 50)) - 0.05).abs() < 0.005);
        assert!((share(|subject| is_in_by_now("salt", "mini", subject, 250)) - 0.25).abs() < 0.01);
        assert!(!is_held_out("salt", "ann", 0) && is_held_out("salt", "ann", 1000));
        assert!(!is_in_by_now("salt", "mini", "ann", 0) && is_in_by_now("salt", "mini", "ann", 1000));
    }

    proptest! {
        #[test]
        fn a_change_of_the_last_weight_moves_subjects_only_between_it_and_none(
            subject in ".{0,12}", first in 0_u32..400, second in 0_u32..400, from in 0_u32..200, to in 0_u32..200
        ) {
            let of = |last| arm("s", &subject, [("a", first), ("b", second), ("c", last)]);
            let (before, after) = (of(from), of(to));
            prop_assert!(before == after || before == Some(2) && after.is_none() || before.is_none() && after == Some(2));
            prop_assert!(before == after || (to > from) == (after == Some(2)));
        }

        #[test]
        fn what_one_arm_gives_to_the_next_moves_only_that(
            subject in ".{0,12}", first in 1_u32..500, given in 0_u32..500
        ) {
            let of = |weights: [u32; 2]| arm("s", &subject, [("a", weights[0]), ("b", weights[1])]);
            let given = given.min(first);
            let left = first.saturating_sub(given);
            let of = |first| of([first, PER_MILLE.saturating_sub(first)]);
            let (before, after) = (of(first), of(left));
            prop_assert!(before == after || (before, after) == (Some(0), Some(1)));
        }

        #[test]
        fn arms_before_a_change_keep_theirs(
            subject in ".{0,12}", first in 0_u32..500, weights in proptest::array::uniform2((0_u32..200, 0_u32..200))
        ) {
            let of = |(second, third)| arm("s", &subject, [("a", first), ("b", second), ("c", third)]);
            prop_assert!((of(weights[0]) == Some(0)) == (of(weights[1]) == Some(0)));
        }
    }
}
