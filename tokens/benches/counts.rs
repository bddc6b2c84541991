//! Speed on fresh texts of 10 KB, always beside tiktoken-rs and bpe-openai in the same run:
//! `cargo bench -p tokenstile-tokens`. Every text is new, so a cache helps only as far as it would in production.
//! In virtual machines too: `cargo xtask bench tokens`.

#![allow(
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    clippy::unwrap_used,
    clippy::expect_used,
    missing_docs,
    reason = "a benchmark may stop where it fails"
)]

#[path = "../tools/speeds.rs"]
mod speeds;
#[path = "../tools/texts.rs"]
mod texts;
#[path = "../tools/vocabularies.rs"]
mod vocabularies;

use speeds::Way;
use tokenstile_tokens::{Counter, Encoding, Scripts};

fn main() {
    // `cargo test --benches` runs this too, and wants to know only whether it runs.
    if !std::env::args().any(|arg| arg == "--bench") {
        return;
    }
    let mut ways = [
        way("tokenstile", |which, text| encoding(which).count(text)),
        way("tiktoken-rs", tiktoken_rs_count),
        way("bpe-openai", bpe_openai_count),
        way("tokenstile, in parts of 1 KB", in_parts),
        way("tokenstile, for an estimate", |which, text| {
            if which == 0 { encoding(which).count(text) } else { for_estimate(text) }
        }),
    ];
    speeds::print("native", &mut ways);
}

fn way(name: &'static str, count: impl Fn(u32, &str) -> u64 + 'static) -> Way<'static> {
    Way { name, count: Box::new(move |which, text| speeds::timed(|| count(which, text))) }
}

fn for_estimate(text: &str) -> u64 {
    Scripts::of(text).0.iter().sum()
}

fn encoding(which: u32) -> Encoding {
    if which == 0 { Encoding::Cl100k } else { Encoding::O200k }
}

fn tiktoken_rs_count(which: u32, text: &str) -> u64 {
    let counter =
        if which == 0 { tiktoken_rs::cl100k_base_singleton() } else { tiktoken_rs::o200k_base_singleton() };
    counter.encode_ordinary(text).len() as u64
}

fn bpe_openai_count(which: u32, text: &str) -> u64 {
    (if which == 0 { bpe_openai::cl100k_base() } else { bpe_openai::o200k_base() }).count(text) as u64
}

fn in_parts(which: u32, text: &str) -> u64 {
    let mut counter = Counter::new(encoding(which));
    text.as_bytes().chunks(1024).for_each(|part| counter.push(part));
    counter.finish()
}
