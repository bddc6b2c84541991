//! `cargo xtask test`: the fresh filter first, then every test of the workspace, and in the end what was seen.
//!
//! The tests find the filter at `target/tokenstile.wasm` and Envoy by `$ENVOY`; both are made
//! ready here, so no test can meet a stale module or skip Envoy in silence.

use anyhow::Result;
use std::time::Instant;

use crate::{envoy, sh, wasm};

/// `cargo_args` replace `--workspace`.
pub(crate) fn run(cargo_args: &[String]) -> Result<()> {
    let start = Instant::now();
    let filter = wasm::build(None)?;
    let envoy = envoy::find_or_install()?;
    let mut cargo = sh::cargo();
    cargo.arg("test").env("ENVOY", &envoy);
    if cargo_args.is_empty() {
        cargo.arg("--workspace");
    }
    let mut counts = Vec::new();
    sh::run_seen(cargo.args(cargo_args), |line| counts.extend(count_of(line)))?;
    let (passed, programs): (u32, _) = (counts.iter().sum(), counts.len());
    let seconds = start.elapsed().as_secs();
    println!("\nxtask test: {passed} tests in {programs} programs, all passed, {seconds} s");
    if cargo_args.is_empty() {
        println!("{} ran in wasmtime, and in {}", sh::pretty(&filter), sh::pretty(&envoy));
        if std::env::var_os("TOKENSTILE_CORPUS").is_none() {
            println!("skipped: what runs over recorded traffic; TOKENSTILE_CORPUS names no folder");
        }
    }
    Ok(())
}

/// The tests that passed, in the line with which a program of tests ends.
fn count_of(line: &str) -> Option<u32> {
    line.strip_prefix("test result: ok. ")?.split_once(" passed;")?.0.parse().ok()
}

#[cfg(test)]
mod tests {
    #[test]
    fn only_the_last_line_of_a_program_counts() {
        let line =
            "test result: ok. 14 passed; 0 failed; 0 ignored; 0 measured; 0 filtered out; finished in 4.39s";
        assert_eq!(super::count_of(line), Some(14));
        assert_eq!(super::count_of("test 14 passed; ... ok"), None);
        assert_eq!(super::count_of("test result: FAILED. 1 passed; 1 failed"), None);
    }
}
