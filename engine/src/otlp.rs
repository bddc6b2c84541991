//! Cost records as a collector takes them: OTLP/HTTP in JSON, with the names of OpenTelemetry's conventions for
//! generative AI where they have one.
//!
//! - The request, with numbers of 64 bits as texts: <https://opentelemetry.io/docs/specs/otlp/#json-protobuf-encoding>.
//! - A log record: <https://opentelemetry.io/docs/specs/otel/logs/data-model/>.
//! - Attributes: <https://opentelemetry.io/docs/specs/semconv/registry/attributes/gen-ai/>.
//!
//! The body of a log record is the cost record itself, as one text: who sums up money reads that.

use jiff::Timestamp;
use serde_json::Value;

/// Where a value stands in a cost record, and what it is called as an attribute.
const ATTRIBUTES: [(&str, &str); 20] = [
    ("/id", "tokenstile.record.id"),
    ("/policy", "tokenstile.policy"),
    ("/decision", "tokenstile.decision"),
    ("/rule", "tokenstile.rule"),
    ("/route", "tokenstile.route"),
    ("/ending", "tokenstile.ending"),
    ("/duration_ms", "tokenstile.duration_ms"),
    ("/cost_nano_usd", "tokenstile.cost_nano_usd"),
    ("/savings_nano_usd", "tokenstile.savings_nano_usd"),
    ("/stream", "gen_ai.request.stream"),
    ("/max_output_tokens", "gen_ai.request.max_tokens"),
    ("/model_requested", "gen_ai.request.model"),
    ("/model_answered", "gen_ai.response.model"),
    ("/retry_count", "http.request.resend_count"),
    ("/status", "http.response.status_code"),
    ("/usage/input", "gen_ai.usage.input_tokens"),
    ("/usage/output", "gen_ai.usage.output_tokens"),
    ("/usage/cache_read", "gen_ai.usage.cache_read.input_tokens"),
    ("/usage/cache_write", "gen_ai.usage.cache_creation.input_tokens"),
    ("/usage/reasoning", "gen_ai.usage.reasoning.output_tokens"),
];

/// Providers that the conventions call otherwise than the price book.
const PROVIDERS: [(&str, &str); 5] = [
    ("aws", "aws.bedrock"),
    ("azure", "azure.ai.openai"),
    ("google", "gcp.gen_ai"),
    ("mistral", "mistral_ai"),
    ("x-ai", "x_ai"),
];

/// An `ExportLogsServiceRequest` of cost records, each a line of JSON.
#[must_use]
pub fn export_request(records: &str) -> String {
    let mut out = String::with_capacity(records.len().saturating_mul(3));
    out.push_str(r#"{"resourceLogs":[{"resource":{"attributes":["#);
    attribute(&mut out, "service.name", &"tokenstile".into());
    out.push_str(r#"]},"scopeLogs":[{"scope":{"name":"tokenstile"},"logRecords":["#);
    for (i, line) in records.lines().enumerate() {
        if i > 0 {
            out.push(',');
        }
        log_record(&mut out, line);
    }
    out.push_str("]}]}]}");
    out
}

/// What a collector has rejected of a request that it took: how many log records, and why. "The client MUST NOT retry":
/// <https://opentelemetry.io/docs/specs/otlp/#partial-success-1>. Numbers of 64 bits are texts, or numbers.
#[must_use]
pub fn rejected(answer: &[u8]) -> Option<(usize, String)> {
    let answer: Value = serde_json::from_slice(answer).ok()?;
    let success = answer.get("partialSuccess")?;
    let count = success.get("rejectedLogRecords")?;
    let count = count.as_u64().or_else(|| count.as_str()?.parse().ok()).filter(|count| *count > 0)?;
    let why = success.get("errorMessage").and_then(Value::as_str).unwrap_or("it does not say why");
    Some((usize::try_from(count).unwrap_or(usize::MAX), why.chars().take(MESSAGE_MAX).collect()))
}

/// Characters of a collector's message that are logged.
const MESSAGE_MAX: usize = 500;

fn log_record(out: &mut String, line: &str) {
    const INFO: &str = "9";
    let record: Value = serde_json::from_str(line).unwrap_or_default();
    let text = |name: &str| record.get(name).and_then(Value::as_str).unwrap_or("");
    let begun = text("time").parse::<Timestamp>().map_or(0, Timestamp::as_millisecond);
    let lasted = record.get("duration_ms").and_then(Value::as_i64).unwrap_or(0);
    out.push_str(r#"{"timeUnixNano":""#);
    push_nanoseconds(out, begun);
    out.push_str(r#"","observedTimeUnixNano":""#);
    push_nanoseconds(out, begun.saturating_add(lasted));
    out.push_str(r#"","severityNumber":"#);
    out.push_str(INFO);
    out.push_str(r#","eventName":"tokenstile.cost_record","body":{"stringValue":"#);
    out.push_str(&Value::from(line).to_string());
    out.push_str(r#"},"attributes":["#);
    attribute(out, "gen_ai.operation.name", &operation(text("dialect")).into());
    let provider = text("provider");
    let known = PROVIDERS.iter().find(|(name, _)| *name == provider);
    more(out, "gen_ai.provider.name", &known.map_or(provider, |(_, name)| name).into());
    for (place, name) in ATTRIBUTES {
        more(out, name, record.pointer(place).unwrap_or(&Value::Null));
    }
    if let Some(ms) = record.get("time_to_first_chunk_ms").and_then(Value::as_u64) {
        more(out, "gen_ai.response.time_to_first_chunk", &seconds(ms));
    }
    for (field, prefix) in [("identity", "tokenstile.identity."), ("arms", "tokenstile.arm.")] {
        for (name, value) in record.get(field).and_then(Value::as_object).into_iter().flatten() {
            more(out, &[prefix, name].concat(), value);
        }
    }
    out.push_str("]}");
}

fn push_nanoseconds(out: &mut String, ms: i64) {
    out.push_str(&ms.max(0).to_string());
    out.push_str("000000");
}

/// Milliseconds as a fraction, which the conventions have for times.
fn seconds(ms: u64) -> Value {
    format!("{}.{:03}", ms / 1_000, ms % 1_000).parse().unwrap_or_default()
}

/// What the conventions call what a dialect does; they allow other words where they have none.
fn operation(dialect: &str) -> &str {
    match dialect {
        "openai-chat"
        | "openai-responses"
        | "anthropic-messages"
        | "vertex-anthropic"
        | "bedrock-converse"
        | "bedrock-invoke"
        | "cohere-chat"
        | "mistral-conversations"
        | "cloudflare-run"
        | "ollama" => "chat",
        "openai-completions" | "anthropic-complete" | "cohere-generate" => "text_completion",
        "gemini-generate" | "gemini-interactions" => "generate_content",
        "openai-embeddings" | "gemini-embed" | "cohere-embed" | "ollama-embed" => "embeddings",
        other => other,
    }
}

/// One more attribute, if there is a value.
fn more(out: &mut String, name: &str, value: &Value) {
    if !value.is_null() && value.as_str() != Some("") {
        out.push(',');
        attribute(out, name, value);
    }
}

fn attribute(out: &mut String, name: &str, value: &Value) {
    out.push_str(r#"{"key":"#);
    out.push_str(&Value::from(name).to_string());
    let (kind, quote) = match value {
        Value::Bool(_) => ("bool", ""),
        Value::Number(number) if number.is_f64() => ("double", ""),
        Value::Number(_) => ("int", "\""),
        _ => ("string", ""),
    };
    for part in [",\"value\":{\"", kind, "Value\":", quote, &value.to_string(), quote, "}}"] {
        out.push_str(part);
    }
}

#[cfg(test)]
mod tests {
    use super::{export_request, rejected};
    use serde_json::{Value, json};

    #[test]
    fn a_record_is_a_log_record_with_its_names_and_itself_as_the_body() {
        let record = json!({"id": "1-2-3", "time": "2026-11-22T12:00:00.250Z", "duration_ms": 750, "policy": "acme",
            "dialect": "bedrock-converse", "provider": "aws", "identity": {"user": "a\"na\n", "team": ""},
            "model_requested": "claude", "model_answered": "", "decision": "allow", "status": 200,
            "stream": true, "time_to_first_chunk_ms": 1250, "retry_count": 2, "max_output_tokens": 64, "ending": "cut",
            "route": "trial", "arms": {"trial": "mini"}, "savings_nano_usd": -7,
            "usage": {"input": 10, "output": 5, "cache_read": 4, "reasoning": 3, "source": "reported"}, "cost_nano_usd": 12345});
        let line = record.to_string();
        let request: Value = serde_json::from_str(&export_request(&format!("{line}\n{line}\n"))).unwrap();
        let resource = &request["resourceLogs"][0];
        assert_eq!(resource["resource"]["attributes"][0]["value"]["stringValue"], "tokenstile");
        let logs = resource["scopeLogs"][0]["logRecords"].as_array().unwrap();
        assert_eq!((logs.len(), &logs[0]), (2, &logs[1]));
        assert_eq!(logs[0]["timeUnixNano"], "1795348800250000000");
        assert_eq!(logs[0]["observedTimeUnixNano"], "1795348801000000000");
        let body: Value = serde_json::from_str(logs[0]["body"]["stringValue"].as_str().unwrap()).unwrap();
        assert_eq!(body, record);
        let attributes = logs[0]["attributes"].as_array().unwrap();
        let value =
            |name: &str| attributes.iter().find(|one| one["key"] == name).map(|one| one["value"].clone());
        let text = |text: &str| Some(json!({"stringValue": text}));
        assert_eq!(value("gen_ai.operation.name"), text("chat"));
        assert_eq!(value("gen_ai.provider.name"), text("aws.bedrock"));
        assert_eq!(value("tokenstile.record.id"), text("1-2-3"));
        assert_eq!(value("tokenstile.identity.user"), text("a\"na\n"));
        assert_eq!(value("gen_ai.usage.input_tokens"), Some(json!({"intValue": "10"})));
        assert_eq!(value("gen_ai.usage.cache_read.input_tokens"), Some(json!({"intValue": "4"})));
        assert_eq!(value("tokenstile.cost_nano_usd"), Some(json!({"intValue": "12345"})));
        assert_eq!(value("tokenstile.savings_nano_usd"), Some(json!({"intValue": "-7"})));
        assert_eq!(value("tokenstile.duration_ms"), Some(json!({"intValue": "750"})));
        assert_eq!(value("gen_ai.request.stream"), Some(json!({"boolValue": true})));
        assert_eq!(value("gen_ai.request.max_tokens"), Some(json!({"intValue": "64"})));
        assert_eq!(value("gen_ai.response.time_to_first_chunk"), Some(json!({"doubleValue": 1.25})));
        assert_eq!(value("gen_ai.usage.reasoning.output_tokens"), Some(json!({"intValue": "3"})));
        assert_eq!(value("http.request.resend_count"), Some(json!({"intValue": "2"})));
        assert_eq!((value("tokenstile.route"), value("tokenstile.ending")), (text("trial"), text("cut")));
        assert_eq!(value("tokenstile.arm.trial"), text("mini"));
        for absent in ["gen_ai.response.model", "tokenstile.identity.team", "tokenstile.rule"] {
            assert_eq!(value(absent), None);
        }
    }

    #[test]
    fn what_a_collector_rejects_is_read_as_a_text_or_a_number() {
        let of = |answer: &str| rejected(answer.as_bytes());
        let some = Some((3, "too old".to_owned()));
        assert_eq!(of(r#"{"partialSuccess":{"rejectedLogRecords":"3","errorMessage":"too old"}}"#), some);
        assert_eq!(of(r#"{"partialSuccess":{"rejectedLogRecords":3,"errorMessage":"too old"}}"#), some);
        let unsaid = Some((1, "it does not say why".to_owned()));
        assert_eq!(of(r#"{"partialSuccess":{"rejectedLogRecords":1}}"#), unsaid);
        // A warning beside a whole success, none at all, and what is no answer.
        for whole in [
            r#"{"partialSuccess":{"rejectedLogRecords":"0","errorMessage":"use gRPC"}}"#,
            r#"{"partialSuccess":{}}"#,
            r#"{"partialSuccess":{"rejectedLogRecords":"-1"}}"#,
            "{}",
            "",
            "\u{0}",
        ] {
            assert_eq!(of(whole), None, "{whole}");
        }
    }

    #[test]
    fn any_text_gives_json() {
        for records in
            ["", "\n", "not JSON\n", "{\"time\":7,\"identity\":[1],\"duration_ms\":-9}\n", "[]\nnull\n"]
        {
            let request = export_request(records);
            assert!(serde_json::from_str::<Value>(&request).is_ok(), "{records:?}: {request}");
        }
    }
}
