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
        ("chat" | "responses", _, "gemini-2" | "gemini-2.5" | "gemini-3") => "gemini",
        ("chat", Some("openrouter"), "gpt-5" | "o") => "responses",
        _ => style,
    }
}

/// The table for a style and a model.
pub(super) fn of(style: &str, provider: Option<&str>, stem: &str, family: &str) -> Weights {
    let named = |wanted_style: &str, wanted: &str| {
        let mut tables = tables::TABLES.iter();
        let found = tables.find(|(style, name, _)| (*style, *name) == (wanted_style, wanted));
        found.map(|(.., weights)| *weights)
    };
    let plain = if style == "text" { BARE } else { PLAIN };
    first_table(style, provider, stem, family, named).unwrap_or(plain)
}

/// The first of the tables of a style that `named` finds by style and name: the model's own, its family's, or the one of all
/// models in that style. Some providers put prompts of the same style and model together otherwise: theirs come first.
pub fn first_table<T>(
    style: &str,
    provider: Option<&str>,
    stem: &str,
    family: &str,
    named: impl Fn(&str, &str) -> Option<T>,
) -> Option<T> {
    let all = format!("{family}*");
    let in_style = |style: &str| named(style, stem).or_else(|| named(style, &all));
    let at_provider = provider.and_then(|provider| in_style(&format!("{style}@{provider}")));
    let home = home_style(style, family);
    let at_home = || home.and_then(|home| named(home, &all));
    at_provider.or_else(|| in_style(style)).or_else(at_home).or_else(|| named(style, "*"))
}

/// The style whose table of a family comes nearest where a style has none of its own: prompts of Claude and of Gemini end
/// in their makers' own API, and those of other models in a template, in whatever form they came.
pub fn home_style(style: &str, family: &str) -> Option<&'static str> {
    let maker = family.split('-').next().unwrap_or_default();
    match (style, maker) {
        ("chat" | "responses" | "converse" | "vertex", "claude") => Some("anthropic"),
        ("vertex", "gemini") => Some("gemini"),
        ("responses" | "ollama", maker) if !matches!(maker, "gpt" | "o" | "other") => Some("chat"),
        _ => None,
    }
}

/// Whether tools that must not be called (`tool_choice: "none"`) are left out of the prompt: so it is with these, as
/// recorded. Others charge for them, as does vLLM unless it is told otherwise
/// (<https://docs.vllm.ai/en/latest/features/tool_calling.html>).
pub(super) fn drops_tools_not_to_be_called(style: &str, provider: Option<&str>, family: &str) -> bool {
    let charge = ["gpt", "o", "claude", "gemini"];
    let drops = |provider: &str| {
        matches!(provider, "groq" | "mistral" | "doubleword") || provider.starts_with("huggingface")
    };
    let charges = charge.iter().any(|name| family.split('-').next() == Some(*name));
    style == "chat" && !charges && provider.is_some_and(drops)
}

/// Whether deferred tools are out of the prompt until a search finds them: with Claude, and with OpenAI's "gpt-5.4 and later
/// models" (<https://developers.openai.com/api/docs/guides/tools-tool-search>).
pub(super) fn searches_for_tools(style: &str, provider: Option<&str>, model: &str) -> bool {
    let bare = bare_model(model);
    if style != "responses" {
        return bare.contains("claude");
    }
    let version = bare.strip_prefix("gpt-").map(|version| {
        let mut numbers = version.split(|c: char| !c.is_ascii_digit()).map(str::parse::<u32>);
        let mut next = || numbers.next().and_then(Result::ok).unwrap_or(0);
        (next(), next())
    });
    matches!(provider, None | Some("openai" | "azure")) && version.is_some_and(|version| version >= (5, 4))
}

/// Whether thoughts of earlier turns stay in the prompt: "Claude Opus 4.5 and later Opus models keep all prior thinking blocks
/// … Claude Sonnet 4.6 and later Sonnet models keep all … all Haiku models through Claude Haiku 4.5 keep only the last turn"
/// (<https://platform.claude.com/docs/en/build-with-claude/extended-thinking>).
pub(super) fn keeps_thoughts(model: &str) -> bool {
    let Some((_, version)) = bare_model(model).split_once("claude") else { return false };
    let least = if version.contains("opus") { (4, 5) } else { (4, 6) };
    claude_version(version).is_none_or(|version| version >= least)
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
        // Until 2.0 a tool cost its texts alone.
        ("gemini-1", "gemini-2"),
        ("gemini-2.0", "gemini-2"),
        ("gemini", "gemini-2.5"),
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
    match claude_version(version) {
        Some((..=3, _) | (4, ..=4)) => "claude-4",
        Some((4, 5..=6)) => "claude-4.5",
        _ => "claude-4.7",
    }
}

/// Whether its images may be larger.
pub(super) fn sees_large_images(model: &str) -> bool {
    family(bare_model(model)) == "claude-4.7"
}

fn claude_version(version: &str) -> Option<(u32, u32)> {
    // `-3-5-sonnet-20241022`, `-sonnet-4-5`, `-sonnet-4.5`, `-opus-4@20250514`: numbers of many digits are dates.
    let mut numbers = version
        .split(|c: char| !c.is_ascii_digit())
        .filter(|n| (1..=2).contains(&n.len()))
        .map(str::parse::<u32>);
    let mut next = || numbers.next().and_then(Result::ok);
    Some((next()?, next().unwrap_or(0)))
}

/// A model's name without vendor, variant and date, in lower case.
#[must_use]
pub fn stem(model: &str) -> String {
    let bare = bare_model(model).to_ascii_lowercase();
    let bare = bare.split(':').next().unwrap_or(&bare);
    without_date(bare.strip_suffix("-v1").unwrap_or(bare)).to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Recorded tools are short: a fit that did not bind them had long texts cost nothing.
    #[test]
    fn what_a_model_reads_costs_its_tokens_in_every_table() {
        let read =
            [P::ToolText, P::PropertyNames, P::DescriptionText, P::EnumText, P::SchemaText, P::JsonText];
        for (style, name, weights) in tables::TABLES.iter().filter(|(style, ..)| !style.starts_with("text")) {
            let of = |part| weights.iter().find(|(known, _)| *known == part).map_or(0, |(_, weight)| *weight);
            assert!((900..=1_100).contains(&of(P::Text)), "{style} {name}");
            // Charged for by no recorded call of Gemini 1 and 2.0; titles are not shown to OpenAI's.
            let is_old_gemini =
                name.starts_with("gemini-1") || name.starts_with("gemini-2.0") || *name == "gemini-2*";
            for part in read.into_iter().filter(|part| !is_old_gemini || *part == P::ToolText) {
                let least = if part == P::SchemaText { 500 } else { 900 };
                assert!((least..=1_500).contains(&of(part)), "{style} {name}: {part:?} {}", of(part));
            }
        }
    }

    #[test]
    fn thoughts_stay_with_newer_models() {
        for (model, stay) in [
            ("claude-opus-4-1-20250805", false),
            ("claude-opus-4-5", true),
            ("us.anthropic.claude-opus-4-6-v1:0", true),
            ("claude-sonnet-4-5-20250929", false),
            ("claude-sonnet-4-6", true),
            ("claude-haiku-4-5", false),
            ("claude-3-7-sonnet-latest", false),
            ("claude-sonnet-5", true),
            ("gpt-5", false),
        ] {
            assert_eq!(keeps_thoughts(model), stay, "{model}");
        }
    }

    #[test]
    fn deferral_is_believed_of_those_who_know_it() {
        for (style, provider, model, known) in [
            ("anthropic", None, "claude-opus-4-8", true),
            ("anthropic", None, "deepseek-chat", false),
            ("converse", Some("aws"), "us.anthropic.claude-sonnet-4-6-v1:0", true),
            ("responses", Some("openai"), "gpt-5.4-mini", true),
            ("responses", None, "openai/gpt-6", true),
            ("responses", Some("openai"), "gpt-5", false),
            ("responses", Some("openai"), "gpt-4o", false),
            ("responses", Some("x-ai"), "gpt-5.4", false),
            ("responses", None, "gpt-oss-120b", false),
        ] {
            assert_eq!(searches_for_tools(style, provider, model), known, "{style} {provider:?} {model}");
        }
    }
}
