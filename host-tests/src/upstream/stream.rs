//! Answer bodies that take their time: events of a stream one by one, pieces of any size, a cut, trailers.
//!
//! Called by `chat`. Bills each token in the moment it is handed to the connection, so that what a hang-up or a
//! cut costs is what had left by then.

use super::answer::Completion;
use super::api::Piece;
use super::ledger::Ledger;
use super::{Body, BoxError, Knobs};
use bytes::Bytes;
use http_body_util::{BodyExt, StreamBody};
use hyper::HeaderMap;
use hyper::body::Frame;
use hyper::header::{HeaderName, HeaderValue};
use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

/// Long enough for what was handed over to leave.
const BEFORE_A_CUT: Duration = Duration::from_millis(50);

/// Nobody should wait longer; a test that does has failed already.
const STALL_MAX: Duration = Duration::from_secs(60);

/// What is left to send of one answer.
struct Sender {
    completion: Completion,
    knobs: Knobs,
    ledger: Arc<Ledger>,
    /// Index of the next event of the stream; a plain JSON answer has one.
    next: u64,
    as_events: bool,
    tokens_sent: u64,
    /// Pieces of an event that `x-sim-split` cut.
    pieces: VecDeque<Bytes>,
    trailers_due: bool,
    finished: bool,
}

/// The answer as server-sent events.
pub(super) fn events(completion: Completion, knobs: Knobs, ledger: Arc<Ledger>) -> Body {
    body(completion, knobs, ledger, true)
}

/// The answer as one JSON document.
pub(super) fn document(completion: Completion, knobs: Knobs, ledger: Arc<Ledger>) -> Body {
    body(completion, knobs, ledger, false)
}

fn body(completion: Completion, knobs: Knobs, ledger: Arc<Ledger>, as_events: bool) -> Body {
    ledger.bill_prompt(&completion.model, completion.prompt_tokens);
    let trailers_due = knobs.trailers;
    let sender = Sender {
        completion,
        knobs,
        ledger,
        next: 0,
        as_events,
        tokens_sent: 0,
        pieces: VecDeque::new(),
        trailers_due,
        finished: false,
    };
    let frames = futures_util::stream::unfold(sender, |mut sender| async move {
        let frame = sender.frame().await?;
        Some((frame, sender))
    });
    StreamBody::new(frames).boxed_unsync()
}

impl Sender {
    async fn frame(&mut self) -> Option<Result<Frame<Bytes>, BoxError>> {
        if self.finished {
            return None;
        }
        if let Some(piece) = self.pieces.pop_front() {
            return Some(Ok(Frame::data(piece)));
        }
        if self.cut_is_due() {
            // hyper throws away what it has not written yet when a body fails: let it write what was billed.
            tokio::time::sleep(BEFORE_A_CUT).await;
            self.finished = true;
            self.ledger.cut();
            return Some(Err("the simulated provider broke the connection, as asked".into()));
        }
        let Some(piece) = self.piece() else {
            return self.end().map(Ok);
        };
        if self.as_events && self.knobs.stall_after.is_some_and(|tokens| self.tokens_sent >= tokens) {
            tokio::time::sleep(STALL_MAX).await;
        }
        if self.as_events && !self.knobs.chunk_delay.is_zero() {
            tokio::time::sleep(self.knobs.chunk_delay).await;
        }
        self.next = self.next.saturating_add(1);
        self.tokens_sent = self.tokens_sent.saturating_add(piece.tokens);
        self.ledger.bill_completion(&self.completion.model, piece.tokens);
        Some(Ok(Frame::data(self.first_split(piece.bytes))))
    }

    /// A stream breaks after the wanted tokens, a document after its first half.
    fn cut_is_due(&self) -> bool {
        let begun = self.as_events || self.next > 0;
        begun && self.knobs.cut_after.is_some_and(|tokens| self.tokens_sent >= tokens)
    }

    fn piece(&self) -> Option<Piece> {
        if self.as_events {
            return (self.completion.api.event)(&self.completion, self.next);
        }
        if self.next > 0 {
            return None;
        }
        let mut bytes = Bytes::from((self.completion.api.document)(&self.completion).to_string());
        if self.knobs.cut_after.is_some() {
            bytes.truncate(bytes.len() / 2);
        }
        Some(Piece { bytes, tokens: self.completion.completion_tokens() })
    }

    fn first_split(&mut self, mut bytes: Bytes) -> Bytes {
        let Some(size) = self.knobs.split else { return bytes };
        let first = bytes.split_to(size.min(bytes.len()));
        while !bytes.is_empty() {
            self.pieces.push_back(bytes.split_to(size.min(bytes.len())));
        }
        first
    }

    fn end(&mut self) -> Option<Frame<Bytes>> {
        if std::mem::take(&mut self.trailers_due) {
            let mut trailers = HeaderMap::new();
            trailers.insert(HeaderName::from_static("x-sim-trailer"), HeaderValue::from_static("done"));
            return Some(Frame::trailers(trailers));
        }
        self.finished = true;
        self.ledger.completed();
        None
    }
}

impl Drop for Sender {
    fn drop(&mut self) {
        // An answer with a known length is dropped by the server without being asked for its end.
        let all_sent = self.pieces.is_empty() && !self.cut_is_due() && self.piece().is_none();
        match (self.finished, all_sent) {
            (true, _) => {}
            (false, true) => self.ledger.completed(),
            (false, false) => self.ledger.hung_up(),
        }
    }
}
