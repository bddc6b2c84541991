//! Server-sent events are read the same however they are cut, and lose only the usage chunk.
//! The first three bytes choose the API and the cut.
#![no_main]

#[path = "../../tests/checks/mod.rs"]
mod checks;

use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let [number, high, low, stream @ ..] = bytes else { return };
    let dialect = checks::route(*number).dialect;
    let kind = b"text/event-stream";
    let cut = usize::from(u16::from_be_bytes([*high, *low])) % (stream.len() + 1);
    let whole = checks::read(dialect, kind, [stream]);
    let (head, tail) = stream.split_at(cut);
    assert_eq!(checks::read(dialect, kind, [head, tail]), whole, "cut at {cut}");
    assert_eq!(checks::read(dialect, kind, stream.chunks(1)), whole, "in single bytes");
    assert_eq!(checks::read(dialect, kind, stream.chunks(1 + cut % 7)), whole, "in small pieces");
    // Our reader takes control characters and lone surrogates, the other parser does not: the word alone decides.
    let has = |word: &[u8]| stream.windows(word.len()).any(|window| window == word);
    let passed = checks::strip_takes_only_usage(stream, has(b"usage") || has(b"\\u"));
    assert_eq!(checks::stripped([head, tail]), passed, "stripped, cut at {cut}");
    assert_eq!(checks::stripped(stream.chunks(1)), passed, "stripped in single bytes");
});
