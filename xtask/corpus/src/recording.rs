//! The recordings as they lie in the folder: one JSON object a line, compressed.

use anyhow::{Context as _, Result, ensure};
use base64::Engine as _;
use serde::Deserialize;
use serde_json::{Map, Value};
use std::collections::HashMap;
use std::fs::File;
use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};

/// One recorded exchange.
#[derive(Debug, Deserialize)]
pub struct Exchange {
    /// Its name in reports.
    pub id: String,
    /// The repository that it was recorded by.
    pub source_repo: String,
    /// Who served, by simple rules: a guide.
    pub provider: String,
    /// The API spoken, by simple rules: a guide.
    pub dialect: String,
    /// `:method`.
    pub method: String,
    /// `:authority`.
    pub url_host: String,
    /// `:path`.
    pub url_path: String,
    /// The headers of the request.
    #[serde(default)]
    pub request_headers: Map<String, Value>,
    request_body: String,
    request_body_encoding: String,
    /// The status of the answer.
    pub response_status: u16,
    /// Its headers.
    pub response_headers: Map<String, Value>,
    response_body: String,
    response_body_encoding: String,
    /// `verbatim`, or re-dumped by the recorder.
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
    pub fn request(&self) -> Result<Vec<u8>> {
        decoded(&self.request_body, &self.request_body_encoding)
    }

    /// The body of the answer.
    ///
    /// # Errors
    /// It is no base64.
    pub fn response(&self) -> Result<Vec<u8>> {
        decoded(&self.response_body, &self.response_body_encoding)
    }
}

/// A header by its name, whatever its case.
#[must_use]
pub fn header<'h>(headers: &'h Map<String, Value>, name: &str) -> Option<&'h str> {
    let (_, value) = headers.iter().find(|(known, _)| known.eq_ignore_ascii_case(name))?;
    value.as_str().or_else(|| value.as_array()?.first()?.as_str())
}

fn decoded(body: &str, encoding: &str) -> Result<Vec<u8>> {
    match encoding {
        "base64" => Ok(base64::engine::general_purpose::STANDARD.decode(body)?),
        _ => Ok(body.as_bytes().to_vec()),
    }
}

/// The oracle by the id of its exchange.
///
/// # Errors
/// A file cannot be read.
pub fn oracle(folder: &Path) -> Result<HashMap<String, Oracle>> {
    let mut oracle = HashMap::new();
    for path in files(folder, "oracle.")? {
        lines(&path, |entry: Oracle| {
            oracle.insert(entry.id.clone(), entry);
            Ok(())
        })?;
    }
    Ok(oracle)
}

/// Hands every exchange to `take`.
///
/// # Errors
/// A file cannot be read, or `take` fails.
pub fn exchanges(folder: &Path, mut take: impl FnMut(Exchange) -> Result<()>) -> Result<()> {
    let files = files(folder, "exchanges.")?;
    ensure!(!files.is_empty(), "`{}` has no exchanges.*.jsonl.zst", folder.display());
    files.iter().try_for_each(|path| lines(path, &mut take))
}

fn files(folder: &Path, prefix: &str) -> Result<Vec<PathBuf>> {
    let entries = std::fs::read_dir(folder).with_context(|| format!("cannot read `{}`", folder.display()))?;
    let mut files = Vec::new();
    for entry in entries {
        let name = entry?.file_name().to_string_lossy().into_owned();
        if name.starts_with(prefix) && name.ends_with(".jsonl.zst") {
            files.push(folder.join(name));
        }
    }
    files.sort();
    Ok(files)
}

fn lines<T: for<'de> Deserialize<'de>>(path: &Path, mut take: impl FnMut(T) -> Result<()>) -> Result<()> {
    let file = File::open(path).with_context(|| format!("cannot open `{}`", path.display()))?;
    let decoder = ruzstd::decoding::StreamingDecoder::new(BufReader::new(file))?;
    for (number, line) in BufReader::with_capacity(1 << 20, decoder).lines().enumerate() {
        let parsed = serde_json::from_str(&line?);
        take(parsed.with_context(|| format!("`{}`, line {}", path.display(), number + 1))?)?;
    }
    Ok(())
}
