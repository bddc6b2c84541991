//! What a prompt is made of: a count for each kind of thing that costs tokens. Filled by `prompt`, weighed by
//! `weights`, fitted by `cargo xtask fit prompts`.

macro_rules! parts {
    ($($(#[$doc:meta])* $part:ident = $name:literal),* $(,)?) => {
        /// A part of a prompt that is counted by itself.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub enum PromptPart { $($(#[$doc])* $part),* }

        impl PromptPart {
            /// All of them.
            pub const ALL: &'static [Self] = &[$(Self::$part),*];

            /// Its name in reports.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self { $(Self::$part => $name),* }
            }
        }
    };
}

parts! {
    /// One, if there is no tool with a schema: what stands around everything.
    Base = "base",
    /// Tokens of text.
    Text = "text",
    /// Messages.
    Messages = "messages",
    /// System texts.
    Systems = "systems",
    /// One, if nobody says how the model shall behave: some templates say something of their own then.
    NoSystem = "no_system",
    /// One in its place, if there is any and none need be called.
    AnyTool = "any_tool",
    /// One in its place, if there is any and one must be called.
    MustTool = "must_tool",
    /// Tools.
    Tools = "tools",
    /// Tools with a schema.
    NamedTools = "named_tools",
    /// Tools of the caller's own that take no JSON but a text, of a grammar or free.
    CustomTools = "custom_tools",
    /// Tools of the provider's own, which have none: those that are none of the next.
    ServerTools = "server_tools",
    /// Those that search the web.
    SearchTools = "search_tools",
    /// Those that search the web in the way of the preview, where what is found is not charged for.
    PreviewSearchTools = "preview_search_tools",
    /// Those that search files.
    FileSearchTools = "file_search_tools",
    /// Those that search for tools.
    ToolSearchTools = "tool_search_tools",
    /// Those that ask another model.
    AdvisorTools = "advisor_tools",
    /// Those that make images.
    ImageTools = "image_tools",
    /// Those that fetch pages.
    FetchTools = "fetch_tools",
    /// Those that run code.
    CodeTools = "code_tools",
    /// Those that use a screen.
    ComputerTools = "computer_tools",
    /// One, if there are tools that the model sees only where it searches for them, and it has found none.
    DeferredTools = "deferred_tools",
    /// Tokens of tools' names and descriptions.
    ToolText = "tool_text",
    /// Tokens of the name of a tool that must be called.
    ForcedTool = "forced_tool",
    /// Properties in their schemas.
    Properties = "properties",
    /// Tokens of the properties' names.
    PropertyNames = "property_names",
    /// Types named in schemas.
    Types = "types",
    /// Descriptions in schemas.
    Descriptions = "descriptions",
    /// Tokens of these.
    DescriptionText = "description_text",
    /// Values of enumerations.
    Enums = "enums",
    /// Tokens of these.
    EnumText = "enum_text",
    /// Names of required properties.
    Required = "required",
    /// Objects in schemas.
    Objects = "objects",
    /// Tokens of all other strings and keys in schemas.
    SchemaText = "schema_text",
    /// One, if the answer has a schema.
    AnyFormat = "any_format",
    /// Tokens of the strings and keys in the schema of the answer.
    FormatText = "format_text",
    /// Its keys, items and containers.
    FormatMarks = "format_marks",
    /// Tokens of JSON that tools took or gave.
    JsonText = "json_text",
    /// Its keys, items and containers.
    JsonMarks = "json_marks",
    /// Messages that call tools.
    Calls = "calls",
    /// Calls of tools.
    ToolCalls = "tool_calls",
    /// Calls beyond the first of their message.
    MoreCalls = "more_calls",
    /// Results of tools.
    ToolResults = "tool_results",
    /// One, if the model is asked to think and has no tools.
    Thinking = "thinking",
    /// One, if the model is asked to think and has tools.
    ThinkingTools = "thinking_tools",
    /// One, if the model may think as it likes.
    AdaptiveThinking = "adaptive_thinking",
    /// One, if the model is told how much it may spend.
    TaskBudget = "task_budget",
    /// Summaries that stand for what was before.
    Summaries = "summaries",
    /// Tokens of thoughts from before.
    Thoughts = "thoughts",
    /// Tokens of images whose size is seen, by the provider's rule.
    Images = "images",
    /// Images whose size is seen.
    ImageCount = "image_count",
    /// Images that are elsewhere.
    UnseenImages = "unseen_images",
    /// Files that are elsewhere and, by what is said of them, no images.
    UnseenFiles = "unseen_files",
    /// Texts that the provider keeps: a cached one, a conversation, a prompt.
    Stored = "stored",
    /// Messages of the model.
    Answers = "answers",
    /// Bytes of files that are no text, decoded.
    FileBytes = "file_bytes",
    /// Such files.
    Files = "files",
    /// Milliseconds of sound.
    AudioMs = "audio_ms",
    /// Pages of documents.
    Pages = "pages",
    /// One, if a document is to be cited.
    Citations = "citations",
    /// Bytes of what a search found that only the provider can read.
    SealedResultBytes = "sealed_result_bytes",
    /// Bytes of thoughts that only the provider can read.
    SealedBytes = "sealed_bytes",
    /// Such thoughts.
    Seals = "seals",
    /// Bytes of such thoughts where the answer is streamed, if that makes a difference.
    StreamedSealedBytes = "streamed_sealed_bytes",
    /// Such thoughts.
    StreamedSeals = "streamed_seals",
}

const PARTS: usize = PromptPart::ALL.len();

/// How much of each part there is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Parts([u64; PARTS]);

impl Default for Parts {
    fn default() -> Self {
        Self([0; PARTS])
    }
}

impl Parts {
    /// How much of this.
    #[must_use]
    pub fn get(&self, part: PromptPart) -> u64 {
        self.0.get(part as usize).copied().unwrap_or(0)
    }

    pub(super) fn add(&mut self, part: PromptPart, count: u64) {
        if let Some(place) = self.0.get_mut(part as usize) {
            *place = place.saturating_add(count);
        }
    }

    pub(super) fn set(&mut self, part: PromptPart, count: u64) {
        if let Some(place) = self.0.get_mut(part as usize) {
            *place = count;
        }
    }

    pub(super) fn clear(&mut self, part: PromptPart) {
        self.set(part, 0);
    }

    /// What remains of these when those are taken away.
    pub(super) fn without(mut self, others: &Self) -> Self {
        for part in PromptPart::ALL {
            self.take(*part, others.get(*part));
        }
        self
    }

    pub(super) fn take(&mut self, part: PromptPart, count: u64) {
        if let Some(place) = self.0.get_mut(part as usize) {
            *place = place.saturating_sub(count);
        }
    }
}
