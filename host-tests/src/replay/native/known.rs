//! What a trace knows of a call, as the engine is told it: an exchange that has its facts, and what it will have used.

use super::super::answer;
use super::super::trace::{Counted, Used, Whole};
use super::Native;
use super::stopping::RecordedStop;
use tokenstile_engine::dialect::{DIALECTS, Facts, Recognised, Route, recognise};
use tokenstile_engine::exchange::{Exchange, Next, UsageSource};
use tokenstile_engine::ledger::Hold;
use tokenstile_engine::policy::{Dimension, Head, Identity, Source};
use tokenstile_engine::price::providers;
use tokenstile_engine::units::EpochMs;
use tokenstile_engine::usage::{AnswerReader, Served, Usage};

/// What the trace says that a call used.
pub(super) struct Known {
    /// `None`: nothing, it failed.
    pub(super) usage: Option<Usage>,
    /// How that is known.
    pub(super) source: UsageSource,
    /// Where it is still to be read.
    pub(super) answer: Option<AnswerReader>,
    pub(super) served: Served,
    pub(super) status: u16,
    pub(super) assumed: bool,
    /// Another answer can be put in the recorded one's place.
    pub(super) simulable: bool,
    /// Whether its answer streams, and is one whose events are not recorded; `None`: that is not known.
    pub(super) streams: Option<bool>,
    /// The same call with its body read, where the policy leaves that unread: what it costs is no matter of the policy.
    pub(super) read_anyway: Option<Box<ReadAnyway>>,
    /// Where its recorded events were stopped.
    pub(super) stop: Option<RecordedStop>,
}

/// A call with its body read, and what its answer used.
pub(super) struct ReadAnyway {
    pub(super) exchange: Exchange,
    pub(super) usage: Option<Usage>,
}

impl Native {
    pub(super) fn counted(&mut self, counted: &Counted, now: EpochMs) -> Option<(Exchange, Next, Known)> {
        let route = self.route(counted)?;
        let identity = Identity::known(self.values(counted));
        let mut exchange = Exchange::new(self.policy.clone(), route, identity, now);
        exchange.learns(self.learned.clone());
        exchange.remembers(self.memo.clone());
        exchange.replies_are_unread();
        let facts = Facts::without_body(counted.model.to_string(), counted.output_bound);
        let tier = counted.tier.to_string();
        let facts = Facts { stream: counted.streams == Some(true), service_tier: tier.clone(), ..facts };
        let usage = match counted.used {
            Used::Nothing => None,
            Used::Stated(usage) => Some(usage),
            Used::Refused(tokens) => {
                let output = tokens.min(self.policy.expected_output_tokens);
                Some(Usage { input: tokens - output, output, ..Usage::default() })
            }
        };
        let input = usage.map_or(0, |usage| usage.input);
        // As much is held again as was held then, of a prompt that had been estimated at less than it came to.
        let prompt = counted.held.map_or(input, |held| held.min(input));
        if let Some(held) = counted.held {
            exchange.expects_output(held - prompt);
        }
        let next = exchange.known(facts, prompt, now);
        let served = Served { model: counted.answered.to_string(), service_tier: tier, ..Served::default() };
        let assumed = matches!(counted.used, Used::Refused(_));
        let (status, answer) = (counted.status, None);
        let source = if usage.is_some() { UsageSource::Reported } else { UsageSource::None };
        let streams = counted.streams;
        let (simulable, read_anyway, stop) = (true, None, None);
        let known =
            Known { usage, source, answer, served, status, assumed, simulable, streams, read_anyway, stop };
        Some((exchange, next, known))
    }

    pub(super) fn whole(&self, whole: &Whole, now: EpochMs) -> Option<(Exchange, Next, Known)> {
        let (method, host, path) = (whole.method.as_bytes(), whole.host.as_bytes(), whole.path.as_bytes());
        let Recognised::Metered(route) = recognise(method, host, path) else { return None };
        let headers: Vec<_> =
            whole.request_headers.iter().map(|(name, value)| (name.as_bytes(), value.as_slice())).collect();
        let head = Head { headers: &headers, path, dialect: route.dialect.name };
        let simulable = answer::can(route.dialect.name);
        let identity = Identity::of(&self.policy, head);
        let mut exchange = Exchange::new(self.policy.clone(), route, identity, now);
        exchange.learns(self.learned.clone());
        exchange.remembers(self.memo.clone());
        exchange.replies_are_unread();
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
        let read_anyway = if exchange.is_read() { None } else { self.read_anyway(whole, now).map(Box::new) };
        let reader = answer_of(whole, &exchange);
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
                streams: Some(false),
                read_anyway,
                stop: None,
            },
        ))
    }

    /// The call with its body read, whatever the policy does. Nothing comes of what it decides.
    fn read_anyway(&self, whole: &Whole, now: EpochMs) -> Option<ReadAnyway> {
        let (method, host, path) = (whole.method.as_bytes(), whole.host.as_bytes(), whole.path.as_bytes());
        let route = recognise(method, host, path).metered()?;
        let mut exchange = Exchange::new(self.policy.clone(), route, Identity::known(Vec::new()), now);
        exchange.remembers(self.memo.clone());
        exchange.replies_are_unread();
        exchange.body(&whole.request, false, now);
        let (usage, source) = exchange.used_by(answer_of(whole, &exchange), whole.status, true);
        let usage = Some(usage).filter(|_| source != UsageSource::None);
        exchange.is_read().then_some(ReadAnyway { exchange, usage })
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
        let value = |dimension: &Dimension| {
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

/// The recorded answer to a call, read as a whole.
pub(super) fn answer_of(whole: &Whole, exchange: &Exchange) -> AnswerReader {
    let kind = whole.answer_header("content-type").unwrap_or_default();
    let mut reader = exchange.reader(kind, false);
    for name in exchange.answer_headers() {
        if let Some(value) = whole.answer_header(name) {
            reader.header(name, value);
        }
    }
    reader.feed(&whole.answer);
    reader
}
