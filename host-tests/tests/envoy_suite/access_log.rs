//! Cost records in the access log of the proxy, by way of filter state.

use crate::client::{Call, Client};
use crate::setup::{hello, policy, start_upstream, until};
use serde_json::Value;
use std::fs::File;
use std::path::PathBuf;
use std::process::{Child, Command};
use std::time::Duration;
use tokenstile_host::cases::filter;
use tokenstile_host::envoy::{Envoy, Options, program};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cost_record_stands_in_the_access_log_and_only_there() {
    let path = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("access.log");
    let _ = std::fs::remove_file(&path);
    let upstream = start_upstream();
    let mut policy = policy(true);
    policy["records"] = serde_json::json!({"log": false, "filter_state": true});
    let mut options = Options::new(policy.to_string(), upstream.addr());
    options.access_log = Some((path.clone(), "%FILTER_STATE(wasm.tokenstile_record:PLAIN)%\n".to_owned()));
    let envoy = Envoy::start(&options).unwrap_or_else(|error| panic!("{error}"));
    let client = Client::http1(envoy.url());
    assert_eq!(client.send(Call::chat(hello("gpt-4o"))).await.status, 200);
    // One that the provider refuses.
    assert_eq!(client.send(Call::chat(b"{".to_vec())).await.status, 400);
    let records = || -> Vec<Value> {
        let text = std::fs::read_to_string(&path).unwrap_or_default();
        text.lines().filter_map(|line| serde_json::from_str(line).ok()).collect()
    };
    until(|| records().len() == 2).await;
    let records = records();
    assert_eq!(records[0]["ending"], "complete", "{records:?}");
    assert_eq!(records[0]["usage"]["source"], "reported", "{records:?}");
    assert_eq!(envoy.log().records(), Vec::<Value>::new());
}

/// The example as it stands, but for its ports: what Envoy prints is read by `report`.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_example_prints_lines_that_report_reads() {
    let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("access-log-example");
    std::fs::create_dir_all(&folder).unwrap();
    let (config, log, admin) = (folder.join("envoy.yaml"), folder.join("access.log"), folder.join("admin"));
    let _ = std::fs::remove_file(&admin);
    let upstream = start_upstream();
    let example = std::fs::read_to_string(filter::root().join("examples/envoy/access-log.yaml")).unwrap();
    let port = |from: u16, to: u16| (format!("port_value: {from}}}"), format!("port_value: {to}}}"));
    let ports = [port(9901, 0), port(10000, 0), port(9999, upstream.addr().port())];
    let text = ports.iter().fold(example, |text, (from, to)| {
        assert!(text.contains(from), "no `{from}` in the example");
        text.replace(from, to)
    });
    std::fs::write(&config, text).unwrap();
    filter::path().unwrap_or_else(|error| panic!("{error}"));
    let mut command = Command::new(program().unwrap_or_else(|error| panic!("{error}")));
    command
        .args(["--disable-hot-restart", "--log-level", "warning", "--concurrency", "1", "-c"])
        .arg(&config);
    // It would write its access log every ten seconds.
    command.args(["--file-flush-interval-msec", "100"]);
    command.arg("--admin-address-path").arg(&admin).current_dir(filter::root());
    command.stdout(File::create(&log).unwrap()).stderr(File::create(folder.join("log")).unwrap());
    let _running = Running(command.spawn().unwrap());
    until_slow(|| admin.exists()).await;
    let admin = Client::http1(format!("http://{}", std::fs::read_to_string(&admin).unwrap().trim()));
    let page = async |path: &str| admin.send(Call::new(hyper::Method::GET, path)).await.text();
    let ready = async {
        while page("/ready").await.trim() != "LIVE" {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    tokio::time::timeout(START_MAX, ready).await.expect("Envoy is not ready");
    let listeners = page("/listeners").await;
    let address = listeners.trim().rsplit("::").next().unwrap();
    let client = Client::http1(format!("http://{address}"));
    assert_eq!(client.send(Call::chat(hello("gpt-4o")).header("x-user-id", "ann")).await.status, 200);
    // A call that is none of an LLM has no record, and a line all the same.
    client.send(Call::new(hyper::Method::GET, "/health")).await;
    let lines = || std::fs::read_to_string(&log).unwrap_or_default().lines().count();
    until_slow(|| lines() == 2).await;
    let report = Command::new(env!("CARGO_BIN_EXE_tokenstile"))
        .args(["report", "--by", "user", "--format", "json"])
        .arg(&log)
        .output()
        .unwrap();
    assert!(report.status.success(), "{}", String::from_utf8_lossy(&report.stderr));
    let report: Value = serde_json::from_slice(&report.stdout).unwrap();
    assert_eq!(report["rows"][0]["by"]["user"], "ann", "{report}");
    assert_eq!(report["total"]["requests"], 1, "{report}");
    let logged = std::fs::read_to_string(folder.join("log")).unwrap();
    assert!(!logged.contains("tokenstile-record"), "a record in the proxy's log:\n{logged}");
}

/// An Envoy that ends with the test.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Envoy compiles the filter before it listens.
const START_MAX: Duration = Duration::from_secs(90);

async fn until_slow(holds: impl Fn() -> bool) {
    let wait = async {
        while !holds() {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    tokio::time::timeout(START_MAX, wait).await.expect("it never came");
}
