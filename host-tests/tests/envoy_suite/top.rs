//! `tokenstile top` over the metrics of a real Envoy: what it shows is what the records say.

use crate::client::Call;
use crate::setup::{Setup, hello, policy, total};
use std::process::Command;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_metrics_of_an_envoy_are_shown_as_a_picture() {
    let mut policy = policy(true);
    policy["identity"]["feature"] = serde_json::json!(["header:x-feature"]);
    policy["metrics"] = serde_json::json!({"labels": ["feature"], "max_values": 10});
    let setup = &Setup::new(&policy, |_| {});
    for feature in ["chat", "search", "chat"] {
        let call = Call::chat(hello("gpt-4o")).header("x-feature", feature);
        assert_eq!(setup.http1().send(call).await.status, 200);
    }
    let records = setup.records(3);
    let cost: u64 = records.iter().map(|record| record["cost_nano_usd"].as_u64().unwrap()).sum();
    let tokens: u64 = records.iter().map(total).sum();
    let page = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/operating.md")).unwrap();
    let shown = page.lines().find(|line| line.starts_with("$ tokenstile top http://")).unwrap();
    let url = shown.split(' ').nth(3).unwrap();
    let (_, path) = url.trim_start_matches("http://").split_once('/').unwrap();
    let url = format!("http://{}/{path}", setup.envoy.admin_addr());
    let output =
        Command::new(env!("CARGO_BIN_EXE_tokenstile")).args(["top", "--once", &url]).output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let dollars = format!("${}.{:04}", cost / 1_000_000_000, (cost % 1_000_000_000 + 50_000) / 100_000);
    for part in [
        &format!("–/min   {dollars} in 3 requests   {tokens} tokens"),
        "by feature",
        "chat",
        "search",
        "allow",
        "complete 3",
    ] {
        assert!(text.contains(part), "`{part}` is not in\n{text}");
    }
}
