//! Which table weighs the parts of a prompt: by the way in which the API takes it, and by the model.

#[path = "weight_tables.rs"]
mod tables;

use super::prompt::{PromptPart as P, Weights, bare_model};
use crate::price::without_date;

/// Text as it is and little around it: for those of whom nothing was recorded.
const PLAIN: Weights = &[
    (P::Base, 3_000),
    (P::Text, 1_000),
    (P::Messages, 3_000),
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

/// The table for a style and a model: its own, its family's, or the one of all models in that style.
pub(super) fn of(style: &str, stem: &str, family: &str) -> Weights {
    let named = |family: &str| {
        let mut tables = tables::TABLES.iter();
        tables.find(|(of, name, _)| (*of, *name) == (style, family)).map(|(.., weights)| *weights)
    };
    let plain = if style == "text" { BARE } else { PLAIN };
    named(stem).or_else(|| named(&format!("{family}*"))).or_else(|| named("*")).unwrap_or(plain)
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
        ("llama", "llama"),
        ("grok", "grok"),
        ("command", "command"),
        ("nova", "nova"),
        ("kimi", "kimi"),
        ("glm", "glm"),
        ("minimax", "minimax"),
        ("sonar", "sonar"),
        ("palmyra", "palmyra"),
        ("mistral", "mistral"),
        ("ministral", "mistral"),
        ("mixtral", "mistral"),
        ("codestral", "mistral"),
        ("devstral", "mistral"),
        ("magistral", "mistral"),
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
