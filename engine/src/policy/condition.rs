//! `match`: which calls a budget or a rule concerns. One type for all of them; a rule may also ask what the body says.
//!
//! Called for the policy by [`super::compile`], for calls by [`super::Policy`]. What is not known of a call yet, or
//! cannot be, is told apart from what it is not: nobody is refused by a guess.

use super::PolicyErrors;
use super::compile::Compiler;
use super::hours::Hours;
use super::identity::Dimension;
use super::named::Named;
use super::scope::{NO_ROUTE, Scope, Subject, UNKNOWN, known};
use super::standing::Standing;
use crate::dialect::{DIALECTS, Facts, Features, bare_model};
use crate::units::EpochMs;
use deserr::{DeserializeError, Deserr, ErrorKind, IntoValue, Sequence, Value, ValueKind, ValuePointerRef};
use wildmatch::WildMatch;

/// What a call must be.
#[derive(Debug, Clone)]
pub enum Condition {
    /// A dimension has this value.
    Dimension(usize, String),
    /// The model's name is like this, in upper or lower case: as asked for or as in the price book, so that another
    /// spelling is no way around a rule.
    Model(WildMatch),
    /// This one serves.
    Provider(String),
    /// This rule of `routes` chooses for it.
    Route(String),
    /// This API is spoken.
    Dialect(&'static str),
    /// The answer is to be streamed, or not.
    Stream(bool),
    /// It uses all of this.
    Uses(Features),
    /// It is that time of the day and the week.
    Time(Hours),
    /// The prompt is so long.
    PromptTokens(Bounds),
    /// The request's own bound for an answer is so high; one that states none is not met.
    OutputBound(Bounds),
    /// So much of a budget's limit is used and held by calls that run, in thousandths: its place among those that the
    /// policy names.
    BudgetUsed(usize, Bounds),
}

/// From the least to the most, both included.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bounds {
    /// The least.
    pub min: u64,
    /// The most.
    pub max: u64,
}

impl Bounds {
    /// Whether an amount of `least` to `most` lies within; `None` where that leaves it open.
    const fn hold(self, (least, most): (u64, u64)) -> Option<bool> {
        if most < self.min || least > self.max {
            Some(false)
        } else if least >= self.min && most <= self.max {
            Some(true)
        } else {
            None
        }
    }
}

/// One call as rules see it.
#[derive(Debug, Clone, Copy)]
pub struct Call<'a> {
    /// Who calls what.
    pub subject: Subject<'a>,
    /// What the body says; `None` if it was not read, or could not be.
    pub facts: Option<&'a Facts>,
    /// Whether the answer streams, where the path decides it.
    pub stream: Option<bool>,
    /// The prompt has at least and at most so many tokens.
    pub prompt: Option<(u64, u64)>,
    /// How far budgets are used; those that were not looked up are not among them.
    pub standings: &'a [(usize, Standing)],
    /// When it is asked.
    pub at: EpochMs,
    /// The body may still say what the model is, where the path does not.
    pub model_may_come: bool,
    /// The body is still to come, and may say who calls.
    pub body_may_come: bool,
}

impl Call<'_> {
    /// Whether it fulfils all of these; `None` if that is not known.
    #[must_use]
    pub fn meets(&self, conditions: &[Condition]) -> Option<bool> {
        let mut all = Some(true);
        for condition in conditions {
            match self.meets_one(condition) {
                Some(true) => {}
                Some(false) => return Some(false),
                None => all = None,
            }
        }
        all
    }

    fn meets_one(&self, condition: &Condition) -> Option<bool> {
        match condition {
            Condition::Dimension(place, _) if self.body_may_come && self.subject.identity.awaits(*place) => {
                None
            }
            Condition::Model(_) if self.model_may_come => None,
            Condition::Stream(wanted) => {
                let streams = self.facts.map(|facts| facts.stream).or(self.stream)?;
                Some(streams == *wanted)
            }
            Condition::Time(hours) => Some(hours.hold(self.at)),
            Condition::Uses(features) => Some(self.facts?.features.contains(*features)),
            Condition::PromptTokens(bounds) => bounds.hold(self.prompt?),
            Condition::OutputBound(bounds) => {
                let bound = self.facts?.output_bound?;
                bounds.hold((bound, bound))
            }
            Condition::BudgetUsed(budget, bounds) => {
                match self.standings.iter().find(|(place, _)| place == budget)?.1 {
                    Standing::NotMet => Some(false),
                    Standing::Used(share) => bounds.hold((share, share)),
                    Standing::Unread => None,
                }
            }
            Condition::Dimension(..)
            | Condition::Model(_)
            | Condition::Provider(_)
            | Condition::Route(_)
            | Condition::Dialect(_) => Some(self.subject.meets(condition)),
        }
    }
}

impl Subject<'_> {
    /// Whether it fulfils this condition. What only a body tells, it does not.
    pub(super) fn meets(&self, condition: &Condition) -> bool {
        match condition {
            Condition::Dimension(place, value) => self.identity.value(*place) == value,
            Condition::Provider(name) => known(self.provider) == name,
            Condition::Route(name) => self.value(Scope::Route) == name,
            Condition::Dialect(name) => self.dialect == *name,
            Condition::Model(pattern) => self.is_of_model(pattern),
            Condition::Stream(_)
            | Condition::Time(_)
            | Condition::Uses(_)
            | Condition::PromptTokens(_)
            | Condition::OutputBound(_)
            | Condition::BudgetUsed(..) => false,
        }
    }

    /// Whether its model is like this.
    pub(crate) fn is_of_model(&self, pattern: &WildMatch) -> bool {
        is_of_model(pattern, self.asked, self.priced_as)
    }
}

/// Whether one of the names that a model goes by is like this: as asked, without what stands before it (a path, or the
/// region and the vendor in Bedrock's names), or as the price book has it.
#[must_use]
pub fn is_of_model(pattern: &WildMatch, asked: &str, priced_as: &str) -> bool {
    // Servers that do not mind what trails a name would serve it all the same.
    let asked = asked.trim_matches(|c: char| c.is_whitespace() || c.is_control());
    let asked = known(asked.trim_end_matches('.'));
    let priced = priced_as.split_once('/').map_or(priced_as, |(_, name)| name);
    let last = asked.rsplit('/').next().unwrap_or_default();
    [asked, last, bare_model(last), priced_as, priced].iter().any(|name| pattern.matches(name))
}

/// The names that no dimension may have: each is a condition of its own.
pub(super) const RESERVED: [&str; 10] = [
    "model",
    "provider",
    "route",
    "dialect",
    "stream",
    "time",
    "uses",
    "prompt_tokens",
    "output_bound",
    "budget_used",
];

/// What stands at a key whose name decides what may stand there.
#[derive(Debug)]
pub(super) enum Wanted {
    Text(String),
    Flag(bool),
    Number(u64),
    Words(Vec<String>),
    Each(Named<Self>),
}

impl Deserr<PolicyErrors> for Wanted {
    fn deserialize_from_value<V: IntoValue>(
        value: Value<V>,
        location: ValuePointerRef,
    ) -> Result<Self, PolicyErrors> {
        const ACCEPTED: &[ValueKind] =
            &[ValueKind::String, ValueKind::Boolean, ValueKind::Integer, ValueKind::Sequence, ValueKind::Map];
        match value {
            Value::String(text) => Ok(Self::Text(text)),
            Value::Boolean(flag) => Ok(Self::Flag(flag)),
            Value::Integer(number) => Ok(Self::Number(number)),
            Value::Sequence(words) => {
                let word = |(i, word): (usize, V)| {
                    String::deserialize_from_value(word.into_value(), location.push_index(i))
                };
                words.into_iter().enumerate().map(word).collect::<Result<_, _>>().map(Self::Words)
            }
            value @ Value::Map(_) => Named::deserialize_from_value(value, location).map(Self::Each),
            actual => {
                let kind = ErrorKind::IncorrectValueKind { actual, accepted: ACCEPTED };
                Err(super::named::all(PolicyErrors::error(None, kind, location)))
            }
        }
    }
}

/// Whose `match` it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Asker {
    /// A budget's: it must be able to tell of every call, read or not.
    Budget,
    /// That of a rule on a single request.
    Rule,
    /// That of a route: it may also ask how far budgets are used.
    Route,
}

impl Compiler<'_> {
    /// What a `match` says.
    pub(super) fn conditions(
        &mut self,
        path: &str,
        wire: Named<Wanted>,
        identity: &[Dimension],
        asker: Asker,
    ) -> Vec<Condition> {
        let mut all = Vec::with_capacity(wire.len());
        for (name, wanted) in wire {
            let at = format!("{path}.{name}");
            if name == "budget_used" && asker == Asker::Route {
                self.budgets_used(&at, &wanted, &mut all);
                continue;
            }
            all.extend(self.condition(path, &at, &name, wanted, identity, asker));
        }
        all
    }

    fn condition(
        &mut self,
        path: &str,
        at: &str,
        name: &str,
        wanted: Wanted,
        identity: &[Dimension],
        asker: Asker,
    ) -> Option<Condition> {
        match name {
            "dialect" => self.text(at, wanted).and_then(|text| self.dialect(at, &text)),
            "stream" | "time" | "uses" | "prompt_tokens" | "output_bound" if asker == Asker::Budget => {
                let wrong = "a budget must know which calls it counts, also when their body is not read; \
                             a limit on single requests is one of `request_limits`";
                self.errors.add(at, wrong);
                None
            }
            "route" if asker != Asker::Budget => {
                let wrong =
                    "routes are chosen by rules like this one; only a budget's `match` asks which it is";
                self.errors.add(at, wrong);
                None
            }
            "budget_used" => {
                let wrong = "only routes ask how far a budget is used; what a budget itself does then is a step of \
                             its `ladder`";
                self.errors.add(at, wrong);
                None
            }
            "stream" => self.stream(at, &wanted),
            "time" => self.hours(at, &wanted).map(Condition::Time),
            "uses" => self.uses(at, wanted),
            "prompt_tokens" => Some(Condition::PromptTokens(self.tokens(at, &wanted)?)),
            "output_bound" => Some(Condition::OutputBound(self.tokens(at, &wanted)?)),
            _ => {
                let scope = self.scope(path, name, identity)?;
                let value = self.text(at, wanted)?;
                Some(match scope {
                    Scope::Dimension(place) => Condition::Dimension(place, value),
                    Scope::Model => Condition::Model(self.pattern(path, &value)),
                    Scope::Provider => Condition::Provider(self.provider(path, value)),
                    Scope::Route => Condition::Route(self.route(at, value)),
                })
            }
        }
    }

    fn text(&mut self, at: &str, wanted: Wanted) -> Option<String> {
        if let Wanted::Text(text) = wanted {
            return Some(text);
        }
        self.errors.add(at, "invalid value type: one text is needed, in quotes");
        None
    }

    fn stream(&mut self, at: &str, wanted: &Wanted) -> Option<Condition> {
        if let Wanted::Flag(flag) = wanted {
            return Some(Condition::Stream(*flag));
        }
        self.errors.add(at, "`true` or `false` is needed");
        None
    }

    fn dialect(&mut self, at: &str, name: &str) -> Option<Condition> {
        let found = DIALECTS.iter().find(|dialect| dialect.name == name);
        if found.is_none() {
            let mut names: Vec<_> = DIALECTS.iter().map(|dialect| format!("`{}`", dialect.name)).collect();
            names.dedup();
            self.errors.add(at, format!("unknown dialect `{name}`; known are {}", names.join(", ")));
        }
        found.map(|dialect| Condition::Dialect(dialect.name))
    }

    fn uses(&mut self, at: &str, wanted: Wanted) -> Option<Condition> {
        let words = match wanted {
            Wanted::Words(words) if !words.is_empty() => words,
            _ => {
                self.errors.add(at, "a list is needed, such as [\"tools\"]");
                return None;
            }
        };
        Some(Condition::Uses(self.features(at, &words)))
    }

    fn tokens(&mut self, at: &str, wanted: &Wanted) -> Option<Bounds> {
        let number = |wanted: &Wanted| if let Wanted::Number(number) = wanted { Some(*number) } else { None };
        self.bounds(at, wanted, number, ("a number", "1000"))
    }

    /// From `min` to `max`, each as `read` has it; else what is needed, and an example of it.
    pub(super) fn bounds(
        &mut self,
        at: &str,
        wanted: &Wanted,
        read: impl Fn(&Wanted) -> Option<u64>,
        (needed, such_as): (&str, &str),
    ) -> Option<Bounds> {
        let mut bounds = Bounds { min: 0, max: u64::MAX };
        let Some(Wanted::Each(given)) =
            Some(wanted).filter(|wanted| !matches!(wanted, Wanted::Each(n) if n.is_empty()))
        else {
            let wrong = format!("`min`, `max` or both are needed, such as {{\"min\": {such_as}}}");
            self.errors.add(at, wrong);
            return None;
        };
        for (key, value) in given.iter() {
            match (key.as_str(), read(value)) {
                ("min", Some(number)) => bounds.min = number,
                ("max", Some(number)) => bounds.max = number,
                ("min" | "max", None) => {
                    let wrong = format!("invalid value: {needed} is needed, such as {such_as}");
                    self.errors.add(format!("{at}.{key}"), wrong);
                }
                _ => self.errors.add(at, format!("unknown field `{key}`; known are `min` and `max`")),
            }
        }
        if bounds.min > bounds.max {
            self.errors.add(at, "`min` is more than `max`");
        }
        Some(bounds)
    }

    fn pattern(&mut self, path: &str, value: &str) -> WildMatch {
        if value.is_empty() {
            self.errors
                .add(format!("{path}.model"), "a model name or a pattern is needed, such as `gpt-4o*`");
        }
        WildMatch::new_case_insensitive(value)
    }

    /// A misspelt route would never be met.
    fn route(&mut self, at: &str, name: String) -> String {
        let names = &self.route_names;
        if name != NO_ROUTE && !names.is_empty() && !names.contains(&name) {
            let known = names.join("`, `");
            let wrong =
                format!("no route `{name}`; there are `{known}`, and `{NO_ROUTE}` where no route chooses");
            self.errors.add(at, wrong);
        }
        name
    }

    /// A misspelt provider would never be met.
    fn provider(&mut self, path: &str, value: String) -> String {
        let own = self.own_providers.contains(&value);
        if value != UNKNOWN && !own && !crate::price::is_provider(&value) {
            let known = crate::price::providers().map(|name| format!("`{name}`")).collect::<Vec<_>>();
            let known = known.join(", ");
            self.errors.add(
                format!("{path}.provider"),
                format!("the price book knows no provider `{value}`; it knows {known}, and `{UNKNOWN}` is met where none is known"),
            );
        }
        value
    }
}
