//! Counts against tiktoken-rs on recorded traffic, where there is some: `TOKENSTILE_CORPUS` names a folder with
//! `exchanges.dev.jsonl.zst`; `TOKENSTILE_TEXTS` names folders of any files, colons between them (source trees, say).

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    reason = "a tool may stop where it fails"
)]

mod common;

use serde_json::Value;
use std::collections::BTreeSet;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};

#[test]
fn recorded_exchanges() {
    let Some(folder) = std::env::var_os("TOKENSTILE_CORPUS") else {
        eprintln!("skipped: TOKENSTILE_CORPUS is not set");
        return;
    };
    let file =
        std::fs::File::open(Path::new(&folder).join("exchanges.dev.jsonl.zst")).expect("the exchanges");
    let decoder = ruzstd::decoding::StreamingDecoder::new(BufReader::new(file)).expect("they are compressed");
    let mut texts = BTreeSet::new();
    for line in BufReader::new(decoder).lines() {
        let exchange: Value = serde_json::from_str(&line.expect("UTF-8")).expect("JSON");
        for body in
            [&exchange["request_body"], &exchange["response_body"]].into_iter().filter_map(Value::as_str)
        {
            if let Ok(value) = serde_json::from_str(body) {
                strings(value, &mut texts);
            }
            texts.insert(body.to_owned());
        }
    }
    assert!(texts.len() > 1000, "the corpus has texts");
    texts.iter().for_each(|text| common::assert_equal(text));
    println!("{} texts equal", texts.len());
}

fn strings(value: Value, texts: &mut BTreeSet<String>) {
    match value {
        Value::String(text) => drop(texts.insert(text)),
        Value::Array(values) => values.into_iter().for_each(|value| strings(value, texts)),
        Value::Object(values) => values.into_iter().for_each(|(_, value)| strings(value, texts)),
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

#[test]
fn files_of_folders() {
    let Some(folders) = std::env::var_os("TOKENSTILE_TEXTS") else {
        eprintln!("skipped: TOKENSTILE_TEXTS is not set");
        return;
    };
    let (mut files, mut bytes) = (0, 0);
    let mut left: Vec<PathBuf> = std::env::split_paths(&folders).collect();
    while let Some(path) = left.pop() {
        if path.is_symlink() {
            continue;
        }
        if path.is_dir() {
            left.extend(std::fs::read_dir(&path).into_iter().flatten().flatten().map(|entry| entry.path()));
        } else if let Ok(content) = std::fs::read(&path) {
            let text = String::from_utf8_lossy(&content[..content.len().min(200_000)]).into_owned();
            common::assert_equal(&text);
            (files, bytes) = (files + 1, bytes + text.len());
        }
    }
    println!("{files} files equal, {bytes} bytes");
}
