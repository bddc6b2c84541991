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
pub(crate) struct Exchange {
    pub(crate) id: String,
    pub(crate) source_repo: String,
    pub(crate) provider: String,
    pub(crate) dialect: String,
    pub(crate) method: String,
    pub(crate) url_host: String,
    pub(crate) url_path: String,
    request_body: String,
    request_body_encoding: String,
    pub(crate) response_status: u16,
    pub(crate) response_headers: Map<String, Value>,
    response_body: String,
    response_body_encoding: String,
    pub(crate) fidelity_request: String,
    pub(crate) model_requested: Option<String>,
}

/// What the oracle says of an exchange.
#[derive(Debug, Deserialize)]
pub(crate) struct Oracle {
    id: String,
    pub(crate) usage: Option<HashMap<String, f64>>,
    pub(crate) price: Option<Price>,
}

/// What it costs.
#[derive(Debug, Deserialize)]
pub(crate) struct Price {
    pub(crate) total: f64,
    pub(crate) priced_at: String,
    pub(crate) matched_model: String,
}

impl Exchange {
    pub(crate) fn request(&self) -> Result<Vec<u8>> {
        decoded(&self.request_body, &self.request_body_encoding)
    }

    pub(crate) fn response(&self) -> Result<Vec<u8>> {
        decoded(&self.response_body, &self.response_body_encoding)
    }
}

/// A header by its name, whatever its case.
pub(crate) fn header<'h>(headers: &'h Map<String, Value>, name: &str) -> Option<&'h str> {
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
pub(crate) fn oracle(folder: &Path) -> Result<HashMap<String, Oracle>> {
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
pub(crate) fn exchanges(folder: &Path, mut take: impl FnMut(Exchange) -> Result<()>) -> Result<()> {
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
