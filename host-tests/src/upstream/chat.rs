//! A call that the provider charges: reads the request, decides the answer, hands it to `stream`.
//!
//! Called by the router with the API that the path names. Errors are worded as that API words them and cost nothing.

use super::answer::{self, Completion};
use super::api::Api;
use super::ledger::{Ledger, Seen};
use super::prompt::ChatRequest;
use super::{Answer, BoxError, Knobs, stream};
use http_body_util::BodyExt;
use hyper::Request;
use hyper::body::Incoming;
use hyper::header::{CONTENT_LENGTH, CONTENT_TYPE, HeaderValue, TRAILER};
use std::sync::Arc;

pub(super) async fn answer(
    request: Request<Incoming>,
    api: &'static Api,
    ledger: &Arc<Ledger>,
) -> Result<Answer, BoxError> {
    let knobs = Knobs::read(request.headers());
    let path = request.uri().path().to_owned();
    let mut seen = Seen::of(request.method(), request.uri(), request.headers());
    let collected = request.into_body().collect().await?;
    seen.trailers = collected.trailers().map(Seen::headers).unwrap_or_default();
    seen.body = collected.to_bytes();
    let parsed = (api.read)(&path, &seen.body);
    let number = ledger.saw(seen);
    tokio::time::sleep(knobs.delay).await;
    let failed = |status, message: &str| {
        ledger.failed();
        let mut answer = answer::json(status, &(api.error)(status, message));
        answer::stamp(&mut answer, &(api.headers)(number));
        Ok(answer)
    };
    if let Some(status) = knobs.status {
        return failed(status, "The simulated provider refuses this call, as asked.");
    }
    let Some(chat) = parsed.or_else(|| knobs.any_body.then(ChatRequest::unread)) else {
        return failed(400, api.unreadable);
    };
    if chat.model.is_empty() {
        return failed(400, api.no_model);
    }
    Ok(completion(&chat, api, knobs, number, ledger))
}

fn completion(
    chat: &ChatRequest,
    api: &'static Api,
    knobs: Knobs,
    number: u64,
    ledger: &Arc<Ledger>,
) -> Answer {
    let completion = Completion {
        api,
        number,
        model: chat.model.clone(),
        choices: chat.choices(),
        words: chat.bound().map_or(knobs.output_tokens, |bound| bound.min(knobs.output_tokens)),
        prompt_tokens: knobs.prompt_tokens.unwrap_or_else(|| chat.prompt_tokens()),
        cached_tokens: knobs.cached_tokens,
        is_cut_short: chat.bound().is_some_and(|bound| bound < knobs.output_tokens),
        tells_usage: !knobs.no_usage && (chat.wants_usage() || !chat.streams()),
    };
    let trailers = knobs.trailers;
    let ledger = Arc::clone(ledger);
    let length = (!chat.streams()).then(|| (api.document)(&completion).to_string().len());
    let (kind, body) = if chat.streams() {
        (api.stream_type, stream::events(completion, knobs, ledger))
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
    answer::stamp(&mut answer, &(api.headers)(number));
    answer
}
