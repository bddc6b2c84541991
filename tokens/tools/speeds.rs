//! Measures counters beside each other, and prints what it saw. For the benchmarks only.

use crate::texts;
use std::time::Instant;

/// A way to count in cl100k (0) or o200k (1): the seconds that it took, and the tokens.
pub(crate) struct Way<'w> {
    pub(crate) name: &'static str,
    pub(crate) count: Count<'w>,
}

type Count<'w> = Box<dyn FnMut(u32, &str) -> (f64, u64) + 'w>;

/// So many texts are counted by one way before it is another's turn: taking turns text by text would let the slow ones
/// empty the processor's caches for the fast one, and whatever else the machine does should still meet all alike.
const BLOCK: usize = 20;
/// So many blocks are measured, after one that warms up.
const BLOCKS: usize = 7;

/// Prints the speeds on what users write, the first way compared with each other one, and on hostile texts.
pub(crate) fn print(place: &str, ways: &mut [Way<'_>]) {
    let mut logarithms = vec![0.0; ways.len()];
    for encoding in [0, 1] {
        print_head(place, encoding, ways);
        for kind in texts::KINDS {
            let speeds = speeds(ways, encoding, &texts::texts(kind));
            print_row(kind, &speeds);
            for (sum, speed) in logarithms.iter_mut().zip(&speeds) {
                *sum += (speeds[0] / speed).ln() / (2 * texts::KINDS.len()) as f64;
            }
        }
        for kind in ["letters", "rulers"] {
            print_row(kind, &speeds(ways, encoding, &texts::texts(kind)));
        }
    }
    for (way, logarithm) in ways.iter().zip(logarithms).skip(1) {
        println!(
            "\n{place}: {:.1} x {}, geometric mean over {}",
            logarithm.exp(),
            way.name,
            texts::KINDS.join(", ")
        );
    }
    print_hostile(place, &mut ways[0]);
}

fn print_head(place: &str, encoding: u32, ways: &[Way<'_>]) {
    let names: Vec<&str> = ways.iter().map(|way| way.name).collect();
    println!("\n| {place}, {}, MB/s | {} |", ["cl100k", "o200k"][encoding as usize], names.join(" | "));
    println!("| --- |{}", " --- |".repeat(names.len()));
}

fn print_row(kind: &str, speeds: &[f64]) {
    let columns = speeds.iter().skip(1).map(|speed| format!(" {speed:.1} (x {:.1}) |", speeds[0] / speed));
    println!("| {kind} | {:.1} |{}", speeds[0], columns.collect::<String>());
}

/// Megabytes a second of each way: the medians of texts. (Not of blocks: a block of a slow way takes so long that a busy
/// machine always does something else meanwhile.)
fn speeds(ways: &mut [Way<'_>], encoding: u32, texts: &[String]) -> Vec<f64> {
    let mut speeds = vec![Vec::new(); ways.len()];
    for (round, texts) in texts.chunks_exact(BLOCK).take(1 + BLOCKS).enumerate() {
        let (mut counted, all) = (None, ways.len());
        // Nobody has two turns in a row, which would find the processor's caches as it left them.
        for which in (0..all).map(|turn| (turn + round) % all) {
            let mut tokens = 0;
            for text in texts {
                let (seconds, count) = (ways[which].count)(encoding, text);
                tokens += count;
                if round > 0 {
                    speeds[which].push(text.len() as f64 / seconds / 1e6);
                }
            }
            assert_eq!(*counted.get_or_insert(tokens), tokens, "{} counts otherwise", ways[which].name);
        }
    }
    speeds.into_iter().map(median).collect()
}

fn print_hostile(place: &str, way: &mut Way<'_>) {
    println!("\n| {place}, {}, o200k, one hostile text, MB/s | 10 KB | 100 KB | 1 MB |", way.name);
    println!("| --- | --- | --- | --- |");
    for kind in texts::HOSTILE {
        let columns = [10_000, 100_000, 1_000_000].map(|bytes| {
            let text = texts::hostile(kind, bytes);
            let speeds = (0..5).map(|_| bytes as f64 / (way.count)(1, &text).0 / 1e6);
            format!("{:.1}", median(speeds.collect()))
        });
        println!("| {kind} | {} |", columns.join(" | "));
    }
}

/// The seconds that `work` takes, and what it gives.
pub(crate) fn timed<T>(work: impl FnOnce() -> T) -> (f64, T) {
    let begin = Instant::now();
    let result = work();
    (begin.elapsed().as_secs_f64(), result)
}

pub(crate) fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}
