//! The engine alone, at the trace's own time: the steps of the filter's shell, on a map. Called by [`super::Replay`].
//! It decides nothing itself. What a call used is known from the trace, so a call is decided and priced when it begins,
//! and what it settles waits for its end: until then its holds stand.

mod known;
mod stopping;

use super::agenda::Agenda;
use super::answer;
use super::outcome::{Lever, Met, Outcome, Stopped, restricts};
use super::tally::STOP;
use super::trace::{Call, What};
use known::Known;
use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;
use std::sync::Arc;
use stopping::{Stop, shortened_by, stream};
use tokenstile_engine::alert::settle_all;
use tokenstile_engine::dialect::Route;
use tokenstile_engine::exchange::{Decision, Exchange, Next, UsageSource};
use tokenstile_engine::learned::Learned;
use tokenstile_engine::ledger::{Hold, Page, Settle, Store, StoreError, WindowRule, reserve_all};
use tokenstile_engine::memo::Memo;
use tokenstile_engine::policy::{Action, Budget, Policy, Verdict};
use tokenstile_engine::units::{EpochMs, NanoUsd};
use tokenstile_engine::usage::{Served, Usage};

/// The ledger: as many pages as the policy's table has, and no more.
#[derive(Default)]
struct Pages(HashMap<u32, Page>);

impl Store for Pages {
    fn update<T>(&mut self, number: u32, mut change: impl FnMut(&mut Page) -> T) -> Result<T, StoreError> {
        Ok(change(self.0.entry(number).or_default()))
    }
}

/// The engine under one policy.
pub struct Native {
    policy: Arc<Policy>,
    pages: Pages,
    routes: HashMap<(Arc<str>, Arc<str>), Route>,
    running: Agenda<Landing>,
    /// What answers came to, by kinds of calls, as each worker of the filter learns it.
    learned: Rc<RefCell<Learned>>,
    memo: Rc<RefCell<Memo>>,
}

/// What is booked when a call ends.
struct Landing {
    exchange: Exchange,
    /// What it used, and how that is known.
    used: (Usage, UsageSource),
    /// It came to its end, and was not stopped.
    complete: bool,
    served: Served,
    /// The rules that it meets, and where they refuse.
    caps: Vec<(usize, i64)>,
}

/// What became known when calls ended.
#[derive(Debug, Default)]
pub struct Landed {
    /// Budgets that were passed.
    pub passed: Vec<Overshoot>,
    /// What was charged for use beyond steps of overage, a number a call.
    pub charged: Vec<NanoUsd>,
    /// How many alerts were raised.
    pub alerts: u64,
}

/// An amount beyond the one at which its rule refuses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Overshoot {
    /// The rule's place in the policy.
    pub rule: usize,
    /// Whose.
    pub tag: u64,
    /// By so much, in the ledger's unit.
    pub by: i64,
}

/// How long a call takes of which the trace does not say it.
#[derive(Debug, Clone, Copy)]
pub struct Duration {
    /// Before the first token.
    pub start_ms: i64,
    /// For each token of the answer.
    pub token_ms: i64,
}

impl Native {
    /// An empty ledger.
    #[must_use]
    pub fn new(policy: Arc<Policy>) -> Self {
        Self {
            policy,
            pages: Pages::default(),
            routes: HashMap::new(),
            running: Agenda::new(),
            learned: Rc::default(),
            memo: Rc::default(),
        }
    }

    /// The policy.
    #[must_use]
    pub fn policy(&self) -> &Arc<Policy> {
        &self.policy
    }

    /// Books what has ended by now, and tells which budgets it passed and what it is charged for.
    pub fn land(&mut self, now: EpochMs, landed: &mut Landed) {
        while let Some((at, landing)) = self.running.due(now) {
            self.book(at, landing, landed);
        }
    }

    /// One call, from its beginning to what it will have come to. `None`: it is not metered.
    pub fn call(&mut self, call: &Call, now: EpochMs, lasts: Duration) -> Option<Outcome> {
        let (mut exchange, next, mut used) = match &call.what {
            What::Counted(counted) => self.counted(counted, now)?,
            What::Whole(whole) => self.whole(whole, now)?,
        };
        let body = match &call.what {
            What::Whole(whole) => whole.request.as_slice(),
            What::Counted(_) => &[],
        };
        let (refused, goes_on) = self.decide(&mut exchange, next, body, now);
        // The prompt may have been counted meanwhile, which is what an answer without usage is charged by.
        if let Some(reader) = used.answer.take() {
            let (usage, source) = exchange.used_by(reader, used.status, true);
            used.usage = Some(usage).filter(|_| source != UsageSource::None);
            used.source = source;
        }
        if let (What::Whole(whole), false) = (&call.what, refused || !self.policy.stops_streams()) {
            stream(&mut exchange, whole, &mut used, now);
        }
        let lasts = |output: u64| {
            let output = i64::try_from(output).unwrap_or(i64::MAX);
            lasts.start_ms.saturating_add(output.saturating_mul(lasts.token_ms))
        };
        let lasts = call.duration_ms.unwrap_or_else(|| lasts(used.usage.map_or(0, |usage| usage.output)));
        let (goes_on, lasts) = if refused { (now, 0) } else { (goes_on, lasts) };
        Some(self.end(exchange, refused, &used, now, (goes_on, lasts)))
    }

    /// Carries out what the engine asks for; whether the call was refused, and when it goes on.
    fn decide(&mut self, exchange: &mut Exchange, next: Next, body: &[u8], now: EpochMs) -> (bool, EpochMs) {
        let full_is_denied = self.policy.table_full == Verdict::Deny;
        let (mut next, mut goes_on) = (next, now);
        let refused = loop {
            next = match next {
                Next::Look => {
                    let level =
                        |hold: &Hold| self.pages.0.get(&hold.key.page).map(|page| page.level(hold, now));
                    let levels: Vec<_> = exchange
                        .looks()
                        .iter()
                        .map(|look| Some(level(&look.hold).unwrap_or_default()))
                        .collect();
                    exchange.looked(&levels, now)
                }
                Next::Reserve => {
                    let holds = exchange.holds();
                    match reserve_all(&mut self.pages, &holds, now, full_is_denied, &mut Vec::new()) {
                        Ok(answer) => exchange.reserved(&answer, now),
                        Err(error) => exchange.store_failed(&format!("{error:?}"), now),
                    }
                }
                Next::Count => {
                    settle_all(&mut self.pages, &mut exchange.take_owed(), now);
                    exchange.count(body, now)
                }
                Next::Delay(until) => {
                    goes_on = until;
                    exchange.delayed()
                }
                Next::Forward(_) | Next::Nothing => break false,
                Next::Reply(_) => break true,
            };
        };
        settle_all(&mut self.pages, &mut exchange.take_owed(), now);
        (refused, goes_on)
    }

    fn end(
        &mut self,
        mut exchange: Exchange,
        refused: bool,
        used: &Known,
        now: EpochMs,
        (goes_on, lasts): (EpochMs, i64),
    ) -> Outcome {
        let policy = self.policy.clone();
        let rule_of = |name: &str| super::outcome::rule_named(&policy, name);
        // What it costs without the policy is no matter of what the policy reads.
        let (as_asked, asked_usage) = match used.read_anyway.as_deref() {
            Some(anyway) => (&anyway.exchange, anyway.usage),
            None => (&exchange, used.usage),
        };
        let asked = asked_usage.unwrap_or_default();
        let by = exchange.served_by();
        let (asked_model, model) = (by.asked.to_owned(), by.served.to_owned());
        let other_tier = by.service_tier.filter(|_| !refused && used.simulable);
        let same_tier = by.service_tier.is_none();
        let is_downgraded = !refused && model != asked_model && used.simulable;
        let clamped = by.output_max.filter(|_| !refused && used.simulable);
        let clamped = clamped.filter(|max| *max < asked.output);
        let whole_used = used.usage.map(|usage| clamped.map_or(usage, |max| answer::shortened(usage, max)));
        // Where no model was asked for, the one that answered goes on answering.
        let answering = |model: &str| {
            let model = if model.is_empty() { &used.served.model } else { model };
            Served { model: model.to_owned(), ..Served::default() }
        };
        let mut served =
            if is_downgraded || clamped.is_some() { answering(&model) } else { used.served.clone() };
        if let Some(tier) = other_tier {
            tier.clone_into(&mut served.service_tier);
        }
        let stop = whole_used.filter(|_| !refused).map(|usage| used.stop(&exchange, usage, &served));
        let Stop { usage: stopped_usage, by: stopped_by, may_stop } = stop.unwrap_or_default();
        let now_used = stopped_usage.or(whole_used);
        let quote = exchange.price_as_served(&served);
        let same = used.read_anyway.is_none() && model == asked_model && clamped.is_none() && same_tier;
        let asked_quote = if same { quote.clone() } else { as_asked.price_as_asked(&used.served) };
        let by_asked = |usage: Usage| as_asked.cost_known(&asked_quote, usage, &used.served);
        let without = asked_usage.map_or(NanoUsd(0), by_asked);
        // What was charged was for all of it.
        let unbilled = Served { cost: None, ..served.clone() };
        let cost_whole = whole_used.map_or(NanoUsd(0), |usage| exchange.cost_known(&quote, usage, &served));
        let cost = match stopped_usage {
            Some(usage) => exchange.cost_known(&quote, usage, &unbilled),
            None => cost_whole,
        };
        let said: Vec<_> =
            exchange.said().iter().filter_map(|(rule, what)| Some((rule_of(rule)?, *what))).collect();
        let met = exchange.met().filter_map(|(budget, hold)| {
            let rule = rule_of(&budget.name)?;
            let is_restricted = said.iter().any(|(of, what)| *of == rule && restricts(*what));
            let free_at = if is_restricted { self.free_at(budget, hold, now) } else { None };
            Some(Met { rule, tag: hold.key.tag, free_at })
        });
        let met: Vec<Met> = met.collect();
        let caps: Vec<(usize, i64)> = exchange
            .met()
            .map(|(budget, _)| (rule_of(&budget.name).unwrap_or(0), budget.cap().unwrap_or(i64::MAX)))
            .collect();
        let shorter = clamped.map_or(NanoUsd(0), |max| {
            let priced = answering(&asked_model);
            let served = if is_downgraded { &used.served } else { &priced };
            let short = exchange.price_as_asked(served).price.cost(answer::shortened(asked, max));
            NanoUsd(without.0.saturating_sub(short.0))
        });
        let anyway = used.read_anyway.is_some();
        let anyway = anyway.then(|| {
            let usage = stopped_usage.or(asked_usage).filter(|_| !refused);
            let cost = usage.map_or(NanoUsd(0), by_asked);
            (as_asked.served_by().asked.to_owned(), usage.unwrap_or_default(), cost)
        });
        let is_price_known = if anyway.is_some() { asked_quote.known } else { quote.known };
        if !refused && let Some(usage) = now_used {
            exchange.streamed(usage, cost);
        }
        let mut outcome = Outcome {
            began: now,
            ends: goes_on.plus_ms(shortened_by(lasts, whole_used, now_used)),
            decision: exchange.decision(),
            refused,
            rule: exchange.rule().map(str::to_owned),
            said: exchange.said().iter().filter_map(|(rule, what)| Some((rule_of(rule)?, *what))).collect(),
            met,
            identity: (0..policy.identity.len()).map(|i| exchange.identity().value(i).to_owned()).collect(),
            provider: exchange.served_at().to_owned(),
            route: exchange.route().to_owned(),
            asked: asked_model,
            served: model,
            service_tier: other_tier,
            expected: exchange.expects(),
            used_asked: asked,
            cost_asked: without,
            used: Usage::default(),
            cost: NanoUsd(0),
            is_asked_price_known: asked_quote.known,
            is_price_known,
            unread: None,
            assumed: used.assumed,
            failed: asked_usage.is_none(),
            levers: Vec::new(),
            troubles: exchange.troubles().map(str::to_owned).collect(),
            simulable: used.simulable,
            stopped: stopped_by.and_then(|(name, events)| Some(Stopped { rule: rule_of(&name)?, events })),
            may_stop,
        };
        exchange.answered(if used.status == 0 { 200 } else { used.status });
        if let Some(usage) = now_used.filter(|_| !refused) {
            outcome.used = usage;
            outcome.cost = cost;
        }
        let mut stopped = NanoUsd(cost_whole.0.saturating_sub(cost.0));
        if let Some((model, usage, cost)) = anyway {
            outcome.unread = Some((outcome.used, outcome.cost));
            (outcome.asked, outcome.served) = (model.clone(), model);
            (outcome.used, outcome.cost) = (usage, cost);
            stopped = NanoUsd(without.0.saturating_sub(cost.0));
        }
        outcome.levers = levers(&outcome, shorter, stopped);
        let complete = outcome.stopped.is_none();
        let source =
            if complete { used.source } else { used.stop.as_ref().map_or(used.source, |stop| stop.source) };
        let used = (now_used.unwrap_or_default(), source);
        let (landing, ends) = (Landing { exchange, used, complete, served, caps }, outcome.ends);
        if refused {
            self.book(ends, landing, &mut Landed::default());
        } else {
            self.running.put(ends, landing);
        }
        outcome
    }

    /// When a call that holds so much would not be restricted any more, as it stands now.
    fn free_at(&self, budget: &Budget, hold: &Hold, now: EpochMs) -> Option<EpochMs> {
        let level = self.pages.0.get(&hold.key.page).map(|page| page.level(hold, now)).unwrap_or_default();
        let at = budget.ladder.iter().find_map(|step| match step.action {
            Action::Deny { .. } => Some(budget.cap().unwrap_or(step.at)),
            Action::Warn { .. } | Action::Overage(_) | Action::Alert => None,
            _ => Some(step.at),
        });
        let (at, open) = (at?, budget.window.open(budget.limit, now));
        let missing = level.total().saturating_add(hold.amount).saturating_sub(at).max(1);
        // What is larger than all that comes back is restricted as long as nobody asks for less.
        let may_fit = hold.amount <= at || matches!(open.rule, WindowRule::Until(_));
        open.free_at(missing, level, now).filter(|_| may_fit)
    }

    /// Settles a call that has ended.
    fn book(&mut self, at: EpochMs, mut landing: Landing, landed: &mut Landed) {
        let Landing { exchange, used, complete, served, caps } = &mut landing;
        let settlement = exchange.end_known(*used, std::mem::take(served), *complete, at);
        let mut owed = exchange.take_owed();
        if owed.is_empty() {
            return;
        }
        let settled: Vec<Settle> = owed.iter().map(|owed| owed.settle).collect();
        let (booked, alerts) = settle_all(&mut self.pages, &mut owed, at);
        landed.alerts += alerts.len() as u64;
        if let Some(mut settlement) = settlement.filter(|_| settled.iter().any(|settle| settle.watched)) {
            exchange.booked(&mut settlement, &booked.before);
            let lines = settlement.record.overage.iter();
            let charge = lines.filter_map(|line| line.get("charge_nano_usd")?.as_i64()).sum();
            landed.charged.extend((charge != 0).then_some(NanoUsd(charge)));
        }
        for (settle, (rule, cap)) in settled.iter().zip(caps) {
            let Some(page) = self.pages.0.get(&settle.key.page) else { continue };
            let hold = Hold {
                key: settle.key,
                window: settle.window,
                amount: 0,
                cap: None,
                warns: Default::default(),
            };
            let by = page.level(&hold, at).used.saturating_sub(*cap);
            if by > 0 {
                landed.passed.push(Overshoot { rule: *rule, tag: settle.key.tag, by });
            }
        }
    }
}

/// What each lever saved of a call.
fn levers(outcome: &Outcome, shorter: NanoUsd, stopped: NanoUsd) -> Vec<Lever> {
    let saved = outcome.cost_asked.0.saturating_sub(outcome.cost.0);
    if outcome.refused {
        return vec![Lever { name: outcome.decision.name(), saved: NanoUsd(saved) }];
    }
    let mut levers = Vec::new();
    if shorter.0 != 0 {
        levers.push(Lever { name: Decision::Clamp.name(), saved: shorter });
    }
    if outcome.stopped.is_some() {
        levers.push(Lever { name: STOP, saved: stopped });
    }
    if outcome.is_rerouted() {
        let another = outcome.served != outcome.asked;
        let downgraded = another && outcome.said.iter().any(|(_, said)| *said == Decision::Downgrade);
        let by = if downgraded { Decision::Downgrade } else { Decision::Route };
        let other = shorter.0.saturating_add(stopped.0);
        levers.push(Lever { name: by.name(), saved: NanoUsd(saved.saturating_sub(other)) });
    }
    levers
}
