//! Budgets for someone who has none yet, from what was used: amounts by tier, by feature and in all, their percentiles
//! with some headroom, and what each limit would have done. Called by `tokenstile suggest`. The policy that it writes is
//! in shadow mode, and says in comments where each number comes from.

use super::native::{Duration, Native};
use super::outcome::Outcome;
use super::report::words;
use super::tally::{Tallied, Unpriced};
use super::trace::Call;
use hdrhistogram::Histogram;
use serde_json::{Map, Value, json};
use std::collections::{BTreeMap, HashMap};
use std::fmt::Write as _;
use std::sync::Arc;
use tokenstile_engine::policy::Policy;
use tokenstile_engine::units::{EpochMs, NanoUsd, grouped};

/// How the limits come from the amounts.
#[derive(Debug, Clone, Copy)]
pub struct Rule {
    /// Of so many percent of the amounts the limit shall be no lower, before the headroom.
    pub percentile: f64,
    /// Times this.
    pub headroom: f64,
}

/// What a metering policy says of who pays, where there is none yet.
fn identity() -> Value {
    json!({
        "user": ["header:x-user-id", "api_key", "value:anonymous"],
        "tier": ["header:x-tier", "value:none"],
        "feature": ["header:x-feature", "value:unattributed"],
    })
}

/// A policy that meters and restricts nobody: what `base` says of identity and prices, without its budgets.
#[must_use]
pub fn metering(base: Option<&Value>) -> Value {
    let mut fields = base.and_then(Value::as_object).cloned().unwrap_or_default();
    for key in [
        "$schema",
        "blocks",
        "confirm",
        "budgets",
        "overrides",
        "exempt",
        "downgrades",
        "mode",
        "request_limits",
        "routes",
        "alerts",
    ] {
        fields.remove(key);
    }
    fields.insert("version".to_owned(), json!(1));
    fields.entry("name").or_insert_with(|| json!("suggested"));
    fields.entry("identity").or_insert_with(identity);
    Value::Object(fields)
}

const HOUR_MS: i64 = 3_600_000;
/// As many payers are told apart within a window.
const PAYERS: usize = 1_000_000;

/// What was used, by hour and by day of UTC.
pub struct Usage {
    native: Native,
    lasts: Duration,
    places: Places,
    hours: Windows,
    days: Windows,
    first: Option<EpochMs>,
    last: EpochMs,
    calls: u64,
    cost: i64,
}

/// Where the dimensions stand that matter.
#[derive(Debug, Clone, Copy)]
struct Places {
    user: Option<usize>,
    tier: Option<usize>,
    feature: Option<usize>,
}

/// The amounts of one length of window.
struct Windows {
    length_ms: i64,
    open: i64,
    users: HashMap<(String, String), u64>,
    features: BTreeMap<String, u64>,
    all: u64,
    by_tier: BTreeMap<String, Amounts>,
    by_feature: BTreeMap<String, Amounts>,
    in_all: Amounts,
}

/// The amounts of many windows.
struct Amounts(Option<Histogram<u64>>);

impl Default for Amounts {
    fn default() -> Self {
        Self(Histogram::new_with_bounds(1, 1 << 60, 3).ok())
    }
}

impl Amounts {
    fn take(&mut self, amount: u64) {
        if let Some(amounts) = &mut self.0 {
            amounts.saturating_record(amount.max(1));
        }
    }

    fn at(&self, percentile: f64) -> u64 {
        self.0.as_ref().map_or(0, |amounts| amounts.value_at_quantile(percentile / 100.0))
    }

    fn most(&self) -> u64 {
        self.0.as_ref().map_or(0, Histogram::max)
    }

    fn count(&self) -> u64 {
        self.0.as_ref().map_or(0, Histogram::len)
    }
}

impl Windows {
    fn new(length_ms: i64) -> Self {
        Self {
            length_ms,
            open: i64::MIN,
            users: HashMap::new(),
            features: BTreeMap::new(),
            all: 0,
            by_tier: BTreeMap::new(),
            by_feature: BTreeMap::new(),
            in_all: Amounts::default(),
        }
    }

    fn take(&mut self, outcome: &Outcome, places: Places) {
        let window = outcome.began.0.div_euclid(self.length_ms);
        if window != self.open {
            self.close();
            self.open = window;
        }
        let value =
            |place: Option<usize>| place.and_then(|at| outcome.identity.get(at)).cloned().unwrap_or_default();
        let cost = outcome.cost.0.unsigned_abs();
        self.all = self.all.saturating_add(cost);
        let of_feature = self.features.entry(value(places.feature)).or_default();
        *of_feature = of_feature.saturating_add(cost);
        let key = (value(places.tier), value(places.user));
        if self.users.len() < PAYERS || self.users.contains_key(&key) {
            let of_user = self.users.entry(key).or_default();
            *of_user = of_user.saturating_add(outcome.used.total());
        }
    }

    fn close(&mut self) {
        if self.open == i64::MIN {
            return;
        }
        for ((tier, _), tokens) in self.users.drain() {
            self.by_tier.entry(tier).or_default().take(tokens);
        }
        for (feature, cost) in std::mem::take(&mut self.features) {
            self.by_feature.entry(feature).or_default().take(cost);
        }
        self.in_all.take(std::mem::take(&mut self.all));
    }
}

impl Usage {
    /// Under a metering policy.
    #[must_use]
    pub fn new(policy: Arc<Policy>, lasts: Duration) -> Self {
        let place = |name: &str| policy.identity.iter().position(|dimension| dimension.name == name);
        let user = place("user").or_else(|| (!policy.identity.is_empty()).then_some(0));
        Self {
            places: Places { user, tier: place("tier"), feature: place("feature") },
            native: Native::new(policy),
            lasts,
            hours: Windows::new(HOUR_MS),
            days: Windows::new(24 * HOUR_MS),
            first: None,
            last: EpochMs(0),
            calls: 0,
            cost: 0,
        }
    }

    /// The next call.
    pub fn call(&mut self, call: &Call, now: EpochMs) {
        let Some(outcome) = self.native.call(call, now, self.lasts) else { return };
        self.first.get_or_insert(now);
        self.last = now;
        self.calls += 1;
        self.cost = self.cost.saturating_add(outcome.cost.0);
        self.hours.take(&outcome, self.places);
        self.days.take(&outcome, self.places);
    }

    /// The budgets that follow from it; `None` if there was no call.
    #[must_use]
    pub fn suggest(mut self, rule: Rule) -> Option<Suggestion> {
        self.hours.close();
        self.days.close();
        let span = self.last.0 - self.first?.0;
        // Less than two days say little of a day.
        let is_short = span < 48 * HOUR_MS;
        let windows = if is_short { &self.hours } else { &self.days };
        let word = if is_short { "hour" } else { "day" };
        let names = &self.native.policy().identity;
        let name =
            |place: Option<usize>| place.and_then(|at| names.get(at)).map(|dimension| dimension.name.clone());
        let made = Making { rule, word, user: name(self.places.user), calls: self.calls };
        let mut budgets = Vec::new();
        for (tier, amounts) in &windows.by_tier {
            budgets.push(made.of_tier(self.places.tier.map(|_| tier.as_str()), amounts));
        }
        if let Some(feature) = name(self.places.feature) {
            budgets.extend(
                windows.by_feature.iter().map(|(value, amounts)| made.of_feature(&feature, value, amounts)),
            );
        }
        budgets.push(made.of_all(&windows.in_all));
        let about = format!(
            "From {} calls between {} and {} UTC, which cost {}.{}",
            grouped(self.calls),
            words::time(self.first?.0),
            words::time(self.last.0),
            words::usd(self.cost),
            if is_short { " Less than two days: the limits are by the hour." } else { "" },
        );
        Some(Suggestion { about, budgets })
    }
}

/// What a budget is made with.
struct Making {
    rule: Rule,
    word: &'static str,
    user: Option<String>,
    calls: u64,
}

/// A policy that is suggested, before it is known what it would have done.
#[derive(Debug, Clone)]
pub struct Suggestion {
    about: String,
    budgets: Vec<Suggested>,
}

#[derive(Debug, Clone)]
struct Suggested {
    json: Value,
    why: Vec<String>,
}

impl Making {
    fn limit(&self, amounts: &Amounts) -> u64 {
        #[expect(
            clippy::cast_precision_loss,
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "rounded anyway"
        )]
        let limit = (amounts.at(self.rule.percentile) as f64 * self.rule.headroom) as u64;
        round_up(limit)
    }

    fn why(&self, what: &str, amounts: &Amounts, text: impl Fn(u64) -> String) -> Vec<String> {
        vec![
            format!(
                "{} {what}: half used up to {},",
                grouped(amounts.count()),
                text(rounded(amounts.at(50.0)))
            ),
            format!(
                "{}% up to {}, the most {}. The limit is the {}% with a headroom of {}.",
                self.rule.percentile,
                text(rounded(amounts.at(self.rule.percentile))),
                text(rounded(amounts.most())),
                self.rule.percentile,
                self.rule.headroom,
            ),
        ]
    }

    fn of_tier(&self, tier: Option<&str>, amounts: &Amounts) -> Suggested {
        let whose = match (tier, &self.user) {
            (Some(tier), _) => slug(tier),
            (None, Some(user)) => slug(user),
            (None, None) => "all".to_owned(),
        };
        let mut json = Map::new();
        json.insert("name".to_owned(), json!(format!("{whose}-tokens-{}", self.word)));
        if let Some(tier) = tier {
            json.insert("match".to_owned(), json!({ "tier": tier }));
        }
        json.insert("per".to_owned(), json!(self.user.iter().collect::<Vec<_>>()));
        json.insert("limit".to_owned(), json!({ "tokens": self.limit(amounts) }));
        json.insert("window".to_owned(), json!({ "calendar": self.word }));
        json.insert("ladder".to_owned(), json!([{ "at": "80%", "warn": {} }, { "at": "100%", "deny": {} }]));
        let what = self
            .user
            .as_ref()
            .map_or_else(|| format!("{}s", self.word), |user| format!("{user}-{}s", self.word));
        let why = self.why(&what, amounts, |tokens| format!("{} tokens", grouped(tokens)));
        Suggested { json: Value::Object(json), why }
    }

    fn of_feature(&self, dimension: &str, value: &str, amounts: &Amounts) -> Suggested {
        let json = json!({
            "name": format!("{}-usd-{}", slug(value), self.word),
            "match": { dimension: value },
            "per": [],
            "limit": { "usd": dollars(self.limit(amounts)) },
            "window": { "calendar": self.word },
            "ladder": [{ "at": "80%", "warn": {} }, { "at": "100%", "deny": {} }],
        });
        Suggested { json, why: self.why(&format!("{}s", self.word), amounts, usd) }
    }

    fn of_all(&self, amounts: &Amounts) -> Suggested {
        // The brake is for what no forecast has: twice the most that was.
        let limit = round_up(amounts.most().saturating_mul(2));
        let json = json!({
            "name": format!("brake-usd-{}", self.word),
            "per": [],
            "limit": { "usd": dollars(limit) },
            "window": { "calendar": self.word },
            "ladder": [{ "at": "100%", "deny": {} }],
        });
        let why = vec![format!(
            "All {} calls together: {} in one {} at most. The brake is twice that.",
            grouped(self.calls),
            usd(rounded(amounts.most())),
            self.word,
        )];
        Suggested { json, why }
    }
}

impl Suggestion {
    /// The policy as JSON, in shadow mode.
    #[must_use]
    pub fn policy(&self, metering: &Value) -> Value {
        let mut policy = metering.clone();
        if let Some(fields) = policy.as_object_mut() {
            fields.insert("mode".to_owned(), json!("shadow"));
            let budgets = self.budgets.iter().map(|budget| budget.json.clone()).collect();
            fields.insert("budgets".to_owned(), Value::Array(budgets));
        }
        policy
    }

    /// The policy as it is written: JSON with comments. `effect` is what it would have done, had it been in force.
    #[must_use]
    pub fn written(&self, metering: &Value, effect: &Tallied) -> String {
        let mut out = String::from("{\n");
        let _ = writeln!(out, "  // {}", self.about);
        let Unpriced { calls, cost_without_nano_usd: ceiling, .. } = effect.unpriced;
        if calls > 0 {
            let (calls, ceiling) = (grouped(calls), words::usd(ceiling));
            let _ = writeln!(
                out,
                "  // The price of {calls} calls is not known: their cost is a ceiling, {ceiling} of it. Limits in dollars may \
                 be too high."
            );
        }
        let saved = effect.without.cost_nano_usd - effect.with.cost_nano_usd;
        let _ = writeln!(
            out,
            "  // In force, these budgets would have refused {} of {} calls and saved {} ({}).",
            grouped(effect.refused),
            grouped(effect.calls),
            words::usd(saved),
            words::percent(saved, effect.without.cost_nano_usd),
        );
        out += "  // In shadow mode they change nothing: each cost record says what they would have done.\n";
        out += "  \"mode\": \"shadow\",\n";
        for key in ["version", "name", "identity"].into_iter().chain(
            metering
                .as_object()
                .into_iter()
                .flatten()
                .map(|(key, _)| key.as_str())
                .filter(|key| !["version", "name", "identity", "mode", "budgets"].contains(key)),
        ) {
            if let Some(value) = metering.get(key) {
                let _ = writeln!(out, "  \"{key}\": {},", indented(value, 2));
            }
        }
        out += "  \"budgets\": [\n";
        for (index, budget) in self.budgets.iter().enumerate() {
            for line in &budget.why {
                let _ = writeln!(out, "    // {line}");
            }
            let _ = writeln!(out, "    // {}", did(effect, index));
            let comma = if index + 1 < self.budgets.len() { "," } else { "" };
            let _ = writeln!(out, "    {}{comma}", compact(&budget.json));
        }
        out += "  ]\n}\n";
        out
    }
}

/// What a rule would have done.
fn did(effect: &Tallied, index: usize) -> String {
    let Some(rule) = effect.rules.get(index) else { return String::new() };
    if rule.said.is_empty() {
        return format!("On this traffic: nothing, on {} calls.", grouped(rule.calls));
    }
    format!(
        "On this traffic: {} of {} calls; {} of {} hit.",
        words::said(&rule.said),
        grouped(rule.calls),
        grouped(rule.counts.hit),
        grouped(rule.counts.subjects),
    )
}

/// An object has a line for each of its fields.
fn indented(value: &Value, by: usize) -> String {
    let Some(fields) = value.as_object().filter(|fields| fields.len() > 1) else { return compact(value) };
    let margin = " ".repeat(by);
    let lines = fields
        .iter()
        .map(|(key, value)| format!("{margin}  {}: {}", Value::from(key.as_str()), compact(value)));
    format!("{{\n{}\n{margin}}}", lines.collect::<Vec<_>>().join(",\n"))
}

/// One line, with spaces.
fn compact(value: &Value) -> String {
    match value {
        Value::Object(fields) => {
            let fields = fields
                .iter()
                .map(|(key, value)| format!("{}: {}", Value::from(key.as_str()), compact(value)));
            format!("{{{}}}", fields.collect::<Vec<_>>().join(", "))
        }
        Value::Array(all) => format!("[{}]", all.iter().map(compact).collect::<Vec<_>>().join(", ")),
        _ => value.to_string(),
    }
}

/// To three digits, which is as exact as the amounts are kept.
fn rounded(number: u64) -> u64 {
    let digits = number.checked_ilog10().unwrap_or(0);
    let unit = 10_u64.pow(digits.saturating_sub(2));
    (number + unit / 2) / unit * unit
}

/// To two digits: nobody measures a budget by the token.
fn round_up(number: u64) -> u64 {
    let digits = number.checked_ilog10().unwrap_or(0);
    let unit = 10_u64.pow(digits.saturating_sub(1));
    number.max(1).div_ceil(unit).saturating_mul(unit)
}

fn dollars(nano: u64) -> String {
    // A limit of less than a cent would be no budget but a mistake.
    let cents = nano.div_ceil(10_000_000).max(1);
    format!("{}.{:02}", cents / 100, cents % 100)
}

fn usd(nano: u64) -> String {
    words::usd(NanoUsd(i64::try_from(nano).unwrap_or(i64::MAX)).0)
}

/// A name for a rule.
fn slug(value: &str) -> String {
    let slug: String = value
        .chars()
        .map(|letter| if letter.is_ascii_alphanumeric() { letter.to_ascii_lowercase() } else { '-' })
        .take(40)
        .collect();
    if slug.trim_matches('-').is_empty() { "none".to_owned() } else { slug }
}
