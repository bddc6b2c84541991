//! What is not ours passes untouched, byte for byte, also when it is far larger than any buffer.

use crate::client::Call;
use crate::setup::{Setup, hello};
use hyper::Method;
use serde_json::{Value, json};

pub(crate) async fn other_paths_pass_byte_for_byte(setup: &Setup) {
    setup.case("other paths");
    let bytes: Vec<u8> = (0..300_000_u32).map(|i| (i.wrapping_mul(2_654_435_761) >> 13) as u8).collect();
    for client in [setup.http1(), setup.http2()] {
        for path in ["/v1/files", "/", "/upload?x=/chat/completions"] {
            let call = Call::new(Method::POST, path).header("x-sim-echo", "raw");
            let call = call.header("content-type", "application/x-things").body(bytes.clone());
            let answer = client.send(call).await;
            assert_eq!(answer.status, 200, "{path}");
            assert!(answer.body == bytes, "{path}: the body changed");
            assert_eq!(answer.header("content-type"), Some("application/x-things"));
            assert!(answer.headers.keys().all(|name| !is_ours(name.as_str())), "{answer:?}");
        }
    }
    setup.records(0);
}

pub(crate) async fn other_methods_and_headers_pass_as_they_are(setup: &Setup) {
    setup.case("other methods");
    let odd: &[u8] = b"\xa1\xb1";
    let call = |method: &Method| {
        let call = Call::new(method.clone(), "/v1/chat/completions/chatcmpl-1?after=2");
        let call = call.header("accept-encoding", "gzip, br").header("x-odd", odd);
        let call = call.header("x-twice", "1").header("x-twice", "2");
        // Envoy states the length of an empty body, where a client need not.
        if method == Method::POST { call.body("{}") } else { call }
    };
    for method in [Method::GET, Method::DELETE, Method::POST] {
        let answer = setup.http1().send(call(&method)).await;
        let direct = setup.direct().send(call(&method)).await;
        assert_eq!(seen(&answer.json()), seen(&direct.json()), "{method}");
    }
    let models = Call::new(Method::GET, "/v1/models");
    assert_eq!(setup.http1().send(models).await.json()["object"], "list");
    setup.records(0);
}

pub(crate) async fn the_providers_headers_pass_beside_ours(setup: &Setup) {
    setup.case("the provider's headers");
    let direct = setup.direct().send(Call::chat(hello("gpt-4o"))).await;
    let answer = setup.http1().send(Call::chat(hello("gpt-4o"))).await;
    for name in direct.headers.keys().filter(|name| !["date", "x-request-id"].contains(&name.as_str())) {
        assert_eq!(answer.headers.get(name), direct.headers.get(name), "{name}");
    }
    assert_eq!(answer.header("x-request-id"), Some("req_sim00000002"));
    let known = |name: &str| name.starts_with("x-envoy") || name == "server" || is_ours(name);
    let added = answer.headers.keys().filter(|name| !direct.headers.contains_key(*name));
    let strange: Vec<_> = added.filter(|name| !known(name.as_str())).collect();
    assert!(strange.is_empty(), "{strange:?}");
}

/// Reports say that gateways change `anthropic-ratelimit-*` headers and error bodies on the way; a client that goes by
/// them is led astray.
pub(crate) async fn the_providers_limits_and_errors_pass_as_they_are(setup: &Setup) {
    setup.case("the provider's limits and errors");
    let messages =
        r#"{"model":"claude-haiku-4-5","max_tokens":50,"messages":[{"role":"user","content":"Say hello."}]}"#;
    let contents = r#"{"contents":[{"role":"user","parts":[{"text":"Say hello."}]}]}"#;
    let limit = [
        ("/v1/chat/completions", hello("gpt-4o"), Some("x-ratelimit-remaining-requests")),
        ("/v1/messages", messages.to_owned(), Some("anthropic-ratelimit-requests-remaining")),
        ("/v1beta/models/gemini-2.5-flash:generateContent", contents.to_owned(), None),
    ];
    let mut calls = 0;
    for (path, body, limit) in limit {
        for status in [200, 429, 500] {
            let call = || {
                let call = Call::new(Method::POST, path).header("content-type", "application/json");
                let call = if status == 200 { call } else { call.header("x-sim-status", status.to_string()) };
                call.body(body.clone())
            };
            let (direct, answer) = (setup.direct().send(call()).await, setup.http1().send(call()).await);
            calls += 1;
            assert_eq!((direct.status, answer.status), (status, status), "{path}");
            // The number of the request is in what the provider says.
            if status != 200 {
                assert_eq!(answer.body, direct.body, "{path}");
            }
            for name in direct.headers.keys().filter(|name| !name.as_str().contains("request-id")) {
                let changes = name == "date" || name == "content-length";
                assert!(changes || answer.headers.get(name) == direct.headers.get(name), "{path}: {name}");
            }
            if let Some(limit) = limit {
                assert_eq!(answer.headers.get_all(limit).iter().count(), 1, "{path}: {answer:?}");
            }
        }
    }
    setup.records(calls);
}

fn is_ours(name: &str) -> bool {
    name.starts_with("x-tokenstile") || name.starts_with("ratelimit")
}

/// What the provider saw, without what every Envoy adds and the name under which it was called.
fn seen(echo: &Value) -> Value {
    let of_envoy = |name: &str| {
        name.starts_with("x-envoy") || ["host", "x-forwarded-proto", "x-request-id"].contains(&name)
    };
    let headers = echo["headers"].as_array().unwrap().iter();
    let mut headers: Vec<Value> =
        headers.filter(|pair| !of_envoy(pair[0].as_str().unwrap())).cloned().collect();
    headers.sort_by_key(ToString::to_string);
    json!({"method": echo["method"], "path": echo["path"], "headers": headers, "body": echo["body_base64"]})
}
