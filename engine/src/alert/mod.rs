//! Alerts: operators are told of a threshold, once a window and subject.
//!
//! [`Exchange`](crate::exchange::Exchange) says with what it owes who is to be told; [`settle_all`] books it and gives
//! the alerts of the thresholds that the ledger saw passed. An [`Outbox`](crate::outbox::Outbox) keeps those that go to
//! somebody until they are sent. Nothing here calls anybody.

mod render;

pub use render::{Request, content_type};

use crate::ledger::{self, Passed, Settle, Settled, Store};
use crate::policy::{Budget, OpenWindow, Policy, Sink, Step};
use crate::refusal::{BudgetState, rfc3339};
use crate::units::{EpochMs, Meter};
use serde_json::{Map, Value};
use std::sync::Arc;

/// Something to settle, and whom to tell of it.
#[derive(Debug)]
pub struct Owed {
    /// For the ledger.
    pub settle: Settle,
    /// `None` if nobody is told.
    pub watch: Option<Box<Watch>>,
}

impl From<Settle> for Owed {
    fn from(settle: Settle) -> Self {
        Self { settle, watch: None }
    }
}

/// What an alert says beside the amounts.
#[derive(Debug)]
pub struct Watch {
    /// The policy of the call.
    pub policy: Arc<Policy>,
    /// The budget, by its place in the policy.
    pub budget: usize,
    /// Its window when the call began.
    pub open: OpenWindow,
    /// Whose budget it is: the values of its `per`, by their names.
    pub subject: Vec<(String, String)>,
}

/// One alert, for one sink.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Alert {
    /// The sink, by its place in the policy.
    pub sink: usize,
    /// The same for the same threshold, window and subject, whoever tells it and how often it is sent.
    pub id: String,
    /// When the threshold was passed, RFC 3339.
    pub time: String,
    /// The policy's name.
    pub policy: String,
    /// The budget's name.
    pub rule: String,
    /// The sentence.
    pub sentence: String,
    /// Only recorded.
    pub shadow: bool,
    /// What the step does to calls, in the words of the ladder.
    pub decision: &'static str,
    /// `80%`.
    pub threshold: String,
    /// Whose budget it is, by dimension.
    pub subject: Map<String, Value>,
    /// `used`, `limit`, `remaining`, `unit` and `resets_at`, as in a refusal.
    pub amounts: Map<String, Value>,
}

/// Settles what it can; what the store did not take stays in `owed`, to be tried again. Gives the alerts of it as well.
pub fn settle_all(store: &mut impl Store, owed: &mut Vec<Owed>, now: EpochMs) -> (Settled, Vec<Alert>) {
    let (mut settled, mut alerts) = (Settled::default(), Vec::new());
    owed.retain_mut(|Owed { settle, watch }| match ledger::settle(store, settle, now, &mut settled) {
        Ok(passed) => {
            if let (Some(passed), Some(watch)) = (passed, watch) {
                alerts.extend(watch.alerts(settle, &passed, now));
            }
            false
        }
        Err(_) => true,
    });
    (settled, alerts)
}

impl Watch {
    /// One for each step that was passed and names a sink.
    fn alerts(&self, settle: &Settle, passed: &Passed, now: EpochMs) -> Vec<Alert> {
        let Some(budget) = self.policy.budgets.get(self.budget) else { return Vec::new() };
        let steps = budget.ladder.iter().filter(|step| passed.has(step.at));
        let told = steps.filter_map(|step| Some((step, step.alert?)));
        told.map(|(step, sink)| self.alert(budget, (step, sink), settle, passed, now)).collect()
    }

    fn alert(
        &self,
        budget: &Budget,
        (step, sink): (&Step, usize),
        settle: &Settle,
        passed: &Passed,
        now: EpochMs,
    ) -> Alert {
        let stands =
            if budget.meter == Meter::RequestsInFlight { passed.level.held } else { passed.level.used };
        let missing = stands.saturating_sub(budget.limit).max(0);
        let state = BudgetState::new(budget, &self.open, stands, (missing, passed.level), now);
        let mut amounts = state.machine_fields();
        amounts.shift_remove("rule");
        let threshold = percent(step.per_mille);
        let subject = self.subject.iter().map(|(name, value)| (name.clone(), value.clone().into()));
        Alert {
            sink,
            id: self.id(budget, step, settle, now),
            time: rfc3339(now).unwrap_or_default(),
            policy: self.policy.name.clone(),
            rule: budget.name.clone(),
            sentence: self.sentence((budget, step), &state, (stands < step.at, now)),
            shadow: is_shadow(budget, step),
            decision: step.action.name(),
            threshold,
            subject: subject.collect(),
            amounts,
        }
    }

    /// A calendar's window has a name: its end. Elsewhere a threshold is told when it was armed anew, so the moment
    /// tells one time from another.
    fn id(&self, budget: &Budget, step: &Step, settle: &Settle, now: EpochMs) -> String {
        let window = self.open.end().unwrap_or(now).0;
        format!("{}/{}/{:016x}/{window}/{}", self.policy.name, budget.name, settle.key.tag, step.at)
    }

    /// `daily (user ana): 80% of today's AI quota is used (40,000 of 50,000 tokens). It resets at midnight PST.`
    fn sentence(
        &self,
        (budget, step): (&Budget, &Step),
        state: &BudgetState,
        (refused, now): (bool, EpochMs),
    ) -> String {
        let threshold = percent(step.per_mille);
        let subject = self.subject.iter().map(|(name, value)| format!("{name} {value}"));
        let subject = subject.collect::<Vec<_>>().join(", ");
        let who =
            if subject.is_empty() { budget.name.clone() } else { format!("{} ({subject})", budget.name) };
        let meter = state.meter;
        let (used, limit) = (meter.display(meter.said(state.used)), meter.told(state.limit));
        let shadow = if is_shadow(budget, step) { "[shadow] " } else { "" };
        if state.meter == Meter::RequestsInFlight {
            return format!("{shadow}{who}: {used} of at most {limit}, which is {threshold}.");
        }
        let period = state.period_text();
        let period = period.trim_end();
        let resets =
            state.resets_at.filter(|at| *at > now).map(|_| format!(" It resets {}.", state.resets_text()));
        let resets = resets.unwrap_or_default();
        if refused {
            return format!(
                "{shadow}{who}: {threshold} of {period} AI quota would be passed by a call, which was refused \
                 ({used} of {limit}).{resets}"
            );
        }
        let share = i128::from(state.used).saturating_mul(1_000).checked_div(i128::from(state.limit));
        let share = share.map_or(1_000, |share| u32::try_from(share).unwrap_or(u32::MAX));
        let past = if share > step.per_mille { format!(", past {threshold}") } else { String::new() };
        let percent = percent(share);
        format!("{shadow}{who}: {percent} of {period} AI quota is used{past} ({used} of {limit}).{resets}")
    }
}

/// What it does is only recorded.
const fn is_shadow(budget: &Budget, step: &Step) -> bool {
    budget.shadow || step.shadow
}

/// `80%` or `99.5%`.
fn percent(per_mille: u32) -> String {
    match per_mille % 10 {
        0 => format!("{}%", per_mille / 10),
        tenth => format!("{}.{tenth}%", per_mille / 10),
    }
}

impl Alert {
    /// The alert as one object.
    #[must_use]
    pub fn fields(&self) -> Map<String, Value> {
        let mut fields = Map::new();
        let mut text = |name: &str, value: &str| fields.insert(name.to_owned(), value.into());
        text("id", &self.id);
        text("time", &self.time);
        text("policy", &self.policy);
        text("rule", &self.rule);
        text("threshold", &self.threshold);
        text("mode", if self.shadow { "shadow" } else { "enforce" });
        text("decision", self.decision);
        text("message", &self.sentence);
        fields.insert("subject".to_owned(), Value::Object(self.subject.clone()));
        fields.extend(self.amounts.clone());
        fields
    }

    /// One line of JSON, for the log. `sink`: its name.
    #[must_use]
    pub fn line(&self, sink: &str) -> String {
        let mut fields = self.fields();
        fields.insert("sink".to_owned(), sink.into());
        Value::Object(fields).to_string()
    }

    /// The request that tells it; `None` if the log is all.
    #[must_use]
    pub fn request(&self, sink: &Sink) -> Option<Request> {
        Some(render::request(self, sink.call.as_ref()?))
    }
}

#[cfg(test)]
mod tests;
