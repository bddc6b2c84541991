//! Request bodies of every kind: each call is billed as the provider bills it, whatever its body looks like.
//!
//! With headers held until the body was read, and without, as Istio and Envoy Gateway run the filter.

use crate::client::Call;
use crate::setup::{LIMIT, Setup, assert_free, assert_usage, hello, limited, policy};
use serde_json::{Value, json};
use tokenstile_host::upstream::Bill;

const BOTH: [bool; 2] = [true, false];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_json_call_is_billed_as_stated_and_told_what_remains() {
    for held in BOTH {
        let setup = Setup::new(&policy(held));
        let answer = setup.http1().send(Call::chat(hello("gpt-4o")).header("x-user-id", "ann")).await;
        assert_eq!(answer.status, 200, "{}", answer.text());
        assert_eq!(answer.header("x-tokenstile-decision"), Some("allow"));
        let told = answer.header("ratelimit-policy").unwrap();
        assert_eq!(told, format!("\"daily\";q={LIMIT};qu=\"tokens\";w=86400"));
        let record = setup.record();
        assert_usage(&record, "reported", setup.billed());
        assert_eq!(record["identity"]["user"], "ann");
        assert_eq!(record["ending"], "complete");
        assert_eq!(record["model_answered"], "gpt-4o-2024-08-06");
        assert_eq!(answer.remaining(), LIMIT - record["hold_tokens"].as_u64().unwrap());
        assert_eq!(setup.remaining_before_probe("ann").await, LIMIT - answer_total(&record));
        // The counters are the records' sums.
        let metrics = setup.envoy.metrics().unwrap();
        let billed = setup.billed();
        assert_eq!(metrics["tokenstile_tokens_input"], billed.prompt_tokens as f64, "{metrics:?}");
        assert_eq!(metrics["tokenstile_tokens_output"], billed.completion_tokens as f64, "{metrics:?}");
        assert_eq!(metrics["tokenstile_requests_allow"], 2.0, "{metrics:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_chunked_body_arrives_whole_and_is_counted_whole() {
    for held in BOTH {
        let setup = Setup::new(&policy(held));
        let body = question_of(20_000);
        let answer = setup.http1().send(Call::chat("").pieces(body.as_bytes(), 3_000, &[])).await;
        assert_eq!(answer.status, 200, "{}", answer.text());
        assert_eq!(setup.upstream.ledger().last().unwrap().body, body.as_bytes());
        let record = setup.record();
        assert_usage(&record, "reported", setup.billed());
        // The hold's prompt is the provider's own count: the body was read whole.
        let expected_output = 512;
        assert_eq!(record["hold_tokens"], setup.billed().prompt_tokens + expected_output);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn http2_calls_are_billed() {
    for held in BOTH {
        let setup = Setup::with(&policy(held), |options| options.upstream_http2 = true);
        let client = setup.http2();
        let body = question_of(20_000);
        for call in [Call::chat(body.clone()), Call::chat("").pieces(body.as_bytes(), 3_000, &[])] {
            let answer = client.send(call).await;
            assert_eq!(answer.status, 200, "{}", answer.text());
            assert_eq!(setup.upstream.ledger().last().unwrap().body, body.as_bytes());
        }
        let records = setup.records(2);
        assert_eq!(sum(&records), setup.billed().total_tokens());
        assert_eq!(records[0]["hold_tokens"], records[1]["hold_tokens"]);
    }
}

/// As reported of another filter (coraza-proxy-wasm #288): a request that ends in trailers never shows its
/// last body callback, so a check that waits for it is bypassed.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn request_trailers_do_not_bypass_the_budget() {
    for held in BOTH {
        let policy = limited(held, 60, 24);
        let setup = Setup::with(&policy, |options| options.upstream_http2 = true);
        let with_trailers =
            || Call::chat("").pieces(hello("gpt-4o").as_bytes(), 30, &[("x-checksum", "abc")]);
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
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_body_over_envoys_buffer_is_refused_by_envoy_and_holds_nothing() {
    for held in BOTH {
        let setup = Setup::with(&policy(held), |options| options.buffer_limit_bytes = 16 * 1024);
        let answer = setup.http1().send(Call::chat(question_of(100_000)).header("x-user-id", "ann")).await;
        assert_eq!(answer.status, 413, "{}", answer.text());
        assert_eq!(setup.upstream.ledger().completed_calls(), 0);
        assert_free(&setup.record(), setup.billed());
        assert_eq!(setup.remaining_before_probe("ann").await, LIMIT);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_body_over_the_policys_limit_pays_by_its_answer_or_is_refused() {
    for (held, chunked) in [(true, false), (true, true), (false, false), (false, true)] {
        let mut policy = policy(held);
        policy["max_body_bytes"] = json!(10_000);
        let body = question_of(50_000);
        let call = || {
            let call = Call::chat(body.clone()).header("x-user-id", "ann");
            if chunked { call.pieces(body.as_bytes(), 3_000, &[]) } else { call }
        };
        let setup = Setup::new(&policy);
        let answer = setup.http1().send(call()).await;
        assert_eq!(answer.status, 200, "held {held}, chunked {chunked}: {}", answer.text());
        assert_eq!(setup.upstream.ledger().last().unwrap().body, body.as_bytes());
        let record = setup.record();
        assert_usage(&record, "reported", setup.billed());
        assert!(record["unread"].as_str().unwrap().contains("10000 bytes"), "{record}");
        let used = setup.billed().total_tokens();
        assert_eq!(setup.remaining_before_probe("ann").await, LIMIT - used);

        policy["unread"] = json!("deny");
        let setup = Setup::new(&policy);
        let answer = setup.http1().send(call()).await;
        assert_eq!(answer.status, 413, "held {held}, chunked {chunked}: {}", answer.text());
        assert_eq!(answer.json()["error"]["code"], "request_too_large");
        assert_free(&setup.record(), setup.billed());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_compressed_body_passes_as_it_is_and_pays_by_its_answer_or_is_refused() {
    // `gzip` of `{"model":"gpt-4o","messages":[]}`; nobody reads it.
    let gzip: &[u8] = b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x02\x03\xabV\xca\xcdOI\xcdQ\xb2RJ/(\xd15\xc9W\xd2Q\xcaM-.NLO-V\xb2\x8a\x8e\xad\x05\x00Z\x0b\xb2\xb6 \x00\x00\x00";
    let call = || {
        let call = Call::chat(gzip).header("content-encoding", "gzip").header("x-user-id", "ann");
        call.header("x-sim-any-body", "1").header("x-sim-prompt-tokens", "77")
    };
    for held in BOTH {
        let setup = Setup::new(&policy(held));
        let answer = setup.http1().send(call()).await;
        assert_eq!(answer.status, 200, "{}", answer.text());
        let seen = setup.upstream.ledger().last().unwrap();
        assert_eq!(seen.body, gzip);
        assert_eq!(seen.header("content-encoding"), Some("gzip"));
        let record = setup.record();
        assert_usage(&record, "reported", setup.billed());
        assert_eq!(record["unread"], "the body is compressed");
        assert_eq!(setup.remaining_before_probe("ann").await, LIMIT - 77 - 24);

        let refused = refused_as_unreadable(held, call()).await;
        assert!(refused.contains("compressed"), "{refused}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_body_that_is_not_json_gets_the_providers_own_error_or_is_refused() {
    let call = || Call::chat(r#"{"model":"gpt-4o","messages":[}"#).header("x-user-id", "ann");
    for held in BOTH {
        let setup = Setup::new(&policy(held));
        let answer = setup.http1().send(call()).await;
        assert_eq!(answer.status, 400, "{}", answer.text());
        assert_eq!(answer.body, setup.direct().send(call()).await.body);
        assert_free(&setup.record(), setup.billed());
        assert_eq!(setup.remaining_before_probe("ann").await, LIMIT);

        refused_as_unreadable(held, call()).await;
    }
}

/// Many parsers keep the last of two equal keys and some the first: such a body could be checked as one
/// model and served as another.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_body_with_two_models_is_not_believed() {
    let body = r#"{"model":"gpt-4o-mini","messages":[],"model":"gpt-4o"}"#;
    let refused = refused_as_unreadable(true, Call::chat(body)).await;
    assert!(refused.contains("twice"), "{refused}");
}

/// One byte that is no UTF-8 in a header traps filters of the usual SDK (proxy-wasm-rust-sdk #25, #263).
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_user_id_that_is_no_text_is_a_user_like_others() {
    for held in BOTH {
        let setup = Setup::new(&policy(held));
        for (user, written) in [(b"\xa1\xb1", r"\xa1\xb1"), (b"\xa1\xb2", r"\xa1\xb2")] {
            let earlier = setup.envoy.log().records().len();
            let answer = setup.http1().send(Call::chat(hello("gpt-4o")).header("x-user-id", user)).await;
            assert_eq!(answer.status, 200, "{}", answer.text());
            let record = setup.records(earlier + 1).pop().unwrap();
            assert_eq!(record["identity"]["user"], written);
            // Each has a budget of its own.
            assert_eq!(answer.remaining(), LIMIT - record["hold_tokens"].as_u64().unwrap());
            assert_eq!(
                setup.upstream.ledger().last().unwrap().header("x-user-id"),
                Some(latin(user)).as_deref()
            );
        }
    }
}

async fn refused_as_unreadable(held: bool, call: Call) -> String {
    let mut policy = policy(held);
    policy["opaque"] = json!("deny");
    let setup = Setup::new(&policy);
    let answer = setup.http1().send(call).await;
    assert_eq!(answer.status, 400, "{}", answer.text());
    assert_eq!(answer.header("x-should-retry"), Some("false"));
    let error = &answer.json()["error"];
    assert_eq!(error["code"], "unreadable_body");
    assert_eq!(setup.upstream.ledger().requests(), 0);
    assert_free(&setup.record(), Bill::default());
    error["message"].as_str().unwrap().to_owned()
}

fn question_of(bytes: usize) -> String {
    let text = "All work and no play makes Jack a dull boy. ".repeat(bytes / 44);
    json!({"model": "gpt-4o", "messages": [{"role": "user", "content": text}]}).to_string()
}

fn latin(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| char::from(*byte)).collect()
}

fn answer_total(record: &Value) -> u64 {
    record["usage"]["input"].as_u64().unwrap() + record["usage"]["output"].as_u64().unwrap()
}

fn sum(records: &[Value]) -> u64 {
    records.iter().map(answer_total).sum()
}
