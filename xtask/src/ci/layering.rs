//! The engine cannot see the host: what a crate must not depend on, asked of cargo.
//!
//! Each rule names a crate that *does* have the dependency, and that is checked too: a mistyped
//! name would otherwise pass for ever.

use std::{fs, process::Stdio};

use anyhow::{Context, Result, bail};

use super::Outcome;
use crate::{root, sh};

struct Rule {
    package: &'static str,
    must_not_use: &'static str,
    but_this_one_does: &'static str,
}

const fn rule(package: &'static str, must_not_use: &'static str, but_this_one_does: &'static str) -> Rule {
    Rule { package, must_not_use, but_this_one_does }
}

const RULES: [Rule; 8] = [
    rule("tokenstile-engine", "wasmtime", "tokenstile-host"),
    rule("tokenstile-engine", "tokio", "tokenstile-host"),
    rule("tokenstile-engine", "hyper", "tokenstile-host"),
    rule("tokenstile-engine", "tokenstile-plugin", "tokenstile-plugin"),
    rule("tokenstile-tokens", "tokenstile-engine", "tokenstile-plugin"),
    rule("tokenstile-plugin", "wasmtime", "tokenstile-host"),
    rule("tokenstile-plugin", "tokio", "tokenstile-host"),
    rule("tokenstile-plugin", "hyper", "tokenstile-host"),
];

/// Methods through which the engine could see a clock or the machine; its clippy.toml forbids them.
const FORBIDDEN: [&str; 4] =
    ["std::time::SystemTime::now", "std::time::Instant::now", "std::env::var", "std::fs::read"];

pub(super) fn check() -> Result<Outcome> {
    for Rule { package, must_not_use, but_this_one_does } in RULES {
        if uses(package, must_not_use)? {
            bail!(
                "`{package}` depends on `{must_not_use}`; see `cargo tree -p {package} -e normal -i {must_not_use}`"
            );
        }
        if !uses(but_this_one_does, must_not_use)? {
            bail!(
                "`{but_this_one_does}` no longer depends on `{must_not_use}`: \
                 the rule for `{package}` proves nothing; change it in {}",
                file!()
            );
        }
    }
    let path = root().join("engine/clippy.toml");
    let lints = fs::read_to_string(&path).with_context(|| format!("cannot read `{}`", sh::pretty(&path)))?;
    for method in FORBIDDEN {
        if !lints.contains(method) {
            bail!("engine/clippy.toml does not disallow `{method}`");
        }
    }
    Ok(Outcome::Done)
}

/// Whether `dependency` is in the tree of `package`, tests and build scripts aside.
///
/// A package that is nowhere in the workspace is an error for cargo, one that is elsewhere in it
/// an empty answer: both mean no.
fn uses(package: &str, dependency: &str) -> Result<bool> {
    let mut cargo = sh::cargo();
    cargo.args(["tree", "--locked", "--package", package, "--edges", "normal", "--invert", dependency]);
    let output = cargo.stdin(Stdio::null()).output()?;
    Ok(output.status.success() && !output.stdout.trim_ascii().is_empty())
}
