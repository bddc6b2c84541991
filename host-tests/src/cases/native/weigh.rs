//! What each budget said of a call, for those who explain; and what stands in the ledger before it. Called by
//! `native.rs`.

use super::super::{Run, Runner, Weighed};
use super::{Native, World};
use serde_json::Value;
use tokenstile_engine::ledger::{Hold, Level, reserve_all};
use tokenstile_engine::policy::{Action, Step};
use tokenstile_engine::units::Amount;

/// The same with amounts that stand in the ledger already, for whoever meets these budgets first: by their names, in
/// the unit of their meter.
#[derive(Debug, Default)]
pub struct Used(pub Vec<(String, Amount)>);

impl Runner for Used {
    fn name(&self) -> String {
        Native.name()
    }

    fn tags(&self) -> Vec<&'static str> {
        Native.tags()
    }

    fn begin(&self, policy: &Value) -> Result<Box<dyn Run>, String> {
        let mut world = World::of(policy)?;
        world.used.clone_from(&self.0);
        Ok(Box::new(world))
    }
}

impl World {
    pub(super) fn level(&mut self, hold: &Hold) -> Level {
        self.pages.0.entry(hold.key.page).or_default().level(hold, self.now)
    }

    /// Puts what was asked for into the ledger, once.
    pub(super) fn fill(&mut self, holds: &[Hold], budgets: &[usize]) {
        for (hold, budget) in holds.iter().zip(budgets) {
            let name = self.policy.budgets.get(*budget).map_or("", |budget| budget.name.as_str());
            let Some(at) = self.used.iter().position(|(of, _)| of == name) else { continue };
            let (_, amount) = self.used.remove(at);
            let given = Hold { amount: 0, cap: None, ..*hold };
            if let Ok(Ok(reserved)) = reserve_all(&mut self.pages, &[given], self.now, false, &mut Vec::new())
            {
                let settles = reserved.iter().map(|reserved| given.settle(reserved, amount).into()).collect();
                self.settle(settles);
            }
        }
    }

    /// What each budget says, by the rule of [`tokenstile_engine`]'s ladders: a warning comes as soon as its threshold
    /// is reached, what restricts only beyond it.
    pub(super) fn weigh(
        &self,
        holds: &[Hold],
        budgets: &[usize],
        before: &[Level],
        refused: Option<usize>,
    ) -> Vec<Weighed> {
        let all = holds.iter().zip(budgets).zip(before).enumerate();
        all.map(|(place, ((hold, &budget), &before))| {
            let after = before.total().saturating_add(hold.amount);
            let ladder = self.policy.budgets.get(budget).map_or(&[][..], |budget| &budget.ladder);
            let is_reached = |step: &Step| match step.action {
                Action::Warn { .. } | Action::Alert => after >= step.at,
                _ => after > step.at,
            };
            let reached =
                ladder.iter().enumerate().filter(|(_, step)| is_reached(step)).map(|(place, _)| place);
            Weighed {
                budget,
                before,
                hold: hold.amount,
                reached: reached.collect(),
                refused: refused == Some(place),
                spared: refused.is_some_and(|refused| place > refused),
            }
        })
        .collect()
    }
}
