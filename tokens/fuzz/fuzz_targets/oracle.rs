//! Any text has the count that tiktoken-rs gives it: `cargo +nightly fuzz run -O -s none oracle` in `tokens/`.
//! Without a sanitizer, for which code without `unsafe` has no use: it makes the oracle many times slower.
#![no_main]

use libfuzzer_sys::fuzz_target;
use tokenstile_tokens::Encoding;

fuzz_target!(|bytes: &[u8]| {
    // The first byte repeats the rest, so that long pieces come up.
    let Some((times, rest)) = bytes.split_first() else { return };
    let text = String::from_utf8_lossy(rest).repeat(1 + usize::from(*times) / 16);
    let cl100k = tiktoken_rs::cl100k_base_singleton().encode_ordinary(&text).len() as u64;
    let o200k = tiktoken_rs::o200k_base_singleton().encode_ordinary(&text).len() as u64;
    assert_eq!(Encoding::Cl100k.count(&text), cl100k, "cl100k {text:?}");
    assert_eq!(Encoding::O200k.count(&text), o200k, "o200k {text:?}");
    assert_eq!(Encoding::O200k.count_until(&text, o200k), Some(o200k));
});
