//! `cargo xtask test`: the fresh filter first, then every test of the workspace.
//!
//! The tests find the filter at `target/tokenstile.wasm` and Envoy by `$ENVOY`; both are made
//! ready here, so no test can meet a stale module or skip Envoy in silence.

use anyhow::Result;

use crate::{envoy, sh, wasm};

/// `cargo_args` replace `--workspace`.
pub(crate) fn run(cargo_args: &[String]) -> Result<()> {
    wasm::build(None)?;
    let mut cargo = sh::cargo();
    cargo.arg("test").env("ENVOY", envoy::find_or_install()?);
    if cargo_args.is_empty() {
        cargo.arg("--workspace");
    }
    sh::run(cargo.args(cargo_args))
}
