//! Models that speak another API than the calls they are to serve, and service tiers of which no price is known. Called by
//! `prices.rs` and `routes.rs`.

use super::Warnings;
use super::routes::Choice;
use crate::check::models;
use serde_json::Value;
use tokenstile_engine::price::{Quote, ServiceTier};

/// Providers with an API of their own; all others are spoken to as OpenAI is.
const OWN_APIS: [&str; 4] = ["anthropic", "aws", "cohere", "google"];

impl Warnings<'_> {
    /// Whether a model can serve no call to those that a pattern means, since it speaks another API and nobody is named who
    /// serves both by one. In doubt it can.
    pub(super) fn other_api(&mut self, path: &str, (from, to): (&str, &str)) -> bool {
        let policy = &self.sound.policy;
        if policy.provider.is_some() {
            return false;
        }
        let Some(theirs) = self.provider_of(to) else { return false };
        let asked: Option<Vec<(String, String)>> = models::meant(policy, from)
            .into_iter()
            .map(|model| Some((self.provider_of(&model)?, model)))
            .collect();
        let Some(asked) = asked.filter(|asked| asked.iter().all(|(ours, _)| api(ours) != api(&theirs)))
        else {
            return false;
        };
        let Some((ours, model)) = asked.first() else { return false };
        let message = format!(
            "never served: `{to}` ({theirs}) speaks another API than `{model}` ({ours}), and requests are not translated"
        );
        let help = "choose a model of the same API, or name the `provider` that serves both by one; where a gateway of your own \
                    does, say that it is meant";
        self.add("other-api", path.to_owned(), message, Some(help.to_owned()));
        true
    }

    /// Who serves a model, by its name alone; `None` where the name is the policy's own or a gateway's.
    fn provider_of(&self, model: &str) -> Option<String> {
        let prices = &self.sound.policy.prices;
        let is_own = prices.aliases.iter().any(|(name, _)| name.eq_ignore_ascii_case(model));
        if is_own || model.contains('/') {
            return None;
        }
        let entry = models::quote(&self.sound.policy, model, self.now).entry;
        let (provider, _) = entry.split_once('/')?;
        (provider != "policy").then(|| provider.to_owned())
    }

    /// A tier of a route for models that the price book has no such price of.
    pub(super) fn unpriced_tier(&mut self, asked: Option<&str>, choice: &Choice<'_>) {
        let Some(name) = choice.set.get("service_tier").and_then(Value::as_str) else { return };
        let tier = ServiceTier::named(name);
        let served = choice.set.get("model").and_then(Value::as_str).or(asked);
        let Some(served) = served.filter(|_| tier != ServiceTier::Standard) else { return };
        let policy = &self.sound.policy;
        let meant = models::meant(policy, served);
        let quotes = meant.iter().map(|model| models::quote_in(policy, model, tier, self.now));
        let known: Vec<Quote> = quotes.filter(|quote| quote.known).collect();
        let lacks_it = |quote: &Quote| quote.tier != tier && !quote.entry.starts_with("policy/");
        if !known.is_empty() && known.iter().all(lacks_it) {
            let message = format!(
                "no price of the tier `{name}` is known for `{served}`: budgets and records take the standard one"
            );
            let help = "say in `prices` what it costs you, or leave the tier out".to_owned();
            self.add("unpriced-tier", format!("{}.service_tier", choice.path), message, Some(help));
        }
    }
}

/// The API that a provider's models speak.
fn api(provider: &str) -> &str {
    OWN_APIS.into_iter().find(|own| *own == provider).unwrap_or("openai")
}
