//! The dialects: one file each, one row each in [`DIALECTS`].

mod anthropic;
mod azure;
mod bedrock;
mod cloudflare;
mod cohere;
mod cohere_v1;
mod counter;
mod edit;
mod events;
mod facts;
mod features;
mod finder;
mod gemini;
mod gemini_interactions;
mod google;
mod lenient;
mod mistral_conversations;
mod ollama;
mod openai;
mod openai_chat;
mod openai_media;
mod openai_responses;
mod openai_text;
mod parts;
mod prefix;
mod prompt;
mod reasoning;
mod schema;
mod target;
mod using;
mod vertex_predict;
mod weights;

pub use edit::{Edits, Splice, splice};
pub use facts::{Facts, ModelAt, Opaque, Room, StreamUsage};
pub use features::Features;
pub use parts::{Parts, PromptPart};
pub use prefix::PrefixPart;
pub use prompt::PromptCount;
pub use target::Target;
pub use weights::{first_table, home_style, stem as model_stem};

pub(crate) use events::Events;
pub(crate) use facts::{Field, Says, Shape, takes_stream_options};
pub(crate) use finder::{read_json, top_keys};
pub(crate) use prefix::hash as prefix_hash;
pub(crate) use prompt::{Prompt, bare_model};
pub(crate) use reasoning::Reasoning;
pub(crate) use target::percent_decoded;

use crate::json::{Event, Key, Pointer};
use crate::price::provider_of_host;
use crate::refusal::{Refusal, Written};
use crate::units::EpochMs;
use crate::usage::{Answer, Stated, Usage};
use std::ops::Range;
use std::sync::Arc;

/// How one API is recognised, read, answered.
pub struct Dialect {
    /// The name in records and metrics.
    pub name: &'static str,
    /// Whether a request to this target speaks it, and what the target says.
    recognises: fn(target: &Target) -> Option<Found>,
    /// Finds what decides about money in a whole body.
    read: fn(body: &[u8], route: &Route) -> Result<Facts, Opaque>,
    /// Counts the prompt of a body that `read` accepted.
    count_prompt: fn(prompt: &Prompt<'_>) -> PromptCount,
    /// Takes one event of an answer. In a stream, `path` begins at each event's own document; the
    /// elements of an array at the top are documents of their own.
    pub(crate) observe: fn(answer: &mut Answer, path: &[Key], event: Event<'_>),
    /// What the numbers that `observe` found mean, in the one meaning of [`Usage`].
    pub(crate) usage: fn(stated: &Stated) -> Option<Usage>,
    /// Headers of the answer that state usage or the model, in lower case.
    answer_headers: &'static [&'static str],
    /// Takes one of those headers.
    pub(crate) observe_header: fn(answer: &mut Answer, name: &str, value: &[u8]),
    /// What its streams of server-sent events take.
    pub(crate) events: Events,
    /// A refusal as this API's clients expect it.
    pub(crate) refusal: fn(refusal: &Refusal, now: EpochMs) -> Written,
}

impl Dialect {
    /// Headers of the answer that state usage or the model, in lower case.
    #[must_use]
    pub const fn answer_headers(&self) -> &'static [&'static str] {
        self.answer_headers
    }
}

impl std::fmt::Debug for Dialect {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name)
    }
}

/// Every dialect. The first that recognises a target has it.
pub static DIALECTS: &[&Dialect] = &[
    &openai_chat::DIALECT,
    &openai_chat::WRITER,
    &openai_chat::MINIMAX,
    &openai_chat::PERPLEXITY,
    &openai_chat::DATABRICKS,
    &openai_chat::VERTEX,
    &openai_responses::DIALECT,
    &openai_text::EMBEDDINGS,
    &openai_text::COMPLETIONS,
    &openai_text::RERANK,
    &openai_media::IMAGES,
    &openai_media::SPEECH,
    &openai_media::TRANSCRIPTION,
    &anthropic::MESSAGES,
    &anthropic::VERTEX,
    &anthropic::COMPLETE,
    &anthropic::BATCH,
    &anthropic::COUNT,
    &gemini::GENERATE,
    &gemini::EMBED,
    &vertex_predict::EMBED,
    &vertex_predict::OTHER,
    &gemini::BATCH,
    &gemini::COUNT,
    &gemini_interactions::DIALECT,
    &bedrock::CONVERSE,
    &bedrock::INVOKE,
    &bedrock::COUNT,
    &cohere::CHAT,
    &cohere_v1::CHAT,
    &cohere_v1::GENERATE,
    &cohere::EMBED,
    &cohere_v1::EMBED,
    &mistral_conversations::DIALECT,
    &cloudflare::RUN,
    &ollama::GENERATE,
    &ollama::EMBED,
    &openai_text::FREE,
];

/// What a target says about a call.
#[derive(Debug, Default)]
pub(crate) struct Found {
    /// The provider as the price book names it, if the target tells.
    pub(crate) provider: Option<&'static str>,
    /// The model in the path.
    pub(crate) model: Option<PathModel>,
    /// Whether the answer streams, if the path decides it.
    pub(crate) stream: Option<bool>,
    /// The body may name no model (a form field does, or the dialect has one only).
    pub(crate) model_is_optional: bool,
    /// Where it is served, if that may cost more and the path decides it.
    pub(crate) place: &'static str,
    /// It costs nothing: let it pass untouched.
    pub(crate) is_free: bool,
}

/// A model that stands in the path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PathModel {
    /// Percent-decoded.
    pub name: String,
    /// Where it stands in the path as sent.
    pub span: Range<usize>,
}

/// The model in a segment such as `gemini-2.5-flash:generateContent`, whose colon may be escaped.
pub(crate) fn model_before_colon(segment: &target::Segment, name: &str) -> PathModel {
    let raw = segment.raw.to_ascii_lowercase();
    let colon = raw.rfind(':').into_iter().chain(raw.rfind("%3a")).max().unwrap_or(raw.len());
    let start = segment.span.start;
    PathModel { name: name.to_owned(), span: start..start.saturating_add(colon) }
}

/// What a target of Vertex AI says that hands a body on to a model as it is, and whose path contains this:
/// `…/publishers/P/models/M:rawPredict`, `:streamRawPredict`.
pub(crate) fn raw_predict(target: &Target, within: &str) -> Option<Found> {
    let last = target.segment_from_end(0).filter(|_| target.posts() && target.path.contains(within))?;
    let (name, verb) = last.text.rsplit_once(':')?;
    let stream = match verb.to_ascii_lowercase().as_str() {
        "rawpredict" => None,
        "streamrawpredict" => Some(true),
        _ => return None,
    };
    let model = Some(model_before_colon(last, name));
    Some(Found { provider: Some("google"), model, stream, ..Found::default() })
}

/// A recognised call.
#[derive(Debug, Clone)]
pub struct Route {
    /// The API spoken.
    pub dialect: &'static Dialect,
    /// The provider as the price book names it, if the target tells.
    pub provider: Option<&'static str>,
    /// The model in the path.
    pub model: Option<PathModel>,
    /// Whether the answer streams, if the path decides it.
    pub stream: Option<bool>,
    /// Where it is served, if that may cost more and the path decides it; else empty.
    pub place: &'static str,
    pub(crate) model_is_optional: bool,
    /// The path as sent.
    pub path: Vec<u8>,
    /// What the policy wants to know of the body beside the facts.
    pub pointers: Arc<[Pointer]>,
    /// It also wants to know what stands before the conversation.
    pub wants_prefix: bool,
}

/// What a target is.
#[derive(Debug, Clone)]
pub enum Recognised {
    /// A call that is metered.
    Metered(Route),
    /// A call to an LLM API that costs nothing: the dialect's name.
    Free(&'static str),
    /// None of ours.
    Unknown,
}

impl Recognised {
    /// The route of a metered call.
    #[must_use]
    pub fn metered(self) -> Option<Route> {
        if let Self::Metered(route) = self { Some(route) } else { None }
    }
}

/// Tells what a call is, by `:method`, `:authority` and `:path` as sent.
#[must_use]
pub fn recognise(method: &[u8], host: &[u8], path: &[u8]) -> Recognised {
    let find =
        |target: &Target| DIALECTS.iter().find_map(|dialect| Some((*dialect, (dialect.recognises)(target)?)));
    let found = find(&Target::new(method, host, path));
    let found = match found {
        Some((_, Found { is_free: false, .. })) => found,
        // Free or nothing at all, unless some server would read it as a call that is metered.
        _ => find(&Target::obliging(method, host, path)).filter(|(_, other)| !other.is_free).or(found),
    };
    match found {
        None => Recognised::Unknown,
        Some((dialect, found)) if found.is_free => Recognised::Free(dialect.name),
        Some((dialect, found)) => Recognised::Metered(Route {
            dialect,
            // The host knows better than the dialect: many serve Anthropic's.
            provider: provider_of_host(host, path).or(found.provider),
            model: found.model,
            stream: found.stream,
            place: found.place,
            model_is_optional: found.model_is_optional,
            path: path.to_vec(),
            pointers: Arc::default(),
            wants_prefix: false,
        }),
    }
}

/// The method that a server may take a request to have: some let a header say it.
#[must_use]
pub fn effective_method<'h>(method: &'h [u8], header: impl Fn(&str) -> Option<&'h [u8]>) -> &'h [u8] {
    const HEADERS: [&str; 3] = ["x-http-method-override", "x-method-override", "x-http-method"];
    let said = HEADERS.iter().find_map(|name| header(name));
    let posts = |method: &[u8]| Target::new(method, b"", b"").posts();
    // Whoever might be metered is.
    said.filter(|said| !said.is_empty() && posts(said) && !posts(method)).unwrap_or(method)
}

impl Route {
    /// What a whole body says.
    ///
    /// # Errors
    /// Two parsers could read it differently, or none can.
    pub fn read(&self, body: &[u8]) -> Result<Facts, Opaque> {
        (self.dialect.read)(body, self)
    }

    /// The prompt tokens of a body that says these facts.
    #[must_use]
    pub fn count_prompt(&self, body: &[u8], facts: &Facts) -> PromptCount {
        (self.dialect.count_prompt)(&Prompt { body, facts, route: self })
    }

    /// The tokens of what stands before the conversation in a body that says these facts.
    #[must_use]
    pub fn count_prefix(&self, body: &[u8], facts: &Facts) -> u64 {
        self.count_prompt(&prefix::alone(&facts.prefix, body), facts).tokens
    }

    /// Whether a count is certain: the model's encoding is public, and there is nothing in the prompt but text
    /// and messages, whose overhead OpenAI documents.
    #[must_use]
    pub fn counts_exactly(&self, facts: &Facts, count: &PromptCount) -> bool {
        const CERTAIN: [PromptPart; 5] = [
            PromptPart::Base,
            PromptPart::Text,
            PromptPart::Messages,
            PromptPart::Systems,
            PromptPart::NoSystem,
        ];
        let is_public = matches!(
            tokenstile_tokens::encoding_for_model(bare_model(&facts.model)),
            tokenstile_tokens::ModelEncoding::Exact(_)
        );
        let is_plain =
            PromptPart::ALL.iter().all(|part| CERTAIN.contains(part) || count.parts.get(*part) == 0);
        is_public && is_plain && !count.is_partial && !facts.model.is_empty()
    }

    /// A call of which not even the path is known: the first dialect's words answer it.
    #[must_use]
    pub fn of_unreadable_head() -> Option<Self> {
        let dialect = *DIALECTS.first()?;
        Some(Self {
            dialect,
            provider: None,
            model: None,
            stream: None,
            place: "",
            model_is_optional: false,
            path: Vec::new(),
            pointers: Arc::default(),
            wants_prefix: false,
        })
    }
}

/// For dialects whose answers state nothing in headers.
pub(crate) const NO_HEADERS: &[&str] = &[];

/// For dialects whose answers state nothing in headers.
pub(crate) const fn no_header(_: &mut Answer, _: &str, _: &[u8]) {}

#[cfg(test)]
mod tests;
