//! One file for each subcommand of `tokenstile`; this file only lists them.
//! A subcommand is `Args` (clap) and `run(&Args) -> Result<ExitCode, String>`.

use std::path::{Path, PathBuf};
use tokenstile_host::host::Module;

pub(crate) mod demo;
pub(crate) mod price;
pub(crate) mod replay;
pub(crate) mod run;
pub(crate) mod serve;
pub(crate) mod suggest;
mod trace;
pub(crate) mod upstream;

/// Where `cargo xtask build` puts the filter.
const BUILT: &str = "target/tokenstile.wasm";

/// The filter: the file named on the command line, by `$TOKENSTILE_WASM`, or the one that was built here.
pub(crate) fn filter(named: Option<&Path>) -> Result<Module, String> {
    let from_environment = || std::env::var_os("TOKENSTILE_WASM").map(PathBuf::from);
    let path = named.map(Path::to_owned).or_else(from_environment).unwrap_or_else(|| PathBuf::from(BUILT));
    let bytes = std::fs::read(&path).map_err(|why| {
        format!("cannot read the filter `{}`: {why}; `cargo xtask build` makes {BUILT}", path.display())
    })?;
    Module::compile(&bytes).map_err(|why| format!("`{}`: {why}", path.display()))
}

/// Waits for Ctrl-C.
pub(crate) fn until_interrupted() -> Result<(), String> {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .and_then(|runtime| runtime.block_on(tokio::signal::ctrl_c()))
        .map_err(|why| format!("cannot wait for Ctrl-C: {why}"))
}
