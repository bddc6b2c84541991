//! Owns the format of the case files. Read by `suite.rs`; the runners get [`Call`] and [`ScriptedAnswer`].
//! Unknown keys are errors: a mistyped expectation must not pass silently.
//!
//! A file has `policies`, `bodies` and `answers` by name, and `cases`. A case has a policy (a name, or the JSON
//! itself; without one, the policy that the file is for: `NAME.json` of `NAME.test.json`), `change` (merged into the policy), `skip` (runner word → reason) and steps. A step either sets the
//! clock (`{"clock": "2026-11-23T08:00:00Z"}`) or makes a call: `call`, `answer` (a name or the answer itself),
//! `keep` (name → a place in the client's JSON body, for later steps), `times` (one after the other), `together` (all at once), `hang_up` inside `call`, `expect`, and `on` (runner
//! word → keys that are put over those of `expect`, or `instead` with a whole other one). A string value `"×100 word "` is `word ` a hundred times; in
//! header values and `text`, `\xA1` is that byte.

use serde::Deserialize;
use serde_json::{Map, Value};
use std::collections::BTreeMap;

/// Scenarios, and what they share.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct File {
    /// For editors: `tokenstile schema --scenario` prints it.
    #[serde(default, rename = "$schema")]
    pub(crate) _schema: String,
    /// Policies by name, for cases that have another than the file's.
    #[serde(default)]
    pub(crate) policies: Map<String, Value>,
    /// Bodies of requests by name.
    #[serde(default)]
    pub(crate) bodies: Map<String, Value>,
    /// Answers of the upstream by name.
    #[serde(default)]
    pub(crate) answers: Map<String, Value>,
    /// The scenarios, each in a proxy of its own.
    pub(crate) cases: Vec<Case>,
}

/// A scenario.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Case {
    /// What holds, as a sentence. Each file has it once.
    pub(crate) name: String,
    /// What went wrong elsewhere, or why it must be so. For readers.
    #[serde(default, rename = "why")]
    pub(crate) _why: String,
    /// A policy by its name in `policies`, or the JSON itself; else the one that the file is for.
    #[serde(default)]
    pub(crate) policy: Value,
    /// Merged into the policy.
    #[serde(default)]
    pub(crate) change: Value,
    /// Runners that leave it off: word → reason.
    #[serde(default)]
    pub(crate) skip: BTreeMap<String, String>,
    /// What happens, one after the other.
    pub(crate) steps: Vec<Value>,
}

/// Sets the clock, or makes a call.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Step {
    /// The time that it is from now on.
    pub(crate) clock: Option<String>,
    /// The request.
    pub(crate) call: Option<Call>,
    /// What the upstream answers: a name in `answers`, or the answer itself; else 200 without a body.
    pub(crate) answer: Option<ScriptedAnswer>,
    /// So often, one after the other.
    #[serde(default = "one")]
    pub(crate) times: usize,
    /// So many at once.
    pub(crate) together: Option<usize>,
    /// What must have come of it.
    #[serde(default)]
    pub(crate) expect: Expect,
    /// Texts of the client's JSON body that later steps send: name → place. They stand there as `<name>`.
    #[serde(default)]
    pub(crate) keep: BTreeMap<String, String>,
}

/// A request.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Call {
    /// How.
    #[serde(default = "post")]
    pub(crate) method: String,
    /// Which API; a path may have a model in it.
    #[serde(default = "chat_path")]
    pub(crate) path: String,
    /// Where it goes.
    #[serde(default = "host")]
    pub(crate) host: String,
    /// Values are text with `\xNN` for bytes.
    #[serde(default)]
    pub(crate) headers: BTreeMap<String, String>,
    /// A name in `bodies`, or the body itself.
    pub(crate) body: Option<BodyText>,
    /// The body comes in this many pieces.
    #[serde(default = "one")]
    pub(crate) pieces: usize,
    /// No content-length.
    #[serde(default)]
    pub(crate) chunked: bool,
    /// Headers behind the body.
    pub(crate) trailers: Option<BTreeMap<String, String>>,
    /// The client goes away.
    pub(crate) hang_up: Option<HangUp>,
    /// What the proxy knows of the request beside it, by dotted name as Envoy has them; values as in headers.
    #[serde(default)]
    pub(crate) properties: BTreeMap<String, String>,
}

/// When the client goes away.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum HangUp {
    /// Before the whole request was sent: after its headers, or its first piece where there are several.
    InRequest,
    /// When the upstream has the whole request and has not answered.
    BeforeAnswer,
    /// After that many pieces of the answer.
    AfterPieces(usize),
}

/// A body, written in one of three ways.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub(crate) enum BodyText {
    /// JSON.
    Json(Value),
    /// Text, with `\xNN` for bytes; `×100 word ` is `word ` a hundred times.
    Text(String),
    /// Bytes.
    Base64(String),
}

/// What the upstream answers.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ScriptedAnswer {
    /// Its status.
    #[serde(default = "ok")]
    pub(crate) status: u16,
    /// Values are text with `\xNN` for bytes.
    #[serde(default)]
    pub(crate) headers: BTreeMap<String, String>,
    /// Its body, of any API.
    pub(crate) body: Option<BodyText>,
    /// A chat completion as OpenAI sends it.
    pub(crate) completion: Option<Completion>,
    /// A streamed chat completion as OpenAI sends it.
    pub(crate) stream: Option<StreamedCompletion>,
    /// The body is cut into pieces of this many bytes; a stream comes event by event otherwise.
    pub(crate) piece_bytes: Option<usize>,
    /// The connection breaks after this many pieces.
    pub(crate) cut_after: Option<usize>,
    /// Headers behind the body.
    pub(crate) trailers: Option<BTreeMap<String, String>>,
    /// There is no upstream.
    #[serde(default)]
    pub(crate) unreachable: bool,
    /// The upstream has the request for this long before it answers.
    #[serde(default)]
    pub(crate) delay_ms: u64,
}

/// A chat completion as OpenAI sends it.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Completion {
    /// The model that it names.
    #[serde(default = "model")]
    pub(crate) model: String,
    /// The text.
    pub(crate) content: String,
    /// `[prompt_tokens, completion_tokens]`, or a usage object, or nothing.
    #[serde(default)]
    pub(crate) usage: Value,
}

/// A streamed chat completion as OpenAI sends it.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct StreamedCompletion {
    /// The model that it names.
    #[serde(default = "model")]
    pub(crate) model: String,
    /// The text, an event each.
    pub(crate) deltas: Vec<String>,
    /// As in a completion; comes in an event of its own at the end.
    #[serde(default)]
    pub(crate) usage: Value,
    /// Without the closing `[DONE]`.
    #[serde(default)]
    pub(crate) no_done: bool,
}

/// What must have happened. Each is checked if it is there. A value is equal, or `null` for what must be absent, or an
/// object with one of `contains` (a text, or several), `lacks`, `between` ([least, most]) and `present`.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Expect {
    /// The client's status.
    pub(crate) status: Option<Value>,
    /// `complete`, `cut` or `client_gone`; without it, `complete` unless the call hangs up or the answer is cut.
    pub(crate) ended: Option<String>,
    /// The client's headers.
    #[serde(default)]
    pub(crate) headers: BTreeMap<String, Value>,
    /// The client's body, as text.
    pub(crate) body: Option<Value>,
    /// Places in the client's JSON body.
    #[serde(default)]
    pub(crate) json: BTreeMap<String, Value>,
    /// What the upstream got.
    pub(crate) upstream: Option<Upstream>,
    /// Places in the upstream's JSON body.
    #[serde(default)]
    pub(crate) upstream_json: BTreeMap<String, Value>,
    /// The headers that the upstream got.
    #[serde(default)]
    pub(crate) upstream_headers: BTreeMap<String, Value>,
    /// The trailers that the upstream got.
    #[serde(default)]
    pub(crate) upstream_trailers: BTreeMap<String, Value>,
    /// Places in the cost record.
    pub(crate) record: Option<BTreeMap<String, Value>>,
    /// There must be no cost record.
    #[serde(default)]
    pub(crate) no_record: bool,
    /// The alerts that the call raised, in order: places in each. An empty list: none.
    pub(crate) alerts: Option<Vec<BTreeMap<String, Value>>>,
    /// By how much counters grew.
    #[serde(default)]
    pub(crate) counters: BTreeMap<String, Value>,
    /// How many of the `together` calls had which `x-tokenstile-decision`.
    pub(crate) decisions: Option<BTreeMap<String, usize>>,
}

/// What the upstream got of a request.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Upstream {
    /// Nothing at all, or nothing that it would act on.
    Nothing,
    /// The request, with its body byte for byte.
    SameBody,
    /// The request with all headers and its body as sent, and the answer came back in the same way; no record,
    /// no counter.
    Untouched,
    /// The body with the first text replaced by the second, once; every other byte as sent.
    SameBodyBut(String, String),
}

fn one() -> usize {
    1
}

fn ok() -> u16 {
    200
}

fn post() -> String {
    "POST".to_owned()
}

fn chat_path() -> String {
    "/v1/chat/completions".to_owned()
}

fn host() -> String {
    "llm.test".to_owned()
}

fn model() -> String {
    "gpt-4o-2024-08-06".to_owned()
}
