//! Tools of a prompt: of what kind they are, and those that the model does not see before it searches for them.
//! Called by the pass of `counter`.

use super::Counter;
use crate::dialect::parts::{Parts, PromptPart};

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
    is_deferred: bool,
    /// Whether its name and description are seen, though it is deferred.
    shows_text: bool,
}

impl Tool {
    pub(super) fn defer(&mut self, shows_text: bool) {
        (self.is_deferred, self.shows_text) = (true, shows_text);
    }
}

/// Tools that the model does not see until a search finds them:
/// <https://platform.claude.com/docs/en/agents-and-tools/tool-use/tool-search-tool>,
/// <https://developers.openai.com/api/docs/guides/tools-tool-search>.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Deferred {
    /// What there was where the tool at hand began.
    start: Parts,
    /// What they are made of.
    parts: Parts,
    count: u64,
    /// How often a search found one.
    found: u64,
}

impl Deferred {
    pub(super) fn found(&mut self) {
        self.found = self.found.saturating_add(1);
    }

    /// These parts, with what of the deferred tools was found: their mean, for each. Where nothing searches for tools,
    /// they are there.
    pub(super) fn with_found(&self, mut parts: Parts) -> Parts {
        let is_search = parts.get(PromptPart::ToolSearchTools) > 0 || self.found > 0;
        let found = if is_search { self.found.min(self.count) } else { self.count };
        for part in TOOL_PARTS {
            let all = self.parts.get(*part).saturating_mul(found);
            parts.add(*part, all.checked_div(self.count).unwrap_or(0));
        }
        parts.set(PromptPart::DeferredTools, u64::from(self.count > 0 && found == 0));
        parts
    }

    /// Takes the tool at hand out of `parts`.
    fn take(&mut self, parts: &mut Parts, shows_text: bool) {
        self.count = self.count.saturating_add(1);
        let hidden = |part: &&PromptPart| !(shows_text && **part == PromptPart::ToolText);
        for part in TOOL_PARTS.iter().filter(hidden) {
            self.parts.add(*part, parts.get(*part).saturating_sub(self.start.get(*part)));
            parts.set(*part, self.start.get(*part));
        }
    }
}

impl Counter<'_> {
    pub(super) fn tool_begin(&mut self, is_function: bool) {
        self.tool = Tool { is_function, ..Tool::default() };
        self.deferred.start = self.parts;
        self.parts.add(PromptPart::Tools, 1);
    }

    /// A caller's own tool that takes nothing need not say so.
    pub(super) fn tool_end(&mut self) {
        let tool = std::mem::take(&mut self.tool);
        if !tool.has_schema {
            self.parts.add(PromptPart::NamedTools, u64::from(tool.is_function));
            self.parts.add(PromptPart::CustomTools, u64::from(tool.is_custom));
        }
        if tool.is_deferred {
            self.deferred.take(&mut self.parts, tool.shows_text);
        }
    }

    /// What the provider's own tools do, by the names of their types.
    pub(super) fn tool_type(&mut self) {
        let word = self.word.strip_prefix(b"openrouter:").unwrap_or(&self.word);
        let begins = |with: &[u8]| word.starts_with(with);
        let part = match () {
            () if word == b"function" => {
                self.tool.is_function = true;
                return;
            }
            () if word == b"custom" => {
                self.tool.is_custom = true;
                return;
            }
            // A name for several, which stand in it.
            () if word == b"namespace" => return self.parts.take(PromptPart::Tools, 1),
            () if begins(b"web_fetch") => PromptPart::FetchTools,
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
