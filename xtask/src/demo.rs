//! `cargo xtask demo`: builds the filter and hands over to `tokenstile demo`.

use anyhow::Result;

use crate::{envoy, sh, wasm};

/// Runs the demonstration; `with_envoy` puts a real Envoy in the place of the embedded proxy.
pub(crate) fn run(with_envoy: bool, demo_args: &[String]) -> Result<()> {
    let filter = wasm::build(None)?;
    let mut cargo = sh::cargo();
    cargo.args(["run", "--package", "tokenstile-host", "--bin", "tokenstile", "--", "demo"]);
    cargo.env("TOKENSTILE_WASM", filter);
    if with_envoy {
        cargo.arg("--envoy").env("ENVOY", envoy::find_or_install()?);
    }
    sh::run(cargo.args(demo_args))
}
