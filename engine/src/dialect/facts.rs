//! What a request body says about money, and what a dialect tells of its bodies so that `finder.rs` finds it.

use super::prompt::Adds;
use super::{Features, PrefixPart, Route};
use crate::json::Key;
use crate::policy::Effort;
use std::ops::Range;

/// What a request body says.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Facts {
    /// The model asked for, from the body or the path.
    pub model: String,
    /// Where the model is written.
    pub model_at: ModelAt,
    /// Its name is several segments of the path, which `/` parts.
    pub model_is_segments: bool,
    /// Where the body names the model once more, though the path decides, and must say the same.
    pub model_again: Option<Range<usize>>,
    /// The request's own bound for the output tokens of one choice; the highest where it states several.
    pub output_bound: Option<u64>,
    /// Where bounds stand in the body, whatever their value.
    pub output_bound_spans: Vec<Range<usize>>,
    /// Where the name `max_tokens` stands, quotes included, where it alone states a bound and another name for it is
    /// known: some models refuse it.
    pub max_tokens_at: Option<Range<usize>>,
    /// Where one can be put in, if none stands there.
    pub output_bound_room: Option<Room>,
    /// How many answers are asked for at once: choices, candidates, images.
    pub choices: u64,
    /// How many images are asked for, where that is what this API makes, and come in a form.
    pub images: u64,
    /// Whether the answer shall be streamed.
    pub stream: bool,
    /// `service_tier` or its like, as written, lower case; empty if not stated.
    pub service_tier: String,
    /// Where `service_tier` stands, whatever its value, or can be put in: in APIs that know it by this name.
    pub service_tier_at: Option<Room>,
    /// Faster machines are asked for beside the tier (Anthropic's `speed: "fast"`).
    pub fast: bool,
    /// Where it must be served, lower case; empty if not stated.
    pub place: String,
    /// The end user that the body names (`user`, `metadata.user_id`, …); empty if none.
    pub end_user: String,
    /// `thinking.budget_tokens` or its like.
    pub thinking_budget: Option<u64>,
    /// The efforts of reasoning that the request states, and where: string values, quotes included.
    pub efforts: Vec<(Effort, Range<usize>)>,
    /// The least effort that the API knows.
    pub least_effort: Effort,
    /// What it states to choose words by, other than as by default (`temperature`, `stop`, …), where models of this API
    /// refuse it.
    pub tuned: Vec<Key>,
    /// Whether a stream tells its usage unasked, or what to change so that it does.
    pub stream_usage: StreamUsage,
    /// What it uses of the model.
    pub features: Features,
    /// The values at [`Route::pointers`].
    pub pointed: Vec<Option<String>>,
    /// What stands before the conversation, where [`Route::wants_prefix`].
    pub prefix: Vec<PrefixPart>,
}

impl Facts {
    /// The same of a call that has no output: there is nothing to bound, and no bound is put in.
    pub(crate) fn without_output(self) -> Self {
        let output_bound = self.output_bound.or(Some(0));
        Self { output_bound, output_bound_room: None, ..self }
    }
}

/// Where the model's name is written.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum ModelAt {
    /// Nowhere: the deployment decides, or the dialect has a fixed one.
    #[default]
    Nowhere,
    /// In the body: this string value, quotes included.
    Body(Range<usize>),
    /// In a form's field: this value.
    Form(Range<usize>),
    /// In the path as sent: this part of it.
    Path(Range<usize>),
}

/// Where a value can be put into a body, and what must stand around it there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Room {
    /// What it replaces; mostly nothing.
    pub range: Range<usize>,
    /// The value's name, and the object around it if there is none yet.
    pub before: String,
    /// What closes that.
    pub after: String,
}

/// How a request asks that its stream states usage (`stream_options.include_usage`).
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum StreamUsage {
    /// This API states it unasked, or cannot be asked.
    #[default]
    NotAsked,
    /// The client asked.
    Asked,
    /// The client did not ask: replace these bytes by these to ask.
    Absent(Range<usize>, &'static str),
}

/// Whether this provider is known to take `stream_options.include_usage` of every client: it answered
/// such requests with status 200 in recorded traffic. Azure does so only since some `api-version`.
pub(crate) fn takes_stream_options(provider: &str) -> bool {
    ["openai", "cerebras", "deepseek", "groq", "openrouter", "x-ai", "zai"].contains(&provider)
}

/// What a path in a body means. A path that has a meaning must not stand twice: most parsers keep the
/// last of two equal keys, some the first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Field {
    /// The model's name.
    Model,
    /// A bound for the output tokens.
    OutputBound,
    /// The number of answers.
    Choices,
    /// Whether to stream.
    Stream,
    /// The service tier.
    ServiceTier,
    /// How fast the machines shall be.
    Speed,
    /// Where it must be served.
    Place,
    /// The end user.
    EndUser,
    /// The tokens that thinking may take.
    ThinkingBudget,
    /// How hard the model shall think.
    Effort,
    /// The same where `low` is the least.
    EffortFromLow,
    /// The object at the top that has [`Field::IncludeUsage`].
    StreamOptions,
    /// An object at the top that has [`Field::OutputBound`].
    BoundOwner,
    /// Whether a stream shall state its usage.
    IncludeUsage,
    /// No fact here, but it decides about the prompt.
    Once,
}

/// Why a body is not read: two parsers could read it differently, or none can.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Opaque(pub String);

impl Opaque {
    /// Many calls in one body, whose answer states none of their usage.
    pub(crate) const BATCH: &str = "a batch holds many calls, and its answer states no usage";

    /// A call in another one, whose answer is fetched later.
    pub(crate) const LATER: &str = "the call stands inside, and is answered later";

    /// What a caller can do about it.
    pub(crate) fn advice(&self) -> &'static str {
        match self.0.as_str() {
            Self::BATCH => "Send its calls one by one.",
            Self::LATER => "Send it to be answered at once.",
            _ => "Send it as plain JSON.",
        }
    }
}

/// What a text says is used; `None` where it says nothing of it.
pub(crate) type Says = fn(text: &[u8]) -> Option<Features>;

/// How a dialect's JSON body is read.
#[derive(Clone, Copy)]
pub(crate) struct Shape {
    /// What a path means. Called for object keys and their values; `path` has no `Item` in it for
    /// those that may stand once.
    pub(crate) field: fn(path: &[Key]) -> Option<Field>,
    /// What a request uses that has a value at this path, called once a value (container, text, number, …) that is
    /// neither `null`, `false` nor 0.
    pub(crate) uses: fn(path: &[Key]) -> Features,
    /// How the text at this path says what is used, where its words decide that.
    pub(crate) says: fn(path: &[Key]) -> Option<Says>,
    /// What an object at this path uses if none of its texts says what.
    pub(crate) unsaid: fn(path: &[Key]) -> Features,
    /// What a path adds to the prompt: whatever is an image there is vision.
    pub(crate) adds: fn(path: &[Key]) -> Option<Adds>,
    /// Keys at the top that choose words, and that some models refuse.
    pub(crate) tunes: &'static [Key],
    /// Whether `max_completion_tokens` is a newer name of `max_tokens`.
    pub(crate) renames_bound: bool,
    /// Whether `stream_options.include_usage` exists here.
    pub(crate) stream_options: bool,
    /// Whether answers stream where the body does not say.
    pub(crate) streams_unasked: bool,
    /// A list whose elements are prompts, each with answers of its own; empty if there is no such thing.
    pub(crate) prompts: &'static [Key],
    /// Whether there is output at all: embeddings have none.
    pub(crate) outputs: bool,
    /// Whether a body names the model of the path once more.
    pub(crate) repeats_model: bool,
    /// The path by which this API takes a bound for the output of this model, one or two keys long: it is put
    /// in where a request states none. Empty if there is no such thing.
    pub(crate) bound: fn(route: &Route, model: &str) -> &'static [Key],
}

impl Shape {
    /// Nothing special.
    pub(crate) const PLAIN: Self = Self {
        field: |_| None,
        uses: |_| Features(0),
        says: |_| None,
        unsaid: |_| Features(0),
        tunes: &[],
        renames_bound: false,
        adds: |_| None,
        stream_options: false,
        streams_unasked: false,
        prompts: &[],
        outputs: true,
        repeats_model: false,
        bound: |_, _| &[],
    };
}
