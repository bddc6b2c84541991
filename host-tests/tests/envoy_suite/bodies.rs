//! Request bodies of every kind: each call is billed as the provider bills it, whatever its body looks like.

use crate::LIMIT;
use crate::client::Call;
use crate::setup::{Setup, assert_free, assert_usage, hello, total, until};
use serde_json::json;

/// Room for one call, not for two.
pub(crate) const SMALL_LIMIT: u64 = 60;
/// What the policy expects of an answer when it says nothing else.
const EXPECTED_OUTPUT: u64 = 512;

/// `{"model":"gpt-4o","messages":[]}`, compressed.
pub(crate) const GZIP: &[u8] = b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x02\x03\xabV\xca\xcdOI\xcdQ\xb2RJ/(\xd15\xc9W\xd2Q\xcaM-.NLO-V\xb2\x8a\x8e\xad\x05\x00Z\x0b\xb2\xb6 \x00\x00\x00";
pub(crate) const NOT_JSON: &str = r#"{"model":"gpt-4o","messages":[}"#;

pub(crate) async fn a_json_call_is_billed_as_stated_and_told_what_remains(setup: &Setup) {
    let user = setup.case("json");
    let answer = setup.http1().send(Call::chat(hello("gpt-4o")).header("x-user-id", user)).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    assert_eq!(answer.header("x-tokenstile-decision"), Some("allow"));
    let told = answer.header("ratelimit-policy").unwrap();
    assert_eq!(told, format!("\"daily\";q={LIMIT};qu=\"tokens\";w=86400"));
    let record = setup.record();
    assert_usage(&record, "reported", setup.billed());
    assert_eq!(record["identity"]["user"], user);
    assert_eq!(record["ending"], "complete");
    assert_eq!(record["model_answered"], "gpt-4o-2024-08-06");
    assert_eq!(answer.remaining(), LIMIT - record["hold_tokens"].as_u64().unwrap());
    assert_eq!(setup.remaining_before_probe(user).await, LIMIT - total(&record));
}

pub(crate) async fn a_chunked_body_arrives_whole_and_is_counted_whole(setup: &Setup) {
    setup.case("chunked");
    let body = question_of(9_000);
    let answer = setup.http1().send(Call::chat("").pieces(body.as_bytes(), 3_000, &[])).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    assert_eq!(setup.upstream.ledger().last().unwrap().body, body.as_bytes());
    let record = setup.record();
    assert_usage(&record, "reported", setup.billed());
    // The hold's prompt is the provider's own count: the body was read whole.
    assert_eq!(record["hold_tokens"], setup.billed().prompt_tokens + EXPECTED_OUTPUT);
}

pub(crate) async fn http2_calls_are_billed(setup: &Setup) {
    setup.case("http2");
    let client = setup.http2();
    let body = question_of(9_000);
    for call in [Call::chat(body.clone()), Call::chat("").pieces(body.as_bytes(), 3_000, &[])] {
        let answer = client.send(call).await;
        assert_eq!(answer.status, 200, "{}", answer.text());
        assert_eq!(setup.upstream.ledger().last().unwrap().body, body.as_bytes());
    }
    let records = setup.records(2);
    assert_eq!(records.iter().map(total).sum::<u64>(), setup.billed().total_tokens());
    for record in &records {
        assert_eq!(record["hold_tokens"], setup.billed().prompt_tokens / 2 + EXPECTED_OUTPUT);
    }
}

pub(crate) async fn a_body_over_the_policys_limit_pays_by_its_answer(setup: &Setup) {
    for (name, chunked) in [("too long", false), ("too long, chunked", true)] {
        let user = setup.case(name);
        let body = question_of(50_000);
        let call = Call::chat(body.clone()).header("x-user-id", user);
        let call = if chunked { call.pieces(body.as_bytes(), 3_000, &[]) } else { call };
        let answer = setup.http1().send(call).await;
        assert_eq!(answer.status, 200, "{}", answer.text());
        assert_eq!(setup.upstream.ledger().last().unwrap().body, body.as_bytes());
        let record = setup.record();
        assert_usage(&record, "reported", setup.billed());
        assert!(record["unread"].as_str().unwrap().contains("10000 bytes"), "{record}");
        assert_eq!(setup.remaining_before_probe(user).await, LIMIT - total(&record));
    }
}

pub(crate) async fn a_compressed_body_passes_as_it_is_and_pays_by_its_answer(setup: &Setup) {
    let user = setup.case("compressed");
    let call = Call::chat(GZIP).header("content-encoding", "gzip").header("x-user-id", user);
    let call = call.header("x-sim-any-body", "1").header("x-sim-prompt-tokens", "77");
    let answer = setup.http1().send(call).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    let seen = setup.upstream.ledger().last().unwrap();
    assert_eq!(seen.body, GZIP);
    assert_eq!(seen.header("content-encoding"), Some("gzip"));
    let record = setup.record();
    assert_usage(&record, "reported", setup.billed());
    assert_eq!(record["unread"], "the body is compressed");
    assert_eq!(setup.remaining_before_probe(user).await, LIMIT - 77 - 24);
}

pub(crate) async fn a_body_that_is_not_json_gets_the_providers_own_error(setup: &Setup) {
    let user = setup.case("not JSON");
    let call = || Call::chat(NOT_JSON).header("x-user-id", user);
    let answer = setup.http1().send(call()).await;
    assert_eq!(answer.status, 400, "{}", answer.text());
    assert_eq!(answer.body, setup.direct().send(call()).await.body);
    assert_free(&setup.record(), setup.billed());
    assert_eq!(setup.remaining_before_probe(user).await, LIMIT);
}

pub(crate) async fn a_body_that_is_empty_gets_the_providers_own_error(setup: &Setup) {
    let user = setup.case("no body");
    let call = || Call::chat("").header("x-user-id", user);
    let answer = setup.http1().send(call()).await;
    assert_eq!(answer.status, 400, "{}", answer.text());
    assert_eq!(answer.body, setup.direct().send(call()).await.body);
    assert_free(&setup.record(), setup.billed());
}

pub(crate) async fn a_body_that_waits_to_be_asked_for_is_asked_for(setup: &Setup) {
    setup.case("100-continue");
    let answer = setup.http1().send(Call::chat(hello("gpt-4o")).header("expect", "100-continue")).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    assert_eq!(setup.upstream.ledger().last().unwrap().body, hello("gpt-4o"));
    assert_usage(&setup.record(), "reported", setup.billed());
}

pub(crate) async fn a_hang_up_in_the_upload_costs_nothing(setup: &Setup) {
    for (name, client) in [("upload", setup.http1()), ("upload over http2", setup.http2())] {
        let user = setup.case(name);
        let requests = setup.envoy_requests();
        let body = hello("gpt-4o");
        let (first, never) = body.split_at(30);
        let call = Call::chat("").header("x-user-id", user).unfinished(first);
        let waiting = tokio::spawn(async move { client.start(call).await });
        until(|| setup.envoy_requests() > requests).await;
        waiting.abort();
        let record = setup.record();
        assert_eq!(record["ending"], "abandoned", "{never} {record}");
        assert_free(&record, setup.billed());
        assert_eq!(setup.remaining_before_probe(user).await, LIMIT);
    }
}

/// One byte that is no UTF-8 in a header traps filters of the usual SDK (proxy-wasm-rust-sdk #25, #263).
pub(crate) async fn a_user_id_that_is_no_text_is_a_user_like_others(setup: &Setup) {
    for (user, written) in [(b"\xa1\xb1", "\u{fffd}\\xa1\\xb1"), (b"\xa1\xb2", "\u{fffd}\\xa1\\xb2")] {
        setup.case(written);
        let answer = setup.http1().send(Call::chat(hello("gpt-4o")).header("x-user-id", user)).await;
        assert_eq!(answer.status, 200, "{}", answer.text());
        let record = setup.record();
        assert_eq!(record["identity"]["user"], written);
        // Each has a budget of its own.
        assert_eq!(answer.remaining(), LIMIT - record["hold_tokens"].as_u64().unwrap());
        let latin: String = user.iter().map(|byte| char::from(*byte)).collect();
        assert_eq!(setup.upstream.ledger().last().unwrap().header("x-user-id"), Some(&*latin));
    }
}

/// As reported of another filter (coraza-proxy-wasm #288): a request that ends in trailers never shows its
/// last body callback, so a check that waits for it is bypassed.
pub(crate) async fn request_trailers_do_not_bypass_the_budget(setup: &Setup) {
    let user = setup.case("trailers");
    let with_trailers = || {
        let call = Call::chat("").header("x-user-id", user);
        call.pieces(hello("gpt-4o").as_bytes(), 30, &[("x-checksum", "abc")])
    };
    let answer = setup.http2().send(with_trailers()).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    let seen = setup.upstream.ledger().last().unwrap();
    assert_eq!(seen.body, hello("gpt-4o"));
    assert_eq!(seen.trailers, [("x-checksum".to_owned(), "abc".to_owned())]);
    assert_usage(&setup.record(), "reported", setup.billed());
    // 34 of 60 are used, this one needs 34 more.
    let answer = setup.http2().send(with_trailers()).await;
    assert_eq!(answer.status, 429, "{}", answer.text());
    assert_eq!(answer.json()["error"]["code"], "insufficient_quota");
    assert_eq!(setup.upstream.ledger().requests(), 1);
}

pub(crate) async fn a_body_over_envoys_buffer_is_refused_by_envoy_and_holds_nothing(setup: &Setup) {
    let user = setup.case("over Envoy's buffer");
    let answer = setup.http1().send(Call::chat(question_of(100_000)).header("x-user-id", user)).await;
    assert_eq!(answer.status, 413, "{}", answer.text());
    assert_eq!(setup.upstream.ledger().completed_calls(), 0);
    assert_free(&setup.record(), setup.billed());
    assert_eq!(setup.remaining_before_probe(user).await, SMALL_LIMIT);
}

/// Envoy's limit does not hold for HTTP/2, where windows bound what is buffered: the body is read and weighed.
pub(crate) async fn a_body_over_envoys_buffer_does_not_bypass_the_budget_over_http2(setup: &Setup) {
    let user = setup.case("over Envoy's buffer over http2");
    let answer = setup.http2().send(Call::chat(question_of(100_000)).header("x-user-id", user)).await;
    assert!([413, 429].contains(&answer.status), "{} {}", answer.status, answer.text());
    assert_eq!(setup.upstream.ledger().completed_calls(), 0);
    assert_free(&setup.record(), setup.billed());
    assert_eq!(setup.remaining_before_probe(user).await, SMALL_LIMIT);
}

/// A call whose body has about this many bytes, and never more.
pub(crate) fn question_of(bytes: usize) -> String {
    let text = "All work and no play makes Jack a dull boy. ".repeat(bytes / 44);
    json!({"model": "gpt-4o", "messages": [{"role": "user", "content": text}]}).to_string()
}
