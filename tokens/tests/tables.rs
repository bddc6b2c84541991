//! The committed tables are what their program makes of the vocabularies of tiktoken-rs.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    reason = "a tool may stop where it fails"
)]

#[path = "common/mod.rs"]
mod common;
#[path = "../tools/tables.rs"]
mod tables;

use std::path::Path;

#[test]
fn are_what_their_program_makes() {
    for (name, vocabulary) in common::vocabularies::all() {
        let made = tables::vocabulary_tables(&vocabulary);
        assert_file(&format!("{name}.units"), &made.units);
        assert_file(&format!("{name}.long_halves"), &made.long_halves);
    }
    assert_file("classes", &tables::class_table());
}

fn assert_file(name: &str, made: &[u8]) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tables").join(name);
    let kept = std::fs::read(&path).expect("the table is committed");
    assert!(kept == made, "`{name}` differs; make it again with `cargo run --example make_tables`");
}
