//! What the embedded proxy passes on, what it answers itself, and how a filter that pauses gets going again.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by a panic")]

mod host_support;
mod serve_support;

use bytes::Bytes;
use host_support::{Filter, OUT};
use http_body_util::BodyExt;
use http_body_util::channel::Channel;
use hyper::header::HeaderValue;
use hyper::{HeaderMap, Request, Version};
use serve_support::{ByHand, Raw, body, on_runtime, send, serve, wait_for_line};
use tokenstile_host::host::{Module, Profile};
use tokenstile_host::serve::{Config, Error, Server};
use tokenstile_host::upstream::Upstream;

fn upstream() -> Upstream {
    Upstream::start("127.0.0.1:0".parse().unwrap()).unwrap()
}

fn nothing() -> Module {
    Filter::default().module()
}

fn every_byte() -> Bytes {
    (0..300_000_u32).map(|n| (n.wrapping_mul(31) >> 3) as u8).collect::<Vec<u8>>().into()
}

#[test]
fn a_call_that_nobody_meters_passes_byte_for_byte() {
    for http2 in [false, true] {
        let upstream = upstream();
        let server = serve(&nothing(), &upstream.url());
        let request = Request::post(format!("{}/any/%2e%2E/path?q=%00&q=1", server.url()))
            .header("x-bytes", HeaderValue::from_bytes(b"\xa1\xb1").unwrap())
            .header("x-twice", "1")
            .header("x-twice", "2")
            .header("content-type", "application/x-anything")
            .body(body(every_byte()))
            .unwrap();
        let answer = on_runtime(async {
            let answer = send(request, http2).await;
            assert_eq!(answer.version(), if http2 { Version::HTTP_2 } else { Version::HTTP_11 });
            answer.into_body().collect().await.unwrap().to_bytes()
        });
        let seen = upstream.ledger().last().unwrap();
        assert_eq!(seen.path, "/any/%2e%2E/path?q=%00&q=1");
        assert_eq!(seen.method, "POST");
        assert_eq!(seen.header("x-bytes").unwrap().chars().collect::<Vec<_>>(), ['\u{a1}', '\u{b1}']);
        assert_eq!(seen.headers.iter().filter(|(name, _)| name == "x-twice").count(), 2);
        assert_eq!(seen.header("content-length"), Some("300000"));
        assert!(seen.body == every_byte(), "the body changed on its way");
        assert!(answer.len() > 300_000, "the answer echoes the body in base64");
    }
}

#[test]
fn trailers_pass_in_both_directions_over_http2() {
    let upstream = upstream();
    let server = serve(&nothing(), &upstream.url().replace("http://", "h2c://"));
    let (mut sender, channel) = Channel::<Bytes, std::io::Error>::new(4);
    let request = Request::post(format!("{}/v1/chat/completions", server.url()))
        .header("x-sim-trailers", "1")
        .body(channel.boxed_unsync())
        .unwrap();
    let trailers = on_runtime(async {
        sender.send_data(r#"{"model":"gpt-4o","messages":[]}"#.into()).await.unwrap();
        let mut trailers = HeaderMap::new();
        trailers.insert("x-end", HeaderValue::from_static("of the request"));
        sender.send_trailers(trailers).await.unwrap();
        drop(sender);
        send(request, true).await.into_body().collect().await.unwrap().trailers().cloned()
    });
    assert_eq!(trailers.unwrap().get("x-sim-trailer").unwrap(), "done");
    let seen = upstream.ledger().last().unwrap();
    assert_eq!(seen.trailers, [("x-end".to_owned(), "of the request".to_owned())]);
}

#[test]
fn a_local_reply_takes_the_upstreams_place_and_the_filter_sees_it() {
    let mut filter = Filter::default();
    let (teapot, headers) = (filter.text("no coffee"), filter.map(&[("x-pot", "tea")]));
    let (name, value) = (filter.text("x-seen"), filter.text("yes"));
    let reply = format!(
        "(drop (call $send_local_response (i32.const 418) {teapot} {teapot} {headers} (i32.const -1)))"
    );
    let module = filter
        .on("proxy_on_request_headers", 3, true, &format!("{reply} (i32.const 1)"))
        .on(
            "proxy_on_response_headers",
            3,
            true,
            &format!("(drop (call $add_header_map_value (i32.const 2) {name} {value})) (i32.const 0)"),
        )
        .module();
    let upstream = upstream();
    let server = serve(&module, &upstream.url());
    let request = Request::post(server.url()).body(body("unread")).unwrap();
    let (head, text) = on_runtime(async {
        let (head, body) = send(request, false).await.into_parts();
        (head, body.collect().await.unwrap().to_bytes())
    });
    assert_eq!(head.status, 418);
    assert_eq!(head.headers.get("x-pot").unwrap(), "tea");
    assert_eq!(head.headers.get("x-seen").unwrap(), "yes");
    assert_eq!(head.headers.get("content-length").unwrap(), "9");
    assert_eq!(text, "no coffee");
    assert_eq!(upstream.ledger().requests(), 0);
}

#[test]
fn a_body_that_is_held_is_gathered_and_may_be_replaced() {
    let mut filter = Filter::default();
    let (new, name, length) = (filter.text("short"), filter.text("content-length"), filter.text("5"));
    let replace = format!(
        "(if (result i32) (local.get 2) (then
           (drop (call $set_buffer_bytes (i32.const 0) (i32.const 0) (local.get 1) {new}))
           (drop (call $replace_header_map_value (i32.const 0) {name} {length})) (i32.const 0))
         (else (i32.const 1)))"
    );
    let module = filter
        .on("proxy_on_request_headers", 3, true, "(i32.const 1)")
        .on("proxy_on_request_body", 3, true, &replace)
        .module();
    let upstream = upstream();
    let server = serve(&module, &upstream.url());
    let mut client = Raw::connect(server.addr());
    client.send("POST /x HTTP/1.1\r\nhost: proxy\r\ncontent-length: 18\r\n\r\n");
    for piece in ["longer", " than ", "before"] {
        client.send(piece);
    }
    assert!(client.head().starts_with("HTTP/1.1 200"));
    let seen = upstream.ledger().last().unwrap();
    assert_eq!(seen.body, "short");
    assert_eq!(seen.header("content-length"), Some("5"));
}

#[test]
fn nginx_sends_a_replaced_body_with_its_new_length_and_envoy_what_it_was_told() {
    let mut filter = Filter::default();
    let new = filter.text("much longer than before");
    let replace = format!(
        "(if (local.get 2) (then (drop (call $set_buffer_bytes (i32.const 0) (i32.const 0) (i32.const 2147483647) {new}))))
         (i32.const 0)"
    );
    let module = filter.on("proxy_on_request_body", 3, true, &replace).module();
    let upstream = upstream();
    for (profile, arrived) in [(Profile::Wasmx, "much longer than before"), (Profile::Envoy, "much lo")] {
        let mut config = Config::new(module.clone(), "", upstream.url().parse().unwrap());
        config.vm.profile = profile;
        let server = Server::start(&config).unwrap();
        let request = Request::post(server.url()).body(body("written")).unwrap();
        assert_eq!(on_runtime(send(request, false)).status(), 200);
        let seen = upstream.ledger().last().unwrap();
        assert_eq!(seen.body, arrived, "{profile}");
        assert_eq!(seen.header("content-length"), Some(arrived.len().to_string().as_str()));
    }
}

#[test]
fn the_body_of_a_get_passes_too() {
    let upstream = upstream();
    let server = serve(&nothing(), &upstream.url());
    let mut client = Raw::connect(server.addr());
    client.send("GET /x HTTP/1.1\r\nhost: proxy\r\ntransfer-encoding: chunked\r\n\r\n");
    client.send_chunk("a question");
    client.send("0\r\n\r\n");
    assert!(client.head().starts_with("HTTP/1.1 200"));
    assert_eq!(upstream.ledger().last().unwrap().body, "a question");
}

/// Holds the request at its headers until `wake` runs.
fn holding(filter: Filter, ask: &str) -> Filter {
    filter.with("(global $held (mut i32) (i32.const 0))").on(
        "proxy_on_request_headers",
        3,
        true,
        &format!("(global.set $held (local.get 0)) {ask} (i32.const 1)"),
    )
}

const WAKE: &str = "(if (global.get $held) (then
    (drop (call $set_effective_context (global.get $held)))
    (drop (call $continue_stream (i32.const 0)))))";

#[test]
fn a_tick_lets_a_held_request_go() {
    let ask = "(drop (call $set_tick_period_milliseconds (i32.const 5)))";
    let module = holding(Filter::default(), ask).on("proxy_on_tick", 1, false, WAKE).module();
    let upstream = upstream();
    let server = serve(&module, &upstream.url());
    let answer = on_runtime(send(Request::get(server.url()).body(body("")).unwrap(), false));
    assert_eq!(answer.status(), 200);
    assert_eq!(upstream.ledger().requests(), 1);
}

#[test]
fn the_answer_to_the_filters_own_call_lets_a_held_request_go() {
    let mut filter = Filter::default();
    let cluster = filter.text("quota");
    let headers = filter.map(&[(":method", "GET"), (":path", "/ask"), (":authority", "quota")]);
    let none = "(i32.const 0) (i32.const 0)";
    let ask =
        format!("(call $say (call $http_call {cluster} {headers} {none} {none} (i32.const 5000) {OUT}))");
    let read = "(call $say (call $get_header_map_value (i32.const 6) (i32.const 1016) (i32.const 7)
        (i32.const 16) (i32.const 20))) (call $show)";
    let mut module =
        holding(filter, &ask).on("proxy_on_http_call_response", 5, false, &format!("{read} {WAKE}"));
    // The name of the header to read, where the call above looks for it.
    module = module.with("(data (i32.const 1016) \":status\")");
    let (upstream, quota) = (upstream(), upstream());
    let mut config = Config::new(module.module(), "", upstream.url().parse().unwrap());
    config.clusters.insert("quota".to_owned(), quota.url().parse().unwrap());
    let server = Server::start(&config).unwrap();
    let answer = on_runtime(send(Request::get(server.url()).body(body("")).unwrap(), false));
    assert_eq!(answer.status(), 200);
    assert_eq!(quota.ledger().last().unwrap().path, "/ask");
    assert_eq!(upstream.ledger().requests(), 1);
    assert!(wait_for_line(&server, "200").contains(&"00".to_owned()));
}

#[test]
fn an_upstream_that_nobody_reaches_is_a_503() {
    let gone = ByHand::new().url();
    let server = serve(&nothing(), &gone);
    let answer = on_runtime(send(Request::get(server.url()).body(body("")).unwrap(), false));
    assert_eq!(answer.status(), 503);
}

#[test]
fn a_filter_that_traps_costs_its_request_a_503_and_the_next_finds_a_new_one() {
    let trap_on_post = "(if (i32.eqz (local.get 2)) (then (unreachable))) (i32.const 0)";
    let module = Filter::default().on("proxy_on_request_headers", 3, true, trap_on_post).module();
    let upstream = upstream();
    let server = serve(&module, &upstream.url());
    for (with_body, status) in [(false, 200), (true, 503), (false, 200)] {
        let text = if with_body { "x" } else { "" };
        let answer = on_runtime(send(Request::post(server.url()).body(body(text)).unwrap(), false));
        assert_eq!(answer.status(), status);
    }
}

#[test]
fn a_configuration_that_the_filter_refuses_is_an_error_with_its_words() {
    let mut filter = Filter::default();
    let why = filter.text("unknown field `budgetz`");
    let refuse = format!("(drop (call $log (i32.const 4) {why})) (i32.const 0)");
    let module = filter.on("proxy_on_configure", 2, true, &refuse).module();
    let mut config = Config::new(module, "{}", "http://127.0.0.1:9".parse().unwrap());
    config.workers = 2;
    match Server::start(&config) {
        Err(Error::Filter(error)) => assert!(error.to_string().contains("budgetz"), "{error}"),
        Err(other) => panic!("{other}"),
        Ok(_) => panic!("it started"),
    }
}

/// A client that takes the server for a forward proxy is told what it is. Nothing of a tunnel reaches the upstream.
#[test]
fn a_tunnel_is_refused_with_a_sentence() {
    let upstream = upstream();
    let server = serve(&nothing(), &upstream.url());
    let mut client = Raw::connect(server.addr());
    client.send("CONNECT api.openai.com:443 HTTP/1.1\r\nhost: api.openai.com:443\r\n\r\n");
    let head = client.head();
    assert!(head.starts_with("HTTP/1.1 501 Not Implemented\r\n"), "{head}");
    assert!(head.contains("content-type: text/plain; charset=utf-8\r\n"), "{head}");
    let length = head.split("content-length: ").nth(1).unwrap().split('\r').next().unwrap();
    let mut sentence = vec![0; length.parse().unwrap()];
    std::io::Read::read_exact(&mut client.0, &mut sentence).unwrap();
    let sentence = String::from_utf8(sentence).unwrap();
    assert!(sentence.starts_with("This proxy opens no tunnels: "), "{sentence}");
    assert!(upstream.ledger().last().is_none(), "a tunnel reached the upstream");
}
