//! Cost records in the access log of the proxy, by way of filter state.

use crate::client::{Call, Client};
use crate::setup::{hello, policy, start_upstream, until};
use serde_json::Value;
use std::path::PathBuf;
use tokenstile_host::envoy::{Envoy, Options};

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
