//! Server-sent events split into the data of each event, without buffering a byte of it.
//!
//! Follows the HTML standard, section 9.2.6: lines end in LF, CRLF or CR; `data` fields of an event
//! are joined by LF; an empty line ends it; other fields and comments are passed over.

/// A part of an event's data.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Part<'a> {
    /// The next piece of the data, cut anywhere.
    Data(&'a [u8]),
    /// The event is over.
    End,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Line {
    /// At the line's name: this much of `data:` has matched.
    Name(usize),
    /// Behind `data:`; one space may follow that does not count.
    AfterColon,
    Data,
    Other,
}

/// Splits a stream fed in pieces.
#[derive(Debug, Clone)]
pub(crate) struct Splitter {
    line: Line,
    has_data: bool,
    /// A line stands since the last empty one.
    is_open: bool,
    after_cr: bool,
}

const NAME: &[u8] = b"data:";

impl Default for Splitter {
    fn default() -> Self {
        Self { line: Line::Name(0), has_data: false, is_open: false, after_cr: false }
    }
}

impl Splitter {
    /// Whether nothing stands since the empty line behind the last event. A CR may be half of a CRLF: some clients
    /// look for two of these.
    pub(super) fn is_between_events(&self) -> bool {
        self.line == Line::Name(0) && !self.is_open && !self.after_cr
    }

    /// Takes the next piece of the stream.
    pub(crate) fn feed(&mut self, piece: &[u8], mut take: impl FnMut(Part<'_>)) {
        let mut rest = piece;
        while let Some((&byte, tail)) = rest.split_first() {
            let was_cr = std::mem::take(&mut self.after_cr);
            if byte == b'\n' && was_cr {
                rest = tail;
                continue;
            }
            if matches!(byte, b'\n' | b'\r') {
                self.after_cr = byte == b'\r';
                self.end_line(&mut take);
                rest = tail;
                continue;
            }
            rest = self.inside(byte, rest, tail, &mut take);
        }
    }

    fn inside<'p>(
        &mut self,
        byte: u8,
        rest: &'p [u8],
        tail: &'p [u8],
        take: &mut impl FnMut(Part<'_>),
    ) -> &'p [u8] {
        match self.line {
            Line::Name(matched) if NAME.get(matched) == Some(&byte) => {
                let matched = matched.saturating_add(1);
                self.line = if matched == NAME.len() { Line::AfterColon } else { Line::Name(matched) };
                tail
            }
            Line::Name(_) => {
                self.line = Line::Other;
                tail
            }
            Line::AfterColon => {
                self.line = Line::Data;
                if self.has_data {
                    take(Part::Data(b"\n"));
                }
                self.has_data = true;
                if byte == b' ' { tail } else { rest }
            }
            Line::Data | Line::Other => {
                let end = memchr::memchr2(b'\n', b'\r', rest).unwrap_or(rest.len());
                let (data, tail) = rest.split_at(end);
                if self.line == Line::Data {
                    take(Part::Data(data));
                }
                tail
            }
        }
    }

    fn end_line(&mut self, take: &mut impl FnMut(Part<'_>)) {
        self.is_open = self.line != Line::Name(0);
        if !self.is_open && std::mem::take(&mut self.has_data) {
            take(Part::End);
        }
        self.line = Line::Name(0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn events(pieces: &[&[u8]]) -> Vec<String> {
        let (mut splitter, mut done, mut open) = (Splitter::default(), Vec::new(), Vec::new());
        for piece in pieces {
            splitter.feed(piece, |part| match part {
                Part::Data(data) => open.extend_from_slice(data),
                Part::End => done.push(String::from_utf8_lossy(&std::mem::take(&mut open)).into_owned()),
            });
        }
        done
    }

    const STREAM: &[u8] =
        b": hi\n\ndata: a\r\n\r\nevent: x\ndata:b\ndata: c\nid: 1\n\ndataset: no\n\n\rdata:  d\r\rdata: cut";

    #[test]
    fn events_are_joined_and_told_apart() {
        assert_eq!(events(&[STREAM]), ["a", "b\nc", " d"]);
    }

    proptest! {
        #[test]
        fn any_cut_gives_the_same_events(cuts in prop::collection::vec(0..STREAM.len(), 0..12)) {
            let mut cuts = cuts;
            cuts.extend([0, STREAM.len()]);
            cuts.sort_unstable();
            let pieces: Vec<&[u8]> = cuts.windows(2).map(|w| &STREAM[w[0]..w[1]]).collect();
            prop_assert_eq!(events(&pieces), events(&[STREAM]));
        }
    }
}
