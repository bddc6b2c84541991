//! Cost records out: into the log, the filter state, and in batches to a collector.
//!
//! Never on a request's path: what is to be sent waits for the tick. No money goes unrecorded: what is not sent, for want
//! of room, of a collector that takes it, or of a host that makes requests, stands in the log.

use crate::host::{self, Buffer, Level};
use crate::root::Root;
use tokenstile_engine::exchange::Record;
use tokenstile_engine::otlp;
use tokenstile_engine::outbox::{Fate, Letter};
use tokenstile_engine::policy::Form;
use tokenstile_engine::units::EpochMs;

impl Root {
    /// Writes a record where the policy wants it. Envoy shows the property to its access log as filter state
    /// `wasm.tokenstile_record`.
    pub(crate) fn record(&mut self, record: &Record, now: EpochMs) {
        let is_wanted = self.policy.records_to.is_some();
        if !(is_wanted || self.policy.records_to_filter_state || self.policy.records_to_log) {
            return;
        }
        let record = record.to_json();
        if self.policy.records_to_filter_state {
            let _ = host::set_property("tokenstile_record", record.as_bytes());
        }
        let can_send = is_wanted && self.calls_out() && self.ticks_to_send();
        let waits = can_send && self.batches.add(&record, now);
        if is_wanted && !waits {
            self.records_are("dropped", 1);
        }
        if self.policy.records_to_log || (is_wanted && !waits) {
            log(&record);
        }
    }

    /// Sends the records that wait, and those that are due again.
    pub(crate) fn send_records(&mut self, now: EpochMs) {
        let policy = self.policy.clone();
        let Some(call) = &policy.records_to else { return };
        let fates = self.batches.send(now, |letter| match call.form {
            Form::Otlp => crate::alerts::post(call, &otlp::export_request(&letter.body)),
            _ => crate::alerts::post(call, &letter.body),
        });
        for fate in fates {
            self.records_came_to(fate, "it cannot be called, or does not answer");
        }
    }

    /// A request of ours was answered, or failed: perhaps one with records.
    pub(crate) fn records_answered(
        &mut self,
        token: u32,
        (status, retry_after): (Option<u16>, Option<u32>),
        now: EpochMs,
    ) {
        if let Some(fate) = self.batches.answered(token, status, retry_after, now) {
            self.records_came_to(fate, &crate::alerts::why(status));
        }
    }

    fn records_came_to(&mut self, fate: Fate, why: &str) {
        match fate {
            Fate::Sent(letter) => self.records_taken(&letter),
            Fate::Later(number) => self.records_are("retried", number),
            Fate::GivenUp(letter) => self.records_given_up(&letter, why),
        }
    }

    /// A collector took a batch, though perhaps not all of it. It does not say which records it rejected: all stand in the
    /// log then, and are known by their ids.
    fn records_taken(&mut self, letter: &Letter) {
        let is_otlp = self.policy.records_to.as_ref().is_some_and(|call| call.form == Form::Otlp);
        let answer = is_otlp.then(|| host::buffer(Buffer::CallBody).ok()).flatten();
        let rejected = answer.and_then(|answer| otlp::rejected(&answer));
        let number = rejected.as_ref().map_or(0, |(number, _)| letter.number.min(*number));
        self.records_are("sent", letter.number.saturating_sub(number));
        if let Some((_, why)) = rejected {
            self.records_are("failed", number);
            host::log(Level::Warn, &format!("tokenstile: records: {number} were rejected: {why}"));
            self.log_unsent(&letter.body);
        }
    }

    /// This configuration ends: what waits will not be sent.
    pub(crate) fn close_records(&mut self) {
        let unsent = self.batches.take();
        self.records_are("dropped", unsent.lines().count());
        self.log_unsent(&unsent);
    }

    fn records_given_up(&mut self, letter: &Letter, why: &str) {
        self.records_are("failed", letter.number);
        host::log(Level::Warn, &format!("tokenstile: records: {} were not taken: {why}", letter.number));
        self.log_unsent(&letter.body);
    }

    /// Unless they stand there.
    fn log_unsent(&self, records: &str) {
        if !self.policy.records_to_log {
            records.lines().for_each(log);
        }
    }

    fn records_are(&mut self, outcome: &str, count: usize) {
        self.metrics.add("record_deliveries", &[("outcome", outcome)], count as u64);
    }
}

fn log(record: &str) {
    host::log(Level::Info, &["tokenstile-record ", record].concat());
}
