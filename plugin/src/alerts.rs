//! Alerts out: a line in the log for each, and requests from the tick for those that go to somebody.
//!
//! Never on a request's path: the root's queue takes an alert when a call is settled, and the tick sends it.

use crate::host::{self, Level, Map};
use crate::root::Root;
use tokenstile_engine::alert::{Alert, content_type};
use tokenstile_engine::outbox::{Failed, Fate, Letter};
use tokenstile_engine::policy::CallOut;
use tokenstile_engine::units::EpochMs;

impl Root {
    /// Logs alerts, and keeps for the tick what is to be sent.
    pub(crate) fn tell(&mut self, alerts: &[Alert], now: EpochMs) {
        for alert in alerts {
            let policy = self.policy.clone();
            let Some(sink) = policy.sinks.get(alert.sink) else { continue };
            self.metrics.add("alerts", &[("rule", &alert.rule), ("sink", &sink.name)], 1);
            host::log(Level::Warn, &format!("tokenstile-alert {}", alert.line(&sink.name)));
            let Some(request) = alert.request(sink) else { continue };
            if !self.calls_out() {
                self.delivered(alert.sink, "dropped", 1);
                continue;
            }
            let letter = Letter { number: alert.sink, id: alert.id.clone(), body: request.body };
            if !self.outbox.post(letter, now) {
                self.delivered(alert.sink, "dropped", 1);
                host::log(
                    Level::Warn,
                    &format!(
                        "tokenstile: alert: too many wait for `{}`: {} is not sent",
                        sink.name, alert.id
                    ),
                );
            }
        }
    }

    /// Sends what is due.
    pub(crate) fn send_alerts(&mut self, now: EpochMs) {
        let policy = self.policy.clone();
        let send = |letter: &Letter| {
            let call = policy.sinks.get(letter.number).and_then(|sink| sink.call.as_ref());
            call.map_or(Err(Failed::Now), |call| post(call, &letter.body))
        };
        for fate in self.outbox.send(now, send) {
            self.came_to(fate, "it cannot be called, or does not answer");
        }
    }

    /// A request of ours was answered, or failed.
    pub(crate) fn answered(&mut self, token: u32, now: EpochMs) {
        let number = |name| String::from_utf8(host::header(Map::CallHeaders, name).ok()?).ok();
        let status = number(":status").and_then(|status| status.parse().ok());
        let retry_after = number("retry-after").and_then(|seconds| seconds.parse().ok());
        match self.outbox.answered(token, status, retry_after, now) {
            Some(fate) => self.came_to(fate, &why(status)),
            None => self.records_answered(token, (status, retry_after), now),
        }
    }

    fn came_to(&mut self, fate: Fate, why: &str) {
        match fate {
            Fate::Sent(letter) => self.delivered(letter.number, "sent", 1),
            Fate::Later(sink) => self.delivered(sink, "retried", 1),
            Fate::GivenUp(letter) => self.given_up(&letter, why),
        }
    }

    /// This configuration ends: what waits will not be sent. Each stands in the log already.
    pub(crate) fn close(&mut self) {
        let unsent = self.outbox.take();
        for letter in &unsent {
            self.delivered(letter.number, "dropped", 1);
        }
        if !unsent.is_empty() {
            let number = unsent.len();
            host::log(
                Level::Warn,
                &format!("tokenstile: alert: {number} were not sent when the filter ended"),
            );
        }
    }

    fn delivered(&mut self, sink: usize, outcome: &str, count: u64) {
        let policy = self.policy.clone();
        let sink = policy.sinks.get(sink).map_or("", |sink| sink.name.as_str());
        self.metrics.add("alert_deliveries", &[("sink", sink), ("outcome", outcome)], count);
    }

    fn given_up(&mut self, letter: &Letter, why: &str) {
        self.delivered(letter.number, "failed", 1);
        let policy = self.policy.clone();
        let sink = policy.sinks.get(letter.number).map_or("", |sink| sink.name.as_str());
        host::log(Level::Warn, &format!("tokenstile: alert: `{sink}` did not take {}: {why}", letter.id));
    }
}

/// Why an answer ended a letter's way.
pub(crate) fn why(status: Option<u16>) -> String {
    status.map_or_else(|| "no answer".to_owned(), |status| format!("status {status}"))
}

/// Starts the request; its number, and how long an answer is awaited.
pub(crate) fn post(call: &CallOut, body: &str) -> Result<(u32, u32), Failed> {
    let mut headers = vec![
        (":method", "POST".to_owned()),
        (":path", call.path.clone()),
        (":authority", call.authority.clone()),
        ("content-type", content_type(call.form).to_owned()),
    ];
    headers.extend(call.authorization.clone().map(|value| ("authorization", value)));
    match host::http_call(&call.cluster, &headers, body.as_bytes(), call.timeout_ms) {
        Ok(token) => Ok((token, call.timeout_ms)),
        Err(host::UNIMPLEMENTED) => Err(Failed::Never),
        // A cluster that is not known yet may come.
        Err(_) => Err(Failed::Now),
    }
}
