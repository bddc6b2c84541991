//! Cutting any bytes anywhere changes nothing, and invalid ones count as their replacement:
//! `cargo +nightly fuzz run -O -s none feeder` in `tokens/`.
#![no_main]

use libfuzzer_sys::fuzz_target;
use tokenstile_tokens::{Counter, Encoding, Scripts};

fuzz_target!(|bytes: &[u8]| {
    // Two bytes say how long the parts are and how often the rest comes.
    let [part, times, rest @ ..] = bytes else { return };
    let repeated = rest.repeat(1 + usize::from(*times) * 4096 / 255 / rest.len().max(1));
    let text = String::from_utf8_lossy(&repeated);
    for encoding in [Encoding::Cl100k, Encoding::O200k] {
        let mut counter = Counter::new(encoding);
        for part in repeated.chunks(1 + usize::from(*part)) {
            counter.push(part);
        }
        assert!(counter.at_least() <= encoding.count(&text));
        assert_eq!(counter.finish(), encoding.count(&text), "{encoding:?} {text:?}");
    }
    assert_eq!(Scripts::of(&text).0.iter().sum::<u64>(), Encoding::O200k.count(&text));
});
