//! Bodies to measure with: chats as people send them, and texts that are hard on somebody.

/// A name, and the body of `bytes` bytes or nearly so.
pub(crate) type Body = (String, Vec<u8>);

/// What hostile texts are made of, as it stands in JSON.
const HOSTILE: &[(&str, &str)] = &[
    ("a", "a"),
    ("spaces", " "),
    ("newlines", "\\n"),
    ("[", "["),
    ("emoji", "😀"),
    ("base64", "iVBORw0KGgoAAAANSUhEUgAAAQAAAAEACAIAAADTED8xAAADMElEQVR4nOzVwQnAIBQFQYXff81RUkQCOyDj1YOP"),
];

const WORDS: &[&str] = &[
    "The",
    "meeting",
    "moved",
    "to",
    "Thursday,",
    "because",
    "nobody",
    "had",
    "read",
    "the",
    "draft.",
    "We",
    "need",
    "figures",
    "for",
    "2026:",
    "revenue",
    "(EUR",
    "4.2m),",
    "churn",
    "and",
    "costs;",
    "please",
    "summarise",
    "them",
    "in",
    "three",
    "sentences",
    "and",
    "list",
    "what's",
    "missing.\\n\\n-",
    "API",
    "latency",
    "über",
    "alles",
];

fn text(bytes: usize) -> String {
    let mut text = String::with_capacity(bytes + 16);
    // A small generator: the same words in an order that does not repeat.
    let mut state = 1_u64;
    while text.len() < bytes {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        text.push_str(WORDS[(state >> 33) as usize % WORDS.len()]);
        text.push(' ');
    }
    text
}

fn hostile(unit: &str, bytes: usize) -> String {
    unit.repeat(bytes / unit.len())
}

fn request(text: &str) -> Vec<u8> {
    let system = "You are a helpful assistant.";
    format!(
        r#"{{"model":"gpt-4o","temperature":0.2,"messages":[{{"role":"system","content":"{system}"}},{{"role":"user","content":"{text}"}}],"stream":false}}"#
    )
    .into_bytes()
}

fn answer(texts: &[&str]) -> Vec<u8> {
    let head = r#"data: {"id":"chatcmpl-x","object":"chat.completion.chunk","created":1763000000,"model":"gpt-4o-2024-08-06","choices":["#;
    let events = texts.iter().map(|text| {
        format!("{head}{{\"index\":0,\"delta\":{{\"content\":\"{text}\"}},\"finish_reason\":null}}]}}\n\n")
    });
    let usage = format!(
        "{head}],\"usage\":{{\"prompt_tokens\":9,\"completion_tokens\":7,\"total_tokens\":16}}}}\n\n"
    );
    (events.collect::<String>() + &usage + "data: [DONE]\n\n").into_bytes()
}

/// Each size with its name.
const SIZES: &[(&str, usize)] = &[("1 KB", 1_000), ("10 KB", 10_000), ("100 KB", 100_000)];

/// Requests: chats, and chats of one hostile text.
pub(crate) fn requests() -> Vec<Body> {
    let chats = SIZES.iter().map(|(size, bytes)| (format!("chat {size}"), request(&text(*bytes))));
    chats.chain(hostile_pairs().map(|(name, text)| (name, request(&text)))).collect()
}

/// Streamed answers: some words an event, and one event of one hostile text.
pub(crate) fn answers() -> Vec<Body> {
    let chats = SIZES.iter().map(|(size, bytes)| {
        let words = text(*bytes / 6);
        let words: Vec<&str> = words.split_inclusive(' ').collect();
        let events: Vec<String> = words.chunks(5).map(<[&str]>::concat).collect();
        let events: Vec<&str> = events.iter().map(String::as_str).collect();
        (format!("chat {size}"), answer(&events))
    });
    chats.chain(hostile_pairs().map(|(name, text)| (name, answer(&[&text])))).collect()
}

fn hostile_pairs() -> impl Iterator<Item = (String, String)> {
    let each = |(name, unit): &'static (&str, &str)| {
        [("10 KB", 10_000), ("100 KB", 100_000), ("1 MB", 1_000_000)]
            .map(|(size, bytes)| (format!("{name} {size}"), hostile(unit, bytes)))
    };
    HOSTILE.iter().flat_map(each)
}
