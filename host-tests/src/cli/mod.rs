//! One file for each subcommand of `tokenstile`; this file only lists them.
//! A subcommand is `Args` (clap) and `run(&Args) -> Result<ExitCode, Failure>`. What was asked for goes to standard
//! output, all talk to standard error. Each ends with 0 if all is right, 1 if what was looked at is wrong (a policy,
//! a test, a filter), and 2 if the call is: a mistake in its arguments, or a file that cannot be read or written.

use std::borrow::Cow;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{SystemTime, UNIX_EPOCH};
use tokenstile_engine::units::EpochMs;
use tokenstile_host::host::Module;
use tokenstile_host::replay::policy::Unusable;

pub(crate) mod ab;
pub(crate) mod check;
pub(crate) mod demo;
pub(crate) mod explain;
pub(crate) mod focus;
pub(crate) mod format;
pub(crate) mod init;
pub(crate) mod manual;
pub(crate) mod price;
pub(crate) mod reconcile;
pub(crate) mod replay;
pub(crate) mod report;
pub(crate) mod run;
pub(crate) mod schema;
pub(crate) mod serve;
pub(crate) mod suggest;
pub(crate) mod test;
pub(crate) mod top;
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

impl From<Unusable> for Failure {
    fn from(unusable: Unusable) -> Self {
        match unusable {
            Unusable::File(why) => Self::Call(why),
            Unusable::Wrong(why) => Self::Wrong(why),
        }
    }
}

/// Text for a terminal: names of users and models come from strangers, and must not steer it. Colours pass, which are
/// ours.
fn printable(text: &str) -> Cow<'_, str> {
    let steers = |c: char| c.is_control() && !matches!(c, '\n' | '\t');
    if !text.contains(steers) {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find(steers) {
        let (before, after) = rest.split_at(at);
        out.push_str(before);
        let colour = after.strip_prefix("\x1b[").and_then(|code| code.split_once('m')).map(|(code, _)| code);
        let is_colour = |code: &&str| code.bytes().all(|b| b.is_ascii_digit() || b == b';');
        let length = match colour.filter(is_colour) {
            Some(code) => code.len() + 3,
            None => {
                out.extend(after.chars().take(1).flat_map(char::escape_default));
                0
            }
        };
        let skipped = after.chars().next().map_or(0, char::len_utf8).max(length);
        out.push_str(after.get(..length).unwrap_or_default());
        rest = after.get(skipped..).unwrap_or_default();
    }
    out.push_str(rest);
    Cow::Owned(out)
}

/// Puts text on standard output. A reader that has enough (`| head`) is no failure.
pub(crate) fn say(text: &str) -> Result<(), String> {
    let mut out = anstream::stdout().lock();
    match out.write_all(printable(text).as_bytes()).and_then(|()| out.flush()) {
        Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => {
            Err(format!("cannot write to standard output: {error}"))
        }
        _ => Ok(()),
    }
}

/// Puts a line of talk on standard error. Names and lines that are quoted there may be anybody's: they steer no terminal; and
/// nobody who listens no longer is a failure.
pub(crate) fn talk(line: &str) {
    let mut out = anstream::stderr().lock();
    let _ = writeln!(out, "{}", printable(line));
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

/// A path on the command line. Without its slash it would be of no API, and pass unmetered.
pub(crate) fn path(text: &str) -> Result<String, String> {
    let is_path = text.starts_with('/');
    is_path.then(|| text.to_owned()).ok_or_else(|| format!("a path begins with `/`, such as `/{text}`"))
}

/// How many workers, on the command line.
pub(crate) fn workers(text: &str) -> Result<usize, String> {
    /// Each has a thread and a filter of its own.
    const MOST: usize = 1_024;
    let count = text.parse().ok().filter(|count| (1..=MOST).contains(count));
    count.ok_or_else(|| format!("a number from 1 to {MOST} is needed: without a worker nothing runs"))
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
        format!(
            "cannot read the filter `{}`: {why}; `cargo xtask build` makes {BUILT} in a checkout of Tokenstile, and \
             `--wasm FILE` or $TOKENSTILE_WASM names another",
            path.display()
        )
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

#[cfg(test)]
mod tests {
    use super::printable;

    #[test]
    fn strangers_do_not_steer_the_terminal() {
        for (given, shown) in [
            ("gpt\u{1b}]0;PWNED\u{7}-x\n", "gpt\\u{1b}]0;PWNED\\u{7}-x\n"),
            ("a\tb\r\u{9b}c", "a\tb\\r\\u{9b}c"),
            ("\u{1b}[1;31mred\u{1b}[0m", "\u{1b}[1;31mred\u{1b}[0m"),
            ("\u{1b}[2Jm", "\\u{1b}[2Jm"),
            ("\u{1b}[31", "\\u{1b}[31"),
            ("plain ö", "plain ö"),
        ] {
            assert_eq!(printable(given), shown, "{given:?}");
        }
    }
}
