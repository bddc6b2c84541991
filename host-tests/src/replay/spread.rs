//! How far what was expected of a call is from what it used. Owned by a tally.

use hdrhistogram::Histogram;
use serde::Serialize;

/// Bins of a quarter of an octave, from a 32nd to 32 times.
const BINS: usize = 40;
const OCTAVES_BELOW: f64 = 5.0;
const BINS_AN_OCTAVE: f64 = 4.0;

/// Ratios of expected to used tokens.
#[derive(Debug)]
pub struct Spread {
    bins: [u64; BINS],
    /// In thousandths.
    ratios: Option<Histogram<u64>>,
    expected: u64,
    used: u64,
}

/// What is told of it.
#[derive(Debug, Clone, Default, Serialize)]
pub struct SpreadReport {
    /// How many calls.
    pub calls: u64,
    /// Tokens that were expected of them.
    pub expected_tokens: u64,
    /// Tokens that they used.
    pub used_tokens: u64,
    /// Ratios of expected to used: of so many percent of the calls it is no higher.
    pub ratio: Vec<Percentile>,
    /// How many calls have a ratio in each bin.
    pub bins: Vec<Bin>,
}

/// One percentile.
#[derive(Debug, Clone, Copy, Serialize)]
pub struct Percentile {
    /// Of the calls.
    pub percent: f64,
    /// Expected by used.
    pub ratio: f64,
}

/// One bin.
#[derive(Debug, Clone, Copy, Serialize)]
pub struct Bin {
    /// Ratios from this.
    pub from: f64,
    /// To less than this; the first and the last bin have all beyond.
    pub to: f64,
    /// Calls.
    pub calls: u64,
}

impl Default for Spread {
    fn default() -> Self {
        // Up to a million times, to two digits.
        let ratios = Histogram::new_with_bounds(1, 1_000_000_000, 2).ok();
        Self { bins: [0; BINS], ratios, expected: 0, used: 0 }
    }
}

impl Spread {
    /// Adds a call.
    pub fn take(&mut self, expected: u64, used: u64) {
        #[expect(clippy::cast_precision_loss, reason = "a ratio")]
        let ratio = expected.max(1) as f64 / used.max(1) as f64;
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "clamped")]
        let bin = ((ratio.log2() + OCTAVES_BELOW) * BINS_AN_OCTAVE).clamp(0.0, (BINS - 1) as f64) as usize;
        if let Some(bin) = self.bins.get_mut(bin) {
            *bin += 1;
        }
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "saturates")]
        let thousandths = (ratio * 1_000.0).round() as u64;
        if let Some(ratios) = &mut self.ratios {
            ratios.saturating_record(thousandths.max(1));
        }
        self.expected = self.expected.saturating_add(expected);
        self.used = self.used.saturating_add(used);
    }

    /// What is told.
    #[must_use]
    pub fn report(&self) -> SpreadReport {
        #[expect(clippy::cast_precision_loss, reason = "small numbers")]
        let edge = |bin: usize| (bin as f64 / BINS_AN_OCTAVE - OCTAVES_BELOW).exp2();
        let bins = self.bins.iter().enumerate();
        #[expect(clippy::cast_precision_loss, reason = "a ratio")]
        let ratio = |percent: f64| {
            let value = self.ratios.as_ref().map_or(0, |ratios| ratios.value_at_quantile(percent / 100.0));
            Percentile { percent, ratio: value as f64 / 1_000.0 }
        };
        let calls = self.bins.iter().sum();
        SpreadReport {
            calls,
            expected_tokens: self.expected,
            used_tokens: self.used,
            ratio: if calls == 0 { Vec::new() } else { [5.0, 25.0, 50.0, 75.0, 95.0].map(ratio).to_vec() },
            bins: bins
                .map(|(bin, calls)| Bin { from: edge(bin), to: edge(bin + 1), calls: *calls })
                .collect(),
        }
    }
}
