//! The pass over a body that fills [`Parts`]. Called by `prompt`; what a path means is the dialect's to say.

use super::parts::{Parts, PromptPart};
use super::prompt::{Adds, Counting, Turn};
use super::schema::{Place, schema_place};
use crate::json::{Container, Event, Key, Visitor};
use crate::media::Image;
use tokenstile_tokens::{ModelCounter, ModelEncoding};

/// A file of which nothing is seen but its name: some pages of text.
const UNSEEN_FILE_BYTES: u64 = 12_000;
/// A text shows by then that it is no base64.
const OPENING_MAX: usize = 256;
/// The longest word that decides something.
const WORD_MAX: usize = 16;

/// Reads a body and counts what its dialect says.
pub(super) struct Counter<'a> {
    counting: Counting,
    model: &'a str,
    encoding: ModelEncoding,
    /// The text at hand, and where its tokens go.
    open: Option<(PromptPart, ModelCounter)>,
    image: Option<(Adds, Image)>,
    /// How it begins, as long as it may turn out to be a text.
    opening: Vec<u8>,
    /// The word at hand that decides something.
    word: Vec<u8>,
    /// Whether a coarse image was asked for before its image.
    low: bool,
    /// What the image before would cost less if it were coarse.
    saving: u64,
    block: Block,
    choice: Choice,
    speaker: Speaker,
    is_partial: bool,
    /// Images, and what may be one: it is elsewhere, or of a kind that nobody knows.
    pub(super) images: u64,
    parts: Parts,
}

/// Whether tools may be called.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Choice {
    May,
    Must,
    MustNot,
}

/// The block at hand, which may say what its link is.
#[derive(Debug, Clone, Copy, Default)]
struct Block {
    /// Whether it says that it is an image, if it said what it is.
    is_image: Option<bool>,
    /// Whether its link was taken for one, if there was a link.
    link: Option<bool>,
}

/// Who speaks in the message at hand.
#[derive(Debug, Clone, Copy, Default)]
struct Speaker {
    is_user: bool,
    says_words: bool,
}

/// What tools and their definitions add.
const TOOL_PARTS: &[PromptPart] = &[
    PromptPart::Tools,
    PromptPart::NamedTools,
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

impl<'a> Counter<'a> {
    pub(super) fn new(counting: Counting, model: &'a str, encoding: ModelEncoding) -> Self {
        Self {
            counting,
            model,
            encoding,
            open: None,
            image: None,
            opening: Vec::new(),
            word: Vec::new(),
            low: false,
            saving: 0,
            block: Block::default(),
            choice: Choice::May,
            speaker: Speaker::default(),
            is_partial: false,
            images: 0,
            parts: Parts::default(),
        }
    }

    /// Whether something belongs to the prompt that does not stand in the body.
    pub(super) fn is_partial(&self) -> bool {
        self.is_partial || self.parts(false).get(PromptPart::ServerTools) > 0
    }

    /// What was counted. `drops_tools`: tools that must not be called do not reach the model.
    pub(super) fn parts(&self, drops_tools: bool) -> Parts {
        let mut parts = self.parts;
        if drops_tools && self.choice == Choice::MustNot {
            TOOL_PARTS.iter().for_each(|part| parts.clear(*part));
        }
        let base = match self.choice {
            _ if parts.get(PromptPart::NamedTools) == 0 => PromptPart::Base,
            Choice::Must => PromptPart::MustTool,
            Choice::May | Choice::MustNot => PromptPart::AnyTool,
        };
        parts.add(base, 1);
        if base != PromptPart::Base {
            parts.set(PromptPart::ThinkingTools, parts.get(PromptPart::Thinking));
            parts.clear(PromptPart::Thinking);
        }
        let unnamed = parts.get(PromptPart::Tools).saturating_sub(parts.get(PromptPart::NamedTools));
        parts.add(PromptPart::ServerTools, unnamed);
        let calls = parts.get(PromptPart::Calls);
        if calls > 0 {
            parts.add(PromptPart::MoreCalls, parts.get(PromptPart::ToolCalls).saturating_sub(calls));
        }
        parts.add(PromptPart::AnyFormat, parts.get(PromptPart::FormatMarks).min(1));
        parts
    }

    fn begin_text(&mut self, part: PromptPart) {
        self.open = Some((part, self.encoding.counter()));
    }

    fn text(&mut self, adds: Option<Adds>, path: &[Key], event: Event<'_>) {
        match (adds, event) {
            (
                Some(Adds::Detail | Adds::Kind | Adds::ToolChoice | Adds::Thinking | Adds::ToolType),
                Event::TextBegin { .. },
            ) => {
                self.word.clear();
            }
            (
                Some(Adds::Detail | Adds::Kind | Adds::ToolChoice | Adds::Thinking | Adds::ToolType),
                Event::Text(piece),
            ) => {
                keep_word(&mut self.word, piece);
            }
            (Some(Adds::Detail), Event::TextEnd { .. }) if self.word == b"low" => self.detail_low(),
            (Some(Adds::Kind), Event::TextEnd { .. }) => self.kind_word(),
            (Some(Adds::ToolChoice), Event::TextEnd { .. }) => self.choice_word(),
            (Some(Adds::ToolType), Event::TextEnd { .. }) => {
                let is_search = self.word.starts_with(b"web_") || self.word.starts_with(b"openrouter:web_");
                self.parts.add(PromptPart::SearchTools, u64::from(is_search));
            }
            (Some(Adds::Thinking), Event::TextEnd { .. }) => match self.word.as_slice() {
                b"none" | b"disabled" => {}
                b"adaptive" | b"auto" => self.parts.set(PromptPart::AdaptiveThinking, 1),
                _ => self.parts.set(PromptPart::Thinking, 1),
            },
            (Some(Adds::Elsewhere), Event::TextBegin { .. }) => self.is_partial = true,
            (Some(Adds::SealedResult), Event::Text(piece)) => {
                self.parts.add(PromptPart::SealedResultBytes, piece.len() as u64);
            }
            (Some(Adds::Sealed), Event::Text(piece)) => {
                self.parts.add(PromptPart::SealedBytes, piece.len() as u64);
            }
            (Some(kind @ (Adds::Image | Adds::File)), Event::TextBegin { .. }) => {
                self.image = Some((kind, Image::default()));
                self.opening.clear();
            }
            (Some(adds), Event::TextBegin { .. }) => self.text_begin(adds, path),
            (_, Event::Text(piece)) => {
                if let Some((_, counter)) = &mut self.open {
                    counter.push(piece);
                } else {
                    self.image_piece(piece);
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
                self.begin_text(PromptPart::Text);
            }
            Adds::ImageLink => self.media(Adds::Image, &Image::default()),
            Adds::FileLink => self.media(Adds::File, &Image::default()),
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
            | Adds::NoMessage
            | Adds::Calls
            | Adds::ServerTool
            | Adds::Image
            | Adds::Block
            | Adds::Kind
            | Adds::Detail
            | Adds::File
            | Adds::Sealed
            | Adds::SealedResult
            | Adds::SearchTool
            | Adds::ToolType
            | Adds::Thinking
            | Adds::ToolChoice
            | Adds::MustCall
            | Adds::TaskBudget
            | Adds::Citations
            | Adds::Elsewhere => {}
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
            self.media(kind, &image);
        }
    }

    /// Some documents stand as plain text where others stand as base64: that shows soon.
    fn image_piece(&mut self, piece: &[u8]) {
        let Some((_, image)) = &mut self.image else { return };
        let room = OPENING_MAX.saturating_sub(self.opening.len()).min(piece.len());
        let (opening, rest) = piece.split_at_checked(room).unwrap_or((piece, &[]));
        image.push(opening);
        self.opening.extend_from_slice(opening);
        if room == 0 || !image.is_plain_text() {
            return image.push(rest);
        }
        self.image = None;
        let mut counter = self.encoding.counter();
        counter.push(&self.opening);
        counter.push(rest);
        self.open = Some((PromptPart::Text, counter));
    }

    fn media(&mut self, kind: Adds, image: &Image) {
        let is_elsewhere = image.decoded_bytes() == 0;
        self.is_partial |= is_elsewhere && !image.is_text();
        let is_other = image.is_text() || image.milliseconds().is_some() || image.is_other();
        let is_image = kind == Adds::Image && !is_other;
        if is_elsewhere && !image.is_text() {
            self.link(is_image);
        } else {
            self.images = self.images.saturating_add(u64::from(is_image));
        }
        if image.is_text() {
            // Four bytes a token is the usual mean.
            self.parts.add(PromptPart::Text, image.text_bytes().div_ceil(4));
        } else if kind == Adds::Image && is_elsewhere {
            self.parts.add(PromptPart::UnseenImages, 1);
        } else if kind == Adds::Image && image.size().is_some() {
            let tokens = |low| (self.counting.image)(self.model, image.size(), low);
            let spent = tokens(std::mem::take(&mut self.low));
            self.saving = spent.saturating_sub(tokens(true));
            self.parts.add(PromptPart::Images, spent);
            self.parts.add(PromptPart::ImageCount, 1);
        } else if let Some(milliseconds) = image.milliseconds() {
            self.parts.add(PromptPart::AudioMs, milliseconds);
        } else if let Some(pages) = image.pages() {
            self.parts.add(PromptPart::Pages, pages);
        } else {
            let bytes = if is_elsewhere { UNSEEN_FILE_BYTES } else { image.decoded_bytes() };
            self.parts.add(PromptPart::FileBytes, bytes);
            self.parts.add(PromptPart::Files, 1);
        }
    }

    /// What its block says of it decides; `is_image`: what it is where the block says nothing.
    fn link(&mut self, is_image: bool) {
        let is_image = self.block.is_image.unwrap_or(is_image);
        self.images = self.images.saturating_add(u64::from(is_image));
        self.block.link = Some(is_image);
    }

    /// It may stand before the block's link or behind it.
    fn kind_word(&mut self) {
        let is_image = self.word.starts_with(b"image") || self.word == b"input_image";
        self.block.is_image = Some(is_image);
        if let Some(was_image) = self.block.link.take() {
            self.images = self.images.saturating_sub(u64::from(was_image));
            self.link(is_image);
        }
    }

    fn choice_word(&mut self) {
        self.choice = match self.word.as_slice() {
            b"none" | b"NONE" => Choice::MustNot,
            b"any" | b"ANY" | b"required" | b"REQUIRED" | b"tool" | b"function" | b"custom" => Choice::Must,
            _ => return,
        };
    }

    /// Whose turn it is. A user's words end a turn: thoughts of before are dropped.
    fn turn(&mut self, turn: Turn, event: Event<'_>) {
        match (turn, event) {
            (Turn::Message, Event::Begin(Container::Object)) => self.speaker = Speaker::default(),
            (Turn::Role, Event::TextBegin { .. }) => self.word.clear(),
            (Turn::Role, Event::Text(piece)) => keep_word(&mut self.word, piece),
            (Turn::Role, Event::TextEnd { .. }) => self.speaker.is_user = self.word == b"user",
            (Turn::Words, Event::TextBegin { .. }) => self.speaker.says_words = true,
            (Turn::Message, Event::End) if self.speaker.is_user && self.speaker.says_words => {
                self.parts.clear(PromptPart::SealedBytes);
                self.parts.clear(PromptPart::Thoughts);
            }
            _ => {}
        }
    }

    /// A number, a truth value or the beginning of a container.
    fn value(&mut self, adds: Adds, path: &[Key], event: Event<'_>) {
        match (adds, event) {
            (Adds::Message, Event::Begin(Container::Object)) => self.parts.add(PromptPart::Messages, 1),
            (Adds::NoMessage, Event::Begin(_)) => self.parts.take(PromptPart::Messages, 1),
            (Adds::Tool, Event::Begin(Container::Object)) => self.parts.add(PromptPart::Tools, 1),
            (Adds::ToolCall, Event::Begin(Container::Object)) => self.parts.add(PromptPart::ToolCalls, 1),
            (Adds::ToolResult, Event::Begin(Container::Object)) => {
                self.parts.add(PromptPart::ToolResults, 1);
            }
            (Adds::Thinking, Event::Number(_) | Event::Bool(true)) => self.parts.set(PromptPart::Thinking, 1),
            (Adds::ServerTool | Adds::SearchTool, Event::Begin(Container::Object)) => {
                self.parts.add(PromptPart::ServerTools, 1);
                self.parts.add(PromptPart::SearchTools, u64::from(adds == Adds::SearchTool));
            }
            (Adds::TaskBudget, Event::Begin(_)) => self.parts.set(PromptPart::TaskBudget, 1),
            (Adds::MustCall, Event::Begin(_)) => self.choice = Choice::Must,
            (Adds::Citations, Event::Bool(true)) => self.parts.set(PromptPart::Citations, 1),
            (Adds::Elsewhere, Event::Begin(_)) => self.is_partial = true,
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
        if let Some(turn) = (self.counting.turn)(path) {
            self.turn(turn, event);
        }
        let adds = (self.counting.adds)(path);
        match event {
            Event::TextBegin { .. } | Event::Text(_) | Event::TextEnd { .. } => self.text(adds, path, event),
            Event::Begin(_) | Event::End if adds == Some(Adds::Block) => self.block = Block::default(),
            Event::End | Event::Null => {}
            _ => {
                if let Some(adds) = adds {
                    self.value(adds, path, event);
                }
            }
        }
    }
}

fn keep_word(word: &mut Vec<u8>, piece: &[u8]) {
    let room = WORD_MAX.saturating_sub(word.len()).min(piece.len());
    word.extend_from_slice(piece.get(..room).unwrap_or_default());
}
