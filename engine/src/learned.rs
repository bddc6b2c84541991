//! What a worker has learned of its calls: what answers really come to, how long the prefixes of prompts are, and which
//! model has a conversation in its cache. Each in a table of fixed size.
//!
//! The shell owns one a VM and lends it to its exchanges. It is forgotten with the VM. The same calls in the same order
//! give the same tables.

use crate::cells::Cells;
use crate::units::EpochMs;

/// Kinds of calls, and prefixes, that are told apart.
const CELLS: usize = 1_024;
/// Conversations: about 400 KB where all are taken.
const CONVERSATIONS: usize = 4_096;

/// The first steps are large, the later ones an eighth: `STEP / min(seen + STEP, STEP_MAX)`.
const STEP: u64 = 4;
const STEP_MAX: u64 = 32;

/// A running quantile of the output of one kind of calls.
#[derive(Debug, Clone, Copy, Default)]
struct Output {
    /// Thousandths of a token.
    estimate: u64,
    seen: u64,
}

/// A conversation that a provider has in its cache.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Cached {
    /// The model that serves it.
    pub(crate) model: String,
    /// So many of its tokens.
    pub(crate) tokens: u64,
    /// When its last call began.
    pub(crate) at: EpochMs,
}

/// The tables.
#[derive(Debug, Default)]
pub struct Learned {
    outputs: Cells<Output, CELLS>,
    /// How many tokens a prefix has.
    prefixes: Cells<u64, CELLS>,
    conversations: Cells<Cached, CONVERSATIONS>,
}

impl Learned {
    /// The output that a call of this kind is expected to have, in tokens, if one was seen. Before, the policy's start
    /// value counts.
    #[must_use]
    pub fn expected(&self, kind: u64) -> Option<u64> {
        Some(self.outputs.get(kind)?.estimate.div_ceil(1_000))
    }

    /// A call of this kind came to so much. The estimate goes up by a share of itself in proportion to the quantile
    /// (in thousandths) when more came, and down in proportion to the rest when not: it stays where that many calls
    /// lie below it.
    pub fn observe(&mut self, kind: u64, output: u64, quantile: u64, start: u64) {
        let begin = || Output { estimate: start.max(1).saturating_mul(1_000), seen: 0 };
        let Some(cell) = self.outputs.entry(kind, begin) else { return };
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

    /// Where this conversation is cached, if it is.
    pub(crate) fn cached(&self, conversation: u64) -> Option<&Cached> {
        self.conversations.get(conversation).filter(|cached| cached.tokens > 0)
    }

    /// Where it is cached since its last call; nowhere if that has no tokens.
    pub(crate) fn remember(&mut self, conversation: u64, cached: Cached) {
        if let Some(cell) = self.conversations.entry(conversation, Cached::default) {
            *cell = cached;
        }
    }

    /// The tokens of a prefix, counted where it is new.
    pub(crate) fn prefix_tokens(&mut self, tag: u64, count: impl FnOnce() -> u64) -> u64 {
        self.prefixes.entry(tag, count).map_or(0, |tokens| *tokens)
    }
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
        assert_eq!(learned.outputs.len(), CELLS);
        assert_eq!(learned.expected(1), None, "another took its place");
        assert!(learned.expected(99_999).is_some());
        learned.observe(0, u64::MAX, 900, 0);
        learned.observe(0, u64::MAX, 900, u64::MAX);
    }

    #[test]
    fn a_prefix_is_counted_once_as_long_as_no_other_takes_its_place() {
        let (mut learned, mut counted) = (Learned::default(), 0);
        let mut tokens = |tag| {
            learned.prefix_tokens(tag, || {
                counted += 1;
                tag * 10
            })
        };
        assert_eq!([7, 7, 8, 7, 7 + CELLS as u64, 7].map(&mut tokens), [70, 70, 80, 70, 10_310, 70]);
        assert_eq!(counted, 4);
    }
}
