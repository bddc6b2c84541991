//! The end of a call: what it used, what it cost, what the ledger gets.

use super::plan;
use super::record::{Record, RecordUsage, UsageSource};
use super::{Exchange, State};
use crate::alert::Owed;
use crate::ledger::Settle;
use crate::units::{Amount, EpochMs, NanoUsd};
use crate::usage::Usage;

/// What a call came to, once.
#[derive(Debug)]
pub struct Settlement {
    /// For the log.
    pub record: Record,
    /// What was used.
    pub usage: Usage,
}

impl Exchange {
    /// The call is over. `complete`: the answer passed whole; otherwise the client hung up or the
    /// upstream broke off. Gives the settlement the first time, then nothing; afterwards
    /// [`Exchange::take_owed`] has what the store must book.
    pub fn end(&mut self, complete: bool, now: EpochMs) -> Option<Settlement> {
        let state = std::mem::replace(&mut self.state, State::Ended);
        if state == State::Ended {
            return None;
        }
        let reader = self.answer.take();
        let served = reader.as_ref().map(crate::usage::AnswerReader::served).unwrap_or_default();
        let (usage, source) = if state == State::Forwarded {
            self.used(reader, complete)
        } else {
            (Usage::default(), UsageSource::None)
        };
        let quote = self.quote_for(self.served_model(), &served);
        // A call that was not made costs nothing, not even by the request.
        let cost = if source == UsageSource::None { NanoUsd(0) } else { quote.price.cost(usage) };
        if state == State::Forwarded {
            self.owe(usage, source, cost);
        } else {
            self.give_back();
        }
        let usage_record = RecordUsage::new(usage, source);
        let record = self.record(state, complete, usage_record, cost, quote, served.model, now);
        Some(Settlement { record, usage })
    }

    /// What the provider stated, else what was sent and seen. An error costs nothing unless it states
    /// usage; explicit zero is zero.
    fn used(&self, reader: Option<crate::usage::AnswerReader>, complete: bool) -> (Usage, UsageSource) {
        let prompt = Usage { input: self.prompt_tokens, ..Usage::default() };
        let counted = if self.prompt_bound.is_some() { UsageSource::Estimated } else { UsageSource::Counted };
        let Some(reader) = reader else {
            // The client left before the answer began: the provider has read the prompt.
            return if complete { (Usage::default(), UsageSource::None) } else { (prompt, counted) };
        };
        if let Some(stated) = reader.stated() {
            return (stated, UsageSource::Reported);
        }
        // 0: the host did not tell it, so it need not be an error.
        if self.status != 0 && !(200..300).contains(&self.status) {
            return (Usage::default(), UsageSource::None);
        }
        if reader.failed() {
            return (Usage::default(), UsageSource::None);
        }
        if self.answer_lost || !reader.is_readable() {
            return (self.expected_usage(), UsageSource::Estimated);
        }
        let source = if reader.counts() { counted } else { UsageSource::Estimated };
        let (counts, output) = (reader.counts(), reader.counted_output());
        if output == 0 && !counts && complete {
            // It is made later, and fetched by a call that costs nothing (`background`), or is in a form that
            // nobody knows: nothing seen is not nothing used.
            return (self.expected_usage(), UsageSource::Estimated);
        }
        (Usage { output, ..prompt }, source)
    }

    /// Books what was used in every budget of the plan, in place of its hold.
    fn owe(&mut self, usage: Usage, source: UsageSource, cost: NanoUsd) {
        let mut owed = Vec::with_capacity(self.plan.len());
        for planned in &self.plan {
            let Some(budget) = self.policy.budgets.get(planned.budget) else { continue };
            let receipt = planned.reserved.and_then(|reserved| reserved.receipt);
            let watch = self.watch(planned);
            let settle = Settle {
                key: planned.hold.key,
                window: planned.hold.window,
                receipt,
                // Nor does a call that was not made count as one.
                used: if source == UsageSource::None { 0 } else { plan::used(budget.meter, usage, cost) },
                untold: false,
                watched: watch.as_ref().map(|_| USED_ALONE),
            };
            owed.push(Owed { settle, watch });
        }
        self.owed.append(&mut owed);
    }
}

/// Nothing has reached a threshold but what was used.
const USED_ALONE: Amount = -1;
