//! `cargo xtask bench`: builds what is measured and hands over to a measuring program: `xtask/bench` compares Envoys;
//! with `tokens` as the first word, `tokens/benches` and `xtask/bench-tokens` compare token counters; with `engine`,
//! criterion measures the engine's parts; with `replay`, `host-tests/benches/replay.rs` measures replays.
//!
//! These programs are packages of their own: they need HTTP libraries and virtual machines, and `xtask` is compiled
//! before every other command.

mod tokens;

use anyhow::Result;

use crate::{envoy, root, sh, wasm};

/// Runs the measurement that the first word names; without one, that of the filter in Envoy.
pub(crate) fn run(bench_args: &[String]) -> Result<()> {
    match bench_args.split_first() {
        Some((word, rest)) if word == "engine" => engine(rest),
        Some((word, _)) if word == "tokens" => tokens::run(),
        Some((word, _)) if word == "replay" => replay(),
        _ => in_envoy(bench_args),
    }
}

/// The engine alone: natively, then in wasmtime, whose program prints both.
fn engine(criterion_args: &[String]) -> Result<()> {
    let module = wasm::build_package("tokenstile-engine-vm-bench")?;
    // wasmtime compiles the module with all its optimisations, however it was compiled itself.
    for (package, profile) in [("tokenstile-engine", "tool"), ("tokenstile-host", "dev")] {
        let mut cargo = sh::cargo();
        cargo.args([
            "bench",
            "--quiet",
            "--package",
            package,
            "--bench",
            "engine",
            "--profile",
            profile,
            "--",
        ]);
        cargo
            .env("CRITERION_HOME", root().join("target/bench-engine"))
            .env("TOKENSTILE_ENGINE_WASM", &module);
        sh::run(cargo.args(criterion_args))?;
    }
    Ok(())
}

/// How many calls a second a replay decides, natively and through the filter.
fn replay() -> Result<()> {
    let filter = wasm::build(None)?;
    let mut cargo = sh::cargo();
    cargo.args([
        "bench",
        "--quiet",
        "--package",
        "tokenstile-host",
        "--bench",
        "replay",
        "--profile",
        "tool",
    ]);
    sh::run(cargo.env("TOKENSTILE_WASM", filter))
}

fn in_envoy(bench_args: &[String]) -> Result<()> {
    let filter = wasm::build(None)?;
    let mut cargo = sh::cargo();
    cargo.args(["run", "--quiet", "--package", "tokenstile-bench", "--"]);
    cargo.env("TOKENSTILE_WASM", filter).env("ENVOY", envoy::find_or_install()?);
    sh::run(cargo.args(bench_args))
}
