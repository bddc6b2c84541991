//! Where Envoy is, and a filter that is not stale. Called by the parent alone; it starts nothing.

use super::Error;
use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

/// What the filter is made of, under the root.
const SOURCES: [&str; 6] =
    ["plugin/src", "engine/src", "tokens/src", "plugin/Cargo.toml", "engine/Cargo.toml", "tokens/Cargo.toml"];

/// The root of the repository: the folder above this crate.
pub(super) fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().map(Path::to_owned).unwrap_or_default()
}

/// `$ENVOY`, else the one that `cargo xtask` installed under `target/`, else `envoy` on PATH.
///
/// # Errors
/// There is none; the message says how to get one.
pub fn program() -> Result<PathBuf, Error> {
    if let Some(path) = env::var_os("ENVOY").map(PathBuf::from) {
        let missing = || Error::Missing(format!("$ENVOY is `{}`, which is no file", path.display()));
        return if path.is_file() { Ok(path.clone()) } else { Err(missing()) };
    }
    let installed = root().join("target/envoy/envoy/_bin/envoy");
    let on_path = env::var_os("PATH").unwrap_or_default();
    let found = env::split_paths(&on_path).map(|dir| dir.join("envoy"));
    std::iter::once(installed).chain(found).find(|path| path.is_file()).ok_or_else(|| {
        Error::Missing(
            "there is no Envoy: run `cargo xtask test`, which installs one under target/, \
             or name one in $ENVOY"
                .to_owned(),
        )
    })
}

/// `$TOKENSTILE_WASM`, else `target/tokenstile.wasm` if nothing that it is made of is newer.
///
/// # Errors
/// There is none, or it is stale.
pub fn filter() -> Result<PathBuf, Error> {
    if let Some(path) = env::var_os("TOKENSTILE_WASM") {
        return Ok(path.into());
    }
    let path = root().join("target/tokenstile.wasm");
    let missing =
        |why: &str| Error::Missing(format!("target/tokenstile.wasm {why}: run `cargo xtask build`"));
    let built = modified(&path).ok_or_else(|| missing("does not exist"))?;
    let newest = SOURCES.iter().filter_map(|source| newest(&root().join(source))).max();
    if newest.is_some_and(|newest| newest > built) {
        return Err(missing("is older than its sources"));
    }
    Ok(path)
}

/// The time of the newest file in or under `path`.
fn newest(path: &Path) -> Option<SystemTime> {
    if !path.is_dir() {
        return modified(path);
    }
    let entries = fs::read_dir(path).ok()?;
    entries.filter_map(|entry| newest(&entry.ok()?.path())).max()
}

fn modified(path: &Path) -> Option<SystemTime> {
    path.metadata().and_then(|file| file.modified()).ok()
}
