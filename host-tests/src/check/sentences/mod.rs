//! Owns a policy in plain sentences, for those who must agree to it and read no JSON. Called by `tokenstile check`.

mod routes;

use super::Sound;
use serde_json::Value;
use tokenstile_engine::policy::{
    Action, Bound, Bounds, Budget, CalendarUnit, Condition, DowngradeList, Effort, Measure, NO_ROUTE, Over,
    Policy, Scope, Step, Verdict, Window,
};
use tokenstile_engine::units::{Amount, Meter};

/// What the policy says, a sentence or two a line.
#[must_use]
pub fn sentences(sound: &Sound) -> Vec<String> {
    let mut said = Vec::new();
    for dimension in &sound.policy.identity {
        let sources = sound.document.pointer(&format!("/identity/{}", dimension.name));
        let sources = sources.and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str);
        said.push(format!("The {} is {}.", dimension.name, sources.collect::<Vec<_>>().join(", else ")));
    }
    said.extend(rules(sound));
    said.extend(routes::sentences(sound));
    let declared = sound.policy.budgets.iter().take(sound.declared);
    said.extend(declared.map(|budget| self::budget(sound, budget)));
    said.extend(who(sound, "overrides", |one| {
        let budget = one.get("budget").and_then(Value::as_str).unwrap_or_default();
        format!(
            "another limit of `{budget}`: {}",
            one.get("limit").map(ToString::to_string).unwrap_or_default()
        )
    }));
    said.extend(who(sound, "exempt", |_| "no limit at all".to_owned()));
    said.push(failures(sound));
    said
}

fn budget(sound: &Sound, budget: &Budget) -> String {
    let tiers = budget.alternatives.iter().filter_map(|other| {
        let (_, value) = other.who.first().filter(|_| other.who.len() == 1 && other.until.is_none())?;
        let limit = sound.policy.budgets.get(other.budget)?;
        Some(format!("{} for {value}", budget.meter.display(limit.limit)))
    });
    let tiers: Vec<String> = tiers.collect();
    let tiers = if tiers.is_empty() { String::new() } else { format!(" ({})", tiers.join(", ")) };
    let steps = budget.ladder.iter().enumerate();
    let steps: Vec<String> =
        steps.map(|(i, step)| self::step(sound, step, budget.meter, overage_ends(budget, i))).collect();
    format!(
        "`{}`: {}{} {}{tiers}{}{}. {}.{}",
        budget.name,
        subject(sound, budget),
        if budget.meter == Meter::RequestsInFlight { " has" } else { " may use" },
        amount(budget.meter, budget.limit),
        window(budget),
        lasting(written(sound, "budgets", &budget.name)),
        upper(&steps.join("; ")),
        in_shadow(budget.shadow)
    )
}

fn amount(meter: Meter, amount: Amount) -> String {
    match meter {
        Meter::RequestsInFlight => format!("{} requests at once", meter.display(amount)),
        _ => format!("{}{}", meter.display(amount), meter.unit_text()),
    }
}

fn subject(sound: &Sound, budget: &Budget) -> String {
    let name = |scope: &Scope| match scope {
        Scope::Dimension(place) => {
            sound.policy.identity.get(*place).map_or("", |dimension| &dimension.name).to_owned()
        }
        Scope::Model => "model".to_owned(),
        Scope::Provider => "provider".to_owned(),
        Scope::Route => "route".to_owned(),
    };
    let whom = match budget.per.as_slice() {
        [] => "everyone together".to_owned(),
        scopes => format!("each {}", scopes.iter().map(name).collect::<Vec<_>>().join(" and ")),
    };
    let written = written(sound, "budgets", &budget.name).and_then(|one| one.get("match"));
    let conditions = budget.matches.iter().map(|one| condition(&sound.policy, one, written));
    let conditions: Vec<String> = conditions.collect();
    if conditions.is_empty() { whom } else { format!("{whom}, in calls of {},", conditions.join(" and ")) }
}

/// A rule as it was written.
fn written<'s>(sound: &'s Sound, key: &str, name: &str) -> Option<&'s Value> {
    let rules = sound.document.get(key).and_then(Value::as_array).into_iter().flatten();
    rules.into_iter().find(|one| one.get("name").and_then(Value::as_str) == Some(name))
}

/// What a call must be. `written`: the `match` that says so.
pub(crate) fn condition(policy: &Policy, condition: &Condition, written: Option<&Value>) -> String {
    let text = |key: &str| written.and_then(|written| written.get(key)).and_then(Value::as_str);
    let range = |bounds: &Bounds| match (bounds.min, bounds.max) {
        (min, u64::MAX) => format!("{min} or more"),
        (0, max) => format!("{max} or fewer"),
        (min, max) => format!("{min} to {max}"),
    };
    match condition {
        Condition::Dimension(place, value) => {
            let name = policy.identity.get(*place).map_or("", |dimension| &dimension.name);
            format!("{name} {value}")
        }
        Condition::Model(_) => format!("the model {}", text("model").unwrap_or("matches")),
        Condition::Provider(name) => format!("the provider {name}"),
        Condition::Route(name) if name == NO_ROUTE => "no route".to_owned(),
        Condition::Route(name) => format!("the route {name}"),
        Condition::Dialect(name) => format!("the dialect {name}"),
        Condition::Stream(true) => "a streamed answer".to_owned(),
        Condition::Stream(false) => "an answer that is not streamed".to_owned(),
        Condition::Time(_) => hours(written.and_then(|written| written.get("time"))),
        Condition::Uses(features) => features.names().collect::<Vec<_>>().join(" and "),
        Condition::PromptTokens(bounds) => format!("a prompt of {} tokens", range(bounds)),
        Condition::OutputBound(bounds) => format!("an output bound of {} tokens", range(bounds)),
        Condition::BudgetUsed(place, bounds) => {
            let name = policy.declared().get(*place).map_or("", |budget| &budget.name);
            format!("{} of `{name}` used", percentages(bounds))
        }
    }
}

fn percentages(bounds: &Bounds) -> String {
    let percent = |share: u64| match share % 10 {
        0 => format!("{}%", share / 10),
        tenth => format!("{}.{tenth}%", share / 10),
    };
    match (bounds.min, bounds.max) {
        (min, u64::MAX) => format!("{} or more", percent(min)),
        (0, max) => format!("{} or less", percent(max)),
        (min, max) => format!("{} to {}", percent(min), percent(max)),
    }
}

/// A time of the day and the week, as a `match` says it.
fn hours(time: Option<&Value>) -> String {
    let text = |key: &str| time.and_then(|time| time.get(key)).and_then(Value::as_str);
    let days = time.and_then(|time| time.get("days")).and_then(Value::as_array).into_iter().flatten();
    let days: Vec<&str> = days.filter_map(Value::as_str).collect();
    let clock = (text("from").is_some() || text("to").is_some())
        .then(|| format!("{} to {}", text("from").unwrap_or("00:00"), text("to").unwrap_or("00:00")));
    let days = (!days.is_empty()).then(|| format!("on {}", days.join(", ")));
    let zone = format!("({})", text("timezone").unwrap_or("UTC"));
    let said: Vec<String> = clock.into_iter().chain(days).chain([zone]).collect();
    format!("the time {}", said.join(" "))
}

/// Which calls a rule on single requests is for.
pub(super) fn whom(sound: &Sound, key: &str, name: &str, matches: &[Condition]) -> String {
    let written = written(sound, key, name).and_then(|one| one.get("match"));
    let (used, of): (Vec<_>, Vec<_>) =
        matches.iter().partition(|one| matches!(one, Condition::BudgetUsed(..)));
    let said = |all: Vec<&Condition>| {
        let all = all.into_iter().map(|one| condition(&sound.policy, one, written));
        all.collect::<Vec<_>>().join(" and ")
    };
    let whom = if of.is_empty() { "any call".to_owned() } else { format!("a call of {}", said(of)) };
    if used.is_empty() { whom } else { format!("{whom}, with {},", said(used)) }
}

/// What is said behind a rule that only notes what it would do.
const fn in_shadow(shadow: bool) -> &'static str {
    if shadow { " It is in shadow: this is written down, and not done." } else { "" }
}

/// From when to when a rule is in force, as it was written.
fn lasting(rule: Option<&Value>) -> String {
    let day = |key: &str| rule.and_then(|rule| rule.get(key)).and_then(Value::as_str);
    let since = day("since").map(|day| format!(", from {day} on"));
    let until = day("until").map(|day| format!(", until {day}"));
    since.into_iter().chain(until).collect()
}

/// Blocks and limits on single requests.
fn rules(sound: &Sound) -> Vec<String> {
    let blocks = sound.policy.blocks.iter().map(|block| {
        format!(
            "`{}`: {} is stopped, whatever is left of any budget{}.{}",
            block.name,
            whom(sound, "blocks", &block.name, &block.matches),
            lasting(written(sound, "blocks", &block.name)),
            in_shadow(block.shadow)
        )
    });
    let limits = sound.policy.request_limits.iter().map(|limit| {
        let whom = whom(sound, "request_limits", &limit.name, &limit.matches);
        let most = format!("{}{}", limit.measure.display(limit.limit), limit.measure.unit_text());
        let of = match limit.measure {
            Measure::PromptTokens => "a prompt of more than",
            Measure::OutputTokens => "an answer of more than",
            Measure::Answers | Measure::Images => "more than",
            Measure::Usd => "a cost of more than",
        };
        let then = match &limit.over {
            Over::Deny { .. } => "is refused",
            Over::Confirm(_) => "needs to be confirmed",
            Over::Clamp => "is shortened to that",
        };
        format!("`{}`: {whom} with {of} {most} {then}.{}", limit.name, in_shadow(limit.shadow))
    });
    blocks.chain(limits).collect()
}

/// The models of a list that serve in the place of others.
fn serving(list: Option<&DowngradeList>) -> String {
    let models = list.map(|list| list.serving().collect::<std::collections::BTreeSet<_>>());
    models.unwrap_or_default().into_iter().collect::<Vec<_>>().join(" or ")
}

fn window(budget: &Budget) -> String {
    let length = |ms: i64| {
        let (n, unit) = match ms {
            _ if ms % 86_400_000 == 0 => (ms / 86_400_000, "days"),
            _ if ms % 3_600_000 == 0 => (ms / 3_600_000, "hours"),
            _ if ms % 60_000 == 0 => (ms / 60_000, "minutes"),
            _ if ms % 1_000 == 0 => (ms / 1_000, "seconds"),
            _ => (ms, "milliseconds"),
        };
        if n == 1 { unit.trim_end_matches('s').to_owned() } else { format!("{n} {unit}") }
    };
    match &budget.window {
        Window::Calendar { unit, zone } => {
            let unit = match unit {
                CalendarUnit::Hour => "an hour".to_owned(),
                CalendarUnit::Day => "a day".to_owned(),
                CalendarUnit::Week => "a week".to_owned(),
                CalendarUnit::Month => "a month".to_owned(),
                CalendarUnit::BillingMonth { day } => format!("a month from day {day}"),
            };
            format!(" {unit} ({})", zone.iana_name().unwrap_or("UTC"))
        }
        Window::Rolling { period_ms } => format!(" in any {}", length(*period_ms)),
        Window::Bucket { refill, every_ms } => {
            format!(" at once, and {} come back every {}", amount(budget.meter, *refill), length(*every_ms))
        }
        Window::InFlight => String::new(),
    }
}

/// Where the overage right before a step has come to all that it may, if the step begins there and not where it stands.
fn overage_ends(budget: &Budget, step: usize) -> Option<Amount> {
    let (before, this) = (budget.ladder.get(step.checked_sub(1)?)?, budget.ladder.get(step)?);
    let Action::Overage(overage) = before.action else { return None };
    overage.end(before.at).filter(|end| *end < this.at && before.shadow == this.shadow)
}

/// `from`: where it begins, if that is before its own place.
fn step(sound: &Sound, step: &Step, meter: Meter, from: Option<Amount>) -> String {
    let percent = |per_mille: u32| {
        if per_mille.is_multiple_of(10) {
            format!("{}%", per_mille / 10)
        } else {
            format!("{}.{}%", per_mille / 10, per_mille % 10)
        }
    };
    let at = from.map_or_else(|| percent(step.per_mille), |from| amount(meter, from));
    let shadow = if step.shadow { " (in shadow)" } else { "" };
    let sink = step.alert.and_then(|place| sound.policy.sinks.get(place));
    let told = sink.map(|sink| format!(", and {} is told", sink.name)).unwrap_or_default();
    let what = match &step.action {
        Action::Warn { .. } => return format!("from {at} on the caller is told{told}{shadow}"),
        Action::Clamp { bound, effort } => clamp(*bound, *effort),
        Action::Downgrade { list } => {
            format!("{} answers instead", serving(sound.policy.downgrades.get(*list)))
        }
        Action::Overage(overage) => {
            let up_to = overage.up_to().map(|most| format!(", up to {most}")).unwrap_or_default();
            format!("more costs {}{up_to}", overage.price_text(meter))
        }
        Action::Delay { up_to_ms } => format!("calls wait, {up_to_ms} ms at most"),
        Action::Confirm(_) => "calls need to be confirmed".to_owned(),
        Action::Alert => return format!("at {at} nothing changes{told}{shadow}"),
        Action::Deny { stops_streams, .. } => {
            let amount = format!(" ({})", amount(meter, step.at));
            let amount = if step.per_mille == 1_000 || from.is_some() { "" } else { &amount };
            let streams = if *stops_streams { ", and streams end" } else { "" };
            format!("nothing more is let through{amount}{streams}")
        }
    };
    format!("beyond {at} {what}{told}{shadow}")
}

fn clamp(bound: Option<Bound>, effort: Option<Effort>) -> String {
    let bound = bound.map(|bound| match bound {
        Bound::Tokens(tokens) => format!("answers end at {tokens} tokens"),
        Bound::Remaining { .. } => "answers end where the budget does".to_owned(),
    });
    let effort = effort.map(|_| "models reason less".to_owned());
    bound.into_iter().chain(effort).collect::<Vec<_>>().join(" and ")
}

fn who(sound: &Sound, key: &str, what: impl Fn(&Value) -> String) -> Vec<String> {
    let all = sound.document.get(key).and_then(Value::as_array).into_iter().flatten();
    let one = |one: &Value| {
        let matches = one.get("match").and_then(Value::as_object).into_iter().flatten();
        let whom = matches.map(|(name, value)| format!("{name} {}", value.as_str().unwrap_or_default()));
        let until =
            one.get("until").and_then(Value::as_str).map(|day| format!(", until {day}")).unwrap_or_default();
        format!("For {}: {}{until}.", whom.collect::<Vec<_>>().join(" and "), what(one))
    };
    all.map(one).collect()
}

/// What happens in the cases that no budget decides.
fn failures(sound: &Sound) -> String {
    let word =
        |verdict: Verdict| if verdict == Verdict::Allow { "lets calls through" } else { "refuses calls" };
    format!(
        "If the filter itself fails, it {}; a body that cannot be read: it {}; a path that it does not know: it {}.",
        word(sound.policy.on_error),
        word(sound.policy.opaque),
        word(sound.policy.unknown)
    )
}

fn upper(text: &str) -> String {
    let mut chars = text.chars();
    chars.next().map(|first| first.to_uppercase().chain(chars).collect()).unwrap_or_default()
}
