//! An edit of a request that was read changes its value and nothing else, and reads back. The first byte chooses
//! the API.
#![no_main]

#[path = "../../tests/checks/mod.rs"]
mod checks;

use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let Some((number, body)) = bytes.split_first() else { return };
    let route = checks::route(*number);
    let (host, _) = checks::PLACES[usize::from(*number) % checks::PLACES.len()];
    if let Ok(facts) = route.read(body) {
        checks::edits_change_what_they_should(host, &route, body, &facts);
    }
});
