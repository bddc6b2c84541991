//! The simulated provider answers as OpenAI documents it, and its books hold what it sent.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by a panic")]

mod serve_support;

use http_body_util::BodyExt;
use hyper::Request;
use serde_json::{Value, json};
use serve_support::{Body, body, on_runtime, send};
use tokenstile_host::upstream::Upstream;

const SAY_HI: &str = r#"[{"role":"user","content":"hi"}]"#;

fn upstream() -> Upstream {
    Upstream::start("127.0.0.1:0".parse().unwrap()).unwrap()
}

fn chat(upstream: &Upstream, more: &str, headers: &[(&str, &str)]) -> Request<Body> {
    let json = format!(r#"{{"model":"gpt-4o","messages":{SAY_HI}{more}}}"#);
    let request = Request::post(format!("{}/v1/chat/completions", upstream.url()));
    headers
        .iter()
        .fold(request, |request, (name, value)| request.header(*name, *value))
        .body(body(json))
        .unwrap()
}

/// Status and body; a body that breaks off is an error.
fn text(request: Request<Body>) -> Result<(u16, String), String> {
    on_runtime(async {
        let answer = send(request, false).await;
        let status = answer.status().as_u16();
        let bytes = answer.into_body().collect().await.map_err(|why| why.to_string())?.to_bytes();
        Ok((status, String::from_utf8(bytes.to_vec()).unwrap()))
    })
}

/// The events of a stream but for `[DONE]`, which has to end it.
fn events(stream: &str) -> Vec<Value> {
    let events = stream.strip_suffix("data: [DONE]\n\n").expect("it ends with [DONE]");
    events
        .split_terminator("\n\n")
        .map(|event| serde_json::from_str(&event["data: ".len()..]).unwrap())
        .collect()
}

#[test]
fn an_answer_states_its_usage_and_the_books_agree() {
    let upstream = upstream();
    let headers = [("x-sim-output-tokens", "5"), ("x-sim-cached-tokens", "3")];
    let (status, answer) = text(chat(&upstream, "", &headers)).unwrap();
    let answer: Value = serde_json::from_str(&answer).unwrap();
    assert_eq!(status, 200);
    assert_eq!(answer["object"], "chat.completion");
    assert_eq!(answer["choices"][0]["message"]["content"], " the budget is a number");
    assert_eq!(answer["choices"][0]["finish_reason"], "stop");
    assert_eq!(answer["usage"]["prompt_tokens"], 8);
    assert_eq!(answer["usage"]["completion_tokens"], 5);
    assert_eq!(answer["usage"]["total_tokens"], 13);
    assert_eq!(answer["usage"]["prompt_tokens_details"]["cached_tokens"], 3);
    let page = text(Request::get(format!("{}/__sim/ledger", upstream.url())).body(body("")).unwrap());
    let page: Value = serde_json::from_str(&page.unwrap().1).unwrap();
    assert_eq!(page["by_model"]["gpt-4o"]["total_tokens"], 13);
    assert_eq!(
        page["billed"],
        json!({"requests": 1, "prompt_tokens": 8, "completion_tokens": 5, "total_tokens": 13})
    );
    assert_eq!(page["completed"], 1);
}

#[test]
fn the_requests_own_bound_ends_an_answer_and_each_choice_is_billed() {
    let upstream = upstream();
    let (_, answer) = text(chat(&upstream, r#","max_completion_tokens":4,"n":3"#, &[])).unwrap();
    let answer: Value = serde_json::from_str(&answer).unwrap();
    assert_eq!(answer["choices"].as_array().unwrap().len(), 3);
    assert_eq!(answer["choices"][2]["finish_reason"], "length");
    assert_eq!(answer["usage"]["completion_tokens"], 12);
    assert_eq!(upstream.ledger().billed().completion_tokens, 12);
}

#[test]
fn a_stream_states_its_usage_only_when_asked() {
    let upstream = upstream();
    let (_, plain) = text(chat(&upstream, r#","stream":true"#, &[("x-sim-output-tokens", "3")])).unwrap();
    let plain = events(&plain);
    assert_eq!(plain.len(), 1 + 3 + 1, "the role, three tokens, the end");
    assert!(plain.iter().all(|event| event.get("usage").is_none()));
    assert_eq!(plain[1]["choices"][0]["delta"]["content"], " the");
    assert_eq!(plain[4]["choices"][0]["finish_reason"], "stop");

    let asked = r#","stream":true,"stream_options":{"include_usage":true}"#;
    let (_, asked) = text(chat(&upstream, asked, &[("x-sim-output-tokens", "3")])).unwrap();
    let asked = events(&asked);
    let (last, others) = asked.split_last().unwrap();
    assert!(others.iter().all(|event| event["usage"].is_null() && event.get("usage").is_some()));
    assert_eq!(last["choices"], json!([]));
    assert_eq!(last["usage"]["completion_tokens"], 3);
}

#[test]
fn a_stream_in_pieces_of_any_size_is_the_same_stream() {
    let upstream = upstream();
    let whole = text(chat(&upstream, r#","stream":true"#, &[])).unwrap().1;
    let pieces = text(chat(&upstream, r#","stream":true"#, &[("x-sim-split", "7")])).unwrap().1;
    assert_eq!(pieces, whole.replace("sim00000001", "sim00000002"));
}

#[test]
fn a_cut_breaks_the_connection_and_bills_what_had_left() {
    let upstream = upstream();
    let cut = text(chat(&upstream, r#","stream":true"#, &[("x-sim-cut-after", "4")]));
    assert!(cut.is_err(), "{cut:?}");
    assert_eq!(upstream.ledger().billed().completion_tokens, 4);
    assert_eq!(upstream.ledger().completed_calls(), 0);
}

#[test]
fn errors_are_worded_as_the_provider_words_them_and_cost_nothing() {
    let upstream = upstream();
    let (status, answer) = text(chat(&upstream, "", &[("x-sim-status", "500")])).unwrap();
    assert_eq!(status, 500);
    assert_eq!(serde_json::from_str::<Value>(&answer).unwrap()["error"]["type"], "server_error");
    let broken = Request::post(format!("{}/v1/chat/completions", upstream.url())).body(body("{")).unwrap();
    let (status, answer) = text(broken).unwrap();
    assert_eq!(status, 400);
    assert!(answer.contains("invalid_request_error"));
    assert_eq!(upstream.ledger().billed().total_tokens(), 0);
    assert_eq!(upstream.ledger().requests(), 2);
}
