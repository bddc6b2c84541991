//! Models without a price, and downgrades that are worth nothing. Called by `mod.rs`.

use super::Warnings;
use crate::check::models;
use serde_json::Value;
use tokenstile_engine::price::{Quote, models_like};
use tokenstile_engine::units::{NanoUsd, grouped};
use wildmatch::WildMatch;

impl Warnings<'_> {
    /// Whether some call may name a model like this and have a price.
    pub(super) fn knows(&self, pattern: &str) -> bool {
        let policy = &self.sound.policy;
        let own = policy.prices.overrides.iter().any(|own| own.model.matches(pattern));
        own || models::meant(policy, pattern).iter().any(|model| models::quote(policy, model, self.now).known)
    }

    pub(super) fn unknown(&self, model: &str) -> (String, Option<String>) {
        let near = models_like(model.trim_end_matches('*'), self.sound.policy.provider.as_deref());
        let help = near.first().map(|entry| match entry.split_once('/') {
            Some((provider, name)) if name == model => {
                format!("`{provider}` has one of this name: if it serves, say `\"provider\": \"{provider}\"`")
            }
            other => format!("did you mean `{}`?", other.map_or(entry.as_str(), |(_, name)| name)),
        });
        let help = help.or_else(|| {
            Some(
                "if it is a name of your own, say in `prices` what it stands for or what it costs".to_owned(),
            )
        });
        (format!("no price is known for `{model}`"), help)
    }

    pub(super) fn downgrades(&mut self) {
        let lists =
            self.sound.document.get("downgrades").and_then(Value::as_object).cloned().unwrap_or_default();
        for (name, rules) in &lists {
            let rules = rules.as_array().map(Vec::as_slice).unwrap_or_default();
            for (i, rule) in rules.iter().enumerate() {
                let path = format!("downgrades.{name}[{i}]");
                let before = rules.iter().take(i).map(|rule| text(rule, "from"));
                let covers =
                    |before: &&str| WildMatch::new_case_insensitive(before).matches(text(rule, "from"));
                if let Some(before) = before.into_iter().find(covers) {
                    let message = format!("never used: `{before}` before it matches all that this does");
                    self.add(
                        "shadowed-rule",
                        format!("{path}.from"),
                        message,
                        Some("put it first".to_owned()),
                    );
                    continue;
                }
                self.downgrade(&path, rule);
            }
            let used = names(&self.sound.document, "downgrade", name);
            if !used {
                let message = "nothing uses this list".to_owned();
                self.add("dead-rule", format!("downgrades.{name}"), message, None);
            }
        }
    }

    /// One rule: whether its models are known, and whether the second is worth it.
    fn downgrade(&mut self, path: &str, rule: &Value) {
        let (from, to) = (text(rule, "from"), text(rule, "to"));
        for (key, model) in [("from", from), ("to", to)] {
            if !self.knows(model) {
                let (message, help) = self.unknown(model);
                self.add("unknown-model", format!("{path}.{key}"), message, help);
            }
        }
        if self.other_api(&format!("{path}.to"), (from, to)) {
            return;
        }
        let can = rule.get("can").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
        let lost = "calls that use it fall to the next step";
        self.worth(&format!("{path}.to"), (from, to), can, lost);
    }

    /// Whether a model is worth serving in the place of those that a pattern means. `can`: what it is vouched to do;
    /// `lost`: what becomes of a call that uses what it lacks.
    pub(super) fn worth(&mut self, path: &str, (from, to): (&str, &str), can: &[Value], lost: &str) {
        let cheap = models::quote(&self.sound.policy, to, self.now);
        let dear = models::meant(&self.sound.policy, from);
        let dear = dear
            .iter()
            .filter(|model| model.as_str() != to)
            .map(|model| (model.clone(), models::quote(&self.sound.policy, model, self.now)));
        let dear: Vec<_> = dear.filter(|(_, quote)| quote.known && quote.entry != cheap.entry).collect();
        if !cheap.known || dear.is_empty() {
            return;
        }
        if let Some(message) = saves_nothing(to, &cheap, &dear) {
            self.add("useless-downgrade", path.to_owned(), message, None);
        }
        let shorter = dear.iter().find(|(_, quote)| {
            cheap.capability.context > 0 && quote.capability.context > cheap.capability.context
        });
        if let Some((model, quote)) = shorter {
            let message = format!(
                "`{to}` takes {} tokens at once, `{model}` takes {}: longer prompts would fail",
                grouped(cheap.capability.context),
                grouped(quote.capability.context)
            );
            self.add("shorter-context", path.to_owned(), message, None);
            return;
        }
        let lacks = dear.iter().find_map(|(model, quote)| {
            let lacks = cheap.capability.lacks.without(quote.capability.lacks);
            let lacks: Vec<&str> = lacks.names().filter(|word| !can.contains(&(*word).into())).collect();
            (!lacks.is_empty()).then(|| (model, lacks.join(", ")))
        });
        if let Some((model, lacks)) = lacks {
            let message = format!("`{to}` lacks {lacks}, which `{model}` has: {lost}");
            self.add("lost-capability", path.to_owned(), message, None);
        }
    }

    pub(super) fn aliases(&mut self) {
        let aliases = self.sound.document.pointer("/prices/aliases").and_then(Value::as_object).cloned();
        for (name, model) in aliases.unwrap_or_default() {
            let model = model.as_str().unwrap_or_default();
            if !self.knows(model) {
                let (message, help) = self.unknown(model);
                self.add("unknown-model", format!("prices.aliases.{name}"), message, help);
            }
        }
    }
}

fn text<'r>(rule: &'r Value, key: &str) -> &'r str {
    rule.get(key).and_then(Value::as_str).unwrap_or_default()
}

/// What says so, if the cheaper model costs as much as one of the others.
fn saves_nothing(to: &str, cheap: &Quote, dear: &[(String, Quote)]) -> Option<String> {
    let cost = |quote: &Quote| models::sample(&quote.price);
    let mut useless = dear.iter().filter(|(_, quote)| cost(quote) <= cost(cheap));
    let (first, quote) = useless.next()?;
    let more = match useless.count() {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    Some(format!(
        "saves nothing: a thousand tokens in and out cost {} by `{to}`, and {} by `{first}`{more}",
        NanoUsd(cost(cheap)),
        NanoUsd(cost(quote))
    ))
}

/// Whether this text stands at such a key anywhere.
fn names(value: &Value, key: &str, text: &str) -> bool {
    match value {
        Value::Object(fields) => fields
            .iter()
            .any(|(name, value)| (name == key && value.as_str() == Some(text)) || names(value, key, text)),
        Value::Array(items) => items.iter().any(|item| names(item, key, text)),
        _ => false,
    }
}
