//! Who is in which arm of an experiment: the same subject in the same arm, on every proxy and after every restart.
//!
//! Arms take their subjects one after the other: each draws a number for a subject, and takes it if that is below the
//! arm's share of what the arms before it have left. What the last one leaves is in no arm. So a change of a weight moves
//! nobody between the arms before it, and the last arm, which usually grows, takes from what is in none. All in integers,
//! so that every processor says the same.
//!
//! No scheme moves the fewest for every change of weights. With three places a, b and c, let the weights be one half each
//! of a and b, of a and c, or of b and c. Between two of these no fewer than half of the subjects move, and so few only if
//! whoever is in the place that both have stays there. Then one who is first in a is secondly in a, and thirdly neither in b
//! (where those are who were in b first) nor in c (those who were in c secondly). Weighted rendezvous hashing (each arm's
//! score is -ln(u)/weight, that of no arm among them) spreads what moves too much: 13 to 16 % where 10 % would do, also
//! where the last arm grows, which here is exact. Bavarian et al., "Optimality of correlated sampling strategies"
//! (<https://arxiv.org/abs/1612.01041>), have the bounds.

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

    /// Of a thousand subjects so many that are elsewhere under other weights.
    fn moved(before: &[(&str, u32)], after: &[(&str, u32)]) -> u32 {
        let name = |subject: &str, arms: &[(&str, u32)]| {
            let place = arm("salt", subject, arms.iter().copied());
            place.map_or_else(String::new, |place| arms[place].0.to_owned())
        };
        let moves = |subject: &str| name(subject, before) != name(subject, after);
        (share(moves) * 1000.0).round() as u32
    }

    /// `docs/routes.md` has these numbers.
    #[test]
    fn a_change_of_weights_moves_as_many_as_the_document_says() {
        let half = [("control", 400), ("mini", 300)];
        for (says, before, after) in [
            (100, &half[..], &[("control", 400), ("mini", 400)][..]),
            (100, &half, &[("control", 400), ("mini", 300), ("nano", 100)]),
            (100, &[("control", 500), ("mini", 500)], &[("control", 400), ("mini", 600)]),
            (143, &half, &[("control", 300), ("mini", 300)]),
            (143, &half, &[("control", 300), ("mini", 400)]),
            (189, &half, &[("nano", 100), ("control", 400), ("mini", 300)]),
        ] {
            let moved = moved(before, after);
            // Three standard deviations of 20,000 subjects.
            assert!(moved.abs_diff(says) <= 8, "{before:?} to {after:?}: {moved}, and it says {says}");
        }
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
