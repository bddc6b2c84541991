//! Everything that is not a chat call: the request comes back, so that a test can see what the proxy let through.
//!
//! Called by the router. By default the answer is JSON (method, path, headers, body and trailers); with
//! `x-sim-echo: raw` the body streams back byte for byte while it is still coming in.

use super::ledger::{Ledger, Seen};
use super::{Answer, BoxError, Knobs, answer};
use http_body_util::BodyExt;
use hyper::Request;
use hyper::body::Incoming;
use hyper::header::{CONTENT_TYPE, HeaderValue};

pub(super) async fn answer(request: Request<Incoming>, ledger: &Ledger) -> Result<Answer, BoxError> {
    let knobs = Knobs::read(request.headers());
    let mut seen = Seen::of(request.method(), request.uri(), request.headers());
    tokio::time::sleep(knobs.delay).await;
    if knobs.raw_echo {
        let kind = request.headers().get(CONTENT_TYPE).cloned();
        ledger.saw(seen);
        let mut answer = Answer::new(request.into_body().map_err(Into::into).boxed_unsync());
        let fallback = HeaderValue::from_static("application/octet-stream");
        answer.headers_mut().insert(CONTENT_TYPE, kind.unwrap_or(fallback));
        return Ok(answer);
    }
    let collected = request.into_body().collect().await?;
    seen.trailers = collected.trailers().map(Seen::headers).unwrap_or_default();
    seen.body = collected.to_bytes();
    let body = seen.to_json();
    ledger.saw(seen);
    Ok(answer::json(knobs.status.unwrap_or(200), &body))
}
