//! An alert as Slack, PagerDuty and `CloudEvents` want it.

use super::Alert;
use crate::policy::{CallOut, Form};
use serde_json::{Map, Value};

/// What is sent of an alert.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    /// The JSON body.
    pub body: String,
}

/// The type of the body.
#[must_use]
pub const fn content_type(form: Form) -> &'static str {
    match form {
        Form::Slack | Form::PagerDuty | Form::Otlp => "application/json",
        // <https://github.com/ndjson/ndjson-spec>
        Form::Ndjson => "application/x-ndjson",
        // <https://github.com/cloudevents/spec/blob/v1.0.2/cloudevents/bindings/http-protocol-binding.md#32-structured-content-mode>
        Form::CloudEvents => "application/cloudevents+json; charset=UTF-8",
    }
}

pub(super) fn request(alert: &Alert, call: &CallOut) -> Request {
    let body = match call.form {
        Form::Slack => slack(alert),
        Form::PagerDuty => pagerduty(alert, &call.routing_key),
        // Cost records have forms of their own, and are no alerts.
        Form::CloudEvents | Form::Otlp | Form::Ndjson => cloud_event(alert),
    };
    Request { body: body.to_string() }
}

/// An incoming webhook: `text` for notifications, blocks for the message itself.
/// <https://docs.slack.dev/messaging/sending-messages-using-incoming-webhooks/>
fn slack(alert: &Alert) -> Value {
    let said = |text: &str| object(&[("type", "mrkdwn".into()), ("text", escaped(text).into())]);
    let context = format!("{} · {} · {}", alert.policy, alert.decision, alert.id);
    let section = object(&[("type", "section".into()), ("text", said(&alert.sentence))]);
    let context = object(&[("type", "context".into()), ("elements", Value::Array(vec![said(&context)]))]);
    object(&[("text", escaped(&alert.sentence).into()), ("blocks", Value::Array(vec![section, context]))])
}

/// Whose name has a `<!channel>` in it wakes nobody:
/// <https://docs.slack.dev/messaging/formatting-message-text/#escaping>.
fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

/// The most characters of PagerDuty's `summary`, and of its `dedup_key`.
const SUMMARY_MAX: usize = 1024;
const DEDUP_KEY_MAX: usize = 255;

/// An alert event of Events API v2: <https://developer.pagerduty.com/docs/send-alert-event>.
fn pagerduty(alert: &Alert, routing_key: &str) -> Value {
    let severity = match alert.decision {
        _ if alert.shadow => "info",
        "deny" => "critical",
        "alert" | "warn" => "warning",
        _ => "error",
    };
    let payload = [
        ("summary", start(&alert.sentence, SUMMARY_MAX).into()),
        ("source", format!("tokenstile/{}", alert.policy).into()),
        ("severity", severity.into()),
        ("timestamp", alert.time.as_str().into()),
        ("component", alert.rule.as_str().into()),
        ("custom_details", Value::Object(alert.fields())),
    ];
    object(&[
        ("routing_key", routing_key.into()),
        ("event_action", "trigger".into()),
        ("dedup_key", start(&alert.id, DEDUP_KEY_MAX).into()),
        ("payload", object(&payload)),
    ])
}

fn start(text: &str, chars: usize) -> String {
    text.chars().take(chars).collect()
}

/// An event in structured mode: <https://github.com/cloudevents/spec/blob/v1.0.2/cloudevents/formats/json-format.md>.
fn cloud_event(alert: &Alert) -> Value {
    object(&[
        ("specversion", "1.0".into()),
        ("id", alert.id.as_str().into()),
        ("source", format!("/tokenstile/{}", segment(&alert.policy)).into()),
        ("type", "tokenstile.budget.alert".into()),
        ("subject", alert.rule.as_str().into()),
        ("time", alert.time.as_str().into()),
        ("datacontenttype", "application/json".into()),
        ("data", Value::Object(alert.fields())),
    ])
}

/// A name as a segment of a URI reference (RFC 3986, 2.3 and 3.3).
fn segment(name: &str) -> String {
    let mut out = String::new();
    for byte in name.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            out.push(char::from(byte));
        } else {
            out.push_str(&format!("%{byte:02X}"));
        }
    }
    out
}

fn object(fields: &[(&str, Value)]) -> Value {
    let fields = fields.iter().map(|(name, value)| ((*name).to_owned(), value.clone()));
    Value::Object(fields.collect::<Map<_, _>>())
}
