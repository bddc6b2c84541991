//! How far budgets are used, as routes ask for it: `match.budget_used`.
//!
//! Compiled here, looked up in `exchange/looking.rs`, and judged by [`super::Call::meets`].

use super::amounts::per_mille;
use super::compile::Compiler;
use super::condition::{Condition, Wanted};
use super::errors::no_budget;
use super::wire::Budget;

/// How far a budget is used before a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// The call does not meet it, or its caller is exempt.
    NotMet,
    /// So many thousandths of its limit.
    Used(u64),
    /// It cannot be read now.
    Unread,
}

/// Budgets, by their places among those that the policy names, and how far each is used.
pub type Standings = Vec<(usize, Standing)>;

/// A budget that routes may ask for, as far as they need to know it.
#[derive(Debug)]
pub(super) struct Asked {
    name: String,
    by_route: bool,
}

impl Asked {
    pub(super) fn of(wire: &Budget) -> Self {
        let by_route =
            wire.per.iter().any(|scope| scope == ROUTE) || wire.matches.iter().any(|(name, _)| name == ROUTE);
        Self { name: wire.name.clone(), by_route }
    }
}

const ROUTE: &str = "route";

impl Compiler<'_> {
    /// One condition for each budget that is named.
    pub(super) fn budgets_used(&mut self, at: &str, wanted: &Wanted, all: &mut Vec<Condition>) {
        let Some(Wanted::Each(given)) =
            Some(wanted).filter(|wanted| !matches!(wanted, Wanted::Each(n) if n.is_empty()))
        else {
            let wrong =
                "budgets and how far they are used are needed, such as {\"team\": {\"min\": \"80%\"}}";
            return self.errors.add(at, wrong);
        };
        for (name, wanted) in given.iter() {
            let at = format!("{at}.{name}");
            let Some((place, budget)) =
                self.budgets.iter().enumerate().find(|(_, budget)| budget.name == *name)
            else {
                let wrong = no_budget(name, self.budgets.iter().map(|budget| &budget.name));
                self.errors.add(at, wrong);
                continue;
            };
            if budget.by_route {
                let wrong = format!(
                    "`{name}` counts by route, and which route it is is chosen by rules like this one"
                );
                self.errors.add(at, wrong);
                continue;
            }
            let percent = |wanted: &Wanted| match wanted {
                Wanted::Text(text) => per_mille(text).map(u64::from),
                _ => None,
            };
            let bounds = self.bounds(&at, wanted, percent, ("a percentage", "\"80%\""));
            all.extend(bounds.map(|bounds| Condition::BudgetUsed(place, bounds)));
        }
    }
}
