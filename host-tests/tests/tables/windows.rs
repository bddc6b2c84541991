//! Which meters go with which windows, and what a refusal is there: of a call that comes when another has used all.

use super::document::{read, table};
use super::scene::{policy, run};
use serde_json::{Value, json};
use tokenstile_engine::policy::Policy;
use tokenstile_host::cases::{Seen, Wasmtime};
use tokenstile_host::host::Profile;

/// A Monday.
const AT: &str = "2026-11-23T17:00:00Z";

const METERS: [&str; 6] =
    ["tokens", "input_tokens", "output_tokens", "usd", "requests", "requests_in_flight"];

/// 100 % of a meter.
fn limit(meter: &str) -> Value {
    match meter {
        "usd" => json!({"usd": "0.0001"}),
        "requests" | "requests_in_flight" => json!({meter: 1}),
        _ => json!({meter: 100}),
    }
}

/// A budget of this meter in this window: `bucket` and `none` are windows too.
fn budget(window: &Value, meter: &str) -> Value {
    let ladder = json!([{"at": "100%", "deny": {}}]);
    let mut budget = json!({"name": "all", "per": [], "ladder": ladder});
    if window == "bucket" {
        let mut bucket = limit(meter);
        let mut refill = limit(meter);
        refill["every"] = json!("1m");
        bucket["refill"] = refill;
        budget["bucket"] = bucket;
    } else {
        budget["limit"] = limit(meter);
        if window != "none" {
            budget["window"] = window.clone();
        }
    }
    budget
}

fn windows() -> Vec<Value> {
    vec![
        json!({"calendar": "hour"}),
        json!({"calendar": "day"}),
        json!({"calendar": "week"}),
        json!({"calendar": "month"}),
        json!({"calendar": "billing_month", "day": 15}),
        json!({"rolling": "24h"}),
        json!({"rolling": "1m"}),
        json!("bucket"),
        json!("none"),
    ]
}

/// The window as it stands in a policy.
fn name(window: &Value) -> String {
    match window.as_str() {
        Some("bucket") => "`bucket`, refilled in a minute".to_owned(),
        Some(none) => none.to_owned(),
        None => format!("`{}`", window.to_string().replace("\":", "\": ").replace(",\"", ", \"")),
    }
}

/// The call that comes when all is used.
fn refused(runner: &Wasmtime, policy: &Value, meter: &str) -> Seen {
    let messages = json!([{"role": "user", "content": "hi"}]);
    let call = json!({"body": {"json": {"model": "gpt-4o", "max_tokens": 20, "messages": messages}}});
    let used = if meter == "output_tokens" { [0, 100] } else { [100, 0] };
    let answer = json!({"completion": {"content": "x", "usage": used}});
    let step = json!({"call": call, "answer": answer});
    let mut steps = json!([{"clock": AT}, step, step]);
    if meter == "requests_in_flight" {
        steps[1]["together"] = json!(2);
        steps.as_array_mut().unwrap().pop();
    }
    run(runner, policy, &steps).into_iter().find(|seen| seen.upstream.is_none()).unwrap()
}

/// `a quota, 7 h`: what it is, and what a refusal says of the time.
fn told(refusal: &Seen) -> String {
    let is_quota = refusal.headers.text("x-should-retry").as_deref() == Some("false");
    let kind = if is_quota { "a quota" } else { "a rate" };
    let seconds = refusal.headers.text("retry-after").map(|text| text.parse::<u64>().unwrap());
    seconds.map_or_else(|| kind.to_owned(), |seconds| format!("{kind}, {}", length(seconds)))
}

fn length(seconds: u64) -> String {
    let units = [(86_400, "d"), (3_600, "h"), (60, "min"), (1, "s")];
    let mut rest = seconds;
    let parts = units.map(|(unit, name)| {
        let count = rest / unit;
        rest %= unit;
        (count, name)
    });
    let parts = parts.iter().filter(|(count, _)| *count > 0).map(|(count, name)| format!("{count} {name}"));
    parts.collect::<Vec<_>>().join(" ")
}

/// What becomes of a pair: the words of a refusal, or those of the compiler.
fn pair(runner: &Wasmtime, window: &Value, meter: &str) -> Result<String, String> {
    let prices = json!({"prices": {"overrides": [{"model": "*", "usd": {"input": "1", "output": "1"}}]}});
    let mut policy = policy(&json!([]), &prices);
    policy["budgets"][0] = budget(window, meter);
    match Policy::parse(policy.to_string().as_bytes()) {
        Ok(_) => Ok(told(&refused(runner, &policy, meter))),
        Err(errors) => {
            let said = errors.to_string();
            let first = said.lines().nth(1).unwrap();
            Err(first.trim().split_once("`: ").unwrap().1.to_owned())
        }
    }
}

/// Not accepted: the compiler says why.
const NOT: &str = "–";

pub(crate) fn meters() -> String {
    let runner = Wasmtime::new(Profile::Envoy, true).unwrap();
    let mut said: Vec<String> = Vec::new();
    let mut rows = Vec::new();
    for window in windows() {
        let mut row = vec![name(&window)];
        for meter in METERS {
            row.push(pair(&runner, &window, meter).unwrap_or_else(|why| {
                if !said.contains(&why) {
                    said.push(why);
                }
                NOT.to_owned()
            }));
        }
        rows.push(row);
    }
    let meters = METERS.map(|meter| format!("`{meter}`"));
    let head: Vec<&str> = ["window"].into_iter().chain(meters.iter().map(String::as_str)).collect();
    let why: String = said.iter().map(|why| format!("- {why}\n")).collect();
    format!("{}\nWhat is not accepted ({NOT}), in the compiler's words:\n\n{why}", table(&head, &rows))
}

/// The table of windows in `docs/policy.md` calls a refusal what it is.
#[test]
fn the_policys_page_says_which_windows_refuse_for_people_and_which_for_clients() {
    let runner = Wasmtime::new(Profile::Envoy, true).unwrap();
    let page = read("docs/policy.md");
    let table = page.split("| window | is forgotten |").nth(1).unwrap().split("\n\n").next().unwrap();
    let mut found = 0;
    for window in windows() {
        let cell = if window == "none" {
            "none, ".to_owned()
        } else {
            name(&window).replace(", refilled in a minute", "")
        };
        let meter = if window == "none" { "requests_in_flight" } else { "tokens" };
        let told = pair(&runner, &window, meter).unwrap();
        let kind = told.split(',').next().unwrap();
        let row = table.lines().find(|line| line.starts_with(&format!("| {cell}")));
        match row {
            Some(row) => {
                let last = row.trim_end_matches(" |").rsplit(" | ").next().unwrap();
                assert!(last.starts_with(kind), "{window} is {kind}: {row}");
                found += 1;
            }
            // The shortest of rolling windows stands in the row of all of them.
            None => {
                assert!(window == json!({"rolling": "1m"}) && table.contains(&format!("up to `1m`, {kind}")));
            }
        }
    }
    assert_eq!(found, windows().len() - 1);
}
