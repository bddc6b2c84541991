//! `cargo xtask corpus`: what the engine makes of recorded exchanges with LLM APIs, beside an oracle.
//!
//! Reads `exchanges.*.jsonl.zst` and `oracle.*.jsonl.zst` of a folder that is no part of this
//! repository. Owns the comparison; every rule under test is the engine's.

mod fit;
mod measure;
mod report;

use anyhow::{Context as _, Result};
use clap::Parser;
use std::path::PathBuf;
use std::process::ExitCode;
use tokenstile_corpus::recording;

/// Measure what the engine makes of recorded traffic.
#[derive(Parser)]
struct Args {
    /// The folder with exchanges.*.jsonl.zst and oracle.*.jsonl.zst.
    #[arg(env = "TOKENSTILE_CORPUS")]
    folder: PathBuf,
    /// One JSON object an exchange instead of tables.
    #[arg(long)]
    json: bool,
    /// Only exchanges whose dialect (as recorded) contains this.
    #[arg(long, default_value = "")]
    dialect: String,
    /// Only exchanges of this provider.
    #[arg(long)]
    provider: Option<String>,
    /// Only requests recorded byte for byte.
    #[arg(long)]
    verbatim: bool,
    /// Print the weights of prompt parts that fit these recordings best, as source of the engine.
    #[arg(long)]
    fit: bool,
    /// Say how well weights do on recordings that they were not fitted to: a fifth of the files at a time.
    #[arg(long)]
    held_out: bool,
    /// List so many of the worst estimates by id.
    #[arg(long, default_value_t = 0)]
    worst: usize,
    /// Rows by dialect and model instead of by dialect and provider.
    #[arg(long)]
    by_model: bool,
    /// List no differences, only the tables.
    #[arg(long)]
    brief: bool,
    /// Fail if a bar is missed.
    #[arg(long)]
    strict: bool,
}

fn main() -> Result<ExitCode> {
    let args = Args::parse();
    let oracle = recording::oracle(&args.folder)?;
    let mut rows = Vec::new();
    recording::exchanges(&args.folder, |exchange| {
        let wanted = exchange.dialect.contains(&args.dialect)
            && args.provider.as_ref().is_none_or(|provider| *provider == exchange.provider)
            && (!args.verbatim || exchange.fidelity_request == "verbatim");
        if wanted {
            let oracle = oracle.get(&exchange.id);
            rows.push(measure::measure(&exchange, oracle).with_context(|| exchange.id.clone())?);
        }
        Ok(())
    })?;
    anyhow::ensure!(!rows.is_empty(), "no exchange matches; `--help` tells the filters");
    if args.fit {
        fit::fit(&rows);
        return Ok(ExitCode::SUCCESS);
    }
    if args.held_out {
        rows = fit::held_out(&rows);
    }
    if args.json {
        report::json(&rows)?;
        return Ok(ExitCode::SUCCESS);
    }
    if args.held_out {
        report::estimates(&rows);
        return Ok(ExitCode::SUCCESS);
    }
    report::tables(&rows, args.by_model);
    if !args.brief {
        report::differences(&rows);
    }
    report::worst(&rows, args.worst);
    let all_hold = report::bars(&rows);
    Ok(if all_hold || !args.strict { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
