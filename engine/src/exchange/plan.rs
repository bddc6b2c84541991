//! Which budgets a call meets, and how much it holds in each.

use super::Exchange;
use crate::alert::{Owed, Watch};
use crate::ledger::{Denied, Hold, Level, NO_WARNING, Reserved, Settle, WARNINGS_MAX};
use crate::policy::{Budget, HoldRule, OpenWindow, Scope, Step, Subject};
use crate::price::{PriceQuery, Quote, ServiceTier};
use crate::units::{Amount, EpochMs, Meter, NanoUsd};
use crate::usage::{Served, Usage};
use std::cmp::Reverse;
use std::rc::Rc;

/// What a prompt of unknown length holds: more than fits into any model of the price book.
const UNSEEN_TOKENS_MAX: u64 = 10_000_000;

/// One budget that the call meets.
#[derive(Debug)]
pub(super) struct Planned {
    /// Its place in the policy.
    pub(super) budget: usize,
    /// Its window when the call began: a hold belongs to it.
    pub(super) open: OpenWindow,
    pub(super) hold: Hold,
    /// What the call is expected to use: more than it holds where only a shorter answer fits.
    pub(super) expected: Amount,
    /// What the store answered; `None` before, and when it never did.
    pub(super) reserved: Option<Reserved>,
}

impl Exchange {
    /// Fills the plan from what is known of the call. What lasts longest is held first, and refuses: of a spent month and
    /// a spent minute nobody is told to come again in a minute.
    pub(super) fn plan(&mut self, now: EpochMs) {
        self.exempt = self.policy.is_exempt(&self.identity, now);
        self.expect_by_kind();
        let expected = self.expected_usage();
        let holding = self.held_usage(expected);
        let holding = Usage { input: holding.input.saturating_add(self.unseen_tokens()), ..holding };
        let quote = self.asked_quote();
        let cost = self.with_held_quote(|quote| quote.price.cost(holding));
        let subject = self.subject();
        let planned = |(index, budget): (usize, &Budget)| {
            let open = self.memo.borrow_mut().windows.open(index, budget, now);
            let hold = Hold {
                key: self.policy.slot_key(budget, &subject),
                window: open.rule,
                amount: held(budget.meter, holding, cost),
                cap: budget.cap().filter(|_| !self.exempt),
                warns: if budget.shadow || self.exempt {
                    [NO_WARNING; WARNINGS_MAX]
                } else {
                    budget.warned_once()
                },
            };
            let expected = held(budget.meter, expected, quote.price.cost(expected));
            Planned { budget: index, open, hold, expected, reserved: None }
        };
        let budgets = self.policy.budgets_for(&subject, now).map(planned);
        let plan: Vec<Planned> = budgets.chain(self.confirmation_hold()).collect();
        let mut order: Vec<usize> = (0..plan.len()).collect();
        order.sort_by_key(|index| {
            plan.get(*index).map(|planned| Reverse(planned.open.lasts_ms(planned.hold.amount, now)))
        });
        (self.plan, self.order) = (plan, order);
    }

    /// What a prompt that is not seen may have by its length.
    fn unseen_tokens(&self) -> u64 {
        self.unseen.map_or(0, |length| length.map_or(UNSEEN_TOKENS_MAX, super::counting::by_length))
    }

    /// A call of an unseen prompt was refused by the length of its prompt: it holds all that is left, if that is enough
    /// for the output expected. So one passes, which may be a picture, and no other beside it.
    pub(super) fn holds_the_rest(&mut self, denied: &Denied) -> bool {
        let rest = self.plan.get(denied.index).filter(|_| self.unseen.is_some());
        let rest = rest.and_then(|planned| planned.hold.cap?.checked_sub(denied.level?.total()));
        let Some(planned) = self.plan.get_mut(denied.index) else { return false };
        let fits = |rest: &Amount| *rest > 0 && planned.expected <= *rest && *rest < planned.hold.amount;
        let Some(rest) = rest.filter(fits) else { return false };
        planned.hold.amount = rest;
        true
    }

    /// Looks up, once, what calls of this kind came to.
    pub(super) fn expect_by_kind(&mut self) {
        let kind = self.learned.as_ref().and_then(|_| self.policy.kind_of(&self.subject()));
        let learned = self.learned.as_ref().and_then(|learned| learned.try_borrow().ok());
        if let (None, Some(kind), Some(learned)) = (self.kind, kind, learned) {
            let start = self.policy.expected_output_tokens;
            self.kind = Some((kind, learned.expected(kind).unwrap_or(start)));
        }
    }

    /// The call as budgets tell it from others.
    pub(super) fn subject(&self) -> Subject<'_> {
        let priced_as = &self.asked_quote().entry;
        let route = self.routing.rule.as_deref().unwrap_or_default();
        Subject { asked: self.routed_model(), priced_as, route, ..self.subject_of_head() }
    }

    /// The call as far as its headers tell, without its model.
    pub(super) fn subject_of_head(&self) -> Subject<'_> {
        let provider = self.provider().unwrap_or_default();
        Subject { provider, dialect: self.route.dialect.name, ..Subject::of(&self.identity) }
    }

    /// What operators are told of a budget; `None` if of nothing.
    pub(super) fn watch(&self, planned: &Planned) -> Option<Box<Watch>> {
        let budget = self.policy.budgets.get(planned.budget).filter(|budget| budget.has_alerts())?;
        let subject = self.subject();
        let named = budget.per.iter().map(|scope| {
            let name = match *scope {
                Scope::Dimension(place) => self.policy.identity.get(place).map_or("", |d| d.name.as_str()),
                Scope::Model => "model",
                Scope::Provider => "provider",
                Scope::Route => "route",
            };
            (name.to_owned(), subject.value(*scope).to_owned())
        });
        let (policy, open) = (self.policy.clone(), planned.open.clone());
        Some(Box::new(Watch { policy, budget: planned.budget, open, subject: named.collect() }))
    }

    /// What tells operators of thresholds that were `reached` without being used: by a refusal, or by calls that
    /// run. `level`: as it stood, so that what is told already costs nothing.
    pub(super) fn alerted(&self, planned: &Planned, level: Level, reached: Amount) -> Option<Owed> {
        let budget = self.policy.budgets.get(planned.budget)?;
        let news = |step: &Step| step.alert.is_some() && (level.alerted_below..=reached).contains(&step.at);
        if !budget.ladder.iter().any(news) {
            return None;
        }
        let Hold { key, window, .. } = planned.hold;
        let settle = Settle {
            key,
            window,
            receipt: None,
            used: 0,
            untold: false,
            watched: false,
            tells: Some(reached),
        };
        Some(Owed { settle, watch: self.watch(planned) })
    }

    /// The price of the call as it was asked for, or as a route has it, looked up once.
    pub(super) fn asked_quote(&self) -> &Quote {
        self.quote.get_or_init(|| self.quote_for(self.routed_model(), &Served::default()))
    }

    /// The price of the call if it was sent to `model` and the answer says this of itself.
    pub(super) fn quote_for(&self, model: &str, served: &Served) -> Rc<Quote> {
        let asked = self.facts.as_ref().map_or("", |facts| facts.place.as_str());
        let places = [served.place.as_str(), asked, self.route.place];
        let query = PriceQuery {
            provider: self.provider(),
            requested: model,
            answered: &served.model,
            tier: self.tier(served),
            place: places.into_iter().find(|place| !place.is_empty()).unwrap_or(""),
            at: self.started,
        };
        self.memo.borrow_mut().quotes.quote(&self.policy.prices, &query)
    }

    /// How the answer says that it was served; else as asked. `auto` is what was asked, not what was done.
    fn tier(&self, served: &Served) -> ServiceTier {
        let (asked, fast) =
            self.facts.as_ref().map_or(("", false), |facts| (facts.service_tier.as_str(), facts.fast));
        let asked = self.routing.service_tier.unwrap_or(asked);
        match (served.speed.as_str(), served.service_tier.as_str()) {
            ("fast", _) => ServiceTier::Fast,
            ("", _) if fast => ServiceTier::Fast,
            (_, "" | "auto") => ServiceTier::named(asked),
            (_, tier) => ServiceTier::named(tier),
        }
    }

    /// Who serves, as the price book names it.
    pub(super) fn provider(&self) -> Option<&str> {
        self.policy.serves(&self.route)
    }

    /// The prompt as counted or estimated; of output what the policy expects.
    pub(super) fn expected_usage(&self) -> Usage {
        self.usage_with(self.prompt_tokens)
    }

    /// The same with answers that end at so many tokens, each of them.
    pub(super) fn ending_at(&self, usage: Usage, bound: u64) -> Usage {
        let choices = self.facts.as_ref().map_or(1, |facts| facts.choices);
        let output = usage.output.min(bound.saturating_mul(choices));
        Usage { output, reasoning: usage.reasoning.min(output), ..usage }
    }

    /// The output of an answer: as it was recorded, as calls of its kind came to, or as the policy says.
    pub(super) fn expected_output(&self) -> u64 {
        let learned = self.kind.map(|(_, output)| output);
        self.recorded_output.or(learned).unwrap_or(self.policy.expected_output_tokens)
    }

    /// A prompt of this many tokens; of output what the policy expects, never above the request's own bound, or that
    /// bound in the worst case.
    pub(super) fn usage_with(&self, input: u64) -> Usage {
        let expected = self.expected_output();
        let output = self.facts.as_ref().map_or(expected, |facts| {
            let bound = facts.output_bound.into_iter().chain(self.output_limit).min();
            let bound = bound.map_or(expected, |bound| match self.policy.hold {
                HoldRule::Expected => bound.min(expected),
                HoldRule::WorstCase => bound,
            });
            bound.saturating_mul(facts.choices)
        });
        Usage { input, output, ..Usage::default() }
    }
}

/// What a call with this usage holds in a budget's meter while it runs.
pub(super) fn held(meter: Meter, usage: Usage, cost: NanoUsd) -> Amount {
    match meter {
        Meter::RequestsInFlight => meter.amount(1),
        _ => used(meter, usage, cost),
    }
}

/// What a call with this usage counts as in a budget's meter when it is over.
pub(super) fn used(meter: Meter, usage: Usage, cost: NanoUsd) -> Amount {
    match meter {
        Meter::Tokens => meter.amount(usage.total()),
        Meter::InputTokens => meter.amount(usage.input),
        Meter::OutputTokens => meter.amount(usage.output),
        Meter::Usd => cost.0,
        Meter::Requests => meter.amount(1),
        Meter::RequestsInFlight => 0,
    }
}
