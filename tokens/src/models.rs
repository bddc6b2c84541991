//! How the tokens of a model are counted: its encoding where that is public, else an estimate. Called from outside with
//! the name that a client sent; must not know what a token costs.

use crate::estimate::Estimator;
use crate::{Count, Counter, Encoding};

/// How the tokens of a model are counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ModelEncoding {
    /// The model's encoding is public and counted exactly.
    Exact(Encoding),
    /// It is not: the count is an estimate.
    Estimate(Estimator),
}

impl ModelEncoding {
    /// The tokens of `text`.
    ///
    /// ```
    /// use tokenstile_tokens::{Count, encoding_for_model};
    ///
    /// assert_eq!(encoding_for_model("gpt-4o-mini").count("Hello, world!"), Count::Exact(4));
    /// assert!(matches!(encoding_for_model("claude-sonnet-4-5").count("Hello, world!"), Count::Estimated(_)));
    /// ```
    #[must_use]
    pub fn count(self, text: &str) -> Count {
        match self {
            Self::Exact(encoding) => Count::Exact(encoding.count(text)),
            Self::Estimate(estimator) => Count::Estimated(estimator.count(text)),
        }
    }

    /// A feeder for text that arrives in parts.
    #[must_use]
    pub const fn counter(self) -> ModelCounter {
        match self {
            Self::Exact(encoding) => ModelCounter { model: self, counter: Counter::new(encoding) },
            Self::Estimate(_) => ModelCounter { model: self, counter: Counter::with_scripts() },
        }
    }
}

/// [`Counter`] for a [`ModelEncoding`].
#[derive(Debug, Clone)]
pub struct ModelCounter {
    model: ModelEncoding,
    counter: Counter,
}

impl ModelCounter {
    /// Takes the next bytes, as [`Counter::push`] does.
    pub fn push(&mut self, bytes: &[u8]) {
        self.counter.push(bytes);
    }

    /// The count of everything that was pushed.
    #[must_use]
    pub fn finish(self) -> Count {
        match self.model {
            ModelEncoding::Exact(_) => Count::Exact(self.counter.finish()),
            ModelEncoding::Estimate(estimator) => {
                Count::Estimated(estimator.estimate(self.counter.finish_scripts()))
            }
        }
    }
}

/// The encoding of `model`, as a client names it: with or without a vendor, a region, a date.
///
/// The table is of 2026-11-22. OpenAI's rows are those of tiktoken 0.14.0 (`tiktoken/model.py`).
///
/// ```
/// use tokenstile_tokens::{Encoding, Estimator, ModelEncoding, encoding_for_model};
///
/// assert_eq!(encoding_for_model("openai/gpt-5-mini"), ModelEncoding::Exact(Encoding::O200k));
/// assert_eq!(encoding_for_model("ft:gpt-3.5-turbo:acme::x1"), ModelEncoding::Exact(Encoding::Cl100k));
/// let claude = ModelEncoding::Estimate(Estimator::Claude);
/// assert_eq!(encoding_for_model("us.anthropic.claude-sonnet-4-5-20250929-v1:0"), claude);
/// ```
#[must_use]
pub fn encoding_for_model(model: &str) -> ModelEncoding {
    let name = model.strip_prefix("ft:").unwrap_or(model);
    let name = name.rsplit('/').next().unwrap_or(name).as_bytes();
    let row = TABLE.iter().find(|(words, _)| words.iter().all(|word| has_word(name, word.as_bytes())));
    row.map_or(ModelEncoding::Estimate(Estimator::Unknown), |(_, encoding)| *encoding)
}

/// Whether `name` has `word` in any case, not in the middle of another word.
fn has_word(name: &[u8], word: &[u8]) -> bool {
    let begins =
        |at: usize| at.checked_sub(1).and_then(|at| name.get(at)).is_none_or(|b| !b.is_ascii_alphanumeric());
    name.windows(word.len()).enumerate().any(|(at, found)| found.eq_ignore_ascii_case(word) && begins(at))
        // A word that ends in a blank is the end of the name, or of a part of it.
        || word.strip_suffix(b" ").is_some_and(|word| {
            let ends = |at: usize| name.get(at).is_none_or(|byte| matches!(byte, b'-' | b':' | b'@'));
            name.windows(word.len()).enumerate().any(|(at, found)| {
                found.eq_ignore_ascii_case(word) && begins(at) && ends(at.saturating_add(word.len()))
            })
        })
}

const O200K: ModelEncoding = ModelEncoding::Exact(Encoding::O200k);
const CL100K: ModelEncoding = ModelEncoding::Exact(Encoding::Cl100k);

const fn estimate(estimator: Estimator) -> ModelEncoding {
    ModelEncoding::Estimate(estimator)
}

/// The first row whose words all occur. A blank at the end of a word stands for the end of a part of the name.
static TABLE: &[(&[&str], ModelEncoding)] = &[
    // A distilled model has the tokenizer of the model it was made from.
    (&["deepseek", "llama"], estimate(Estimator::Llama3)),
    (&["deepseek", "qwen"], estimate(Estimator::Qwen)),
    (&["gpt-oss"], O200K),
    (&["gpt-5"], O200K),
    (&["gpt-4.5"], O200K),
    (&["gpt-4.1"], O200K),
    (&["gpt-4o"], O200K),
    (&["chatgpt-4o"], O200K),
    (&["codex-mini"], O200K),
    (&["o1 "], O200K),
    (&["o3 "], O200K),
    (&["o4-mini"], O200K),
    (&["gpt-4 "], CL100K),
    (&["gpt-3.5 "], CL100K),
    (&["gpt-35-turbo"], CL100K),
    (&["text-embedding-3"], CL100K),
    (&["text-embedding-ada-002"], CL100K),
    (&["davinci-002"], CL100K),
    (&["babbage-002"], CL100K),
    // Claude's tokenizer changed with Opus 4.7: the recorded exchanges show a third more tokens from there on.
    (&["claude", "opus-4-7"], estimate(Estimator::Claude5)),
    (&["claude", "opus-4.7"], estimate(Estimator::Claude5)),
    (&["claude", "opus-4-8"], estimate(Estimator::Claude5)),
    (&["claude", "opus-4.8"], estimate(Estimator::Claude5)),
    (&["claude", "sonnet-5"], estimate(Estimator::Claude5)),
    (&["claude", "opus-5"], estimate(Estimator::Claude5)),
    (&["claude", "haiku-5"], estimate(Estimator::Claude5)),
    (&["claude"], estimate(Estimator::Claude)),
    (&["gemini"], estimate(Estimator::Gemini)),
    (&["gemma"], estimate(Estimator::Gemini)),
    (&["llama-4"], estimate(Estimator::Llama4)),
    (&["llama4"], estimate(Estimator::Llama4)),
    (&["llama-v4"], estimate(Estimator::Llama4)),
    (&["llama"], estimate(Estimator::Llama3)),
    (&["llama3"], estimate(Estimator::Llama3)),
    (&["mistral"], estimate(Estimator::Mistral)),
    (&["ministral"], estimate(Estimator::Mistral)),
    (&["mixtral"], estimate(Estimator::Mistral)),
    (&["magistral"], estimate(Estimator::Mistral)),
    (&["codestral"], estimate(Estimator::Mistral)),
    (&["devstral"], estimate(Estimator::Mistral)),
    (&["pixtral"], estimate(Estimator::Mistral)),
    (&["voxtral"], estimate(Estimator::Mistral)),
    (&["deepseek"], estimate(Estimator::DeepSeek)),
    (&["qwen"], estimate(Estimator::Qwen)),
    (&["qwq"], estimate(Estimator::Qwen)),
    (&["command"], estimate(Estimator::Command)),
    (&["nova"], estimate(Estimator::Nova)),
    (&["titan"], estimate(Estimator::Titan)),
    (&["grok"], estimate(Estimator::Grok)),
    (&["gpt"], estimate(Estimator::OpenAi)),
    (&["davinci"], estimate(Estimator::OpenAi)),
    (&["curie"], estimate(Estimator::OpenAi)),
    (&["babbage"], estimate(Estimator::OpenAi)),
    (&["ada"], estimate(Estimator::OpenAi)),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_as_clients_write_them() {
        let cases: &[(&str, ModelEncoding)] = &[
            ("gpt-4o", O200K),
            ("gpt-4o-mini-2024-07-18", O200K),
            ("openai/gpt-4.1-nano", O200K),
            ("chatgpt-4o-latest", O200K),
            ("o1", O200K),
            ("o1-preview", O200K),
            ("o3-mini-2025-01-31", O200K),
            ("o4-mini", O200K),
            ("gpt-5.6-sol", O200K),
            ("openai.gpt-oss-120b-1:0", O200K),
            ("gpt-oss:120b", O200K),
            ("GPT-4", CL100K),
            ("gpt-4-turbo", CL100K),
            ("gpt-4-0613", CL100K),
            ("gpt-3.5-turbo", CL100K),
            ("gpt-35-turbo-16k", CL100K),
            ("text-embedding-3-small", CL100K),
            ("ft:gpt-4o-mini:acme:x:y", O200K),
            ("ft:gpt-3.5-turbo-0125:acme", CL100K),
            ("claude-3-opus-20240229", estimate(Estimator::Claude)),
            ("anthropic/claude-opus-4.1", estimate(Estimator::Claude)),
            ("claude-opus-4-8", estimate(Estimator::Claude5)),
            ("us.anthropic.claude-sonnet-5", estimate(Estimator::Claude5)),
            ("claude-3-5-sonnet-20240620", estimate(Estimator::Claude)),
            ("models/gemini-2.5-flash", estimate(Estimator::Gemini)),
            ("publishers/google/models/gemini-3-pro-preview", estimate(Estimator::Gemini)),
            ("meta-llama/Meta-Llama-3.1-8B-Instruct", estimate(Estimator::Llama3)),
            ("llama3.2:3b", estimate(Estimator::Llama3)),
            ("meta-llama/llama-4-scout-17b-16e-instruct", estimate(Estimator::Llama4)),
            ("deepseek-r1-distill-llama-70b", estimate(Estimator::Llama3)),
            ("deepseek-ai/DeepSeek-V3.1", estimate(Estimator::DeepSeek)),
            ("Qwen/Qwen3.5-9B", estimate(Estimator::Qwen)),
            ("mistral.mistral-large-2407-v1:0", estimate(Estimator::Mistral)),
            ("command-a-03-2025", estimate(Estimator::Command)),
            ("us.amazon.nova-2-lite-v1:0", estimate(Estimator::Nova)),
            ("amazon.titan-text-express-v1", estimate(Estimator::Titan)),
            ("x-ai/grok-4-fast", estimate(Estimator::Grok)),
            ("gpt-9", estimate(Estimator::OpenAi)),
            ("text-davinci-003", estimate(Estimator::OpenAi)),
            ("sonar", estimate(Estimator::Unknown)),
            ("llamo1", estimate(Estimator::Unknown)),
            ("", estimate(Estimator::Unknown)),
        ];
        for (name, expected) in cases {
            assert_eq!(encoding_for_model(name), *expected, "{name}");
        }
    }

    #[test]
    fn parts_are_estimated_as_the_whole() {
        let text =
            "The estimate of a text, größer or 小さい, does not depend on where it is cut.\n".repeat(200);
        for name in ["claude-sonnet-4-5", "gemini-2.5-pro", "gpt-4o"] {
            let model = encoding_for_model(name);
            let mut counter = model.counter();
            text.as_bytes().chunks(61).for_each(|part| counter.push(part));
            assert_eq!(counter.finish(), model.count(&text), "{name}");
        }
    }
}
