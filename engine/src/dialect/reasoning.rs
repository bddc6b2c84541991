//! What the reasoning models of OpenAI and Azure take of a request, by family, as of 2026-11-28. What is not said here is
//! not known, and nothing is held against a model for it.
//!
//! - efforts: <https://platform.openai.com/docs/api-reference/chat/create#chat-create-reasoning_effort> ("`gpt-5.1` …
//!   supported … are `none`, `low`, `medium`, and `high`", "all models before `gpt-5.1` … do not support `none`",
//!   "`gpt-5-pro` … only supports `high`", "`xhigh` is supported for all models after `gpt-5.1-codex-max`");
//!   `minimal` came and went with `gpt-5` (<https://github.com/microsoft/vscode/issues/301045>,
//!   <https://github.com/anomalyco/opencode/issues/4451> quote the API); Codex
//!   (<https://github.com/openai/codex/issues/6647>); ChatGPT's (<https://github.com/Laisky/one-api/issues/266>,
//!   `/issues/285`); since 5.4 LiteLLM's table of `prices/README.md`;
//! - `max_tokens`, and what chooses the next token:
//!   <https://learn.microsoft.com/en-us/azure/ai-services/openai/how-to/reasoning#api--feature-support>; from `gpt-5.1` on
//!   some of it is taken without reasoning: <https://platform.openai.com/docs/guides/latest-model>;
//! - `stop`: <https://platform.openai.com/docs/api-reference/chat/create#chat-create-stop>,
//!   <https://github.com/huggingface/smolagents/issues/1671>, `/issues/1893`.

use super::Facts;
use crate::json::Key;
use crate::policy::Effort;
use crate::price::without_date;

/// A family of such models.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Reasoning {
    /// Its names, without their date.
    names: &'static [&'static str],
    /// The efforts that it takes, from the least; `None` where that is not known.
    efforts: Option<&'static [Effort]>,
    /// What it chooses the next token by.
    samples: Samples,
    /// Whether it takes `stop`.
    stops: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Samples {
    /// As it likes.
    Itself,
    /// As it likes, unless it does not reason; whether it reasons where no effort is stated.
    WhenReasoning { unasked: bool },
    /// Nobody says.
    Unknown,
}

use Effort::{High, Low, Max, Medium, Minimal, None as Not, Xhigh};

const FAMILIES: &[Reasoning] = &[
    family(&["o1-mini", "o1-preview"], &[], Samples::Itself, true),
    family(&["o1", "o1-pro"], &[Low, Medium, High], Samples::Itself, true),
    family(&["o3", "o3-mini", "o3-pro", "o4-mini"], &[Low, Medium, High], Samples::Itself, false),
    family(&["gpt-5", "gpt-5-mini", "gpt-5-nano"], &[Minimal, Low, Medium, High], Samples::Itself, false),
    family(&["gpt-5-pro"], &[High], Samples::Itself, false),
    family(&["gpt-5-codex", "gpt-5.1-codex"], &[Low, Medium, High], Samples::Itself, false),
    family(&["gpt-5.1"], &[Not, Low, Medium, High], Samples::WhenReasoning { unasked: false }, false),
    family(&["gpt-5.1-chat", "gpt-5.2-chat"], &[Medium], Samples::Unknown, true),
    family(
        &["gpt-5.2", "gpt-5.4", "gpt-5.4-mini", "gpt-5.4-nano"],
        &[Not, Low, Medium, High, Xhigh],
        Samples::WhenReasoning { unasked: false },
        false,
    ),
    family(&["gpt-5.2-codex", "gpt-5.3-codex"], &[Low, Medium, High, Xhigh], Samples::Itself, false),
    family(&["gpt-5.5-pro"], &[Medium, High, Xhigh], Samples::Itself, true),
    family(
        &["gpt-5.5", "gpt-5.6", "gpt-5.6-sol", "gpt-5.6-terra", "gpt-5.6-luna"],
        &[Not, Low, Medium, High, Xhigh],
        Samples::WhenReasoning { unasked: true },
        true,
    ),
    family(
        &["gpt-6-sol", "gpt-6-luna", "gpt-6.1-terra"],
        &[Not, Low, Medium, High, Xhigh, Max],
        Samples::WhenReasoning { unasked: true },
        true,
    ),
    family(
        &["gpt-6-astra", "gpt-6-rosalind", "gpt-6.1-sol"],
        &[Low, Medium, High, Xhigh, Max],
        Samples::Unknown,
        true,
    ),
];

/// One of these that is not listed.
const OTHER: Reasoning = Reasoning { names: &[], efforts: None, samples: Samples::Unknown, stops: true };

const fn family(
    names: &'static [&'static str],
    efforts: &'static [Effort],
    samples: Samples,
    stops: bool,
) -> Reasoning {
    Reasoning { names, efforts: Some(efforts), samples, stops }
}

impl Reasoning {
    /// The family of a model of OpenAI's, by its name in lower case; `None` if it is none of these.
    pub(crate) fn of(name: &str) -> Option<&'static Self> {
        let name = without_date(name.rsplit('/').next().unwrap_or(name));
        // Azure's names have no dot.
        let version =
            name.strip_prefix("gpt-5-").filter(|rest| rest.starts_with(|c: char| c.is_ascii_digit()));
        let name = version.map_or_else(|| name.to_owned(), |rest| format!("gpt-5.{rest}"));
        let listed = FAMILIES.iter().find(|family| family.names.contains(&name.as_str()));
        // ChatGPT's first is not known to reason.
        let reasons = ["o1", "o3", "o4", "gpt-5", "gpt-6"].iter().any(|start| name.starts_with(start));
        listed.or((reasons && name != "gpt-5-chat").then_some(&OTHER))
    }

    /// The highest effort that it takes that is no higher than this one.
    ///
    /// # Errors
    /// It takes none: what it takes.
    pub(crate) fn nearest(&self, effort: Effort) -> Result<Effort, String> {
        let Some(efforts) = self.efforts else { return Ok(effort) };
        let lower = efforts.iter().rev().find(|known| **known <= effort);
        lower.copied().ok_or_else(|| match efforts {
            [] => "no effort of reasoning".to_owned(),
            _ => {
                let known: Vec<_> = efforts.iter().map(|effort| format!("`{}`", effort.name())).collect();
                format!("no effort as low as `{}`, but {}", effort.name(), known.join(", "))
            }
        })
    }

    /// What it refuses of what a request states to choose its words by.
    pub(crate) fn refuses<'f>(&self, facts: &'f Facts) -> impl Iterator<Item = &'static str> + use<'f> {
        let effort = facts.efforts.iter().map(|(effort, _)| *effort).max();
        let (samples, stops) = (self.samples, self.stops);
        let refused = move |key: &&Key| match (key, samples) {
            (Key::Stop, _) => !stops,
            (_, Samples::Itself) => true,
            // Of the others nobody says.
            (
                Key::Temperature | Key::TopP | Key::Logprobs | Key::TopLogprobs,
                Samples::WhenReasoning { unasked },
            ) => effort.map_or(unasked, |effort| effort > Effort::None),
            _ => false,
        };
        facts.tuned.iter().filter(refused).map(|key| key.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn families_are_known_by_the_names_that_people_send() {
        let efforts = |name: &str| Reasoning::of(name).map(|family| family.efforts.map(<[Effort]>::len));
        for (name, known) in [
            ("gpt-5-mini-2025-08-07", Some(Some(4))),
            ("openai/gpt-5-pro", Some(Some(1))),
            ("gpt-5.1-chat-latest", Some(Some(1))),
            ("gpt-5-2-2025-12-11", Some(Some(5))),
            ("o1-mini", Some(Some(0))),
            ("o3-deep-research", Some(None)),
            ("gpt-5.1-codex-max", Some(None)),
            ("gpt-5-chat-latest", None),
            ("gpt-4o", None),
            ("omni-moderation-latest", None),
        ] {
            assert_eq!(efforts(name), known, "{name}");
        }
    }

    #[test]
    fn an_effort_is_lowered_to_what_the_family_takes() {
        let nearest = |name: &str, effort| Reasoning::of(name).unwrap().nearest(effort);
        assert_eq!(nearest("gpt-5.1", Minimal), Ok(Not));
        assert_eq!(nearest("gpt-5-mini", Xhigh), Ok(High));
        assert_eq!(nearest("gpt-5", Low), Ok(Low));
        assert_eq!(nearest("o3-deep-research", Minimal), Ok(Minimal), "nobody says");
        assert_eq!(
            nearest("o3", Not),
            Err("no effort as low as `none`, but `low`, `medium`, `high`".to_owned())
        );
        assert_eq!(nearest("gpt-5-pro", Low), Err("no effort as low as `low`, but `high`".to_owned()));
        assert_eq!(nearest("o1-mini", High), Err("no effort of reasoning".to_owned()));
        for family in FAMILIES {
            let efforts = family.efforts.unwrap();
            assert!(efforts.windows(2).all(|pair| pair[0] < pair[1]), "{:?}", family.names);
        }
    }
}
