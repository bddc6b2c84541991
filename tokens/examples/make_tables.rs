//! Writes `tables/` anew from the vocabularies that tiktoken-rs ships and the Unicode data of regex-syntax:
//! `cargo run --release -p tokenstile-tokens --example make_tables`.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    reason = "a tool may stop where it fails"
)]

#[path = "../tools/tables.rs"]
mod tables;
#[path = "../tools/vocabularies.rs"]
mod vocabularies;

use std::path::Path;

fn main() -> std::io::Result<()> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tables");
    for (name, vocabulary) in vocabularies::all() {
        let made = tables::vocabulary_tables(&vocabulary);
        println!("{name}: {} tokens, {} bytes of trie", vocabulary.len(), made.units.len());
        std::fs::write(folder.join(format!("{name}.units")), made.units)?;
        std::fs::write(folder.join(format!("{name}.long_halves")), made.long_halves)?;
    }
    let classes = tables::class_table();
    println!("classes: {} bytes", classes.len());
    std::fs::write(folder.join("classes"), classes)
}
