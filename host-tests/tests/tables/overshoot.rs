//! How far a budget is passed by calls that come at once, beside the bound that ARCHITECTURE.md proves.

use super::document::table;
use super::scene::{policy, run};
use serde_json::{Value, json};
use tokenstile_host::cases::Wasmtime;
use tokenstile_host::host::Profile;

/// So many calls come at once, each of a prompt of 8 tokens that asks for 200 at most, and gets them.
const CALLS: usize = 20;
const PROMPT: i64 = 8;
const OUTPUT: i64 = 200;

struct Setting {
    named: &'static str,
    change: Value,
    limit: Value,
    /// What the budget's limit is, what a call holds of it, and what it uses.
    cap: i64,
    hold: i64,
    uses: i64,
}

fn settings() -> Vec<Setting> {
    let all = PROMPT + OUTPUT;
    let tokens = |named, change, hold| Setting {
        named,
        change,
        limit: json!({"tokens": 1000}),
        cap: 1000,
        hold: PROMPT + hold,
        uses: all,
    };
    let calls = |named, meter: &str, uses| Setting {
        named,
        change: json!({}),
        limit: json!({meter: 5}),
        cap: 5,
        hold: 1,
        uses,
    };
    vec![
        tokens("`tokens`, `expected_output_tokens: 50`", json!({"expected_output_tokens": 50}), 50),
        tokens("`tokens`, `expected_output_tokens: 200`", json!({"expected_output_tokens": OUTPUT}), OUTPUT),
        tokens("`tokens`, `hold: worst_case`", json!({"hold": "worst_case"}), OUTPUT),
        calls("`requests`", "requests", 1),
        calls("`requests_in_flight`", "requests_in_flight", 0),
    ]
}

fn row(setting: &Setting) -> Vec<String> {
    let path = "/.well-known/llm-quota";
    let mut policy = policy(&json!([{"at": "100%", "deny": {}}]), &setting.change);
    policy["quota_path"] = json!(path);
    policy["budgets"][0]["limit"] = setting.limit.clone();
    if setting.limit.get("requests_in_flight").is_some() {
        policy["budgets"][0].as_object_mut().unwrap().remove("window");
    }
    let messages = json!([{"role": "user", "content": "hi"}]);
    let call = json!({"body": {"json": {"model": "gpt-4o", "max_tokens": OUTPUT, "messages": messages}}});
    let answer = json!({"completion": {"content": "x", "usage": [PROMPT, OUTPUT]}});
    let asks = json!({"call": {"method": "GET", "path": path}});
    let steps = json!([{"call": call, "answer": answer, "together": CALLS}, asks]);
    let runner = Wasmtime::new(Profile::Envoy, true).unwrap();
    let seen = run(&runner, &policy, &steps);
    let (told, calls) = seen.split_last().unwrap();
    let passed = calls.iter().filter(|seen| seen.upstream.is_some()).count() as i64;
    let quota: Value = serde_json::from_slice(&told.body).unwrap();
    let settled = quota["budgets"][0]["used"].as_i64().unwrap();
    let beyond = passed * (setting.uses - setting.hold).max(0);
    assert!(settled <= setting.cap + beyond, "{}: {settled}", setting.named);
    assert_eq!(settled, passed * setting.uses);
    let cells = [setting.cap, setting.hold, setting.uses, passed, setting.cap + beyond, settled];
    [setting.named.to_owned()].into_iter().chain(cells.map(|cell| cell.to_string())).collect()
}

pub(crate) fn bound() -> String {
    let head = ["budget of", "`C`", "`hᵢ`", "`aᵢ`", "let through", "`C + Σ max(0, aᵢ − hᵢ)`", "settled"];
    table(&head, &settings().iter().map(row).collect::<Vec<_>>())
}
