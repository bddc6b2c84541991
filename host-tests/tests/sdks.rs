//! The SDKs of OpenAI, Anthropic and Google, as they are published for Python and Node, through a real Envoy: refused
//! exactly once where waiting does not help, retried by themselves where it does, and told what they can be told.
//!
//! Budget refusals which SDKs retry make everything worse: 36 HTTP calls for one doomed request were reported
//! (topoteretes/cognee#4679), 93 % of a gateway's traffic (puffo-ai/puffo-agent#327).
//!
//! Needs an Envoy and the filter (`cargo xtask test`) and, once, Python, PyPI and npm's registry for `target/sdk-venv`
//! and `target/sdk-node`. The programs are in `sdk/`, one an SDK; they judge nothing.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by a panic")]

#[path = "sdk/install.rs"]
mod install;
#[path = "envoy_suite/noon.rs"]
mod noon;

use noon::zone_where_it_is_noon;
use serde_json::{Value, json};
use std::net::SocketAddr;
use std::time::Duration;
use tokenstile_host::envoy::{Envoy, Options};
use tokenstile_host::upstream::Upstream;

/// Tokens of one call: 10 of the prompt, as the provider bills it, and 24 of the answer.
const CALL_TOKENS: u64 = 34;
const SENTENCE: &str = "Your quota of 50 tokens is used.";

/// What one SDK makes of the answers.
struct Sdk {
    program: &'static str,
    /// The class of what it raises for a 429.
    class: &'static str,
    /// `type` and `code` of a used quota, where it reads them.
    quota: (&'static str, Option<&'static str>),
    /// Whether it waits and tries again by itself when it is told to. Google's do not unless they are asked to.
    retries: bool,
    /// Whether a program can see an error's headers.
    shows_headers: bool,
    /// Scenarios beside those of `scenarios.json`, each a quota.
    more: &'static [&'static str],
}

#[test]
fn openai_python_is_refused_once_and_waits_only_when_that_helps() {
    check(&Sdk {
        program: "openai_calls.py",
        class: "openai.RateLimitError",
        quota: ("insufficient_quota", Some("insufficient_quota")),
        retries: true,
        shows_headers: true,
        more: &["quota-async"],
    });
}

#[test]
fn openai_node_is_refused_once_and_waits_only_when_that_helps() {
    check(&Sdk {
        program: "openai_calls.mjs",
        class: "openai.RateLimitError",
        quota: ("insufficient_quota", Some("insufficient_quota")),
        retries: true,
        shows_headers: true,
        more: &[],
    });
}

#[test]
fn anthropic_python_is_refused_once_and_waits_only_when_that_helps() {
    check(&Sdk {
        program: "anthropic_calls.py",
        class: "anthropic.RateLimitError",
        quota: ("rate_limit_error", None),
        retries: true,
        shows_headers: true,
        more: &["quota-async", "quota-helper"],
    });
}

#[test]
fn anthropic_node_is_refused_once_and_waits_only_when_that_helps() {
    check(&Sdk {
        program: "anthropic_calls.mjs",
        class: "anthropic.RateLimitError",
        quota: ("rate_limit_error", None),
        retries: true,
        shows_headers: true,
        more: &[],
    });
}

#[test]
fn google_genai_python_is_refused_once_and_told_when_to_come_again() {
    check(&Sdk {
        program: "genai_calls.py",
        class: "google.ClientError",
        quota: ("RESOURCE_EXHAUSTED", None),
        retries: false,
        shows_headers: true,
        more: &[],
    });
}

#[test]
fn google_genai_node_is_refused_once_and_told_when_to_come_again() {
    check(&Sdk {
        program: "genai_calls.mjs",
        class: "google.ApiError",
        quota: ("RESOURCE_EXHAUSTED", None),
        retries: false,
        shows_headers: false,
        more: &[],
    });
}

/// AWS's SDK tries a 429 again, so a quota has another status there. Cohere's tries twice more unless it is told not to.
#[test]
fn the_sdks_of_bedrock_cohere_and_ollama_are_refused_once() {
    let (_upstream, envoy) = start();
    let seen = install::run("other_calls.py", &envoy.url());
    let expected = [
        ("bedrock", "ServiceQuotaExceededException", 400),
        ("bedrock-stream", "ServiceQuotaExceededException", 400),
        ("bedrock-invoke", "ServiceQuotaExceededException", 400),
        ("cohere", "TooManyRequestsError", 429),
        ("ollama", "ResponseError", 429),
    ];
    let records = envoy.records(expected.len(), Duration::from_secs(20));
    for (user, class, status) in expected {
        let error = &seen[user];
        assert_eq!((&error["class"], &error["status"]), (&json!(class), &json!(status)), "{error:#}");
        assert_eq!(error["message"], "Your quota of 0 tokens is used.", "{error:#}");
        let of_user = records.iter().filter(|record| record["identity"]["user"] == user);
        assert_eq!(of_user.count(), 1, "{user} tried again: {records:#?}");
    }
}

/// No SDK tries again what a rule stops or asks about; and the same call of the SDK goes on with the token.
#[test]
fn what_a_rule_says_reaches_the_program_once_and_is_confirmed_by_the_same_call() {
    let (_upstream, envoy) = start();
    let seen = install::run("rule_calls.py", &envoy.url());
    let records = envoy.records(12, Duration::from_secs(20));
    for (sdk, denied, asked) in [
        ("openai", "openai.PermissionDeniedError", "openai.APIStatusError"),
        ("anthropic", "anthropic.PermissionDeniedError", "anthropic.PaymentRequiredError"),
        ("google", "google.ClientError", "google.ClientError"),
    ] {
        let at = |call: &str, key: &str| seen[sdk][call][key].clone();
        assert_eq!(
            (at("blocked", "class"), at("blocked", "status")),
            (json!(denied), json!(403)),
            "{seen:#}"
        );
        assert_eq!(at("blocked", "body")["rule"], "stop", "{seen:#}");
        assert_eq!((at("asked", "class"), at("asked", "status")), (json!(asked), json!(402)), "{seen:#}");
        assert_eq!(at("asked", "body")["rule"], "ask-first", "{seen:#}");
        assert_eq!((at("confirmed", "status"), at("again", "status")), (json!(200), json!(402)), "{seen:#}");
        let of_user =
            |user: String| records.iter().filter(|record| record["identity"]["user"] == user).count();
        assert_eq!(of_user(format!("{sdk}-blocked")), 1, "{sdk} tried again: {records:#?}");
        assert_eq!(of_user(format!("{sdk}-asked")), 3, "{sdk} tried again: {records:#?}");
    }
}

/// A stream ends in an error that the program catches, with all that came before it; nobody tries again, and SDKs that
/// hang up spare the provider the rest.
#[test]
fn a_stream_that_is_stopped_raises_once_with_the_sentence() {
    for (program, classes) in [
        (
            "stopped_calls.py",
            ["openai.APIError", "openai.APIError", "anthropic.APIStatusError", "google.ClientError"],
        ),
        (
            "stopped_calls.mjs",
            ["openai.APIError", "openai.APIError", "anthropic.APIError", "google.ApiError"],
        ),
    ] {
        let (upstream, envoy) = start();
        let seen = install::run(program, &envoy.url());
        let records = envoy.records(classes.len(), Duration::from_secs(20));
        assert_eq!(records.len(), classes.len(), "{program} tried again: {records:#?}");
        for (sdk, class) in ["openai", "responses", "anthropic", "google"].into_iter().zip(classes) {
            let caught = &seen[sdk];
            assert_eq!(caught["class"], class, "{caught:#}");
            assert_eq!(caught["message"], "Your quota of 60 tokens is used.", "{caught:#}");
            assert_eq!(fields(caught)["rule"], "short", "{caught:#}");
            assert!(caught["text"].as_str().unwrap().starts_with(" the budget is"), "{caught:#}");
            let record = records.iter().find(|record| record["identity"]["user"] == sdk).unwrap();
            assert_eq!((&record["ending"], &record["stopped_by"]), (&json!("stopped"), &json!("short")));
        }
        println!("{program}: {} tokens billed of 1,600", upstream.ledger().billed().completion_tokens);
    }
}

fn start() -> (Upstream, Envoy) {
    let upstream = Upstream::start(SocketAddr::from(([127, 0, 0, 1], 0))).unwrap();
    let options = Options::new(policy().to_string(), upstream.addr());
    let envoy = Envoy::start(&options).unwrap_or_else(|error| panic!("{error}"));
    (upstream, envoy)
}

fn check(sdk: &Sdk) {
    let (upstream, envoy) = start();
    let seen = install::run(sdk.program, &envoy.url());
    let quotas = ["quota", "quota-stream"].iter().chain(sdk.more);
    let rates = ["rate", "rate-stream"];
    let retried = if sdk.retries { rates.len() } else { 0 };
    let expected = 2 * quotas.clone().count() + 2 * rates.len() + retried + 5;
    let records = envoy.records(expected, Duration::from_secs(20));
    assert_eq!(records.len(), expected, "{seen:#}\n{records:#?}");
    let requests = upstream.ledger().last_requests();
    // HTTP requests of one user that came to Envoy, that it refused, and that came to the provider.
    let counts = |user: &str| {
        let of_user = || records.iter().filter(|record| record["identity"]["user"] == user);
        let refused = of_user().filter(|record| record["decision"] == "deny").count();
        let upstream = requests.iter().filter(|seen| seen.header("x-user-id") == Some(user)).count();
        (of_user().count(), refused, upstream)
    };
    for user in quotas {
        let calls = &seen[user];
        assert_answered(&calls[0], CALL_TOKENS);
        assert_quota(sdk, &calls[1]["error"]);
        // Two calls, two requests: it did not try again.
        assert_eq!(counts(user), (2, 1, 1), "{user}: {calls:#}");
    }
    for user in rates {
        let calls = &seen[user];
        assert_answered(&calls[0], 210);
        if sdk.retries {
            // Once refused, and let through when it came again at the time it was told.
            assert_answered(&calls[1], 210);
            assert_eq!(counts(user), (3, 1, 2), "{user}: {calls:#}");
        } else {
            assert_rate(sdk, &calls[1]["error"]);
            assert_eq!(counts(user), (2, 1, 1), "{user}: {calls:#}");
        }
    }
    assert_never_fits(sdk, &seen["never-fits"][0]["error"]);
    assert_eq!(counts("never-fits"), (1, 1, 0), "{seen:#}");
    for user in ["warned", "warned-stream"] {
        let answer = &seen[user][0];
        assert_answered(answer, CALL_TOKENS);
        assert_eq!(answer["headers"]["x-tokenstile-decision"], "warn", "{answer:#}");
        assert_eq!(answer["headers"]["x-tokenstile-warning"], "Half of your tokens are used.", "{answer:#}");
        assert_eq!(counts(user), (1, 0, 1));
    }
    assert_answered(&seen["free"][0], CALL_TOKENS);
    assert_eq!(seen["free"][0]["text"], seen["free"][1]["text"], "{seen:#}");
    assert_eq!(counts("free"), (2, 0, 2));
}

fn assert_answered(answer: &Value, tokens: u64) {
    assert_eq!(answer["error"], Value::Null, "{answer:#}");
    assert_eq!(answer["tokens"], tokens, "{answer:#}");
    assert!(answer["text"].as_str().is_some_and(|text| text.starts_with(" the budget is")), "{answer:#}");
}

fn assert_quota(sdk: &Sdk, error: &Value) {
    assert_eq!(error["class"], sdk.class, "{error:#}");
    assert_eq!(error["status"], 429, "{error:#}");
    let (kind, code) = sdk.quota;
    assert_eq!(error["type"], kind, "{error:#}");
    assert_eq!(error.get("code").and_then(Value::as_str), code, "{error:#}");
    assert_eq!(error["message"], SENTENCE, "{error:#}");
    assert!(error["text"].as_str().unwrap().contains(SENTENCE), "{error:#}");
    let fields = fields(error);
    assert_eq!(fields["rule"], "daily", "{error:#}");
    assert_eq!((number(&fields["used"]), number(&fields["limit"])), (CALL_TOKENS, 50), "{error:#}");
    assert_eq!(fields["upgrade_url"], "https://acme.example/upgrade", "{error:#}");
    if sdk.shows_headers {
        assert_eq!(error["headers"]["x-should-retry"], "false", "{error:#}");
        assert!(error["headers"]["retry-after"].as_str().unwrap().parse::<u64>().is_ok(), "{error:#}");
    }
}

fn assert_rate(sdk: &Sdk, error: &Value) {
    assert_eq!((&error["class"], &error["status"]), (&json!(sdk.class), &json!(429)), "{error:#}");
    assert_eq!(fields(error)["rule"], "pace", "{error:#}");
    if sdk.shows_headers {
        assert_eq!(error["headers"]["x-should-retry"], Value::Null, "{error:#}");
        assert!(error["headers"]["retry-after"].as_str().unwrap().parse::<u64>().is_ok(), "{error:#}");
    }
}

/// No time is named here, so that only `x-should-retry` keeps an SDK from trying again.
fn assert_never_fits(sdk: &Sdk, error: &Value) {
    assert_eq!(error["class"], sdk.class, "{error:#}");
    if sdk.shows_headers {
        assert_eq!(error["headers"]["retry-after"], Value::Null, "{error:#}");
        assert_eq!(error["headers"]["x-should-retry"], "false", "{error:#}");
    }
}

/// The machine's fields: beside the message, or in Google's typed detail.
fn fields(error: &Value) -> &Value {
    error["fields"].pointer("/details/0/metadata").unwrap_or(&error["fields"])
}

/// A number, also where it is written as text.
fn number(value: &Value) -> u64 {
    value.as_u64().or_else(|| value.as_str()?.parse().ok()).unwrap_or_else(|| panic!("no number: {value}"))
}

fn policy() -> Value {
    let day = json!({"calendar": "day", "timezone": zone_where_it_is_noon()});
    json!({
        "version": 1, "name": "sdk", "hold_headers": true, "on_error": "deny", "expected_output_tokens": 24,
        // Every stream that these SDKs read has a comment behind it, but for Google's.
        "stream_notes": true,
        "identity": {"user": ["header:x-user-id"], "tier": ["header:x-tier"]},
        "confirm": {"secret": "a secret of many letters"},
        "blocks": [{"name": "stop", "match": {"tier": "blocked"}}],
        "request_limits": [{"name": "ask-first", "match": {"tier": "asked"}, "limit": {"output_tokens": 10},
            "over": {"confirm": {"header": "x-confirm-cost"}}}],
        "budgets": [
            {"name": "daily", "match": {"tier": "metered"}, "per": ["user"], "limit": {"tokens": 50}, "window": day,
             "ladder": [{"at": "100%", "deny": {
                "message": "Your quota of {limit}{unit} is used.",
                "upgrade_url": "https://acme.example/upgrade"}}]},
            {"name": "none", "match": {"tier": "closed"}, "per": ["user"], "limit": {"tokens": 0}, "window": day,
             "ladder": [{"at": "100%", "deny": {"message": "Your quota of {limit}{unit} is used."}}]},
            {"name": "short", "match": {"tier": "stopped"}, "per": ["user"], "limit": {"tokens": 60}, "window": day,
             "ladder": [{"at": "100%", "deny": {"message": "Your quota of {limit}{unit} is used.", "streams": "stop"}}]},
            // The long first answer leaves a debt of 150 tokens: 34 more fit 4.6 seconds later.
            {"name": "pace", "match": {"tier": "paced"}, "per": ["user"],
             "bucket": {"tokens": 60, "refill": {"tokens": 40, "every": "1s"}}, "ladder": [{"at": "100%", "deny": {}}]},
            {"name": "low", "match": {"tier": "warned"}, "per": ["user"], "limit": {"tokens": 50}, "window": day,
             "ladder": [{"at": "50%", "warn": {"message": "Half of your tokens are used."}}, {"at": "200%", "deny": {}}]},
        ],
    })
}
