//! Rules on a single request: what is stopped, and what asks for too much. Some are decided by the headers alone,
//! before anything is uploaded; all of them before any budget is asked.

use super::shadowed::Would;
use super::{Decision, Exchange, Next};
use crate::dialect::Edits;
use crate::policy::{
    Block, Call, Condition, HoldRule, Measure, MessageFacts, Messages, Over, Policy, RequestLimit, Subject,
};
use crate::refusal::{Refusal, RefusalKind, RuleState, is_english, put, rfc3339};
use crate::units::{EpochMs, Meter, NanoUsd};
use crate::usage::{Served, Usage};
use serde_json::{Map, Value};

impl Exchange {
    /// Whether a block decides by the headers alone. What only the body tells is decided when it was read, in the
    /// same way.
    pub(super) fn blocked_by_head(&mut self, now: EpochMs) -> Option<Next> {
        let policy = self.policy.clone();
        if policy.blocks.is_empty() {
            return None;
        }
        let asked = self.route.model.as_ref().map_or("", |model| model.name.as_str()).to_owned();
        let quote = self.quote_for(&asked, &Served::default());
        let subject = Subject { asked: &asked, priced_as: &quote.entry, ..self.subject_of_head() };
        let call = Call {
            model_may_come: self.route.model.is_none(),
            body_may_come: true,
            ..self.call_of(subject, now)
        };
        let blocks = policy.blocks.iter().filter(|block| !block.shadow);
        let block = blocks.into_iter().find(|block| stops(block, &call, now))?;
        // What it says is known when the body was read.
        if call.model_may_come && block.message.say("model") {
            return None;
        }
        Some(self.refuse(&blocked(block, &asked, &self.accepted), now))
    }

    pub(super) fn call_of<'a>(&'a self, subject: Subject<'a>, at: EpochMs) -> Call<'a> {
        Call {
            subject,
            at,
            facts: self.facts.as_ref(),
            stream: self.route.stream,
            prompt: self.facts.as_ref().map(|_| self.prompt_range()),
            standings: &self.standings,
            model_may_come: false,
            body_may_come: false,
        }
    }

    /// The prompt has at least and at most so many tokens.
    fn prompt_range(&self) -> (u64, u64) {
        self.prompt_bound.map_or((self.prompt_tokens, self.prompt_tokens), |bound| (0, bound))
    }

    /// Counts the prompt of a body that was read, if a rule asks for its length and the certain bounds leave it open.
    pub(super) fn count_for_rules(&mut self, body: &[u8], now: EpochMs) {
        let Some(bound) = self.prompt_bound else { return };
        let policy = self.policy.clone();
        let call = self.call_of(self.subject(), now);
        let open = |conditions: &[Condition]| {
            let asks = conditions.iter().any(|condition| matches!(condition, Condition::PromptTokens(_)));
            asks && call.meets(conditions).is_none()
        };
        let open_limit = |limit: &RequestLimit| {
            let needs = |input| self.needed(limit.measure, input).is_some_and(|needed| needed > limit.limit);
            open(&limit.matches) || (call.meets(&limit.matches) == Some(true) && needs(0) != needs(bound))
        };
        let is_open = policy.blocks.iter().any(|block| open(&block.matches))
            || policy.routes.iter().any(|route| open(&route.matches))
            || policy.request_limits.iter().any(open_limit);
        if let Some(facts) = self.facts.take_if(|_| is_open) {
            self.prompt_tokens = self.counted(body, &facts);
            self.prompt_bound = None;
            self.facts = Some(facts);
        }
    }

    /// All that is to be known of the call is known: whether it is stopped, or asks for too much.
    pub(super) fn refuse_by_rules(&mut self, now: EpochMs) -> Option<Next> {
        let policy = self.policy.clone();
        let block = self.blocks(&policy, now);
        if let Some(block) = block {
            let refusal = blocked(block, self.asked_model(), &self.accepted);
            return Some(self.refuse(&refusal, now));
        }
        if let Some(refused) = self.refuse_unknown(now) {
            return Some(refused);
        }
        self.choose_route(&policy, now);
        self.expect_by_kind();
        let exempt = policy.is_exempt(&self.identity, now);
        let refusal = policy.request_limits.iter().find_map(|limit| self.limit(limit, exempt, now))?;
        Some(self.refuse(&refusal, now))
    }

    /// The block that stops this call; one in shadow mode is noted.
    fn blocks<'p>(&mut self, policy: &'p Policy, now: EpochMs) -> Option<&'p Block> {
        let call = self.call_of(self.subject(), now);
        let (shadow, enforced): (Vec<&Block>, Vec<&Block>) =
            policy.blocks.iter().filter(|block| stops(block, &call, now)).partition(|block| block.shadow);
        self.outcome.shadow.extend(shadow.iter().map(|block| (block.name.clone(), Decision::Deny)));
        enforced.first().copied()
    }

    /// What a limit says of the call: a refusal, or what is noted in the outcome.
    fn limit(&mut self, limit: &RequestLimit, exempt: bool, now: EpochMs) -> Option<Refusal> {
        if self.call_of(self.subject(), now).meets(&limit.matches) != Some(true) {
            return None;
        }
        let (input, _) = self.prompt_range();
        let needed = self.needed(limit.measure, input);
        // An answer without a bound may be as long as it likes.
        let unbound = limit.measure == Measure::OutputTokens && needed.is_none() && self.facts.is_some();
        let over = needed.is_some_and(|needed| needed > limit.limit);
        let decision = match &limit.over {
            Over::Deny { .. } if over => Decision::Deny,
            Over::Confirm(_) if over && !self.is_confirmed() => Decision::Confirm,
            Over::Clamp if over || unbound => Decision::Clamp,
            _ => return None,
        };
        if limit.shadow || exempt {
            self.outcome.shadow.push((limit.name.clone(), decision));
            if decision == Decision::Clamp && limit.measure == Measure::OutputTokens {
                let would = Would { model: None, bound: Some(limit.limit) };
                self.outcome.would.push((limit.name.clone(), would));
            }
            return None;
        }
        let needed = needed.unwrap_or_default();
        match &limit.over {
            Over::Deny { message, upgrade_url } => {
                Some(self.over_limit(limit, needed, message, upgrade_url.as_deref()))
            }
            Over::Confirm(confirm) => {
                let says = self.limit_text(limit, needed, &confirm.message, "");
                let mut refusal = self.ask(&limit.name, confirm, says, self.asked_to(), now);
                if let Some(rule) = &mut refusal.rule {
                    rule.fields.extend(self.fields(limit, needed));
                }
                Some(refusal)
            }
            Over::Clamp => {
                match self.bound_answer(limit.limit) {
                    Ok(None) => self.hold_unstated(limit.limit),
                    Ok(Some(bound)) => {
                        self.outcome.clamp(&limit.name, bound);
                        self.output_limit = self.outcome.output_bound;
                    }
                    Err(why) => self.outcome.skipped.push(format!("{}: {why}", limit.name)),
                }
                None
            }
        }
    }

    /// How much of this the call needs, with a prompt of so many tokens; `None` if that is not known.
    fn needed(&self, measure: Measure, input: u64) -> Option<u64> {
        let facts = self.facts.as_ref()?;
        match measure {
            Measure::PromptTokens => Some(input),
            Measure::OutputTokens => facts.output_bound,
            Measure::Answers => Some(facts.choices),
            Measure::Images => Some(self.prompt_images.saturating_add(facts.images)),
            Measure::Usd => {
                let output = facts.output_bound.unwrap_or_else(|| self.assumed_output());
                let output = output.saturating_mul(facts.choices);
                let NanoUsd(cost) =
                    self.asked_quote().price.cost(Usage { input, output, ..Usage::default() });
                u64::try_from(cost).ok()
            }
        }
    }

    /// The output of an answer that has no bound: as much as is expected, or in the worst case as the model has.
    fn assumed_output(&self) -> u64 {
        let expected = self.expected_output();
        let most = self.asked_quote().capability.max_output;
        if self.policy.hold == HoldRule::WorstCase && most > 0 { most } else { expected }
    }

    /// The bound that a limit puts in place; `Ok(None)` if the request's own is no higher. It leaves room for the
    /// thinking that is asked for, or Anthropic refuses it.
    pub(super) fn bound_answer(&self, limit: u64) -> Result<Option<u64>, String> {
        let Some(facts) = &self.facts else { return Ok(None) };
        let bound = limit.saturating_add(facts.thinking_budget.unwrap_or(0));
        let ends = self.ends_anyhow(bound, self.routed_model()).is_some();
        if ends || facts.output_bound.is_some_and(|asked| asked <= bound) {
            return Ok(None);
        }
        if !self.body_editable {
            return Err("this proxy cannot change request bodies".to_owned());
        }
        if !facts.set_output_bound(bound, &mut Edits::default()) {
            return Err("this request has no place for an output bound".to_owned());
        }
        Ok(Some(bound))
    }

    fn limit_text(
        &self,
        limit: &RequestLimit,
        needed: u64,
        message: &Messages,
        upgrade_url: &str,
    ) -> (String, String) {
        let (tag, template) = message.pick(&self.accepted);
        let text = template.fill(&MessageFacts {
            needed: limit.measure.display_needed(needed),
            limit: limit.measure.display(limit.limit),
            unit: limit.measure.unit_text().to_owned(),
            rule: limit.name.clone(),
            model: self.asked_model().to_owned(),
            upgrade_url: upgrade_url.to_owned(),
            ..MessageFacts::default()
        });
        let assumed = if is_english(tag) { self.assumed(limit.measure) } else { None };
        let why = assumed.map_or_else(String::new, |tokens| {
            let tokens = Meter::Tokens.told(Meter::Tokens.amount(tokens));
            format!(" It states no bound for its answer, so one of {tokens} is assumed.")
        });
        (text + &why, tag.to_owned())
    }

    /// The output that a cost assumes of each answer, where the request does not say it.
    fn assumed(&self, measure: Measure) -> Option<u64> {
        let facts = self.facts.as_ref().filter(|_| measure == Measure::Usd)?;
        facts.output_bound.is_none().then(|| self.assumed_output())
    }

    /// What programs are told of a limit.
    fn fields(&self, limit: &RequestLimit, needed: u64) -> Map<String, Value> {
        let measure = limit.measure;
        let mut fields = Map::new();
        put(&mut fields, "needed", amount(measure, needed));
        put(&mut fields, "limit", amount(measure, limit.limit));
        put(&mut fields, "unit", measure.unit().into());
        if let Some(tokens) = self.assumed(measure) {
            put(&mut fields, "assumed_output_tokens", tokens.into());
        }
        fields
    }

    fn over_limit(
        &self,
        limit: &RequestLimit,
        needed: u64,
        message: &Messages,
        upgrade_url: Option<&str>,
    ) -> Refusal {
        let (message, language) = self.limit_text(limit, needed, message, upgrade_url.unwrap_or_default());
        let mut fields = self.fields(limit, needed);
        if let Some(url) = upgrade_url {
            fields.insert("upgrade_url".to_owned(), url.into());
        }
        let rule = Some(RuleState { name: limit.name.clone(), fields });
        Refusal { rule, language, ..Refusal::other(RefusalKind::OverRequestLimit, message) }
    }
}

/// Whether a block is in force and surely meets this call.
fn stops(block: &Block, call: &Call<'_>, now: EpochMs) -> bool {
    block.term.lasts(now) && call.meets(&block.matches) == Some(true)
}

fn blocked(block: &Block, model: &str, accepted: &str) -> Refusal {
    let (tag, template) = block.message.pick(accepted);
    let message = template.fill(&MessageFacts {
        rule: block.name.clone(),
        model: model.to_owned(),
        ..MessageFacts::default()
    });
    let mut fields = Map::new();
    if let Some(until) = block.term.until {
        fields.insert("until".to_owned(), rfc3339(until).into());
    }
    let rule = Some(RuleState { name: block.name.clone(), fields });
    Refusal { rule, language: tag.to_owned(), ..Refusal::other(RefusalKind::Blocked, message) }
}

/// An amount for programs: a number, or exact dollars as text.
fn amount(measure: Measure, amount: u64) -> Value {
    match measure {
        Measure::Usd => measure.display(amount).replace(['$', ','], "").into(),
        _ => amount.into(),
    }
}
