//! Whether a call came to the same by the engine and through the filter. Called by `mod.rs`.

use super::show;
use std::collections::BTreeMap;
use tokenstile_host::cases::{Runner, Seen, Went};

/// The first step in which the filter does something else than the engine.
pub(super) fn differs(runner: &dyn Runner, native: &[Went], filter: &[Went]) -> Option<(String, String)> {
    let pairs = native
        .iter()
        .zip(filter)
        .flat_map(|(native, filter)| native.seen.iter().zip(&filter.seen).map(|pair| (native.step, pair)));
    pairs.into_iter().find_map(|(step, (native, filter))| {
        let (native, filter) = (essence(native), essence(filter));
        (native != filter).then(|| {
            let title = format!("step {}: the engine and the filter differ ({})", step + 1, runner.name());
            (title, show::diff("engine", &native, "filter", &filter))
        })
    })
}

/// What must be the same wherever a call runs, line by line.
fn essence(seen: &Seen) -> String {
    let ours = |name: &str| {
        ["x-tokenstile", "ratelimit", "retry-after", "x-should-retry"]
            .iter()
            .any(|start| name.starts_with(start))
    };
    let headers: BTreeMap<String, String> = seen
        .headers
        .iter()
        .map(|(name, value)| {
            (String::from_utf8_lossy(name).into_owned(), String::from_utf8_lossy(value).into_owned())
        })
        .filter(|(name, _)| ours(name))
        .collect();
    let mut text = format!("ended: {}\nstatus: {:?}\n", seen.ended, seen.status);
    for (name, value) in headers {
        text += &format!("{name}: {value}\n");
    }
    text += &format!("body: {}\n", String::from_utf8_lossy(&seen.body));
    match &seen.upstream {
        None => text += "upstream: nothing\n",
        Some(saw) => {
            let path = saw.headers.text(":path").unwrap_or_default();
            text += &format!("upstream: {path} {}\n", String::from_utf8_lossy(&saw.body));
        }
    }
    for alert in seen.alerts.iter().flatten() {
        text += &format!("alert: {} of {}\n", alert["threshold"], alert["rule"]);
    }
    for record in seen.records.iter().flatten() {
        let mut record = record.clone();
        // Times and ids are the proxy's own.
        if let Some(fields) = record.as_object_mut() {
            fields.retain(|key, _| {
                !["id", "time", "duration_ms", "time_to_first_chunk_ms"].contains(&key.as_str())
            });
        }
        text += &format!("record: {record:#}\n");
    }
    text
}
