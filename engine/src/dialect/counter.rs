//! The pass over a body that fills [`Parts`]. Called by `prompt`; what a path means is the dialect's to say.

mod compaction;
mod media;
mod tools;

use compaction::Compaction;
use tools::{Deferred, TOOL_PARTS, Tool, own_tools};

use super::parts::{Parts, PromptPart};
use super::prompt::{Adds, Counting, Turn};
use super::schema::{Place, schema_place};
use super::weights;
use crate::json::{Container, Event, Key, Visitor};
use crate::media::Image;
use tokenstile_tokens::{ModelCounter, ModelEncoding};

/// The longest word that decides something.
const WORD_MAX: usize = 64;

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
    tool: Tool,
    deferred: Deferred,
    compaction: Compaction,
    /// Whether somebody says how the model shall behave.
    has_system: bool,
    /// Whether the model keeps its thoughts of earlier turns.
    keeps_thoughts: bool,
    choice: Choice,
    speaker: Speaker,
    is_partial: bool,
    /// Images, and what may be one: it is elsewhere, or of a kind that nobody knows.
    pub(super) images: u64,
    parts: Parts,
}

/// What the server at hand shows the model.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Served {
    /// No tools where none may be called.
    pub(super) drops_tools: bool,
    /// Deferred tools only once a search has found them.
    pub(super) searches_for_tools: bool,
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
    /// Whether that link counts as an unseen image or file.
    is_link: bool,
}

/// Who speaks in the message at hand.
#[derive(Debug, Clone, Copy, Default)]
struct Speaker {
    is_user: bool,
    says_words: bool,
}

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
            tool: Tool::default(),
            deferred: Deferred::default(),
            compaction: Compaction::default(),
            keeps_thoughts: weights::keeps_thoughts(model),
            has_system: false,
            choice: Choice::May,
            speaker: Speaker::default(),
            is_partial: false,
            images: 0,
            parts: Parts::default(),
        }
    }

    /// Whether something belongs to the prompt that does not stand in the body.
    pub(super) fn is_partial(&self) -> bool {
        self.is_partial || own_tools(&self.parts(Served::default())) > 0
    }

    /// What was counted, of what this server shows the model.
    pub(super) fn parts(&self, served: Served) -> Parts {
        let mut parts = self.deferred.with_found(self.parts, served.searches_for_tools);
        if self.counting.style == "anthropic" && self.model.contains("claude") {
            parts = self.compaction.of(parts);
        }
        if served.drops_tools && self.choice == Choice::MustNot {
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
        let known = own_tools(&parts).saturating_add(parts.get(PromptPart::CustomTools));
        parts.add(PromptPart::ServerTools, unnamed.saturating_sub(known));
        parts.set(PromptPart::NoSystem, u64::from(parts.get(PromptPart::Messages) > 0 && !self.has_system));
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
            (Some(adds), Event::TextBegin { .. }) if is_word(adds) => self.word.clear(),
            (Some(adds), Event::Text(piece)) if is_word(adds) => keep_word(&mut self.word, piece),
            (Some(Adds::Detail), Event::TextEnd { .. }) if self.word == b"low" => self.detail_low(),
            (Some(Adds::Kind), Event::TextEnd { .. }) => {
                self.compaction.kind(path, &self.word);
                self.kind_word();
            }
            (Some(Adds::ContextEdit), Event::TextEnd { .. }) => self.compaction.asked(&self.word),
            (Some(Adds::Role), Event::TextEnd { .. }) => self.role_word(),
            (Some(Adds::ToolChoice), Event::TextEnd { .. }) => self.choice_word(),
            (Some(Adds::ToolType), Event::TextEnd { .. }) => self.tool_type(),
            (Some(Adds::Thinking), Event::TextEnd { .. }) => match self.word.as_slice() {
                b"none" | b"disabled" => {}
                b"adaptive" | b"auto" => self.parts.set(PromptPart::AdaptiveThinking, 1),
                _ => self.parts.set(PromptPart::Thinking, 1),
            },
            (Some(Adds::Elsewhere), Event::TextBegin { .. }) => self.is_partial = true,
            (Some(Adds::ToolReference), _) => self.deferred.reference(event),
            (Some(Adds::Stored), Event::TextBegin { .. }) => self.stored(),
            (Some(Adds::Sealed), Event::TextBegin { .. }) => self.parts.add(PromptPart::Seals, 1),
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
                if adds == Some(Adds::ToolText) && path.last() == Some(&Key::Name) {
                    self.tool.named(piece);
                }
                if adds == Some(Adds::Text) && !piece.is_empty() {
                    self.compaction.text(path);
                }
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
                self.has_system = true;
                self.parts.add(PromptPart::Systems, 1);
                self.begin_text(PromptPart::Text);
            }
            Adds::Name => {
                self.parts.add(PromptPart::Text, 1);
                self.begin_text(PromptPart::Text);
            }
            Adds::Message | Adds::MessageBlock | Adds::Instructions => {
                self.has_system |= adds == Adds::Instructions;
                self.parts.add(PromptPart::Messages, 1);
                self.begin_text(PromptPart::Text);
            }
            Adds::ImageLink => self.media(Adds::Image, &Image::default()),
            Adds::FileLink => self.media(Adds::File, &Image::default()),
            Adds::ToolText => {
                if path.last() == Some(&Key::Name) {
                    self.tool.name_begins();
                }
                self.begin_text(PromptPart::ToolText);
            }
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
            | Adds::Function
            | Adds::NoMessage
            | Adds::Calls
            | Adds::OwnTool(_)
            | Adds::Deferred
            | Adds::DeferredSchema
            | Adds::ToolReference
            | Adds::Conversation
            | Adds::ContextEdit
            | Adds::Role
            | Adds::Image
            | Adds::Block
            | Adds::Kind
            | Adds::Detail
            | Adds::File
            | Adds::Sealed
            | Adds::SealedResult
            | Adds::ToolType
            | Adds::Thinking
            | Adds::ToolChoice
            | Adds::MustCall
            | Adds::TaskBudget
            | Adds::Citations
            | Adds::Stored
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

    fn text_end(&mut self) {
        if let Some((part, counter)) = self.open.take() {
            let tokens = counter.finish().tokens();
            self.parts.add(part, tokens);
            if part == PromptPart::DescriptionText && tokens == 0 {
                self.parts.take(PromptPart::Descriptions, 1);
            }
        }
        if let Some((kind, image)) = self.image.take() {
            self.media(kind, &image);
        }
    }

    fn stored(&mut self) {
        self.is_partial = true;
        self.parts.add(PromptPart::Stored, 1);
    }

    fn role_word(&mut self) {
        self.has_system |= matches!(self.word.as_slice(), b"system" | b"developer");
    }

    fn choice_word(&mut self) {
        self.choice = match self.word.as_slice() {
            b"none" | b"NONE" => Choice::MustNot,
            b"any" | b"ANY" | b"required" | b"REQUIRED" | b"tool" | b"function" | b"custom" => Choice::Must,
            _ => Choice::May,
        };
    }

    /// Whose turn it is. A user's words end a turn: thoughts of before are dropped.
    fn turn(&mut self, turn: Turn, event: Event<'_>) {
        match (turn, event) {
            (Turn::Message, Event::Begin(Container::Object)) => self.speaker = Speaker::default(),
            (Turn::Role, Event::TextBegin { .. }) => self.word.clear(),
            (Turn::Role, Event::Text(piece)) => keep_word(&mut self.word, piece),
            (Turn::Role, Event::TextEnd { .. }) => {
                self.role_word();
                self.speaker.is_user = matches!(self.word.as_slice(), b"user" | b"user_input");
                self.parts.add(PromptPart::Answers, u64::from(self.word == b"assistant"));
            }
            (Turn::Words, Event::TextBegin { .. }) => self.speaker.says_words = true,
            (Turn::Message, Event::End)
                if self.speaker.is_user && self.speaker.says_words && !self.keeps_thoughts =>
            {
                self.parts.clear(PromptPart::SealedBytes);
                self.parts.clear(PromptPart::Seals);
                self.parts.clear(PromptPart::Thoughts);
            }
            _ => {}
        }
    }

    /// A number, a truth value or the beginning of a container.
    fn value(&mut self, adds: Adds, path: &[Key], event: Event<'_>) {
        match (adds, event) {
            (Adds::Message | Adds::MessageBlock, Event::Begin(Container::Object)) => {
                self.block = Block::default();
                self.parts.add(PromptPart::Messages, 1);
            }
            (Adds::NoMessage, Event::Begin(_)) => self.parts.take(PromptPart::Messages, 1),
            (Adds::Tool | Adds::Function, Event::Begin(Container::Object)) => {
                self.tool_begin(adds == Adds::Function);
                if path.first() == Some(&Key::Input) {
                    self.deferred.searched();
                }
            }
            (Adds::Deferred | Adds::DeferredSchema, Event::Bool(says)) => {
                self.tool.defer(says, adds == Adds::DeferredSchema);
            }
            (Adds::Instructions, Event::Begin(_)) => self.has_system = true,
            (Adds::Conversation, Event::Begin(Container::Array)) => self.compaction.conversation(self.parts),
            (Adds::ToolCall, Event::Begin(Container::Object)) => self.parts.add(PromptPart::ToolCalls, 1),
            (Adds::ToolResult, Event::Begin(Container::Object)) => {
                self.parts.add(PromptPart::ToolResults, 1);
            }
            (Adds::Thinking, Event::Number(_) | Event::Bool(true)) => self.parts.set(PromptPart::Thinking, 1),
            (Adds::OwnTool(kind), Event::Begin(Container::Object)) => self.own_tool(kind),
            (Adds::TaskBudget, Event::Begin(_)) => self.parts.set(PromptPart::TaskBudget, 1),
            (Adds::MustCall, Event::Begin(_)) => self.choice = Choice::Must,
            (Adds::Citations, Event::Bool(true)) => self.parts.set(PromptPart::Citations, 1),
            (Adds::Elsewhere, Event::Begin(_)) => self.is_partial = true,
            (Adds::Stored, Event::Begin(_)) => self.stored(),
            (Adds::Calls, Event::Begin(Container::Array)) => self.parts.add(PromptPart::Calls, 1),
            (Adds::Json | Adds::Format, Event::Number(_) | Event::Bool(_) | Event::Begin(_)) => {
                self.json_value(adds, false);
                let text = if adds == Adds::Json { PromptPart::JsonText } else { PromptPart::FormatText };
                self.parts.add(text, more_tokens(event));
            }
            (Adds::Schema(_), Event::Number(_) | Event::Bool(_)) => {
                self.parts.add(PromptPart::SchemaText, more_tokens(event).saturating_add(1));
            }
            (Adds::Schema(depth), Event::Begin(Container::Object))
                if matches!(schema_place(path, depth), Place::Schema | Place::Property) =>
            {
                self.tool.has_schema |= depth == 0;
                self.parts.add(if depth == 0 { PromptPart::NamedTools } else { PromptPart::Objects }, 1);
            }
            // A number in the place of a text is a token already.
            (Adds::Text, Event::Number(_)) => {
                self.parts.add(PromptPart::Text, more_tokens(event).saturating_add(1));
            }
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
        if let Some(turn) = (self.counting.turn)(path) {
            // A word that decides something else as well is kept once.
            let is_kept = matches!(event, Event::Text(_)) && adds.is_some_and(is_word);
            if !is_kept {
                self.turn(turn, event);
            }
        }
        match event {
            Event::TextBegin { .. } | Event::Text(_) | Event::TextEnd { .. } => self.text(adds, path, event),
            Event::Begin(_) | Event::End if adds == Some(Adds::Block) => {
                self.block = Block::default();
                self.compaction.block(path, event, &self.parts);
            }
            Event::End if matches!(adds, Some(Adds::Tool | Adds::Function)) => self.tool_end(),
            Event::End | Event::Null => {}
            _ => {
                if let Some(adds) = adds {
                    self.value(adds, path, event);
                }
            }
        }
    }
}

/// Whether a text is a word that decides something.
fn is_word(adds: Adds) -> bool {
    matches!(
        adds,
        Adds::Detail
            | Adds::Kind
            | Adds::Role
            | Adds::ContextEdit
            | Adds::ToolChoice
            | Adds::Thinking
            | Adds::ToolType
    )
}

/// The tokens of a number beyond its first: three digits each.
fn more_tokens(event: Event<'_>) -> u64 {
    let digits = if let Event::Number(number) = event { number.0.len() } else { 0 };
    digits.saturating_sub(3).div_euclid(3) as u64
}

fn keep_word(word: &mut Vec<u8>, piece: &[u8]) {
    let room = WORD_MAX.saturating_sub(word.len()).min(piece.len());
    word.extend_from_slice(piece.get(..room).unwrap_or_default());
}
