//! Every case of `tests/cases/` through the built filter in a real Envoy, but those that move the clock. What fails
//! here and holds in wasmtime is a fault of the host's envoy profile, or of Envoy's.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by a panic")]

use tokenstile_host::cases::{RealEnvoy, Suite, filter};

fn every_case_holds(hold_headers: bool) {
    let suite = Suite::load(&filter::root().join("host-tests/tests/cases")).unwrap();
    let outcome = suite.run(&RealEnvoy::start(&suite, hold_headers).unwrap());
    outcome.skipped.iter().for_each(|case| println!("skipped: {case}"));
    println!("envoy, hold_headers={hold_headers}: {} cases hold", outcome.passed);
    assert!(outcome.failures.is_empty(), "\n{}\n", outcome.failures.join("\n\n"));
    assert!(outcome.passed > 0, "no case ran");
}

#[test]
fn every_case_holds_with_held_headers() {
    every_case_holds(true);
}

#[test]
fn every_case_holds_without_held_headers() {
    every_case_holds(false);
}
