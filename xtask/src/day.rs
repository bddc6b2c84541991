//! `cargo xtask day TRACE`: a recorded day through a real Envoy, and four sums that must be one. Hands over to the test
//! that CI runs over a short day.

use anyhow::{Context, Result};
use std::path::Path;

use crate::{envoy, sh, wasm};

pub(crate) fn run(trace: &Path) -> Result<()> {
    // The test runs in another folder.
    let trace = trace.canonicalize().with_context(|| format!("cannot read `{}`", trace.display()))?;
    wasm::build(None)?;
    let mut cargo = sh::cargo();
    cargo.env("ENVOY", envoy::find_or_install()?).env("TOKENSTILE_DAY", trace);
    let test = ["test", "--package", "tokenstile-host", "--test", "envoy_day", "--", "--nocapture"];
    sh::run(cargo.args(test))
}
