//! `cargo xtask corpus`: hands over to the measuring programs in `xtask/corpus`, which needs a decompressor and
//! the engine, and `xtask/corpus-wasm`, which needs wasmtime and the built filter: `xtask` is compiled before
//! every other command.

use anyhow::Result;

use crate::{sh, wasm};

/// Measures the engine over recorded exchanges; with `--wasm` among the arguments, holds the built filter
/// against it.
pub(crate) fn run(corpus_args: &[String]) -> Result<()> {
    let mut cargo = sh::cargo();
    cargo.args(["run", "--quiet", "--package"]);
    if corpus_args.iter().any(|arg| arg == "--wasm") {
        cargo.env("TOKENSTILE_WASM", wasm::build(None)?);
        // Not optimised: that would compile wasmtime once more, for a program that runs for some seconds.
        cargo.args(["tokenstile-corpus-wasm", "--"]);
    } else {
        cargo.args(["tokenstile-corpus", "--profile", "tool", "--"]);
    }
    sh::run(cargo.args(corpus_args.iter().filter(|arg| *arg != "--wasm")))
}
