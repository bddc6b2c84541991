//! Speed on fresh texts of 10 KB, always beside tiktoken-rs and bpe-openai in the same run:
//! `cargo bench -p tokenstile-tokens`. Every text is new, so a cache helps only as far as it would in production.
//! In virtual machines: `tokens/vm-bench`.

#![allow(
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    clippy::unwrap_used,
    clippy::expect_used,
    missing_docs,
    reason = "a benchmark may stop where it fails"
)]

#[path = "../tools/texts.rs"]
mod texts;
#[path = "../tools/vocabularies.rs"]
mod vocabularies;

use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use std::hint::black_box;
use tokenstile_tokens::{Counter, Encoding};

const BYTES: usize = 10_000;

fn counts(criterion: &mut Criterion) {
    let mut texts = texts::Texts::new(1);
    for kind in texts::KINDS {
        let mut group = criterion.benchmark_group(kind);
        group.throughput(Throughput::Bytes(BYTES as u64)).sample_size(20);
        group.warm_up_time(std::time::Duration::from_millis(500));
        group.measurement_time(std::time::Duration::from_secs(2));
        let mut bench = |name: &str, count: &dyn Fn(&str) -> usize| {
            group.bench_function(name, |bencher| {
                bencher.iter_batched(
                    || texts.next(kind, BYTES),
                    |text| black_box(count(&text)),
                    BatchSize::SmallInput,
                );
            });
        };
        bench("cl100k", &|text| Encoding::Cl100k.count(text) as usize);
        bench("o200k", &|text| Encoding::O200k.count(text) as usize);
        bench("o200k in parts of 1 KB", &in_parts);
        bench("tiktoken-rs o200k", &|text| tiktoken_rs::o200k_base_singleton().encode_ordinary(text).len());
        bench("bpe-openai o200k", &|text| bpe_openai::o200k_base().count(text));
    }
}

fn in_parts(text: &str) -> usize {
    let mut counter = Counter::new(Encoding::O200k);
    text.as_bytes().chunks(1024).for_each(|part| counter.push(part));
    counter.finish() as usize
}

criterion_group!(benches, counts);
criterion_main!(benches);
