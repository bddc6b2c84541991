//! Counting a prompt: a second pass over a body that was read, without a tree. A dialect says by a small
//! function what a value at a path adds; this file adds it up. It knows no dialect.

use super::{Facts, Route, weights};
use crate::json::{Container, Event, Key, Reader, Visitor};
use crate::media::Image;
use tokenstile_tokens::{ModelCounter, ModelEncoding, encoding_for_model};

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
}

/// What a value at a path adds to a prompt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Adds {
    /// A string that the model reads as it is.
    Text,
    /// The text that tells the model how to behave.
    System,
    /// The name of who speaks: a text, and one token more.
    Name,
    /// An object that is one message, or the text that stands for one.
    Message,
    /// An object that defines a tool.
    Tool,
    /// A tool's name or description.
    ToolText,
    /// The name of the tool that must be called.
    ForcedTool,
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
    /// An object that stands for a tool of the provider's own.
    ServerTool,
    /// An image, as base64 or a data URL in this string; anything else is an image of unknown size.
    Image,
    /// The wish for a coarse image: `low`.
    Detail,
    /// A file, as base64 or a data URL in this string.
    File,
    /// Thoughts that only the provider can read.
    Sealed,
    /// Thoughts from before.
    Thoughts,
    /// The object that asks for thinking.
    Thinking,
}

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
    /// One, always.
    Base = "base",
    /// Tokens of text.
    Text = "text",
    /// Messages.
    Messages = "messages",
    /// System texts.
    Systems = "systems",
    /// One, if there is any tool.
    AnyTool = "any_tool",
    /// Tools.
    Tools = "tools",
    /// Tools with a schema.
    NamedTools = "named_tools",
    /// Tools of the provider's own: they have none.
    ServerTools = "server_tools",
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
    /// One, if the model is asked to think.
    Thinking = "thinking",
    /// Tokens of thoughts from before.
    Thoughts = "thoughts",
    /// Tokens of images, by the provider's rule.
    Images = "images",
    /// Images.
    ImageCount = "image_count",
    /// Bytes of files that are no text, decoded.
    FileBytes = "file_bytes",
    /// Such files.
    Files = "files",
    /// Bytes of thoughts that only the provider can read.
    SealedBytes = "sealed_bytes",
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

    fn add(&mut self, part: PromptPart, count: u64) {
        if let Some(place) = self.0.get_mut(part as usize) {
            *place = place.saturating_add(count);
        }
    }

    fn take(&mut self, part: PromptPart, count: u64) {
        if let Some(place) = self.0.get_mut(part as usize) {
            *place = place.saturating_sub(count);
        }
    }
}

/// What each part weighs, in thousandths of a token; what is not listed weighs nothing.
pub(crate) type Weights = &'static [(PromptPart, u64)];

/// How a dialect's prompts are counted.
#[derive(Clone, Copy)]
pub(crate) struct Counting {
    /// What a path adds.
    pub(crate) adds: fn(path: &[Key]) -> Option<Adds>,
    /// The tokens of an image, by the provider's rule; `low`: a coarse one was asked for.
    pub(crate) image: fn(model: &str, size: Option<(u32, u32)>, low: bool) -> u64,
    /// The first half of the name of the tables that weigh the parts.
    pub(crate) style: &'static str,
}

/// Tokens of a file of unknown kind: about a page of text each 3 KB of PDF; an estimate.
const FILE_BYTES_PER_TOKEN: u64 = 12;
/// A file that is only named.
const FILE_UNSEEN: u64 = 1_000;

/// Counts a prompt.
pub(crate) fn count(prompt: &Prompt<'_>, counting: Counting) -> PromptCount {
    let encoding = encoding_for_model(bare_model(&prompt.facts.model));
    let mut counter = Counter {
        counting,
        model: &prompt.facts.model,
        encoding,
        open: None,
        image: None,
        detail: Vec::new(),
        low: false,
        saving: 0,
        parts: Parts::default(),
    };
    let mut reader = Reader::new();
    let read = reader.feed(prompt.body, &mut counter).and_then(|()| reader.finish(&mut counter));
    if read.is_err() {
        // No token is shorter than a byte.
        let tokens = tokenstile_tokens::upper_bound(prompt.body.len() as u64);
        return PromptCount { tokens, ..PromptCount::default() };
    }
    let mut parts = counter.parts;
    parts.add(PromptPart::Base, 1);
    parts.add(PromptPart::AnyTool, parts.get(PromptPart::NamedTools).min(1));
    let unnamed = parts.get(PromptPart::Tools).saturating_sub(parts.get(PromptPart::NamedTools));
    parts.add(PromptPart::ServerTools, unnamed);
    let calls = parts.get(PromptPart::Calls);
    if calls > 0 {
        parts.add(PromptPart::MoreCalls, parts.get(PromptPart::ToolCalls).saturating_sub(calls));
    }
    parts.add(PromptPart::AnyFormat, parts.get(PromptPart::FormatMarks).min(1));
    let family = weights::family(bare_model(&prompt.facts.model));
    let weights = weights::of(counting.style, &weights::stem(&prompt.facts.model), family);
    PromptCount { tokens: weighed(&parts, weights), parts, style: counting.style, family }
}

fn weighed(parts: &Parts, weights: Weights) -> u64 {
    let thousandths = weights
        .iter()
        .fold(0_u64, |all, (part, weight)| all.saturating_add(parts.get(*part).saturating_mul(*weight)));
    thousandths.saturating_add(500) / 1000
}

/// What a place in a JSON schema is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    /// A schema.
    Schema,
    /// The properties or definitions by name.
    Names,
    /// A property's name, and its schema.
    Property,
    Type,
    Description,
    Enum,
    Required,
    Other,
}

/// The place that this path inside a schema leads to.
fn place(path: &[Key]) -> Place {
    path.iter().fold(Place::Schema, |place, key| match (place, key) {
        (Place::Names, _) => Place::Property,
        (Place::Schema | Place::Property, Key::Properties | Key::Defs | Key::Definitions) => Place::Names,
        (
            Place::Schema | Place::Property,
            Key::Items | Key::AdditionalProperties | Key::AnyOf | Key::OneOf | Key::AllOf | Key::Item,
        ) => Place::Schema,
        (Place::Schema | Place::Property, Key::Type) => Place::Type,
        (Place::Schema | Place::Property, Key::Description) => Place::Description,
        (Place::Schema | Place::Property, Key::Enum | Key::Const) => Place::Enum,
        (Place::Schema | Place::Property, Key::Required) => Place::Required,
        (Place::Type | Place::Enum | Place::Required, Key::Item) => place,
        _ => Place::Other,
    })
}

/// The tail of `path` inside a schema that begins `depth` steps before its end.
fn schema_place(path: &[Key], depth: usize) -> Place {
    place(path.get(path.len().saturating_sub(depth)..).unwrap_or_default())
}

/// A model's name without what clouds put around it: `us.anthropic.claude-…-v1:0`, `models/gemini-…`,
/// `openai/gpt-4o:free`, an ARN.
pub(crate) fn bare_model(name: &str) -> &str {
    let name = name.rsplit('/').next().unwrap_or(name);
    let regional = ["us.", "eu.", "apac.", "jp.", "au.", "global.", "us-gov."];
    let name = regional.iter().find_map(|prefix| name.strip_prefix(prefix)).unwrap_or(name);
    let vendors = ["anthropic.", "meta.", "mistral.", "cohere.", "amazon.", "deepseek.", "openai.", "qwen."];
    vendors.iter().find_map(|vendor| name.strip_prefix(vendor)).unwrap_or(name)
}

struct Counter<'a> {
    counting: Counting,
    model: &'a str,
    encoding: ModelEncoding,
    /// The text at hand, and where its tokens go.
    open: Option<(PromptPart, ModelCounter)>,
    image: Option<(Adds, Image)>,
    /// The wish for a coarse image at hand, and whether one stood before its image.
    detail: Vec<u8>,
    low: bool,
    /// What the image before would cost less if it were coarse.
    saving: u64,
    parts: Parts,
}

impl Counter<'_> {
    fn begin_text(&mut self, part: PromptPart) {
        self.open = Some((part, self.encoding.counter()));
    }

    fn text(&mut self, adds: Option<Adds>, path: &[Key], event: Event<'_>) {
        match (adds, event) {
            (Some(Adds::Detail), Event::TextBegin { .. }) => self.detail.clear(),
            (Some(Adds::Detail), Event::Text(piece)) if self.detail.len() < 8 => {
                self.detail.extend_from_slice(piece);
            }
            (Some(Adds::Detail), Event::TextEnd { .. }) if self.detail == b"low" => self.detail_low(),
            (Some(Adds::Sealed), Event::Text(piece)) => {
                self.parts.add(PromptPart::SealedBytes, piece.len() as u64);
            }
            (Some(kind @ (Adds::Image | Adds::File)), Event::TextBegin { .. }) => {
                self.image = Some((kind, Image::default()));
            }
            (Some(adds), Event::TextBegin { .. }) => self.text_begin(adds, path),
            (_, Event::Text(piece)) => {
                if let Some((_, counter)) = &mut self.open {
                    counter.push(piece);
                } else if let Some((_, image)) = &mut self.image {
                    image.push(piece);
                }
            }
            (_, Event::TextEnd { .. }) => self.text_end(),
            _ => {}
        }
    }

    fn text_begin(&mut self, adds: Adds, path: &[Key]) {
        match adds {
            Adds::Text => self.begin_text(PromptPart::Text),
            Adds::Thoughts => self.begin_text(PromptPart::Thoughts),
            Adds::System => {
                self.parts.add(PromptPart::Systems, 1);
                self.begin_text(PromptPart::Text);
            }
            Adds::Name => {
                self.parts.add(PromptPart::Text, 1);
                self.begin_text(PromptPart::Text);
            }
            Adds::Message => {
                self.parts.add(PromptPart::Messages, 1);
                // The role that is not said.
                self.parts.add(PromptPart::Text, 1);
                self.begin_text(PromptPart::Text);
            }
            Adds::ToolText => self.begin_text(PromptPart::ToolText),
            Adds::ForcedTool => self.begin_text(PromptPart::ForcedTool),
            Adds::ToolCall => self.parts.add(PromptPart::ToolCalls, 1),
            Adds::ToolResult => self.parts.add(PromptPart::ToolResults, 1),
            Adds::Json | Adds::Format => self.json_value(adds, true),
            Adds::Schema(depth) => match schema_place(path, depth) {
                Place::Type => self.parts.add(PromptPart::Types, 1),
                Place::Required => self.parts.add(PromptPart::Required, 1),
                Place::Description => {
                    self.parts.add(PromptPart::Descriptions, 1);
                    self.begin_text(PromptPart::DescriptionText);
                }
                Place::Enum => {
                    self.parts.add(PromptPart::Enums, 1);
                    self.begin_text(PromptPart::EnumText);
                }
                Place::Other | Place::Schema | Place::Names | Place::Property => {
                    self.begin_text(PromptPart::SchemaText);
                }
            },
            Adds::Tool
            | Adds::Calls
            | Adds::ServerTool
            | Adds::Image
            | Adds::Detail
            | Adds::File
            | Adds::Sealed
            | Adds::Thinking => {}
        }
    }

    /// A value in JSON that is shown as such: its marks, and its tokens if it is a string.
    fn json_value(&mut self, adds: Adds, is_text: bool) {
        let (text, marks) = match adds {
            Adds::Format => (PromptPart::FormatText, PromptPart::FormatMarks),
            _ => (PromptPart::JsonText, PromptPart::JsonMarks),
        };
        self.parts.add(marks, 1);
        if is_text {
            self.begin_text(text);
        }
    }

    /// It may stand before its image or behind it.
    fn detail_low(&mut self) {
        self.low = self.saving == 0;
        self.parts.take(PromptPart::Images, std::mem::take(&mut self.saving));
    }

    fn text_end(&mut self) {
        if let Some((part, counter)) = self.open.take() {
            self.parts.add(part, counter.finish().tokens());
        }
        if let Some((kind, image)) = self.image.take() {
            if image.is_text() {
                // Four bytes a token is the usual mean.
                self.parts.add(PromptPart::Text, image.text_bytes().div_ceil(4));
            } else if kind == Adds::Image && (image.size().is_some() || image.decoded_bytes() == 0) {
                let tokens = |low| (self.counting.image)(self.model, image.size(), low);
                let spent = tokens(std::mem::take(&mut self.low));
                self.saving = spent.saturating_sub(tokens(true));
                self.parts.add(PromptPart::Images, spent);
                self.parts.add(PromptPart::ImageCount, 1);
            } else {
                let bytes = image.decoded_bytes();
                let bytes = if bytes == 0 { FILE_UNSEEN.saturating_mul(FILE_BYTES_PER_TOKEN) } else { bytes };
                self.parts.add(PromptPart::FileBytes, bytes);
                self.parts.add(PromptPart::Files, 1);
            }
        }
    }

    /// A number, a truth value or the beginning of a container.
    fn value(&mut self, adds: Adds, path: &[Key], event: Event<'_>) {
        match (adds, event) {
            (Adds::Message, Event::Begin(Container::Object)) => self.parts.add(PromptPart::Messages, 1),
            (Adds::Tool, Event::Begin(Container::Object)) => self.parts.add(PromptPart::Tools, 1),
            (Adds::ToolCall, Event::Begin(Container::Object)) => self.parts.add(PromptPart::ToolCalls, 1),
            (Adds::ToolResult, Event::Begin(Container::Object)) => {
                self.parts.add(PromptPart::ToolResults, 1);
            }
            (Adds::Thinking, Event::Begin(Container::Object)) => self.parts.add(PromptPart::Thinking, 1),
            (Adds::ServerTool, Event::Begin(Container::Object)) => {
                self.parts.add(PromptPart::ServerTools, 1);
            }
            (Adds::Calls, Event::Begin(Container::Array)) => self.parts.add(PromptPart::Calls, 1),
            (Adds::Json | Adds::Format, Event::Number(_) | Event::Bool(_) | Event::Begin(_)) => {
                self.json_value(adds, false);
            }
            (Adds::Schema(_), Event::Number(_) | Event::Bool(_)) => {
                self.parts.add(PromptPart::SchemaText, 1);
            }
            (Adds::Schema(depth), Event::Begin(Container::Object))
                if matches!(schema_place(path, depth), Place::Schema | Place::Property) =>
            {
                self.parts.add(if depth == 0 { PromptPart::NamedTools } else { PromptPart::Objects }, 1);
            }
            // A number in the place of a text is a token already.
            (Adds::Text, Event::Number(_)) => self.parts.add(PromptPart::Text, 1),
            _ => {}
        }
    }
}

impl Visitor for Counter<'_> {
    fn key(&mut self, path: &[Key], name: &[u8]) {
        let part = match (self.counting.adds)(path) {
            Some(Adds::Json) => {
                self.parts.add(PromptPart::JsonMarks, 1);
                PromptPart::JsonText
            }
            Some(Adds::Format) => {
                self.parts.add(PromptPart::FormatMarks, 1);
                PromptPart::FormatText
            }
            Some(Adds::Schema(depth)) => match schema_place(path, depth) {
                Place::Property => {
                    self.parts.add(PromptPart::Properties, 1);
                    PromptPart::PropertyNames
                }
                Place::Other => PromptPart::SchemaText,
                _ => return,
            },
            _ => return,
        };
        let mut counter = self.encoding.counter();
        counter.push(name);
        self.parts.add(part, counter.finish().tokens());
    }

    fn event(&mut self, path: &[Key], event: Event<'_>) {
        let adds = (self.counting.adds)(path);
        match event {
            Event::TextBegin { .. } | Event::Text(_) | Event::TextEnd { .. } => self.text(adds, path, event),
            Event::End | Event::Null => {}
            _ => {
                if let Some(adds) = adds {
                    self.value(adds, path, event);
                }
            }
        }
    }
}
