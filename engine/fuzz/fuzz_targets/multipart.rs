//! Forms: read without a panic; whose model is read, it is the one that an edit changes.
#![no_main]

#[path = "../../tests/checks/mod.rs"]
mod checks;

use libfuzzer_sys::fuzz_target;
use tokenstile_engine::dialect::recognise;

fuzz_target!(|bytes: &[u8]| {
    const HOST: &str = "api.openai.com";
    let route = recognise(b"POST", HOST.as_bytes(), b"/v1/audio/transcriptions").metered();
    let route = route.expect("transcription is metered");
    // The boundary is rarely guessed: a first line that is none is put right.
    let form = [&b"--b\r\n"[..], bytes, b"\r\n--b--\r\n"].concat();
    for body in [bytes, &form] {
        if body.starts_with(b"--")
            && let Ok(facts) = route.read(body)
        {
            assert!(facts.model.is_empty() || memchr(body, facts.model.as_bytes()), "the model stands there");
            checks::edits_change_what_they_should(HOST, &route, body, &facts);
        }
    }
});

fn memchr(hay: &[u8], needle: &[u8]) -> bool {
    hay.windows(needle.len()).any(|window| window == needle)
}
