//! `tokenstile demo`: a day in the life of three users. Called by `main` and by `cargo xtask demo`; it must not know
//! the story.

use super::Failure;
use std::path::PathBuf;
use std::process::ExitCode;
use tokenstile_host::demo::{self, Way};

const EXAMPLES: &str = "\
Examples:
  tokenstile demo";

/// How to show it.
#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    /// Run the filter in a real Envoy, found by $ENVOY or on PATH, instead of the embedded proxy.
    #[arg(long)]
    envoy: bool,
    /// The filter; without it $TOKENSTILE_WASM, else target/tokenstile.wasm. (Envoy: the latter two.)
    #[arg(long, value_name = "FILE", conflicts_with = "envoy")]
    wasm: Option<PathBuf>,
}

pub(crate) fn run(args: &Args) -> Result<ExitCode, Failure> {
    let way = if args.envoy { Way::Envoy } else { Way::Embedded(super::filter(args.wasm.as_deref())?) };
    demo::run(way)?;
    Ok(ExitCode::SUCCESS)
}
