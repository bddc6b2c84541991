//! How an answer is cut into JSON documents: one, one an event (SSE, event stream), one a line (NDJSON).
//! Told by the content type, and by the first bytes where that says nothing or something else.

use super::eventstream;
use super::sse;
use crate::json::{Reader, Visitor};

/// The form of an answer, and where in it we are.
#[derive(Debug)]
pub(super) enum Framing {
    /// The first byte that is no white space decides.
    Unknown(Documents),
    Json(Documents),
    Lines(Documents),
    Sse(Box<sse::Splitter>, Documents),
    EventStream(Box<eventstream::Splitter>),
    Unreadable,
}

impl Framing {
    pub(super) fn new(content_type: &[u8], encoded: bool) -> Self {
        let kind = content_type.to_ascii_lowercase();
        let is = |what: &[u8]| memchr::memmem::find(&kind, what).is_some();
        match () {
            () if encoded => Self::Unreadable,
            () if is(b"text/event-stream") => Self::Sse(Box::default(), Documents::new()),
            () if is(b"vnd.amazon.eventstream") => Self::EventStream(Box::default()),
            () if is(b"ndjson") || is(b"jsonl") || is(b"json-seq") || is(b"stream+json") => {
                Self::Lines(Documents::new())
            }
            () if kind.is_empty() || is(b"json") || is(b"text/plain") => Self::Unknown(Documents::new()),
            () => Self::Unreadable,
        }
    }

    /// Whether the content type says that the answer comes in pieces.
    pub(super) const fn is_stream(&self) -> bool {
        matches!(self, Self::Lines(_) | Self::Sse(..) | Self::EventStream(_))
    }

    pub(super) const fn is_readable(&self) -> bool {
        !matches!(self, Self::Unreadable)
    }

    pub(super) fn feed(&mut self, mut chunk: &[u8], visitor: &mut dyn Visitor) {
        if let Self::Unknown(documents) = self {
            chunk = chunk.trim_ascii_start();
            let Some(first) = chunk.first() else { return };
            let documents = std::mem::replace(documents, Documents::new());
            *self = match first {
                b'{' | b'[' => Self::Json(documents),
                // `data:`, `event:`, `id:`, `retry:` or a comment under a wrong content type.
                b'd' | b'e' | b'i' | b'r' | b':' => Self::Sse(Box::default(), documents),
                // The length of a message: none is 16 MiB long.
                0 => Self::EventStream(Box::default()),
                _ => Self::Unreadable,
            };
        }
        match self {
            Self::Unknown(_) | Self::Unreadable => {}
            Self::Json(documents) => documents.feed(chunk, visitor),
            Self::Lines(documents) => documents.feed_lines(chunk, visitor),
            Self::Sse(splitter, documents) => splitter.feed(chunk, |part| match part {
                sse::Part::Data(piece) => documents.feed(piece, visitor),
                sse::Part::End => documents.end(),
            }),
            Self::EventStream(splitter) => splitter.feed(chunk, visitor),
        }
    }
}

/// Reads one JSON document after another.
#[derive(Debug)]
pub(super) struct Documents {
    reader: Reader,
    /// The document at hand is not JSON (`[DONE]`, a comment): skip to the next.
    skipping: bool,
}

impl Documents {
    pub(super) fn new() -> Self {
        Self { reader: Reader::new(), skipping: false }
    }

    pub(super) fn feed(&mut self, piece: &[u8], visitor: &mut dyn Visitor) {
        if !self.skipping {
            self.skipping = self.reader.feed(piece, visitor).is_err();
        }
    }

    pub(super) fn end(&mut self) {
        self.reader.reset();
        self.skipping = false;
    }

    /// The document at hand turned out to be none, or is not over.
    pub(super) fn is_broken(&mut self) -> bool {
        struct Nothing;
        impl Visitor for Nothing {
            fn event(&mut self, _: &[crate::json::Key], _: crate::json::Event<'_>) {}
        }
        self.skipping || self.reader.finish(&mut Nothing).is_err()
    }

    /// A line end inside a string would be escaped, so it ends a document.
    fn feed_lines(&mut self, chunk: &[u8], visitor: &mut dyn Visitor) {
        let mut rest = chunk;
        while let Some(at) = memchr::memchr(b'\n', rest) {
            let (line, tail) = rest.split_at(at);
            self.feed(line, visitor);
            self.end();
            rest = tail.get(1..).unwrap_or_default();
        }
        self.feed(rest, visitor);
    }
}
