//! `cargo xtask bench`: builds what is measured and hands over to a measuring program: `xtask/bench` compares Envoys;
//! with `tokens` as the first word, `tokens/benches` and `xtask/bench-tokens` compare token counters.
//!
//! These programs are packages of their own: they need HTTP libraries and virtual machines, and `xtask` is compiled
//! before every other command.

mod tokens;

use anyhow::Result;

use crate::{envoy, sh, wasm};

/// Runs the measurement that the first word names.
pub(crate) fn run(bench_args: &[String]) -> Result<()> {
    match bench_args.first().map(String::as_str) {
        Some("tokens") => tokens::run(),
        _ => envoys(bench_args),
    }
}

fn envoys(bench_args: &[String]) -> Result<()> {
    let filter = wasm::build(None)?;
    let mut cargo = sh::cargo();
    cargo.args(["run", "--quiet", "--package", "tokenstile-bench", "--"]);
    cargo.env("TOKENSTILE_WASM", filter).env("ENVOY", envoy::find_or_install()?);
    sh::run(cargo.args(bench_args))
}
