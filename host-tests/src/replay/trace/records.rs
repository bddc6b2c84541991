//! Our own cost records, as a proxy's log has them or alone. What a record's fields mean stands in the engine's
//! `exchange/record.rs`.

use super::recent::Recent;
use super::{Call, Counted, Read, Used, time};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use std::borrow::Cow;
use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;
use tokenstile_engine::usage::Usage;

/// Before the JSON of a record in a log.
pub(super) const MARK: &[u8] = b"tokenstile-record {";

#[derive(Deserialize)]
struct Line<'a> {
    #[serde(default)]
    id: Cow<'a, str>,
    time: Option<Cow<'a, str>>,
    #[serde(default)]
    duration_ms: Option<i64>,
    dialect: Cow<'a, str>,
    #[serde(default)]
    identity: BTreeMap<Cow<'a, str>, Cow<'a, str>>,
    model_requested: Cow<'a, str>,
    #[serde(default)]
    model_served: Cow<'a, str>,
    #[serde(default)]
    model_answered: Cow<'a, str>,
    status: u16,
    #[serde(default)]
    stream: Option<bool>,
    ending: Cow<'a, str>,
    usage: Numbers<'a>,
    #[serde(default)]
    hold_tokens: u64,
    #[serde(default)]
    price: Cow<'a, str>,
    price_tier: Option<Cow<'a, str>>,
    service_tier: Option<Cow<'a, str>>,
}

#[derive(Deserialize)]
#[serde(default)]
struct Numbers<'a> {
    input: u64,
    output: u64,
    cache_read: u64,
    cache_write: u64,
    cache_write_1h: u64,
    input_audio: u64,
    input_image: u64,
    input_video: u64,
    cache_read_audio: u64,
    cache_read_image: u64,
    reasoning: u64,
    output_audio: u64,
    output_image: u64,
    web_searches: u64,
    source: Cow<'a, str>,
}

impl Default for Numbers<'_> {
    fn default() -> Self {
        Self {
            input: 0,
            output: 0,
            cache_read: 0,
            cache_write: 0,
            cache_write_1h: 0,
            input_audio: 0,
            input_image: 0,
            input_video: 0,
            cache_read_audio: 0,
            cache_read_image: 0,
            reasoning: 0,
            output_audio: 0,
            output_image: 0,
            web_searches: 0,
            source: Cow::Borrowed("none"),
        }
    }
}

impl Numbers<'_> {
    const fn usage(&self) -> Usage {
        Usage {
            input: self.input,
            cache_read: self.cache_read,
            cache_write: self.cache_write,
            cache_write_1h: self.cache_write_1h,
            input_audio: self.input_audio,
            input_image: self.input_image,
            input_video: self.input_video,
            cache_read_audio: self.cache_read_audio,
            cache_read_image: self.cache_read_image,
            output: self.output,
            reasoning: self.reasoning,
            output_audio: self.output_audio,
            output_image: self.output_image,
            web_searches: self.web_searches,
        }
    }
}

/// The record of a line, if it is one.
pub(super) fn json(line: &[u8]) -> Option<&[u8]> {
    match memchr::memmem::find(line, MARK) {
        Some(at) => line.get(at + MARK.len() - 1..),
        None => line.starts_with(b"{").then_some(line),
    }
}

/// A whole record of a line, as a type of the caller's.
///
/// # Errors
/// There is something that is no cost record.
pub fn whole<T: DeserializeOwned>(line: &[u8]) -> Result<Option<T>, String> {
    let Some(json) = json(line) else { return Ok(None) };
    let record = serde_json::Deserializer::from_slice(json).into_iter::<T>().next();
    record.transpose().map_err(|error| format!("no cost record: {error}"))
}

/// Reads lines of a log; what is no record is another's line.
pub(super) fn reader() -> impl FnMut(&[u8]) -> Result<Read, String> {
    // Names come again and again: each is kept once.
    let (mut names, mut recent) = (Names::default(), Recent::default());
    move |line| {
        let Some(json) = json(line) else { return Ok(Read::Left("other lines of the log")) };
        let mut values = serde_json::Deserializer::from_slice(json).into_iter::<Line<'_>>();
        let line = values.next().ok_or("there is no record")?;
        let line = line.map_err(|error| format!("no cost record: {error}"))?;
        if !recent.is_new(&line.id) {
            return Ok(Read::Left("cost records that came twice"));
        }
        call(&line, &mut names).map(Read::Call)
    }
}

fn call(line: &Line<'_>, names: &mut Names) -> Result<Call, String> {
    let at = match &line.time {
        None => None,
        Some(text) => Some(time::read(text).ok_or_else(|| format!("`{text}` is no time"))?),
    };
    let used = match (&*line.ending, &*line.usage.source) {
        ("refused", _) => Used::Refused(line.hold_tokens),
        (_, "none") => Used::Nothing,
        _ => Used::Stated(line.usage.usage()),
    };
    super::plausible(&line.usage.usage())?;
    super::plausible(&Usage { input: line.hold_tokens, ..Usage::default() })?;
    let as_asked = line.model_served.is_empty() || line.model_served == line.model_requested;
    let dimensions = line.identity.iter();
    Ok(Call {
        at,
        duration_ms: line.duration_ms,
        what: super::What::Counted(Counted {
            dimensions: dimensions.map(|(name, value)| (names.get(name), names.get(value))).collect(),
            dialect: names.get(&line.dialect),
            provider: names.get(line.price.split_once('/').map_or("", |(provider, _)| provider)),
            model: names.get(&line.model_requested),
            answered: names.get(if as_asked { &line.model_answered } else { "" }),
            // What a route put in place was not asked for.
            tier: names.get(line.price_tier.as_deref().filter(|_| line.service_tier.is_none()).unwrap_or("")),
            output_bound: None,
            // Where no budget was met, nothing was held.
            held: (line.hold_tokens > 0).then_some(line.hold_tokens),
            used,
            streams: line.stream,
            status: line.status,
        }),
    })
}

/// Texts that come again, kept once; forgotten when they are too many.
#[derive(Default)]
pub(super) struct Names(HashSet<Arc<str>>);

impl Names {
    const MAX: usize = 100_000;

    pub(super) fn get(&mut self, text: &str) -> Arc<str> {
        if let Some(known) = self.0.get(text) {
            return known.clone();
        }
        if self.0.len() >= Self::MAX {
            self.0.clear();
        }
        let text: Arc<str> = text.into();
        self.0.insert(text.clone());
        text
    }
}
