//! Recorded exchanges with LLM APIs: one JSON object a line, and what an oracle says of each. Read as a trace, and by
//! the programs that measure over a folder of them.

use super::{Call, Read, What, Whole, fits, time};
use base64::Engine as _;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};
use std::collections::HashMap;
use std::fs::File;
use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// One recorded exchange.
#[derive(Debug, Deserialize)]
pub struct Exchange {
    /// Its name in reports.
    #[serde(default)]
    pub id: String,
    /// The repository that it was recorded by.
    #[serde(default)]
    pub source_repo: String,
    /// The file there.
    #[serde(default)]
    pub source_path: String,
    /// Who served, by simple rules: a guide.
    #[serde(default)]
    pub provider: String,
    /// The API spoken, by simple rules: a guide.
    #[serde(default)]
    pub dialect: String,
    /// When, if it is known.
    pub recorded_at: Option<String>,
    /// `:method`.
    pub method: String,
    /// `:authority`.
    #[serde(default)]
    pub url_host: String,
    /// `:path`.
    pub url_path: String,
    /// The headers of the request.
    #[serde(default)]
    pub request_headers: Map<String, Value>,
    request_body: String,
    #[serde(default)]
    request_body_encoding: String,
    /// The status of the answer.
    pub response_status: u16,
    /// Its headers.
    #[serde(default)]
    pub response_headers: Map<String, Value>,
    response_body: String,
    #[serde(default)]
    response_body_encoding: String,
    /// `verbatim`, or re-dumped by the recorder.
    #[serde(default)]
    pub fidelity_request: String,
    /// The model asked for, if the recording knows it.
    pub model_requested: Option<String>,
}

/// What the oracle says of an exchange.
#[derive(Debug, Deserialize)]
pub struct Oracle {
    id: String,
    /// Its numbers by genai-prices' names.
    pub usage: Option<HashMap<String, f64>>,
    /// What it costs, if it is priced.
    pub price: Option<Price>,
}

/// What it costs.
#[derive(Debug, Deserialize)]
pub struct Price {
    /// Dollars.
    pub total: f64,
    /// When, RFC 3339.
    pub priced_at: String,
    /// Its entry.
    pub matched_model: String,
}

impl Exchange {
    /// The body of the request.
    ///
    /// # Errors
    /// It is no base64.
    pub fn request(&self) -> Result<Vec<u8>, String> {
        decoded(&self.request_body, &self.request_body_encoding)
    }

    /// The body of the answer.
    ///
    /// # Errors
    /// It is no base64.
    pub fn response(&self) -> Result<Vec<u8>, String> {
        decoded(&self.response_body, &self.response_body_encoding)
    }
}

/// A header by its name, whatever its case.
#[must_use]
pub fn header<'h>(headers: &'h Map<String, Value>, name: &str) -> Option<&'h str> {
    let (_, value) = headers.iter().find(|(known, _)| known.eq_ignore_ascii_case(name))?;
    text(value)
}

fn text(value: &Value) -> Option<&str> {
    value.as_str().or_else(|| value.as_array()?.first()?.as_str())
}

fn decoded(body: &str, encoding: &str) -> Result<Vec<u8>, String> {
    match encoding {
        "base64" => {
            let decoded = base64::engine::general_purpose::STANDARD.decode(body);
            decoded.map_err(|error| format!("a body is no base64: {error}"))
        }
        _ => Ok(body.as_bytes().to_vec()),
    }
}

/// A line as a call of a trace.
pub(super) fn call(line: &[u8]) -> Result<Read, String> {
    let exchange: Exchange = serde_json::from_slice(line).map_err(|error| format!("no exchange: {error}"))?;
    let (request, answer) = (exchange.request()?, exchange.response()?);
    let headers = |headers: &Map<String, Value>| {
        let known =
            headers.iter().filter_map(|(name, value)| Some((name.to_ascii_lowercase(), text(value)?)));
        known.filter(|(name, _)| fits(name)).map(|(name, value)| (name, value.as_bytes().to_vec())).collect()
    };
    Ok(Read::Call(Call {
        at: exchange.recorded_at.as_deref().and_then(time::read),
        duration_ms: None,
        what: What::Whole(Arc::new(Whole {
            request_headers: headers(&exchange.request_headers),
            answer_headers: headers(&exchange.response_headers),
            method: exchange.method,
            host: exchange.url_host,
            path: exchange.url_path,
            request,
            status: exchange.response_status,
            answer,
        })),
    }))
}

/// The oracle by the id of its exchange.
///
/// # Errors
/// A file cannot be read.
pub fn oracle(folder: &Path) -> Result<HashMap<String, Oracle>, String> {
    let entries = lines::<Oracle>(files(folder, "oracle.")?);
    entries.map(|entry| entry.map(|entry| (entry.id.clone(), entry))).collect()
}

/// Every exchange of a folder.
///
/// # Errors
/// There is none.
pub fn exchanges(folder: &Path) -> Result<impl Iterator<Item = Result<Exchange, String>>, String> {
    let files = files(folder, "exchanges.")?;
    if files.is_empty() {
        return Err(format!("`{}` has no exchanges.*.jsonl.zst", folder.display()));
    }
    Ok(lines(files))
}

/// The files of a folder that begin like this, in order.
///
/// # Errors
/// The folder cannot be read.
pub fn files(folder: &Path, prefix: &str) -> Result<Vec<PathBuf>, String> {
    let failed = |error: std::io::Error| format!("cannot read `{}`: {error}", folder.display());
    let mut files = Vec::new();
    for entry in std::fs::read_dir(folder).map_err(failed)? {
        let name = entry.map_err(failed)?.file_name().to_string_lossy().into_owned();
        if name.starts_with(prefix) && name.ends_with(".jsonl.zst") {
            files.push(folder.join(name));
        }
    }
    files.sort();
    Ok(files)
}

fn lines<T: DeserializeOwned + 'static>(paths: Vec<PathBuf>) -> impl Iterator<Item = Result<T, String>> {
    paths.into_iter().flat_map(|path| match lines_of::<T>(&path) {
        Ok(lines) => lines,
        Err(error) => Box::new(std::iter::once(Err(error))),
    })
}

type Lines<T> = Box<dyn Iterator<Item = Result<T, String>>>;

fn lines_of<T: DeserializeOwned + 'static>(path: &Path) -> Result<Lines<T>, String> {
    let name = path.display().to_string();
    let file = File::open(path).map_err(|error| format!("cannot open `{name}`: {error}"))?;
    let decoder = ruzstd::decoding::StreamingDecoder::new(BufReader::new(file));
    let decoder = decoder.map_err(|error| format!("`{name}`: {error}"))?;
    let lines = BufReader::with_capacity(1 << 20, decoder).lines().enumerate();
    Ok(Box::new(lines.map(move |(number, line)| {
        let parsed = line
            .map_err(|error| error.to_string())
            .and_then(|line| serde_json::from_str(&line).map_err(|error| error.to_string()));
        parsed.map_err(|error| format!("`{name}`, line {}: {error}", number + 1))
    })))
}
