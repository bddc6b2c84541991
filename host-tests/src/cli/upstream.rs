//! `tokenstile upstream`: the simulated OpenAI on a port, for trying policies and for tests from other languages.
//! Called by `main`; it must not know how the provider answers.

use super::Failure;
use std::net::SocketAddr;
use std::process::ExitCode;
use tokenstile_host::upstream::Upstream;

const EXAMPLES: &str = "\
Examples:
  tokenstile upstream --listen 127.0.0.1:0
  curl http://127.0.0.1:9999/__sim/ledger";

/// Where to listen.
#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    /// Address and port; port 0 chooses a free one, which is printed.
    #[arg(long, default_value = "127.0.0.1:9999")]
    listen: SocketAddr,
}

pub(crate) fn run(args: &Args) -> Result<ExitCode, Failure> {
    let upstream =
        Upstream::start(args.listen).map_err(|why| format!("cannot listen on `{}`: {why}", args.listen))?;
    println!("simulated OpenAI on {}/v1  (what it billed: {}/__sim/ledger)", upstream.url(), upstream.url());
    super::until_interrupted()?;
    Ok(ExitCode::SUCCESS)
}
