//! Streams that a budget stops: a recorded one at the event behind which the filter would have stopped it, one of which
//! the trace has only numbers by these.

use super::super::answer;
use super::super::trace::Whole;
use super::known::Known;
use tokenstile_engine::exchange::{Exchange, UsageSource};
use tokenstile_engine::units::EpochMs;
use tokenstile_engine::usage::{Served, Usage};

/// A recorded stream that was stopped.
pub(super) struct RecordedStop {
    pub(super) rule: String,
    /// So many events came.
    pub(super) events: usize,
    /// What they come to, and how that is known.
    pub(super) usage: Usage,
    pub(super) source: UsageSource,
}

/// What becomes of a stream under budgets that stop them.
#[derive(Default)]
pub(super) struct Stop {
    /// What it used until then, if it was stopped.
    pub(super) usage: Option<Usage>,
    /// By whom, and after how many events.
    pub(super) by: Option<(String, Option<usize>)>,
    /// It is not known whether it streams.
    pub(super) may_stop: bool,
}

impl Known {
    /// What becomes of this call if it uses so much in all.
    pub(super) fn stop(&self, exchange: &Exchange, usage: Usage, served: &Served) -> Stop {
        if let Some(stop) = &self.stop {
            let by = Some((stop.rule.clone(), Some(stop.events)));
            return Stop { usage: Some(stop.usage), by, may_stop: false };
        }
        let fine = self.status == 0 || (200..300).contains(&self.status);
        let stopped = exchange.stopped_after(usage, served).filter(|_| fine && self.streams != Some(false));
        let Some((usage, rule)) = stopped else { return Stop::default() };
        if self.streams.is_none() {
            return Stop { may_stop: true, ..Stop::default() };
        }
        Stop { usage: Some(usage), by: Some((rule.to_owned(), None)), may_stop: false }
    }
}

/// Lets a recorded stream pass event by event, to see whether it is stopped. Where another answer stands in its place,
/// its events are not known.
pub(super) fn stream(exchange: &mut Exchange, whole: &Whole, used: &mut Known, now: EpochMs) {
    let kind = whole.answer_header("content-type").unwrap_or_default();
    let by = exchange.served_by();
    if by.served != by.asked || by.output_max.is_some() {
        used.streams = if answer::is_stream(kind) { None } else { Some(false) };
        return;
    }
    let stated: Vec<(&str, Vec<u8>)> = exchange
        .answer_headers()
        .iter()
        .filter_map(|name| Some((*name, whole.answer_header(name)?.to_vec())))
        .collect();
    let mut reader = exchange.reader(kind, false);
    for (name, value) in &stated {
        reader.header(name, value);
    }
    exchange.answer_head(whole.status, kind, false, &stated, now);
    let events = answer::events(&whole.answer);
    for (number, event) in (1..).zip(&events) {
        reader.feed(event);
        exchange.answer_chunk(event, number == events.len());
        if exchange.stop(now).is_empty() {
            continue;
        }
        let Some(rule) = exchange.stopped_by_budget().map(str::to_owned) else { return };
        let (usage, source) = exchange.used_by(reader, whole.status, false);
        used.stop = Some(RecordedStop { rule, events: number, usage, source });
        return;
    }
}

/// How long a call lasts that ends before its output does: as if that came evenly.
pub(super) fn shortened_by(lasts: i64, whole: Option<Usage>, used: Option<Usage>) -> i64 {
    let output = |usage: Option<Usage>| i128::from(usage.map_or(0, |usage| usage.output));
    let (whole, used) = (output(whole), output(used));
    if whole <= used {
        return lasts;
    }
    i64::try_from(i128::from(lasts) * used / whole).unwrap_or(lasts)
}
