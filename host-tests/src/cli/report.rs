//! `tokenstile report`: what was spent, by whom and on what. Called by `main`. It owns the question; the sums are
//! `tokenstile_host::records`.

use super::Failure;
use std::io::IsTerminal as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use tokenstile_host::records::dimension::Dimension;
use tokenstile_host::records::html;
use tokenstile_host::records::report::Builder;
use tokenstile_host::records::{Record, Seen, read, so_many};

const EXAMPLES: &str = "\
Examples:
  tokenstile report envoy.log
  tokenstile report --by feature,model --format csv records.ndjson > spend.csv
  tokenstile report --by day - < envoy.log
  tokenstile report --by feature --html spend.html envoy.log

Dimensions are those of the policy's `identity`, and: model, model_requested, provider, dialect, route, rule,
decision, ending, policy, day, hour, arm, arm:ROUTE. A dimension that has the name of one of these is `identity:NAME`.

Exit status: 0 if all records were read, 1 if some lines cannot be read (the sums are without them), 2 for a mistake
in the call, a file that cannot be read, or no record.";

/// What is asked.
#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    /// Cost records: a proxy's log, or their JSON alone; also packed by gzip or zstd; `-` is standard input
    #[arg(required = true, value_name = "RECORDS")]
    records: Vec<PathBuf>,
    /// Divide by these
    #[arg(long, value_delimiter = ',', default_value = "model", value_name = "DIMENSIONS")]
    by: Vec<String>,
    /// Show so many rows, and the others as one (text alone)
    #[arg(long, default_value_t = 20, value_name = "N")]
    top: usize,
    /// How to say it
    #[arg(long, value_enum, default_value = "human")]
    format: Format,
    /// Write a page with plots, one file for itself
    #[arg(long, value_name = "FILE")]
    html: Option<PathBuf>,
}

#[derive(Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Format {
    /// A table and sentences
    Human,
    /// A line a row, dollars as exact decimals
    Csv,
    /// One JSON object, dollars as whole billionths
    Json,
}

pub(crate) fn run(args: &Args) -> Result<ExitCode, Failure> {
    let mut builder = Builder::new(args.by.iter().map(|name| Dimension::named(name)).collect());
    let seen = read(&args.records, |record: Record| builder.add(&record))?;
    let report = builder.finish()?;
    write(args.html.as_deref(), || html::report::page(&report))?;
    let text = match args.format {
        Format::Human => report.text(args.top, width()),
        Format::Csv => report.csv()?,
        Format::Json => format!("{:#}\n", report.json(&seen)),
    };
    super::say(&text)?;
    Ok(tell(&seen))
}

/// How many columns the terminal has, where it is one: of fewer than 80 no table is left.
fn width() -> Option<u16> {
    const LEAST: u16 = 80;
    let (columns, _) = std::io::stdout().is_terminal().then(ratatui::crossterm::terminal::size)?.ok()?;
    Some(columns.max(LEAST))
}

/// Writes a page, if one is asked for.
pub(crate) fn write(path: Option<&Path>, page: impl FnOnce() -> String) -> Result<(), String> {
    let Some(path) = path else { return Ok(()) };
    super::replay::write_whole(path, page().as_bytes())?;
    tell!("tokenstile: wrote {}", path.display());
    Ok(())
}

/// Says on standard error what is not in the sums.
pub(crate) fn tell(seen: &Seen) -> ExitCode {
    const SHOWN: usize = 5;
    if seen.duplicates > 0 {
        let are = if seen.duplicates == 1 { "is" } else { "are" };
        let records = so_many(seen.duplicates, "record");
        tell!("tokenstile: {records} came more than once and {are} counted once");
    }
    for bad in seen.bad.iter().take(SHOWN) {
        tell!("tokenstile: {}: {}", bad.place, bad.why);
    }
    if seen.bad.len() > SHOWN {
        let more = (seen.bad.len() - SHOWN) as u64;
        tell!("tokenstile: and {} that cannot be read", so_many(more, "more line"));
    }
    ExitCode::from(u8::from(!seen.bad.is_empty()))
}
