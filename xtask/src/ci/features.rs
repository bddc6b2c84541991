//! What users run and what the tests are built from is compiled once.
//!
//! Cargo compiles a crate once for each set of its features, and asks only the packages of one command which they want: a
//! feature that a dependency of the tests switches on makes `cargo run` compile the crate, and all that stands on it, anew.
//! wasmtime alone takes minutes.

use std::collections::BTreeSet;

use anyhow::{Result, bail};

use super::Outcome;
use crate::sh;

/// What is compiled beside the tests: by `cargo xtask`, by `cargo xtask demo` and by `cargo doc`.
const BUILDS: [&[&str]; 3] = [&["--package", "xtask"], &["--package", "tokenstile-host"], &["--workspace"]];

/// Which crates: those of the programs themselves, then also those that only run while something is compiled. A crate may be
/// both, with other features.
const KINDS: [[&str; 2]; 2] =
    [["normal,no-proc-macro", "normal,dev,no-proc-macro"], ["normal,build", "normal,build,dev"]];

pub(super) fn check() -> Result<Outcome> {
    for [alone, with_dev] in KINDS {
        let tests = crates(&["--workspace"], with_dev)?;
        for build in BUILDS {
            let others: Vec<_> = crates(build, alone)?.difference(&tests).cloned().collect();
            if !others.is_empty() {
                bail!("{}", explain(build, &others, &tests));
            }
        }
    }
    Ok(Outcome::Done)
}

/// Lines of a package, its version and its features.
fn crates(build: &[&str], edges: &str) -> Result<BTreeSet<String>> {
    let mut cargo = sh::cargo();
    // The first call that resolves dependencies: a stale Cargo.lock stops here. Of one system, whichever runs this, for
    // features differ between them.
    cargo.args(["tree", "--locked", "--target", "x86_64-unknown-linux-gnu", "--prefix", "none"]);
    let tree = sh::read(cargo.args(["--format", "{p} {f}", "--edges", edges]).args(build))?;
    // `(*)`: it stood above.
    Ok(tree.lines().map(|line| line.trim_end_matches(" (*)").trim().to_owned()).collect())
}

fn explain(build: &[&str], others: &[String], tests: &BTreeSet<String>) -> String {
    let mut text = format!(
        "`cargo build {}` and `cargo test --workspace` compile these with different features; \
         name what is missing in host-tests/Cargo.toml or xtask/Cargo.toml, beside others of the kind:",
        build.join(" ")
    );
    for other in others {
        let name = other.split(' ').next().unwrap_or_default();
        let of_tests = tests.iter().filter(|line| line.split(' ').next() == Some(name));
        text += &format!("\n  {other}\n    tests: {}", of_tests.cloned().collect::<Vec<_>>().join("; "));
    }
    text
}
