//! Endpoints that are told by their host, or lie under paths of their own: which are recognised, what their bodies and
//! answers say.

use super::*;
use crate::usage::AnswerReader;

/// What a POST there is.
fn at(host: &str, path: &str) -> Recognised {
    recognise(b"POST", host.as_bytes(), path.as_bytes())
}

fn metered(host: &str, path: &str) -> Route {
    at(host, path).metered().unwrap_or_else(|| panic!("{host}{path}"))
}

fn is_unknown(method: &str, host: &str, path: &str) -> bool {
    matches!(recognise(method.as_bytes(), host.as_bytes(), path.as_bytes()), Recognised::Unknown)
}

/// The body with a bound of 7 tokens; nothing if there is no place for one.
fn bounded(route: &Route, body: &str) -> Option<String> {
    let mut edits = Edits::default();
    let is_set = route.read(body.as_bytes()).unwrap().set_output_bound(7, &mut edits);
    is_set.then(|| String::from_utf8(splice(body.as_bytes(), &edits.body)).unwrap())
}

/// An answer of this kind, cut into pieces.
fn read_answer(route: &Route, kind: &str, answer: &str) -> AnswerReader {
    let mut reader = AnswerReader::new(route.dialect, kind.as_bytes(), false, "m");
    for piece in answer.as_bytes().chunks(7) {
        reader.feed(piece);
    }
    reader
}

const JSON: &str = "application/json";
const SSE: &str = "text/event-stream";

/// Input and output as an answer states them.
fn stated(route: &Route, kind: &str, answer: &str) -> Option<(u64, u64)> {
    read_answer(route, kind, answer).stated().map(|usage| (usage.input, usage.output))
}

mod batches;
mod chat_elsewhere;
mod cloudflare;
mod cohere_v1;
mod mistral_conversations;
mod vertex;
mod voyage;
