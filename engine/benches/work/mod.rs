//! What is measured, natively and in the module: the four parts of the work on one body.

use tokenstile_engine::dialect::{Edits, Facts, Route, recognise, splice};
use tokenstile_engine::usage::{AnswerReader, Strip};

/// A proxy hands on a streamed answer in pieces of this size at most.
const CHUNK: usize = 16 * 1024;

/// A body and what it says.
#[derive(Debug, Default)]
pub(crate) struct Work {
    body: Vec<u8>,
    route: Option<Route>,
    facts: Facts,
}

impl Work {
    /// A body of OpenAI's chat, or an answer of it.
    pub(crate) fn new(body: Vec<u8>) -> Self {
        let route = recognise(b"POST", b"api.openai.com", b"/v1/chat/completions").metered();
        let facts = route.as_ref().and_then(|route| route.read(&body).ok()).unwrap_or_default();
        Self { body, route, facts }
    }

    /// Finds what decides about money.
    pub(crate) fn read(&self) -> u64 {
        let facts = self.route.as_ref().and_then(|route| route.read(&self.body).ok());
        facts.map_or(0, |facts| facts.model.len() as u64)
    }

    /// Counts the prompt.
    pub(crate) fn count(&self) -> u64 {
        self.route.as_ref().map_or(0, |route| route.count_prompt(&self.body, &self.facts).tokens)
    }

    /// Puts another model and a bound in.
    pub(crate) fn splice(&self) -> u64 {
        let mut edits = Edits::default();
        let placed = self.facts.set_model("gpt-4o-mini", &mut edits);
        let bounded = self.facts.set_output_bound(1000, &mut edits);
        if placed && bounded { splice(&self.body, &edits.body).len() as u64 } else { 0 }
    }

    /// Reads a streamed answer's usage, counts its text, and takes the usage chunk out.
    pub(crate) fn usage(&self) -> u64 {
        let Some(route) = &self.route else { return 0 };
        let mut reader = AnswerReader::new(route.dialect, b"text/event-stream", false, "gpt-4o");
        let mut strip = Strip::new();
        let mut passed = 0;
        for chunk in self.body.chunks(CHUNK) {
            reader.feed(chunk);
            passed = strip.feed(chunk).len() as u64;
        }
        reader.stated().map_or(0, |usage| usage.output).saturating_add(passed)
    }
}
