//! Prompts that providers could cache and do not: prefixes long enough to be kept, sent again while a cache would still
//! have them, and read from none. It owns what that costs, and what to do about it.

use super::Record;
use super::money::{Nano, dollars};
use super::tally::whole;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use tokenstile_engine::price::Unit;
use tokenstile_engine::units::grouped;

/// How long a prefix is kept since it was last used, where nothing else is asked for: "a 5-minute lifetime"
/// (<https://platform.claude.com/docs/en/build-with-claude/prompt-caching>), "5 to 10 minutes of inactivity"
/// (<https://platform.openai.com/docs/guides/prompt-caching>).
const LIFE_MS: i64 = 300_000;

/// A call that reads less than this part of its prefix from the cache has missed it.
const READ_PART: u64 = 10;

/// How a provider's cache is used: where its prompts are known by the model's name, or by the provider's.
struct Cache {
    names: &'static [&'static str],
    providers: &'static [&'static str],
    advice: &'static str,
}

const CACHES: [Cache; 4] = [
    Cache {
        names: &["claude"],
        providers: &[],
        advice: "mark where it ends with `cache_control` (https://platform.claude.com/docs/en/build-with-claude/prompt-caching)",
    },
    Cache {
        names: &["nova"],
        providers: &[],
        advice: "mark where it ends with a `cachePoint` (https://docs.aws.amazon.com/bedrock/latest/userguide/prompt-caching.html)",
    },
    Cache {
        names: &["gemini"],
        providers: &[],
        advice: "put it into an explicit cache (https://ai.google.dev/gemini-api/docs/caching)",
    },
    Cache {
        names: &[],
        providers: &["openai", "azure"],
        advice: "send one `prompt_cache_key` with all of its calls (https://platform.openai.com/docs/guides/prompt-caching)",
    },
];

/// The fewest tokens that each of Claude's models caches, the first that fits: where the documentation has changed, the
/// most it said, so that nobody is told of a cache that a prompt is too short for.
const CLAUDE: [(&[&str], u64); 7] = [
    (&["opus-5", "fable-5", "mythos-5"], 512),
    (
        &["opus-4-5", "opus-4-6", "opus-4-7", "haiku-4-5", "opus-4.5", "opus-4.6", "opus-4.7", "haiku-4.5"],
        4_096,
    ),
    (&["sonnet-4-6", "sonnet-4.6"], 2_048),
    (&["haiku-3", "3-haiku", "3-5-haiku", "3.5-haiku"], 2_048),
    (&["opus-4", "sonnet-4", "sonnet-5"], 1_024),
    (&["3-opus", "3-5-sonnet", "3.5-sonnet", "3-7-sonnet", "3.7-sonnet"], 1_024),
    (&[""], 4_096),
];

/// The fewest tokens that this model's provider caches, and what its callers must do; none where nothing is published.
fn cache_of(provider: &str, model: &str) -> Option<(u64, &'static str)> {
    let model = model.to_ascii_lowercase();
    let has = |names: &[&str]| names.iter().any(|name| model.contains(name));
    let cache = CACHES.iter().find(|cache| has(cache.names) || cache.providers.contains(&provider))?;
    let least = match cache.names {
        ["claude"] => CLAUDE.iter().find(|(names, _)| has(names)).map_or(4_096, |(_, least)| *least),
        // 2.5 Flash has 2,048, the others up to 4,096.
        ["gemini"] if model.contains("2.5-flash") => 2_048,
        ["gemini"] => 4_096,
        _ => 1_024,
    };
    Some((least, cache.advice))
}

/// One call of a prefix that could be cached.
#[derive(Debug, Clone, Copy)]
struct Call {
    at_ms: i64,
    /// It read nearly nothing of it from a cache.
    missed: bool,
    /// What it would have cost less if it had.
    less: Nano,
    /// What it would have cost more to write it there.
    more: Nano,
}

/// A prefix that a provider could cache and does not.
#[derive(Debug, Clone)]
pub struct Uncached {
    /// The hash of the prefix.
    pub hash: String,
    /// The model that was paid, as the price book names it.
    pub model: String,
    /// Its tokens.
    pub tokens: u64,
    /// From so many on they are cached.
    pub least: u64,
    /// Calls with it.
    pub requests: u64,
    /// Those that came while a cache would have had it.
    pub repeats: u64,
    /// And read nearly nothing of it from there.
    pub missed: u64,
    /// What these would have cost less, less what it costs to write the cache.
    pub could_save: Nano,
    /// What to do.
    pub advice: &'static str,
}

impl Uncached {
    /// As a sentence.
    #[must_use]
    pub fn sentence(&self) -> String {
        format!(
            "Not cached: template {} ({} tokens) of {}. {} of its {} calls came within 5 minutes of the one before, and {} of \
             these read less than a tenth of it from the cache; with it they would have cost {} less. To change that, {}.",
            self.hash,
            grouped(self.tokens),
            self.model,
            grouped(self.repeats),
            grouped(self.requests),
            grouped(self.missed),
            dollars(self.could_save),
            self.advice
        )
    }

    /// As JSON: dollars are whole billionths.
    #[must_use]
    pub fn json(&self) -> Value {
        json!({"hash": self.hash, "model": self.model, "prefix_tokens": self.tokens, "cached_from_tokens": self.least,
            "requests": self.requests, "repeats": self.repeats, "missed": self.missed,
            "could_save_nano_usd": whole(self.could_save), "advice": self.advice})
    }
}

/// Gathers calls by prefix and model.
#[derive(Debug, Default)]
pub(super) struct Builder(BTreeMap<(String, String), (u64, Vec<Call>)>);

impl Builder {
    /// Adds a call, if its prefix could be cached and its price is known.
    pub(super) fn add(&mut self, record: &Record) {
        let Some((tokens, call)) = call(record) else { return };
        let hash = record.prompt_prefix.as_ref().map_or("", |prefix| &prefix.hash);
        let (most, calls) = self.0.entry((hash.to_owned(), record.price.clone())).or_default();
        *most = tokens.max(*most);
        calls.push(call);
    }

    /// By what could be saved, the most first.
    pub(super) fn finish(self) -> Vec<Uncached> {
        let judged = |((hash, model), (tokens, calls))| judge(hash, model, tokens, calls);
        let mut found: Vec<Uncached> = self.0.into_iter().filter_map(judged).collect();
        found.sort_by_key(|prefix| std::cmp::Reverse(prefix.could_save));
        found
    }
}

fn call(record: &Record) -> Option<(u64, Call)> {
    let prefix = record.prompt_prefix.as_ref().filter(|_| record.usage.source != "none")?;
    let (provider, model) = record.price.split_once('/')?;
    let (least, _) = cache_of(provider, model)?;
    if prefix.tokens < least {
        return None;
    }
    let price = record.quote()?.price;
    let rate = |unit| price.rate(unit, record.usage.input).map(Nano::from);
    let (input, read) = (rate(Unit::Input)?, rate(Unit::CacheRead)?);
    let tokens = Nano::from(prefix.tokens);
    let more = rate(Unit::CacheWrite).map_or(0, |write| (write - input) * tokens / 1_000);
    let missed = record.usage.cache_read < prefix.tokens / READ_PART;
    let at_ms = record.time?.as_millisecond();
    (input > read)
        .then_some((prefix.tokens, Call { at_ms, missed, less: (input - read) * tokens / 1_000, more }))
}

/// What the calls of one prefix have missed; none if most of those that could read it did.
fn judge(hash: String, model: String, tokens: u64, mut calls: Vec<Call>) -> Option<Uncached> {
    calls.sort_by_key(|call| call.at_ms);
    let (mut repeats, mut missed, mut could_save) = (0, 0, 0);
    // The call that would have to write it, as long as nobody has read it since.
    let mut writes: Option<Nano> = None;
    let mut last: Option<i64> = None;
    for call in &calls {
        if last.is_some_and(|last| call.at_ms - last <= LIFE_MS) {
            repeats += 1;
            if call.missed {
                missed += 1;
                could_save += call.less - writes.take().unwrap_or(0);
            }
        } else {
            writes = call.missed.then_some(call.more);
        }
        last = Some(call.at_ms);
    }
    let (provider, name) = model.split_once('/')?;
    let (least, advice) = cache_of(provider, name)?;
    let requests = calls.len() as u64;
    (missed * 2 > repeats && could_save > 0).then_some(Uncached {
        hash,
        model,
        tokens,
        least,
        requests,
        repeats,
        missed,
        could_save,
        advice,
    })
}

#[cfg(test)]
mod tests {
    use super::cache_of;

    #[test]
    fn how_long_a_prefix_must_be_is_what_providers_publish() {
        for (provider, model, least) in [
            ("openai", "gpt-5", Some(1_024)),
            ("azure", "gpt-4o", Some(1_024)),
            ("anthropic", "claude-sonnet-4-5", Some(1_024)),
            ("anthropic", "claude-opus-4-1", Some(1_024)),
            ("anthropic", "claude-opus-4-6", Some(4_096)),
            ("aws", "anthropic.claude-haiku-4-5-20251001-v1:0", Some(4_096)),
            ("google", "claude-3-5-haiku", Some(2_048)),
            ("anthropic", "claude-opus-5", Some(512)),
            ("anthropic", "claude-of-next-year", Some(4_096)),
            ("google", "gemini-2.5-flash", Some(2_048)),
            ("google", "gemini-3-pro", Some(4_096)),
            ("aws", "amazon.nova-pro-v1:0", Some(1_024)),
            ("groq", "llama-3.3-70b-versatile", None),
        ] {
            assert_eq!(cache_of(provider, model).map(|(least, _)| least), least, "{provider}/{model}");
        }
    }
}
