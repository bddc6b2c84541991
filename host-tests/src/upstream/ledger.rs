//! What the provider has seen and billed: the figure that Tokenstile's records must match.
//!
//! Written by `chat`, `echo` and `stream`; read by tests through [`Ledger`], and by anybody through
//! `GET /__sim/ledger`. Keeps the last requests whole, so that a test can look at what really arrived.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use bytes::Bytes;
use hyper::{HeaderMap, Method, Uri};
use serde_json::{Value, json};
use std::collections::{BTreeMap, VecDeque};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Requests kept whole.
const KEPT: usize = 32;

/// One request as it arrived.
#[derive(Debug, Clone, Default)]
pub struct Seen {
    /// `GET`, `POST`, …
    pub method: String,
    /// Path and query.
    pub path: String,
    /// Names and values in the order of arrival; each byte of a value is one character (latin-1).
    pub headers: Vec<(String, String)>,
    /// The body's bytes; empty for a raw echo.
    pub body: Bytes,
    /// Trailers after the body, as `headers`.
    pub trailers: Vec<(String, String)>,
}

impl Seen {
    pub(super) fn of(method: &Method, uri: &Uri, headers: &HeaderMap) -> Self {
        let path = uri.path_and_query().map_or("/", |path| path.as_str());
        Self {
            method: method.to_string(),
            path: path.to_owned(),
            headers: Self::headers(headers),
            ..Self::default()
        }
    }

    pub(super) fn headers(headers: &HeaderMap) -> Vec<(String, String)> {
        let latin = |bytes: &[u8]| bytes.iter().map(|byte| char::from(*byte)).collect();
        headers.iter().map(|(name, value)| (name.to_string(), latin(value.as_bytes()))).collect()
    }

    /// The first header of this name (lower case).
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    pub(super) fn to_json(&self) -> Value {
        json!({"method": self.method, "path": self.path, "headers": self.headers,
            "body_base64": STANDARD.encode(&self.body), "trailers": self.trailers})
    }
}

/// What was billed for one model, or altogether.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Bill {
    /// Calls that were answered, also in part.
    pub requests: u64,
    /// Tokens of their prompts.
    pub prompt_tokens: u64,
    /// Tokens of answers that left the provider, also of answers cut or hung up on.
    pub completion_tokens: u64,
}

impl Bill {
    /// Prompt and completion together.
    #[must_use]
    pub fn total_tokens(&self) -> u64 {
        self.prompt_tokens.saturating_add(self.completion_tokens)
    }

    fn to_json(self) -> Value {
        json!({"requests": self.requests, "prompt_tokens": self.prompt_tokens,
            "completion_tokens": self.completion_tokens, "total_tokens": self.total_tokens()})
    }
}

#[derive(Debug, Default)]
struct Books {
    requests: u64,
    completed: u64,
    failed: u64,
    cut: u64,
    hung_up: u64,
    by_model: BTreeMap<String, Bill>,
    last: VecDeque<Seen>,
}

/// The provider's books. Every method may be called while it serves.
#[derive(Debug, Default)]
pub struct Ledger(Mutex<Books>);

impl Ledger {
    /// Every request of any path, the ledger's own page left out.
    #[must_use]
    pub fn requests(&self) -> u64 {
        self.books().requests
    }

    /// Chat calls which were answered to the end.
    #[must_use]
    pub fn completed_calls(&self) -> u64 {
        self.books().completed
    }

    /// Answers which the other side did not take to the end.
    #[must_use]
    pub fn hang_ups(&self) -> u64 {
        self.books().hung_up
    }

    /// What all models together have cost.
    #[must_use]
    pub fn billed(&self) -> Bill {
        self.books().by_model.values().fold(Bill::default(), |sum, bill| Bill {
            requests: sum.requests.saturating_add(bill.requests),
            prompt_tokens: sum.prompt_tokens.saturating_add(bill.prompt_tokens),
            completion_tokens: sum.completion_tokens.saturating_add(bill.completion_tokens),
        })
    }

    /// What each model, named as in the request, has cost.
    #[must_use]
    pub fn by_model(&self) -> BTreeMap<String, Bill> {
        self.books().by_model.clone()
    }

    /// The last request, and up to 31 before it, oldest first.
    #[must_use]
    pub fn last_requests(&self) -> Vec<Seen> {
        self.books().last.iter().cloned().collect()
    }

    /// The newest request.
    #[must_use]
    pub fn last(&self) -> Option<Seen> {
        self.books().last.back().cloned()
    }

    /// Forgets everything: for a test which runs case after case against one provider.
    pub fn clear(&self) {
        *self.books() = Books::default();
    }

    /// The page behind `GET /__sim/ledger`.
    #[must_use]
    pub fn to_json(&self) -> Value {
        let billed = self.billed().to_json();
        let books = self.books();
        let by_model: BTreeMap<&str, Value> =
            books.by_model.iter().map(|(model, bill)| (model.as_str(), bill.to_json())).collect();
        let last: Vec<Value> = books.last.iter().map(Seen::to_json).collect();
        json!({"requests": books.requests, "completed": books.completed, "failed": books.failed,
            "cut": books.cut, "hung_up": books.hung_up, "billed": billed, "by_model": by_model,
            "last_body_bytes": books.last.back().map_or(0, |seen| seen.body.len()), "last_requests": last})
    }

    /// Notes a request and returns its number, from 1.
    pub(super) fn saw(&self, seen: Seen) -> u64 {
        let mut books = self.books();
        books.requests = books.requests.saturating_add(1);
        if books.last.len() >= KEPT {
            books.last.pop_front();
        }
        books.last.push_back(seen);
        books.requests
    }

    pub(super) fn bill_prompt(&self, model: &str, tokens: u64) {
        let mut books = self.books();
        let bill = books.by_model.entry(model.to_owned()).or_default();
        bill.requests = bill.requests.saturating_add(1);
        bill.prompt_tokens = bill.prompt_tokens.saturating_add(tokens);
    }

    pub(super) fn bill_completion(&self, model: &str, tokens: u64) {
        if let Some(bill) = self.books().by_model.get_mut(model) {
            bill.completion_tokens = bill.completion_tokens.saturating_add(tokens);
        }
    }

    pub(super) fn completed(&self) {
        let mut books = self.books();
        books.completed = books.completed.saturating_add(1);
    }

    pub(super) fn failed(&self) {
        let mut books = self.books();
        books.failed = books.failed.saturating_add(1);
    }

    pub(super) fn cut(&self) {
        let mut books = self.books();
        books.cut = books.cut.saturating_add(1);
    }

    pub(super) fn hung_up(&self) {
        let mut books = self.books();
        books.hung_up = books.hung_up.saturating_add(1);
    }

    /// A panic elsewhere must not hide the books from the test that reports it.
    fn books(&self) -> MutexGuard<'_, Books> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
