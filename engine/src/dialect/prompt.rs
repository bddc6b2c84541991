//! Counting a prompt: a second pass over a body that was read, without a tree. A dialect says by a small
//! function what a value at a path adds; this file adds it up. It knows no dialect.

use super::Facts;
use crate::json::{Container, Event, Key, Reader, Visitor};
use crate::media::Image;
use tokenstile_tokens::{ModelCounter, ModelEncoding, encoding_for_model};

/// A body whose facts are known, to be counted.
#[derive(Debug)]
pub(crate) struct Prompt<'a> {
    pub(crate) body: &'a [u8],
    pub(crate) facts: &'a Facts,
}

/// How many tokens a prompt has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct PromptCount {
    /// So many.
    pub tokens: u64,
    /// What they are made of.
    pub parts: Parts,
}

/// What a value at a path adds to a prompt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Adds {
    /// A string that the model reads as it is.
    Text,
    /// The name of who speaks: a text, and one token more.
    Name,
    /// An object that is one message, or the text that stands for one.
    Message,
    /// An object that defines a tool.
    Tool,
    /// A tool's name or description.
    ToolText,
    /// JSON that tells the model a shape: everything beneath counts, keys too.
    Schema,
    /// JSON that a tool took or gave: everything beneath counts, keys too.
    Json,
    /// An object that is a call of a tool, or its result.
    ToolCall,
    /// An image, as base64 or a data URL in this string; anything else is an image of unknown size.
    Image,
    /// The wish for a coarse image: `low`.
    Detail,
    /// A file, as base64 or a data URL in this string.
    File,
}

/// The parts of a prompt, in tokens of the model's encoding, and how many there are of some things.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Parts {
    /// Plain text.
    pub text: u64,
    /// Names and descriptions of tools.
    pub tool_text: u64,
    /// Schemas: keys and values.
    pub schema: u64,
    /// Keys in schemas.
    pub schema_keys: u64,
    /// Arguments and results written as JSON: keys and values.
    pub json: u64,
    /// Keys in these.
    pub json_keys: u64,
    /// Messages.
    pub messages: u64,
    /// Tool definitions.
    pub tools: u64,
    /// Calls of tools, and results.
    pub tool_calls: u64,
    /// Images, by the provider's rule.
    pub images: u64,
    /// Bytes of files, decoded.
    pub file_bytes: u64,
    /// Files.
    pub files: u64,
}

/// What each part weighs, in thousandths of a token.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Weights {
    pub(crate) base: u64,
    pub(crate) text: u64,
    pub(crate) message: u64,
    /// Once, if there is any tool.
    pub(crate) tools_base: u64,
    pub(crate) tool: u64,
    pub(crate) tool_text: u64,
    pub(crate) schema: u64,
    pub(crate) schema_key: u64,
    pub(crate) json: u64,
    pub(crate) json_key: u64,
    pub(crate) tool_call: u64,
}

impl Weights {
    /// Text as it is and nothing around it.
    pub(crate) const PLAIN: Self = Self {
        base: 0,
        text: 1000,
        message: 0,
        tools_base: 0,
        tool: 0,
        tool_text: 1000,
        schema: 1000,
        schema_key: 1000,
        json: 1000,
        json_key: 1000,
        tool_call: 0,
    };
}

/// How a dialect's prompts are counted.
#[derive(Clone, Copy)]
pub(crate) struct Counting {
    /// What a path adds.
    pub(crate) adds: fn(path: &[Key]) -> Option<Adds>,
    /// The tokens of an image, by the provider's rule; `low`: a coarse one was asked for.
    pub(crate) image: fn(model: &str, size: Option<(u32, u32)>, low: bool) -> u64,
    /// What parts weigh for a model.
    pub(crate) weights: fn(prompt: &Prompt<'_>) -> Weights,
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
        return PromptCount { tokens, parts: Parts::default() };
    }
    let parts = counter.parts;
    PromptCount { tokens: weighed(&parts, &(counting.weights)(prompt)), parts }
}

fn weighed(parts: &Parts, weights: &Weights) -> u64 {
    let any_tool = u64::from(parts.tools > 0);
    let sum = [
        (1, weights.base),
        (parts.text, weights.text),
        (parts.messages, weights.message),
        (any_tool, weights.tools_base),
        (parts.tools, weights.tool),
        (parts.tool_text, weights.tool_text),
        (parts.schema, weights.schema),
        (parts.schema_keys, weights.schema_key),
        (parts.json, weights.json),
        (parts.json_keys, weights.json_key),
        (parts.tool_calls, weights.tool_call),
        (parts.images, 1000),
        (parts.file_bytes, 1000 / FILE_BYTES_PER_TOKEN),
    ];
    let thousandths = sum.iter().fold(0_u64, |all, (n, each)| all.saturating_add(n.saturating_mul(*each)));
    thousandths.saturating_add(500) / 1000
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
    open: Option<(Adds, ModelCounter)>,
    image: Option<(Adds, Image)>,
    /// The wish for a coarse image at hand, and whether one stood before its image.
    detail: Vec<u8>,
    low: bool,
    /// What the image before would cost less if it were coarse.
    saving: u64,
    parts: Parts,
}

impl Counter<'_> {
    fn bucket(&mut self, adds: Adds) -> &mut u64 {
        match adds {
            Adds::ToolText => &mut self.parts.tool_text,
            Adds::Schema => &mut self.parts.schema,
            Adds::Json => &mut self.parts.json,
            _ => &mut self.parts.text,
        }
    }

    fn add(&mut self, adds: Adds, tokens: u64) {
        let bucket = self.bucket(adds);
        *bucket = bucket.saturating_add(tokens);
    }

    fn begin(&mut self, adds: Adds) {
        let count = match adds {
            Adds::Message => &mut self.parts.messages,
            Adds::Tool => &mut self.parts.tools,
            Adds::ToolCall => &mut self.parts.tool_calls,
            _ => return,
        };
        *count = count.saturating_add(1);
    }

    fn text(&mut self, adds: Option<Adds>, event: Event<'_>) {
        match (adds, event) {
            (Some(Adds::Detail), Event::TextBegin { .. }) => self.detail.clear(),
            (Some(Adds::Detail), Event::Text(piece)) if self.detail.len() < 8 => {
                self.detail.extend_from_slice(piece);
            }
            (Some(Adds::Detail), Event::TextEnd { .. }) if self.detail == b"low" => self.detail_low(),
            (Some(kind @ (Adds::Image | Adds::File)), Event::TextBegin { .. }) => {
                self.image = Some((kind, Image::default()));
            }
            (Some(Adds::Name), Event::TextBegin { .. }) => {
                self.add(Adds::Text, 1);
                self.open = Some((Adds::Text, self.encoding.counter()));
            }
            (Some(Adds::Message), Event::TextBegin { .. }) => {
                self.begin(Adds::Message);
                self.open = Some((Adds::Text, self.encoding.counter()));
            }
            (
                Some(kind @ (Adds::Text | Adds::ToolText | Adds::Schema | Adds::Json)),
                Event::TextBegin { .. },
            ) => {
                self.open = Some((kind, self.encoding.counter()));
            }
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

    /// It may stand before its image or behind it.
    fn detail_low(&mut self) {
        self.low = self.saving == 0;
        self.parts.images = self.parts.images.saturating_sub(std::mem::take(&mut self.saving));
    }

    fn text_end(&mut self) {
        if let Some((adds, counter)) = self.open.take() {
            self.add(adds, counter.finish().tokens());
        }
        if let Some((kind, image)) = self.image.take() {
            if kind == Adds::Image {
                let tokens = |low| (self.counting.image)(self.model, image.size(), low);
                let spent = tokens(std::mem::take(&mut self.low));
                self.saving = spent.saturating_sub(tokens(true));
                self.parts.images = self.parts.images.saturating_add(spent);
            } else {
                let bytes = image.decoded_bytes();
                let bytes = if bytes == 0 { FILE_UNSEEN.saturating_mul(FILE_BYTES_PER_TOKEN) } else { bytes };
                self.parts.file_bytes = self.parts.file_bytes.saturating_add(bytes);
                self.parts.files = self.parts.files.saturating_add(1);
            }
        }
    }
}

impl Visitor for Counter<'_> {
    fn key(&mut self, path: &[Key], name: &[u8]) {
        let adds = (self.counting.adds)(path);
        let count = match adds {
            Some(Adds::Schema) => &mut self.parts.schema_keys,
            Some(Adds::Json) => &mut self.parts.json_keys,
            _ => return,
        };
        *count = count.saturating_add(1);
        let mut counter = self.encoding.counter();
        counter.push(name);
        self.add(adds.unwrap_or(Adds::Text), counter.finish().tokens());
    }

    fn event(&mut self, path: &[Key], event: Event<'_>) {
        match event {
            Event::TextBegin { .. } | Event::Text(_) | Event::TextEnd { .. } => {
                self.text((self.counting.adds)(path), event);
            }
            Event::Begin(Container::Object) => {
                if let Some(adds) = (self.counting.adds)(path) {
                    self.begin(adds);
                }
            }
            Event::Number(_) | Event::Bool(_) => match (self.counting.adds)(path) {
                Some(adds @ (Adds::Schema | Adds::Json)) => self.add(adds, 1),
                // A number in the place of a text is a token already.
                Some(Adds::Text) if matches!(event, Event::Number(_)) => self.add(Adds::Text, 1),
                _ => {}
            },
            Event::Begin(Container::Array) | Event::End | Event::Null => {}
        }
    }
}
