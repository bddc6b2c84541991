//! Envoy's access log as JSON: its keys are whatever the operator calls them, so a map of fields says which is which.
//!
//! The names taken by default are those of Istio's and Envoy Gateway's JSON logs
//! (<https://istio.io/latest/docs/tasks/observability/logs/access-log/#default-access-log-format>), and plain ones for
//! what Envoy itself does not know: the model and its tokens. What a log does not say is not made up: it may be of real
//! callers.

use super::open::{Fields, Setting};
use super::records::Names;
use super::{Call, Counted, Dimensions, Read, Used, What, time};
use serde_json::Value;
use tokenstile_engine::dialect::{Recognised, recognise};
use tokenstile_engine::usage::Usage;

/// Our words, and the fields that say it where no map does.
const KNOWN: [(&str, &[&str]); 11] = [
    ("time", &["start_time", "time", "timestamp"]),
    ("duration", &["duration", "duration_ms"]),
    ("method", &["method"]),
    ("path", &["x-envoy-origin-path", "path"]),
    ("host", &["authority", ":authority", "host"]),
    ("status", &["response_code", "status"]),
    ("model", &["model"]),
    ("input", &["input_tokens", "prompt_tokens"]),
    ("output", &["output_tokens", "completion_tokens"]),
    ("cached", &["cached_tokens", "cache_read_tokens"]),
    ("max_output", &["max_output_tokens", "max_tokens"]),
];

/// Reads a line a call.
pub(super) fn reader(setting: &Setting) -> impl FnMut(&[u8]) -> Result<Read, String> + use<> {
    let fields = setting.fields.clone();
    let mut names = Names::default();
    move |line| {
        let line: Value = serde_json::from_slice(line).map_err(|error| format!("no JSON: {error}"))?;
        call(&line, &fields, &mut names)
    }
}

fn call(line: &Value, fields: &Fields, names: &mut Names) -> Result<Read, String> {
    let find = |word: &str| found(line, word, fields);
    let number = |word: &str| find(word).map(|value| count(value, word)).transpose();
    let text = |word: &str| find(word).map(said).unwrap_or_default();
    let (method, host, path) = (text("method"), text("host"), text("path"));
    let (mut dialect, mut provider) = ("openai-chat", None);
    if !path.is_empty() {
        let method = if method.is_empty() { "POST" } else { &method };
        match recognise(method.as_bytes(), host.as_bytes(), path.as_bytes()) {
            Recognised::Metered(route) => (dialect, provider) = (route.dialect.name, route.provider),
            _ => return Ok(Read::Left("calls that are not metered")),
        }
    }
    let at = match find("time") {
        None => None,
        Some(Value::Number(number)) => number.as_f64().and_then(time::number_of),
        Some(value) => Some(time::read(&said(value)).ok_or_else(|| format!("{value} is no time"))?),
    };
    let status = number("status")?.and_then(|status| u16::try_from(status).ok()).unwrap_or(0);
    let used = match (number("input")?, number("output")?) {
        (None, None) if status >= 400 => Used::Nothing,
        (None, None) => return Ok(Read::Left("calls without token counts (name their fields by `--field`)")),
        (input, output) => Used::Stated(Usage {
            input: input.unwrap_or(0),
            output: output.unwrap_or(0),
            cache_read: number("cached")?.unwrap_or(0).min(input.unwrap_or(0)),
            ..Usage::default()
        }),
    };
    if let Used::Stated(usage) = &used {
        super::plausible(usage)?;
    }
    let own = fields.keys().filter(|word| !KNOWN.iter().any(|(known, _)| known == word));
    let own = own.filter_map(|word| Some((names.get(word), names.get(&said(find(word)?)))));
    let dimensions: Dimensions = own.filter(|(_, value)| !value.is_empty()).collect();
    let model = names.get(&text("model"));
    Ok(Read::Call(Call {
        at,
        duration_ms: number("duration")?.and_then(|ms| i64::try_from(ms).ok()),
        what: What::Counted(Counted {
            dimensions,
            dialect: names.get(dialect),
            provider: names.get(provider.unwrap_or_default()),
            model,
            answered: names.get(""),
            tier: names.get(""),
            output_bound: number("max_output")?,
            held: None,
            used,
            streams: None,
            status,
        }),
    }))
}

/// The field that says this: by its whole name, or by a path with dots. Envoy writes `-` or null for nothing.
fn found<'l>(line: &'l Value, word: &str, fields: &Fields) -> Option<&'l Value> {
    let by = |name: &str| {
        let nested = || name.split('.').try_fold(line, |value, key| value.get(key));
        line.get(name).or_else(nested).filter(|value| !value.is_null() && value.as_str() != Some("-"))
    };
    match fields.get(word) {
        Some(name) => by(name),
        None => KNOWN.iter().find(|(known, _)| *known == word)?.1.iter().find_map(|name| by(name)),
    }
}

fn said(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

/// Envoy may write numbers as texts.
fn count(value: &Value, word: &str) -> Result<u64, String> {
    let number = value.as_f64().or_else(|| value.as_str()?.trim().trim_end_matches("ms").parse().ok());
    let number = number.and_then(time::whole).and_then(|number| u64::try_from(number).ok());
    number.ok_or_else(|| format!("{value} is no count for `{word}`"))
}
