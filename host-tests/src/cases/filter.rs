//! Owns where the built filter is, and that it is not older than its sources. Called by every test that runs it:
//! a test of a stale `.wasm` proves nothing.

use crate::host::Module;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::time::SystemTime;

/// The repository.
pub fn root() -> PathBuf {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.parent().unwrap_or(here).to_path_buf()
}

/// The built filter, if it is there and as new as what it is made from. With `TOKENSTILE_WASM` set, the filter at
/// that path, whatever its age: who names one means that one.
///
/// # Errors
/// What to do about it.
pub fn path() -> Result<PathBuf, String> {
    if let Some(path) = std::env::var_os("TOKENSTILE_WASM") {
        return Ok(path.into());
    }
    let path = root().join("target/tokenstile.wasm");
    let built =
        modified(&path).map_err(|error| format!("{}: {error}; run `cargo xtask build`", path.display()))?;
    let sources = ["plugin", "engine", "tokens"].map(|name| root().join(name));
    let mut newest = None;
    for source in &sources {
        newest_in(&source.join("src"), &mut newest)?;
        newer(&source.join("Cargo.toml"), &mut newest)?;
    }
    match newest {
        Some((at, source)) if at > built => Err(format!(
            "target/tokenstile.wasm is older than {}; run `cargo xtask build`",
            source.strip_prefix(root()).unwrap_or(&source).display()
        )),
        _ => Ok(path),
    }
}

/// The built filter, compiled once a process.
///
/// # Errors
/// As [`path`], or it does not compile.
pub fn module() -> Result<Module, String> {
    static MODULE: OnceLock<Result<Module, String>> = OnceLock::new();
    let compile = || {
        let path = path()?;
        let bytes = std::fs::read(&path).map_err(|error| format!("{}: {error}", path.display()))?;
        Module::compile(&bytes).map_err(|error| error.to_string())
    };
    MODULE.get_or_init(compile).clone()
}

type Newest = Option<(SystemTime, PathBuf)>;

/// Unit tests (`tests.rs`, `tests/`) are not in the filter.
fn newest_in(folder: &Path, newest: &mut Newest) -> Result<(), String> {
    let entries = std::fs::read_dir(folder).map_err(|error| format!("{}: {error}", folder.display()))?;
    for entry in entries.flatten() {
        let path = entry.path();
        if path.file_stem().is_some_and(|name| name == "tests") {
            continue;
        }
        if path.is_dir() { newest_in(&path, newest)? } else { newer(&path, newest)? }
    }
    Ok(())
}

fn newer(path: &Path, newest: &mut Newest) -> Result<(), String> {
    let at = modified(path).map_err(|error| format!("{}: {error}", path.display()))?;
    if newest.as_ref().is_none_or(|(last, _)| at > *last) {
        *newest = Some((at, path.to_path_buf()));
    }
    Ok(())
}

fn modified(path: &Path) -> std::io::Result<SystemTime> {
    std::fs::metadata(path)?.modified()
}
