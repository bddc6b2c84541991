//! Answers of every framing, cut anywhere.

use super::AnswerReader;
use super::framing::{Documents, Framing};
use crate::json::{Event, Key, Visitor};
use proptest::prelude::*;

/// Keeps every number that it meets.
#[derive(Default, Debug, PartialEq, Eq)]
struct Numbers(Vec<(Vec<Key>, String)>);

impl Visitor for Numbers {
    fn event(&mut self, path: &[Key], event: Event<'_>) {
        if let Event::Number(n) = event {
            self.0.push((path.to_vec(), n.0.to_owned()));
        }
    }
}

fn read(kind: &str, pieces: &[&[u8]]) -> Vec<String> {
    let mut framing = Framing::new(kind.as_bytes(), false);
    let mut numbers = Numbers::default();
    for piece in pieces {
        framing.feed(piece, &mut numbers);
    }
    numbers.0.into_iter().map(|(_, number)| number).collect()
}

/// A message as Bedrock frames it, its checksums left at zero.
fn message(payload: &[u8]) -> Vec<u8> {
    let headers = b"\x0b:event-type\x07\x00\x05chunk";
    let total = u32::try_from([12, headers.len(), payload.len(), 4].iter().sum::<usize>()).unwrap();
    let mut out = total.to_be_bytes().to_vec();
    out.extend(u32::try_from(headers.len()).unwrap().to_be_bytes());
    out.extend([0; 4]);
    out.extend(headers);
    out.extend(payload);
    out.extend([0; 4]);
    out
}

fn event_stream() -> Vec<u8> {
    let mut out = message(br#"{"usage":1}"#);
    // {"n":2} and {"n":34}, as base64.
    out.extend(message(br#"{"bytes":"eyJuIjoyfQ==","p":"abc"}"#));
    out.extend(message(br#"{"bytes":"eyJuIjozNH0="}"#));
    out.extend(message(b""));
    out.extend(message(br#"{"usage":5}"#));
    out
}

fn streams() -> Vec<(&'static str, Vec<u8>, &'static [&'static str])> {
    vec![
        (
            "text/event-stream; charset=utf-8",
            b"data: {\"a\":1}\n\n: x\n\ndata: [DONE]\n\ndata: {\"a\":2}\n\n".to_vec(),
            &["1", "2"],
        ),
        ("application/json", b" [{\"a\":1},\n{\"a\":2}]".to_vec(), &["1", "2"]),
        ("application/json", b"data: {\"a\":1}\r\n\r\ndata: {\"a\":2}\r\n\r\n".to_vec(), &["1", "2"]),
        ("", b"event: x\ndata: {\"a\":1}\n\n".to_vec(), &["1"]),
        ("application/x-ndjson", b"{\"a\":1}\nnot json\n{\"a\":2}".to_vec(), &["1", "2"]),
        ("application/vnd.amazon.eventstream", event_stream(), &["1", "2", "34", "5"]),
        ("image/png", b"{\"a\":1}".to_vec(), &[]),
        ("application/vnd.amazon.eventstream", vec![0; 40], &[]),
    ]
}

#[test]
fn every_framing_is_read_however_it_is_cut() {
    for (kind, stream, expected) in streams() {
        for size in [1, 2, 7, 16_384] {
            let pieces: Vec<&[u8]> = stream.chunks(size).collect();
            assert_eq!(read(kind, &pieces), expected, "{kind} in pieces of {size}");
        }
    }
}

/// A name cut inside a character or beyond its longest, and white space before a stream without a type: each
/// read differently once, by how it was cut.
#[test]
fn names_and_beginnings_are_the_same_however_they_are_cut() {
    let chat = crate::dialect::recognise(b"POST", b"", b"/v1/chat/completions").metered().unwrap();
    for (kind, stream, model) in [
        ("text/event-stream", "data: {\"model\":\"größe\"}\n\n".to_owned(), "größe".to_owned()),
        ("application/json", format!("{{\"model\":\"{}\"}}", "m".repeat(300)), "m".repeat(256)),
        ("text/plain", "\n data: {\"model\":\"a\"}\n\n".to_owned(), "a".to_owned()),
    ] {
        for size in [1, 2, 7, 16_384] {
            let mut reader = AnswerReader::new(chat.dialect, kind.as_bytes(), false, "");
            stream.as_bytes().chunks(size).for_each(|piece| reader.feed(piece));
            assert_eq!(reader.model(), model, "{stream} in pieces of {size}");
        }
    }
}

#[test]
fn a_document_that_is_none_does_not_spoil_the_next() {
    let mut documents = Documents::new();
    let mut numbers = Numbers::default();
    documents.feed(b"{\"a\":1 oops", &mut numbers);
    documents.end();
    documents.feed(b"{\"a\":2}", &mut numbers);
    assert_eq!(numbers.0.last().unwrap().1, "2");
}

proptest! {
    #[test]
    fn any_bytes_are_read_without_a_panic(bytes in prop::collection::vec(any::<u8>(), 0..300), cut in 0..300_usize) {
        for (kind, ..) in streams() {
            let (head, tail) = bytes.split_at(cut.min(bytes.len()));
            let _ = read(kind, &[head, tail]);
        }
    }
}
