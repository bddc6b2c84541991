//! A policy that refuses what it cannot read: told why, in the caller's dialect, and nothing reaches the provider.

use crate::bodies::{GZIP, NOT_JSON, question_of};
use crate::client::{Answer, Call};
use crate::setup::{Setup, assert_free};
use tokenstile_host::upstream::Bill;

pub(crate) async fn a_compressed_body_is_refused(setup: &Setup) {
    setup.case("compressed");
    let call = Call::chat(GZIP).header("content-encoding", "gzip");
    let answer = setup.http1().send(call).await;
    assert_refused(setup, &answer, 400, "unreadable_body", "compressed");
}

pub(crate) async fn a_body_that_is_not_json_is_refused(setup: &Setup) {
    setup.case("not JSON");
    let answer = setup.http1().send(Call::chat(NOT_JSON)).await;
    assert_refused(setup, &answer, 400, "unreadable_body", "JSON");
}

/// Many parsers keep the last of two equal keys and some the first: such a body could be checked as one
/// model and served as another.
pub(crate) async fn a_body_with_two_models_is_refused(setup: &Setup) {
    setup.case("two models");
    let body = r#"{"model":"gpt-4o-mini","messages":[],"model":"gpt-4o"}"#;
    let answer = setup.http2().send(Call::chat(body)).await;
    assert_refused(setup, &answer, 400, "unreadable_body", "twice");
}

pub(crate) async fn a_body_over_the_policys_limit_is_refused(setup: &Setup) {
    let body = question_of(12_000);
    setup.case("too long");
    let answer = setup.http1().send(Call::chat(body.clone())).await;
    assert_refused(setup, &answer, 413, "request_too_large", "10000 bytes");
    setup.case("too long, chunked");
    let answer = setup.http1().send(Call::chat("").pieces(body.as_bytes(), 3_000, &[])).await;
    assert_refused(setup, &answer, 413, "request_too_large", "10000 bytes");
}

fn assert_refused(setup: &Setup, answer: &Answer, status: u16, code: &str, why: &str) {
    assert_eq!(answer.status, status, "{}", answer.text());
    assert_eq!(answer.header("x-should-retry"), Some("false"));
    assert_eq!(answer.header("content-type"), Some("application/json"));
    let error = &answer.json()["error"];
    assert_eq!(error["code"], code, "{error}");
    assert!(error["message"].as_str().unwrap().contains(why), "{error}");
    assert_eq!(setup.upstream.ledger().requests(), 0);
    let record = setup.record();
    assert_eq!(record["ending"], "refused", "{record}");
    assert_free(&record, Bill::default());
}
