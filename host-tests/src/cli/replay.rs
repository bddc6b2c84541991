//! `tokenstile replay`: what would have happened under a policy, or under two. Called by `main`. It owns the arguments
//! and where the report goes.

use super::trace::{TraceArgs, tell_bad};
use super::{Failure, say};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use tokenstile_host::replay::filter::Filter;
use tokenstile_host::replay::policy;
use tokenstile_host::replay::report::{html, text};
use tokenstile_host::replay::{Replay, Report};

const EXAMPLES: &str = "\
Examples:
  tokenstile replay --policy policy.json proxy.log
  tokenstile replay --policy new.json --against old.json --html report.html week-*.log.gz
  tokenstile replay --policy policy.json --wasm target/tokenstile.wasm exchanges.jsonl.zst
  tokenstile replay --policy policy.json --users 500 --models gpt-4o=20,gpt-4o-mini=80 counts.csv
  tokenstile replay --policy policy.json --field user=x_user --field input=llm.in --field output=llm.out access.json

Exit status: 0 if it was replayed, 1 if a policy is wrong or the filter decides otherwise than the engine, 2 for a
mistake in the call, a file that cannot be read or written, or traces without a call.";

/// What to replay, and under what.
#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    /// The policy: JSON, comments allowed
    #[arg(long, value_name = "FILE")]
    policy: PathBuf,
    /// Another policy to hold it against, such as the one that is in force
    #[arg(long, value_name = "FILE")]
    against: Option<PathBuf>,
    /// As if no rule was in shadow mode
    #[arg(long)]
    enforce: bool,
    /// Have this filter decide as well, and fail if it does otherwise than the engine; needs traces with bodies
    #[arg(long, value_name = "FILE")]
    wasm: Option<PathBuf>,
    /// Print JSON
    #[arg(long)]
    json: bool,
    /// Write a page with plots, one file for itself
    #[arg(long, value_name = "FILE")]
    html: Option<PathBuf>,
    #[command(flatten)]
    trace: TraceArgs,
}

pub(crate) fn run(args: &Args) -> Result<ExitCode, Failure> {
    tell(args, &replay(args)?)
}

fn replay(args: &Args) -> Result<Report, Failure> {
    let policy = policy::read(&args.policy, args.enforce)?;
    let against = args.against.as_deref().map(|path| policy::read(path, args.enforce)).transpose()?;
    let filter = match &args.wasm {
        None => None,
        Some(path) => Some(Filter::new(&super::filter(Some(path))?, &policy.json).map_err(Failure::Wrong)?),
    };
    let (mut read, mut bar) = args.trace.open()?;
    let lasts = args.trace.lasts();
    let mut replay = Replay::new(policy.policy, against.map(|given| given.policy), filter, lasts);
    for (now, call) in read.by_ref() {
        replay.call(&call, now)?;
        bar.tick();
    }
    bar.finish();
    tell_bad(&read);
    let report = replay.finish(&read);
    if report.policy.calls == 0 {
        return Err(Failure::Call("the traces have no call that is metered".to_owned()));
    }
    Ok(report)
}

fn tell(args: &Args, report: &Report) -> Result<ExitCode, Failure> {
    if let Some(path) = &args.html {
        write_whole(path, html::page(report).as_bytes())?;
        tell!("tokenstile: wrote {}", path.display());
    }
    let text = if args.json {
        let json = serde_json::to_string_pretty(report).map_err(|error| error.to_string())?;
        format!("{json}\n")
    } else {
        text::report(report)
    };
    say(&text)?;
    let agree = report.filter.as_ref().is_none_or(|agreement| agreement.different == 0);
    Ok(ExitCode::from(u8::from(!agree)))
}

/// The file is there as a whole or not at all, whenever it is interrupted.
pub(super) fn write_whole(path: &Path, bytes: &[u8]) -> Result<(), String> {
    let failed = |error: std::io::Error| format!("cannot write `{}`: {error}", path.display());
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let mut file = tempfile::NamedTempFile::new_in(folder).map_err(failed)?;
    file.write_all(bytes).map_err(failed)?;
    #[cfg(unix)]
    {
        // As any other file that is written, and not for its owner alone.
        use std::os::unix::fs::PermissionsExt as _;
        let mode = std::fs::Permissions::from_mode(0o644);
        file.as_file().set_permissions(mode).map_err(failed)?;
    }
    file.persist(path).map(drop).map_err(|error| failed(error.error))
}
