//! Prompt templates: calls whose prompts begin alike, by the hash of what stands before their conversations. It owns
//! which there are and what they come to; where the hash comes from stands in the engine's `exchange/prefix.rs`.

use super::Record;
use super::tally::Tally;
use serde_json::{Value, json};
use std::collections::HashMap;

/// One template.
#[derive(Debug, Clone, Default)]
pub struct Template {
    /// The hash of what its prompts begin with.
    pub hash: String,
    /// The tokens of that; the most, where models count differently.
    pub tokens: u64,
    /// What its calls come to.
    pub tally: Tally,
}

impl Template {
    /// As JSON: dollars are whole billionths.
    #[must_use]
    pub fn json(&self) -> Value {
        json!({"hash": self.hash, "prefix_tokens": self.tokens, "sums": self.tally.json()})
    }
}

/// Gathers templates.
#[derive(Debug, Default)]
pub(super) struct Builder(HashMap<String, Template>);

impl Builder {
    /// Adds a call, if its record names what its prompt begins with.
    pub(super) fn add(&mut self, record: &Record) {
        let Some(prefix) = &record.prompt_prefix else { return };
        let template = self.0.entry(prefix.hash.clone()).or_default();
        template.tokens = template.tokens.max(prefix.tokens);
        template.tally.add(record);
    }

    /// By cost, the highest first.
    pub(super) fn finish(self) -> Vec<Template> {
        let named = |(hash, template)| Template { hash, ..template };
        let mut templates: Vec<Template> = self.0.into_iter().map(named).collect();
        templates.sort_by(|a, b| b.tally.cost.cmp(&a.tally.cost).then_with(|| a.hash.cmp(&b.hash)));
        templates
    }
}
