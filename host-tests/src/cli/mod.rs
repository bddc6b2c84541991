//! One file for each subcommand of `tokenstile`; this file only lists them.
//! A subcommand is `Args` (clap) and `run(&Args) -> Result<ExitCode, Failure>`. What was asked for goes to standard
//! output, all talk to standard error. Each ends with 0 if all is right, 1 if what was looked at is wrong (a policy,
//! a test, a filter), and 2 if the call is: a mistake in its arguments, or a file that cannot be read or written.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{SystemTime, UNIX_EPOCH};
use tokenstile_engine::units::EpochMs;
use tokenstile_host::host::Module;

pub(crate) mod ab;
pub(crate) mod check;
pub(crate) mod demo;
pub(crate) mod explain;
pub(crate) mod focus;
pub(crate) mod format;
pub(crate) mod init;
pub(crate) mod manual;
pub(crate) mod price;
pub(crate) mod replay;
pub(crate) mod report;
pub(crate) mod run;
pub(crate) mod schema;
pub(crate) mod serve;
pub(crate) mod suggest;
pub(crate) mod test;
mod trace;
pub(crate) mod upstream;

/// Where `cargo xtask build` puts the filter.
const BUILT: &str = "target/tokenstile.wasm";

/// Why a command ends without what was asked for.
#[derive(Debug)]
pub(crate) enum Failure {
    /// What was looked at is wrong.
    Wrong(String),
    /// The call is, or the machine.
    Call(String),
}

impl Failure {
    /// The text that says so, and the status to end with.
    pub(crate) fn end(&self) -> (&str, ExitCode) {
        match self {
            Self::Wrong(message) => (message, ExitCode::from(1)),
            Self::Call(message) => (message, ExitCode::from(2)),
        }
    }
}

/// Most that fails is the call's.
impl From<String> for Failure {
    fn from(message: String) -> Self {
        Self::Call(message)
    }
}

/// Puts text on standard output. A reader that has enough (`| head`) is no failure.
pub(crate) fn say(text: &str) -> Result<(), String> {
    let mut out = anstream::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => {
            Err(format!("cannot write to standard output: {error}"))
        }
        _ => Ok(()),
    }
}

/// Reads a file; `-` is standard input.
pub(crate) fn read(file: &Path) -> Result<Vec<u8>, String> {
    if file == Path::new("-") {
        let mut bytes = Vec::new();
        let read = std::io::Read::read_to_end(&mut std::io::stdin(), &mut bytes);
        return read.map(|_| bytes).map_err(|error| format!("cannot read standard input: {error}"));
    }
    std::fs::read(file).map_err(|error| format!("cannot read `{}`: {error}", file.display()))
}

/// A day or a moment on the command line.
pub(crate) fn time(text: &str) -> Result<EpochMs, String> {
    let at = match text.parse::<jiff::civil::Date>() {
        Ok(date) if !text.contains('T') => {
            date.to_zoned(jiff::tz::TimeZone::UTC).map(|zoned| zoned.timestamp())
        }
        _ => text.parse::<jiff::Timestamp>(),
    };
    let wrong = "a day is written as 2026-11-30, a time as 2026-11-30T12:00:00Z";
    at.map(|at| EpochMs(at.as_millisecond())).map_err(|_| wrong.to_owned())
}

/// What the machine's clock says.
pub(crate) fn now() -> EpochMs {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    EpochMs(i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
}

/// The filter: the file named on the command line, by `$TOKENSTILE_WASM`, or the one that was built here.
pub(crate) fn filter(named: Option<&Path>) -> Result<Module, Failure> {
    let from_environment = || std::env::var_os("TOKENSTILE_WASM").map(PathBuf::from);
    let path = named.map(Path::to_owned).or_else(from_environment).unwrap_or_else(|| PathBuf::from(BUILT));
    let bytes = std::fs::read(&path).map_err(|why| {
        format!("cannot read the filter `{}`: {why}; `cargo xtask build` makes {BUILT}", path.display())
    })?;
    Module::compile(&bytes).map_err(|why| Failure::Wrong(format!("`{}`: {why}", path.display())))
}

/// Waits for Ctrl-C.
pub(crate) fn until_interrupted() -> Result<(), String> {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .and_then(|runtime| runtime.block_on(tokio::signal::ctrl_c()))
        .map_err(|why| format!("cannot wait for Ctrl-C: {why}"))
}
