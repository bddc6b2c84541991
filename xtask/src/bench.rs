//! `cargo xtask bench`: builds the filter and hands over to the measuring program in `xtask/bench`;
//! `cargo xtask bench engine`: the engine's parts, by criterion.
//!
//! That program is a package of its own: it needs an HTTP library, and `xtask` is compiled before
//! every other command.

use anyhow::Result;

use crate::{envoy, root, sh, wasm};

/// Runs the measurement that the first word names; without one, that of the filter in Envoy.
pub(crate) fn run(bench_args: &[String]) -> Result<()> {
    match bench_args.split_first() {
        Some((word, rest)) if word == "engine" => engine(rest),
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

fn in_envoy(bench_args: &[String]) -> Result<()> {
    let filter = wasm::build(None)?;
    let mut cargo = sh::cargo();
    cargo.args(["run", "--quiet", "--package", "tokenstile-bench", "--"]);
    cargo.env("TOKENSTILE_WASM", filter).env("ENVOY", envoy::find_or_install()?);
    sh::run(cargo.args(bench_args))
}
