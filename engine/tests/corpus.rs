//! Edits and streams over recorded traffic, where there is some: `TOKENSTILE_CORPUS` names its folder.
//!
//! Cutting every stream at every byte would take hours, so a part is tested, the same each time. With
//! `TOKENSTILE_CORPUS_ALL=1` it is all requests and streams, at every byte up to 8 KB and at 500 places beyond:
//! `cargo test -p tokenstile-engine --profile tool --test corpus`.

#![allow(
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    clippy::expect_used,
    reason = "a test stops where something does not hold"
)]

mod checks;
mod recordings;

use checks::{has_usage_chunk, read, strip_takes_only_usage, stripped};
use std::collections::BTreeMap;

/// How much is tested.
struct Extent {
    /// One request, and one stream, of so many.
    every: usize,
    /// Streams of up to so many bytes are cut at every byte, longer ones at so many places.
    whole_bytes: usize,
    places: usize,
}

fn extent() -> Extent {
    if std::env::var_os("TOKENSTILE_CORPUS_ALL").is_some() {
        Extent { every: 1, whole_bytes: 8192, places: 500 }
    } else {
        Extent { every: 4, whole_bytes: 1024, places: 10 }
    }
}

#[test]
fn an_edit_of_a_recorded_request_changes_its_value_and_no_other_byte() {
    let every = extent().every;
    let (mut edited, mut opaque) = (BTreeMap::<&str, usize>::new(), Vec::new());
    let mut number = 0_usize;
    let seen = recordings::all(&mut |exchange| {
        number += 1;
        let Some(route) = exchange.route().filter(|_| number.is_multiple_of(every)) else { return };
        let body = exchange.request();
        match route.read(&body) {
            Ok(facts) => {
                // Shown if an assertion fails: the last one is at fault.
                println!("{}", exchange.id);
                checks::edits_change_what_they_should(&exchange.url_host, &route, &body, &facts);
                *edited.entry(route.dialect.name).or_default() += 1;
            }
            Err(why) => opaque.push((exchange.id, why)),
        }
    });
    let total: usize = edited.values().sum();
    println!("{total} requests edited: {edited:?}; not read: {opaque:?}");
    assert!(seen == 0 || (total > 100 && opaque.len() * 50 < total), "most recorded requests are read");
}

#[test]
fn a_recorded_stream_is_read_the_same_however_it_is_cut() {
    let extent = extent();
    let (mut streams, mut cuts, mut with_usage, mut stripped_of) = (0_usize, 0_usize, 0_usize, 0_usize);
    let seen = recordings::all(&mut |exchange| {
        let Some(route) = exchange.route().filter(|_| exchange.is_stream()) else { return };
        streams += 1;
        if !streams.is_multiple_of(extent.every) {
            return;
        }
        let (dialect, kind, stream) = (route.dialect, exchange.response_type(), exchange.response());
        let (id, stream) = (&exchange.id, stream.as_slice());
        let whole = read(dialect, &kind, [stream]);
        let is_sse = exchange.framing.as_deref() == Some("sse");
        let passed = is_sse.then(|| strip_takes_only_usage(stream, has_usage_chunk(stream)));
        with_usage += usize::from(whole.usage.is_some());
        stripped_of += usize::from(passed.as_ref().is_some_and(|passed| passed != stream));
        for size in [1, 2, 7, 16_384] {
            assert_eq!(read(dialect, &kind, stream.chunks(size)), whole, "{id} in pieces of {size}");
            if let Some(passed) = &passed {
                assert_eq!(&stripped(stream.chunks(size)), passed, "{id} stripped, in pieces of {size}");
            }
        }
        let step = if stream.len() <= extent.whole_bytes { 1 } else { stream.len() / extent.places };
        for cut in (0..stream.len()).step_by(step) {
            let (head, tail) = stream.split_at(cut);
            assert_eq!(read(dialect, &kind, [head, tail]), whole, "{id} cut at {cut}");
            if let Some(passed) = &passed {
                assert_eq!(&stripped([head, tail]), passed, "{id} stripped, cut at {cut}");
            }
            cuts += 1;
        }
    });
    println!(
        "{streams} streams, one of {} tested, at {cuts} cuts; {with_usage} state their usage",
        extent.every
    );
    println!("{stripped_of} lose a chunk of usage");
    assert!(seen == 0 || (with_usage > 50 && stripped_of > 5), "recorded streams state their usage");
}
