//! Where Envoy is. Called by the parent alone; it starts nothing.

use super::Error;
use crate::cases::filter::root;
use std::env;
use std::path::PathBuf;

/// `$ENVOY`, else `envoy` on PATH, else the one that `cargo xtask` installed under `target/`.
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
    found.chain([installed]).find(|path| path.is_file()).ok_or_else(|| {
        Error::Missing(
            "there is no Envoy: run `cargo xtask test`, which installs one under target/, \
             or name one in $ENVOY"
                .to_owned(),
        )
    })
}
