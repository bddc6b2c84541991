//! Which model a bill means. Called by the parent and by `reconcile`. Providers' bills have names of their own for it
//! (`Claude Haiku 4.5`, `USW2-Claude4.5Haiku-output-tokens`): what decides is which words and numbers a name has,
//! and not how they are put together.

/// The words and numbers of a name, in an order that does not depend on it; days and versions of an API left out.
#[must_use]
pub fn words(name: &str) -> Vec<String> {
    let name = name.to_ascii_lowercase();
    let name = bare(name.rsplit('/').next().unwrap_or(&name));
    let mut words = Vec::new();
    for part in name.split(|c: char| !c.is_ascii_alphanumeric()) {
        let mut word = String::new();
        for c in part.chars() {
            let other_kind =
                word.chars().last().is_some_and(|last| last.is_ascii_digit() != c.is_ascii_digit());
            if other_kind {
                words.push(std::mem::take(&mut word));
            }
            word.push(c);
        }
        words.push(word);
    }
    words.retain(|word| !word.is_empty() && word != "latest");
    let mut words = without_days(&words);
    words.sort_unstable();
    words
}

/// Without Bedrock's places, vendors and versions: `us.anthropic.claude-haiku-4-5-20251001-v1:0`.
fn bare(name: &str) -> &str {
    let mut name = name;
    while let Some((head, rest)) = name.split_once('.') {
        let is_name = |text: &str| text.bytes().all(|b| b.is_ascii_alphabetic() || b == b'-');
        if !is_name(head) || !rest.starts_with(|c: char| c.is_ascii_alphabetic()) {
            break;
        }
        name = rest;
    }
    let is_version = |text: &str| text.bytes().all(|b| b.is_ascii_digit() || b == b':') && !text.is_empty();
    name.rsplit_once("-v").filter(|(_, version)| is_version(version)).map_or(name, |(head, _)| head)
}

/// `20241022`, and `2024`, `08`, `06` one after another.
fn without_days(words: &[String]) -> Vec<String> {
    let number = |word: Option<&String>, length: usize| {
        word.is_some_and(|word| word.len() == length && word.bytes().all(|b| b.is_ascii_digit()))
    };
    let (mut kept, mut at) = (Vec::new(), 0);
    while let Some(word) = words.get(at) {
        if number(Some(word), 4) && number(words.get(at + 1), 2) && number(words.get(at + 2), 2) {
            at += 3;
            continue;
        }
        if !number(Some(word), 8) {
            kept.push(word.clone());
        }
        at += 1;
    }
    kept
}

/// Whether a bill's line is for searches that the provider made: `Web Search Usage`, `web search tool calls`,
/// `web_search`.
pub(super) fn is_search(text: &str) -> bool {
    text.to_ascii_lowercase().replace('_', " ").contains("web search")
}

/// A name without the kind of token behind it: `Gemini 2.5 Flash Text Input - Predictions`.
pub(super) fn without_kind(name: &str) -> &str {
    const KINDS: [&str; 9] =
        [" Input", " Output", " Text ", " Cached", " Caching", " Thinking", " Image ", " Audio ", " Video "];
    let end = KINDS.iter().filter_map(|kind| name.find(kind)).min();
    end.filter(|end| *end > 0).and_then(|end| name.get(..end)).unwrap_or(name)
}

#[cfg(test)]
mod tests {
    use super::{is_search, without_kind, words};

    #[test]
    fn a_model_is_known_by_its_words_and_numbers() {
        for (bill, record) in [
            ("Claude Haiku 4.5", "claude-haiku-4-5-20251001"),
            ("Claude4.5Sonnet", "claude-sonnet-4-5"),
            ("gpt-4o-mini-2024-07-18", "gpt-4o-mini"),
            ("models/gemini-2.5-flash", "Gemini 2.5 Flash"),
            ("chatgpt-4o-latest", "chatgpt-4o"),
            ("Claude4.5Haiku", "us.anthropic.claude-haiku-4-5-20251001-v1:0"),
            ("Nova2.0Lite", "amazon.nova-2-0-lite-v1:0"),
        ] {
            assert_eq!(words(bill), words(record), "{bill} {record}");
        }
        for (one, other) in [
            ("gpt-4o", "gpt-4o-mini"),
            ("Claude4Sonnet", "claude-sonnet-4-5"),
            ("o1", "o3"),
            ("gpt-4-0613", "gpt-4"),
        ] {
            assert_ne!(words(one), words(other), "{one} {other}");
        }
        assert_eq!(without_kind("Gemini 2.5 Flash Text Input - Predictions"), "Gemini 2.5 Flash");
        assert_eq!(without_kind("gpt-4o"), "gpt-4o");
        assert!(
            is_search("Web Search Usage") && is_search("web_search") && !is_search("gpt-4o-search-preview")
        );
    }
}
