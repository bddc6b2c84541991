//! What the filter itself puts into an answer that streams: the error by which it ends when its budget is used up, and
//! the note behind it. Both stand between two events of the provider's.

use super::climb::output_for;
use super::plan::used;
use super::{Decision, Exchange, Settlement};
use crate::dialect::Events;
use crate::ledger::Level;
use crate::policy::{Action, Budget, Policy};
use crate::refusal::{amount_json, put};
use crate::units::{EpochMs, Meter, NanoUsd};
use crate::usage::{AnswerReader, Border, Served, Usage};
use serde_json::{Map, Value};

/// The end of a stream.
#[derive(Debug, Default)]
pub(super) struct Tail {
    /// Where the client is; `None` where nothing is put in.
    border: Option<Border>,
    /// It ends behind so many tokens of output, because of a budget: its place in the plan.
    most: Option<(u64, usize)>,
    /// What that was reckoned by: the prompt, and how it is served.
    by: Option<(Usage, Served)>,
    /// It has a note behind it.
    noted: bool,
    stage: Stage,
}

#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
enum Stage {
    #[default]
    Running,
    /// So many bytes of text have passed what the budget had. It may be the end: nothing is stopped that has ended.
    Passed(u64),
    /// Text came behind that: an error is due.
    Due,
    /// The error is on its way to the client.
    Ending,
    /// The error was sent, and nothing is behind it.
    Over,
}

impl Tail {
    pub(super) const fn is_followed(&self) -> bool {
        self.border.is_some()
    }

    pub(super) fn is_over(&self) -> bool {
        matches!(self.stage, Stage::Ending | Stage::Over)
    }

    /// The next chunk of the answer is here: the one before it went as it should.
    pub(super) fn goes_on(&mut self) {
        if self.stage == Stage::Ending {
            self.stage = Stage::Over;
        }
    }

    /// Nothing is put into the answer from here on. An error that the client has got remains its end; one that did not
    /// reach it ends nothing, and the rest passes.
    pub(super) fn leave_alone(&mut self) {
        if self.stage != Stage::Over {
            *self = Self::default();
        }
    }

    /// Whether so much text came that the stream would end.
    fn has_passed(&self, answer: Option<&mut AnswerReader>) -> bool {
        self.stage == Stage::Running
            && self.most.zip(answer).is_some_and(|((most, _), answer)| answer.passes(most))
    }

    /// The client gets the next bytes: how many of them, if not all.
    pub(super) fn pass(
        &mut self,
        next: &[u8],
        answer: Option<&mut AnswerReader>,
        last: bool,
    ) -> Option<usize> {
        let border = self.border.as_mut()?;
        if let (Stage::Passed(bytes), Some(answer), false) = (self.stage, answer, last)
            && answer.text_bytes() > bytes
            && let Some(cut) = border.rest_of_event(next)
        {
            border.pass(next.get(..cut).unwrap_or_default());
            self.stage = Stage::Due;
            return Some(cut);
        }
        border.pass(next);
        None
    }
}

impl Exchange {
    /// An answer of server-sent events begins.
    pub(super) fn begin_stream(&mut self) {
        let events = self.route.dialect.events;
        if !self.answer_editable || events == Events::Closed || !(200..300).contains(&self.status) {
            return;
        }
        let most = self.output_left(self.prompt(), &Served::default());
        let noted = self.policy.stream_notes && events.take_comments();
        let border = (noted || most.is_some()).then(Border::default);
        self.tail = Tail { border, most, by: None, noted, stage: Stage::Running };
    }

    /// Looks whether a stream has come to its end, by what it has said of itself until then: what its prompt has used,
    /// of which a cache may have given most.
    pub(super) fn watch_stream(&mut self) {
        let reader = self.answer.as_ref().filter(|_| self.tail.most.is_some());
        let Some(reader) = reader else { return };
        // Some servers state nothing of the prompt before the end, or 0.
        let stated = reader.stated().map(Usage::of_prompt).filter(|prompt| prompt.input > 0);
        let by = (stated.unwrap_or_else(|| self.prompt()), reader.served());
        if self.tail.by.as_ref() != Some(&by) {
            self.tail.most = self.output_left(by.0, &by.1);
            self.tail.by = Some(by);
            if let Some(answer) = &mut self.answer {
                answer.looks_again();
            }
        }
        if self.tail.has_passed(self.answer.as_mut()) {
            let bytes = self.answer.as_ref().map_or(0, AnswerReader::text_bytes);
            self.tail.stage = Stage::Passed(bytes);
        }
    }

    /// The prompt as we know it.
    fn prompt(&self) -> Usage {
        Usage { input: self.prompt_tokens, ..Usage::default() }
    }

    /// How much output there is for this call, after this prompt and served like this, in the budgets that stop streams,
    /// and the budget that has least.
    fn output_left(&self, prompt: Usage, served: &Served) -> Option<(u64, usize)> {
        let left = |(index, planned): (usize, &super::Planned)| {
            let budget = self.policy.budgets.get(planned.budget).filter(|_| !self.exempt)?;
            let reserved = planned.reserved.filter(|reserved| reserved.receipt.is_some())?;
            let cap = planned.hold.cap.filter(|_| budget.stops_streams())?;
            let rest = cap.saturating_sub(reserved.before.total());
            let quote = self.quote_for(self.served_model(), served);
            Some((output_for(budget.meter, rest, prompt, &quote)?, index))
        };
        self.plan.iter().enumerate().filter_map(left).min()
    }

    /// Whether [`Exchange::stop`] has something to say.
    #[must_use]
    pub fn is_stopping(&self) -> bool {
        self.tail.stage == Stage::Due
    }

    /// The error by which the answer ends, behind what [`Exchange::answer_chunk`] has let through: what a call like
    /// this one would be refused with now. Nothing comes behind it.
    pub fn stop(&mut self, now: EpochMs) -> Vec<u8> {
        if !self.is_stopping() {
            return Vec::new();
        }
        self.tail.stage = Stage::Ending;
        let event = self.stop_event(now).unwrap_or_default();
        if let Some(border) = &mut self.tail.border {
            border.pass(&event);
        }
        event
    }

    fn stop_event(&self, now: EpochMs) -> Option<Vec<u8>> {
        let (_, index) = self.tail.most?;
        let planned = self.plan.get(index)?;
        let budget = self.policy.budgets.get(planned.budget)?;
        let (before, cap) = (planned.reserved?.before, planned.hold.cap?);
        let used = before.used.saturating_add(cap.saturating_sub(before.total()).max(0));
        let told = self.told(budget, planned.hold.amount, now);
        let level = Level { used, ..before };
        let refusal = self.refusal(&told, planned, level, &budget.deny()?.action, cap);
        let body = (self.route.dialect.refusal)(&refusal, now).body;
        let number = self.tail.border.as_ref().map_or(0, Border::events);
        self.route.dialect.events.error(&body, number)
    }

    /// The budget that ended the answer.
    pub(super) fn stopped_by(&self) -> Option<&Budget> {
        let (_, index) = self.tail.most.filter(|_| self.tail.is_over())?;
        self.policy.budgets.get(self.plan.get(index)?.budget)
    }

    /// How much of what a stream used came before it was stopped, had it used this in all, and by which budget; `None` if
    /// it goes on to its end. Reasoning does not show in a stream.
    pub(super) fn stopped_in(&self, usage: Usage, served: &Served) -> Option<(Usage, &Budget)> {
        if self.route.dialect.events == Events::Closed {
            return None;
        }
        let (most, index) = self.output_left(usage.of_prompt(), served)?;
        let output = most.saturating_add(usage.reasoning);
        let stopped = (output < usage.output).then_some(Usage { output, ..usage })?;
        Some((stopped, self.policy.budgets.get(self.plan.get(index)?.budget)?))
    }

    /// A stream has used this: notes which budgets would have stopped it that are in shadow mode, or do not restrict
    /// its caller.
    pub(super) fn note_unstopped(&mut self, usage: Usage, cost: NanoUsd) {
        if !self.facts.as_ref().is_some_and(|facts| facts.stream)
            || self.route.dialect.events == Events::Closed
        {
            return;
        }
        let policy = self.policy.clone();
        let planned = self.plan.iter().filter_map(|planned| {
            let budget = policy.budgets.get(planned.budget)?;
            let shadow = self.exempt || budget.shadow;
            let before = planned.reserved.filter(|_| shadow && budget.stops_streams())?.before.total();
            let came_to = before.saturating_add(used(budget.meter, usage, cost));
            (came_to > budget.deny()?.at).then(|| (budget.name.clone(), Decision::Deny))
        });
        let new = |(name, _): &(String, Decision)| self.outcome.shadow.iter().all(|(other, _)| other != name);
        let noted: Vec<_> = planned.filter(new).collect();
        self.outcome.shadow.extend(noted);
    }

    /// What stands behind an answer that has ended whole: what it used and cost, as a comment, which parsers of such
    /// streams pass over (HTML standard, 9.2.6).
    #[must_use]
    pub fn stream_note(&self, settlement: &Settlement) -> Option<Vec<u8>> {
        self.tail.border.as_ref().filter(|border| self.tail.noted && border.is_here())?;
        let record = &settlement.record;
        let mut usage = Map::new();
        put(&mut usage, "input", record.usage.input.into());
        put(&mut usage, "output", record.usage.output.into());
        usage.extend(record.usage.parts.clone());
        let mut note = Map::new();
        put(&mut note, "id", record.id.as_str().into());
        put(&mut note, "decision", record.decision.into());
        put(&mut note, "rule", record.rule.clone().into());
        put(&mut note, "cost_usd", amount_json(Meter::Usd, settlement.cost().0));
        put(&mut note, "usage", Value::Object(usage));
        let warning = self.outcome.told();
        if !warning.is_empty() {
            put(&mut note, "warning", warning.into());
        }
        Some(format!(": tokenstile {}\n\n", Value::Object(note)).into_bytes())
    }
}

impl Policy {
    /// Whether some budget ends answers that stream.
    #[must_use]
    pub fn stops_streams(&self) -> bool {
        self.budgets.iter().any(Budget::stops_streams)
    }
}

impl Budget {
    /// Whether it ends answers that stream.
    fn stops_streams(&self) -> bool {
        self.deny().is_some_and(|deny| matches!(deny.action, Action::Deny { stops_streams: true, .. }))
    }
}
