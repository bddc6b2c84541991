//! Lines of JSON, and arrays of documents, are read the same however they are cut.
//! The first three bytes choose the API and the cut.
#![no_main]

#[path = "../../tests/checks/mod.rs"]
mod checks;

use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let [number, high, low, stream @ ..] = bytes else { return };
    let dialect = checks::route(*number).dialect;
    let kind = if number & 0x80 == 0 { &b"application/x-ndjson"[..] } else { b"application/json" };
    let cut = usize::from(u16::from_be_bytes([*high, *low])) % (stream.len() + 1);
    let whole = checks::read(dialect, kind, [stream]);
    let (head, tail) = stream.split_at(cut);
    assert_eq!(checks::read(dialect, kind, [head, tail]), whole, "cut at {cut}");
    assert_eq!(checks::read(dialect, kind, stream.chunks(1)), whole, "in single bytes");
    assert_eq!(checks::read(dialect, kind, stream.chunks(1 + cut % 7)), whole, "in small pieces");
});
