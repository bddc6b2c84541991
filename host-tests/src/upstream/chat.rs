//! `POST …/chat/completions`: reads the request, decides the answer, hands it to `stream`.
//!
//! Called by the router. Errors are worded as OpenAI words them and cost nothing.

use super::answer::{self, Completion};
use super::ledger::{Ledger, Seen};
use super::prompt::ChatRequest;
use super::{Answer, BoxError, Knobs, stream};
use http_body_util::BodyExt;
use hyper::Request;
use hyper::body::Incoming;
use hyper::header::{CONTENT_LENGTH, CONTENT_TYPE, HeaderValue, TRAILER};
use std::sync::Arc;

const UNREADABLE: &str = "We could not parse the JSON body of your request. (HINT: This likely means you aren't \
     using your HTTP library correctly. The OpenAI API expects a JSON payload, but what was sent was not valid JSON.)";

pub(super) async fn answer(request: Request<Incoming>, ledger: &Arc<Ledger>) -> Result<Answer, BoxError> {
    let knobs = Knobs::read(request.headers());
    let mut seen = Seen::of(request.method(), request.uri(), request.headers());
    let collected = request.into_body().collect().await?;
    seen.trailers = collected.trailers().map(Seen::headers).unwrap_or_default();
    seen.body = collected.to_bytes();
    let parsed = serde_json::from_slice::<ChatRequest>(&seen.body).ok();
    let number = ledger.saw(seen);
    tokio::time::sleep(knobs.delay).await;
    if let Some(status) = knobs.status {
        ledger.failed();
        return Ok(answer::error(status, "The simulated provider refuses this call, as asked."));
    }
    let Some(chat) = parsed.or_else(|| knobs.any_body.then(ChatRequest::unread)) else {
        ledger.failed();
        return Ok(answer::error(400, UNREADABLE));
    };
    if chat.model.is_empty() {
        ledger.failed();
        return Ok(answer::error(400, "you must provide a model parameter"));
    }
    Ok(completion(&chat, knobs, number, ledger))
}

fn completion(chat: &ChatRequest, knobs: Knobs, number: u64, ledger: &Arc<Ledger>) -> Answer {
    let bounded = chat.bound().is_some_and(|bound| bound < knobs.output_tokens);
    let completion = Completion {
        id: format!("chatcmpl-sim{number:08}"),
        model: chat.model.clone(),
        choices: chat.choices(),
        words: chat.bound().map_or(knobs.output_tokens, |bound| bound.min(knobs.output_tokens)),
        prompt_tokens: knobs.prompt_tokens.unwrap_or_else(|| chat.prompt_tokens()),
        cached_tokens: knobs.cached_tokens,
        finish_reason: if bounded { "length" } else { "stop" },
        tells_usage: !knobs.no_usage && (chat.wants_usage() || !chat.streams()),
    };
    let (id, trailers) = (completion.id.clone(), knobs.trailers);
    let ledger = Arc::clone(ledger);
    let length = (!chat.streams()).then(|| completion.to_json().to_string().len());
    let (kind, body) = if chat.streams() {
        ("text/event-stream; charset=utf-8", stream::events(completion, knobs, ledger))
    } else {
        ("application/json", stream::document(completion, knobs, ledger))
    };
    let mut answer = Answer::new(body);
    answer.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(kind));
    if let Some(length) = length.filter(|_| !trailers) {
        answer.headers_mut().insert(CONTENT_LENGTH, HeaderValue::from(length));
    }
    if trailers {
        answer.headers_mut().insert(TRAILER, HeaderValue::from_static("x-sim-trailer"));
    }
    answer::stamp(&mut answer, &id);
    answer
}
