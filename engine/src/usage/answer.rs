//! Reads an answer chunk by chunk and keeps only what decides about money.

use super::framing::Framing;
use super::{Other, Part, Stated, Usage};
use crate::dialect::{Dialect, model_stem};
use crate::json::{Event, Key, Number, Visitor};
use crate::units::NanoUsd;
use tokenstile_tokens::{ModelCounter, encoding_for_model};

/// What an answer has said so far. Dialects write into it.
#[derive(Debug)]
pub struct Answer {
    /// The model that answered.
    pub model: String,
    /// The service tier that it was served in; empty if the answer does not say.
    pub(crate) service_tier: String,
    /// How fast the machines were; empty if the answer does not say.
    speed: String,
    /// Where it was served; empty if the answer does not say.
    place: String,
    /// The numbers stated.
    pub(crate) stated: Stated,
    /// What the provider says that it charges.
    cost: Option<NanoUsd>,
    /// The model of the part of an answer that is being read, where it states one.
    item_model: String,
    /// A model beside the one that answers.
    other_model: String,
    /// Others charge for a part of it.
    pub(crate) others_bill: bool,
    /// An error came inside the answer.
    pub(crate) failed: bool,
    /// The name at hand, as far as it was read.
    name: Vec<u8>,
    /// Small room for a dialect between two events of one document: a name whose number follows.
    pub(crate) note: Vec<u8>,
    /// The number whose name follows.
    pub(crate) noted: Option<u64>,
    /// Counts the text of a stream; a JSON answer is only measured in bytes.
    counter: Option<ModelCounter>,
    text_bytes: u64,
    /// The documents begun: a stream has one an event.
    documents: u64,
    /// The last of them in which the model wrote something.
    wrote_in: u64,
    /// The last of them that stated output; 0 before.
    stated_in: u64,
    /// As long as there is less text, its tokens need not be counted again.
    unpassed_bytes: u64,
}

/// Longest name that is kept.
const NAME_MAX: usize = 256;
/// Longest note.
const NOTE_MAX: usize = 64;

impl Answer {
    /// Takes an event of the model's name.
    pub(crate) fn model_event(&mut self, event: Event<'_>) {
        name_event(&mut self.name, &mut self.model, event);
    }

    /// A part of the answer begins, which may name a model of its own.
    pub(crate) fn begin_item(&mut self) {
        self.item_model.clear();
    }

    /// Takes an event of the name of a part's model.
    pub(crate) fn item_model_event(&mut self, event: Event<'_>) {
        name_event(&mut self.name, &mut self.item_model, event);
    }

    /// Whether this part names a model that is, or until the answering one is known may be, another.
    pub(crate) fn item_may_be_others(&self) -> bool {
        !self.item_model.is_empty() && !is_same(&self.item_model, &self.model)
    }

    /// Whether the model that answers is known.
    pub(crate) const fn is_model_known(&self) -> bool {
        !self.model.is_empty()
    }

    /// A tool's model where the answer names none.
    pub(crate) fn other_model_unless_named(&mut self, name: &str) {
        if self.other_model.is_empty() {
            name.clone_into(&mut self.other_model);
        }
    }

    /// The model of this part is the one beside the one that answers.
    pub(crate) fn keep_other_model(&mut self) {
        self.other_model.clone_from(&self.item_model);
    }

    /// Takes an event of the name of a model that a tool runs.
    pub(crate) fn other_model_event(&mut self, event: Event<'_>) {
        name_event(&mut self.name, &mut self.other_model, event);
    }

    /// Takes an event of the service tier's name.
    pub(crate) fn service_tier_event(&mut self, event: Event<'_>) {
        name_event(&mut self.name, &mut self.service_tier, event);
    }

    /// Takes the service tier that stands in a header.
    pub(crate) fn served_in(&mut self, tier: &[u8]) {
        self.service_tier = String::from_utf8_lossy(tier.get(..NAME_MAX).unwrap_or(tier)).into_owned();
    }

    /// Takes an event of the speed's name.
    pub(crate) fn speed_event(&mut self, event: Event<'_>) {
        name_event(&mut self.name, &mut self.speed, event);
    }

    /// Takes an event of the place's name.
    pub(crate) fn place_event(&mut self, event: Event<'_>) {
        name_event(&mut self.name, &mut self.place, event);
    }

    /// Takes an event of a text to be noted.
    pub(crate) fn note_event(&mut self, event: Event<'_>) {
        match event {
            Event::TextBegin { .. } => self.note.clear(),
            Event::Text(piece) => push_up_to(NOTE_MAX, &mut self.note, piece),
            _ => {}
        }
    }

    /// The next piece of text that the model wrote.
    pub(crate) fn push_output(&mut self, piece: &[u8]) {
        self.text_bytes = self.text_bytes.saturating_add(piece.len() as u64);
        self.wrote_in = self.documents;
        if let Some(counter) = &mut self.counter {
            counter.push(piece);
        }
    }

    /// The provider stated this number for one of several parts.
    pub(crate) fn add(&mut self, part: Part, number: Number<'_>) {
        if let Some(count) = number.as_count() {
            self.set(part, self.stated.or_zero(part).saturating_add(count));
        }
    }

    /// The provider stated this number.
    pub(crate) fn state(&mut self, part: Part, number: Number<'_>) {
        if let Some(count) = number.as_count() {
            self.set(part, count);
        }
    }

    /// The provider stated what it charges, in so many billionths of a dollar each. Zero says nothing: streams of some say it
    /// until they end, and what is free is so by the book.
    pub(crate) fn state_cost(&mut self, number: Number<'_>, nano_each: f64) {
        let nano = number.0.parse::<f64>().map_or(0.0, |cost| (cost * nano_each).round());
        #[expect(clippy::cast_possible_truncation, reason = "within what the type holds")]
        if !number.is_cut() && (1.0..1e18).contains(&nano) {
            self.cost = Some(NanoUsd(nano as i64));
        }
    }

    fn set(&mut self, part: Part, count: u64) {
        if matches!(part, Part::Output | Part::OutputBeside) {
            self.stated_in = self.documents;
        }
        self.stated.set(part, count);
    }
}

/// Not inlined: the end of a count is the whole of counting once more.
#[inline(never)]
fn counted(counter: ModelCounter) -> u64 {
    counter.finish().tokens()
}

/// Whether two names are spellings of one model: with a maker before it, or a date behind.
fn is_same(one: &str, other: &str) -> bool {
    one == other || model_stem(one) == model_stem(other)
}

/// A piece may end inside a character, so a name becomes a text when it is whole.
fn name_event(open: &mut Vec<u8>, name: &mut String, event: Event<'_>) {
    match event {
        Event::TextBegin { .. } => open.clear(),
        Event::Text(piece) => push_up_to(NAME_MAX, open, piece),
        // Each event of a stream says the same again.
        Event::TextEnd { .. } if name.as_bytes() == open.as_slice() => {}
        Event::TextEnd { .. } => *name = String::from_utf8_lossy(open).into_owned(),
        _ => {}
    }
}

/// Who answered, and how it was served, as the answer says; empty where it does not.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Served {
    /// The model.
    pub model: String,
    /// The service tier.
    pub service_tier: String,
    /// How fast the machines were (Anthropic).
    pub speed: String,
    /// Where (Anthropic's `inference_geo`).
    pub place: String,
    /// What the provider says that it charges for the call.
    pub cost: Option<NanoUsd>,
    /// What another model used, part of the usage.
    pub other: Option<Other>,
}

/// As much as there is room for: the same however the text is cut.
fn push_up_to(max: usize, into: &mut Vec<u8>, piece: &[u8]) {
    let room = max.saturating_sub(into.len()).min(piece.len());
    into.extend_from_slice(piece.get(..room).unwrap_or_default());
}

/// An answer that is being read.
#[derive(Debug)]
pub struct AnswerReader {
    framing: Framing,
    sink: Sink,
}

#[derive(Debug)]
pub(super) struct Sink {
    dialect: &'static Dialect,
    answer: Answer,
}

impl Visitor for Sink {
    fn event(&mut self, path: &[Key], event: Event<'_>) {
        // An array at the top (Gemini's stream without SSE) is a row of documents.
        let path = path.strip_prefix(&[Key::Item]).unwrap_or(path);
        if path.is_empty() && matches!(event, Event::Begin(_)) {
            self.answer.documents = self.answer.documents.saturating_add(1);
        }
        (self.dialect.observe)(&mut self.answer, path, event);
    }
}

impl AnswerReader {
    /// A reader for an answer with these headers. `model` is the one that serves: its encoding counts.
    #[must_use]
    pub fn new(dialect: &'static Dialect, content_type: &[u8], encoded: bool, model: &str) -> Self {
        let framing = Framing::new(content_type, encoded);
        let counter = framing.is_stream().then(|| encoding_for_model(model).counter());
        let answer = Answer {
            model: String::new(),
            service_tier: String::new(),
            speed: String::new(),
            place: String::new(),
            stated: Stated::default(),
            failed: false,
            name: Vec::new(),
            cost: None,
            item_model: String::new(),
            other_model: String::new(),
            others_bill: false,
            note: Vec::new(),
            noted: None,
            counter,
            text_bytes: 0,
            documents: 0,
            wrote_in: 0,
            stated_in: 0,
            unpassed_bytes: 0,
        };
        Self { framing, sink: Sink { dialect, answer } }
    }

    /// Takes a header of the answer that the dialect asked for.
    pub fn header(&mut self, name: &str, value: &[u8]) {
        (self.sink.dialect.observe_header)(&mut self.sink.answer, name, value);
    }

    /// Takes the next chunk.
    pub fn feed(&mut self, chunk: &[u8]) {
        self.framing.feed(chunk, &mut self.sink);
    }

    /// Whether the answer's form can be read at all.
    #[must_use]
    pub const fn is_readable(&self) -> bool {
        self.framing.is_readable()
    }

    /// Whether its content type says that it is a stream of server-sent events.
    pub(crate) const fn is_sse(&self) -> bool {
        matches!(self.framing, Framing::Sse(..))
    }

    /// Whether output is counted, and not estimated from its bytes.
    #[must_use]
    pub const fn counts(&self) -> bool {
        self.sink.answer.counter.is_some()
    }

    /// The model that answered; empty if it did not say.
    #[must_use]
    pub fn model(&self) -> &str {
        &self.sink.answer.model
    }

    /// Who answered, and how.
    #[must_use]
    pub fn served(&self) -> Served {
        let Answer { model, service_tier, speed, place, .. } = &self.sink.answer;
        let [model, service_tier, speed, place] = [model, service_tier, speed, place].map(String::clone);
        let cost = self.sink.answer.cost.filter(|_| !self.sink.answer.others_bill);
        let used = self.sink.answer.stated.of_another_model();
        let other = used.map(|usage| Other { model: self.sink.answer.other_model.clone(), usage });
        let other = other.filter(|other| !is_same(&other.model, &model));
        Served { model, service_tier, speed, place, cost, other }
    }

    /// Whether an error came inside the answer.
    #[must_use]
    pub const fn failed(&self) -> bool {
        self.sink.answer.failed
    }

    /// What the provider stated, in our meaning.
    #[must_use]
    pub fn stated(&self) -> Option<Usage> {
        (self.sink.dialect.usage)(&self.sink.answer.stated)
    }

    /// Whether a stream went on after the last event that stated output, or none did: Anthropic's first event states a
    /// token or two, and Gemini's may state the prompt alone.
    #[must_use]
    pub const fn wrote_on(&self) -> bool {
        let Answer { wrote_in, stated_in, .. } = self.sink.answer;
        self.counts() && wrote_in > stated_in
    }

    /// The bytes of text seen.
    pub(crate) const fn text_bytes(&self) -> u64 {
        self.sink.answer.text_bytes
    }

    /// Whether a stream has more output tokens than this by now.
    pub(crate) fn passes(&mut self, most: u64) -> bool {
        let answer = &mut self.sink.answer;
        if answer.text_bytes < answer.unpassed_bytes {
            return false;
        }
        let Some(counter) = &answer.counter else { return false };
        let room = most.checked_sub(counted(counter.clone()));
        // No estimate has two tokens for a byte.
        answer.unpassed_bytes = answer.text_bytes.saturating_add(room.unwrap_or(0) / 2);
        room.is_none()
    }

    /// What [`AnswerReader::passes`] found of another bound says nothing any more.
    pub(crate) const fn looks_again(&mut self) {
        self.sink.answer.unpassed_bytes = 0;
    }

    /// The output tokens seen, counted for a stream and estimated (a token each four bytes) for JSON.
    #[must_use]
    pub fn counted_output(self) -> u64 {
        let Answer { counter, text_bytes, .. } = self.sink.answer;
        counter.map_or_else(|| text_bytes.div_ceil(4), counted)
    }
}
