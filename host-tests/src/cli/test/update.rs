//! Puts what was seen in the place of what was expected, where a scenario file says it, every other byte as it was.
//! Called by `mod.rs`.

use super::Scenarios;
use serde_json::Value;
use tokenstile_host::cases::Went;
use tokenstile_host::check::span;

/// A value that was expected, by its place in the file, and the one that was seen.
pub(super) struct Update {
    path: String,
    got: Value,
}

/// What of a case can be rewritten: plain values. A rule such as `contains` is a person's to change.
pub(super) fn of(case: usize, walk: &[Went]) -> Vec<Update> {
    let plain = |value: &Value| !value.is_object() && !value.is_null();
    let differences = walk.iter().flat_map(|went| went.found.iter().map(|found| (went.step, found)));
    let updates = differences.filter(|(_, found)| !found.at.is_empty() && plain(&found.expected));
    updates
        .map(|(step, found)| Update {
            path: format!("cases[{case}].steps[{step}].expect.{}", found.at),
            got: found.got.clone().unwrap_or_default(),
        })
        .collect()
}

/// Writes a scenario file anew; how many places have changed.
pub(super) fn write(one: &Scenarios, updates: &[Update]) -> Result<usize, String> {
    let mut places: Vec<_> =
        updates.iter().filter_map(|update| Some((span(&one.text, &update.path)?, &update.got))).collect();
    // From the end to the beginning, so that places stay right; a step that is taken several times has one.
    places.sort_by_key(|(span, _)| std::cmp::Reverse(span.start));
    places.dedup_by_key(|(span, _)| span.start);
    let mut text = one.text.clone();
    for (span, got) in &places {
        text.replace_range(span.clone(), &got.to_string());
    }
    if !places.is_empty() {
        // Beside the file first: Ctrl-C leaves the old one or the new one.
        let new = one.file.with_extension("new");
        let written = std::fs::write(&new, text).and_then(|()| std::fs::rename(&new, &one.file));
        written.map_err(|error| format!("cannot write `{}`: {error}", one.file.display()))?;
    }
    Ok(places.len())
}
