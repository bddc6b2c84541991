//! What Envoy wrote: the cost records in it, and the rest. Called by the parent and by tests.

use serde_json::Value;
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
