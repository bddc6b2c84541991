//! Where alerts go: the policy's `alerts`, by name, and the steps of ladders that name them.
//!
//! A sink has secrets (a routing key, the path of a webhook): they stand in what is sent, and in no text that a
//! person reads.

use super::amounts::duration_ms;
use super::compile::Compiler;
use super::named::Named;
use super::wire;
use deserr::errors::helpers::did_you_mean;
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
}

/// How long an answer may be awaited.
const TIMEOUT_MS: std::ops::RangeInclusive<i64> = 100..=60_000;
const TIMEOUT_MS_DEFAULT: i64 = 5_000;

impl Compiler<'_> {
    pub(super) fn sinks(&mut self, wire: Named<wire::Sink>) -> Vec<Sink> {
        let mut sinks = Vec::with_capacity(wire.len());
        for (name, sink) in wire {
            let path = format!("alerts.{name}");
            let call = match (sink.log, sink.slack, sink.pagerduty, sink.cloudevents) {
                (Some(_), None, None, None) => None,
                (None, Some(call), None, None) => Some(self.call_out(&path, "slack", Form::Slack, call)),
                (None, None, Some(call), None) => {
                    Some(self.call_out(&path, "pagerduty", Form::PagerDuty, call))
                }
                (None, None, None, Some(call)) => {
                    Some(self.call_out(&path, "cloudevents", Form::CloudEvents, call))
                }
                _ => {
                    let wrong = "exactly one of `log`, `slack`, `pagerduty` and `cloudevents` is needed";
                    self.errors.add(&path, wrong);
                    None
                }
            };
            sinks.push(Sink { name, call });
        }
        sinks
    }

    /// Messages name the key and what would be right, and never what stands there.
    fn call_out(&mut self, path: &str, key: &str, form: Form, wire: wire::CallOut) -> CallOut {
        let at = |field: &str| format!("{path}.{key}.{field}");
        let (authority, target, needed) = match form {
            // <https://docs.slack.dev/messaging/sending-messages-using-incoming-webhooks/>
            Form::Slack => ("hooks.slack.com", "", "the path of the webhook, such as `/services/…`"),
            // <https://developer.pagerduty.com/docs/send-alert-event>
            Form::PagerDuty => ("events.pagerduty.com", "/v2/enqueue", ""),
            Form::CloudEvents => ("", "/", ""),
        };
        let timeout_ms = wire.timeout.as_deref().map_or(Some(TIMEOUT_MS_DEFAULT), duration_ms);
        let timeout_ms = timeout_ms.filter(|ms| TIMEOUT_MS.contains(ms)).unwrap_or_else(|| {
            self.errors.add(at("timeout"), "a time from `100ms` to `60s` is needed");
            TIMEOUT_MS_DEFAULT
        });
        let call = CallOut {
            form,
            cluster: wire.cluster,
            authority: wire.authority.unwrap_or_else(|| authority.to_owned()),
            path: wire.path.unwrap_or_else(|| target.to_owned()),
            timeout_ms: u32::try_from(timeout_ms).unwrap_or(u32::MAX),
            routing_key: wire.routing_key.unwrap_or_default(),
            authorization: wire.authorization,
        };
        let fits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_graphic());
        if !fits(&call.cluster) {
            self.errors.add(at("cluster"), "the name of a cluster of the proxy is needed");
        }
        if !fits(&call.authority) {
            self.errors.add(at("authority"), "a host is needed, such as `events.acme.example`");
        }
        if !fits(&call.path) || !call.path.starts_with('/') {
            let needed = if needed.is_empty() { "a path is needed, such as `/events`" } else { needed };
            self.errors.add(at("path"), needed);
        }
        match form {
            Form::PagerDuty if !fits(&call.routing_key) => {
                self.errors.add(at("routing_key"), "the integration key of a PagerDuty service is needed");
            }
            Form::Slack | Form::CloudEvents if !call.routing_key.is_empty() => {
                self.errors.add(at("routing_key"), "only PagerDuty has one");
            }
            _ => {}
        }
        let is_header = |text: &String| fits(&text.replace(' ', ""));
        if call.authorization.as_ref().is_some_and(|text| !is_header(text)) {
            self.errors.add(at("authorization"), "the value of a header is needed, such as `Bearer …`");
        }
        call
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
