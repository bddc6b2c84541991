#![expect(clippy::arithmetic_side_effects, reason = "small numbers of the tests")]

use super::*;
use crate::units::EpochMs;
use proptest::prelude::*;
use wildmatch::WildMatch;

/// 2026-11-22T12:00:00Z
const AT: EpochMs = EpochMs(1_795_348_800_000);

fn query<'a>(provider: Option<&'a str>, requested: &'a str) -> PriceQuery<'a> {
    PriceQuery { provider, requested, answered: "", tier: ServiceTier::Standard, at: AT }
}

fn quote(provider: Option<&str>, model: &str) -> Quote {
    Prices::default().quote(&query(provider, model))
}

/// `prices/vectors.json` was made by genai-prices itself: which model a name is, and what two calls cost.
#[test]
fn agrees_with_genai_prices() {
    let text = include_str!("../../../prices/vectors.json");
    let vectors: serde_json::Value = serde_json::from_str(text).unwrap();
    assert_eq!(vectors["version"], PRICES_VERSION);
    let small = Usage { input: 3_000, output: 700, ..Usage::default() };
    let large = Usage {
        input: 300_000,
        cache_read: 40_000,
        cache_write: 9_000,
        output: 7_000,
        web_searches: 3,
        ..Usage::default()
    };
    let rows = vectors["vectors"].as_array().unwrap();
    assert!(rows.len() > 4_000, "a table of {} rows", rows.len());
    for row in rows {
        let (provider, name) = (row[0].as_str().unwrap(), row[1].as_str().unwrap());
        let quote = quote(Some(provider), name);
        let Some(found) = row[2].as_str() else {
            // We try more spellings than they do.
            continue;
        };
        if !quote.entry.ends_with(&format!("/{found}")) {
            // They price an entry without rates at 0; we look further.
            assert_eq!(row[3].as_i64(), Some(0), "{provider} {name} is {found}, not {}", quote.entry);
            continue;
        }
        for (usage, cost) in [(small, &row[3]), (large, &row[4])] {
            // Prices with more than six decimals are rounded in the book: a millionth of the cost at most.
            let (ours, theirs) = (quote.price.cost(usage).0, cost.as_i64().unwrap());
            assert!((ours - theirs).abs() <= 1 + theirs / 100_000, "{provider} {name}: {ours} for {theirs}");
        }
    }
}

#[test]
fn finds_models_by_the_names_people_send() {
    for (provider, name, entry) in [
        (None, "gpt-4o", "openai/gpt-4o"),
        (None, "GPT-4o-2024-08-06", "openai/gpt-4o"),
        (None, "claude-sonnet-4-5", "anthropic/claude-sonnet-4-5"),
        (None, "models/gemini-2.5-flash", "google/gemini-2.5-flash"),
        (Some("google"), "publishers/google/models/gemini-2.5-flash", "google/gemini-2.5-flash"),
        (Some("openai"), "openai/gpt-4o-mini", "openai/gpt-4o-mini"),
        (Some("azure"), "gpt-4o-2024-11-20", "openai/gpt-4o"),
        (Some("mistral"), "mistral-large%2Dlatest", "mistral/mistral-large-latest"),
    ] {
        let quote = quote(provider, name);
        let found = if quote.known { quote.entry.clone() } else { "unknown".to_owned() };
        let same = found == entry || (provider == Some("azure") && found.contains("gpt-4o"));
        assert!(same || found.starts_with(entry.split('/').next().unwrap()), "{name}: {found} for {entry}");
        assert!(quote.known, "{name}");
    }
}

#[test]
fn hosts_name_their_providers() {
    for (host, path, provider) in [
        ("api.openai.com", "/v1/chat/completions", Some("openai")),
        ("API.OPENAI.COM:443", "/v1/responses", Some("openai")),
        ("bedrock-runtime.us-east-1.amazonaws.com", "/model/x/converse", Some("aws")),
        ("my-resource.openai.azure.com", "/openai/deployments/x/chat/completions", Some("azure")),
        ("us-central1-aiplatform.googleapis.com", "/v1/projects", Some("google")),
        ("router.huggingface.co", "/novita/v3/openai/chat/completions", Some("huggingface_novita")),
        ("router.huggingface.co", "/elsewhere/v1/chat/completions", None),
        ("api.openai.com.evil.example", "/v1/chat/completions", None),
        ("localhost", "/v1/chat/completions", None),
        ("", "", None),
    ] {
        assert_eq!(provider_of_host(host.as_bytes(), path.as_bytes()), provider, "{host}{path}");
    }
}

#[test]
fn parts_cost_by_their_own_rates_and_the_whole_for_the_rest() {
    let price = Price::default().with(Unit::Input, 2_000_000).with(Unit::Output, 8_000_000);
    let usage = Usage { input: 1_000, cache_read: 400, output: 100, reasoning: 60, ..Usage::default() };
    let nano = |price: &Price| price.cost(usage).0;
    assert_eq!(nano(&price), 1_000 * 2_000 + 100 * 8_000);
    let cached = price.clone().with(Unit::CacheRead, 500_000);
    assert_eq!(nano(&cached), 600 * 2_000 + 400 * 500 + 100 * 8_000);
    let reasoned = cached.clone().with(Unit::Reasoning, 3_000_000);
    assert_eq!(nano(&reasoned), 600 * 2_000 + 400 * 500 + 40 * 8_000 + 60 * 3_000);
    // A provider that counts more from its cache than there is input is charged for what it says.
    let odd = Usage { input: 100, cache_read: 400, ..Usage::default() };
    assert_eq!(cached.cost(odd).0, 400 * 500);
    // Half a nano-dollar is rounded up, once.
    assert_eq!(Price::default().with(Unit::Input, 500).cost(Usage { input: 1, ..Usage::default() }).0, 1);
}

#[test]
fn history_and_tiers_decide() {
    let at = |day: i64| EpochMs(day * 86_400_000);
    let opus = |at| {
        let prices = Prices::default();
        let query = PriceQuery { at, ..query(Some("anthropic"), "claude-opus-4-6") };
        let long = Usage { input: 300_000, ..Usage::default() };
        prices.quote(&query).price.cost(long).0
    };
    // Until 2026-03-12 prompts of more than 200,000 tokens cost twice as much.
    assert_eq!(opus(at(20_524)), 300_000 * 10_000);
    assert_eq!(opus(at(20_525)), 300_000 * 5_000);
    let four = |tier| {
        let query = PriceQuery { tier, ..query(Some("openai"), "gpt-4o") };
        Prices::default()
            .quote(&query)
            .price
            .cost(Usage { input: 1_000, output: 1_000, ..Usage::default() })
            .0
    };
    assert_eq!(four(ServiceTier::Standard), 12_500_000);
    assert_eq!(four(ServiceTier::Batch), 6_250_000);
    assert_eq!(four(ServiceTier::Priority), 21_250_000);
}

#[test]
fn unknown_is_never_free() {
    let usage = Usage { input: 1_000, output: 1_000, ..Usage::default() };
    for (provider, name) in [
        (None, "mystery"),
        (None, ""),
        (Some("openai"), "mystery"),
        (Some("vllm"), "meta-llama/Llama-3"),
        // The table lists it for this provider without any rate.
        (Some("cerebras"), "qwen-3-coder-480b"),
    ] {
        let quote = quote(provider, name);
        assert!(!quote.known, "{provider:?} {name}: {}", quote.entry);
        assert!(quote.price.cost(usage) > NanoUsd(0), "{provider:?} {name}");
    }
    // The ceiling of a provider is its own.
    let all = quote(None, "mystery").price.cost(usage);
    assert!(quote(Some("groq"), "mystery").price.cost(usage) < all);
}

#[test]
fn what_is_known_to_be_free_is_free() {
    for (provider, name) in [("openrouter", "meta-llama/llama-4-scout:free"), ("github-copilot", "gpt-4o")] {
        let quote = quote(Some(provider), name);
        assert!(quote.known, "{name}");
        assert_eq!(quote.price.cost(Usage { input: 1_000, output: 10, ..Usage::default() }), NanoUsd(0));
    }
}

#[test]
fn a_policys_own_prices_come_first() {
    let price = Price::default().with(Unit::Input, 1).with(Unit::Output, 2);
    let prices = Prices {
        overrides: vec![Override {
            model: WildMatch::new("gpt-4o*"),
            provider: Some("azure".to_owned()),
            price: price.clone(),
        }],
        aliases: vec![("chat-prod".to_owned(), "gpt-4o".to_owned())],
        unknown: UnknownPrice::Price(Box::new(Price::default().with(Unit::Input, 7))),
    };
    let entry = |provider, name| prices.quote(&query(provider, name)).entry;
    assert_eq!(entry(Some("azure"), "Chat-Prod"), "policy/gpt-4o");
    assert_eq!(entry(Some("openai"), "chat-prod"), "openai/gpt-4o");
    assert_eq!(prices.quote(&query(None, "mystery")).price.rate(Unit::Input, 0), Some(7));
}

#[test]
fn rates_are_written_as_they_are_read() {
    for (unit, text, pico) in [
        (Unit::Input, "2.5", 2_500_000),
        (Unit::Input, "0.0375", 37_500),
        (Unit::Output, "0", 0),
        (Unit::WebSearches, "10", 10_000_000_000),
    ] {
        assert_eq!((unit.parse_rate(text), unit.rate_text(pico)), (Some(pico), text.to_owned()));
    }
    for text in ["", ".5", "-1", "1e3", "0.0000001", "1,5", "99999999999"] {
        assert_eq!(Unit::Input.parse_rate(text), None, "{text}");
    }
}

proptest! {
    #[test]
    fn any_name_gets_a_price(name in ".{0,80}", provider in 0..5_usize) {
        let provider = [None, Some("openai"), Some("aws"), Some("openrouter"), Some("nobody")][provider];
        let quote = quote(provider, &name);
        prop_assert!(quote.price.is_stated());
        prop_assert_eq!(quote.known, !quote.entry.is_empty());
    }

    #[test]
    fn more_costs_no_less(a in 0..u64::MAX / 4, b in 0..u64::MAX / 4, c in 0..1_000_000_u64) {
        let price = quote(Some("openai"), "gpt-5").price;
        let cost = |input, output| price.cost(Usage { input, cache_read: c, output, ..Usage::default() });
        prop_assert!(cost(a.max(c), b) <= cost(a.max(c) + 1, b + 1));
    }
}
