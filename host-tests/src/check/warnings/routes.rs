//! Routes that choose nothing: over, behind one that chooses first, or for models for which there is nothing to choose;
//! and what they choose that is worth nothing. Called by `mod.rs`.

use super::Warnings;
use super::exceptions::end;
use serde_json::{Map, Value};
use tokenstile_engine::policy::{Cheaper, Source};
use wildmatch::WildMatch;

/// What a route or an arm chooses, as it was written, and where that stands.
pub(super) struct Choice<'v> {
    pub(super) path: String,
    pub(super) set: &'v Value,
}

impl Warnings<'_> {
    pub(super) fn routes(&mut self) {
        let routes = self.written_routes();
        for (i, route) in routes.iter().enumerate() {
            self.over(i, route);
            self.one_conversation(i, route);
            for choice in choices(i, route) {
                self.shadowed(&routes, i, &choice);
                self.worthless(route, &choice);
                self.headers_too_late(&choice);
                self.unpriced_tier(route.pointer("/match/model").and_then(Value::as_str), &choice);
            }
        }
    }

    pub(super) fn written_routes(&self) -> Vec<Value> {
        self.sound.document.get("routes").and_then(Value::as_array).cloned().unwrap_or_default()
    }

    fn over(&mut self, i: usize, route: &Value) {
        let until = route.get("until").and_then(Value::as_str).and_then(end);
        if until.is_some_and(|until| until <= self.now.0) {
            let message = "over: it chooses nothing any more".to_owned();
            self.add("dead-rule", format!("routes[{i}].until"), message, None);
        }
    }

    /// Calls that name no conversation are one of their own.
    fn one_conversation(&mut self, i: usize, route: &Value) {
        let Some(by) = route.pointer("/keep/by").and_then(Value::as_str) else { return };
        let dimension = self.sound.policy.identity.iter().find(|dimension| dimension.name == by);
        let constant = dimension.and_then(|dimension| {
            dimension.sources.iter().find_map(|source| match source {
                Source::Constant(value) => Some(value.clone()),
                _ => None,
            })
        });
        if let Some(value) = constant {
            let message = format!(
                "calls that name no `{by}` are all one, `{value}`, and keep each other where they are"
            );
            let help = format!("leave `value:{value}` out: a call that names none is not kept");
            self.add("shared-conversation", format!("routes[{i}].keep.by"), message, Some(help));
        }
    }

    /// What an earlier route has chosen for every such call.
    fn shadowed(&mut self, routes: &[Value], i: usize, choice: &Choice<'_>) {
        let Some(route) = routes.get(i) else { return };
        let always =
            |before: &&Value| self.is_always_in_force(before) && covers(&matches(before), &matches(route));
        let before: Vec<&Value> = routes.iter().take(i).filter(always).collect();
        let model = ["model", "downgrade"].into_iter().find(|key| choice.set.get(key).is_some());
        let headers = choice.set.get("headers").and_then(Value::as_object).into_iter().flat_map(Map::keys);
        let headers = headers.map(|name| {
            let sets = before.iter().find(|before| before.pointer(&format!("/set/headers/{name}")).is_some());
            (format!("headers.{name}"), sets)
        });
        let model = model.map(|key| {
            let always = |before: &&&Value| {
                self.chooses_a_model(before, &matches(route)) && !self.may_be_forbidden(routes, before, route)
            };
            let chooses = before.iter().find(always);
            (key.to_owned(), chooses)
        });
        let found: Vec<(String, String)> = model
            .into_iter()
            .chain(headers)
            .filter_map(|(key, before)| Some((key, name(before?).to_owned())))
            .collect();
        for (key, before) in found {
            let message = format!(
                "never used: `{before}` before it chooses the same for all these calls, and the first has the word"
            );
            let help = "put it first, or let the other match less".to_owned();
            self.add("shadowed-rule", format!("{}.{key}", choice.path), message, Some(help));
        }
    }

    /// Whether nothing but its `match` keeps a route from choosing.
    pub(super) fn is_always_in_force(&self, route: &Value) -> bool {
        let since = route.get("since").and_then(Value::as_str);
        let has_begun = since.is_none_or(|since| begin(since).is_some_and(|since| since <= self.now.0));
        has_begun && is_on(route) && route.get("until").is_none()
    }

    /// Whether a route chooses a model for every call like this.
    fn chooses_a_model(&self, route: &Value, calls: &Map<String, Value>) -> bool {
        let Some(list) = route.pointer("/set/downgrade").and_then(Value::as_str) else {
            return route.pointer("/set/model").is_some();
        };
        let rules = self.sound.document.get("downgrades").and_then(|lists| lists.get(list)?.as_array());
        let asked = calls.get("model").and_then(Value::as_str).unwrap_or("*");
        let from = |rule: &Value| rule.get("from").and_then(Value::as_str).map(str::to_owned);
        rules
            .into_iter()
            .flatten()
            .filter_map(from)
            .any(|from| WildMatch::new_case_insensitive(&from).matches(asked))
    }

    /// Whether some route may keep what a route chooses from serving a call like this, so that the next chooses.
    fn may_be_forbidden(&self, routes: &[Value], chooser: &Value, call: &Value) -> bool {
        let text = |value: &Value| value.as_str().map(str::to_owned);
        let list = chooser.pointer("/set/downgrade").and_then(Value::as_str);
        let list = list.and_then(|list| self.sound.document.get("downgrades")?.get(list)?.as_array());
        let listed = list.into_iter().flatten().filter_map(|rule| rule.get("to").and_then(text));
        let models: Vec<String> =
            chooser.pointer("/set/model").and_then(text).into_iter().chain(listed).collect();
        routes
            .iter()
            .filter(|rule| is_on(rule) && !are_disjoint(&matches(rule), &matches(call)))
            .any(|rule| models.iter().any(|model| self.forbids(rule, model)))
    }

    /// What a route chooses for the models that it is for: nothing, or what is worth nothing.
    fn worthless(&mut self, route: &Value, choice: &Choice<'_>) {
        let Some(asked) = route.pointer("/match/model").and_then(Value::as_str) else { return };
        if let Some(to) = choice.set.get("model").and_then(Value::as_str) {
            let path = format!("{}.model", choice.path);
            if asked.eq_ignore_ascii_case(to) {
                let message = format!("changes nothing: `{to}` is the model that these calls ask for");
                self.add("dead-rule", path, message, None);
            } else if self.knows(to) && !(stays(route, choice) && self.other_api(&path, (asked, to))) {
                let lost = "calls that use it keep their model";
                self.worth(&path, (asked, to), &[], lost);
            }
        }
        let list = choice.set.get("downgrade").and_then(Value::as_str);
        let list = list.and_then(|name| self.sound.policy.downgrades.iter().find(|list| list.name == name));
        let meant = crate::check::models::meant(&self.sound.policy, asked);
        let entry = |name: &str| self.sound.policy.entry_of(name);
        let has_some =
            |model: &String| list.is_some_and(|list| matches!(list.cheaper(model, entry), Cheaper::Use(_)));
        if let Some(list) = list.filter(|_| !meant.is_empty() && !meant.iter().any(has_some)) {
            let message = format!("chooses nothing: `{}` has nothing in the place of `{asked}`", list.name);
            self.add("dead-rule", format!("{}.downgrade", choice.path), message, None);
        }
    }

    fn headers_too_late(&mut self, choice: &Choice<'_>) {
        let sets = choice.set.get("headers").and_then(Value::as_object).is_some_and(|set| !set.is_empty());
        if sets && !self.sound.policy.hold_headers {
            let message = "set too late: without `hold_headers` the headers have left when a route chooses";
            let help = "write \"hold_headers\": true, where the proxy can".to_owned();
            self.add("headers-too-late", format!("{}.headers", choice.path), message.to_owned(), Some(help));
        }
    }
}

/// Whether nothing but the model says to whom such calls go.
fn stays(route: &Value, choice: &Choice<'_>) -> bool {
    let names = |key: &str| route.pointer(key).is_some();
    !names("/match/provider") && !names("/match/dialect") && choice.set.get("headers").is_none()
}

/// What a route chooses: for all its calls, or in each arm.
pub(super) fn choices(i: usize, route: &Value) -> Vec<Choice<'_>> {
    let of_all = route.get("set").map(|set| Choice { path: format!("routes[{i}].set"), set });
    let arms = route.pointer("/split/arms").and_then(Value::as_array).into_iter().flatten().enumerate();
    let of_arms = arms.filter_map(|(arm, written)| {
        Some(Choice { path: format!("routes[{i}].split.arms[{arm}].set"), set: written.get("set")? })
    });
    of_all.into_iter().chain(of_arms).collect()
}

/// Whether a rule is switched on, and not in shadow by itself.
pub(super) fn is_on(rule: &Value) -> bool {
    rule.get("enabled") != Some(&Value::Bool(false)) && rule.get("mode").is_none_or(|mode| mode != "shadow")
}

pub(super) fn name(rule: &Value) -> &str {
    rule.get("name").and_then(Value::as_str).unwrap_or_default()
}

/// The `match` of a rule.
pub(super) fn matches(rule: &Value) -> Map<String, Value> {
    rule.get("match").and_then(Value::as_object).cloned().unwrap_or_default()
}

/// Whether every call that fulfils the second `match` fulfils the first. In doubt it does not.
pub(super) fn covers(wide: &Map<String, Value>, narrow: &Map<String, Value>) -> bool {
    wide.iter().all(|(key, wide)| narrow.get(key).is_some_and(|narrow| implies(key, narrow, wide)))
}

/// Whether no call fulfils both. In doubt some do.
pub(super) fn are_disjoint(a: &Map<String, Value>, b: &Map<String, Value>) -> bool {
    a.iter().any(|(key, a)| {
        let Some(b) = b.get(key) else { return false };
        match key.as_str() {
            "uses" | "time" => false,
            "prompt_tokens" | "output_bound" => {
                let ((least_a, most_a), (least_b, most_b)) = (range(a), range(b));
                most_a < least_b || most_b < least_a
            }
            _ => !implies(key, a, b) && !implies(key, b, a),
        }
    })
}

fn implies(key: &str, narrow: &Value, wide: &Value) -> bool {
    match (key, narrow, wide) {
        ("model", Value::String(narrow), Value::String(wide)) => {
            WildMatch::new_case_insensitive(wide).matches(narrow)
        }
        ("uses", Value::Array(narrow), Value::Array(wide)) => wide.iter().all(|word| narrow.contains(word)),
        ("prompt_tokens" | "output_bound", ..) => {
            let ((least, most), (from, to)) = (range(narrow), range(wide));
            from <= least && most <= to
        }
        _ => narrow == wide,
    }
}

fn range(bounds: &Value) -> (u64, u64) {
    let bound = |key: &str| bounds.get(key).and_then(Value::as_u64);
    (bound("min").unwrap_or(0), bound("max").unwrap_or(u64::MAX))
}

/// The beginning of a day in UTC, or a moment, in milliseconds since 1970.
fn begin(text: &str) -> Option<i64> {
    let day = text.parse::<jiff::civil::Date>().ok().filter(|_| !text.contains('T'));
    let moment = match day {
        Some(day) => day.to_zoned(jiff::tz::TimeZone::UTC).ok()?.timestamp(),
        None => text.parse::<jiff::Timestamp>().ok()?,
    };
    Some(moment.as_millisecond())
}
