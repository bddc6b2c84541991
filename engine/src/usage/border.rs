//! Where in a stream of events its client is: what is not the provider's may stand between two events only.

use super::sse::{Part, Splitter};

/// Follows a stream as the client gets it.
#[derive(Debug, Clone, Default)]
pub(crate) struct Border {
    splitter: Splitter,
    events: u64,
}

impl Border {
    /// The client gets these bytes.
    pub(crate) fn pass(&mut self, bytes: &[u8]) {
        let events = &mut self.events;
        self.splitter.feed(bytes, |part| *events = events.saturating_add(u64::from(part == Part::End)));
    }

    /// Whether the client is between two events.
    pub(crate) fn is_here(&self) -> bool {
        self.splitter.is_between_events()
    }

    /// How many events the client got.
    pub(crate) const fn events(&self) -> u64 {
        self.events
    }

    /// How many of the next bytes belong to the event at hand; `None` if it does not end with them.
    pub(crate) fn rest_of_event(&self, next: &[u8]) -> Option<usize> {
        let mut ahead = self.clone();
        let mut ends = |byte: &u8| {
            ahead.pass(std::slice::from_ref(byte));
            ahead.is_here()
        };
        if self.is_here() { Some(0) } else { next.iter().position(&mut ends).map(|at| at.saturating_add(1)) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_ends_with_the_empty_line_behind_it_however_it_is_cut() {
        for end in ["\n\n", "\r\n\r\n"] {
            let stream = format!(": c{end}event: x{}data: a{end}data: b{end}", &end[..end.len() / 2]);
            for cut in 0..stream.len() {
                let mut border = Border::default();
                let (before, next) = stream.as_bytes().split_at(cut);
                border.pass(before);
                let rest = border.rest_of_event(next).unwrap();
                let ended = [before, &next[..rest]].concat();
                assert!(ended.is_empty() || ended.ends_with(end.as_bytes()), "{end:?} at {cut}: {ended:?}");
                border.pass(next);
                assert_eq!((border.is_here(), border.events()), (true, 2));
            }
        }
        let mut open = Border::default();
        open.pass(b"data: a\n\ndata: b\n");
        assert!(!open.is_here());
        assert_eq!(open.rest_of_event(b"data: c\n"), None);
    }
}
