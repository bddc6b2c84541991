//! Answers and requests pass through the embedded proxy piece by piece, and the filter hears of a hang-up.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by a panic")]

mod host_support;
mod serve_support;

use host_support::Filter;
use serve_support::{ByHand, Raw, serve, wait_for_line};
use tokenstile_host::host::Module;
use tokenstile_host::upstream::Upstream;

/// Sees every body and says how a stream ended.
fn watching() -> Module {
    let mut filter = Filter::default();
    let (piece, last) = (filter.text("piece"), filter.text("last piece"));
    let (logged, done, deleted) = (filter.text("on_log"), filter.text("on_done"), filter.text("on_delete"));
    let say = |text: &str| format!("(drop (call $log (i32.const 2) {text}))");
    let body = format!("(if (local.get 2) (then {}) (else {})) (i32.const 0)", say(&last), say(&piece));
    filter
        .on("proxy_on_response_body", 3, true, &body)
        .on("proxy_on_request_body", 3, true, "(i32.const 0)")
        .on("proxy_on_log", 1, false, &say(&logged))
        .on("proxy_on_done", 1, true, &format!("{} (i32.const 1)", say(&done)))
        .on("proxy_on_delete", 1, false, &say(&deleted))
        .module()
}

const ANSWER: &str =
    "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n";
const GET: &str = "GET /stream HTTP/1.1\r\nhost: proxy\r\n\r\n";

#[test]
fn a_chunk_reaches_the_client_before_the_upstream_sends_the_next() {
    let upstream = ByHand::new();
    let server = serve(&watching(), &upstream.url());
    let mut client = Raw::connect(server.addr());
    client.send(GET);
    let mut answer = upstream.accept();
    answer.head();
    answer.send(ANSWER);
    assert!(client.head().starts_with("HTTP/1.1 200"), "the head waits for the body");
    for piece in ["data: one\n\n", "data: two\n\n"] {
        // Nothing more is sent until the client has it: a proxy that gathers would make this test time out.
        answer.send_chunk(piece);
        assert_eq!(client.chunk(), piece);
    }
    answer.send("0\r\n\r\n");
    assert_eq!(client.chunk(), "");
    let lines = wait_for_line(&server, "on_delete");
    assert_eq!(lines, ["piece", "piece", "last piece", "on_log", "on_done", "on_delete"]);
}

#[test]
fn a_hang_up_in_mid_stream_reaches_the_filter_and_the_upstream() {
    let upstream = ByHand::new();
    let server = serve(&watching(), &upstream.url());
    let mut client = Raw::connect(server.addr());
    client.send(GET);
    let mut answer = upstream.accept();
    answer.head();
    answer.send(ANSWER);
    answer.send_chunk("data: one\n\n");
    client.head();
    assert_eq!(client.chunk(), "data: one\n\n");
    drop(client);
    let lines = wait_for_line(&server, "on_delete");
    assert_eq!(lines, ["piece", "on_log", "on_done", "on_delete"], "nobody sent the last piece");
    assert_eq!(answer.rest(), b"", "the upstream's connection is closed too");
}

#[test]
fn a_hang_up_before_the_answer_reaches_the_filter() {
    let upstream = ByHand::new();
    let server = serve(&watching(), &upstream.url());
    let mut client = Raw::connect(server.addr());
    client.send(GET);
    let mut answer = upstream.accept();
    answer.head();
    drop(client);
    assert_eq!(wait_for_line(&server, "on_delete"), ["on_log", "on_done", "on_delete"]);
    assert_eq!(answer.rest(), b"");
}

#[test]
fn an_upstream_that_breaks_off_breaks_the_answer() {
    let upstream = ByHand::new();
    let server = serve(&watching(), &upstream.url());
    let mut client = Raw::connect(server.addr());
    client.send(GET);
    let mut answer = upstream.accept();
    answer.head();
    answer.send(ANSWER);
    answer.send_chunk("data: one\n\n");
    client.head();
    client.chunk();
    drop(answer);
    // The chunk of length 0 would say that the answer is whole.
    assert_eq!(client.rest(), b"");
    assert_eq!(wait_for_line(&server, "on_delete"), ["piece", "on_log", "on_done", "on_delete"]);
}

#[test]
fn a_request_goes_on_piece_by_piece_while_its_answer_comes_back() {
    let upstream = Upstream::start("127.0.0.1:0".parse().unwrap()).unwrap();
    let server = serve(&watching(), &upstream.url());
    let mut client = Raw::connect(server.addr());
    client
        .send("POST /echo HTTP/1.1\r\nhost: proxy\r\nx-sim-echo: raw\r\ntransfer-encoding: chunked\r\n\r\n");
    for piece in ["first", "second"] {
        client.send_chunk(piece);
        if piece == "first" {
            assert!(client.head().starts_with("HTTP/1.1 200"));
        }
        assert_eq!(client.chunk(), piece);
    }
    client.send("0\r\n\r\n");
    assert_eq!(client.chunk(), "");
    wait_for_line(&server, "on_delete");
}

#[test]
fn half_of_a_request_does_not_pass_for_a_whole_one() {
    let upstream = ByHand::new();
    let server = serve(&watching(), &upstream.url());
    let mut client = Raw::connect(server.addr());
    client.send("POST /echo HTTP/1.1\r\nhost: proxy\r\ntransfer-encoding: chunked\r\n\r\n");
    client.send_chunk("first");
    let mut asked = upstream.accept();
    asked.head();
    assert_eq!(asked.chunk(), "first");
    drop(client);
    assert_eq!(asked.rest(), b"", "an end of the body would make it look whole");
    wait_for_line(&server, "on_delete");
}
