//! Named lists of cheaper models, as budgets and routes use them.

use crate::dialect::Features;
use wildmatch::WildMatch;

/// A named list of models and what serves in their place.
#[derive(Debug)]
pub struct DowngradeList {
    /// The name that ladders use.
    pub name: String,
    pub(super) rules: Vec<Downgrade>,
}

/// One line of such a list.
#[derive(Debug, Clone, Default)]
pub struct Downgrade {
    pub(super) from: WildMatch,
    /// What serves.
    pub to: String,
    /// What it can do, whatever the table says.
    pub can: Features,
    /// What it cannot do.
    pub cannot: Features,
}

impl Downgrade {
    /// This model, whatever it is in the place of.
    #[must_use]
    pub fn to(model: String) -> Self {
        Self { to: model, ..Self::default() }
    }
}

/// What a downgrade list says of a model.
#[derive(Debug)]
pub enum Cheaper<'a> {
    /// Serve this one.
    Use(&'a Downgrade),
    /// It is the cheaper one already.
    Already,
    /// No rule names it.
    Unlisted,
}

impl DowngradeList {
    /// The models that serve in the place of others.
    pub fn serving(&self) -> impl Iterator<Item = &str> {
        self.rules.iter().map(|rule| rule.to.as_str())
    }

    /// What the list says of `model`.
    #[must_use]
    pub fn cheaper(&self, model: &str) -> Cheaper<'_> {
        match self.rules.iter().find(|rule| rule.from.matches(model)) {
            Some(rule) if rule.to != model => Cheaper::Use(rule),
            Some(_) => Cheaper::Already,
            None if self.rules.iter().any(|rule| rule.to == model) => Cheaper::Already,
            None => Cheaper::Unlisted,
        }
    }
}
