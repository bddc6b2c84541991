//! `tokenstile top`: what is spent right now, in a terminal. Called by `main`; the view is `tokenstile_host::top`.

use super::Failure;
use std::io::IsTerminal as _;
use std::path::PathBuf;
use std::process::ExitCode;
use tokenstile_host::top::screen::{self, Options};
use tokenstile_host::top::source::{Quota, Source};
use tokenstile_host::top::view::View;

const EXAMPLES: &str = "\
Examples:
  tokenstile top envoy.log
  tail -F envoy.log | tokenstile top -
  tokenstile top http://127.0.0.1:9901/stats/prometheus
  tokenstile top --quota http://127.0.0.1:10000/.well-known/llm-quota --header 'x-user-id: ana' envoy.log
  tokenstile top --once envoy.log

Follows cost records, or a proxy's metrics: Envoy's with the stats_tags of envoy.yaml. Records know every dimension;
metrics know models and the dimensions that the policy makes labels. How close budgets are the quota endpoint tells, for
one caller; without it what rules decided is shown, the strictest first. Costs by the minute are the mean of five
minutes.

Keys: q ends, Tab shows the next dimension. NO_COLOR is obeyed.

Exit status: 0, or 2 if the source cannot be read or there is no terminal.";

/// What to follow.
#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    /// Cost records (a file that grows; `-` is standard input), or the URL of a Prometheus endpoint
    #[arg(value_name = "SOURCE")]
    source: String,
    /// The quota endpoint: shows how close budgets are
    #[arg(long, value_name = "URL")]
    quota: Option<String>,
    /// Who asks it
    #[arg(long, value_name = "NAME: VALUE", requires = "quota")]
    header: Vec<String>,
    /// Print one picture of what is there now
    #[arg(long)]
    once: bool,
    /// How large a picture is
    #[arg(long, value_name = "COLUMNSxROWS", default_value = "80x24", requires = "once")]
    size: String,
}

pub(crate) fn run(args: &Args) -> Result<ExitCode, Failure> {
    let is_url = args.source.contains("://");
    if args.source.starts_with("https://") {
        return Err("metrics are read over http alone; a proxy's admin interface is local".to_owned().into());
    }
    let source = if is_url {
        Source::Metrics(args.source.clone())
    } else {
        Source::Records(PathBuf::from(&args.source))
    };
    if let Source::Records(path) = &source
        && path.as_os_str() != "-"
        && let Err(error) = std::fs::metadata(path)
    {
        return Err(format!("cannot read `{}`: {error}", path.display()).into());
    }
    let is_coloured = std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
    let view = View { dimension: 0, source: args.source.clone(), is_coloured };
    let options = Options { source, quota: quota(args)?, view };
    if args.once {
        super::say(&screen::once(&options, size(&args.size)?)?)?;
        return Ok(ExitCode::SUCCESS);
    }
    if !std::io::stdout().is_terminal() {
        return Err("standard output is no terminal; `--once` prints one picture".to_owned().into());
    }
    screen::live(&options)?;
    Ok(ExitCode::SUCCESS)
}

fn quota(args: &Args) -> Result<Option<Quota>, String> {
    let Some(url) = args.quota.clone() else { return Ok(None) };
    let header = |text: &String| {
        let pair =
            text.split_once(':').map(|(name, value)| (name.trim().to_owned(), value.trim().to_owned()));
        pair.ok_or_else(|| format!("`{text}` is no header; write it as `name: value`"))
    };
    Ok(Some(Quota { url, headers: args.header.iter().map(header).collect::<Result<_, _>>()? }))
}

fn size(text: &str) -> Result<(u16, u16), String> {
    let parts =
        text.split_once('x').and_then(|(columns, rows)| Some((columns.parse().ok()?, rows.parse().ok()?)));
    let wrong = || format!("`{text}` is no size; write it as 80x24");
    parts
        .filter(|(columns, rows)| (20..=500).contains(columns) && (10..=200).contains(rows))
        .ok_or_else(wrong)
}
