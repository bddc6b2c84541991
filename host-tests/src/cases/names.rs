//! Owns the misspelt words of case files, and what was probably meant by them. Called by `suite.rs`. What is known is said
//! by the errors themselves, but for the words of runners.

use super::format::Case;
use crate::check::nearest;
use serde_json::{Map, Value};

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
