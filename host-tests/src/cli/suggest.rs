//! `tokenstile suggest`: budgets from what was used, as a policy in shadow mode with the reasons as comments. Called by
//! `main`. It reads the traces twice: for the amounts, and for what the limits would have done.

use super::replay::write_whole;
use super::trace::{TraceArgs, tell_bad};
use super::{Failure, say};
use serde_json::Value;
use std::path::PathBuf;
use std::process::ExitCode;
use tokenstile_host::replay::Replay;
use tokenstile_host::replay::policy;
use tokenstile_host::replay::suggest::{Rule, Usage, metering};

const EXAMPLES: &str = "\
Examples:
  tokenstile suggest proxy.log > policy.jsonc
  tokenstile suggest --base policy.json --percentile 99 --headroom 2 --output suggested.jsonc week-*.log.gz
  tokenstile suggest --users 500 --tiers free=90,pro=10 counts.csv

Exit status: 0 if there is a policy, 1 if the base is wrong, 2 for a mistake in the call, a file that cannot be read
or written, or traces without a call.";

/// What to suggest from.
#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    /// A policy whose identity and prices are taken over; its budgets are not
    #[arg(long, value_name = "FILE")]
    base: Option<PathBuf>,
    /// A limit is no lower than so many percent of the amounts, before the headroom
    #[arg(long, value_name = "PERCENT", default_value_t = 95.0, value_parser = percent)]
    percentile: f64,
    /// And times this
    #[arg(long, value_name = "FACTOR", default_value_t = 1.5, value_parser = factor)]
    headroom: f64,
    /// Write to this file instead of standard output
    #[arg(long, value_name = "FILE")]
    output: Option<PathBuf>,
    #[command(flatten)]
    trace: TraceArgs,
}

pub(crate) fn run(args: &Args) -> Result<ExitCode, Failure> {
    let call = Failure::Call;
    if args.trace.reads_standard_input() {
        return Err(call("the traces are read twice, so standard input will not do; name a file".to_owned()));
    }
    let base = args.base.as_deref().map(|path| policy::read(path, false)).transpose()?;
    let metering: Value = metering(base.as_ref().map(|given| &given.json));
    let parse = |json: &Value, enforce| policy::parse(&json.to_string(), enforce).map_err(Failure::Wrong);
    let mut usage = Usage::new(parse(&metering, false)?.policy, args.trace.lasts());
    let (mut read, mut bar) = args.trace.open()?;
    for (now, one) in read.by_ref() {
        usage.call(&one, now);
        bar.tick();
    }
    bar.finish();
    tell_bad(&read);
    let rule = Rule { percentile: args.percentile, headroom: args.headroom };
    let suggestion =
        usage.suggest(rule).ok_or_else(|| call("the traces have no call that is metered".to_owned()))?;
    let in_force = parse(&suggestion.policy(&metering), true)?.policy;
    let mut replay = Replay::new(in_force, None, None, args.trace.lasts());
    let (mut read, mut bar) = args.trace.open()?;
    for (now, one) in read.by_ref() {
        replay.call(&one, now)?;
        bar.tick();
    }
    bar.finish();
    let effect = replay.finish(&read).policy;
    let text = suggestion.written(&metering, &effect);
    match &args.output {
        None => say(&text)?,
        Some(path) => {
            write_whole(path, text.as_bytes())?;
            tell!("tokenstile: wrote {}", path.display());
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn percent(text: &str) -> Result<f64, String> {
    let number = text.parse().ok().filter(|percent: &f64| (0.0..=100.0).contains(percent));
    number.ok_or_else(|| "a percentile is between 0 and 100".to_owned())
}

fn factor(text: &str) -> Result<f64, String> {
    let number = text.parse().ok().filter(|factor: &f64| factor.is_finite() && *factor > 0.0);
    number.ok_or_else(|| "a headroom is a factor such as 1.5".to_owned())
}
