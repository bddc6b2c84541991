//! `cargo xtask bench`: builds the filter and hands over to the measuring program in `xtask/bench`.
//!
//! That program is a package of its own: it needs an HTTP library, and `xtask` is compiled before
//! every other command.

use anyhow::Result;

use crate::{envoy, sh, wasm};

/// Runs the measurement.
pub(crate) fn run(bench_args: &[String]) -> Result<()> {
    let filter = wasm::build(None)?;
    let mut cargo = sh::cargo();
    cargo.args(["run", "--quiet", "--package", "tokenstile-bench", "--"]);
    cargo.env("TOKENSTILE_WASM", filter).env("ENVOY", envoy::find_or_install()?);
    sh::run(cargo.args(bench_args))
}
