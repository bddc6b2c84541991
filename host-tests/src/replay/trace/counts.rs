//! Arrivals and token counts as CSV, such as Azure's and Mooncake's public traces. Who called, for what and which
//! model is known of none of them: the overlay says it, unless a column does.

use super::open::{Setting, Text};
use super::overlay::Drawn;
use super::records::Names;
use super::{Bad, Call, Counted, Dimensions, Read, Reads, Used, What, time};
use csv::StringRecord;
use std::sync::Arc;
use tokenstile_engine::units::EpochMs;
use tokenstile_engine::usage::Usage;

/// Our words, and the columns that say it.
const COLUMNS: [(&str, &[&str]); 7] = [
    ("time", &["t_ms", "arrival_ms", "arrival", "time", "timestamp"]),
    ("input", &["input_tokens", "prompt_tokens", "contexttokens", "input_length", "input"]),
    ("output", &["output_tokens", "completion_tokens", "generatedtokens", "output_length", "output"]),
    ("cached", &["cached_prefix_tokens", "cached_tokens", "cached"]),
    ("duration", &["duration_ms", "duration"]),
    ("max_output", &["max_output_tokens", "max_tokens"]),
    ("model", &["model"]),
];

/// Columns that are dimensions, unless `--field` names others.
const DIMENSIONS: [&str; 5] = ["user", "tenant", "team", "tier", "feature"];

/// Whether a line names the columns that are needed.
pub(super) fn is_header(line: &[u8]) -> bool {
    let line = String::from_utf8_lossy(line).to_ascii_lowercase();
    let names: Vec<&str> = line.trim().split(',').map(|name| name.trim().trim_matches('"')).collect();
    ["input", "output"].iter().all(|word| known(word).iter().any(|name| names.contains(name)))
}

fn known(word: &str) -> &'static [&'static str] {
    COLUMNS.iter().find(|(known, _)| *known == word).map_or(&[], |(_, names)| names)
}

struct Columns {
    places: Vec<(&'static str, usize)>,
    dimensions: Vec<(Arc<str>, usize)>,
    /// Times are counted from the trace's own beginning.
    time_is_relative: bool,
}

impl Columns {
    fn of(header: &StringRecord, setting: &Setting) -> Result<Self, String> {
        let place = |wanted: &str| header.iter().position(|name| name.trim().eq_ignore_ascii_case(wanted));
        let find = |word: &'static str| match setting.fields.get(word) {
            Some(column) => place(column),
            None => known(word).iter().find_map(|name| place(name)),
        };
        let places: Vec<_> = COLUMNS.iter().filter_map(|(word, _)| Some((*word, find(word)?))).collect();
        for word in ["input", "output"] {
            if !places.iter().any(|(known, _)| *known == word) {
                return Err(format!(
                    "no column says `{word}`; name it by `--field {word}=COLUMN`, or give the file a header"
                ));
            }
        }
        let own = setting.fields.iter().filter(|(word, _)| known(word).is_empty());
        let mut dimensions: Vec<(Arc<str>, usize)> =
            own.filter_map(|(word, column)| Some((word.as_str().into(), place(column)?))).collect();
        for name in DIMENSIONS {
            if let Some(at) = place(name).filter(|_| !setting.fields.contains_key(name)) {
                dimensions.push((name.into(), at));
            }
        }
        let time = places.iter().find(|(word, _)| *word == "time").and_then(|(_, at)| header.get(*at));
        let time_is_relative = time.is_some_and(|name| name.to_ascii_lowercase().ends_with("_ms"));
        Ok(Self { places, dimensions, time_is_relative })
    }

    fn get<'r>(&self, row: &'r StringRecord, word: &str) -> Option<&'r str> {
        let (_, at) = self.places.iter().find(|(known, _)| *known == word)?;
        row.get(*at).map(str::trim).filter(|text| !text.is_empty())
    }

    fn number(&self, row: &StringRecord, word: &str) -> Result<Option<u64>, String> {
        let Some(text) = self.get(row, word) else { return Ok(None) };
        let number = text.parse::<f64>().ok().and_then(time::whole);
        let count = number.and_then(|number| u64::try_from(number).ok());
        count.map(Some).ok_or_else(|| format!("`{text}` is no count for `{word}`"))
    }
}

/// Reads a row a call.
pub(super) fn read(name: String, text: Text, setting: &Setting) -> Result<Reads, String> {
    let mut rows = csv::ReaderBuilder::new().flexible(false).from_reader(text);
    let header = rows.headers().map_err(|error| format!("`{name}`: {error}"))?;
    let columns = Columns::of(header, setting).map_err(|why| format!("`{name}`: {why}"))?;
    let start = setting.overlay.start;
    let (mut drawn, mut names, mut row) =
        (Drawn::new(&setting.overlay), Names::default(), StringRecord::new());
    let mut over = false;
    Ok(Box::new(std::iter::from_fn(move || {
        if over {
            return None;
        }
        let bad = |line: u64, why: String| Some(Read::Bad(Bad { place: format!("{name}:{line}"), why }));
        match rows.read_record(&mut row) {
            Ok(false) => None,
            Ok(true) => match call(&row, &columns, start, &mut drawn, &mut names) {
                Ok(call) => Some(Read::Call(call)),
                Err(why) => bad(row.position().map_or(0, csv::Position::line), why),
            },
            Err(error) => {
                over = error.is_io_error();
                let line = error.position().or_else(|| row.position()).map_or(0, csv::Position::line);
                bad(line, error.to_string())
            }
        }
    })))
}

fn call(
    row: &StringRecord,
    columns: &Columns,
    start: EpochMs,
    drawn: &mut Drawn,
    names: &mut Names,
) -> Result<Call, String> {
    let at = match columns.get(row, "time") {
        None => None,
        Some(text) => {
            let relative = || text.parse::<f64>().ok().and_then(time::whole).map(|ms| start.plus_ms(ms));
            let at = if columns.time_is_relative { relative() } else { time::read(text) };
            Some(at.ok_or_else(|| format!("`{text}` is no time"))?)
        }
    };
    let input = columns.number(row, "input")?.ok_or("there is no count for `input`")?;
    let output = columns.number(row, "output")?.ok_or("there is no count for `output`")?;
    let cached = columns.number(row, "cached")?.unwrap_or(0).min(input);
    let usage = Usage { input, output, cache_read: cached, ..Usage::default() };
    super::plausible(&usage)?;
    let own = columns.dimensions.iter().filter_map(|(name, at)| {
        Some((name.clone(), names.get(row.get(*at).map(str::trim).filter(|text| !text.is_empty())?)))
    });
    let own: Dimensions = own.collect();
    let model = columns.get(row, "model").map(|model| names.get(model));
    let (dimensions, model) = drawn.complete(own, model);
    Ok(Call {
        at,
        duration_ms: columns.number(row, "duration")?.and_then(|ms| i64::try_from(ms).ok()),
        what: What::Counted(Counted {
            dimensions,
            dialect: names.get("openai-chat"),
            provider: names.get(""),
            model,
            answered: names.get(""),
            tier: names.get(""),
            output_bound: columns.number(row, "max_output")?,
            held: None,
            used: Used::Stated(usage),
            streams: None,
            status: 200,
        }),
    })
}
