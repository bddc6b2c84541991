//! `tokenstile run`, from outside: any filter, one request, what came out.

#![allow(clippy::unwrap_used, clippy::panic)]

mod host_support;

use host_support::{Filter, OUT, OUT_LEN};
use std::path::PathBuf;
use std::process::{Command, Output};
use tokenstile_host::host::{Module, Shared, Vm};

/// Adds a header, logs the configuration, and counts.
fn example() -> Filter {
    let mut filter = Filter::default();
    let (name, value, metric) = (filter.text("x-seen"), filter.text("yes"), filter.text("requests"));
    let configuration =
        format!("(drop (call $get_buffer_bytes (i32.const 7) (i32.const 0) (local.get 1) {OUT} {OUT_LEN}))");
    let body = format!(
        "(drop (call $add_header_map_value (i32.const 0) {name} {value}))
         (drop (call $define_metric (i32.const 0) {metric} {OUT}))
         (drop (call $increment_metric (i32.load {OUT}) (i64.const 1)))
         (drop (call $log (i32.const 3) {name}))
         (i32.const 0)"
    );
    filter.on("proxy_on_configure", 2, true, &format!("{configuration} (call $show) (i32.const 1)")).on(
        "proxy_on_request_headers",
        3,
        true,
        &body,
    )
}

fn file(name: &str, bytes: &[u8]) -> PathBuf {
    let path = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(name);
    std::fs::write(&path, bytes).unwrap();
    path
}

fn run(filter: &Filter, name: &str, args: &[&str]) -> Output {
    let filter = file(name, &filter.build());
    Command::new(env!("CARGO_BIN_EXE_tokenstile")).arg("run").arg(filter).args(args).output().unwrap()
}

fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).unwrap()
}

#[test]
fn prints_what_upstream_and_client_saw() {
    let args = [
        "--path",
        "/a",
        "--header",
        "x-user: ann",
        "--body",
        "hello",
        "--chunk",
        "3",
        "--upstream-body",
        "hi",
    ];
    let output = run(&example(), "print.wasm", &args);
    assert!(output.status.success());
    let expected = "\
-> upstream
   :method: POST
   :path: /a
   :scheme: http
   :authority: proxy.test
   x-user: ann
   x-seen: yes

hello

<- client (Complete)
   :status: 200

hi

   log Warn: x-seen
   metric requests +1
";
    assert_eq!(text(&output.stdout), expected);
}

#[test]
fn json_has_the_same_for_every_worker() {
    let config = file("config.txt", b"configured");
    let args = ["--config", config.to_str().unwrap(), "--json", "--workers", "2", "--profile", "wasmx"];
    let output = run(&example(), "json.wasm", &args);
    let documents: Vec<serde_json::Value> =
        serde_json::Deserializer::from_slice(&output.stdout).into_iter().map(Result::unwrap).collect();
    assert_eq!(documents.len(), 2);
    for document in documents {
        assert_eq!(document["client"]["status"], 200);
        assert_eq!(document["metrics"]["requests"], 1);
        assert_eq!(document["hung"], false);
    }
}

#[test]
fn a_request_that_hangs_is_a_failure_that_says_so() {
    let filter = Filter::default().on("proxy_on_request_headers", 3, true, "(i32.const 1)");
    let output = run(&filter, "hang.wasm", &[]);
    assert!(!output.status.success());
    assert!(text(&output.stdout).contains("the Request waits, and nothing will ever end it"));
}

#[test]
fn mistakes_say_the_way_out() {
    for (args, message) in [
        (["--header", "nothing"], "`nothing` is no header; write it as `name: value`"),
        (["--profile", "apache"], "no profile `apache`; there are envoy, wasmx and apisix"),
        (["--config", "/does/not/exist"], "cannot read `/does/not/exist`"),
    ] {
        let output = run(&Filter::default(), "mistake.wasm", &args);
        assert!(!output.status.success());
        assert!(text(&output.stderr).contains(message), "{}", text(&output.stderr));
    }
}

#[test]
fn workers_may_live_on_threads_of_their_own() {
    fn send<T: Send>() {}
    fn send_and_sync<T: Send + Sync>() {}
    send::<Vm>();
    send_and_sync::<Module>();
    send_and_sync::<Shared>();
}
