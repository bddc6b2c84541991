//! Recorded exchanges with LLM APIs: `exchanges.*.jsonl.zst` in the folder that `TOKENSTILE_CORPUS` names, one JSON
//! object a line. They are no part of this repository.

#![allow(
    dead_code,
    unreachable_pub,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    reason = "a test stops where the recordings are not what they should be, and each program uses a part"
)]

use base64::Engine as _;
use serde::Deserialize;
use std::io::{BufRead as _, BufReader};
use std::path::Path;
use tokenstile_engine::dialect::{Route, recognise};

/// One recorded exchange.
#[derive(Deserialize)]
pub struct Exchange {
    pub id: String,
    pub method: String,
    pub url_host: String,
    pub url_path: String,
    pub framing: Option<String>,
    request_body: String,
    request_body_encoding: String,
    response_headers: serde_json::Map<String, serde_json::Value>,
    response_body: String,
    response_body_encoding: String,
}

impl Exchange {
    pub fn request(&self) -> Vec<u8> {
        decoded(&self.request_body, &self.request_body_encoding)
    }

    pub fn response(&self) -> Vec<u8> {
        decoded(&self.response_body, &self.response_body_encoding)
    }

    pub fn response_type(&self) -> Vec<u8> {
        let headers = &self.response_headers;
        let kind = headers.iter().find(|(name, _)| name.eq_ignore_ascii_case("content-type"));
        let text = kind.and_then(|(_, value)| value.as_str().or_else(|| value.as_array()?.first()?.as_str()));
        text.unwrap_or_default().as_bytes().to_vec()
    }

    /// Its route, if it is metered.
    pub fn route(&self) -> Option<Route> {
        recognise(self.method.as_bytes(), self.url_host.as_bytes(), self.url_path.as_bytes()).metered()
    }

    /// Whether the answer is a stream: it comes in documents, not in one.
    pub fn is_stream(&self) -> bool {
        self.framing.as_deref().is_some_and(|framing| framing != "json")
    }
}

fn decoded(body: &str, encoding: &str) -> Vec<u8> {
    match encoding {
        "base64" => base64::engine::general_purpose::STANDARD.decode(body).expect("base64"),
        _ => body.as_bytes().to_vec(),
    }
}

/// Every exchange, in the order of the files; none without `TOKENSTILE_CORPUS`, which is said.
pub fn all(take: &mut dyn FnMut(Exchange)) -> usize {
    let Some(folder) = std::env::var_os("TOKENSTILE_CORPUS") else {
        eprintln!("skipped: TOKENSTILE_CORPUS is not set");
        return 0;
    };
    let entries = std::fs::read_dir(Path::new(&folder)).expect("TOKENSTILE_CORPUS names a folder");
    let mut files: Vec<_> = entries.map(|entry| entry.expect("an entry").path()).collect();
    files.retain(|path| {
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        name.starts_with("exchanges.") && name.ends_with(".jsonl.zst")
    });
    files.sort();
    assert!(!files.is_empty(), "TOKENSTILE_CORPUS has no exchanges.*.jsonl.zst");
    let mut count = 0;
    for path in files {
        let file = BufReader::new(std::fs::File::open(path).expect("a file"));
        let decoder = ruzstd::decoding::StreamingDecoder::new(file).expect("compressed");
        for line in BufReader::with_capacity(1 << 20, decoder).lines() {
            count += 1;
            take(serde_json::from_str(&line.expect("a line")).expect("an exchange"));
        }
    }
    count
}
