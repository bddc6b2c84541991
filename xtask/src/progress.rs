//! How far cargo is, where no terminal shows its bar: a line every ten seconds.
//!
//! Called by `sh`. Cargo alone knows how much is to be compiled, and says it in its bar: it is asked for the bar on a pipe
//! too, and what it draws there is read. Everything else that comes through the pipe passes on as it came.

use std::{
    io::{BufReader, IsTerminal as _, Read, Write as _},
    process::{Child, Command, Stdio},
    sync::mpsc::{self, RecvTimeoutError},
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

/// The longest silence.
const EVERY: Duration = Duration::from_secs(10);

/// Asks for the bar, if nobody would see it.
pub(crate) fn ask(cargo: &mut Command) {
    if !std::io::stderr().is_terminal() {
        cargo.env("CARGO_TERM_PROGRESS_WHEN", "always").env("CARGO_TERM_PROGRESS_WIDTH", "100");
        cargo.stderr(Stdio::piped());
    }
}

/// Reads what a child writes to its standard error, if that is a pipe.
pub(crate) fn follow(child: &mut Child) -> Following {
    Following(child.stderr.take().map(|stderr| thread::spawn(move || tell(stderr))))
}

/// The reading of a child's standard error.
pub(crate) struct Following(Option<JoinHandle<()>>);

impl Following {
    /// The child has ended: what it wrote last is told before anything else. A program that it left behind may hold the pipe
    /// open for ever, and is not waited for.
    pub(crate) fn end(self) {
        const LONGEST: Duration = Duration::from_secs(2);
        let start = Instant::now();
        while self.0.as_ref().is_some_and(|reader| !reader.is_finished()) && start.elapsed() < LONGEST {
            thread::sleep(Duration::from_millis(5));
        }
    }
}

fn tell(stderr: impl Read + Send + 'static) {
    let (send, pieces) = mpsc::channel();
    thread::spawn(move || {
        let mut stderr = BufReader::new(stderr);
        while let Some(piece) = piece(&mut stderr) {
            if send.send(piece).is_err() {
                break;
            }
        }
    });
    let (start, mut watch) = (Instant::now(), Watch::default());
    loop {
        let passes_on = match pieces.recv_timeout(EVERY) {
            Ok(piece) => watch.hear(piece),
            Err(RecvTimeoutError::Timeout) => None,
            Err(RecvTimeoutError::Disconnected) => return,
        };
        // There is nobody to tell that standard error is gone.
        let _ = passes_on.map(|text| std::io::stderr().write_all(&text));
        let _ = watch.due(start.elapsed()).map(|line| writeln!(std::io::stderr(), "{line}"));
    }
}

/// Up to the end of a line, or to where it is begun anew, as bars are.
fn piece(from: &mut impl std::io::BufRead) -> Option<Vec<u8>> {
    let mut piece = Vec::new();
    loop {
        let read = from.fill_buf().ok().filter(|read| !read.is_empty());
        let Some(read) = read else { return (!piece.is_empty()).then_some(piece) };
        let end = read.iter().position(|byte| matches!(byte, b'\n' | b'\r'));
        let length = end.map_or(read.len(), |end| end.saturating_add(1));
        piece.extend_from_slice(read.get(..length).unwrap_or_default());
        from.consume(length);
        if end.is_some() {
            return Some(piece);
        }
    }
}

/// What is known of a build.
#[derive(Default)]
struct Watch {
    /// What the bar says, as long as there is one: `120/310: wasmtime, regex`.
    bar: Option<String>,
    /// When that was told.
    told: Duration,
}

impl Watch {
    /// What passes on of a piece: all but bars.
    fn hear(&mut self, piece: Vec<u8>) -> Option<Vec<u8>> {
        const BARS: [&str; 4] = ["Building [", "Downloading [", "Fetch [", "Updating ["];
        let text = String::from_utf8_lossy(&piece);
        let plain = text.replace("\u{1b}[K", "").replace("\u{1b}[1m", "").replace("\u{1b}[0m", "");
        // `--quiet` leaves the word out.
        let bare = plain.trim_start().strip_prefix('[').and_then(|rest| rest.split_once("] "));
        let is_bare = bare.is_some_and(|(drawn, counts)| {
            drawn.chars().all(|c| "=> ".contains(c)) && counts.starts_with(|c: char| c.is_ascii_digit())
        });
        let is_bar = piece.ends_with(b"\r") && (is_bare || BARS.iter().any(|bar| plain.contains(bar)));
        if is_bar {
            let counts = (is_bare || plain.contains(BARS[0])).then(|| plain.split_once("] ")).flatten();
            self.bar = counts.map(|(_, counts)| counts.trim().to_owned()).or(self.bar.take());
            return None;
        }
        if plain.trim_start().starts_with("Finished ") || plain.starts_with("error") {
            self.bar = None;
        }
        Some(piece)
    }

    /// What is to be told at this time since the beginning.
    fn due(&mut self, elapsed: Duration) -> Option<String> {
        let bar = self.bar.as_ref().filter(|_| elapsed.saturating_sub(self.told) >= EVERY)?;
        self.told = elapsed;
        let (counts, now) = bar.split_once(": ").unwrap_or((bar, ""));
        let (done, all) = counts.split_once('/')?;
        let now = if now.is_empty() { String::new() } else { format!(", now {now}") };
        Some(format!("    compiled {done} of {all} in {} s{now}", elapsed.as_secs()))
    }
}

#[cfg(test)]
mod tests {
    use super::{Duration, Watch, piece};

    /// As cargo writes to a pipe, with a warning whose line is not ended by the bar's.
    const CARGO: &str = "   Compiling serde v1.0.0\n    Building [=>   ] 12/310: serde, syn    \r   Compiling wasmtime v1.0.0\n\
        \u{1b}[1m\u{1b}[36m    Building\u{1b}[0m [==>  ] 120/310: wasmtime  \r";

    #[test]
    fn bars_become_lines_and_all_else_passes_on() {
        let (mut cargo, mut watch, mut passed) = (CARGO.as_bytes(), Watch::default(), Vec::new());
        let s = Duration::from_secs;
        assert_eq!(watch.due(s(60)), None, "nothing is known yet");
        while let Some(piece) = piece(&mut cargo) {
            passed.extend(watch.hear(piece).unwrap_or_default());
        }
        assert_eq!(passed, b"   Compiling serde v1.0.0\n   Compiling wasmtime v1.0.0\n");
        let told = "    compiled 120 of 310 in 61 s, now wasmtime";
        assert_eq!((watch.due(s(9)), watch.due(s(61)).as_deref()), (None, Some(told)));
        assert_eq!(
            (watch.due(s(70)), watch.due(s(71)).is_some()),
            (None, true),
            "ten seconds later, though nothing moved"
        );
        let quiet = "                           [====>    ] 59/70: tokenstile-engine    \r";
        assert_eq!(watch.hear(quiet.into()), None);
        assert_eq!(watch.due(s(90)).as_deref(), Some("    compiled 59 of 70 in 90 s, now tokenstile-engine"));
        let lines = ["    Finished `dev` profile in 7 s\n", "test a ... ok\r\n", "other [ 50%] Building\r"];
        for line in lines {
            assert_eq!(watch.hear(line.into()).as_deref(), Some(line.as_bytes()));
        }
        assert_eq!(watch.due(s(900)), None, "what runs then is not compiled");
    }
}
