//! A refusal: one place for its status, headers and body, whatever refused.

use crate::dialect::Dialect;
use crate::ledger::{Level, WindowRule};
use crate::policy::{
    Budget, MessageFacts, Messages, OpenWindow, duration_text, plain_duration_text, plain_time_text,
};
use crate::units::{Amount, EpochMs, Meter, NanoUsd};
use serde_json::{Map, Value};

/// A refusal in a dialect's words.
#[derive(Debug, Default)]
pub(crate) struct Written {
    /// The HTTP status, where this API has another one than most.
    pub(crate) status: Option<u16>,
    /// Headers beside the common ones.
    pub(crate) headers: Vec<Header>,
    /// The body.
    pub(crate) body: Vec<u8>,
}

impl Written {
    /// A body alone.
    pub(crate) fn body(body: &Value) -> Self {
        Self { body: body.to_string().into_bytes(), ..Self::default() }
    }
}

/// A header, its name in lower case.
pub(crate) type Header = (&'static str, String);

/// A whole answer that the filter gives itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reply {
    /// The HTTP status.
    pub status: u16,
    /// Names in lower case.
    pub headers: Vec<(&'static str, String)>,
    /// The body, in the caller's dialect.
    pub body: Vec<u8>,
}

/// Which question of the caller a refusal answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RefusalKind {
    /// The quota of a calendar window, or of a long rolling one, is used: waiting is for people, not for clients.
    Quota,
    /// A bucket is empty and refills in seconds, or too many calls run at once: clients wait.
    Rate,
    /// The body cannot be read and the policy refuses such.
    Unreadable,
    /// The body is longer than the policy reads.
    TooLarge,
    /// Something of ours failed and the policy refuses then.
    Unavailable,
    /// No dialect is known for this path, and the policy refuses such.
    UnknownEndpoint,
    /// Nobody knows what this model costs, and the policy refuses such.
    UnknownModel,
    /// The policy stops calls like this one.
    Blocked,
    /// It needs more than one request may.
    OverRequestLimit,
    /// It goes on when it is confirmed.
    Confirm,
}

impl RefusalKind {
    /// All of them, for tables.
    pub const ALL: &[Self] = &[
        Self::Quota,
        Self::Rate,
        Self::Unreadable,
        Self::TooLarge,
        Self::Unavailable,
        Self::UnknownEndpoint,
        Self::UnknownModel,
        Self::Blocked,
        Self::OverRequestLimit,
        Self::Confirm,
    ];
}

/// Why a call is refused, before it is written in a dialect.
#[derive(Debug, Clone)]
pub struct Refusal {
    /// Which question it answers.
    pub kind: RefusalKind,
    /// The sentence for people.
    pub message: String,
    /// The tag of its language, where callers are told in theirs; else empty.
    pub language: String,
    /// The budget that refused, if one did.
    pub budget: Option<BudgetState>,
    /// The rule on single requests that refused, if one did.
    pub rule: Option<RuleState>,
}

/// A rule on single requests as this call met it.
#[derive(Debug, Clone)]
pub struct RuleState {
    /// The rule's name.
    pub name: String,
    /// What else programs are told.
    pub fields: Map<String, Value>,
}

/// What a sentence says of the call beside its budget.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Told<'c> {
    /// The budget that says it.
    pub(crate) budget: &'c Budget,
    /// How much the call needs.
    pub(crate) needed: Amount,
    /// The model asked for.
    pub(crate) model: &'c str,
    /// The caller's `accept-language`.
    pub(crate) accepted: &'c str,
    /// Nobody reads it.
    pub(crate) unread: bool,
    pub(crate) now: EpochMs,
}

/// One budget as this call met it.
#[derive(Debug, Clone)]
pub struct BudgetState {
    /// The budget's name.
    pub rule: String,
    /// What it counts.
    pub meter: Meter,
    /// Settled and held, this call's hold included if it was taken; rounded up to whole units.
    pub used: Amount,
    /// 100 %.
    pub limit: Amount,
    /// When calls like this one go through again; `None` if never, or when a running call ends.
    pub resets_at: Option<EpochMs>,
    /// The window's length in seconds; 0 if it has none.
    pub window_seconds: u64,
    /// Where more can be bought.
    pub upgrade_url: Option<String>,
    /// Its window, for sentences alone: most calls say none.
    pub open: OpenWindow,
    /// When it was met.
    pub now: EpochMs,
}

impl BudgetState {
    /// The state of a budget with this much used, of which `level` stood before.
    pub(crate) fn new(
        budget: &Budget,
        open: &OpenWindow,
        used: Amount,
        (missing, level): (Amount, Level),
        now: EpochMs,
    ) -> Self {
        let resets_at = open.free_at(missing, level, now);
        Self {
            rule: budget.name.clone(),
            meter: budget.meter,
            used: budget.meter.whole(used),
            limit: budget.limit,
            resets_at,
            window_seconds: open.seconds,
            upgrade_url: None,
            open: open.clone(),
            now,
        }
    }

    /// As its callers are told of it: where refusals begin below the limit, that is all there is, in whole units.
    pub(crate) fn until_refused(mut self, cap: Option<Amount>) -> Self {
        if let Some(cap) = cap.filter(|cap| *cap < self.limit) {
            self.limit = self.meter.amount(self.meter.count(cap));
        }
        self
    }

    /// `at midnight PST`.
    #[must_use]
    pub fn resets_text(&self) -> String {
        self.open.resets_at_text(self.said_to_reset_at(), self.now)
    }

    /// When people are told that it resets: of a bucket that has room now, when it is full again.
    fn said_to_reset_at(&self) -> Option<EpochMs> {
        let refills = matches!(self.open.rule, WindowRule::Refill { .. });
        if refills && self.resets_at.is_some_and(|at| at <= self.now) {
            return self.open.free_at(self.used, Level::default(), self.now);
        }
        self.resets_at
    }

    /// `today's `.
    #[must_use]
    pub fn period_text(&self) -> String {
        self.open.period_text()
    }

    /// What is left of 100 %.
    #[must_use]
    pub fn remaining(&self) -> Amount {
        self.limit.saturating_sub(self.used).max(0)
    }

    /// Used, in whole percent of the limit, rounded down.
    #[must_use]
    pub fn percent(&self) -> u64 {
        let hundredfold = i128::from(self.used.max(0)).saturating_mul(100);
        hundredfold.checked_div(i128::from(self.limit)).and_then(|p| u64::try_from(p).ok()).unwrap_or(100)
    }

    /// The message with this state filled in, and the tag of its language, if that is not the default.
    pub(crate) fn message(&self, messages: &Messages, call: &Told<'_>) -> (String, String) {
        let (tag, template) = messages.pick(call.accepted);
        let amount = |amount| self.meter.display(amount);
        let resets_in = self.said_to_reset_at().map_or(SOON_SECONDS, |at| call.now.seconds_until(at));
        let mut facts = MessageFacts {
            used: amount(self.meter.said(self.used)),
            limit: amount(self.limit),
            remaining: amount(self.meter.said(self.remaining())),
            needed: amount(self.meter.said_needed(call.needed)),
            percent: format!("{}%", self.percent()),
            unit: self.meter.unit_text().to_owned(),
            period: self.period_text(),
            resets_at: self.resets_text(),
            resets_in: duration_text(resets_in),
            rule: self.rule.clone(),
            model: call.model.to_owned(),
            upgrade_url: self.upgrade_url.clone().unwrap_or_default(),
        };
        if !tag.is_empty() && !tag.starts_with("en-") {
            self.translate(&mut facts, call.budget, resets_in);
        }
        (template.fill(&facts), tag.to_owned())
    }

    /// What is English in the facts, as people of any language read it: times by the budget's zone, digits in
    /// groups as the International System of Units has them.
    fn translate(&self, facts: &mut MessageFacts, budget: &Budget, resets_in: u64) {
        for amount in [&mut facts.used, &mut facts.limit, &mut facts.remaining, &mut facts.needed] {
            *amount = amount.replace(',', "\u{202f}");
        }
        facts.period.clear();
        match self.meter {
            Meter::InputTokens | Meter::OutputTokens => " tokens".clone_into(&mut facts.unit),
            meter if meter.counts_calls() => facts.unit.clear(),
            _ => {}
        }
        facts.resets_in = plain_duration_text(resets_in);
        let at = self.said_to_reset_at().and_then(|at| plain_time_text(&budget.window, at));
        facts.resets_at = at.unwrap_or_else(|| facts.resets_in.clone());
    }

    /// `rule, used, limit, remaining, unit, resets_at, upgrade_url`, for programs.
    pub(crate) fn machine_fields(&self) -> Map<String, Value> {
        let amount = |amount: Amount| amount_json(self.meter, amount);
        let mut fields = Map::new();
        put(&mut fields, "rule", self.rule.as_str().into());
        put(&mut fields, "used", amount(self.used));
        put(&mut fields, "limit", amount(self.limit));
        put(&mut fields, "remaining", amount(self.remaining()));
        put(&mut fields, "unit", self.meter.unit().into());
        put(&mut fields, "resets_at", self.resets_at.and_then(rfc3339).into());
        if let Some(url) = &self.upgrade_url {
            put(&mut fields, "upgrade_url", url.as_str().into());
        }
        fields
    }

    /// Limit, remaining and reset under a provider's own names for this meter, where it has such and the client
    /// reads them. `reset` writes the time.
    pub(crate) fn own_limits(
        &self,
        names: [&'static str; 3],
        reset: impl Fn(EpochMs) -> Option<String>,
    ) -> Vec<Header> {
        let [limit, remaining, at] = names;
        let mut headers = vec![
            (limit, self.header_count(self.limit).to_string()),
            (remaining, self.header_count(self.remaining()).to_string()),
        ];
        headers.extend(self.resets_at.and_then(reset).map(|text| (at, text)));
        headers
    }

    /// Amounts in headers are integers: tokens, requests, or millionths of a dollar, rounded down; of no more digits
    /// than an Integer of Structured Fields has (RFC 9651, section 3.3.1).
    fn header_count(&self, amount: Amount) -> u64 {
        let count = match self.meter {
            Meter::Usd => self.meter.count(amount) / 1_000,
            _ => self.meter.count(amount),
        };
        count.min(999_999_999_999_999)
    }

    /// Whether headers can say its limit: one of less than a millionth of a dollar would read as none at all.
    fn is_told_in_headers(&self) -> bool {
        self.limit == 0 || self.header_count(self.limit) > 0
    }
}

/// Whether sentences with this tag are ours to go on in.
pub(crate) fn is_english(tag: &str) -> bool {
    tag.is_empty() || tag.starts_with("en")
}

/// One field of an object. Not inlined: what makes these objects is not worth its size.
#[inline(never)]
pub(crate) fn put(fields: &mut Map<String, Value>, name: &str, value: Value) {
    fields.insert(name.to_owned(), value);
}

/// An amount for programs: a number, or dollars as a decimal text.
pub(crate) fn amount_json(meter: Meter, amount: Amount) -> Value {
    match meter {
        Meter::Usd => NanoUsd(amount).to_string().replace(['$', ','], "").into(),
        _ => meter.count(amount).into(),
    }
}

/// How long a client waits for what may come at any time.
const SOON_SECONDS: u64 = 1;

/// `RateLimit-Policy` and `RateLimit` for these budgets, the tightest first:
/// draft-ietf-httpapi-ratelimit-headers-10, sections 3 and 4.
pub(crate) fn ratelimit_headers(states: &[BudgetState], now: EpochMs) -> Vec<(&'static str, String)> {
    let mut tightest: Vec<&BudgetState> = states.iter().filter(|state| state.is_told_in_headers()).collect();
    tightest.sort_by_key(|state| std::cmp::Reverse(state.percent()));
    let (mut policy, mut limit) = (String::with_capacity(128), String::with_capacity(64));
    let put = |into: &mut String, parts: &[&str]| parts.iter().for_each(|part| into.push_str(part));
    // `w` and `t` are optional: what counts running calls has neither.
    let put_time = |into: &mut String, name: &str, seconds: Option<u64>| {
        if let Some(seconds) = seconds {
            put(into, &[name, &seconds.to_string()]);
        }
    };
    if tightest.is_empty() {
        return Vec::new();
    }
    for state in tightest {
        for list in [&mut policy, &mut limit] {
            put(list, &[if list.is_empty() { "\"" } else { ", \"" }, &state.rule, "\""]);
        }
        let (limited, remaining) = (state.header_count(state.limit), state.header_count(state.remaining()));
        put(&mut policy, &[";q=", &limited.to_string(), ";qu=\"", state.meter.quota_unit(), "\""]);
        put_time(&mut policy, ";w=", Some(state.window_seconds).filter(|seconds| *seconds > 0));
        put(&mut limit, &[";r=", &remaining.to_string()]);
        put_time(&mut limit, ";t=", state.resets_at.map(|at| now.seconds_until(at)));
    }
    vec![("ratelimit-policy", policy), ("ratelimit", limit)]
}

/// The answer to a call that no dialect recognises, under `"unknown": "deny"`: in the first dialect's
/// words, which most clients read.
#[must_use]
pub fn unknown_endpoint(now: EpochMs) -> Option<Reply> {
    let message =
        "This endpoint is not metered here, and this service's policy lets metered calls pass only. \
                   Use one of the LLM APIs it offers, or ask its operator."
            .to_owned();
    Some(Refusal::other(RefusalKind::UnknownEndpoint, message).reply(crate::dialect::DIALECTS.first()?, now))
}

impl Refusal {
    /// One that is no budget's.
    #[must_use]
    pub(crate) const fn other(kind: RefusalKind, message: String) -> Self {
        Self { kind, message, language: String::new(), budget: None, rule: None }
    }

    /// The budget or the rule that refused.
    #[must_use]
    pub fn rule_name(&self) -> Option<&str> {
        let of_rule = self.rule.as_ref().map(|rule| rule.name.as_str());
        self.budget.as_ref().map(|state| state.rule.as_str()).or(of_rule)
    }

    /// What programs are told beside the sentence; nothing if no rule refused.
    pub(crate) fn machine_fields(&self) -> Map<String, Value> {
        let mut fields = self.budget.as_ref().map(BudgetState::machine_fields).unwrap_or_default();
        if let Some(rule) = &self.rule {
            fields.insert("rule".to_owned(), rule.name.clone().into());
            fields.extend(rule.fields.clone());
        }
        fields
    }

    /// The refusal as an answer in the caller's dialect.
    #[must_use]
    pub fn reply(&self, dialect: &Dialect, now: EpochMs) -> Reply {
        let status = match self.kind {
            RefusalKind::Quota | RefusalKind::Rate => 429,
            RefusalKind::Unreadable | RefusalKind::OverRequestLimit => 400,
            RefusalKind::Confirm => 402,
            RefusalKind::TooLarge => 413,
            RefusalKind::Unavailable => 503,
            RefusalKind::UnknownEndpoint | RefusalKind::UnknownModel | RefusalKind::Blocked => 403,
        };
        let asks = self.kind == RefusalKind::Confirm;
        let mut headers = vec![
            ("content-type", "application/json".to_owned()),
            ("x-tokenstile-decision", if asks { "confirm" } else { "deny" }.to_owned()),
        ];
        headers.extend(self.rule_name().map(|rule| ("x-tokenstile-rule", rule.to_owned())));
        if let Some(state) = &self.budget {
            headers.extend(ratelimit_headers(std::slice::from_ref(state), now));
            // Nobody knows when a running call ends: soon.
            let soon = (self.kind == RefusalKind::Rate).then_some(SOON_SECONDS);
            // Whoever confirms need not wait.
            let seconds = state.resets_at.map(|at| now.seconds_until(at).max(1)).or(soon);
            if let Some(seconds) = seconds.filter(|_| !asks) {
                headers.push(("retry-after", seconds.to_string()));
            }
        }
        // Retrying a used quota only makes more refusals: OpenAI's and Anthropic's SDKs obey this.
        if self.kind != RefusalKind::Rate && self.kind != RefusalKind::Unavailable {
            headers.push(("x-should-retry", "false".to_owned()));
        }
        if !self.language.is_empty() {
            headers.push(("content-language", self.language.clone()));
        }
        let written = (dialect.refusal)(self, now);
        headers.extend(written.headers);
        Reply { status: written.status.unwrap_or(status), headers, body: written.body }
    }
}

/// A time as `2026-11-23T08:00:00Z`.
pub(crate) fn rfc3339(at: EpochMs) -> Option<String> {
    jiff::Timestamp::from_millisecond(at.0).ok().map(|t| t.to_string())
}
