//! Owns the log lines that filters write. Kept in memory, the oldest dropped; a sink may see each as it comes.
//! It must not know what the lines mean.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Severity, as the ABI numbers it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[allow(missing_docs, reason = "the names are those of the proxy-wasm ABI")]
pub enum Level {
    Trace,
    Debug,
    Info,
    Warn,
    Error,
    Critical,
}

impl Level {
    /// The level of that number.
    pub fn from_number(number: u32) -> Option<Self> {
        use Level::{Critical, Debug, Error, Info, Trace, Warn};
        [Trace, Debug, Info, Warn, Error, Critical].get(number as usize).copied()
    }
}

/// One line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogLine {
    /// How severe.
    pub level: Level,
    /// The line as the filter wrote it.
    pub bytes: Vec<u8>,
}

impl LogLine {
    /// The line as text; bytes that are not UTF-8 are replaced.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.bytes).into_owned()
    }
}

type Sink = Box<dyn Fn(&LogLine) + Send + Sync>;

struct Kept {
    lines: VecDeque<LogLine>,
    /// The number of lines ever written, so that a reader can ask for what came since.
    written: u64,
    lines_max: usize,
    sink: Option<Sink>,
}

/// The log of one proxy process.
pub struct Log(Mutex<Kept>);

impl Default for Log {
    fn default() -> Self {
        Self(Mutex::new(Kept { lines: VecDeque::new(), written: 0, lines_max: 100_000, sink: None }))
    }
}

impl Log {
    /// Writes a line.
    pub fn write(&self, level: Level, bytes: &[u8]) {
        let mut kept = self.kept();
        let line = LogLine { level, bytes: bytes.to_vec() };
        if let Some(sink) = &kept.sink {
            sink(&line);
        }
        kept.written += 1;
        kept.lines.push_back(line);
        while kept.lines.len() > kept.lines_max {
            kept.lines.pop_front();
        }
    }

    /// The lines kept.
    pub fn lines(&self) -> Vec<LogLine> {
        self.kept().lines.iter().cloned().collect()
    }

    /// The number of lines ever written.
    pub fn written(&self) -> u64 {
        self.kept().written
    }

    /// The lines written after the first `written`, as far as they are kept.
    pub fn since(&self, written: u64) -> Vec<LogLine> {
        let kept = self.kept();
        let new = usize::try_from(kept.written.saturating_sub(written)).unwrap_or(usize::MAX);
        let skip = kept.lines.len().saturating_sub(new);
        kept.lines.iter().skip(skip).cloned().collect()
    }

    /// Keeps at most this many lines from now on.
    pub fn keep(&self, lines_max: usize) {
        self.kept().lines_max = lines_max;
    }

    /// Hands every line to `sink` as it is written. The sink must not write to this log.
    pub fn sink(&self, sink: impl Fn(&LogLine) + Send + Sync + 'static) {
        self.kept().sink = Some(Box::new(sink));
    }

    fn kept(&self) -> MutexGuard<'_, Kept> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
