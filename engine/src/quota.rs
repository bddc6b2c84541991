//! The quota endpoint: what a caller has left, for an application that draws a meter.
//!
//! The shell asks [`is_asked`] for each request, reads what [`Question::holds`] name from its store, without changing
//! it, and sends [`Question::reply`]. Only the caller's own budgets are told, and those that all share; budgets in
//! shadow mode change nothing and are not told.

use crate::dialect::percent_decoded;
use crate::exchange::Decision;
use crate::ledger::{Hold, Level};
use crate::policy::{
    Action, Bound, Budget, CalendarUnit, Cheaper, Condition, Identity, OpenWindow, Policy, Scope, Subject,
    Window,
};
use crate::price::{PriceQuery, ServiceTier};
use crate::refusal::{Reply, amount_json, put, rfc3339};
use crate::units::{Amount, EpochMs, Meter};
use serde_json::{Map, Value};

/// JSON Schema of the answer.
pub const SCHEMA: &str = include_str!("quota.schema.json");

/// Whether a request goes to the endpoint, whatever it asks there.
#[must_use]
pub fn is_asked(policy: &Policy, path: &[u8]) -> bool {
    policy.quota_path.as_deref().is_some_and(|own| split(path).0 == own.as_bytes())
}

/// Path and query.
fn split(path: &[u8]) -> (&[u8], &[u8]) {
    let at = path.iter().position(|byte| *byte == b'?').unwrap_or(path.len());
    let (path, query) = path.split_at(at);
    (path, query.get(1..).unwrap_or_default())
}

/// The first value of a parameter; of one without `=` it is empty.
fn parameter(path: &[u8], name: &str) -> Option<String> {
    split(path).1.split(|byte| *byte == b'&').find_map(|pair| {
        let at = pair.iter().position(|byte| *byte == b'=').unwrap_or(pair.len());
        let (key, value) = pair.split_at(at);
        let value = percent_decoded(value.get(1..).unwrap_or_default());
        (key == name.as_bytes()).then(|| String::from_utf8_lossy(&value).into_owned())
    })
}

/// The answers that need no budgets: the schema, and other methods than `GET` and `HEAD`.
#[must_use]
pub fn at_once(method: &[u8], path: &[u8]) -> Option<Reply> {
    if !matches!(method, b"GET" | b"HEAD") {
        let body = r#"{"error":"Only GET and HEAD are answered here."}"#;
        let mut refused = reply(405, "application/json", body.to_owned());
        refused.headers.push(("allow", "GET, HEAD".to_owned()));
        return Some(refused);
    }
    parameter(path, "schema").map(|_| reply(200, "application/schema+json", SCHEMA.to_owned()))
}

/// The answer where something of ours failed: nobody is told what may be another's.
#[must_use]
pub fn unavailable() -> Reply {
    let body = r#"{"error":"Budgets can't be read right now. Try again in a moment."}"#;
    let mut reply = reply(503, "application/json", body.to_owned());
    reply.headers.push(("retry-after", "1".to_owned()));
    reply
}

fn reply(status: u16, kind: &str, body: String) -> Reply {
    let headers = vec![("content-type", kind.to_owned()), ("cache-control", "no-store".to_owned())];
    Reply { status, headers, body: body.into_bytes() }
}

/// What one caller asks.
#[derive(Debug)]
pub struct Question<'p> {
    policy: &'p Policy,
    exempt: bool,
    lines: Vec<Line<'p>>,
    /// The model that is asked about; empty for all.
    model: String,
    now: EpochMs,
}

#[derive(Debug)]
struct Line<'p> {
    budget: &'p Budget,
    open: OpenWindow,
    /// Where it stands; `None` if that depends on a model that was not named.
    hold: Option<Hold>,
}

impl<'p> Question<'p> {
    /// What this caller asks with this path: of all budgets, or with `?model=` of those that calls to it meet.
    #[must_use]
    pub fn new(policy: &'p Policy, identity: &Identity, path: &[u8], now: EpochMs) -> Self {
        let asked = parameter(path, "model").unwrap_or_default();
        let provider = parameter(path, "provider").or_else(|| policy.provider.clone());
        let provider = provider.filter(|name| !name.is_empty());
        let entry = policy.prices.quote(&PriceQuery {
            provider: provider.as_deref(),
            requested: &asked,
            answered: "",
            tier: ServiceTier::named(""),
            place: "",
            at: now,
        });
        let provider = provider.as_deref().unwrap_or_default();
        let route = parameter(path, "route").unwrap_or_default();
        let (priced_as, route) = (entry.entry.as_str(), route.as_str());
        let subject = Subject { identity, asked: &asked, priced_as, provider, dialect: "", route };
        let depends = |scope: &Scope| match scope {
            Scope::Dimension(_) => false,
            Scope::Model => asked.is_empty(),
            // Calls tell it by their path and host, which a question does not have.
            Scope::Provider => provider.is_empty(),
            Scope::Route => route.is_empty(),
        };
        let line = |budget: &'p Budget| {
            let open = budget.window.open(budget.limit, now);
            let key = policy.slot_key(budget, &subject);
            let hold = Hold::of_nothing(key, open.rule);
            Line { budget, hold: (!budget.per.iter().any(depends)).then_some(hold), open }
        };
        let lines = policy.budgets_of(&subject, now).into_iter().map(line).collect();
        Self { policy, exempt: policy.is_exempt(identity, now), lines, model: asked, now }
    }

    /// What stands for these is asked: [`crate::ledger::Page::level`].
    pub fn holds(&self) -> impl Iterator<Item = &Hold> {
        self.lines.iter().filter_map(|line| line.hold.as_ref())
    }

    /// The answer, with what stands for each of [`Question::holds`].
    #[must_use]
    pub fn reply(&self, levels: &[Level]) -> Reply {
        let mut levels = levels.iter();
        let told = self.lines.iter().map(|line| {
            let level = line.hold.and_then(|_| levels.next());
            self.told(line, level)
        });
        let budgets: Vec<Value> = told.collect();
        let mut body = Map::new();
        put(&mut body, "at", rfc3339(self.now).into());
        put(&mut body, "exempt", self.exempt.into());
        put(&mut body, "budgets", Value::Array(budgets));
        reply(200, "application/json", Value::Object(body).to_string())
    }

    fn told(&self, line: &Line<'_>, level: Option<&Level>) -> Value {
        let (budget, meter) = (line.budget, line.budget.meter);
        let used = level.map(|level| meter.whole(level.total()));
        let amount = |amount: Amount| amount_json(meter, amount);
        // As headers tell it: where refusals begin below the limit, that is all there is.
        let limit = budget.affordable();
        let percent = used.map(|used| percent(used, limit));
        let (window, seconds) = window(&budget.window, &line.open);
        let per = budget.per.iter().map(|scope| self.scope(*scope).into()).collect();
        let mut told = Map::new();
        put(&mut told, "name", budget.name.as_str().into());
        put(&mut told, "unit", meter.unit().into());
        put(&mut told, "used", used.map(amount).into());
        put(&mut told, "limit", amount(limit));
        let remaining = used.map(|used| amount(limit.saturating_sub(used).max(0)));
        put(&mut told, "remaining", remaining.into());
        put(&mut told, "percent", percent.into());
        put(&mut told, "state", used.map_or("unknown", |used| self.state(budget, used)).into());
        put(&mut told, "refuses_at", budget.cap().map(amount).into());
        put(&mut told, "resets_at", level.and_then(|level| self.resets_at(line, *level)).into());
        put(&mut told, "window", window.into());
        put(&mut told, "window_seconds", seconds.into());
        put(&mut told, "per", Value::Array(per));
        for condition in &budget.matches {
            match condition {
                Condition::Model(pattern) => put(&mut told, "model", pattern.to_string().into()),
                Condition::Provider(name) => put(&mut told, "provider", name.as_str().into()),
                Condition::Route(name) => put(&mut told, "route", name.as_str().into()),
                Condition::Dialect(name) => put(&mut told, "dialect", (*name).into()),
                _ => {}
            }
        }
        for step in &budget.ladder {
            if let Action::Deny { upgrade_url: Some(url), .. } = &step.action {
                put(&mut told, "upgrade_url", url.as_str().into());
            }
        }
        Value::Object(told)
    }

    /// The window's end; when a bucket is full; when something comes back of a rolling window.
    fn resets_at(&self, line: &Line<'_>, level: Level) -> Option<String> {
        let missing = match line.budget.window {
            Window::Calendar { .. } => 0,
            _ if level.total() <= 0 => return None,
            Window::Bucket { .. } => level.total(),
            Window::Rolling { .. } | Window::InFlight => 0,
        };
        line.open.free_at(missing, level, self.now).and_then(rfc3339)
    }

    fn scope(&self, scope: Scope) -> &str {
        match scope {
            Scope::Dimension(place) => {
                self.policy.identity.get(place).map_or("", |dimension| &dimension.name)
            }
            Scope::Model => "model",
            Scope::Provider => "provider",
            Scope::Route => "route",
        }
    }
}

fn percent(used: Amount, limit: Amount) -> u64 {
    let hundredfold = i128::from(used.max(0)).saturating_mul(100);
    hundredfold.checked_div(i128::from(limit)).and_then(|percent| u64::try_from(percent).ok()).unwrap_or(100)
}

impl Question<'_> {
    /// The strictest of what the ladder does with the next call: the least that it may be. Steps in shadow mode do nothing
    /// with it; what depends on a model that was not named is taken to be done.
    fn state(&self, budget: &Budget, used: Amount) -> &'static str {
        let meter = budget.meter;
        let counts = meter.counts_calls();
        let next = if counts { used.saturating_add(meter.amount(1)) } else { used };
        // A call that needs anything at all passes a step from its threshold on.
        let passes = |at: Amount| if counts { next > at } else { next >= at };
        let mut strictest = Decision::Allow;
        // In the place of a step that is not carried out, and behind an overage that has ended, the next one comes.
        let mut fell = false;
        for step in budget.enforced().filter(|step| !matches!(step.action, Action::Alert)) {
            let reached =
                if matches!(step.action, Action::Warn { .. }) { next >= step.at } else { passes(step.at) };
            let replaces = std::mem::take(&mut fell)
                && (passes(budget.limit) || !matches!(step.action, Action::Deny { .. }));
            if !reached && !replaces {
                break;
            }
            let decision = match &step.action {
                Action::Clamp { bound: Some(Bound::Remaining { at_least }), .. } => {
                    let left = budget.affordable().saturating_sub(used);
                    let least = if meter == Meter::Usd { 1 } else { meter.amount(*at_least) };
                    fell = left < least;
                    Decision::Clamp
                }
                Action::Downgrade { list } => {
                    let list = self.policy.downgrades.get(*list).filter(|_| !self.model.is_empty());
                    match list.map(|list| list.cheaper(&self.model, |model| self.policy.entry_of(model))) {
                        Some(Cheaper::Unlisted) => fell = true,
                        Some(Cheaper::Already) => continue,
                        Some(Cheaper::Use(_)) | None => {}
                    }
                    Decision::Downgrade
                }
                Action::Overage(overage) => {
                    fell = overage.end(step.at).is_some_and(passes);
                    Decision::Overage
                }
                action => action.decision(),
            };
            let is_done = !fell || decision == Decision::Overage;
            strictest = strictest.max(if is_done { decision } else { Decision::Allow });
        }
        match strictest {
            Decision::Allow => "ok",
            Decision::Deny => "exhausted",
            other => other.name(),
        }
    }
}

/// Its word, and its length where it has one.
fn window(window: &Window, open: &OpenWindow) -> (&'static str, Option<u64>) {
    let word = match window {
        Window::Calendar { unit, .. } => match unit {
            CalendarUnit::Hour => "hour",
            CalendarUnit::Day => "day",
            CalendarUnit::Week => "week",
            CalendarUnit::Month => "month",
            CalendarUnit::BillingMonth { .. } => "billing_month",
        },
        Window::Rolling { .. } => "rolling",
        Window::Bucket { .. } => "bucket",
        Window::InFlight => "in_flight",
    };
    (word, Some(open.seconds).filter(|seconds| *seconds > 0))
}
