//! Counting a prompt: a second pass over a body that was read, without a tree. A dialect says by small
//! functions what a value at a path adds; `counter` adds it up, and this file weighs it. Knows no dialect.

use super::counter::{Counter, Served};
use super::parts::{Parts, PromptPart};
use super::{Facts, Route, features, weights};
use crate::json::{Key, Reader};
use tokenstile_tokens::encoding_for_model;

/// A body whose facts are known, to be counted.
#[derive(Debug)]
pub(crate) struct Prompt<'a> {
    pub(crate) body: &'a [u8],
    pub(crate) facts: &'a Facts,
    pub(crate) route: &'a Route,
}

/// How many tokens a prompt has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct PromptCount {
    /// So many.
    pub tokens: u64,
    /// What they are made of.
    pub parts: Parts,
    /// The way in which the API takes prompts, and the family of the model: what weights go by.
    pub style: &'static str,
    /// See `style`.
    pub family: &'static str,
    /// More belongs to the prompt than stands in the request: a stored conversation, a cached text, a file or an
    /// image by reference, what a tool of the provider's own puts in. The count is of what is seen.
    pub is_partial: bool,
    /// How many images come with it.
    pub images: u64,
}

/// What a value at a path adds to a prompt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Adds {
    /// A string that the model reads as it is.
    Text,
    /// The text that tells the model how to behave.
    System,
    /// The same beside the messages: a text is one more message, anything else says its texts itself.
    Instructions,
    /// The name of who speaks: a text, and one token more.
    Name,
    /// The list of messages, of which a summary may stand for those before it.
    Conversation,
    /// The word that asks for such summaries.
    ContextEdit,
    /// An object that is one message, or the text that stands for one.
    Message,
    /// The same that may be a block too, of which a list is one message or several.
    MessageBlock,
    /// Who speaks in it.
    Role,
    /// What shows that the object around it is no message: a thought.
    NoMessage,
    /// An object that defines a tool; without a schema, one of the provider's own.
    Tool,
    /// An object that defines a tool of the caller's own, with a schema or without.
    Function,
    /// A tool's name or description.
    ToolText,
    /// The name of the tool that must be called.
    ForcedTool,
    /// A word that says whether tools may, must or must not be called.
    ToolChoice,
    /// What stands for a tool that must be called.
    MustCall,
    /// A value inside a tool's JSON schema, so many steps below its top.
    Schema(usize),
    /// A value inside the schema of the answer.
    Format,
    /// JSON that a tool took or gave: everything beneath counts, keys too.
    Json,
    /// What stands once in each call of a tool.
    ToolCall,
    /// What stands once in each result of a tool.
    ToolResult,
    /// The list of a message's calls.
    Calls,
    /// An object that stands for a tool of the provider's own, of this kind.
    OwnTool(PromptPart),
    /// The word that tells what kind of tool this is.
    ToolType,
    /// Whether the model sees this tool only where it searches for it.
    Deferred,
    /// The same, of a tool whose name and description it sees at once.
    DeferredSchema,
    /// The name of a tool that a search has found.
    ToolReference,
    /// An image, as base64 or a data URL in this string; anything else is an image of unknown size.
    Image,
    /// An image that is elsewhere: a link, an id.
    ImageLink,
    /// A file that is elsewhere.
    FileLink,
    /// An object that may have a link, and says what it is.
    Block,
    /// What it is: `input_image`, `document`, `video/mp4`.
    Kind,
    /// The wish for a coarse image: `low`.
    Detail,
    /// A file, as base64 or a data URL in this string.
    File,
    /// Thoughts that only the provider can read.
    Sealed,
    /// What a search of the provider's own found, for the provider's eyes.
    SealedResult,
    /// Thoughts from before.
    Thoughts,
    /// What asks for thinking: an object, or the word `enabled`.
    Thinking,
    /// What tells the model how much it may spend.
    TaskBudget,
    /// Whether a document is to be cited.
    Citations,
    /// What stands for something that is elsewhere.
    Elsewhere,
    /// What stands for a text that the provider keeps.
    Stored,
}

/// What tells whose turn it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Turn {
    /// A message.
    Message,
    /// The role of who speaks in it.
    Role,
    /// What is said, as opposed to what a tool gave.
    Words,
}

/// What each part weighs, in thousandths of a token; what is not listed weighs nothing.
pub(crate) type Weights = &'static [(PromptPart, u32)];

/// How a dialect's prompts are counted.
#[derive(Clone, Copy)]
pub(crate) struct Counting {
    /// What a path adds.
    pub(crate) adds: fn(path: &[Key]) -> Option<Adds>,
    /// Whose turn it is, where thoughts of earlier turns are dropped.
    pub(crate) turn: fn(path: &[Key]) -> Option<Turn>,
    /// The tokens of an image, by the provider's rule; `low`: a coarse one was asked for.
    pub(crate) image: fn(model: &str, size: Option<(u32, u32)>, low: bool) -> u64,
    /// The first half of the name of the tables that weigh the parts.
    pub(crate) style: &'static str,
}

/// For APIs where nothing of earlier turns is dropped.
pub(crate) const fn no_turns(_: &[Key]) -> Option<Turn> {
    None
}

/// Counts a prompt.
pub(crate) fn count(prompt: &Prompt<'_>, counting: Counting) -> PromptCount {
    let encoding = encoding_for_model(bare_model(&prompt.facts.model));
    let mut counter = Counter::new(counting, &prompt.facts.model, encoding);
    let mut reader = Reader::new();
    let read = reader.feed(prompt.body, &mut counter).and_then(|()| reader.finish(&mut counter));
    if read.is_err() {
        // No token is shorter than a byte.
        let tokens = tokenstile_tokens::upper_bound(prompt.body.len() as u64);
        return PromptCount { tokens, ..PromptCount::default() };
    }
    let family = weights::family(bare_model(&prompt.facts.model));
    let provider = prompt.route.provider;
    let parts = counter.parts(Served {
        drops_tools: weights::drops_tools_not_to_be_called(counting.style, provider, family),
        searches_for_tools: weights::searches_for_tools(counting.style, provider, &prompt.facts.model),
    });
    let style = weights::native_style(counting.style, provider, family);
    let parts = if style == "gemini" && prompt.facts.stream { streamed(parts) } else { parts };
    let weights = weights::of(style, provider, &weights::stem(&prompt.facts.model), family);
    let is_partial = counter.is_partial() || features::searches(&prompt.facts.model);
    let (tokens, images) = (weighed(&parts, weights), counter.images);
    PromptCount { tokens, parts, style, family, is_partial, images }
}

/// Gemini 2.5 on AI Studio charges for the thoughts that signatures stand for in streams alone, as recorded.
fn streamed(mut parts: Parts) -> Parts {
    let pairs = [
        (PromptPart::SealedBytes, PromptPart::StreamedSealedBytes),
        (PromptPart::Seals, PromptPart::StreamedSeals),
    ];
    for (from, to) in pairs {
        parts.set(to, parts.get(from));
        parts.clear(from);
    }
    parts
}

fn weighed(parts: &Parts, weights: Weights) -> u64 {
    let thousandths = weights.iter().fold(0_u64, |all, (part, weight)| {
        all.saturating_add(parts.get(*part).saturating_mul(u64::from(*weight)))
    });
    thousandths.saturating_add(500) / 1000
}

/// A model's name without what clouds put around it: `us.anthropic.claude-…-v1:0`, `models/gemini-…`,
/// `openai/gpt-4o:free`, an ARN.
pub(crate) fn bare_model(name: &str) -> &str {
    let name = name.rsplit('/').next().unwrap_or(name);
    // <https://docs.aws.amazon.com/bedrock/latest/userguide/models-supported.html>, behind a region or not.
    const VENDORS: [&str; 18] = [
        "ai21",
        "amazon",
        "anthropic",
        "cohere",
        "deepseek",
        "google",
        "luma",
        "meta",
        "minimax",
        "mistral",
        "moonshot",
        "moonshotai",
        "nvidia",
        "openai",
        "qwen",
        "stability",
        "writer",
        "zai",
    ];
    let is_vendor = |name: &str| VENDORS.iter().any(|vendor| vendor.eq_ignore_ascii_case(name));
    let Some((first, rest)) = name.split_once('.') else { return name };
    if is_vendor(first) {
        return rest;
    }
    rest.split_once('.').filter(|(second, _)| is_vendor(second)).map_or(name, |(_, model)| model)
}
