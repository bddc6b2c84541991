//! Calls in the order of time, from several traces that are nearly so: a log has a call where it ended, a replay needs
//! it where it began. Some thousand calls are kept to put them in order; one that comes later than that runs when it
//! comes.

use super::{Bad, Call, Read, Reads, What};
use crate::replay::agenda::Agenda;
use std::collections::BTreeMap;
use tokenstile_engine::units::EpochMs;

/// As many calls are kept to put them in order.
const CALLS: usize = 16_384;
/// And as many bytes of their bodies.
const BYTES: usize = 64 << 20;

/// When calls happen of which the trace does not say it.
#[derive(Debug, Clone, Copy)]
pub struct Timing {
    /// The first of them.
    pub start: EpochMs,
    /// From one to the next.
    pub pace_ms: i64,
    /// So it is with all, whatever the trace says.
    pub ignore: bool,
}

/// Calls in the order of time.
pub struct Ordered {
    sources: Vec<Source>,
    timing: Timing,
    waiting: Agenda<Call>,
    bytes: usize,
    read: u64,
    last: EpochMs,
    /// Calls that came too late to be put in order.
    pub late: u64,
    /// What could not be read: the first hundred places.
    pub bad: Vec<Bad>,
    /// How many could not be read.
    pub bad_count: u64,
    /// What was left out, and how often.
    pub left: BTreeMap<&'static str, u64>,
}

struct Source {
    reads: Reads,
    /// The next call, and its time.
    next: Option<(EpochMs, Call)>,
    last: Option<EpochMs>,
}

/// As many places are told.
const TOLD: usize = 100;

impl Ordered {
    /// All calls of these traces.
    #[must_use]
    pub fn new(sources: Vec<Reads>, timing: Timing) -> Self {
        let source = |reads| Source { reads, next: None, last: None };
        let mut all = Self {
            sources: sources.into_iter().map(source).collect(),
            timing,
            waiting: Agenda::new(),
            bytes: 0,
            read: 0,
            last: EpochMs(i64::MIN),
            late: 0,
            bad: Vec::new(),
            bad_count: 0,
            left: BTreeMap::new(),
        };
        for index in 0..all.sources.len() {
            all.advance(index);
        }
        all
    }

    /// Reads the next call of a trace.
    fn advance(&mut self, index: usize) {
        let Some(source) = self.sources.get_mut(index) else { return };
        source.next = None;
        for read in source.reads.by_ref() {
            match read {
                Read::Call(call) => {
                    let known = call.at.filter(|_| !self.timing.ignore);
                    let follows = source.last.filter(|_| !self.timing.ignore).unwrap_or(self.timing.start);
                    let number = i64::try_from(self.read).unwrap_or(i64::MAX);
                    let at = match (known, self.timing.ignore, source.last) {
                        (Some(at), ..) => at,
                        (None, true, _) => follows.plus_ms(number.saturating_mul(self.timing.pace_ms)),
                        (None, false, None) => follows,
                        (None, false, Some(_)) => follows.plus_ms(self.timing.pace_ms),
                    };
                    source.last = Some(at);
                    source.next = Some((at, call));
                    self.read += 1;
                    return;
                }
                Read::Bad(bad) => {
                    self.bad_count += 1;
                    if self.bad.len() < TOLD {
                        self.bad.push(bad);
                    }
                }
                Read::Left(why) => *self.left.entry(why).or_default() += 1,
            }
        }
    }

    fn fill(&mut self) {
        while self.waiting.len() < CALLS && self.bytes < BYTES {
            let next = self.sources.iter().enumerate();
            let next = next.filter_map(|(index, source)| Some((source.next.as_ref()?.0, index))).min();
            let Some((_, index)) = next else { return };
            let taken = self.sources.get_mut(index).and_then(|source| source.next.take());
            self.advance(index);
            if let Some((at, call)) = taken {
                self.bytes += size(&call);
                self.waiting.put(at, call);
            }
        }
    }
}

fn size(call: &Call) -> usize {
    match &call.what {
        What::Whole(whole) => whole.size(),
        What::Counted(_) => 0,
    }
}

impl Iterator for Ordered {
    type Item = (EpochMs, Call);

    fn next(&mut self) -> Option<Self::Item> {
        self.fill();
        let (at, call) = self.waiting.take()?;
        self.bytes = self.bytes.saturating_sub(size(&call));
        if at < self.last {
            self.late += 1;
        }
        self.last = self.last.max(at);
        Some((self.last, call))
    }
}
