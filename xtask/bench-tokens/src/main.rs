//! Measures token counting inside virtual machines, always beside other counters in the same run:
//! `cargo xtask bench tokens`, which builds the modules of `tokens/vm-bench` and hands their folder over.
//!
//! wasmtime runs in this program, V8 in Node (`v8.mjs`), where there is one. Each text is new to every counter; they
//! take turns by blocks of texts. Owns the measuring; knows counters only as modules.

#[path = "../../../tokens/tools/speeds.rs"]
mod speeds;
#[path = "../../../tokens/tools/texts.rs"]
mod texts;
#[path = "../../../tokens/tools/vocabularies.rs"]
mod vocabularies;
mod wasm;

use anyhow::{Context, Result};
use std::path::{Path, PathBuf};
use std::process::Command;

/// What is compared, ours first: the names of the modules.
const MODULES: [&str; 4] = ["tokenstile", "tokenstile-without-simd", "tiktoken-rs", "bpe-openai"];
/// Ours with one encoding: for its size alone.
const ONE_ENCODING: &str = "one-encoding";

fn main() -> Result<()> {
    let folder = PathBuf::from(
        std::env::args_os().nth(1).context("no folder; start me by `cargo xtask bench tokens`")?,
    );
    let file = |name: &str| folder.join(name).with_extension("wasm");
    println!("\n| module | MB |\n| --- | --- |");
    for name in MODULES.iter().chain([&ONE_ENCODING]) {
        println!("| {name} | {:.2} |", std::fs::metadata(file(name))?.len() as f64 / 1e6);
    }
    let modules: Vec<(&'static str, PathBuf)> = MODULES.map(|name| (name, file(name))).into();
    wasm::measure(&modules)?;
    v8(&folder, &modules)
}

/// The same in Node.
fn v8(folder: &Path, modules: &[(&'static str, PathBuf)]) -> Result<()> {
    if Command::new("node").arg("--version").output().is_err() {
        println!("\nV8: skipped, node is not on PATH");
        return Ok(());
    }
    let data = folder.join("texts");
    std::fs::create_dir_all(&data)?;
    let kinds = texts::KINDS.iter().map(|kind| (*kind, texts::texts(kind).concat()));
    let mixed = ["letters", "rulers"].map(|kind| (kind, texts::texts(kind).concat()));
    for (at, (kind, text)) in kinds.chain(mixed).enumerate() {
        std::fs::write(data.join(format!("{at} {kind}")), text)?;
    }
    let hostile = folder.join("hostile");
    std::fs::create_dir_all(&hostile)?;
    for kind in texts::HOSTILE {
        std::fs::write(hostile.join(kind), texts::hostile(kind, 1_000_000))?;
    }
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/src/v8.mjs");
    let mut node = Command::new("node");
    // What has run for a while is compiled by TurboFan. On a busy machine that may come so late that it is not measured.
    node.arg("--no-liftoff").arg(script).args([data, hostile]).args(modules.iter().map(|(_, file)| file));
    anyhow::ensure!(node.status()?.success(), "`{script}` failed");
    Ok(())
}
