//! Which table weighs the parts of a prompt: by the way in which the API takes it, and by the model.

use super::parts::PromptPart as P;
use super::prompt::{Weights, bare_model};
use crate::price::without_date;

/// `engine/weights.txt`, as `build.rs` writes it.
mod tables {
    use super::{P, Weights};
    include!(concat!(env!("OUT_DIR"), "/weights.rs"));
}

/// Text as it is and little around it: for those of whom nothing was recorded.
const PLAIN: Weights = &[
    (P::Base, 3_000),
    (P::Text, 1_000),
    (P::Messages, 4_000),
    (P::ToolText, 1_000),
    (P::Tools, 8_000),
    (P::Properties, 5_000),
    (P::PropertyNames, 1_000),
    (P::Types, 1_000),
    (P::Descriptions, 2_000),
    (P::DescriptionText, 1_000),
    (P::EnumText, 2_000),
    (P::SchemaText, 1_000),
    (P::FormatText, 1_000),
    (P::FormatMarks, 1_000),
    (P::JsonText, 1_000),
    (P::JsonMarks, 1_000),
    (P::ToolCalls, 6_000),
    (P::ToolResults, 4_000),
    (P::Images, 1_000),
    (P::FileBytes, 83),
];

/// Only the text: embeddings, completions, speech.
const BARE: Weights = &[(P::Text, 1_000), (P::Images, 1_000), (P::FileBytes, 83), (P::JsonText, 1_000)];

/// Google's models count as they do in their own API, whoever translates; and OpenRouter reports "native token
/// counts" (<https://openrouter.ai/docs/use-cases/usage-accounting>), which are those of Responses for some of OpenAI's.
pub(super) fn native_style(style: &'static str, provider: Option<&str>, family: &str) -> &'static str {
    match (style, provider, family) {
        ("chat" | "responses", _, "gemini-2" | "gemini-3") => "gemini",
        ("chat", Some("openrouter"), "gpt-5" | "o") => "responses",
        _ => style,
    }
}

/// The table for a style and a model: its own, its family's, or the one of all models in that style. Some providers
/// put prompts of the same style and model together otherwise: theirs come first.
pub(super) fn of(style: &str, provider: Option<&str>, stem: &str, family: &str) -> Weights {
    let all = format!("{family}*");
    let named = |wanted_style: &str, wanted: &str| {
        let mut tables = tables::TABLES.iter();
        tables
            .find(|(style, name, _)| (*style, *name) == (wanted_style, wanted))
            .map(|(.., weights)| *weights)
    };
    let at_provider = provider.and_then(|provider| {
        let style = format!("{style}@{provider}");
        named(&style, stem).or_else(|| named(&style, &all))
    });
    let plain = if style == "text" { BARE } else { PLAIN };
    at_provider
        .or_else(|| named(style, stem))
        .or_else(|| named(style, &all))
        .or_else(|| named(style, "*"))
        .unwrap_or(plain)
}

/// Whether tools that must not be called (`tool_choice: "none"`) are left out of the prompt: so it is with the
/// servers of open models, as recorded; OpenAI, Anthropic, Google and Cohere charge for them.
pub(super) fn drops_tools_not_to_be_called(style: &str, family: &str) -> bool {
    let charge = ["gpt", "o", "claude", "gemini"];
    style == "chat" && !charge.iter().any(|name| family.split('-').next() == Some(*name))
}

/// Models whose prompts are put together alike. The first whose mark the name has.
pub(super) fn family(bare_model: &str) -> &'static str {
    let model = bare_model.to_ascii_lowercase();
    const MARKS: &[(&str, &str)] = &[
        ("gpt-oss", "gpt-oss"),
        ("gpt-5-chat", "gpt-4o"),
        ("gpt-5", "gpt-5"),
        ("gpt-6", "gpt-5"),
        ("gpt-3.5", "gpt-4"),
        ("gpt-35", "gpt-4"),
        ("gpt-4o", "gpt-4o"),
        ("gpt-4.", "gpt-4o"),
        ("gpt-4", "gpt-4"),
        ("gpt", "gpt-4o"),
        ("codex", "o"),
        ("gemini-3", "gemini-3"),
        ("gemini", "gemini-2"),
        ("gemma", "gemma"),
        ("deepseek", "deepseek"),
        ("qwen", "qwen"),
        ("qwq", "qwen"),
        ("llama-guard", "llama-guard"),
        ("llama-4", "llama-4"),
        ("llama4", "llama-4"),
        // From 3.1 on the template states dates.
        ("llama-3.", "llama-3.1"),
        ("llama3-1", "llama-3.1"),
        ("llama3-2", "llama-3.1"),
        ("llama3-3", "llama-3.1"),
        ("llama3.", "llama-3.1"),
        ("llama", "llama"),
        ("hermes-4", "hermes-4"),
        ("grok-code", "grok-code"),
        ("grok-4-fast", "grok-4-fast"),
        ("grok-4-1", "grok-4-fast"),
        ("grok-4.1", "grok-4-fast"),
        ("grok-4", "grok-4"),
        ("grok", "grok"),
        ("command", "command"),
        ("nova-2", "nova-2"),
        ("nova", "nova"),
        ("kimi", "kimi"),
        ("glm", "glm"),
        ("minimax", "minimax"),
        ("sonar", "sonar"),
        ("palmyra", "palmyra"),
        ("mistral", "mistral"),
        ("ministral", "mistral"),
        ("mixtral", "mixtral"),
        ("codestral", "mistral"),
        ("devstral", "devstral"),
        ("magistral", "magistral"),
        ("pixtral", "mistral"),
        ("voxtral", "mistral"),
    ];
    if let Some((_, version)) = model.split_once("claude") {
        return claude(version);
    }
    if ["o1", "o3", "o4"].iter().any(|mark| model.starts_with(mark)) {
        return "o";
    }
    MARKS.iter().find(|(mark, _)| model.contains(mark)).map_or("other", |(_, family)| family)
}

/// By version: what stands around tools changed with 4.5, and with the tokenizer of 4.7.
fn claude(version: &str) -> &'static str {
    // `-3-5-sonnet-20241022`, `-sonnet-4-5`, `-sonnet-4.5`, `-opus-4@20250514`: numbers of many digits are dates.
    let mut numbers = version
        .split(|c: char| !c.is_ascii_digit())
        .filter(|n| (1..=2).contains(&n.len()))
        .map(str::parse::<u32>);
    let mut next = || numbers.next().and_then(Result::ok);
    match (next(), next().unwrap_or(0)) {
        (Some(..=3), _) | (Some(4), ..=4) => "claude-4",
        (Some(4), 5..=6) => "claude-4.5",
        _ => "claude-4.7",
    }
}

/// A model's name without vendor, variant and date, in lower case.
#[must_use]
pub fn stem(model: &str) -> String {
    let bare = bare_model(model).to_ascii_lowercase();
    let bare = bare.split(':').next().unwrap_or(&bare);
    without_date(bare.strip_suffix("-v1").unwrap_or(bare)).to_owned()
}
