//! Cost records out of a real Envoy with four workers to a collector that fails at first: each arrives, none is logged, and
//! their sum is that of the metrics. OTLP is read by protobuf's own parser, which needs Python and, once, PyPI.

#![allow(clippy::needless_pass_by_value, reason = "`json!` reads well in its place")]

use crate::client::{Call, Client};
use crate::receiver::{Got, receiver};
use crate::setup::{Setup, counted, hello, policy, until};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

const CALLS: usize = 200;
const FAILURES: usize = 2;

/// The calls of several clients at once; what came of them at the collector, when all records are there.
async fn run(form: &str, records_of: fn(&[u8]) -> Vec<Value>) -> (Setup, Got) {
    let (addr, got) = receiver(FAILURES).await;
    let mut policy = policy(true);
    policy["records"] =
        json!({"log": false, "http": {form: {"cluster": "collector", "authority": "collector"}}});
    let setup = Setup::new(&policy, |options| {
        options.workers = 4;
        options.clusters.push(("collector".to_owned(), addr));
    });
    let tasks = (0..8).map(|_| {
        let client = Client::http1(setup.envoy.url());
        tokio::spawn(async move {
            for _ in 0..CALLS / 8 {
                assert_eq!(client.send(Call::chat(hello("gpt-4o"))).await.status, 200);
            }
        })
    });
    for task in tasks.collect::<Vec<_>>() {
        task.await.unwrap();
    }
    until(|| by_id(&got, records_of).len() == CALLS).await;
    until(|| {
        counted(&setup.envoy.metrics().unwrap(), "tokenstile_record_deliveries;outcome=sent") == CALLS as f64
    })
    .await;
    let came = by_id(&got, records_of);
    let cost = |record: &Value| record["cost_nano_usd"].as_u64().unwrap();
    let metrics = setup.envoy.metrics().unwrap();
    assert_eq!(counted(&metrics, "tokenstile_cost_nano_usd"), came.values().map(cost).sum::<u64>() as f64);
    assert!(counted(&metrics, "tokenstile_record_deliveries;outcome=retried") > 0.0, "{metrics:?}");
    assert_eq!(setup.envoy.log().records(), Vec::<Value>::new());
    (setup, got)
}

/// Each record that came, once.
fn by_id(got: &Got, records_of: fn(&[u8]) -> Vec<Value>) -> BTreeMap<String, Value> {
    let got = got.lock().unwrap();
    // What was answered with 500 did not arrive, whatever the collector has seen of it.
    let bodies = got.iter().skip(FAILURES).flat_map(|(_, _, body)| records_of(body));
    bodies.map(|record| (record["id"].as_str().unwrap().to_owned(), record)).collect()
}

fn lines(body: &[u8]) -> Vec<Value> {
    std::str::from_utf8(body).unwrap().lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn bodies(body: &[u8]) -> Vec<Value> {
    let request: Value = serde_json::from_slice(body).unwrap();
    let logs = request["resourceLogs"][0]["scopeLogs"][0]["logRecords"].as_array().unwrap();
    let record = |log: &Value| serde_json::from_str(log["body"]["stringValue"].as_str().unwrap()).unwrap();
    logs.iter().map(record).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn records_arrive_as_lines_which_report_reads() {
    let (_setup, got) = run("ndjson", lines).await;
    let all: Vec<u8> = got.lock().unwrap().iter().flat_map(|(_, _, body)| body.to_vec()).collect();
    let path = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("records.ndjson");
    std::fs::write(&path, all).unwrap();
    let output = Command::new(env!("CARGO_BIN_EXE_tokenstile")).arg("report").arg(path).output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(text.starts_with(&format!("{CALLS} calls from")), "{text}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn records_arrive_as_otlp_which_protobuf_reads() {
    let (_setup, got) = run("otlp", bodies).await;
    let requests: Vec<String> = {
        let got = got.lock().unwrap();
        assert!(got.iter().all(|(path, kind, _)| path == "/v1/logs" && kind == "application/json"));
        got.iter().skip(FAILURES).map(|(_, _, body)| String::from_utf8(body.to_vec()).unwrap()).collect()
    };
    let read = lines(&parsed(requests.join("\n")));
    assert!(read.len() >= CALLS);
    for log in read {
        let record: Value = serde_json::from_str(log["body"].as_str().unwrap()).unwrap();
        assert_eq!(log["tokenstile.record.id"], record["id"]);
        assert_eq!(log["tokenstile.cost_nano_usd"], record["cost_nano_usd"]);
        assert_eq!(log["gen_ai.usage.input_tokens"], record["usage"]["input"]);
        assert_eq!(
            (&log["gen_ai.operation.name"], &log["gen_ai.provider.name"]),
            (&json!("chat"), &json!("openai"))
        );
        assert_eq!(log["tokenstile.identity.user"], "anonymous");
        assert_eq!(log["http.response.status_code"], 200);
    }
}

/// What protobuf's parser makes of the requests.
fn parsed(requests: String) -> Vec<u8> {
    let sources = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/envoy_suite/record_sink");
    let venv = Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/otlp-venv");
    let python = venv.join("bin/python");
    let wanted = std::fs::read_to_string(sources.join("requirements.txt")).unwrap();
    if std::fs::read_to_string(venv.join("installed.txt")).ok().as_ref() != Some(&wanted) {
        ran(Command::new("python3").args(["-m", "venv", "--clear"]).arg(&venv));
        let install = ["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--requirement"];
        ran(Command::new(&python).args(install).arg(sources.join("requirements.txt")));
        std::fs::write(venv.join("installed.txt"), wanted).unwrap();
    }
    let mut child = Command::new(python)
        .arg(sources.join("otlp.py"))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::inherit())
        .spawn()
        .unwrap();
    let mut input = child.stdin.take().unwrap();
    let writer = std::thread::spawn(move || input.write_all(requests.as_bytes()).unwrap());
    let output = child.wait_with_output().unwrap();
    writer.join().unwrap();
    assert!(output.status.success(), "protobuf does not take it");
    output.stdout
}

fn ran(command: &mut Command) {
    let output = command.output().unwrap_or_else(|error| panic!("cannot start {command:?}: {error}"));
    assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
}
