//! The built filter in the embedded proxy, from the request to the settled budget: what the provider billed is what
//! was recorded. The cases themselves are in `tests/cases/`; here is what needs real connections.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by a panic")]

mod serve_support;

use http_body_util::BodyExt;
use hyper::{Request, Response, body::Incoming};
use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioExecutor;
use serde_json::Value;
use serve_support::{Body, PATIENCE, Raw, body, on_runtime, send, wait_for_line};
use std::process::Command;
use std::time::Duration;
use tokenstile_host::cases::filter;
use tokenstile_host::demo::{self, Way};
use tokenstile_host::host::LogLine;
use tokenstile_host::serve::{Config, Server};
use tokenstile_host::upstream::Upstream;

const POLICY: &str = r#"{"version": 1, "name": "test", "hold_headers": true,
    "identity": {"user": ["header:x-user-id", "value:anonymous"]},
    "budgets": [{"name": "daily", "per": ["user"], "limit": {"tokens": 100000000},
        "window": {"calendar": "day"}, "ladder": [{"at": "100%", "deny": {}}]}]}"#;

const CALL: &str = r#"{"model":"gpt-4o","messages":[{"role":"user","content":"What is a turnstile?"}]}"#;
const STREAMED: &str =
    r#"{"model":"gpt-4o","stream":true,"messages":[{"role":"user","content":"What is a turnstile?"}]}"#;

fn upstream() -> Upstream {
    Upstream::start("127.0.0.1:0".parse().unwrap()).unwrap()
}

fn proxy(upstream: &Upstream, workers: usize) -> Server {
    let target = upstream.url().replace("http://", "h2c://").parse().unwrap();
    let mut config = Config::new(filter::module().unwrap(), POLICY, target);
    config.workers = workers;
    Server::start(&config).unwrap()
}

fn call(server: &Server, json: &'static str) -> Request<Body> {
    call_to(server, "/v1/chat/completions", json)
}

fn call_to(server: &Server, path: &str, json: &'static str) -> Request<Body> {
    let request = Request::post(format!("{}{path}", server.url()));
    request.header("content-type", "application/json").body(body(json)).unwrap()
}

fn records(server: &Server) -> Vec<Value> {
    let lines = server.shared().log().lines();
    let texts = lines.iter().map(LogLine::text);
    texts.filter_map(|line| serde_json::from_str(line.strip_prefix("tokenstile-record ")?).ok()).collect()
}

/// Prompt and completion tokens of all records.
fn recorded(server: &Server) -> (u64, u64) {
    let records = records(server);
    let sum = |side: &str| records.iter().filter_map(|record| record["usage"][side].as_u64()).sum();
    (sum("input"), sum("output"))
}

fn billed(upstream: &Upstream) -> (u64, u64) {
    let bill = upstream.ledger().billed();
    (bill.prompt_tokens, bill.completion_tokens)
}

async fn whole(answer: Response<Incoming>) -> String {
    String::from_utf8(answer.into_body().collect().await.unwrap().to_bytes().to_vec()).unwrap()
}

#[test]
fn an_answer_and_a_stream_are_settled_as_the_provider_billed_them() {
    let upstream = upstream();
    let server = proxy(&upstream, 1);
    on_runtime(async {
        let answer = send(call(&server, CALL), false).await;
        assert_eq!(answer.status(), 200);
        assert!(answer.headers().contains_key("ratelimit"));
        assert!(whole(answer).await.contains("\"usage\""));
        // Settled before the client has the last byte, so that a quota page never lags behind.
        assert_eq!(recorded(&server), billed(&upstream));
        let stream = whole(send(call(&server, STREAMED), true).await).await;
        assert!(stream.ends_with("data: [DONE]\n\n"), "{stream}");
        // The client did not ask for usage, so none was sent: the filter counts.
        assert!(!stream.contains("\"usage\""));
    });
    assert_eq!(upstream.ledger().billed().requests, 2);
    assert_eq!(recorded(&server), billed(&upstream));
}

/// OpenAI's Responses, whole, streamed, and cut short by the request's own bound.
#[test]
fn responses_are_settled_as_the_provider_billed_them() {
    let upstream = upstream();
    let server = proxy(&upstream, 1);
    let asked = [
        (r#"{"model":"gpt-4o","input":"What is a turnstile?"}"#, "\"status\":\"completed\""),
        (
            r#"{"model":"gpt-4o","stream":true,"instructions":"Be brief.","input":[{"role":"user","content":"Why?"}]}"#,
            "event: response.completed",
        ),
        (
            r#"{"model":"gpt-4o","stream":true,"max_output_tokens":16,"input":"Why?"}"#,
            "event: response.incomplete",
        ),
    ];
    on_runtime(async {
        for (json, ends) in asked {
            let mut request = call_to(&server, "/v1/responses", json);
            request.headers_mut().insert("x-sim-output-tokens", "40".parse().unwrap());
            let answer = whole(send(request, false).await).await;
            assert!(answer.contains(ends), "{answer}");
            assert_eq!(recorded(&server), billed(&upstream));
        }
    });
    assert_eq!(billed(&upstream).1, 40 + 40 + 16);
    let dialects: Vec<_> = records(&server).iter().map(|record| record["dialect"].clone()).collect();
    assert_eq!(dialects, ["openai-responses"; 3]);
}

#[test]
fn a_hang_up_in_mid_stream_pays_for_what_came() {
    let upstream = upstream();
    let server = proxy(&upstream, 1);
    let mut client = Raw::connect(server.addr());
    let length = STREAMED.len();
    client.send(format!(
        "POST /v1/chat/completions HTTP/1.1\r\nhost: proxy\r\nx-sim-output-tokens: 500\r\n\
         x-sim-stall-after: 7\r\ncontent-length: {length}\r\n\r\n{STREAMED}"
    ));
    assert!(client.head().starts_with("HTTP/1.1 200"));
    // The role comes first, then one token a chunk.
    (0..8).for_each(|_| assert!(client.chunk().starts_with("data: ")));
    drop(client);
    wait_for_line(&server, "tokenstile-record");
    let record = &records(&server)[0];
    assert_eq!(record["ending"], "cut");
    assert_eq!(record["usage"]["output"], 7);
    assert_eq!(recorded(&server), billed(&upstream));
}

/// Two thousand calls at once on two workers, JSON and streams: nothing is lost between the VMs and the bill.
#[test]
fn many_calls_at_once_are_all_settled() {
    const CONNECTIONS: u64 = 8;
    const CALLS_EACH: u64 = 250;
    let upstream = upstream();
    let server = proxy(&upstream, 2);
    on_runtime(async {
        let mut calls = Vec::new();
        for _ in 0..CONNECTIONS {
            let client = Client::builder(TokioExecutor::new()).http2_only(true).build_http::<Body>();
            for number in 0..CALLS_EACH {
                let request = call(&server, if number % 2 == 0 { CALL } else { STREAMED });
                let client = client.clone();
                calls.push(tokio::spawn(
                    async move { whole(client.request(request).await.unwrap()).await.len() },
                ));
            }
        }
        for call in calls {
            assert!(call.await.unwrap() > 0);
        }
    });
    assert_eq!(upstream.ledger().billed().requests, CONNECTIONS * CALLS_EACH);
    assert_eq!(records(&server).len() as u64, CONNECTIONS * CALLS_EACH);
    assert_eq!(recorded(&server), billed(&upstream));
}

#[test]
fn a_policy_with_a_typo_is_refused_at_the_start_with_the_key_and_exit_code_1() {
    let dir = std::env::temp_dir().join(format!("tokenstile-typo-{}", std::process::id()));
    std::fs::create_dir_all(&dir).unwrap();
    let policy = dir.join("policy.json");
    std::fs::write(&policy, POLICY.replace("\"budgets\"", "\"budgetz\"")).unwrap();
    let output = Command::new(env!("CARGO_BIN_EXE_tokenstile"))
        .args(["serve", "--upstream", "http://127.0.0.1:9", "--listen", "127.0.0.1:0", "--policy"])
        .arg(&policy)
        .arg("--wasm")
        .arg(filter::path().unwrap())
        .output()
        .unwrap();
    std::fs::remove_dir_all(dir).unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.contains("`budgetz`") && said.contains("`budgets`"), "{said}");
}

#[test]
fn a_filter_that_is_not_there_is_an_error_that_says_how_to_build_it() {
    let output = Command::new(env!("CARGO_BIN_EXE_tokenstile"))
        .args(["demo", "--wasm", "/nowhere/tokenstile.wasm"])
        .output()
        .unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(2), "{said}");
    assert!(said.contains("cargo xtask build"), "{said}");
}

#[test]
fn stopping_lets_an_answer_in_flight_end() {
    let upstream = upstream();
    let server = proxy(&upstream, 1);
    let mut client = Raw::connect(server.addr());
    let length = STREAMED.len();
    client.send(format!(
        "POST /v1/chat/completions HTTP/1.1\r\nhost: proxy\r\nx-sim-output-tokens: 20\r\n\
         x-sim-chunk-delay-ms: 10\r\ncontent-length: {length}\r\n\r\n{STREAMED}"
    ));
    assert!(client.head().starts_with("HTTP/1.1 200"));
    let stopped = std::thread::spawn(move || server.stop(PATIENCE));
    let mut last = String::new();
    while !last.contains("[DONE]") {
        last = client.chunk();
        assert_ne!(last, "", "it ended before its end");
    }
    stopped.join().unwrap();
}

/// It fails by itself if the bill and the records differ.
#[test]
fn the_demo_tells_a_day_in_which_no_token_is_missing() {
    demo::run(Way::Embedded(filter::module().unwrap())).unwrap();
}

#[test]
fn a_stalled_stream_does_not_hold_up_the_end() {
    let upstream = upstream();
    let server = proxy(&upstream, 1);
    let mut client = Raw::connect(server.addr());
    let length = STREAMED.len();
    client.send(format!(
        "POST /v1/chat/completions HTTP/1.1\r\nhost: proxy\r\nx-sim-stall-after: 2\r\n\
         content-length: {length}\r\n\r\n{STREAMED}"
    ));
    assert!(client.head().starts_with("HTTP/1.1 200"));
    let shared = server.shared().clone();
    server.stop(Duration::from_millis(50));
    let ended = shared.log().lines().iter().any(|line| line.text().contains("\"ending\":\"cut\""));
    assert!(ended, "the filter did not hear that the answer was cut");
}
