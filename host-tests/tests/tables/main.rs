//! The tables of what goes with what, which are made by driving the built filter. After a change,
//! `TOKENSTILE_UPDATE=1 cargo test -p tokenstile-host --test tables` writes them anew.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test fails by a panic")]

mod apis;
#[path = "../document_support/mod.rs"]
mod document;
mod overshoot;
mod proxies;
mod samples;
mod scene;
mod windows;

use document::assert_says;

#[test]
fn steps_and_meters_go_with_apis_and_windows_as_the_document_says() {
    assert_says("docs/combinations.md", &[("steps", apis::steps()), ("meters", windows::meters())]);
}

#[test]
fn each_proxy_carries_out_what_the_policys_page_says() {
    assert_says("docs/policy.md", &[("proxies", proxies::carried_out())]);
}

#[test]
fn budgets_are_passed_no_further_than_the_architecture_says() {
    assert_says("ARCHITECTURE.md", &[("overshoot", overshoot::bound())]);
}
