//! Tools of a prompt: of what kind they are, and those that the model does not see before it searches for them.
//! Called by the pass of `counter`.

use super::Counter;
use crate::dialect::parts::{Parts, PromptPart};
use crate::json::Event;

/// What tools and their definitions add.
pub(super) const TOOL_PARTS: &[PromptPart] = &[
    PromptPart::Tools,
    PromptPart::NamedTools,
    PromptPart::CustomTools,
    PromptPart::ToolText,
    PromptPart::ForcedTool,
    PromptPart::Properties,
    PromptPart::PropertyNames,
    PromptPart::Types,
    PromptPart::Descriptions,
    PromptPart::DescriptionText,
    PromptPart::Enums,
    PromptPart::EnumText,
    PromptPart::Required,
    PromptPart::Objects,
    PromptPart::SchemaText,
];

/// Tools of the provider's own, by kind.
const OWN_TOOLS: &[PromptPart] = &[
    PromptPart::ServerTools,
    PromptPart::SearchTools,
    PromptPart::PreviewSearchTools,
    PromptPart::FileSearchTools,
    PromptPart::ToolSearchTools,
    PromptPart::AdvisorTools,
    PromptPart::ImageTools,
    PromptPart::FetchTools,
    PromptPart::CodeTools,
    PromptPart::ComputerTools,
];

/// The tool at hand.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Tool {
    /// Whether it says that it is the caller's own.
    is_function: bool,
    /// The same, of one that takes a text.
    is_custom: bool,
    pub(super) has_schema: bool,
    /// One of Anthropic's that the caller runs: what it costs by the documents.
    tokens: u64,
    is_deferred: bool,
    /// Whether its name and description are seen, though it is deferred.
    shows_text: bool,
    /// Its name's.
    hash: Hash,
    /// Whether it has not ended: another may stand in it.
    is_open: bool,
}

impl Tool {
    pub(super) fn defer(&mut self, says: bool, shows_text: bool) {
        (self.is_deferred, self.shows_text) = (says && self.is_open, shows_text);
    }

    /// Of two names the last counts.
    pub(super) fn name_begins(&mut self) {
        self.hash = Hash::default();
    }

    pub(super) fn named(&mut self, piece: &[u8]) {
        self.hash.push(piece);
    }
}

/// Of a name, piece by piece: FNV-1a. Who finds two names with the same has a tool counted that is not there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Hash(u64);

impl Default for Hash {
    fn default() -> Self {
        Self(0xCBF2_9CE4_8422_2325)
    }
}

impl Hash {
    fn push(&mut self, piece: &[u8]) {
        self.0 =
            piece.iter().fold(self.0, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(0x100_0000_01B3));
    }
}

/// More deferred tools, or names that were found, than this are not told apart: all are in the prompt then.
const NAMES_MAX: usize = 1_024;

/// Tools that the model does not see until a search finds them:
/// <https://platform.claude.com/docs/en/agents-and-tools/tool-use/tool-search-tool>,
/// <https://developers.openai.com/api/docs/guides/tools-tool-search>.
#[derive(Debug, Clone, Default)]
pub(super) struct Deferred {
    /// What there was where the tool at hand began.
    start: Parts,
    /// What they are made of.
    parts: Parts,
    /// The name of each, and how much it is.
    tools: Vec<(Hash, u64)>,
    /// The names that were found, in order, and the one at hand.
    found: Vec<Hash>,
    name: Hash,
    are_too_many: bool,
    /// Whether the conversation has what a search found.
    was_searched_for: bool,
}

impl Deferred {
    /// What a search found stands in the conversation.
    pub(super) fn searched(&mut self) {
        self.was_searched_for = true;
    }

    /// The name of a tool that was found.
    pub(super) fn reference(&mut self, event: Event<'_>) {
        match event {
            Event::TextBegin { .. } => self.name = Hash::default(),
            Event::Text(piece) => self.name.push(piece),
            Event::TextEnd { .. } if self.found.len() >= NAMES_MAX => self.are_too_many = true,
            Event::TextEnd { .. } => {
                if let Err(at) = self.found.binary_search(&self.name) {
                    self.found.insert(at, self.name);
                }
            }
            _ => {}
        }
    }

    /// These parts, with those of the deferred tools that were found. Where nothing searches for tools, all are there.
    pub(super) fn with_found(&self, mut parts: Parts, are_searched_for: bool) -> Parts {
        let is_search = parts.get(PromptPart::ToolSearchTools) > 0 || !self.found.is_empty();
        let all = self.tools.iter().fold(0, |sum: u64, (_, size)| sum.saturating_add(*size));
        let is_found = |name: &Hash| self.found.binary_search(name).is_ok();
        let of_found = self.tools.iter().filter(|(name, _)| is_found(name)).map(|(_, size)| *size);
        let found = if !are_searched_for || !is_search || self.are_too_many { all } else { of_found.sum() };
        for part in TOOL_PARTS {
            let share =
                u128::from(self.parts.get(*part)).saturating_mul(found.into()).div_ceil(all.max(1).into());
            parts.add(*part, u64::try_from(share).unwrap_or(u64::MAX));
        }
        parts.set(PromptPart::DeferredTools, u64::from(all > 0 && found == 0 && !self.was_searched_for));
        parts
    }

    /// Takes the tool at hand out of `parts`.
    fn take(&mut self, parts: &mut Parts, tool: Tool) {
        let hidden = |part: &&PromptPart| !(tool.shows_text && **part == PromptPart::ToolText);
        let mut size = 0_u64;
        for part in TOOL_PARTS.iter().filter(hidden) {
            let has = parts.get(*part).saturating_sub(self.start.get(*part));
            size = size.saturating_add(has);
            self.parts.add(*part, has);
            parts.set(*part, self.start.get(*part));
        }
        if self.tools.len() >= NAMES_MAX {
            self.are_too_many = true;
        }
        match self.tools.last_mut().filter(|_| self.are_too_many) {
            Some((_, last)) => *last = last.saturating_add(size),
            None => self.tools.push((tool.hash, size)),
        }
    }
}

impl Counter<'_> {
    pub(super) fn tool_begin(&mut self, is_function: bool) {
        self.tool = Tool { is_function, is_open: true, ..Tool::default() };
        self.deferred.start = self.parts;
        self.parts.add(PromptPart::Tools, 1);
    }

    /// A caller's own tool that takes nothing need not say so.
    pub(super) fn tool_end(&mut self) {
        let tool = std::mem::take(&mut self.tool);
        if !tool.has_schema {
            self.parts.add(PromptPart::NamedTools, u64::from(tool.is_function || tool.tokens > 0));
            self.parts.add(PromptPart::ToolText, tool.tokens);
            self.parts.add(PromptPart::CustomTools, u64::from(tool.is_custom));
        }
        if tool.is_deferred {
            self.deferred.take(&mut self.parts, tool);
        }
    }

    /// What the provider's own tools do, by the names of their types.
    pub(super) fn tool_type(&mut self) {
        let word = self.word.strip_prefix(b"openrouter:").unwrap_or(&self.word);
        let begins = |with: &[u8]| word.starts_with(with);
        let is_googles = matches!(self.counting.style, "gemini" | "vertex");
        let part = match () {
            () if word == b"function" => {
                self.tool.is_function = true;
                return;
            }
            // Those that the caller runs without saying what they take.
            () if word == b"custom"
                || begins(b"shell")
                || begins(b"local_shell")
                || begins(b"apply_patch") =>
            {
                self.tool.is_custom = true;
                return;
            }
            // <https://platform.claude.com/docs/en/agents-and-tools/tool-use/bash-tool#pricing>, and the same of the editor.
            () if begins(b"bash_") => {
                self.tool.tokens = 245;
                return;
            }
            () if begins(b"text_editor_") => {
                self.tool.tokens = 700;
                return;
            }
            // A name for several, which stand in it.
            () if word == b"namespace" => return self.parts.take(PromptPart::Tools, 1),
            // These of Google's were not recorded: they weigh as its others do.
            () if is_googles && (begins(b"file_search") || begins(b"computer")) => return,
            () if begins(b"google_search") => PromptPart::SearchTools,
            () if begins(b"web_fetch") || word == b"url_context" => PromptPart::FetchTools,
            // What the preview's searches find is not charged for with most models:
            // <https://platform.openai.com/docs/pricing#built-in-tools>.
            () if begins(b"web_search_prev") => PromptPart::PreviewSearchTools,
            () if begins(b"web_") => PromptPart::SearchTools,
            () if begins(b"file_search") => PromptPart::FileSearchTools,
            () if begins(b"tool_search") => PromptPart::ToolSearchTools,
            () if begins(b"advisor") => PromptPart::AdvisorTools,
            () if begins(b"image_") => PromptPart::ImageTools,
            () if begins(b"code_") => PromptPart::CodeTools,
            () if begins(b"computer") => PromptPart::ComputerTools,
            () => return,
        };
        self.parts.add(part, 1);
    }

    /// A tool of the provider's own that stands for itself, in no list of tools' definitions.
    pub(super) fn own_tool(&mut self, part: PromptPart) {
        self.parts.add(PromptPart::Tools, 1);
        self.parts.add(part, 1);
    }
}

/// How many tools of the provider's own there are.
pub(super) fn own_tools(parts: &Parts) -> u64 {
    OWN_TOOLS.iter().fold(0, |all: u64, kind| all.saturating_add(parts.get(*kind)))
}
