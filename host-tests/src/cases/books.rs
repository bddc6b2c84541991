//! Owns the reading of the ledger in shared data, past the filter. Called by tests that ask what was booked, not
//! what was told.

use crate::host::{HeaderMap, Shared};
use tokenstile_engine::ledger::{Hold, Level, Page};
use tokenstile_engine::policy::{Head, Identity, Policy, Subject};
use tokenstile_engine::units::EpochMs;

/// The ledger of one policy.
#[derive(Debug)]
pub struct Books {
    policy: Policy,
}

impl Books {
    /// The ledger of this policy.
    ///
    /// # Errors
    /// Everything that is wrong with the policy.
    pub fn of(policy: &serde_json::Value) -> Result<Self, String> {
        let policy = Policy::parse(policy.to_string().as_bytes()).map_err(|errors| errors.to_string())?;
        Ok(Self { policy })
    }

    /// What stands in every budget that a caller with these headers meets, in the policy's order, in whole tokens
    /// or nano-dollars: settled and held.
    pub fn levels(&self, shared: &Shared, headers: &HeaderMap) -> Vec<(u64, u64)> {
        let headers: Vec<_> = headers.iter().collect();
        let identity = Identity::of(&self.policy, Head { headers: &headers, ..Head::default() });
        let subject = Subject::of(&identity);
        let now = EpochMs(i64::try_from(shared.clock().now_ns() / 1_000_000).unwrap_or(i64::MAX));
        let level = |budget: &tokenstile_engine::policy::Budget| {
            let key = self.policy.slot_key(budget, &subject);
            let name = format!("tokenstile/3/{}/{:x}", self.policy.name, key.page);
            let stored = shared.data().get(b"", name.as_bytes());
            let page = Page::from_bytes(stored.as_ref().map(|(bytes, _)| bytes.as_slice()));
            let window = budget.window.open(budget.limit, now).rule;
            let hold = Hold::of_nothing(key, window);
            let Level { used, held, .. } = page.level(&hold, now);
            (budget.meter.count(used), budget.meter.count(held))
        };
        self.policy.budgets_for(&subject, now).map(|(_, budget)| level(budget)).collect()
    }
}
