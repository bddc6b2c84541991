//! Experiments that try nothing, or nobody. Called by `mod.rs`.

use super::Warnings;
use serde_json::Value;
use tokenstile_engine::policy::Source;

/// Weights and the hold-out are in thousandths.
const ALL: u64 = 1_000;

impl Warnings<'_> {
    pub(super) fn experiments(&mut self) {
        for (i, route) in self.written_routes().iter().enumerate() {
            let Some(split) = route.get("split") else { continue };
            let path = format!("routes[{i}].split");
            self.nobody(&path, split);
            self.all_alike(&path, split);
            self.one_subject(&path, split);
        }
    }

    /// Arms that nobody is in.
    fn nobody(&mut self, path: &str, split: &Value) {
        if split.get("holdout").and_then(Value::as_u64).is_some_and(|held| held >= ALL) {
            let message = "tries nothing: everybody is held out".to_owned();
            self.add("dead-rule", format!("{path}.holdout"), message, None);
        }
        let by_secret = split.get("secret").is_some();
        let empty = |arm: &Value| arm.get("weight").and_then(Value::as_u64) == Some(0) && !by_secret;
        for (arm, _) in arms(split).iter().enumerate().filter(|(_, arm)| empty(arm)) {
            let message =
                "nobody is in this arm: its weight is 0, and no `secret` lets a tester choose it".to_owned();
            self.add("dead-rule", format!("{path}.arms[{arm}].weight"), message, None);
        }
    }

    /// Arms that do the same, so that nothing is to be seen of a difference.
    fn all_alike(&mut self, path: &str, split: &Value) {
        let arms = arms(split);
        let does = |arm: &Value| arm.get("set").cloned().unwrap_or_else(|| Value::Object(Default::default()));
        let Some(first) = arms.first().map(does) else { return };
        let is_same = arms.iter().all(|arm| does(arm) == first);
        let changes_nothing = first.as_object().is_some_and(serde_json::Map::is_empty);
        let message = match (is_same, arms.len()) {
            (true, _) if changes_nothing => "tries nothing: no arm changes anything",
            (true, 2..) => "tries nothing: all arms do the same",
            _ => return,
        };
        self.add("dead-rule", format!("{path}.arms"), message.to_owned(), None);
    }

    /// A dimension that is the same for everybody.
    fn one_subject(&mut self, path: &str, split: &Value) {
        let by = split.get("by").and_then(Value::as_str).unwrap_or_default();
        let dimension = self.sound.policy.identity.iter().find(|dimension| dimension.name == by);
        if let Some([Source::Constant(only)]) = dimension.map(|dimension| dimension.sources.as_slice()) {
            let message = format!("everybody is in the same arm: `{by}` is always `{only}`");
            self.add("dead-rule", format!("{path}.by"), message, None);
        }
    }
}

fn arms(split: &Value) -> &[Value] {
    split.get("arms").and_then(Value::as_array).map_or(&[], Vec::as_slice)
}
