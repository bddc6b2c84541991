//! Puts what was seen in the place of what was expected, where a scenario file says it, every other byte as it was.
//! Called by `mod.rs`.

use super::Scenarios;
use serde_json::Value;
use tokenstile_host::cases::{Difference, Suite, Went};
use tokenstile_host::check::span;

/// Something that was not as expected.
pub(super) struct Missed {
    /// What it is, with its scenario and its step.
    pub(super) text: String,
    /// Where a value stands that can be rewritten. A rule such as `contains` is a person's to change.
    path: Option<String>,
    /// The value that was seen.
    got: Value,
}

/// What of a case was not as expected.
pub(super) fn of(case: usize, suite: &Suite, walk: &[Went]) -> Vec<Missed> {
    let name = suite.names().nth(case).unwrap_or_default();
    let plain = |value: &Value| !value.is_object() && !value.is_null();
    let differences = walk.iter().flat_map(|went| went.found.iter().map(|found| (went.step, found)));
    let missed = |(step, found): (usize, &Difference)| {
        // An object is a rule to scenarios, and no value.
        let is_value = found.got.as_ref().is_none_or(|got| !got.is_object());
        let can = !found.at.is_empty() && plain(&found.expected) && is_value;
        Missed {
            text: format!("{name}: step {}: {}", step + 1, found.text),
            path: can.then(|| format!("cases[{case}].steps[{step}].expect.{}", found.at)),
            got: found.got.clone().unwrap_or_default(),
        }
    };
    differences.map(missed).collect()
}

/// Writes a scenario file anew; how many places have changed.
pub(super) fn write(one: &Scenarios, missed: &[Missed]) -> Result<usize, String> {
    let place = |missed: &Missed| span(&one.text, missed.path.as_deref()?);
    let mut places: Vec<_> = missed.iter().filter_map(|missed| Some((place(missed)?, &missed.got))).collect();
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
