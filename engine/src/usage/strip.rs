//! Takes the usage event out of a stream again, for a client that did not ask for it
//! (`stream_options.include_usage` was put in by us).
//!
//! OpenAI's API reference on `stream_options`: "an additional chunk will be streamed before the
//! `data: [DONE]` message … the `choices` field will always be an empty array." Only such an event goes;
//! usage in an event with choices stays. An event is held back until it is whole, 8 KB at most: a longer
//! one is no usage event, and passes.

use super::framing::Documents;
use super::sse;
use crate::json::{Container, Event, Key, Visitor};

/// Longer than any event of usage alone (recorded ones have up to about 1 KB).
const HELD_MAX: usize = 8192;

/// Passes a stream through, less the usage event.
#[derive(Debug)]
pub struct Strip {
    held: Vec<u8>,
    /// The event at hand is too long: let it pass to its end.
    passing: bool,
    /// Nothing stands on the line at hand.
    line_is_empty: bool,
    after_cr: bool,
}

impl Default for Strip {
    fn default() -> Self {
        Self { held: Vec::new(), passing: false, line_is_empty: true, after_cr: false }
    }
}

impl Strip {
    /// At the beginning of a stream.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// What of this chunk, and of what was held back, the client gets.
    #[must_use]
    pub fn feed(&mut self, chunk: &[u8]) -> Vec<u8> {
        let mut out = Vec::with_capacity(self.held.len().saturating_add(chunk.len()));
        let mut rest = chunk;
        while !rest.is_empty() {
            let line_end = memchr::memchr2(b'\n', b'\r', rest);
            let (line, tail) = rest.split_at(line_end.map_or(rest.len(), |at| at.saturating_add(1)));
            self.take(line, &mut out);
            if line_end != Some(0) {
                (self.line_is_empty, self.after_cr) = (false, false);
            }
            if let (Some(_), Some(byte)) = (line_end, line.last())
                && self.ends_event(*byte)
            {
                self.end_event(&mut out);
            }
            rest = tail;
        }
        out
    }

    /// The stream is over: an event that was cut is the client's.
    #[must_use]
    pub fn finish(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.held)
    }

    /// Holds back what belongs to the event at hand, as long as that is short.
    fn take(&mut self, bytes: &[u8], out: &mut Vec<u8>) {
        self.passing |= self.held.len().saturating_add(bytes.len()) > HELD_MAX;
        if self.passing {
            out.append(&mut self.held);
            out.extend_from_slice(bytes);
        } else {
            self.held.extend_from_slice(bytes);
        }
    }

    /// Whether this line end closes an empty line.
    fn ends_event(&mut self, byte: u8) -> bool {
        let was_cr = std::mem::replace(&mut self.after_cr, byte == b'\r');
        !(byte == b'\n' && was_cr) && std::mem::replace(&mut self.line_is_empty, true)
    }

    fn end_event(&mut self, out: &mut Vec<u8>) {
        let is_usage = !std::mem::take(&mut self.passing) && is_usage_alone(&self.held);
        if is_usage {
            self.held.clear();
        } else {
            out.append(&mut self.held);
        }
    }
}

/// Whether an object named `usage` may stand there: most events have none, or `null`, and are not read for it.
fn may_state_usage(event: &[u8]) -> bool {
    const NAME: &[u8] = b"\"usage\"";
    memchr::memmem::find_iter(event, NAME).any(|at| {
        let behind = event.get(at.saturating_add(NAME.len())..).unwrap_or_default();
        let value = behind.trim_ascii_start().strip_prefix(b":");
        value.is_some_and(|value| value.trim_ascii_start().starts_with(b"{"))
    })
}

fn is_usage_alone(event: &[u8]) -> bool {
    if !may_state_usage(event) {
        return false;
    }
    let (mut splitter, mut documents) = (sse::Splitter::default(), Documents::new());
    let mut found = Found::default();
    splitter.feed(event, |part| {
        if let sse::Part::Data(piece) = part {
            documents.feed(piece, &mut found);
        }
    });
    found.usage && found.choices && !found.choice && !documents.is_broken()
}

#[derive(Default)]
struct Found {
    usage: bool,
    choices: bool,
    choice: bool,
}

impl Visitor for Found {
    fn event(&mut self, path: &[Key], event: Event<'_>) {
        match (path, event) {
            ([Key::Usage], Event::Begin(Container::Object)) => self.usage = true,
            ([Key::Choices], Event::Begin(Container::Array)) => self.choices = true,
            ([Key::Choices, Key::Item], _) => self.choice = true,
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stripped(stream: &[u8], size: usize) -> Vec<u8> {
        let mut strip = Strip::new();
        let mut out: Vec<u8> = stream.chunks(size).flat_map(|chunk| strip.feed(chunk)).collect();
        out.extend(strip.finish());
        out
    }

    /// The usage event alone goes; whatever is cut wherever, every other byte stays.
    #[test]
    fn only_the_usage_event_goes() {
        const USAGE: &str = r#"{"id":"x","choices":[],"usage":{"prompt_tokens":1}}"#;
        let long = format!("data: {{\"choices\":[],\"usage\":{{}},\"x\":\"{}\"}}", "y".repeat(HELD_MAX));
        for end in ["\n\n", "\r\n\r\n", "\r\r"] {
            let parts = [
                (true, ": hello".to_owned()),
                (true, r#"data: {"choices":[{"delta":{}}],"usage":null}"#.to_owned()),
                (false, format!("data: {USAGE}")),
                (false, format!("event: x{}data:{USAGE}", &end[..end.len() / 2])),
                (true, r#"data: {"choices":[{"delta":{}}],"usage":{"prompt_tokens":1}}"#.to_owned()),
                (true, r#"data: {"choices":[],"usage":{"prompt_tokens":1}"#.to_owned()),
                (true, long.clone()),
                (true, "data: [DONE]".to_owned()),
            ];
            let all: String = parts.iter().map(|(_, part)| format!("{part}{end}")).collect();
            let kept: String =
                parts.iter().filter(|(stays, _)| *stays).map(|(_, part)| format!("{part}{end}")).collect();
            let cut = r#"data: {"choices":[],"usage":{"#;
            for size in [1, 2, 7, 16_384] {
                let out = String::from_utf8(stripped(format!("{all}{cut}").as_bytes(), size)).unwrap();
                // The LF of a CRLF behind a usage event stays: an empty line more means nothing.
                assert_eq!(
                    out.replace("\r\n\n", "\r\n"),
                    format!("{kept}{cut}"),
                    "{end:?} in pieces of {size}"
                );
            }
        }
    }
}
