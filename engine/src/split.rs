//! Who is in which arm of an experiment: the same subject in the same arm, on every proxy and after every restart.
//!
//! Weighted rendezvous hashing: each arm draws a number for each subject, exponentially distributed with its weight as
//! rate, and the smallest wins (Thaler and Ravishankar, "Using name-based mappings to increase hit rates", 1998; the
//! weights as in Schindelhauer and Schomaker, "Weighted distributed hash tables", 2005). A subject moves only from or
//! to an arm whose weight changed. All in integers, so that every processor says the same.

use siphasher::sip::SipHasher13;
use std::hash::Hasher as _;

/// Thousandths of the subjects.
pub(crate) const PER_MILLE: u32 = 1000;

/// The arm that this subject is in: its place among `arms`, which are names and weights. `None`: no arm has a weight.
///
/// Weights are of any unit; only their relation counts.
pub(crate) fn arm<'a>(
    salt: &str,
    subject: &str,
    arms: impl IntoIterator<Item = (&'a str, u64)>,
) -> Option<usize> {
    let mut best: Option<(usize, u64, u64)> = None;
    for (place, (name, weight)) in arms.into_iter().enumerate() {
        let drawn = exponential(draw(salt, name, subject));
        // drawn / weight, without dividing.
        let wins =
            best.is_none_or(|(_, other, other_weight)| product(drawn, other_weight) < product(other, weight));
        if weight > 0 && wins {
            best = Some((place, drawn, weight));
        }
    }
    best.map(|(place, ..)| place)
}

/// Whether a subject is kept out of an experiment, as `per_mille` of them are.
pub(crate) fn is_held_out(salt: &str, subject: &str, per_mille: u32) -> bool {
    // The product's upper half is evenly spread over 0 to 999.
    let place = product(draw(salt, "", subject), u64::from(PER_MILLE)) >> 64;
    place < u128::from(per_mille)
}

fn draw(salt: &str, name: &str, subject: &str) -> u64 {
    let mut hasher = SipHasher13::new();
    for field in [salt, name, subject] {
        hasher.write_u64(field.len() as u64);
        hasher.write(field.as_bytes());
    }
    hasher.finish()
}

/// -log2 of `even` / 2^64, in units of 2^-32: a number of an exponential distribution for an even one.
fn exponential(even: u64) -> u64 {
    const FRACTION_BITS: u32 = 32;
    let even = even.max(1);
    let zeros = even.leading_zeros();
    // From 1 to 2 in units of 2^-63, squared bit by bit: each time it reaches 2, a bit of the logarithm.
    let mut mantissa = even << zeros;
    let mut fraction: u64 = 0;
    for _ in 0..FRACTION_BITS {
        let square = product(mantissa, mantissa);
        let reaches_two = (square >> 127) & 1 == 1;
        // The upper half again has its first bit set.
        let shifted = square >> if reaches_two { 64 } else { 63 };
        mantissa = u64::try_from(shifted).unwrap_or(u64::MAX);
        fraction = (fraction << 1) | u64::from(reaches_two);
    }
    // 63 - zeros + fraction is log2 of `even`.
    (u64::from(zeros).wrapping_add(1) << FRACTION_BITS).wrapping_sub(fraction)
}

/// Never more than 128 bits.
fn product(a: u64, b: u64) -> u128 {
    u128::from(a).wrapping_mul(u128::from(b))
}

#[cfg(test)]
mod tests {
    use super::{arm, exponential, is_held_out};
    use proptest::prelude::*;

    const SUBJECTS: u32 = 20_000;

    fn shares(arms: &[(&str, u64)]) -> Vec<f64> {
        let places = (0..SUBJECTS).map(|subject| arm("salt", &subject.to_string(), arms.iter().copied()));
        let places: Vec<usize> = places.map(Option::unwrap).collect();
        let share =
            |place| places.iter().filter(|other| **other == place).count() as f64 / f64::from(SUBJECTS);
        (0..arms.len()).map(share).collect()
    }

    #[test]
    fn shares_are_as_the_weights() {
        // Three standard deviations of the rarest.
        for (share, expected) in
            shares(&[("control", 900), ("mini", 90), ("nano", 10)]).iter().zip([0.9, 0.09, 0.01])
        {
            assert!((share - expected).abs() < 0.0065, "{share} of {expected}");
        }
        assert_eq!(shares(&[("a", 0), ("b", 5)]), [0.0, 1.0]);
        assert_eq!(arm("salt", "ann", [("a", 0)]), None);
        assert_eq!(arm("salt", "ann", []), None);
    }

    #[test]
    fn the_logarithm_is_right() {
        for even in [1_u64, 2, 3, 1 << 40, (1 << 40) + 12345, u64::MAX / 3, u64::MAX] {
            let expected = 64.0 - (even as f64).log2();
            let got = exponential(even) as f64 / f64::from(1_u32 << 31) / 2.0;
            assert!((got - expected).abs() < 1e-8, "{even}: {got} for {expected}");
        }
    }

    #[test]
    fn an_arm_stays_what_it_was_in_an_earlier_release() {
        let arms = [("control", 500), ("mini", 500)];
        let of = |subject| arm("short-questions", subject, arms).unwrap();
        assert_eq!(["ann", "ben", "cid", "dot", "eve", "fay"].map(of), [1, 1, 1, 0, 1, 0]);
    }

    #[test]
    fn a_hold_out_is_as_large_as_it_says() {
        let held = (0..SUBJECTS).filter(|subject| is_held_out("salt", &subject.to_string(), 50)).count();
        let share = held as f64 / f64::from(SUBJECTS);
        assert!((share - 0.05).abs() < 0.005, "{share}");
        assert!(!is_held_out("salt", "ann", 0) && is_held_out("salt", "ann", 1000));
    }

    proptest! {
        #[test]
        fn a_change_of_one_weight_moves_subjects_only_from_or_to_it(
            subject in ".{0,12}", weights in proptest::collection::vec(0_u64..1000, 2..5), to in 0_u64..1000
        ) {
            let names = ["a", "b", "c", "d"];
            let of = |weights: &[u64]| arm("s", &subject, names.into_iter().zip(weights.iter().copied()));
            let before = of(&weights);
            let mut changed = weights.clone();
            changed[1] = to;
            let after = of(&changed);
            prop_assert!(before == after || before == Some(1) || after == Some(1));
            if to > weights[1] {
                prop_assert!(before == after || after == Some(1));
            }
        }
    }
}
