//! `tokenstile price`, from outside: what it prints, to which of its two outputs, and how it ends.

#![allow(clippy::unwrap_used, clippy::panic)]

use std::io::Write;
use std::path::PathBuf;
use std::process::{Command, Stdio};

/// Exit status, standard output, standard error.
fn price(args: &[&str], input: &str) -> (i32, String, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_tokenstile"));
    command.arg("price").args(args).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    // A mistake in the call ends the command before it reads.
    let _ = child.stdin.take().unwrap().write_all(input.as_bytes());
    let output = child.wait_with_output().unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    (output.status.code().unwrap(), text(output.stdout), text(output.stderr))
}

fn says(args: &[&str], input: &str, status: i32, expected: &str) {
    let (code, out, err) = price(&[args, &["--at", "2026-11-22"]].concat(), input);
    assert_eq!(out, expected, "{args:?}");
    assert_eq!((code, err.as_str()), (status, ""), "{args:?}");
}

fn file(name: &str, text: &str) -> String {
    let path = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(name);
    std::fs::write(&path, text).unwrap();
    path.to_str().unwrap().to_owned()
}

const POLICY: &str = r#"{"version": 1, "name": "t", "expected_output_tokens": 200, "opaque": "deny", "unknown": "deny",
    "prices": {"unknown": "deny", "aliases": {"chat-prod": "gpt-4o"},
               "overrides": [{"model": "house-*", "usd": {"input": "0.2", "output": "0.4"}}]}}"#;

/// A place that nobody knows is a slip, and one without a surcharge is said to be.
#[test]
fn a_place_is_one_that_the_book_knows() {
    let (status, out, err) = price(&["claude-opus-4-8", "--place", "mars"], "");
    assert_eq!((status, out.as_str()), (2, ""));
    assert!(err.contains("invalid value 'mars'") && err.contains("[possible values: regional, us]"), "{err}");
    let same = "it costs the same: the price book has no surcharge for that.";
    let (status, out, _) = price(&["gpt-4o", "--place", "us"], "");
    assert!(status == 0 && out.contains(&format!("Served at `us` {same}")), "{out}");
    let (status, out, _) = price(&["claude-opus-4-8", "--place", "us"], "");
    assert!(status == 0 && !out.contains(same), "{out}");
    // The places of the book are all that there are.
    let book = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../prices/book.json")).unwrap();
    let mut places: Vec<&str> =
        book.split("\"place\":\"").skip(1).filter_map(|rest| rest.split('"').next()).collect();
    places.sort_unstable();
    places.dedup();
    assert_eq!(places, ["regional", "us"]);
}

#[test]
fn a_model_has_its_prices_by_kind_and_tier_and_a_cost() {
    says(
        &["gpt-4o-2024-08-06", "--input", "10000", "--cached", "4000", "--output", "500", "--tier", "batch"],
        "",
        0,
        "\
`gpt-4o-2024-08-06` is openai/gpt-4o, by its name as it stands; a context of 128,000 tokens.

 $ a million tokens           standard  batch  priority  fast
 input                        2.5       1.25   4.25      4.25
 cache_read                   1.25      1.25   2.125     2.125
 output                       10        5      17        17
 web_searches ($ a thousand)  10        10     10        10

10,000 input (4,000 cache_read) and 500 output cost $0.015, batch

Prices of 2026-11-22: genai-prices 0.2.3, https://pypi.org/project/genai-prices/0.2.3/
",
    );
}

#[test]
fn long_prompts_and_history_show() {
    says(
        &["google/gemini-2.5-pro", "--provider", "google", "--input", "300000", "--output", "1000"],
        "",
        0,
        "\
`google/gemini-2.5-pro` is google/gemini-2.5-pro, by its name as `gemini-2.5-pro`.

 $ a million tokens           standard  batch  flex    priority
 input                        1.25      0.625  0.625   2.25
   over 200,000 of input      2.5       1.25   1.25    4.5
 cache_read                   0.125     0.125  0.0625  0.225
   over 200,000 of input      0.25      0.25   0.125   0.45
 output                       10        5      5       18
   over 200,000 of input      15        7.5    7.5     27
 web_searches ($ a thousand)  35        35     35      35

300,000 input and 1,000 output cost $0.765, standard

Prices of 2026-11-22: genai-prices 0.2.3, https://pypi.org/project/genai-prices/0.2.3/
",
    );
    let at = |date: &str| {
        let (_, out, _) = price(&["o3", "--input", "1000000", "--format", "json", "--at", date], "");
        serde_json::from_str::<serde_json::Value>(&out).unwrap()["cost_usd"].clone()
    };
    assert_eq!((at("2025-06-09"), at("2025-06-10T00:00:00Z")), ("10".into(), "2".into()));
}

#[test]
fn programs_get_one_object() {
    let args = ["claude-haiku-4-5", "--input", "1000", "--cache-write-1h", "500", "--output", "10"];
    let json = ["--format", "json", "--at", "2026-11-22"];
    let (code, out, err) = price(&[args.as_slice(), json.as_slice()].concat(), "");
    let found: serde_json::Value = serde_json::from_str(&out).unwrap();
    assert_eq!((code, err.as_str()), (0, ""));
    let expected = serde_json::json!({
        "model": "claude-haiku-4-5",
        "provider": null,
        "known": true,
        "entry": "anthropic/claude-haiku-4-5",
        "found_as": "claude-haiku-4-5",
        "near": [],
        "unknown_rule": null,
        "context_tokens": 200_000,
        "usd": {
            "standard": {"input": "1", "cache_read": "0.1", "cache_write": "1.25", "cache_write_1h": "2",
                         "output": "5", "web_searches": "10"},
            "batch": {"input": "0.5", "cache_read": "0.05", "cache_write": "0.625", "cache_write_1h": "1",
                      "output": "2.5", "web_searches": "10"},
        },
        "tier": "standard", "price_tier": "standard",
        "cost_usd": "0.00155", "saturated": false,
        "prices": {"as_of": "2026-11-22", "package": "genai-prices", "version": "0.2.3",
                   "source": "https://pypi.org/project/genai-prices/0.2.3/"},
    });
    assert_eq!(found, expected);
}

/// The filter takes the standard price where the book has none of the tier, and the record says so.
#[test]
fn a_tier_without_a_price_is_said_to_have_none() {
    says(
        &["claude-haiku-4-5", "--input", "1000000", "--tier", "fast"],
        "",
        0,
        "\
`claude-haiku-4-5` is anthropic/claude-haiku-4-5, by its name as it stands; a context of 200,000 tokens.
The price book has no fast price for it: the standard one is charged.

 $ a million tokens           standard  batch
 input                        1         0.5
 cache_read                   0.1       0.05
 cache_write                  1.25      0.625
 cache_write_1h               2         1
 output                       5         2.5
 web_searches ($ a thousand)  10        10

1,000,000 input and 0 output cost $1.00, standard

Prices of 2026-11-22: genai-prices 0.2.3, https://pypi.org/project/genai-prices/0.2.3/
",
    );
    let tiers = |args: &[&str], input: &str| {
        let (_, out, _) = price(&[args, &["--format", "json", "--at", "2026-11-22"]].concat(), input);
        let said: serde_json::Value = serde_json::from_str(&out).unwrap();
        [said["tier"].clone(), said["price_tier"].clone()]
    };
    assert_eq!(tiers(&["claude-haiku-4-5", "--tier", "fast"], ""), ["fast", "standard"]);
    assert_eq!(tiers(&["claude-haiku-4-5", "--tier", "batch"], ""), ["batch", "batch"]);
    let body = r#"{"model":"gpt-4","service_tier":"flex","messages":[{"role":"user","content":"hi"}]}"#;
    let request = ["--request", "-", "--host", "api.openai.com"];
    assert_eq!(tiers(&request, body), ["flex", "standard"]);
    let (_, out, _) = price(&request, body);
    assert!(
        out.contains("\nThe price book has no flex price for it: the standard one is charged.\n"),
        "{out}"
    );
    let policy = file("price_policy_tier.json", POLICY);
    let (_, out, _) = price(&["house-1", "--policy", &policy, "--tier", "flex"], "");
    assert!(out.contains("The policy's own price is the same in every service tier.\n"), "{out}");
}

#[test]
fn an_unknown_model_is_wrong_and_near_names_are_told() {
    says(
        &["gpt-4oo", "--provider", "openai"],
        "",
        1,
        "\
`gpt-4oo` is unknown to the price book of openai.
Near names: openai/gpt-4o, openai/gpt-4, openai/gpt-4.1.
It is charged as the dearest model of openai.

 $ a million tokens  standard
 input               150
 output              600

Prices of 2026-11-22: genai-prices 0.2.3, https://pypi.org/project/genai-prices/0.2.3/
",
    );
}

#[test]
fn the_policys_prices_hold() {
    let policy = file("price_policy.json", POLICY);
    let with =
        |model: &'static str| ["--policy", policy.as_str(), "--provider", "openai", model].map(str::to_owned);
    for (model, status, begin) in [
        (
            "Chat-Prod",
            0,
            "`Chat-Prod`, which stands for `gpt-4o` in the policy, is openai/gpt-4o, by its name as it",
        ),
        (
            "house-1",
            0,
            "`house-1` is policy/house-1, by an override of the policy.\n\n $ a million tokens  standard\n input               0.2\n",
        ),
        (
            "mystery",
            1,
            "`mystery` is unknown to the price book of openai.\nThe policy refuses its calls.\n\nPrices of",
        ),
    ] {
        let args = with(model);
        let (code, out, err) = price(&args.each_ref().map(String::as_str), "");
        assert!(out.starts_with(begin), "{model}: {out}");
        assert_eq!((code, err.as_str()), (status, ""));
    }
}

#[test]
fn a_request_is_read_as_the_filter_reads_it() {
    let body = r#"{"model":"gpt-4o","max_tokens":800,"n":2,"service_tier":"priority","messages":[{"role":"user","content":"hi"}]}"#;
    says(
        &["--request", "-", "--host", "api.openai.com"],
        body,
        0,
        "\
openai-chat to openai, priority tier. `gpt-4o` is openai/gpt-4o, by its name as it stands; a context of 128,000 tokens. The model stands in the body.

                  tokens                    cost
 prompt           8        exact            $0.000034
 output expected  512 × 2  with the prompt  $0.017442
 output at most   800 × 2  with the prompt  $0.027234

Prices of 2026-11-22: genai-prices 0.2.3, https://pypi.org/project/genai-prices/0.2.3/
",
    );
    let (code, out, _) = price(&["--request", "-", "--format", "json"], body);
    let found: serde_json::Value = serde_json::from_str(&out).unwrap();
    assert_eq!(
        (code, &found["prompt_tokens"], &found["prompt_count"], &found["cost_usd"]["bound"]),
        (0, &8.into(), &"exact".into(), &"0.027234".into())
    );
}

#[test]
fn a_line_of_recorded_traffic_is_a_request() {
    let line = serde_json::json!({
        "id": "x", "method": "POST", "url_host": "bedrock-runtime.eu-west-1.amazonaws.com",
        "url_path": "/model/eu.anthropic.claude-haiku-4-5-20251001-v1%3A0/converse",
        "request_body": "eyJtZXNzYWdlcyI6W3sicm9sZSI6InVzZXIiLCJjb250ZW50IjpbeyJ0ZXh0IjoiaGkifV19XSwiaW5mZXJlbmNlQ29uZmlnIjp7Im1heFRva2VucyI6MTB9fQ==",
        "request_body_encoding": "base64", "response_status": 200,
    });
    let (code, out, _) = price(&["--request", "-", "--format", "json"], &line.to_string());
    let found: serde_json::Value = serde_json::from_str(&out).unwrap();
    assert_eq!(code, 0, "{out}");
    assert_eq!(
        [&found["dialect"], &found["provider"], &found["entry"], &found["model_at"], &found["prompt_count"]],
        [
            &serde_json::json!("bedrock-converse"),
            &"aws".into(),
            &"aws/regional.anthropic.claude-haiku-4-5-20251001-v1:0".into(),
            &"path".into(),
            &"estimate".into()
        ]
    );
    assert_eq!(found["output_bound"], 10);
}

#[test]
fn what_cannot_be_priced_says_what_the_policy_does() {
    let policy = file("price_policy_2.json", POLICY);
    let twice = r#"{"model":"a","model":"b","messages":[]}"#;
    for (args, input, status, expected) in [
        (
            &["--request", "-"][..],
            twice,
            1,
            "POST /v1/chat/completions is openai-chat, and cannot be read: the key `model` stands twice. The policy holds an estimate and charges by the answer.\n",
        ),
        (
            &["--request", "-", "--policy", &policy],
            twice,
            1,
            "POST /v1/chat/completions is openai-chat, and cannot be read: the key `model` stands twice. The policy refuses it.\n",
        ),
        (
            &["--request", "-", "--path", "/v1/files"],
            "{}",
            1,
            "POST /v1/files speaks no dialect that is known. The policy lets it pass unmetered.\n",
        ),
        (
            &["--request", "-", "--path", "/v1/messages/count_tokens"],
            "{}",
            0,
            "POST /v1/messages/count_tokens is a call to an LLM API that costs nothing (anthropic-count-tokens).\n",
        ),
    ] {
        says(args, input, status, expected);
    }
}

#[test]
fn mistakes_in_the_call_are_told_apart_and_leave_no_data() {
    for (args, said) in [
        (
            &["gpt-4o", "--provider", "opneai"][..],
            "the price book knows no provider `opneai`; it knows anthropic, ",
        ),
        (&["--request", "/nowhere/body.json"], "cannot read `/nowhere/body.json`"),
        (&["gpt-4o", "--policy", "/nowhere/policy.json"], "cannot read `/nowhere/policy.json`"),
        (&["gpt-4o", "--at", "yesterday"], "a day is written as 2026-11-30"),
        (&["gpt-4o", "--tier", "cheap"], "batch, flex, priority"),
        (&["gpt-4o", "--request", "x"], "cannot be used with"),
        (&["--request", "-"], "the request is empty"),
        (&[], "required"),
    ] {
        let (code, out, err) = price(args, "");
        assert_eq!((code, out.as_str()), (2, ""), "{args:?}: {err}");
        assert!(err.contains(said), "{args:?}: {err}");
    }
}
