//! The end of a call: what it used, what it cost, what the ledger gets.

use super::plan;
use super::record::{Bill, Record, RecordUsage, UsageSource};
use super::{Exchange, State};
use crate::alert::Owed;
use crate::ledger::{Settle, SlotKey};
use crate::policy::{Action, Budget, Overage};
use crate::price::{Price, Quote};
use crate::units::{Amount, EpochMs, NanoUsd};
use crate::usage::{Other, Served, Usage};
use serde_json::{Map, Value};

/// What a call came to, once.
#[derive(Debug)]
pub struct Settlement {
    /// For the log.
    pub record: Record,
    /// What was used.
    pub usage: Usage,
    /// What the call cost.
    cost: NanoUsd,
}

impl Settlement {
    /// What the call cost.
    #[must_use]
    pub const fn cost(&self) -> NanoUsd {
        self.cost
    }
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
        let used = if state == State::Forwarded {
            self.used_of(reader, self.status, complete)
        } else {
            (Usage::default(), UsageSource::None)
        };
        Some(self.settled(state, complete, used, served, now))
    }

    /// Prices and books what was used.
    pub(super) fn settled(
        &mut self,
        state: State,
        complete: bool,
        (usage, source): (Usage, UsageSource),
        served: Served,
        now: EpochMs,
    ) -> Settlement {
        if complete {
            self.learn(usage, source);
        }
        self.remember_conversation(usage, source);
        let quote = self.quote_for(self.served_model(), &served);
        // A call that was not made costs nothing, not even by the request.
        let was_made = source != UsageSource::None;
        let by_rates = if was_made { self.cost_at(&quote.price, usage, &served) } else { NanoUsd(0) };
        let is_known = |other: &Other| self.quote_for(&other.model, &Served::default()).known;
        let others_known = served.other.as_ref().is_none_or(is_known);
        let billed = self.billed(&quote, &served).filter(|_| source == UsageSource::Reported);
        let cost = billed.unwrap_or(by_rates);
        let listed = quote.list.as_ref().map(|price| self.cost_at(price, usage, &served));
        let listed = listed.or(billed.and(quote.known.then_some(by_rates)));
        let list_cost = listed.filter(|list_cost| was_made && *list_cost != cost);
        // Before it is noted what would have ended the stream: that is no refusal of the whole.
        let shadow_savings = match source {
            UsageSource::None => Map::new(),
            _ => self.shadow_savings(usage, by_rates, &served),
        };
        if state == State::Forwarded {
            self.owe(usage, source, cost);
            self.note_unstopped(usage, cost);
        } else {
            self.give_back();
        }
        let savings = self.savings(usage, by_rates, &served);
        let usage_record = RecordUsage::new(usage, source);
        let model_answered = served.model;
        let bill = Bill {
            usage: usage_record,
            cost,
            list_cost,
            billed,
            others_known,
            savings,
            shadow_savings,
            quote,
            model_answered,
        };
        let record = self.record(state, complete, bill, now);
        Settlement { record, usage, cost }
    }

    /// What a usage costs: at this price, but for what another model used, which costs what it costs by itself.
    pub(super) fn cost_at(&self, price: &Price, usage: Usage, served: &Served) -> NanoUsd {
        let Some(other) = &served.other else { return price.cost(usage) };
        let others = &self.quote_for(&other.model, &Served::default()).price;
        NanoUsd(price.cost(usage.without(other.usage)).0.saturating_add(others.cost(other.usage).0))
    }

    /// What the provider itself says that it charges: those whose word for it is documented, and no price of the policy's own.
    pub(super) fn billed(&self, quote: &Quote, served: &Served) -> Option<NanoUsd> {
        let says = matches!(self.provider(), Some("openrouter" | "perplexity" | "x-ai"));
        served.cost.filter(|_| says && self.policy.prices.charges_stated && !quote.is_own())
    }

    /// Remembers what a whole answer came to, unless we had a hand in it.
    fn learn(&self, usage: Usage, source: UsageSource) {
        let told = matches!(source, UsageSource::Reported | UsageSource::Counted);
        let as_asked = self.outcome.served_model.is_none() && self.outcome.output_bound.is_none();
        let ((Some((kind, _)), Some(learned)), true) = ((self.kind, &self.learned), told && as_asked) else {
            return;
        };
        let choices = self.facts.as_ref().map_or(1, |facts| facts.choices.max(1));
        let output = usage.output.div_ceil(choices);
        if let (Some((quantile, _)), Ok(mut learned)) =
            (&self.policy.learned_output, learned.try_borrow_mut())
        {
            learned.observe(kind, output, *quantile, self.policy.expected_output_tokens);
        }
    }

    /// What the same tokens would have cost with the model and the service tier that were asked for, less what they did.
    fn savings(&self, usage: Usage, cost: NanoUsd, served: &Served) -> NanoUsd {
        let asked_tier = self.facts.as_ref().filter(|_| self.routing.service_tier.is_some());
        if !self.serves_another() && asked_tier.is_none() {
            return NanoUsd(0);
        }
        let mut served = Served { model: String::new(), ..served.clone() };
        if let Some(facts) = asked_tier {
            let tier = if facts.service_tier.is_empty() { "default" } else { &facts.service_tier };
            tier.clone_into(&mut served.service_tier);
        }
        let asked = self.cost_at(&self.quote_for(self.asked_model(), &served).price, usage, &served);
        NanoUsd(asked.0.saturating_sub(cost.0))
    }

    /// What the provider stated, else what was sent and seen. An error costs nothing unless it states
    /// usage; explicit zero is zero.
    pub(super) fn used_of(
        &self,
        reader: Option<crate::usage::AnswerReader>,
        status: u16,
        complete: bool,
    ) -> (Usage, UsageSource) {
        let prompt = Usage { input: self.prompt_tokens, ..Usage::default() };
        let counted = if self.prompt_bound.is_some() { UsageSource::Estimated } else { UsageSource::Counted };
        let Some(reader) = reader else {
            // The client left before the answer began: the provider has read the prompt.
            return if complete { (Usage::default(), UsageSource::None) } else { (prompt, counted) };
        };
        if let Some(stated) = reader.stated() {
            // What ends in an error costs what it states; a stream that was cut, or wrote on after its last number, is
            // counted.
            let unstated = if complete { reader.wrote_on() && !reader.failed() } else { reader.counts() };
            let seen = if unstated { reader.counted_output() } else { 0 };
            return if seen > stated.output {
                (Usage { output: seen, ..stated }, UsageSource::Counted)
            } else {
                (stated, UsageSource::Reported)
            };
        }
        // 0: the host did not tell it, so it need not be an error.
        if status != 0 && !(200..300).contains(&status) {
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
        let streams = self.facts.as_ref().is_some_and(|facts| facts.stream);
        if !counts && (output == 0 && complete || !complete && !streams) {
            // It is made later, and fetched by a call that costs nothing (`background`), or is in a form that
            // nobody knows: nothing seen is not nothing used. And a document that was cut was made whole before.
            let expected = self.expected_usage();
            return (Usage { output: output.max(expected.output), ..expected }, UsageSource::Estimated);
        }
        (Usage { output, ..prompt }, source)
    }

    /// Books what was used in every budget of the plan, in place of its hold.
    fn owe(&mut self, usage: Usage, source: UsageSource, cost: NanoUsd) {
        let mut owed = Vec::with_capacity(self.plan.len());
        for planned in &self.plan {
            // A confirmation is used up.
            let budget = self.policy.budgets.get(planned.budget);
            let used = budget.map_or(planned.hold.amount, |budget| plan::used(budget.meter, usage, cost));
            let receipt = planned.reserved.and_then(|reserved| reserved.receipt);
            let watch = self.watch(planned);
            let settle = Settle {
                key: planned.hold.key,
                window: planned.hold.window,
                receipt,
                // Nor does a call that was not made count as one.
                used: if source == UsageSource::None { 0 } else { used },
                untold: false,
                watched: budget.is_some_and(|budget| self.charges_more(budget)),
                tells: watch.as_ref().map(|_| USED_ALONE),
            };
            owed.push(Owed { settle, watch });
        }
        self.owed.append(&mut owed);
    }

    /// Whether this call may pay for what it uses of a budget beyond a step.
    fn charges_more(&self, budget: &Budget) -> bool {
        let mut steps = budget.enforced();
        !budget.shadow && !self.exempt && steps.any(|step| matches!(step.action, Action::Overage(_)))
    }

    /// What [`Exchange::take_owed`] gave after the end was settled: adds to the record what the call used beyond
    /// steps of overage. `before` is what the ledger had before it, so that of calls that pass a step at the same
    /// time each pays for its own part; where it did not take the settlement yet, what stood when the call began.
    pub fn booked(&self, settlement: &mut Settlement, before: &[(SlotKey, Amount)]) {
        if settlement.record.usage.source == UsageSource::None {
            return;
        }
        for planned in &self.plan {
            let budget = self.policy.budgets.get(planned.budget).filter(|budget| self.charges_more(budget));
            let Some(budget) = budget else { continue };
            let told = before.iter().find(|(key, _)| *key == planned.hold.key).map(|(_, used)| *used);
            let from = told.or_else(|| Some(planned.reserved?.before.used));
            let Some(from) = from else { continue };
            let to = from.saturating_add(plan::used(budget.meter, settlement.usage, settlement.cost));
            settlement.record.overage.extend(lines(budget, from, to));
        }
    }
}

impl Exchange {
    /// What a settled call used of each budget that it met, and whether it is the first of its subject that counts there.
    /// Nothing of a call that came to nothing.
    pub fn used_of_budgets(&self, settlement: &Settlement) -> impl Iterator<Item = (&Budget, Amount, bool)> {
        let (usage, cost) = (settlement.usage, settlement.cost);
        let came = settlement.record.usage.source != UsageSource::None;
        self.plan.iter().filter(move |_| came).filter_map(move |planned| {
            let budget = self.policy.budgets.get(planned.budget)?;
            let before = planned.reserved.map(|reserved| reserved.before);
            let is_first = before.is_some_and(|before| before.used == 0 && before.held == 0);
            Some((budget, plan::used(budget.meter, usage, cost), is_first))
        })
    }
}

/// What of a use from here to there lies beyond each step of overage, and costs more.
fn lines(budget: &Budget, from: Amount, to: Amount) -> Vec<Value> {
    let steps = budget.enforced().filter_map(|step| match &step.action {
        Action::Overage(overage) => Some((step.at, overage)),
        _ => None,
    });
    let steps: Vec<_> = steps.collect();
    let line = |(i, (at, overage)): (usize, &(Amount, &Overage))| {
        let next = steps.get(i.saturating_add(1)).map(|(at, _)| *at);
        let end = [next, overage.end(*at)].into_iter().flatten().fold(to, Amount::min);
        let amount = end.saturating_sub(from.max(*at));
        (amount > 0).then(|| {
            let mut line = Map::new();
            line.insert("rule".to_owned(), budget.name.clone().into());
            line.insert(budget.meter.exact_unit().to_owned(), budget.meter.count(amount).into());
            line.insert("charge_nano_usd".to_owned(), overage.charge(amount).0.into());
            Value::Object(line)
        })
    };
    steps.iter().enumerate().filter_map(line).collect()
}

/// Nothing has reached a threshold but what was used.
const USED_ALONE: Amount = -1;
