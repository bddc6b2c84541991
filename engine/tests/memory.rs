//! One answer never keeps more than 64 KB, whatever a provider sends: what is allocated is counted.

#![allow(
    unsafe_code,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    reason = "an allocator that counts, and test data"
)]

mod checks;

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use tokenstile_engine::usage::{AnswerReader, Strip};

/// Counts what this thread has allocated and not freed, and the most of it since [`peak_of`] began.
struct Counting;

thread_local! {
    static LIVE: Cell<usize> = const { Cell::new(0) };
    static PEAK: Cell<usize> = const { Cell::new(0) };
}

fn note(more: usize, less: usize) {
    let live = (LIVE.get() + more).saturating_sub(less);
    LIVE.set(live);
    PEAK.set(PEAK.get().max(live));
}

// SAFETY: every call goes to the system's allocator as it came.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        note(layout.size(), 0);
        // SAFETY: as the caller promises.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, at: *mut u8, layout: Layout) {
        note(0, layout.size());
        // SAFETY: as the caller promises.
        unsafe { System.dealloc(at, layout) }
    }

    // Growing may copy: for a moment both are there. `GlobalAlloc::realloc` does so by `alloc`.
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// The most bytes that `work` has at once beyond what there was before.
fn peak_of(work: impl FnOnce()) -> usize {
    let before = LIVE.get();
    PEAK.set(before);
    work();
    PEAK.get() - before
}

const LIMIT: usize = 64 * 1024;
/// Proxies hand on what a read of the socket gave, mostly 16 KB.
const CHUNK: usize = 16 * 1024;
/// Enough for every buffer to be full several times.
const ENDLESS: usize = 128 << 10;

/// A beginning, and what follows for ever.
fn hostile() -> Vec<(String, Vec<u8>, Vec<u8>)> {
    let fillers: &[(&str, &[u8])] = &[
        ("a", b"a"),
        ("spaces", b" "),
        ("digits", b"1"),
        ("brackets", b"["),
        ("objects", b"{\"a\":"),
        ("line ends", b"\n"),
        ("escaped line ends", b"\\n"),
        ("emoji", "😀".as_bytes()),
        ("halves of emoji", b"\\ud83d"),
        ("invalid bytes", b"\xff\xc3"),
        ("words", b"word Word WORD 123 "),
        ("base64", b"iVBORw0KGgoAAAANSUhEUgAA"),
        ("quotes", b"\"\","),
        ("data lines", b"data: {\ndata:\n"),
        ("events", b"data: x\n\n"),
        ("comments", b": x\n"),
        ("zeros", b"\0"),
        ("frames", b"\0\0\0\x10\0\0\0\0\0\0\0\0\0\0\0\0"),
    ];
    let begins: &[(&str, &[u8])] = &[
        ("nothing", b""),
        ("a data line", b"data: "),
        ("a field", b"event: "),
        ("a string", b"{\"x\":\""),
        ("a key", b"{\""),
        ("a number", b"{\"usage\":{\"prompt_tokens\":1"),
        ("a model", b"{\"model\":\""),
        ("a chat's text", b"{\"choices\":[{\"delta\":{\"content\":\""),
        ("a message's text", b"{\"delta\":{\"text\":\""),
        ("a candidate's text", b"{\"candidates\":[{\"content\":{\"parts\":[{\"text\":\""),
        ("a modality", b"{\"usageMetadata\":{\"promptTokensDetails\":[{\"modality\":\""),
        ("Ollama's text", b"{\"message\":{\"content\":\""),
        ("an array", b"[{},"),
        ("a frame of 4 GB", b"\xff\xff\xff\xff\0\0\0\0\0\0\0\0"),
        ("a frame with headers of 4 GB", b"\xff\xff\xff\xff\xff\xff\xff\0\0\0\0\0"),
        (
            "a text in a frame of 4 GB",
            b"\xff\xff\xff\xff\0\0\0\0\0\0\0\0{\"contentBlockDelta\":{\"delta\":{\"text\":\"",
        ),
        ("base64 in a frame of 4 GB", b"\xff\xff\xff\xff\0\0\0\0\0\0\0\0{\"bytes\":\""),
    ];
    let mut all = Vec::new();
    for (beginning, begin) in begins {
        for (filler, unit) in fillers {
            let chunk = unit.iter().copied().cycle().take(CHUNK - CHUNK % unit.len()).collect();
            all.push((format!("{beginning}, then {filler}"), begin.to_vec(), chunk));
        }
    }
    all
}

#[test]
fn one_answer_keeps_less_than_64_kb_of_any_input() {
    // What is set up once and stays, a vocabulary's tables say, is no part of an answer.
    checks::read(checks::route(0).dialect, b"text/event-stream", [&b"data: {}"[..]]);
    let kinds = [
        "text/event-stream",
        "application/x-ndjson",
        "application/json",
        "application/vnd.amazon.eventstream",
    ];
    let places = [0_u8, 10, 13, 16];
    let mut most = (0, String::new());
    for (name, begin, chunk) in hostile() {
        for kind in kinds {
            for place in places {
                let is_sse = kind == "text/event-stream" && !begin.is_empty();
                let begin = if is_sse && begin[0] == b'{' {
                    [&b"data: "[..], &begin].concat()
                } else {
                    begin.clone()
                };
                let route = checks::route(place);
                let peak = peak_of(|| {
                    let mut reader = AnswerReader::new(route.dialect, kind.as_bytes(), false, "gpt-4o");
                    let mut strip = Strip::new();
                    reader.feed(&begin);
                    let _ = strip.feed(&begin);
                    for _ in 0..ENDLESS / CHUNK / if place == 0 { 1 } else { 3 } {
                        reader.feed(&chunk);
                        let _ = strip.feed(&chunk);
                    }
                });
                let what = format!("{} as {kind}: {name}", route.dialect.name);
                assert!(peak < LIMIT, "{peak} bytes: {what}");
                most = most.max((peak, what));
            }
        }
    }
    println!("{} bytes at most: {}", most.0, most.1);
    assert!(most.0 > CHUNK, "something was counted");
}
