//! The engine natively: `cargo xtask bench engine`, which measures it in a VM as well.

#![allow(
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    missing_docs,
    reason = "a benchmark may stop where it fails"
)]

mod bodies;
mod cpu;
mod work;

use cpu::CpuTime;
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use std::hint::black_box;
use work::Work;

fn engine(criterion: &mut Criterion<CpuTime>) {
    let mut measure = |part: &str, bodies: &[bodies::Body], run: fn(&Work) -> u64| {
        let mut group = criterion.benchmark_group(format!("native {part}"));
        for (name, body) in bodies {
            let work = Work::new(body.clone());
            assert_ne!(run(&work), 0, "{part} does nothing with {name}");
            group.throughput(Throughput::Bytes(body.len() as u64));
            group.bench_function(name, |bencher| bencher.iter(|| black_box(run(&work))));
        }
    };
    measure("read", &bodies::requests(), Work::read);
    measure("count", &bodies::requests(), Work::count);
    measure("splice", &bodies::requests(), Work::splice);
    measure("usage", &bodies::answers(), Work::usage);
}

criterion_group!(name = benches; config = cpu::criterion(); targets = engine);
criterion_main!(benches);
