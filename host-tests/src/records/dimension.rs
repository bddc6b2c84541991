//! By what spend is divided: a field of the record, a time, or a dimension of identity. It owns the names.

use super::Record;

/// One way to divide.
#[derive(Debug, Clone)]
pub struct Dimension {
    /// As it was asked for.
    pub name: String,
    what: What,
}

#[derive(Debug, Clone)]
enum What {
    Field(Field),
    Arm(String),
    Identity(String),
}

/// Reads a field.
type Field = fn(&Record) -> String;

/// Fields that spend can be divided by; every other name is a dimension of the policy's `identity`.
const FIELDS: &[(&str, Field)] = &[
    ("model", |record| record.model().to_owned()),
    ("model_requested", |record| record.model_requested.clone()),
    ("provider", |record| record.provider.clone()),
    ("dialect", |record| record.dialect.clone()),
    ("route", |record| record.route.clone().unwrap_or_default()),
    ("rule", |record| record.rule.clone().unwrap_or_default()),
    ("decision", |record| record.decision.clone()),
    ("ending", |record| record.ending.clone()),
    ("policy", |record| record.policy.clone()),
    ("day", |record| time(record, "%Y-%m-%d")),
    ("hour", |record| time(record, "%Y-%m-%dT%H:00Z")),
    ("arm", |record| {
        let arms = record.arms.iter().map(|(route, arm)| format!("{route}={arm}"));
        arms.collect::<Vec<_>>().join(" ")
    }),
];

fn time(record: &Record, format: &str) -> String {
    record.time.map(|time| time.strftime(format).to_string()).unwrap_or_default()
}

impl Dimension {
    /// A dimension by its name: `model`, `day`, `arm:ROUTE`, or one of identity (`identity:NAME` where a field has
    /// that name too).
    #[must_use]
    pub fn named(name: &str) -> Self {
        let field = FIELDS.iter().find(|(known, _)| *known == name).map(|(_, field)| What::Field(*field));
        let arm = name.strip_prefix("arm:").map(|route| What::Arm(route.to_owned()));
        let identity = name.strip_prefix("identity:").unwrap_or(name);
        let what = field.or(arm).unwrap_or_else(|| What::Identity(identity.to_owned()));
        Self { name: name.to_owned(), what }
    }

    /// A dimension of identity by its name.
    #[must_use]
    pub fn identity(name: &str) -> Self {
        Self { name: name.to_owned(), what: What::Identity(name.to_owned()) }
    }

    /// What a record has there; empty if nothing.
    #[must_use]
    pub fn of(&self, record: &Record) -> String {
        match &self.what {
            What::Field(field) => field(record),
            What::Arm(route) => record.arms.get(route).cloned().unwrap_or_default(),
            What::Identity(name) => record.identity.get(name).cloned().unwrap_or_default(),
        }
    }

    /// Whether it is a time: rows stand in its order.
    #[must_use]
    pub fn is_time(&self) -> bool {
        matches!(self.name.as_str(), "day" | "hour")
    }

    /// Whether a record can have it; a name that no record has is a mistake.
    #[must_use]
    pub fn is_in(&self, record: &Record) -> bool {
        match &self.what {
            What::Field(_) => true,
            What::Arm(route) => record.arms.contains_key(route),
            What::Identity(name) => record.identity.contains_key(name),
        }
    }
}

/// The names of the fields.
pub fn fields() -> impl Iterator<Item = &'static str> {
    FIELDS.iter().map(|(name, _)| *name)
}
