//! Owns the slips of case files that would test nothing, and what was probably meant by misspelt words. Called by `suite.rs`.

use super::format::{Case, Step};
use crate::check::nearest;
use serde_json::{Map, Value};
use std::collections::BTreeMap;
use std::sync::LazyLock;

/// By which `on` and `skip` speak of runners: see [`super::Runner::tags`].
const RUNNERS: [&str; 9] =
    ["native", "wasmtime", "envoy", "wasmx", "apisix", "hold", "no-hold", "workers", "real"];

/// An error of serde's with the known name that is near to the one that it does not know.
pub(super) fn hinted(error: &serde_json::Error) -> String {
    let text = error.to_string();
    let meant = || {
        let (what, known) = text.split_once(", expected ")?;
        let name = what.strip_prefix("unknown field `").or_else(|| what.strip_prefix("unknown variant `"))?;
        nearest(name.trim_end_matches('`'), known.split('`').skip(1).step_by(2))
    };
    match meant() {
        Some(meant) => text.replacen(", expected ", &format!("; did you mean `{meant}`? Expected "), 1),
        None => text,
    }
}

/// The words of a case that are said to be runners', and are no runner's.
pub(super) fn no_runner(case: &Case) -> Option<String> {
    let on = case.steps.iter().filter_map(|step| step.get("on")?.as_object()).flat_map(Map::keys);
    let word = case.skip.keys().chain(on).find(|word| !RUNNERS.contains(&word.as_str()))?;
    let meant = nearest(word, RUNNERS.into_iter());
    let meant = meant.map(|meant| format!("did you mean `{meant}`? ")).unwrap_or_default();
    Some(format!(
        "case `{}`: no runner is called `{word}`; {meant}known are `{}`",
        case.name,
        RUNNERS.join("`, `")
    ))
}

/// Whether a step says that something must happen.
pub(super) fn says(step: &Value) -> bool {
    let is_some = |key: &str| step.get(key).and_then(Value::as_object).is_some_and(|all| !all.is_empty());
    is_some("expect") || is_some("on")
}

/// The fields of a cost record, by its schema.
static RECORD: LazyLock<Vec<String>> = LazyLock::new(|| {
    let schema: Value =
        serde_json::from_str(include_str!("../../../docs/record.schema.json")).unwrap_or_default();
    let fields = schema.get("properties").and_then(Value::as_object);
    fields.into_iter().flat_map(Map::keys).cloned().collect()
});

/// Before the names of the filter's own metrics.
const OURS: &str = "tokenstile_";

/// The filter's counters by the table of them, each with its labels; `yours` are dimensions of the policy.
static COUNTERS: LazyLock<Vec<(&str, Vec<&str>)>> = LazyLock::new(|| {
    let rows = include_str!("../../../docs/metrics.md").lines().filter(|line| line.starts_with("| `"));
    let counter = |row: &'static str| {
        let mut cells = row.split('|').map(str::trim).skip(1);
        let name = cells.next()?.trim_matches('`');
        cells.next().filter(|kind| *kind == "counter")?;
        Some((name, cells.next()?.split(", ").map(|label| label.trim_matches('`')).collect()))
    };
    rows.filter_map(counter).collect()
});

/// Why a name is no counter's, such as `tokenstile_requests;decision=allow`: of one that is misspelt, nothing would grow.
fn no_counter(name: &str) -> Option<String> {
    let hint =
        |meant: Option<String>| meant.map(|meant| format!("; did you mean `{meant}`?")).unwrap_or_default();
    let mut parts = name.split(';');
    let metric = parts.next().unwrap_or_default();
    let known = metric.strip_prefix(OURS).and_then(|bare| COUNTERS.iter().find(|(name, _)| *name == bare));
    let Some((_, labels)) = known else {
        let bare = metric.strip_prefix(OURS).unwrap_or(metric);
        let meant = nearest(bare, COUNTERS.iter().map(|(name, _)| *name)).map(|name| format!("{OURS}{name}"));
        return Some(format!("no counter is called `{metric}`{}", hint(meant)));
    };
    let wrong = parts.find(|part| !labels.contains(&part.split('=').next().unwrap_or_default()))?;
    let label = wrong.split('=').next().unwrap_or_default();
    let meant = nearest(label, labels.iter().copied().filter(|label| *label != "yours"));
    // A dimension may have any name, but for one that is nearly a label's.
    let may_be_theirs = labels.contains(&"yours") && meant.is_none();
    (!may_be_theirs).then(|| format!("`{metric}` has no label `{label}`{}", hint(meant.map(str::to_owned))))
}

/// Why a step that can be read looks at nothing: it makes no call, or looks at places that are none.
pub(super) fn looks_at_nothing(step: &Step, written: &Value) -> Option<String> {
    if step.times == 0 || step.together == Some(0) {
        return Some(
            "a call that is made no times tests nothing; `times` and `together` are 1 at least".to_owned(),
        );
    }
    if step.call.is_none() && says(written) {
        return Some("an `expect` needs a `call`, of which something comes".to_owned());
    }
    let expect = &step.expect;
    let of_alerts = expect.alerts.iter().flatten().flat_map(BTreeMap::keys);
    let of_record = || expect.record.iter().flat_map(BTreeMap::keys);
    let places = expect.json.keys().chain(expect.upstream_json.keys()).chain(of_record()).chain(of_alerts);
    if let Some(place) = places.into_iter().find(|place| !place.is_empty() && !place.starts_with('/')) {
        return Some(format!("`{place}` is no place of a JSON body; write `/{place}`"));
    }
    if let Some(why) = expect.counters.keys().find_map(|name| no_counter(name)) {
        return Some(why);
    }
    let field = |place: &String| place.split('/').nth(1).unwrap_or_default().to_owned();
    let unknown = of_record().map(field).find(|field| !field.is_empty() && !RECORD.contains(field))?;
    let meant = nearest(&unknown, RECORD.iter().map(String::as_str));
    let meant = meant.map(|meant| format!("; did you mean `{meant}`?")).unwrap_or_default();
    Some(format!("a cost record has no `{unknown}`{meant}"))
}
