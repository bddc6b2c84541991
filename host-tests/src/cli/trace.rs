//! The arguments of every command that reads traces, and how far such a command is.

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use std::path::{Path, PathBuf};
use std::time::Duration;
use tokenstile_engine::units::EpochMs;
use tokenstile_host::replay::native;
use tokenstile_host::replay::trace::overlay::{Overlay, Shares};
use tokenstile_host::replay::trace::{Fields, Format, Ordered, Progress, Setting, Timing, open};

/// What to read, and what to make of it.
#[derive(clap::Args)]
pub(crate) struct TraceArgs {
    /// Files with what was: cost records, exchanges, HAR, Envoy's access log as JSON, token counts as CSV; plain, .gz
    /// or .zst; `-` is standard input
    #[arg(required = true, value_name = "TRACE")]
    traces: Vec<PathBuf>,
    /// What the files are, if it is not to be guessed
    #[arg(long, value_name = "FORMAT", value_parser = format)]
    input: Option<Format>,
    /// Which field of an access log or column of a CSV says what, such as `input=usage.prompt` or `user=x-user-id`: our
    /// words are time, duration, status, method, path, host, model, input, output, cached, max_output; any other is a
    /// dimension of the policy
    #[arg(long = "field", value_name = "OURS=THEIRS", value_parser = field)]
    fields: Vec<(String, String)>,
    /// When calls begin of which the trace does not say it, as 2026-11-30T12:00:00Z; else the day of the price facts
    #[arg(long, value_name = "TIME", value_parser = time)]
    start: Option<EpochMs>,
    /// Milliseconds from one such call to the next
    #[arg(long, value_name = "MS", default_value_t = 1_000, value_parser = clap::value_parser!(i64).range(0..))]
    pace: i64,
    /// Take no time from the traces: calls come as they stand there
    #[arg(long)]
    ignore_times: bool,
    /// How long a call runs of which the trace does not say it: milliseconds before the answer
    #[arg(long, value_name = "MS", default_value_t = 500, value_parser = clap::value_parser!(i64).range(0..))]
    first_token_ms: i64,
    /// And milliseconds for each token of the answer
    #[arg(long, value_name = "MS", default_value_t = 20, value_parser = clap::value_parser!(i64).range(0..))]
    token_ms: i64,
    #[command(flatten)]
    overlay: OverlayArgs,
}

/// Who called, where token counts do not say it.
#[derive(clap::Args)]
#[command(next_help_heading = "Made up for token counts as CSV, where no column says it")]
struct OverlayArgs {
    /// The same seed makes the same
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// How many users
    #[arg(long, default_value_t = 200, value_parser = clap::value_parser!(u32).range(1..))]
    users: u32,
    /// How much more the busy ones call: the exponent of Zipf's law, 0 for all alike
    #[arg(long, value_name = "EXPONENT", default_value_t = 1.1, value_parser = exponent)]
    zipf: f64,
    /// How many tenants they belong to
    #[arg(long, default_value_t = 12, value_parser = clap::value_parser!(u32).range(1..))]
    tenants: u32,
    /// Tiers and their shares of the users [default: free=80,pro=17,enterprise=3]
    #[arg(long, value_name = "NAME=SHARE,…")]
    tiers: Option<Shares>,
    /// Features and their shares of the calls [default: chat=60,search=25,summaries=15]
    #[arg(long, value_name = "NAME=SHARE,…")]
    features: Option<Shares>,
    /// Models and their shares of the calls [default: gpt-4o=50,gpt-4o-mini=50]
    #[arg(long, value_name = "NAME=SHARE,…")]
    models: Option<Shares>,
}

impl TraceArgs {
    /// Opens all traces.
    pub(crate) fn open(&self) -> Result<(Ordered, Bar), String> {
        let overlay = self.overlay();
        let timing = Timing { start: overlay.start, pace_ms: self.pace, ignore: self.ignore_times };
        let fields: Fields = self.fields.iter().cloned().collect();
        let setting = Setting { format: self.input, fields, overlay };
        let progress = Progress::default();
        let sources = self.traces.iter().map(|path| open(path, &setting, &progress));
        let sources = sources.collect::<Result<_, _>>()?;
        let size = self.traces.iter().map(|path| std::fs::metadata(path).map_or(0, |meta| meta.len())).sum();
        Ok((Ordered::new(sources, timing), Bar::new(size, progress)))
    }

    /// Whether standard input is among them.
    pub(crate) fn reads_standard_input(&self) -> bool {
        self.traces.iter().any(|path| path == Path::new("-"))
    }

    /// How long calls run of which the trace does not say it.
    pub(crate) const fn lasts(&self) -> native::Duration {
        native::Duration { start_ms: self.first_token_ms, token_ms: self.token_ms }
    }

    fn overlay(&self) -> Overlay {
        let known = Overlay::default();
        let given = &self.overlay;
        Overlay {
            seed: given.seed,
            users: given.users,
            zipf: given.zipf,
            tenants: given.tenants,
            tiers: given.tiers.clone().unwrap_or(known.tiers),
            features: given.features.clone().unwrap_or(known.features),
            models: given.models.clone().unwrap_or(known.models),
            start: self.start.unwrap_or(known.start),
        }
    }
}

/// How far it is, on standard error, if it takes longer than a second.
pub(crate) struct Bar {
    bar: ProgressBar,
    progress: Progress,
    calls: u64,
}

impl Bar {
    fn new(size: u64, progress: Progress) -> Self {
        let bar = ProgressBar::with_draw_target(Some(size), ProgressDrawTarget::hidden());
        let style = ProgressStyle::with_template("{bar:40} {percent:>3}%  {msg}  {eta} left");
        bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
        Self { bar, progress, calls: 0 }
    }

    /// One call more.
    pub(crate) fn tick(&mut self) {
        self.calls += 1;
        if !self.calls.is_multiple_of(512) {
            return;
        }
        if self.bar.is_hidden() && self.bar.elapsed() > Duration::from_secs(1) {
            self.bar.set_draw_target(ProgressDrawTarget::stderr());
        }
        self.bar.set_position(self.progress.bytes());
        self.bar.set_message(format!("{} calls", self.calls));
    }

    /// It is over.
    pub(crate) fn finish(self) {
        self.bar.finish_and_clear();
    }
}

/// Tells what could not be read, on standard error.
pub(crate) fn tell_bad(read: &Ordered) {
    for bad in &read.bad {
        tell!("tokenstile: {}: {}", bad.place, bad.why);
    }
    let more = read.bad_count.saturating_sub(read.bad.len() as u64);
    if more > 0 {
        tell!("tokenstile: and {more} more lines that cannot be read");
    }
}

fn format(text: &str) -> Result<Format, String> {
    let known = Format::ALL.iter().find(|(name, _)| *name == text);
    let names: Vec<&str> = Format::ALL.iter().map(|(name, _)| *name).collect();
    known.map(|(_, format)| *format).ok_or_else(|| format!("one of {}", names.join(", ")))
}

fn field(text: &str) -> Result<(String, String), String> {
    let pair = text.split_once('=').filter(|(ours, theirs)| !ours.is_empty() && !theirs.is_empty());
    let pair = pair.ok_or("write it as `--field user=x-user-id`")?;
    Ok((pair.0.to_owned(), pair.1.to_owned()))
}

fn exponent(text: &str) -> Result<f64, String> {
    let exponent = text.parse::<f64>().ok().filter(|exponent| exponent.is_finite() && *exponent >= 0.0);
    exponent.ok_or_else(|| "an exponent is a number from 0 on, such as 1.1; 0 is for all alike".to_owned())
}

fn time(text: &str) -> Result<EpochMs, String> {
    let at = text.parse::<jiff::Timestamp>();
    at.map(|at| EpochMs(at.as_millisecond()))
        .map_err(|_| "a time is written as 2026-11-30T12:00:00Z".to_owned())
}
