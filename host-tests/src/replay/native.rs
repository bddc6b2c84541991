//! The engine alone, at the trace's own time: the steps of the filter's shell, on a map. Called by [`super::Replay`].
//! It decides nothing itself. What a call used is known from the trace, so a call is decided and priced when it begins,
//! and what it settles waits for its end: until then its holds stand.

use super::agenda::Agenda;
use super::answer;
use super::outcome::{Lever, Met, Outcome};
use super::trace::{Call, Counted, Used, What, Whole};
use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;
use std::sync::Arc;
use tokenstile_engine::alert::settle_all;
use tokenstile_engine::dialect::{DIALECTS, Facts, Recognised, Route, recognise};
use tokenstile_engine::exchange::{Decision, Exchange, Next, UsageSource};
use tokenstile_engine::learned::Learned;
use tokenstile_engine::ledger::{Hold, Page, Settle, Store, StoreError, reserve_all};
use tokenstile_engine::policy::{Head, Identity, Policy, Source, Verdict};
use tokenstile_engine::price::Quotes;
use tokenstile_engine::price::providers;
use tokenstile_engine::units::{EpochMs, NanoUsd};
use tokenstile_engine::usage::{AnswerReader, Served, Usage};

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
    quotes: Rc<RefCell<Quotes>>,
}

/// What is booked when a call ends.
struct Landing {
    exchange: Exchange,
    /// What it used, and how that is known.
    used: (Usage, UsageSource),
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
            quotes: Rc::default(),
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
        let (exchange, next, used) = match &call.what {
            What::Counted(counted) => self.counted(counted, now)?,
            What::Whole(whole) => self.whole(whole, now)?,
        };
        let body = match &call.what {
            What::Whole(whole) => whole.request.as_slice(),
            What::Counted(_) => &[],
        };
        let (mut exchange, mut used) = (exchange, used);
        let (refused, goes_on) = self.decide(&mut exchange, next, body, now);
        // The prompt may have been counted meanwhile, which is what an answer without usage is charged by.
        if let Some(reader) = used.answer.take() {
            let (usage, source) = exchange.used_by(reader, used.status);
            used.usage = Some(usage).filter(|_| source != UsageSource::None);
            used.source = source;
        }
        let lasts = call.duration_ms.unwrap_or_else(|| {
            let output = used.usage.map_or(0, |usage| i64::try_from(usage.output).unwrap_or(i64::MAX));
            lasts.start_ms.saturating_add(output.saturating_mul(lasts.token_ms))
        });
        Some(self.end(exchange, refused, &used, now, if refused { now } else { goes_on.plus_ms(lasts) }))
    }

    fn counted(&mut self, counted: &Counted, now: EpochMs) -> Option<(Exchange, Next, Known)> {
        let route = self.route(counted)?;
        let identity = Identity::known(self.values(counted));
        let mut exchange = Exchange::new(self.policy.clone(), route, identity, now);
        exchange.learns(self.learned.clone());
        exchange.asks_prices_of(self.quotes.clone());
        let facts = Facts::without_body(counted.model.to_string(), counted.output_bound);
        let usage = match counted.used {
            Used::Nothing => None,
            Used::Stated(usage) => Some(usage),
            Used::Refused(tokens) => {
                let output = tokens.min(self.policy.expected_output_tokens);
                Some(Usage { input: tokens - output, output, ..Usage::default() })
            }
        };
        let next = exchange.known(facts, usage.map_or(0, |usage| usage.input), now);
        let served = Served { model: counted.answered.to_string(), ..Served::default() };
        let assumed = matches!(counted.used, Used::Refused(_));
        let (status, answer) = (counted.status, None);
        let source = if usage.is_some() { UsageSource::Reported } else { UsageSource::None };
        Some((exchange, next, Known { usage, source, answer, served, status, assumed, simulable: true }))
    }

    fn whole(&self, whole: &Whole, now: EpochMs) -> Option<(Exchange, Next, Known)> {
        let (method, host, path) = (whole.method.as_bytes(), whole.host.as_bytes(), whole.path.as_bytes());
        let Recognised::Metered(route) = recognise(method, host, path) else { return None };
        let headers: Vec<(Vec<u8>, Vec<u8>)> =
            whole.request_headers.iter().map(|(name, value)| (name.clone().into(), value.clone())).collect();
        let head = Head { headers: &headers, path, dialect: route.dialect.name };
        let simulable = answer::can(route.dialect.name);
        let identity = Identity::of(&self.policy, head);
        let mut exchange = Exchange::new(self.policy.clone(), route, identity, now);
        exchange.learns(self.learned.clone());
        exchange.asks_prices_of(self.quotes.clone());
        if !self.policy.hold_headers {
            exchange.path_is_read_only();
        }
        exchange.offers(&headers);
        let max = self.policy.max_body_bytes;
        let pages = &self.pages.0;
        let stands =
            |hold: &Hold| Some(pages.get(&hold.key.page).cloned().unwrap_or_default().level(hold, now));
        let next = if let Some(early) = exchange.head(Some(whole.request.len()), now, stands) {
            early
        } else if whole.request.len() > max {
            exchange.unread(
                &format!("its body is longer than {max} bytes"),
                Some(whole.request.len()),
                true,
                now,
            )
        } else {
            exchange.body(&whole.request, false, now)
        };
        let kind = whole.answer_header("content-type").unwrap_or_default();
        let mut reader = exchange.reader(kind, false);
        for name in exchange.answer_headers() {
            if let Some(value) = whole.answer_header(name) {
                reader.header(name, value);
            }
        }
        reader.feed(&whole.answer);
        let served = reader.served();
        let (status, answer) = (whole.status, Some(reader));
        Some((
            exchange,
            next,
            Known {
                usage: None,
                source: UsageSource::None,
                answer,
                served,
                status,
                assumed: false,
                simulable,
            },
        ))
    }

    /// Carries out what the engine asks for; whether the call was refused, and when it goes on.
    fn decide(&mut self, exchange: &mut Exchange, next: Next, body: &[u8], now: EpochMs) -> (bool, EpochMs) {
        let full_is_denied = self.policy.table_full == Verdict::Deny;
        let (mut next, mut goes_on) = (next, now);
        let refused = loop {
            next = match next {
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
        ends: EpochMs,
    ) -> Outcome {
        let policy = self.policy.clone();
        let rule_of = |name: &str| super::outcome::rule_named(&policy, name);
        let asked = used.usage.unwrap_or_default();
        let without = used.usage.map_or(NanoUsd(0), |usage| exchange.cost_as_asked(usage, &used.served));
        let by = exchange.served_by();
        let is_downgraded = !refused && by.served != by.asked && used.simulable;
        let clamped = by.output_max.filter(|_| !refused && used.simulable);
        let clamped = clamped.filter(|max| *max < asked.output);
        let now_used = used.usage.map(|usage| clamped.map_or(usage, |max| answer::shortened(usage, max)));
        let model = by.served.to_owned();
        let served = if is_downgraded || clamped.is_some() {
            Served { model: model.clone(), ..Served::default() }
        } else {
            used.served.clone()
        };
        let met = exchange
            .met()
            .filter_map(|(budget, hold)| Some(Met { rule: rule_of(&budget.name)?, tag: hold.key.tag }));
        let met: Vec<Met> = met.collect();
        let caps: Vec<(usize, i64)> = exchange
            .met()
            .map(|(budget, _)| (rule_of(&budget.name).unwrap_or(0), budget.cap().unwrap_or(i64::MAX)))
            .collect();
        let shorter = clamped.map_or(NanoUsd(0), |max| {
            let priced = Served { model: by.asked.to_owned(), ..Served::default() };
            let served = if is_downgraded { &used.served } else { &priced };
            let short = exchange.cost_as_asked(answer::shortened(asked, max), served);
            NanoUsd(without.0.saturating_sub(short.0))
        });
        let mut outcome = Outcome {
            began: now,
            ends,
            decision: exchange.decision(),
            refused,
            rule: exchange.rule().map(str::to_owned),
            said: exchange.said().iter().filter_map(|(rule, what)| Some((rule_of(rule)?, *what))).collect(),
            met,
            identity: (0..policy.identity.len()).map(|i| exchange.identity().value(i).to_owned()).collect(),
            provider: exchange.served_at().to_owned(),
            route: exchange.route().to_owned(),
            asked: by.asked.to_owned(),
            served: model,
            expected: exchange.expects(),
            used_asked: asked,
            cost_asked: without,
            used: Usage::default(),
            cost: NanoUsd(0),
            assumed: used.assumed,
            failed: used.usage.is_none(),
            levers: Vec::new(),
            troubles: exchange.troubles().map(str::to_owned).collect(),
            simulable: used.simulable,
        };
        exchange.answered(if used.status == 0 { 200 } else { used.status });
        if let Some(usage) = now_used.filter(|_| !refused) {
            outcome.used = usage;
            outcome.cost = exchange.cost_as_served(usage, &served);
        }
        outcome.levers = levers(&outcome, shorter);
        let used = (now_used.unwrap_or_default(), used.source);
        let landing = Landing { exchange, used, served, caps };
        if refused {
            self.book(ends, landing, &mut Landed::default());
        } else {
            self.running.put(ends, landing);
        }
        outcome
    }

    /// Settles a call that has ended.
    fn book(&mut self, at: EpochMs, mut landing: Landing, landed: &mut Landed) {
        let Landing { exchange, used, served, caps } = &mut landing;
        let settlement = exchange.end_known(*used, std::mem::take(served), at);
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

    fn route(&mut self, counted: &Counted) -> Option<Route> {
        let key = (counted.dialect.clone(), counted.provider.clone());
        if let Some(route) = self.routes.get(&key) {
            return Some(route.clone());
        }
        let mut route = recognise(b"POST", b"", b"/v1/chat/completions").metered()?;
        route.dialect = DIALECTS.iter().find(|dialect| *dialect.name == *counted.dialect)?;
        route.provider = providers().find(|name| *name == &*counted.provider);
        self.routes.insert(key, route.clone());
        Some(route)
    }

    /// The values of the policy's dimensions: by their names, else as the policy says of who says nothing.
    fn values(&self, counted: &Counted) -> Vec<String> {
        let value = |dimension: &tokenstile_engine::policy::Dimension| {
            let known = counted.dimensions.iter().find(|(name, _)| **name == *dimension.name);
            let fixed = dimension.sources.iter().find_map(|source| match source {
                Source::Constant(value) => Some(value.clone()),
                _ => None,
            });
            known.map(|(_, value)| value.to_string()).or(fixed).unwrap_or_default()
        };
        self.policy.identity.iter().map(value).collect()
    }
}

/// What the trace says that a call used.
struct Known {
    /// `None`: nothing, it failed.
    usage: Option<Usage>,
    /// How that is known.
    source: UsageSource,
    /// Where it is still to be read.
    answer: Option<AnswerReader>,
    served: Served,
    status: u16,
    assumed: bool,
    /// Another answer can be put in the recorded one's place.
    simulable: bool,
}

/// What each lever saved of a call.
fn levers(outcome: &Outcome, shorter: NanoUsd) -> Vec<Lever> {
    let saved = outcome.cost_asked.0.saturating_sub(outcome.cost.0);
    if outcome.refused {
        return vec![Lever { name: outcome.decision.name(), saved: NanoUsd(saved) }];
    }
    let mut levers = Vec::new();
    if shorter.0 != 0 {
        levers.push(Lever { name: Decision::Clamp.name(), saved: shorter });
    }
    if outcome.served != outcome.asked {
        let downgraded = outcome.said.iter().any(|(_, said)| *said == Decision::Downgrade);
        let by = if downgraded { Decision::Downgrade } else { Decision::Route };
        levers.push(Lever { name: by.name(), saved: NanoUsd(saved.saturating_sub(shorter.0)) });
    }
    levers
}
