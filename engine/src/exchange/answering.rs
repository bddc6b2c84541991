//! The answer of a call that went upstream: read as it passes, told what is to be told, changed where something was
//! asked for that the client did not want.

use super::{Exchange, State};
use crate::units::EpochMs;
use crate::usage::AnswerReader;

impl Exchange {
    /// The first bytes of the answer's body are here.
    pub fn answer_began(&mut self, now: EpochMs) {
        // Our own reply is none.
        if self.state == State::Forwarded {
            let _ = self.first_chunk.get_or_insert(now);
        }
    }

    /// This host cannot replace chunks of an answer: nothing is asked for that would have to go again.
    pub fn answer_is_read_only(&mut self) {
        self.answer_editable = false;
        self.strip = None;
        self.tail.leave_alone();
    }

    /// Whether the answer may come out shorter or longer, so that its length must not be announced.
    #[must_use]
    pub const fn changes_answer(&self) -> bool {
        self.strip.is_some() || self.tail.is_followed()
    }

    /// The headers of the answer that [`Exchange::answer_head`] wants to know.
    #[must_use]
    pub const fn answer_headers(&self) -> &'static [&'static str] {
        self.route.dialect.answer_headers()
    }

    /// The answer's headers are here; `stated` are those of [`Exchange::answer_headers`] that it has. Gives
    /// what the client is told in addition.
    pub fn answer_head(
        &mut self,
        status: u16,
        content_type: &[u8],
        encoded: bool,
        stated: &[(&str, Vec<u8>)],
        now: EpochMs,
    ) -> Vec<(&'static str, String)> {
        if self.state != State::Forwarded {
            return Vec::new();
        }
        self.status = status;
        let model = self.served_model().to_owned();
        let mut answer = AnswerReader::new(self.route.dialect, content_type, encoded, &model);
        for (name, value) in stated {
            answer.header(name, value);
        }
        if answer.is_sse() {
            self.begin_stream();
        } else {
            self.strip = None;
        }
        self.answer = Some(answer);
        self.told_headers(now)
    }

    /// The next chunk of the answer; `last`: no other follows. Gives what the client gets instead, if
    /// that is not the same.
    pub fn answer_chunk(&mut self, chunk: &[u8], last: bool) -> Option<Vec<u8>> {
        self.tail.goes_on();
        if let Some(answer) = &mut self.answer {
            answer.feed(chunk);
        }
        if self.tail.is_over() {
            return (!chunk.is_empty()).then(Vec::new);
        }
        let mut passed = self.strip.as_mut().map(|strip| strip.feed(chunk));
        if let (Some(passed), Some(strip), true) = (&mut passed, &mut self.strip, last) {
            passed.append(&mut strip.finish());
        }
        self.watch_stream();
        let sent = passed.as_deref().unwrap_or(chunk);
        if let Some(cut) = self.tail.pass(sent, self.answer.as_mut(), last) {
            passed = Some(sent.get(..cut).unwrap_or_default().to_vec());
        }
        passed.filter(|passed| passed != chunk)
    }

    /// A chunk of the answer passes that could not be read. Nobody knows where in an event the client is behind it, so
    /// nothing is taken out or put in any more: a usage event that was asked for reaches it. Gives what was held back,
    /// which belongs before that chunk; `None` if the stream was ended before, so that the chunk must not reach it.
    pub fn answer_chunk_lost(&mut self) -> Option<Vec<u8>> {
        self.answer_lost = true;
        self.tail.goes_on();
        self.tail.leave_alone();
        let held = self.strip.take().map(|mut strip| strip.finish()).unwrap_or_default();
        (!self.tail.is_over()).then_some(held)
    }

    /// Whether chunks of the answer are wanted.
    #[must_use]
    pub const fn is_answering(&self) -> bool {
        self.answer.is_some()
    }
}
