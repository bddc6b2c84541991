//! Named lists of cheaper models, as budgets and routes use them.

use super::is_of_model;
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
    /// Whether that is one name, and no pattern.
    pub(super) is_one: bool,
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

    /// Whether it means a model by the name as asked, and not by another that it goes by.
    #[must_use]
    pub fn names(&self, asked: &str) -> bool {
        self.from.matches(asked)
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

    /// What the list says of `model`: by the first line that means the name as asked, or else by the first that means
    /// another name it goes by, as a `match` on the model does. `entry`: what the price book has a name for, empty if
    /// nothing; no model is served by what is the same there, unless a line names it without a pattern.
    #[must_use]
    pub fn cheaper(&self, model: &str, entry: impl Fn(&str) -> String) -> Cheaper<'_> {
        let named = self.rules.iter().find(|rule| rule.names(model));
        // What most lists say needs no price book.
        if let Some(rule) = named.filter(|rule| rule.is_one && rule.to != model) {
            return Cheaper::Use(rule);
        }
        let priced_as = entry(model);
        let is_itself =
            |rule: &Downgrade| rule.to == model || (!priced_as.is_empty() && entry(&rule.to) == priced_as);
        let by_another_name = || self.rules.iter().find(|rule| is_of_model(&rule.from, model, &priced_as));
        match named.or_else(by_another_name) {
            Some(rule) if is_itself(rule) => Cheaper::Already,
            Some(rule) => Cheaper::Use(rule),
            None if self.rules.iter().any(is_itself) => Cheaper::Already,
            None => Cheaper::Unlisted,
        }
    }
}
