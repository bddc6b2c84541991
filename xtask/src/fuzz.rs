//! `cargo xtask fuzz`: seeds from recorded traffic, then each target of `engine/fuzz` for a while; and the check
//! that all targets still compile.
//!
//! Fuzzing needs a nightly toolchain and cargo-fuzz; the check needs neither, and no C++ compiler.

use std::{env, fs, process::Command};

use anyhow::{Context, Result, bail};

use crate::{root, sh};

const DIR: &str = "engine/fuzz";

/// Runs the targets, or every one if none is named, `seconds` each.
pub(crate) fn run(targets: &[String], seconds: u32) -> Result<()> {
    let known = targets_known()?;
    if let Some(unknown) = targets.iter().find(|target| !known.contains(target)) {
        bail!("no target `{unknown}`; they are: {}", known.join(", "));
    }
    if sh::read(Command::new("cargo").args(["+nightly", "fuzz", "--version"])).is_err() {
        bail!("this needs `rustup toolchain install nightly` and `cargo install cargo-fuzz`");
    }
    seeds()?;
    for target in if targets.is_empty() { &known } else { targets } {
        let mut fuzz = Command::new("cargo");
        fuzz.args([
            "+nightly",
            "fuzz",
            "run",
            "--fuzz-dir",
            DIR,
            target,
            "--",
            "-timeout=10",
            "-max_len=4096",
        ]);
        sh::run(fuzz.arg(format!("-max_total_time={seconds}")).current_dir(root()))?;
    }
    Ok(())
}

/// Every target there is: a file each.
fn targets_known() -> Result<Vec<String>> {
    let entries = fs::read_dir(root().join(DIR).join("fuzz_targets")).context("no fuzz targets")?;
    let mut names = Vec::new();
    for entry in entries {
        names.extend(entry?.path().file_stem().map(|stem| stem.to_string_lossy().into_owned()));
    }
    names.sort();
    Ok(names)
}

/// A fuzzer finds more from real requests and answers. They are no part of this repository.
fn seeds() -> Result<()> {
    if env::var_os("TOKENSTILE_CORPUS").is_none() {
        println!("no seeds: TOKENSTILE_CORPUS names no folder of recorded traffic");
        return Ok(());
    }
    let mut cargo = sh::cargo();
    cargo.args(["run", "--quiet", "--package", "tokenstile-engine", "--example", "fuzz_seeds", "--"]);
    sh::run(cargo.arg(root().join(DIR).join("corpus")))
}

/// Compiles every target on the toolchain at hand.
pub(crate) fn check() -> Result<()> {
    for dir in [DIR, "tokens/fuzz"] {
        let mut cargo = sh::cargo();
        cargo
            .args(["check", "--quiet", "--locked", "--manifest-path"])
            .arg(root().join(dir).join("Cargo.toml"));
        cargo.arg("--target-dir").arg(root().join("target/fuzz-check"));
        // Instead of compiling libFuzzer, which is C++: a check links nothing.
        cargo.env("CUSTOM_LIBFUZZER_PATH", root().join("target/libfuzzer.a"));
        sh::run(cargo.env("RUSTFLAGS", "--deny warnings"))?;
    }
    Ok(())
}
