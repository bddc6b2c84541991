//! `tokenstile run FILTER.wasm`: drives any proxy-wasm filter with a request and prints what came out.
//! Called by `main`; it must not know our own plugin.

use std::path::PathBuf;
use std::process::ExitCode;

/// What to run and with which request.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// The filter, a proxy-wasm module.
    filter: PathBuf,
}

pub(crate) fn run(args: &Args) -> Result<ExitCode, String> {
    Err(format!("cannot run `{}` yet", args.filter.display()))
}
