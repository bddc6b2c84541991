//! The filter's own HTTP calls: sent by a client, answered into the VM.
//!
//! Called after every callback by `worker`. Failures arrive as on Envoy: 503 where nobody answers, 504 where nobody
//! answers in time.

use super::client::{BoxError, Upstream};
use super::messages::{method, path, response_headers, to_http, trailers};
use super::worker::Worker;
use crate::host::{HeaderMap, HttpCall, Vm};
use http_body_util::{BodyExt, Full};
use hyper::Request;
use std::rc::Rc;

struct Answer {
    headers: HeaderMap,
    body: Vec<u8>,
    trailers: HeaderMap,
}

/// Sends what the filter has asked for since the last time.
pub(super) fn dispatch(worker: &Rc<Worker>) {
    let waiting = worker.look(Vm::http_calls);
    for call in waiting {
        if worker.dispatched.borrow_mut().insert(call.token) {
            tokio::task::spawn_local(carry_out(Rc::clone(worker), call));
        }
    }
}

async fn carry_out(worker: Rc<Worker>, call: HttpCall) {
    let generation = worker.generation.get();
    let token = call.token;
    let cluster = worker.clusters.get(String::from_utf8_lossy(&call.upstream).as_ref());
    let answer = match cluster {
        Some(upstream) => send(upstream, call).await,
        None => plain(503, "no such cluster"),
    };
    if worker.generation.get() != generation {
        return;
    }
    worker.dispatched.borrow_mut().remove(&token);
    // The filter may be gone or fail in its call-back: whoever waits finds out by looking.
    let _ = worker.call(|vm| vm.http_call_response(token, answer.headers, answer.body, answer.trailers));
    worker.changed.notify_waiters();
}

async fn send(upstream: &Upstream, call: HttpCall) -> Answer {
    let timeout = call.timeout;
    match tokio::time::timeout(timeout, exchange(upstream, call)).await {
        Ok(Ok(answer)) => answer,
        Ok(Err(_)) => plain(503, "upstream connect error or disconnect/reset before headers"),
        Err(_) => plain(504, "upstream request timeout"),
    }
}

async fn exchange(upstream: &Upstream, call: HttpCall) -> Result<Answer, BoxError> {
    let body = Full::new(call.body.into()).map_err(|never| match never {}).boxed_unsync();
    let mut request = Request::new(body);
    *request.method_mut() = method(&call.headers);
    *request.uri_mut() = upstream.uri(&path(&call.headers))?;
    *request.headers_mut() = to_http(&call.headers);
    let (head, body) = upstream.send(request).await?.into_parts();
    let collected = body.collect().await?;
    let trailers = collected.trailers().map(trailers).unwrap_or_default();
    let headers = response_headers(head.status, &head.headers);
    Ok(Answer { headers, body: collected.to_bytes().to_vec(), trailers })
}

fn plain(status: u16, body: &str) -> Answer {
    let headers = [(":status", status.to_string()), ("content-type", "text/plain".to_owned())];
    Answer { headers: headers.into(), body: body.into(), trailers: HeaderMap::new() }
}
