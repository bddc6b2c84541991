//! What answers really come to: a running quantile for each kind of call, in a table of fixed size.
//!
//! The shell owns one a VM and lends it to its exchanges. It is forgotten with the VM: the policy's start value counts
//! then. The same calls in the same order give the same table.

/// Kinds of calls that are told apart. A kind that comes to another's place takes it.
const CELLS: usize = 1024;
/// The first steps are large, the later ones an eighth: `STEP / min(seen + STEP, STEP_MAX)`.
const STEP: u64 = 4;
const STEP_MAX: u64 = 32;

#[derive(Debug, Clone, Copy, Default)]
struct Cell {
    /// The kind; 0 if none.
    tag: u64,
    /// Thousandths of a token.
    estimate: u64,
    seen: u64,
}

/// The table.
#[derive(Debug, Default)]
pub struct Learned(Vec<Cell>);

impl Learned {
    /// The output that a call of this kind is expected to have, in tokens, if one was seen.
    #[must_use]
    pub fn expected(&self, kind: u64) -> Option<u64> {
        let cell = self.0.get(place(kind)?).filter(|cell| cell.tag == kind)?;
        Some(cell.estimate.div_ceil(1_000))
    }

    /// A call of this kind came to so much. The estimate goes up by a share of itself in proportion to the quantile
    /// (in thousandths) when more came, and down in proportion to the rest when not: it stays where that many calls
    /// lie below it.
    pub fn observe(&mut self, kind: u64, output: u64, quantile: u64, start: u64) {
        if self.0.is_empty() {
            self.0 = vec![Cell::default(); CELLS];
        }
        let Some(cell) = place(kind).and_then(|place| self.0.get_mut(place)) else { return };
        if cell.tag != kind {
            *cell = Cell { tag: kind, estimate: start.max(1).saturating_mul(1_000), seen: 0 };
        }
        let step = |share: u64| {
            let whole = cell.estimate.saturating_mul(share).saturating_mul(STEP);
            let parts = cell.seen.saturating_add(STEP).min(STEP_MAX).saturating_mul(1_000);
            whole.checked_div(parts).unwrap_or(0)
        };
        cell.estimate = if output.saturating_mul(1_000) > cell.estimate {
            cell.estimate.saturating_add(step(quantile))
        } else {
            cell.estimate.saturating_sub(step(1_000_u64.saturating_sub(quantile))).max(1_000)
        };
        cell.seen = cell.seen.saturating_add(1);
    }
}

fn place(kind: u64) -> Option<usize> {
    usize::try_from(kind.checked_rem(CELLS as u64)?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Answers of 1 to 1,000 tokens, in an order without a pattern.
    fn answers() -> impl Iterator<Item = u64> {
        let mixed = |i: u64| i.wrapping_mul(7_919).wrapping_add(i.pow(2).wrapping_mul(31));
        (0..20_000).map(move |i| (mixed(i) % 1_000).saturating_add(1))
    }

    #[test]
    fn the_estimate_is_near_the_quantile() {
        for (quantile, least, most) in [(900, 800, 1_000), (500, 380, 640), (990, 900, 1_130)] {
            for start in [16, 512, 100_000] {
                let mut learned = Learned::default();
                let (mut sum, mut count) = (0, 0);
                for (i, output) in answers().enumerate() {
                    learned.observe(7, output, quantile, start);
                    if i >= 5_000 {
                        sum += learned.expected(7).unwrap();
                        count += 1;
                    }
                }
                let mean = sum / count;
                assert!((least..=most).contains(&mean), "{quantile} from {start}: {mean}");
            }
        }
    }

    #[test]
    fn kinds_are_told_apart_and_nothing_grows() {
        let mut learned = Learned::default();
        assert_eq!(learned.expected(1), None);
        for kind in 1..100_000 {
            learned.observe(kind, 10, 900, 512);
        }
        assert_eq!(learned.0.len(), CELLS);
        assert_eq!(learned.expected(1), None, "another took its place");
        assert!(learned.expected(99_999).is_some());
        learned.observe(0, u64::MAX, 900, 0);
        learned.observe(0, u64::MAX, 900, u64::MAX);
    }
}
