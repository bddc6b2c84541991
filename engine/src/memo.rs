//! What calls of one policy have in common, kept from call to call: working it out again costs more than the call does.

use crate::cells::Cells;
use crate::dialect::{Recognised, recognise};
use crate::policy::{Budget, OpenWindow, Window};
use crate::price::Quotes;
use crate::units::EpochMs;
use std::hash::{DefaultHasher, Hasher};

/// Kept by the shell, one a VM, and lent to its exchanges. Whatever is in it, decisions are the same.
#[derive(Debug, Default)]
pub struct Memo {
    /// Prices asked for lately.
    pub quotes: Quotes,
    /// Windows that are open.
    pub windows: Windows,
    /// Targets seen lately.
    pub routes: Routes,
}

/// The calendar windows of one policy's budgets, each from when it was first asked for to its end.
#[derive(Debug, Default)]
pub struct Windows {
    kept: Vec<Option<(EpochMs, OpenWindow)>>,
}

impl Windows {
    /// [`Window::open`] of a budget by its place, which must be of the same policy each time.
    pub fn open(&mut self, place: usize, budget: &Budget, now: EpochMs) -> OpenWindow {
        if !matches!(budget.window, Window::Calendar { .. }) {
            return budget.window.open(budget.limit, now);
        }
        if self.kept.len() <= place {
            self.kept.resize(place.saturating_add(1), None);
        }
        let slot = self.kept.get_mut(place);
        // A clock that went back may be in the window before, or before a change of the zone's.
        let holds =
            |(since, open): &&(EpochMs, OpenWindow)| *since <= now && open.end().is_some_and(|end| now < end);
        if let Some((_, open)) = slot.as_ref().and_then(|slot| slot.as_ref()).filter(holds) {
            return open.clone();
        }
        let open = budget.window.open(budget.limit, now);
        if let Some(slot) = slot {
            *slot = Some((now, open.clone()));
        }
        open
    }
}

/// Targets kept. Each has one place: a stranger who sends many makes others be read again, and no more.
const TARGETS: usize = 128;
/// Targets that are longer, in bytes, are not kept.
const TARGET_MAX: usize = 256;

/// What targets are that were seen lately: most traffic goes to few.
#[derive(Debug, Default)]
pub struct Routes(Cells<Option<(Vec<u8>, Recognised)>, TARGETS>);

impl Routes {
    /// [`recognise`].
    pub fn recognise(&mut self, method: &[u8], host: &[u8], path: &[u8]) -> Recognised {
        let length = method.len().saturating_add(host.len()).saturating_add(path.len());
        if length > TARGET_MAX {
            return recognise(method, host, path);
        }
        let mut target = Vec::with_capacity(length.saturating_add(6));
        for part in [method, host, path] {
            // Lengths part the parts.
            target.extend(u16::try_from(part.len()).unwrap_or(u16::MAX).to_le_bytes());
            target.extend_from_slice(part);
        }
        let mut hasher = DefaultHasher::new();
        hasher.write(&target);
        let read = || Some((target.clone(), recognise(method, host, path)));
        match self.0.entry(hasher.finish().max(1), read) {
            Some(Some((kept, recognised))) if *kept == target => recognised.clone(),
            // Another with the same hash.
            _ => recognise(method, host, path),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::Policy;
    use proptest::prelude::*;

    /// Zones whose clocks change by half an hour, over midnight, or by a whole day; and one that never does.
    #[test]
    fn windows_are_the_same_in_whatever_order_they_are_asked_for() {
        let zones = ["America/Los_Angeles", "Australia/Lord_Howe", "America/Havana", "Pacific/Apia", "UTC"];
        let units = ["hour", "day", "week", "month"];
        let budgets = zones.iter().flat_map(|zone| units.iter().map(move |unit| (zone, unit)));
        let budgets = budgets.enumerate().map(|(n, (zone, unit))| {
            serde_json::json!({
                "name": format!("b{n}"), "per": [], "window": {"calendar": unit, "timezone": zone},
                "limit": {"tokens": 1}, "ladder": [{"at": "100%", "deny": {}}],
            })
        });
        let policy = serde_json::json!({"version": 1, "name": "p", "budgets": budgets.collect::<Vec<_>>()});
        let policy = Policy::parse(policy.to_string().as_bytes()).unwrap();
        let mut windows = Windows::default();
        // From before Samoa left out a day, through two years; forwards, and at times backwards.
        let start = 1_321_000_000_000_i64;
        for step in 0..40_000_i64 {
            let now = EpochMs(start + step * 1_600_000 - (step % 7) * 5_000_000);
            for (place, budget) in policy.budgets.iter().enumerate() {
                let open = budget.window.open(budget.limit, now);
                assert_eq!(windows.open(place, budget, now), open, "{} at {now:?}", budget.name);
            }
        }
    }

    proptest! {
        #[test]
        fn a_target_is_what_it_is_however_often_it_is_asked_for(
            asked in prop::collection::vec(("(POST|GET|)\n?", "[a-c.\n]{0,3}", "/v1/(chat/completions|x|\n){1,3}"), 1..60),
        ) {
            let mut routes = Routes::default();
            for _ in 0..2 {
                for (method, host, path) in &asked {
                    let [method, host, path] = [method, host, path].map(String::as_bytes);
                    let told = format!("{:?}", routes.recognise(method, host, path));
                    prop_assert_eq!(told, format!("{:?}", recognise(method, host, path)));
                }
            }
        }
    }
}
