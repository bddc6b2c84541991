//! Writes fresh texts for the benchmarks in virtual machines: `bench_texts FOLDER`, a file for each kind, texts of
//! 10 KB one behind the other.

#![allow(
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a tool may stop where it fails"
)]

#[path = "../tools/texts.rs"]
mod texts;
#[path = "../tools/vocabularies.rs"]
mod vocabularies;

fn main() -> std::io::Result<()> {
    let folder = std::path::PathBuf::from(std::env::args_os().nth(1).expect("usage: bench_texts FOLDER"));
    std::fs::create_dir_all(&folder)?;
    let mut texts = texts::Texts::new(2);
    for kind in texts::KINDS {
        std::fs::write(folder.join(format!("{kind}.txt")), texts.next(kind, 3_000_000))?;
    }
    Ok(())
}
