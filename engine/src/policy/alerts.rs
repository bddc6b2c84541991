//! Where alerts go: the policy's `alerts`, by name, and the steps of ladders that name them.
//!
//! A sink has secrets (a routing key, the path of a webhook): they stand in what is sent, and in no text that a
//! person reads.

use super::amounts::duration_ms;
use super::compile::Compiler;
use deserr::errors::helpers::did_you_mean;
use serde_json::Value;
use std::fmt;

/// A sink, by its name.
#[derive(Debug)]
pub struct Sink {
    /// The name that ladders use.
    pub name: String,
    /// How it is called; `None` if the proxy's log is all, which has every alert anyway.
    pub call: Option<CallOut>,
}

/// An HTTP request to a cluster of the proxy.
pub struct CallOut {
    /// What is sent.
    pub form: Form,
    /// Envoy's name of where it goes.
    pub cluster: String,
    /// The host that is asked for.
    pub authority: String,
    /// The path, which is a secret with Slack.
    pub path: String,
    /// How long an answer is awaited, in milliseconds.
    pub timeout_ms: u32,
    /// PagerDuty's integration key; empty elsewhere.
    pub routing_key: String,
    /// The `authorization` header, if there is one.
    pub authorization: Option<String>,
}

impl fmt::Debug for CallOut {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CallOut")
            .field("form", &self.form)
            .field("cluster", &self.cluster)
            .finish_non_exhaustive()
    }
}

/// The shape of an event on the wire.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// An incoming webhook.
    Slack,
    /// Events API v2.
    PagerDuty,
    /// `CloudEvents` 1.0, structured, in JSON.
    CloudEvents,
    /// Cost records as logs: OTLP/HTTP in JSON.
    Otlp,
    /// Cost records as they are, one a line.
    Ndjson,
}

/// The kinds of sinks, by the key that names them.
const FORMS: [(&str, Option<Form>); 4] = [
    ("log", None),
    ("slack", Some(Form::Slack)),
    ("pagerduty", Some(Form::PagerDuty)),
    ("cloudevents", Some(Form::CloudEvents)),
];

/// Where cost records go, by the key that names it.
const RECORD_FORMS: [(&str, Option<Form>); 2] = [("otlp", Some(Form::Otlp)), ("ndjson", Some(Form::Ndjson))];

/// What a request is made of; `log` takes none of it.
const FIELDS: [&str; 6] = ["cluster", "authority", "path", "timeout", "routing_key", "authorization"];

/// How long an answer may be awaited.
const TIMEOUT_MS: std::ops::RangeInclusive<i64> = 100..=60_000;
const TIMEOUT_MS_DEFAULT: i64 = 5_000;

impl Compiler<'_> {
    /// Sinks as written: a name, one kind, and its fields.
    pub(super) fn sinks(&mut self, wire: &Value) -> Vec<Sink> {
        let mut sinks = Vec::new();
        for (name, kinds) in self.object("alerts", wire) {
            let call = self.one_of(&format!("alerts.{name}"), kinds, &FORMS);
            sinks.push(Sink { name: name.clone(), call });
        }
        sinks
    }

    /// Where cost records go beside the log, if anywhere.
    pub(super) fn record_sink(&mut self, wire: &Value) -> Option<CallOut> {
        if wire.is_null() { None } else { self.one_of("records.http", wire, &RECORD_FORMS) }
    }

    /// One kind of sink, and its fields.
    fn one_of(
        &mut self,
        path: &str,
        kinds: &Value,
        forms: &[(&'static str, Option<Form>)],
    ) -> Option<CallOut> {
        let kinds = self.object(path, kinds);
        let known: Vec<&str> = forms.iter().map(|(known, _)| *known).collect();
        if kinds.len() != 1 {
            self.errors.add(path, format!("exactly one of `{}` is needed", known.join("`, `")));
        }
        let mut call = None;
        for (kind, fields) in kinds {
            let path = format!("{path}.{kind}");
            match forms.iter().find(|(known, _)| known == kind) {
                None => self.unknown(&path, "kind", kind, &known),
                Some((_, form)) => call = self.call_out(&path, *form, fields),
            }
        }
        call
    }

    /// The members of an object; of `null`, which stands for nothing, none.
    fn object<'v>(&mut self, path: &str, value: &'v Value) -> Vec<(&'v String, &'v Value)> {
        match value {
            Value::Object(fields) => return fields.iter().collect(),
            Value::Null => {}
            _ => self.errors.add(path, "an object is needed"),
        }
        Vec::new()
    }

    fn unknown(&mut self, path: &str, what: &str, name: &str, known: &[&str]) {
        let hint = did_you_mean(name, known);
        let wrong = if known.is_empty() {
            format!("unknown {what} `{name}`: there is none here")
        } else {
            format!("unknown {what} `{name}`: {hint}known are `{}`", known.join("`, `"))
        };
        self.errors.add(path, wrong);
    }

    /// Messages name the key and what would be right, and never what stands there.
    fn call_out(&mut self, path: &str, form: Option<Form>, fields: &Value) -> Option<CallOut> {
        let members = self.object(path, fields);
        let known = if form.is_some() { FIELDS.as_slice() } else { &[] };
        for (name, value) in members {
            if !known.contains(&name.as_str()) {
                self.unknown(path, "field", name, known);
            } else if !value.is_string() {
                self.errors.add(format!("{path}.{name}"), "a text is needed");
            }
        }
        let form = form?;
        let (authority, target, webhook) = match form {
            // <https://docs.slack.dev/messaging/sending-messages-using-incoming-webhooks/>
            Form::Slack => ("hooks.slack.com", "", "the path of the webhook, such as `/services/…`"),
            // <https://developer.pagerduty.com/docs/send-alert-event>
            Form::PagerDuty => ("events.pagerduty.com", "/v2/enqueue", ""),
            // <https://opentelemetry.io/docs/specs/otlp/#otlphttp-request>
            Form::Otlp => ("", "/v1/logs", ""),
            Form::CloudEvents | Form::Ndjson => ("", "/", ""),
        };
        let field = |name: &str| fields.get(name).and_then(Value::as_str);
        let text = |name: &str, default: &str| field(name).unwrap_or(default).to_owned();
        let timeout_ms = field("timeout").map_or(Some(TIMEOUT_MS_DEFAULT), duration_ms);
        let timeout_ms = timeout_ms.filter(|ms| TIMEOUT_MS.contains(ms));
        let call = CallOut {
            form,
            cluster: text("cluster", ""),
            authority: text("authority", authority),
            path: text("path", target),
            timeout_ms: timeout_ms.and_then(|ms| u32::try_from(ms).ok()).unwrap_or_default(),
            routing_key: text("routing_key", ""),
            authorization: field("authorization").map(str::to_owned),
        };
        let fits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_graphic());
        let has_key = !call.routing_key.is_empty();
        let authorized = call.authorization.as_ref().is_none_or(|text| fits(&text.replace(' ', "")));
        let path_needed = if webhook.is_empty() { "a path is needed, such as `/events`" } else { webhook };
        let checks = [
            ("cluster", fits(&call.cluster), "the name of a cluster of the proxy is needed"),
            ("authority", fits(&call.authority), "a host is needed, such as `events.acme.example`"),
            ("path", fits(&call.path) && call.path.starts_with('/'), path_needed),
            ("timeout", timeout_ms.is_some(), "a time from `100ms` to `60s` is needed"),
            ("routing_key", form == Form::PagerDuty || !has_key, "only PagerDuty has one"),
            (
                "routing_key",
                form != Form::PagerDuty || fits(&call.routing_key),
                "the integration key of a PagerDuty service is needed",
            ),
            ("authorization", authorized, "the value of a header is needed, such as `Bearer …`"),
        ];
        for (field, _, needed) in checks.into_iter().filter(|(_, fine, _)| !fine) {
            self.errors.add(format!("{path}.{field}"), needed);
        }
        Some(call)
    }

    /// The sink of this name, by its place; an unknown one is an error.
    pub(super) fn sink(&mut self, path: &str, name: &str) -> Option<usize> {
        let found = self.sinks.iter().position(|known| known == name);
        if found.is_none() {
            let known: Vec<&str> = self.sinks.iter().map(String::as_str).collect();
            let hint = did_you_mean(name, &known);
            let wrong = format!(
                "no sink `{name}` in `alerts`: {hint}declare it there, at least as `{{\"log\": {{}}}}`"
            );
            self.errors.add(format!("{path}.alert"), wrong);
        }
        found
    }
}
