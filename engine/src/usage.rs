//! What a call used: as the provider states it, or counted from what it sent.

use crate::dialect::Dialect;
use crate::json::{Event, Key, Reader, Visitor};
use crate::sse::Splitter;
use tokenstile_tokens::{ModelCounter, ModelEncoding, encoding_for_model};

/// Tokens of one call.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Usage {
    /// Input tokens, cached ones included.
    pub input: u64,
    /// Those of the input that the provider read from its cache.
    pub cached: u64,
    /// Output tokens, reasoning included.
    pub output: u64,
}

impl Usage {
    /// Input and output.
    #[must_use]
    pub const fn total(self) -> u64 {
        self.input.saturating_add(self.output)
    }
}

/// What an answer has said so far. Dialects write into it.
#[derive(Debug)]
pub struct Answer {
    /// The model that answered.
    pub model: String,
    /// As stated; usage repeated in a stream is cumulative, so the last one stands.
    pub stated: Option<Usage>,
    /// Counts the text of a stream; a JSON answer is only measured in bytes.
    counter: Option<ModelCounter>,
    text_bytes: u64,
}

/// Longest model name that is kept.
const MODEL_MAX: usize = 128;

impl Answer {
    /// The next piece of the model's name.
    pub(crate) fn push_model(&mut self, piece: &[u8]) {
        if self.model.len().saturating_add(piece.len()) <= MODEL_MAX {
            self.model.push_str(&String::from_utf8_lossy(piece));
        }
    }

    /// The next piece of text that the model wrote.
    pub(crate) fn push_output(&mut self, piece: &[u8]) {
        self.text_bytes = self.text_bytes.saturating_add(piece.len() as u64);
        if let Some(counter) = &mut self.counter {
            counter.push(piece);
        }
    }

    /// Usage as stated in this document; made at its first number.
    pub(crate) fn stated(&mut self) -> &mut Usage {
        self.stated.get_or_insert_default()
    }
}

/// Reads an answer chunk by chunk, cut anywhere, and keeps only [`Answer`].
#[derive(Debug)]
pub struct AnswerReader {
    framing: Framing,
    reader: Reader,
    /// The document at hand is not JSON (`[DONE]`, a comment): skip to the next.
    skipping: bool,
    sink: Sink,
}

#[derive(Debug)]
struct Sink {
    dialect: &'static Dialect,
    answer: Answer,
}

#[derive(Debug)]
enum Framing {
    Json,
    Sse(Splitter),
    Unreadable,
}

impl Visitor for Sink {
    fn event(&mut self, path: &[Key], event: Event<'_>) {
        (self.dialect.observe)(&mut self.answer, path, event);
    }
}

impl AnswerReader {
    /// A reader for an answer with these headers. `model` is the one that serves: its encoding counts.
    #[must_use]
    pub fn new(dialect: &'static Dialect, content_type: &[u8], encoded: bool, model: &str) -> Self {
        let is = |what: &[u8]| memchr::memmem::find(&content_type.to_ascii_lowercase(), what).is_some();
        let framing = match () {
            () if encoded => Framing::Unreadable,
            () if is(b"text/event-stream") => Framing::Sse(Splitter::default()),
            () if is(b"json") => Framing::Json,
            () => Framing::Unreadable,
        };
        let counter = matches!(framing, Framing::Sse(_)).then(|| encoding_for_model(model).counter());
        let answer = Answer { model: String::new(), stated: None, counter, text_bytes: 0 };
        Self { framing, reader: Reader::new(), skipping: false, sink: Sink { dialect, answer } }
    }

    /// Takes the next chunk.
    pub fn feed(&mut self, chunk: &[u8]) {
        let (reader, skipping, sink) = (&mut self.reader, &mut self.skipping, &mut self.sink);
        match &mut self.framing {
            Framing::Json => feed_document(reader, skipping, sink, chunk),
            Framing::Sse(splitter) => splitter.feed(chunk, |part| match part {
                crate::sse::Part::Data(piece) => feed_document(reader, skipping, sink, piece),
                crate::sse::Part::End => {
                    reader.reset();
                    *skipping = false;
                }
            }),
            Framing::Unreadable => {}
        }
    }

    /// Whether the answer's form can be read at all.
    #[must_use]
    pub const fn is_readable(&self) -> bool {
        !matches!(self.framing, Framing::Unreadable)
    }

    /// Whether output is counted, and not estimated from its bytes.
    #[must_use]
    pub const fn counts(&self) -> bool {
        self.sink.answer.counter.is_some()
    }

    /// What was stated.
    #[must_use]
    pub const fn answer(&self) -> &Answer {
        &self.sink.answer
    }

    /// The output tokens seen, counted for a stream and estimated (a token each four bytes) for JSON.
    #[must_use]
    pub fn counted_output(self) -> u64 {
        let Answer { counter, text_bytes, .. } = self.sink.answer;
        counter.map_or_else(|| text_bytes.div_ceil(4), |counter| counter.finish().tokens())
    }
}

fn feed_document(reader: &mut Reader, skipping: &mut bool, sink: &mut Sink, piece: &[u8]) {
    if !*skipping {
        *skipping = reader.feed(piece, sink).is_err();
    }
}

/// The encoding for a model name; an empty name (a body that could not be read) counts as the newest.
#[must_use]
pub(crate) fn encoding(model: &str) -> ModelEncoding {
    encoding_for_model(model)
}
