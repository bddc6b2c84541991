//! Any path and any body are read without a panic, and a prompt is counted: the first line is host and path.
#![no_main]

#[path = "../../tests/checks/mod.rs"]
mod checks;

use libfuzzer_sys::fuzz_target;
use tokenstile_engine::dialect::{Facts, recognise};

fuzz_target!(|bytes: &[u8]| {
    let line = bytes.iter().position(|byte| *byte == b'\n').unwrap_or(bytes.len());
    let (head, body) = bytes.split_at(line);
    let body = body.get(1..).unwrap_or_default();
    let space = head.iter().position(|byte| *byte == b' ').unwrap_or(0);
    let (host, path) = head.split_at(space);
    let Some(route) = recognise(b"POST", host, path.get(1..).unwrap_or_default()).metered() else { return };
    match route.read(body) {
        Ok(facts) => {
            let count = route.count_prompt(body, &facts);
            assert!(count.tokens < 1 << 40, "{} tokens of {} bytes", count.tokens, body.len());
        }
        Err(_) => drop(route.count_prompt(body, &Facts::default())),
    }
});
