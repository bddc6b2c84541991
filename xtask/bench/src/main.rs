//! Measures what the filter costs in a real Envoy: `cargo xtask bench`.
//!
//! Several Envoys live side by side, alike but for their filter: none, an empty one, ours. They are
//! measured in turns within one run, so that whatever else the machine does meets all of them, and
//! ratios come first in the report. It knows the filter as a file and its policy as JSON, and takes
//! both ends of the traffic on itself: the load ([`load`]) and the provider ([`upstream`]).

mod envoy;
mod load;
mod measure;
mod report;
mod scenario;
mod upstream;

use std::{env, fs, path::PathBuf, process::ExitCode, time::Duration};

use anyhow::{Context, Result};
use clap::Parser;

/// Compare Envoy without a filter, with an empty one, and with ours.
#[derive(Parser)]
#[command(name = "cargo xtask bench --", bin_name = "cargo xtask bench --")]
struct Args {
    /// One short round: shows that everything works, not what it costs.
    #[arg(long)]
    quick: bool,
    /// Rounds; each measures every scenario with every filter, in turns.
    #[arg(long, default_value_t = 5)]
    rounds: u32,
    /// Seconds of one measurement.
    #[arg(long, default_value_t = 2.0)]
    seconds: f32,
    /// Requests a second of the latency measurement.
    #[arg(long, default_value_t = 200)]
    rate: u32,
    /// Another build of the filter, to be compared with this one in the same run.
    #[arg(long)]
    against: Option<PathBuf>,
    /// Only scenarios whose name has this text.
    #[arg(long, default_value = "")]
    only: String,
}

/// What every part of the measurement needs to know.
struct Plan {
    envoy: PathBuf,
    /// Configurations, logs and the report.
    dir: PathBuf,
    ours: PathBuf,
    against: Option<PathBuf>,
    only: String,
    rounds: u32,
    duration: Duration,
    rate: u32,
}

fn main() -> ExitCode {
    match run(&Args::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(args: &Args) -> Result<()> {
    let from_env = |name| {
        env::var_os(name)
            .map(PathBuf::from)
            .with_context(|| format!("${name} is not set; start me by `cargo xtask bench`"))
    };
    let ours = from_env("TOKENSTILE_WASM")?;
    let dir = ours.parent().context("$TOKENSTILE_WASM names no file in a folder")?.join("bench");
    fs::create_dir_all(&dir)?;
    let plan = Plan {
        envoy: from_env("ENVOY")?,
        dir,
        ours,
        against: args.against.clone(),
        only: args.only.clone(),
        rounds: if args.quick { 1 } else { args.rounds.max(1) },
        duration: Duration::from_secs_f32(if args.quick { 0.5 } else { args.seconds }),
        rate: args.rate.clamp(1, 5_000),
    };
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    let figures = runtime.block_on(measure::all(&plan))?;
    let report = report::markdown(&figures);
    fs::write(plan.dir.join("report.md"), &report)?;
    println!("\n{report}");
    Ok(())
}
