//! What is due at some time: the earliest first, and of several at the same time the one that was put in first. The
//! replay's running calls and the calls that its traces wait with are kept in one. It must not know what they are.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use tokenstile_engine::units::EpochMs;

pub(crate) struct Agenda<T> {
    entries: BinaryHeap<Reverse<Entry>>,
    /// What is kept stays in its place, for entries move with each that comes or goes.
    places: Vec<Option<T>>,
    free: Vec<usize>,
    /// How many were put in.
    put: u64,
}

/// In the order in which they are due.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct Entry {
    at: EpochMs,
    number: u64,
    place: usize,
}

impl<T> Agenda<T> {
    pub(crate) const fn new() -> Self {
        Self { entries: BinaryHeap::new(), places: Vec::new(), free: Vec::new(), put: 0 }
    }

    pub(crate) fn put(&mut self, at: EpochMs, what: T) {
        self.put += 1;
        let place = self.free.pop().unwrap_or(self.places.len());
        match self.places.get_mut(place) {
            Some(free) => *free = Some(what),
            None => self.places.push(Some(what)),
        }
        self.entries.push(Reverse(Entry { at, number: self.put, place }));
    }

    /// The first that is due by now.
    pub(crate) fn due(&mut self, now: EpochMs) -> Option<(EpochMs, T)> {
        self.entries.peek().filter(|Reverse(entry)| entry.at <= now)?;
        self.take()
    }

    /// The first, whenever it is due.
    pub(crate) fn take(&mut self) -> Option<(EpochMs, T)> {
        let Reverse(Entry { at, place, .. }) = self.entries.pop()?;
        self.free.push(place);
        Some((at, self.places.get_mut(place)?.take()?))
    }

    pub(crate) fn len(&self) -> usize {
        self.entries.len()
    }
}

#[cfg(test)]
mod tests {
    use super::{Agenda, EpochMs};

    #[test]
    fn the_earliest_comes_first_and_of_those_the_first() {
        let mut agenda = Agenda::new();
        for (at, what) in [(5, 'c'), (3, 'a'), (5, 'd'), (3, 'b'), (9, 'e')] {
            agenda.put(EpochMs(at), what);
        }
        assert_eq!(agenda.due(EpochMs(2)), None);
        let due: Vec<_> = std::iter::from_fn(|| agenda.due(EpochMs(5))).collect();
        assert_eq!(due, [(3, 'a'), (3, 'b'), (5, 'c'), (5, 'd')].map(|(at, what)| (EpochMs(at), what)));
        assert_eq!((agenda.len(), agenda.take(), agenda.take()), (1, Some((EpochMs(9), 'e')), None));
    }
}
