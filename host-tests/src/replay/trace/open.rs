//! Opens a trace: whatever it is packed by, whatever its format. It owns the guess; the formats have a file each.

use super::overlay::Overlay;
use super::{Bad, Read, Reads, access, counts, har, recording, records};
use serde::de::DeserializeOwned;
use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Cursor, Read as _};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// What a trace is written in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// Our own cost records: lines with `tokenstile-record {…}` in a proxy's log, or their JSON alone.
    Records,
    /// One recorded exchange a line, as JSON.
    Exchanges,
    /// A HAR document.
    Har,
    /// Envoy's access log as JSON, a line a call.
    Envoy,
    /// Arrivals and token counts.
    Csv,
}

impl Format {
    /// All of them, by the words of the command line.
    pub const ALL: [(&'static str, Self); 5] = [
        ("records", Self::Records),
        ("exchanges", Self::Exchanges),
        ("har", Self::Har),
        ("envoy", Self::Envoy),
        ("csv", Self::Csv),
    ];
}

/// Which field of a log says what: by our word, theirs.
pub type Fields = BTreeMap<String, String>;

/// How traces are read.
#[derive(Debug, Clone, Default)]
pub struct Setting {
    /// The format of all; else each is guessed by what it holds.
    pub format: Option<Format>,
    /// Which field says what.
    pub fields: Fields,
    /// Users, tiers, features and models for token counts that come without.
    pub overlay: Overlay,
}

/// How many bytes of all files were read.
#[derive(Debug, Clone, Default)]
pub struct Progress(Arc<AtomicU64>);

/// The text of a trace.
pub(super) type Text = Box<dyn BufRead + Send>;

impl Progress {
    /// So many.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

struct Watched<R>(R, Progress);

impl<R: io::Read> io::Read for Watched<R> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let count = self.0.read(into)?;
        self.1.0.fetch_add(count as u64, Ordering::Relaxed);
        Ok(count)
    }
}

/// As much is looked at to guess a format.
const LOOK: u64 = 256 * 1024;
const BUFFER: usize = 1 << 20;

/// Opens a trace; `-` is standard input.
///
/// # Errors
/// It cannot be opened or unpacked, or nobody knows its format.
pub fn open(path: &Path, setting: &Setting, progress: &Progress) -> Result<Reads, String> {
    let (name, mut text) = opened(path, progress)?;
    let failed = |error: io::Error| format!("cannot read `{name}`: {error}");
    let mut start = Vec::new();
    text.by_ref().take(LOOK).read_to_end(&mut start).map_err(failed)?;
    let format = match setting.format {
        Some(format) => format,
        None => guess(&start).ok_or_else(|| {
            format!("cannot tell what `{name}` is; say it by `--input` (see `tokenstile replay --help`)")
        })?,
    };
    let text: Text = Box::new(BufReader::with_capacity(BUFFER, Cursor::new(start).chain(text)));
    Ok(match format {
        Format::Records => lines(name, text, records::reader()),
        Format::Exchanges => lines(name, text, recording::call),
        Format::Envoy => lines(name, text, access::reader(setting)),
        Format::Har => har::read(name, text),
        Format::Csv => counts::read(name, text, setting)?,
    })
}

/// Opens a file of cost records and reads each as a type of the caller's; `None` is another's line.
///
/// # Errors
/// It cannot be opened or unpacked.
pub fn records<T: DeserializeOwned + 'static>(
    path: &Path,
    progress: &Progress,
) -> Result<impl Iterator<Item = Result<Option<T>, Bad>>, String> {
    let (name, text) = opened(path, progress)?;
    Ok(lines_as(name, text, |line| records::whole(line).map(Ok), Err))
}

fn opened(path: &Path, progress: &Progress) -> Result<(String, Text), String> {
    let name = path.display().to_string();
    let failed = |error: io::Error| format!("cannot read `{name}`: {error}");
    let raw: Box<dyn io::Read + Send> = if path == Path::new("-") {
        Box::new(io::stdin())
    } else {
        Box::new(File::open(path).map_err(failed)?)
    };
    let raw = BufReader::with_capacity(BUFFER, Watched(raw, progress.clone()));
    let text = unpacked(raw).map_err(failed)?;
    Ok((name, text))
}

fn unpacked(mut packed: impl BufRead + Send + 'static) -> io::Result<Text> {
    let start = packed.fill_buf()?;
    Ok(if start.starts_with(&[0x28, 0xb5, 0x2f, 0xfd]) {
        let decoder = ruzstd::decoding::StreamingDecoder::new(packed).map_err(io::Error::other)?;
        Box::new(BufReader::with_capacity(BUFFER, decoder))
    } else if start.starts_with(&[0x1f, 0x8b]) {
        Box::new(BufReader::with_capacity(BUFFER, flate2::bufread::MultiGzDecoder::new(packed)))
    } else {
        Box::new(packed)
    })
}

/// What a text that begins like this is.
fn guess(start: &[u8]) -> Option<Format> {
    let holds = |text: &[u8]| memchr::memmem::find(start, text).is_some();
    if holds(records::MARK) {
        return Some(Format::Records);
    }
    let start = start.trim_ascii_start();
    let first = start.split(|byte| *byte == b'\n').next().unwrap_or_default();
    if !first.starts_with(b"{") {
        return counts::is_header(first).then_some(Format::Csv);
    }
    let keys = serde_json::from_slice::<serde_json::Map<String, serde_json::Value>>(first);
    let Ok(keys) = keys else {
        // A document over several lines, or a line that is longer than what is looked at.
        let har = holds(b"\"entries\"") && holds(b"\"log\"");
        let exchange = holds(b"\"request_body\"") && holds(b"\"url_path\"");
        return har.then_some(Format::Har).or_else(|| exchange.then_some(Format::Exchanges));
    };
    let has = |names: &[&str]| names.iter().all(|name| keys.contains_key(*name));
    Some(match () {
        () if has(&["cost_nano_usd", "dialect"]) => Format::Records,
        () if has(&["request_body", "url_path"]) => Format::Exchanges,
        () if keys.get("log").is_some_and(serde_json::Value::is_object) => Format::Har,
        () => Format::Envoy,
    })
}

/// A trace of lines, of which each is a call or none.
fn lines(name: String, text: Text, read: impl FnMut(&[u8]) -> Result<Read, String> + 'static) -> Reads {
    lines_as(name, text, read, Read::Bad)
}

fn lines_as<T: 'static>(
    name: String,
    mut text: Text,
    mut read: impl FnMut(&[u8]) -> Result<T, String> + 'static,
    bad_line: fn(Bad) -> T,
) -> Box<dyn Iterator<Item = T>> {
    let (mut line, mut number, mut over) = (Vec::new(), 0_u64, false);
    Box::new(std::iter::from_fn(move || {
        while !over {
            line.clear();
            number += 1;
            let bad = |why: String| bad_line(Bad { place: format!("{name}:{number}"), why });
            match text.read_until(b'\n', &mut line) {
                Ok(0) => over = true,
                Ok(_) if line.trim_ascii().is_empty() => {}
                Ok(_) => return Some(read(line.trim_ascii()).unwrap_or_else(bad)),
                Err(error) => {
                    over = true;
                    return Some(bad(format!("cannot be read: {error}")));
                }
            }
        }
        None
    }))
}
