//! Models without a price, and downgrades that are worth nothing. Called by `mod.rs`.

use super::Warnings;
use crate::check::models;
use serde_json::Value;
use tokenstile_engine::dialect::Features;
use tokenstile_engine::price::models_like;
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
        let bare = |entry: &String| entry.split_once('/').map_or(entry.clone(), |(_, name)| name.to_owned());
        let help = near.first().map(|entry| format!("did you mean `{}`?", bare(entry)));
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
            let text = |rule: &Value, key: &str| {
                rule.get(key).and_then(Value::as_str).unwrap_or_default().to_owned()
            };
            let rules = rules.as_array().cloned().unwrap_or_default();
            let rules: Vec<(String, String)> =
                rules.iter().map(|rule| (text(rule, "from"), text(rule, "to"))).collect();
            for (i, (from, to)) in rules.iter().enumerate() {
                let path = format!("downgrades.{name}[{i}]");
                let covers = |(before, _): &&(String, String)| WildMatch::new(before).matches(from);
                if let Some((before, _)) = rules.iter().take(i).find(covers) {
                    let message = format!("never used: `{before}` before it matches all that this does");
                    self.add(
                        "shadowed-rule",
                        format!("{path}.from"),
                        message,
                        Some("put it first".to_owned()),
                    );
                    continue;
                }
                self.downgrade(&path, from, to);
            }
            let used = names(&self.sound.document, "downgrade", name);
            if !used {
                let message = "nothing uses this list".to_owned();
                self.add("dead-rule", format!("downgrades.{name}"), message, None);
            }
        }
    }

    /// One rule: whether its models are known, and whether the second is worth it.
    fn downgrade(&mut self, path: &str, from: &str, to: &str) {
        for (key, model) in [("from", from), ("to", to)] {
            if !self.knows(model) {
                let (message, help) = self.unknown(model);
                self.add("unknown-model", format!("{path}.{key}"), message, help);
            }
        }
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
        let wasted = |quote: &tokenstile_engine::price::Quote| {
            models::sample(&quote.price) <= models::sample(&cheap.price)
        };
        let useless: Vec<&str> =
            dear.iter().filter(|(_, quote)| wasted(quote)).map(|(model, _)| model.as_str()).collect();
        if let Some(first) = useless.first() {
            let more =
                if useless.len() > 1 { format!(" and {} more", useless.len() - 1) } else { String::new() };
            let usd = |nano: i64| tokenstile_engine::units::NanoUsd(nano).to_string();
            let of_first =
                dear.iter().find(|(model, _)| model == first).map(|(_, quote)| models::sample(&quote.price));
            let message = format!(
                "saves nothing: a thousand tokens in and out cost {} by `{to}`, and {} by `{first}`{more}",
                usd(models::sample(&cheap.price)),
                usd(of_first.unwrap_or_default())
            );
            self.add("useless-downgrade", format!("{path}.to"), message, None);
        }
        let shorter = dear.iter().find(|(_, quote)| {
            cheap.capability.context > 0 && quote.capability.context > cheap.capability.context
        });
        if let Some((model, quote)) = shorter {
            let grouped = tokenstile_engine::units::grouped;
            let message = format!(
                "`{to}` takes {} tokens at once, `{model}` takes {}: longer prompts would fail",
                grouped(cheap.capability.context),
                grouped(quote.capability.context)
            );
            self.add("shorter-context", format!("{path}.to"), message, None);
            return;
        }
        let rule =
            self.sound.document.pointer(&format!("/{}", path.replace(['.', '['], "/").replace(']', "")));
        let can =
            rule.and_then(|rule| rule.get("can")).and_then(Value::as_array).cloned().unwrap_or_default();
        let lost = dear.iter().find_map(|(model, quote)| {
            let lost = cheap.capability.lacks.0 & !quote.capability.lacks.0;
            let lost = Features(lost).names().filter(|word| !can.contains(&(*word).into()));
            let lost: Vec<&str> = lost.collect();
            (!lost.is_empty()).then(|| (model.clone(), lost.join(", ")))
        });
        if let Some((model, lost)) = lost {
            let message =
                format!("`{to}` lacks {lost}, which `{model}` has: calls that use it fall to the next step");
            self.add("lost-capability", format!("{path}.to"), message, None);
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
