//! Every case of `tests/cases/` through the built filter in wasmtime, on each profile. What fails here and holds
//! natively is a fault of the filter's shell or of the host.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by a panic")]

use tokenstile_host::cases::{Suite, Wasmtime, filter};
use tokenstile_host::host::Profile;

fn every_case_holds(profile: Profile, hold_headers: bool) {
    every_case_holds_in(profile, &Wasmtime::new(profile, hold_headers).unwrap());
}

fn every_case_holds_in(profile: Profile, runner: &Wasmtime) {
    let suite = Suite::load(&filter::root().join("host-tests/tests/cases")).unwrap();
    let outcome = suite.run(runner);
    outcome.skipped.iter().for_each(|case| println!("skipped: {case}"));
    println!("{profile}: {} cases hold", outcome.passed);
    assert!(outcome.failures.is_empty(), "\n{}\n", outcome.failures.join("\n\n"));
    assert!(outcome.passed > 0, "no case ran");
}

#[test]
fn every_case_holds_on_envoy_with_held_headers() {
    every_case_holds(Profile::Envoy, true);
}

#[test]
fn every_case_holds_on_envoy_without_held_headers() {
    every_case_holds(Profile::Envoy, false);
}

#[test]
fn every_case_holds_on_wasmx() {
    every_case_holds(Profile::Wasmx, false);
}

#[test]
fn every_case_holds_on_apisix() {
    every_case_holds(Profile::Apisix, false);
}

/// Where calls are to be met by the worker that has answered the ones before.
#[test]
fn every_case_holds_on_envoy_with_one_worker() {
    let runner = Wasmtime::of(filter::module().unwrap(), Profile::Envoy, true, 1);
    every_case_holds_in(Profile::Envoy, &runner);
}
