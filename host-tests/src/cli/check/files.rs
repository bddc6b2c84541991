//! Which files are policies: those that are named, and those in folders. What is none is left out with a word. Called by
//! `mod.rs`.

use super::Failure;
use serde_json::Value;
use std::path::{Path, PathBuf};

/// What a policy has at least one of; a JSON file in a folder without any is something else.
const OF_POLICIES: [&str; 6] = ["identity", "budgets", "blocks", "request_limits", "routes", "downgrades"];

/// The policies at these paths, and what is said of files that are left out.
pub(super) fn policies(paths: &[PathBuf]) -> Result<(Vec<PathBuf>, Vec<String>), Failure> {
    let (mut found, mut left_out) = (Vec::new(), Vec::new());
    for path in paths {
        if path.is_dir() {
            in_folder(path, &mut found, &mut left_out)?;
        } else if is_schema(path) {
            left_out.push(format!("`{}` is a JSON Schema and no policy: left out", path.display()));
        } else if !is_scenario(path) {
            found.push(path.clone());
        }
    }
    if found.is_empty() {
        let paths: Vec<String> = paths.iter().map(|path| format!("`{}`", path.display())).collect();
        let why = match left_out.as_slice() {
            [] => "`tokenstile test` runs scenarios".to_owned(),
            left_out => left_out.join("; "),
        };
        return Err(Failure::Call(format!("no policy among {}; {why}", paths.join(", "))));
    }
    Ok((found, left_out))
}

/// The policies in a folder and in those below it, sorted; hidden ones are left alone.
fn in_folder(folder: &Path, found: &mut Vec<PathBuf>, left_out: &mut Vec<String>) -> Result<(), String> {
    let wrong = |error: std::io::Error| format!("cannot read `{}`: {error}", folder.display());
    let entries = std::fs::read_dir(folder).map_err(wrong)?.map(|entry| entry.map(|entry| entry.path()));
    let mut entries = entries.collect::<Result<Vec<_>, _>>().map_err(wrong)?;
    entries.sort();
    for path in entries {
        let is_hidden = path.file_name().is_some_and(|name| name.to_string_lossy().starts_with('.'));
        let is_json = path.extension().is_some_and(|end| end == "json" || end == "jsonc");
        if is_hidden {
            continue;
        } else if path.is_dir() {
            in_folder(&path, found, left_out)?;
        } else if !is_json || is_scenario(&path) {
            continue;
        } else if is_schema(&path) {
            left_out.push(format!("`{}` is a JSON Schema and no policy: left out", path.display()));
        } else if is_something_else(&path) {
            left_out.push(format!("`{}` has no key of a policy: left out", path.display()));
        } else {
            // CI systems know their files without `./`.
            found.push(path.strip_prefix(".").map_or_else(|_| path.clone(), Path::to_owned));
        }
    }
    Ok(())
}

/// Scenarios are `tokenstile test`'s; `policies/*.json` has them among the policies.
fn is_scenario(path: &Path) -> bool {
    let name = path.to_string_lossy();
    name.ends_with(".test.json") || name.ends_with(".test.jsonc")
}

/// The schema that `tokenstile init` puts beside a policy, or another one.
fn is_schema(path: &Path) -> bool {
    path.to_string_lossy().ends_with(".schema.json")
}

/// JSON of another kind. What is no JSON is a policy with a mistake.
fn is_something_else(path: &Path) -> bool {
    let text = super::super::read(path).ok().and_then(|bytes| String::from_utf8(bytes).ok());
    let strict = text.and_then(|text| tokenstile_host::check::strict(&text).ok());
    let json = strict.and_then(|strict| serde_json::from_str::<Value>(&strict).ok());
    json.is_some_and(|json| !OF_POLICIES.iter().any(|key| json.get(key).is_some()))
}
