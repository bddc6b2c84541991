//! `cargo xtask bench tokens`: token counters beside each other, natively and in virtual machines.

use std::fs;

use anyhow::{Context, Result};

use crate::wasm::on_demand::{CL100K, TABLES, Table};
use crate::{root, sh, wasm};

/// The modules: name, feature of `tokens/vm-bench`, whether with operations on 16 bytes, and what it loads on demand.
const MODULES: [(&str, &str, bool, &[Table]); 5] = [
    ("tokenstile", "", true, TABLES),
    ("tokenstile-without-simd", "", false, TABLES),
    ("one-encoding", "one-encoding", true, &[CL100K]),
    ("tiktoken-rs", "tiktoken-rs", true, &[]),
    ("bpe-openai", "bpe-openai", true, &[]),
];

/// Of the stack: the default of 1 MB would be most of a small VM's memory.
const STACK: &str = "-Clink-arg=-zstack-size=65536";

/// Measures natively, then builds the modules and measures them in wasmtime and V8.
pub(crate) fn run() -> Result<()> {
    sh::run(sh::cargo().args(["bench", "--package", "tokenstile-tokens", "--bench", "counts"]))?;
    let folder = root().join("target/bench-tokens");
    fs::create_dir_all(&folder).with_context(|| format!("cannot make `{}`", sh::pretty(&folder)))?;
    for (name, feature, simd, tables) in MODULES {
        println!("building {name}.wasm …");
        let target = folder.join(if simd { "simd" } else { "plain" });
        let mut cargo = sh::cargo();
        cargo.args(["build", "--quiet", "--release", "--target", wasm::TARGET, "--features", feature]);
        cargo.arg("--manifest-path").arg(root().join("tokens/vm-bench/Cargo.toml"));
        cargo.arg("--target-dir").arg(&target);
        let flags = if simd { [STACK, wasm::SIMD].join("\x1f") } else { STACK.to_owned() };
        sh::run(cargo.env("CARGO_ENCODED_RUSTFLAGS", flags).env_remove("RUSTFLAGS"))?;
        let built = target.join(wasm::TARGET).join("release/tokenstile_tokens_vm_bench.wasm");
        fs::write(folder.join(name).with_extension("wasm"), wasm::linked(&built, tables)?)?;
    }
    let mut cargo = sh::cargo();
    cargo.args(["run", "--quiet", "--profile", "tool", "--package", "tokenstile-bench-tokens", "--"]);
    sh::run(cargo.arg(folder))
}
