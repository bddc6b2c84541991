//! AWS event streams (`application/vnd.amazon.eventstream`): binary messages of headers and a JSON
//! payload, cut anywhere. Bedrock's `InvokeModelWithResponseStream` puts the model's own document into
//! the payload as base64: `{"bytes":"…"}`.
//!
//! Shape: <https://smithy.io/2.0/aws/amazon-eventstream.html>: total length and headers length (u32,
//! big endian), CRC of these, headers, payload, CRC of the message. The checksums are not checked: the
//! bytes pass to the client as they are, and it checks them.

use super::framing::Documents;
use crate::json::{Event, Key, Visitor};

const PRELUDE: usize = 12;
const TRAILER: u64 = 4;

/// Splits a stream fed in pieces; keeps no message, only where it is in one.
#[derive(Debug)]
pub(super) struct Splitter {
    prelude: Vec<u8>,
    /// Bytes of the message at hand that are still to come: headers, payload, trailer.
    headers: u64,
    payload: u64,
    trailer: u64,
    documents: Documents,
    inner: Inner,
    /// The stream is none of this kind: read no more of it.
    lost: bool,
}

impl Default for Splitter {
    fn default() -> Self {
        Self {
            prelude: Vec::with_capacity(PRELUDE),
            headers: 0,
            payload: 0,
            trailer: 0,
            documents: Documents::new(),
            inner: Inner { documents: Documents::new(), base64: Base64::default() },
            lost: false,
        }
    }
}

impl Splitter {
    pub(super) fn feed(&mut self, chunk: &[u8], visitor: &mut dyn Visitor) {
        let mut rest = chunk;
        while !rest.is_empty() && !self.lost {
            rest = self.step(rest, visitor);
        }
    }

    /// Takes some bytes and gives the rest.
    fn step<'c>(&mut self, rest: &'c [u8], visitor: &mut dyn Visitor) -> &'c [u8] {
        if self.headers > 0 {
            return take(&mut self.headers, rest).1;
        }
        if self.payload > 0 {
            let (piece, tail) = take(&mut self.payload, rest);
            let mut both = Both { outer: visitor, inner: &mut self.inner };
            self.documents.feed(piece, &mut both);
            return tail;
        }
        if self.trailer > 0 {
            let tail = take(&mut self.trailer, rest).1;
            if self.trailer == 0 {
                self.documents.end();
            }
            return tail;
        }
        let missing = PRELUDE.saturating_sub(self.prelude.len()).min(rest.len());
        let (piece, tail) = rest.split_at_checked(missing).unwrap_or((rest, &[]));
        self.prelude.extend_from_slice(piece);
        if self.prelude.len() == PRELUDE {
            self.begin();
        }
        tail
    }

    fn begin(&mut self) {
        let number = |at: usize| {
            let bytes = self.prelude.get(at..at.saturating_add(4)).and_then(|b| b.try_into().ok());
            bytes.map_or(0, |bytes| u64::from(u32::from_be_bytes(bytes)))
        };
        let (total, headers) = (number(0), number(4));
        let around = (PRELUDE as u64).saturating_add(TRAILER).saturating_add(headers);
        self.prelude.clear();
        match total.checked_sub(around) {
            Some(payload) => (self.headers, self.payload, self.trailer) = (headers, payload, TRAILER),
            None => self.lost = true,
        }
    }
}

/// Up to `left` bytes and the rest; `left` becomes what is still missing.
fn take<'c>(left: &mut u64, rest: &'c [u8]) -> (&'c [u8], &'c [u8]) {
    let now = usize::try_from(*left).unwrap_or(usize::MAX).min(rest.len());
    *left = left.saturating_sub(now as u64);
    rest.split_at_checked(now).unwrap_or((rest, &[]))
}

/// A document inside a document.
#[derive(Debug)]
struct Inner {
    documents: Documents,
    base64: Base64,
}

struct Both<'v> {
    outer: &'v mut dyn Visitor,
    inner: &'v mut Inner,
}

impl Visitor for Both<'_> {
    fn event(&mut self, path: &[Key], event: Event<'_>) {
        match (path, event) {
            ([Key::Bytes], Event::TextBegin { .. }) => {
                self.inner.documents.end();
                self.inner.base64 = Base64::default();
            }
            ([Key::Bytes], Event::Text(piece)) => {
                let Inner { documents, base64 } = &mut *self.inner;
                base64.feed(piece, |decoded| documents.feed(decoded, self.outer));
            }
            ([Key::Bytes], _) => {}
            _ => self.outer.event(path, event),
        }
    }
}

/// Decodes base64 (RFC 4648, section 4) cut anywhere; what is no base64 ends it.
#[derive(Debug, Default)]
struct Base64 {
    bits: u32,
    count: u32,
}

impl Base64 {
    fn feed(&mut self, piece: &[u8], mut take: impl FnMut(&[u8])) {
        let mut out = [0_u8; 256];
        for part in piece.chunks(out.len()) {
            let mut len = 0_usize;
            for value in part.iter().filter_map(|&byte| crate::base64::sextet(byte)) {
                self.bits = (self.bits << 6 | value) & 0xFFFF;
                self.count = self.count.saturating_add(6);
                if self.count >= 8 {
                    self.count = self.count.saturating_sub(8);
                    if let Some(place) = out.get_mut(len) {
                        *place = u8::try_from(self.bits >> self.count & 0xFF).unwrap_or(0);
                        len = len.saturating_add(1);
                    }
                }
            }
            take(out.get(..len).unwrap_or_default());
        }
    }
}
