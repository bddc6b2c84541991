//! What Envoy wrote: the cost records in it, and the rest. Called by the parent and by tests.

use serde_json::Value;
use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::Path;

/// What stands before each record.
const RECORD: &str = "tokenstile-record ";
/// What stands before each alert.
const ALERT: &str = "tokenstile-alert ";

/// A copy of the log.
#[derive(Debug, Clone)]
pub struct Log(String);

impl Log {
    pub(super) fn read(path: &Path) -> Self {
        // Bytes of a client may stand in it: a log that is not UTF-8 is still a log.
        Self(
            std::fs::read(path).map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).unwrap_or_default(),
        )
    }

    /// All of it.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.0
    }

    /// Every cost record, oldest first. A last line that is still being written is not one yet.
    #[must_use]
    pub fn records(&self) -> Vec<Value> {
        self.objects(RECORD)
    }

    /// Every alert, oldest first.
    #[must_use]
    pub fn alerts(&self) -> Vec<Value> {
        self.objects(ALERT)
    }

    fn objects(&self, mark: &str) -> Vec<Value> {
        let whole = self.0.rsplit_once('\n').map_or("", |(whole, _)| whole);
        let json = whole.lines().filter_map(|line| line.split_once(mark));
        json.filter_map(|(_, json)| serde_json::from_str(json.trim_end()).ok()).collect()
    }
}

/// The cost records of a log that grows. Each line is read once: who waits for records looks often, and the log is long.
#[derive(Debug, Default)]
pub(super) struct Records {
    /// The bytes that have been read: whole lines.
    read: u64,
    /// Oldest first.
    found: Vec<Value>,
}

impl Records {
    /// Adds what was written since, and gives all.
    pub(super) fn read_on(&mut self, path: &Path) -> &[Value] {
        let mut bytes = Vec::new();
        let whole = match self.rest(path, &mut bytes) {
            Ok(()) => bytes.iter().rposition(|byte| *byte == b'\n').map_or(0, |end| end + 1),
            // It is looked at again.
            Err(_) => 0,
        };
        self.read += whole as u64;
        self.found.extend(Log(String::from_utf8_lossy(&bytes[..whole]).into_owned()).records());
        &self.found
    }

    fn rest(&self, path: &Path, into: &mut Vec<u8>) -> std::io::Result<()> {
        let mut file = File::open(path)?;
        file.seek(SeekFrom::Start(self.read))?;
        file.read_to_end(into)?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by a panic")]

    use super::{Log, Records};
    use std::io::Write;

    #[test]
    fn a_log_read_piece_by_piece_has_the_records_of_the_whole() {
        let text = "start\ntokenstile-record {\"id\": 1}\n\u{fffd} noise\n[info] tokenstile-record {\"id\": 2}\r\n\
                    tokenstile-record {\"id\": 3}\ntokenstile-record {\"id\": 4";
        let mut bytes = text.as_bytes().to_vec();
        // Bytes that are not UTF-8 become longer as text: places are those of bytes.
        bytes.splice(6..6, *b"\xff\xfe\n");
        for step in 1..=bytes.len() {
            let mut file = tempfile::NamedTempFile::new().unwrap();
            let mut records = Records::default();
            for piece in bytes.chunks(step) {
                file.write_all(piece).unwrap();
                let whole = Log::read(file.path()).records();
                assert_eq!(records.read_on(file.path()), whole, "pieces of {step}");
            }
            assert_eq!(records.found.len(), 3, "the last is not whole");
        }
    }

    #[test]
    fn no_log_has_no_records() {
        let records = &mut Records::default();
        assert_eq!(records.read_on(std::path::Path::new("/nowhere/log")).len(), 0);
    }
}
