//! Rules that are over, or come after another that is met first. Called by `mod.rs`.

use super::Warnings;
use super::routes::{covers, is_on, matches, name};
use serde_json::Value;
use tokenstile_engine::policy::Over;

impl Warnings<'_> {
    /// Limits on single requests behind one that is met first, and blocks and budgets that are over.
    pub(super) fn requests(&mut self) {
        let policy = &self.sound.policy;
        let written = self.sound.document.get("request_limits").and_then(Value::as_array);
        let concerns = |i: usize| written.and_then(|all| all.get(i)).map(matches).unwrap_or_default();
        let mut found = Vec::new();
        for (i, limit) in policy.request_limits.iter().enumerate() {
            let first = policy.request_limits.iter().enumerate().take(i).find(|(j, before)| {
                // A confirmed call comes to what lies behind, and a clamp also bounds who has said nothing.
                let decides = match (&before.over, &limit.over) {
                    (_, Over::Clamp) | (Over::Clamp, _) => false,
                    (Over::Deny { .. }, _) | (Over::Confirm(_), Over::Confirm(_)) => !before.shadow,
                    (Over::Confirm(_), Over::Deny { .. }) => false,
                };
                decides
                    && before.measure == limit.measure
                    && before.limit <= limit.limit
                    && covers(&concerns(*j), &concerns(i))
            });
            if let Some((_, before)) = first {
                let message = format!(
                    "never met: `{}` before it decides sooner, and the first has the word",
                    before.name
                );
                found.push((format!("request_limits[{i}].name"), message, Some("put it first".to_owned())));
            }
        }
        for (key, what) in
            [("blocks", "it stops nothing any more"), ("budgets", "it counts nothing any more")]
        {
            let rules = self.sound.document.get(key).and_then(Value::as_array).into_iter().flatten();
            for (i, rule) in rules.enumerate() {
                let until = rule.get("until").and_then(Value::as_str);
                if until.and_then(end).is_some_and(|end| end <= self.now.0) {
                    found.push((format!("{key}[{i}].until"), format!("over: {what}"), None));
                }
            }
        }
        for (path, message, help) in found {
            self.add("dead-rule", path, message, help);
        }
    }

    /// Blocks behind one that stops all the same calls.
    pub(super) fn blocks(&mut self) {
        let blocks = self.sound.document.get("blocks").and_then(Value::as_array).cloned().unwrap_or_default();
        for (i, block) in blocks.iter().enumerate().filter(|(_, block)| is_on(block)) {
            let stops_all = |before: &&Value| {
                self.is_always_in_force(before) && covers(&matches(before), &matches(block))
            };
            if let Some(before) = blocks.iter().take(i).find(stops_all) {
                let message = format!("never met: `{}` before it stops all these calls", name(before));
                let help = "put it first, or let the other match less".to_owned();
                self.add("shadowed-rule", format!("blocks[{i}].name"), message, Some(help));
            }
        }
    }

    /// Overrides and exemptions that are over, or come after another that is met first.
    pub(super) fn exceptions(&mut self) {
        let list =
            |key: &str| self.sound.document.get(key).and_then(Value::as_array).cloned().unwrap_or_default();
        let mut found = Vec::new();
        for key in ["overrides", "exempt"] {
            let all = list(key);
            for (i, one) in all.iter().enumerate() {
                let until = one.get("until").and_then(Value::as_str);
                if until.and_then(end).is_some_and(|end| end <= self.now.0) {
                    found.push((format!("{key}[{i}].until"), "over: it changes nothing any more".to_owned()));
                }
                let field = |value: &Value, key: &str| value.get(key).cloned().unwrap_or_default();
                let wider = |before: &&Value| {
                    let same_budget = field(before, "budget") == field(one, "budget");
                    let theirs = field(before, "match").as_object().cloned().unwrap_or_default();
                    let ours = field(one, "match");
                    same_budget
                        && before.get("until").is_none()
                        && theirs.iter().all(|(name, value)| ours.get(name) == Some(value))
                };
                if all.iter().take(i).any(|before| wider(&before)) {
                    found.push((
                        format!("{key}[{i}].match"),
                        "never used: one before it is met first".to_owned(),
                    ));
                }
            }
        }
        for (path, message) in found {
            self.add("dead-rule", path, message, None);
        }
    }
}

/// The end of a day in UTC, or a moment, in milliseconds since 1970.
pub(super) fn end(text: &str) -> Option<i64> {
    if let Ok(moment) = text.parse::<jiff::Timestamp>() {
        return Some(moment.as_millisecond());
    }
    let day = text.parse::<jiff::civil::Date>().ok()?.tomorrow().ok()?;
    Some(day.to_zoned(jiff::tz::TimeZone::UTC).ok()?.timestamp().as_millisecond())
}
