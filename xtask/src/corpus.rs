//! `cargo xtask corpus`: hands over to the measuring program in `xtask/corpus`, which needs a
//! decompressor and the engine: `xtask` is compiled before every other command.

use anyhow::Result;

use crate::sh;

/// Measures the engine over recorded exchanges.
pub(crate) fn run(corpus_args: &[String]) -> Result<()> {
    let mut cargo = sh::cargo();
    cargo.args(["run", "--quiet", "--profile", "tool", "--package", "tokenstile-corpus", "--"]);
    sh::run(cargo.args(corpus_args))
}
