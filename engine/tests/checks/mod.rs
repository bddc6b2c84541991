//! What must hold for every request and every answer, whoever made it: asserted over recorded traffic by the
//! tests beside this, and over invented bytes by `engine/fuzz`.

#![allow(
    dead_code,
    unreachable_pub,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    reason = "a check stops where something does not hold, and each program uses some of them"
)]

use serde_json::Value;
use tokenstile_engine::dialect::{Dialect, Edits, Facts, ModelAt, Route, Splice, recognise, splice};
use tokenstile_engine::usage::{AnswerReader, Strip, Usage};

/// A place where each dialect is spoken: host and path.
pub const PLACES: &[(&str, &str)] = &[
    ("api.openai.com", "/v1/chat/completions"),
    ("api.groq.com", "/openai/v1/chat/completions"),
    ("x.openai.azure.com", "/openai/deployments/my-gpt/chat/completions?api-version=2024-10-21"),
    ("api.openai.com", "/v1/responses"),
    ("api.openai.com", "/v1/completions"),
    ("api.openai.com", "/v1/embeddings"),
    ("api.cohere.com", "/v2/rerank"),
    ("api.openai.com", "/v1/images/generations"),
    ("api.openai.com", "/v1/audio/speech"),
    ("api.openai.com", "/v1/audio/transcriptions"),
    ("api.anthropic.com", "/v1/messages"),
    ("api.anthropic.com", "/v1/complete"),
    (
        "us-east5-aiplatform.googleapis.com",
        "/v1/projects/p/locations/l/publishers/anthropic/models/claude-sonnet-4@20250514:streamRawPredict",
    ),
    ("generativelanguage.googleapis.com", "/v1beta/models/gemini-2.5-flash:generateContent"),
    ("generativelanguage.googleapis.com", "/v1beta/models/gemini-2.5-flash:streamGenerateContent?alt=sse"),
    ("generativelanguage.googleapis.com", "/v1beta/models/text-embedding-004:batchEmbedContents"),
    ("bedrock-runtime.us-east-1.amazonaws.com", "/model/us.amazon.nova-lite-v1%3A0/converse"),
    (
        "bedrock-runtime.us-east-1.amazonaws.com",
        "/model/anthropic.claude-3-haiku-20240307-v1:0/converse-stream",
    ),
    ("bedrock-runtime.us-east-1.amazonaws.com", "/model/amazon.titan-text-lite-v1/invoke"),
    (
        "bedrock-runtime.us-east-1.amazonaws.com",
        "/model/meta.llama3-8b-instruct-v1:0/invoke-with-response-stream",
    ),
    ("api.cohere.com", "/v2/chat"),
    ("api.cohere.com", "/v2/embed"),
    ("localhost:11434", "/api/chat"),
    ("localhost:11434", "/api/embed"),
];

/// The route of one of the [`PLACES`], whichever number is given.
pub fn route(number: u8) -> Route {
    let (host, path) = PLACES[usize::from(number) % PLACES.len()];
    recognise(b"POST", host.as_bytes(), path.as_bytes()).metered().expect("each place is metered")
}

// --- requests ---

const OTHER: &str = "other model/1.0 ö\"";
const BOUND: u64 = 7_654_321;
const TIER: &str = "a tier that nobody has";

/// What edits of a request that was read must keep.
pub fn edits_change_what_they_should(host: &str, route: &Route, body: &[u8], facts: &Facts) {
    assert_eq!(splice(body, &[]), body, "no edit gives the same bytes");
    let mut all = Edits::default();
    model(host, route, body, facts, &mut all);
    bound(route, body, facts, &mut all);
    service_tier(route, body, facts, &mut all);
    stream_usage(route, body, facts, &mut all);
    let again = read_again(host, route, body, &all);
    if all.path.is_empty() {
        let again = again.expect("a request with every edit is read");
        let has_model = again.model == if facts.model_at == ModelAt::Nowhere { &facts.model } else { OTHER };
        assert!(has_model, "all edits at once: the model is {}", again.model);
    }
}

fn model(host: &str, route: &Route, body: &[u8], facts: &Facts, all: &mut Edits) {
    let mut edits = Edits::default();
    let placed = facts.set_model(OTHER, &mut edits);
    assert_eq!(placed, facts.model_at != ModelAt::Nowhere, "a model has a place");
    assert_eq!(edits.body.len() + edits.path.len(), usize::from(placed), "one edit");
    if let (ModelAt::Body(range), Some(text)) = (&facts.model_at, value(body)) {
        let old: Option<String> = serde_json::from_slice(&body[range.clone()]).ok();
        assert_eq!(old.as_ref(), Some(&facts.model), "the span is the model's");
        assert_eq!(text["model"], facts.model.as_str());
    }
    // Bedrock's bodies follow the model: another family's name may make another dialect of the path.
    match read_again(host, route, body, &edits) {
        Some(again) if placed => {
            assert_eq!(again.model, OTHER, "the model reads back");
            // There a model that writes nothing is known by its name alone.
            let wrote_nothing = facts.output_bound == Some(0) && !edits.path.is_empty();
            let output_bound = if wrote_nothing { again.output_bound } else { facts.output_bound };
            let expected = Facts { model: OTHER.to_owned(), output_bound, ..without_places(facts) };
            assert_eq!(without_places(&again), expected, "nothing but the model changed");
        }
        Some(_) => {}
        None => assert!(!edits.path.is_empty(), "the edited request is not read any more"),
    }
    only(body, &edits.body, &Value::from(OTHER));
    all.body.append(&mut edits.body);
    all.path.append(&mut edits.path);
}

fn bound(route: &Route, body: &[u8], facts: &Facts, all: &mut Edits) {
    let mut edits = Edits::default();
    if !facts.set_output_bound(BOUND, &mut edits) {
        assert!(edits.is_empty());
        return;
    }
    let again = route.read(&splice(body, &edits.body)).expect("a body with another bound is read");
    let has_output = facts.output_bound != Some(0) || again.output_bound != Some(0);
    let expected = has_output.then_some(BOUND).or(Some(0));
    assert_eq!(again.output_bound, expected, "the bound reads back");
    let expected = Facts { output_bound: expected, ..without_places(facts) };
    assert_eq!(without_places(&again), expected, "nothing but the bound changed");
    only(body, &edits.body, &Value::from(BOUND));
    all.body.append(&mut edits.body);
}

fn service_tier(route: &Route, body: &[u8], facts: &Facts, all: &mut Edits) {
    let mut edits = Edits::default();
    if !facts.set_service_tier(TIER, &mut edits) {
        assert!(edits.is_empty());
        return;
    }
    let again = route.read(&splice(body, &edits.body)).expect("a body with another service tier is read");
    let expected = Facts { service_tier: TIER.to_owned(), ..without_places(facts) };
    assert_eq!(without_places(&again), expected, "nothing but the service tier changed");
    only(body, &edits.body, &Value::from(TIER));
    all.body.append(&mut edits.body);
}

fn stream_usage(route: &Route, body: &[u8], facts: &Facts, all: &mut Edits) {
    let mut edits = Edits::default();
    if !facts.ask_for_usage(&mut edits) {
        assert!(edits.is_empty());
        return;
    }
    let again = route.read(&splice(body, &edits.body)).expect("a body that asks for usage is read");
    assert!(!again.ask_for_usage(&mut Edits::default()), "it asks already");
    assert_eq!(without_places(&again), without_places(facts), "nothing but that changed");
    only(body, &edits.body, &Value::from(true));
    all.body.append(&mut edits.body);
}

fn read_again(host: &str, route: &Route, body: &[u8], edits: &Edits) -> Option<Facts> {
    let path = splice(&route.path, &edits.path);
    let again = recognise(b"POST", host.as_bytes(), &path).metered()?;
    again.read(&splice(body, &edits.body)).ok()
}

/// The facts without the places where they stand: these move.
fn without_places(facts: &Facts) -> Facts {
    Facts {
        model_at: ModelAt::Nowhere,
        output_bound_spans: Vec::new(),
        max_tokens_at: None,
        output_bound_room: None,
        service_tier_at: None,
        stream_usage: Default::default(),
        efforts: facts.efforts.iter().map(|(effort, _)| (*effort, 0..0)).collect(),
        ..facts.clone()
    }
}

/// The bytes outside the edits are the same, and a parser that knows nothing of us finds `new` in their place
/// and nothing else changed.
fn only(body: &[u8], edits: &[Splice], new: &Value) {
    let edited = splice(body, edits);
    let mut sorted: Vec<&Splice> = edits.iter().collect();
    sorted.sort_by_key(|edit| edit.range.start);
    let (mut old_at, mut new_at) = (0, 0);
    for edit in sorted {
        let before = &body[old_at..edit.range.start];
        assert_eq!(&edited[new_at..new_at + before.len()], before, "what stands before an edit");
        new_at += before.len() + edit.with.len();
        old_at = edit.range.end;
    }
    assert_eq!(&edited[new_at..], &body[old_at..], "what stands behind the edits");
    if let (Some(before), false) = (value(body), edits.is_empty()) {
        let after = value(&edited).expect("an edited body is JSON");
        assert!(changes(&before, &after, new) > 0, "the edit is seen");
    }
}

/// How many values became `new` or came with it; anything else that differs fails.
fn changes(before: &Value, after: &Value, new: &Value) -> usize {
    match (before, after) {
        _ if before == after => 0,
        _ if after == new => 1,
        (Value::Object(old), Value::Object(fresh)) => {
            assert!(old.keys().all(|key| fresh.contains_key(key)), "no key is lost");
            let each =
                fresh.iter().map(|(key, value)| changes(old.get(key).unwrap_or(&Value::Null), value, new));
            each.sum()
        }
        (Value::Null, Value::Object(_)) => changes(&Value::Object(Default::default()), after, new),
        _ => panic!("{before} became {after}"),
    }
}

/// The body as another parser reads it, if it does.
fn value(body: &[u8]) -> Option<Value> {
    serde_json::from_slice(body).ok()
}

// --- answers ---

/// All that is read of an answer.
#[derive(Debug, PartialEq, Eq)]
pub struct Read {
    pub usage: Option<Usage>,
    pub model: String,
    pub tier: String,
    pub failed: bool,
    pub counted: u64,
}

/// Reads an answer that comes in these pieces.
pub fn read<'p>(dialect: &'static Dialect, kind: &[u8], pieces: impl IntoIterator<Item = &'p [u8]>) -> Read {
    let mut reader = AnswerReader::new(dialect, kind, false, "gpt-4o");
    pieces.into_iter().for_each(|piece| reader.feed(piece));
    Read {
        usage: reader.stated(),
        model: reader.model().to_owned(),
        tier: reader.served().service_tier.clone(),
        failed: reader.failed(),
        counted: reader.counted_output(),
    }
}

/// A stream in these pieces, less what the client did not ask for.
pub fn stripped<'p>(pieces: impl IntoIterator<Item = &'p [u8]>) -> Vec<u8> {
    let mut strip = Strip::new();
    let mut out: Vec<u8> = pieces.into_iter().flat_map(|piece| strip.feed(piece)).collect();
    out.extend(strip.finish());
    out
}

/// Whether some event of a stream is a chunk of usage without choices, by another parser.
pub fn has_usage_chunk(stream: &[u8]) -> bool {
    let text = String::from_utf8_lossy(stream).replace("\r\n", "\n").replace('\r', "\n");
    text.split("\n\n").any(|event| {
        let data: Vec<&str> = event.lines().filter_map(|line| line.strip_prefix("data:")).collect();
        let chunk: Value = serde_json::from_str(&data.join("\n")).unwrap_or_default();
        chunk["usage"].is_object() && chunk["choices"].as_array().is_some_and(Vec::is_empty)
    })
}

/// What strip leaves is a part of the stream in its order, and the whole where no chunk is to go.
pub fn strip_takes_only_usage(stream: &[u8], may_have_usage: bool) -> Vec<u8> {
    let out = stripped([stream]);
    let mut rest = stream.iter();
    assert!(out.iter().all(|byte| rest.any(|other| other == byte)), "strip invents nothing");
    assert!(may_have_usage || out == stream, "a stream without a usage chunk passes as it is");
    out
}
