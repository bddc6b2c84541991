//! The answer's way: headers, then each chunk as it comes, to the filter and on to the client, nothing gathered
//! unless the filter pauses.
//!
//! Pulled by hyper when the client can take more. hyper drops it when the client hangs up, and with it goes the
//! [`Owner`], which tells the filter.

use super::client::{Body, BoxError};
use super::exchange::{ClientBody, Exchange, Owner, Stop, plain};
use super::messages::{status, to_http, trailers};
use crate::host::{HeaderMap, Outcome, Side};
use bytes::Bytes;
use http_body_util::{BodyExt, StreamBody};
use hyper::Response;
use hyper::body::{Body as _, Frame};
use std::collections::VecDeque;
use std::rc::Rc;

/// The rest of an answer.
struct Rest {
    owner: Owner,
    body: Body,
    /// Everything that the upstream sent was given to the filter.
    ended: bool,
    /// What may go to the client.
    ready: VecDeque<Frame<Bytes>>,
    broken: bool,
}

/// Gives the answer's headers to the filter, and answers the client when it lets them go.
///
/// # Errors
/// The connection is to be closed without an answer.
pub(super) async fn respond(
    owner: Owner,
    headers: HeaderMap,
    body: Body,
) -> Result<Response<ClientBody>, BoxError> {
    owner.exchange.answering.set(true);
    let ended = body.is_end_stream();
    let mut rest = Rest { owner, body, ended, ready: VecDeque::new(), broken: false };
    let begun = rest.exchange().call(|vm, id| vm.response_headers(id, headers, ended));
    if let Err(stop) = rest.until_headers_go(begun).await {
        // As on Envoy, an answer in place of the answer goes to the client as it is.
        return plain(stop);
    }
    let headers = rest.exchange().worker.look(|vm| {
        vm.stream(rest.exchange().id).map(|stream| stream.headers(Side::Response).clone()).unwrap_or_default()
    });
    rest.finish_if_all_given();
    let (status, headers) = (status(&headers), to_http(&headers));
    let frames = futures_util::stream::unfold(rest, |mut rest| async move {
        let frame = rest.frame().await?;
        Some((frame, rest))
    });
    let mut answer = Response::new(Box::pin(StreamBody::new(frames)) as ClientBody);
    *answer.status_mut() = status;
    *answer.headers_mut() = headers;
    Ok(answer)
}

impl Rest {
    fn exchange(&self) -> &Rc<Exchange> {
        &self.owner.exchange
    }

    async fn until_headers_go(&mut self, begun: Result<Outcome, Stop>) -> Result<(), Stop> {
        let mut outcome = begun?;
        while !outcome.response_goes_on {
            let more = self.exchange().takes_body_while_held();
            outcome = if more { self.step().await? } else { self.news().await? };
        }
        self.take(outcome);
        Ok(())
    }

    /// What the client gets next; none at the end.
    async fn frame(&mut self) -> Option<Result<Frame<Bytes>, BoxError>> {
        loop {
            if let Some(frame) = self.ready.pop_front() {
                return Some(Ok(frame));
            }
            if self.broken || self.finish_if_all_given() {
                return None;
            }
            match self.step().await {
                Ok(outcome) => self.take(outcome),
                Err(stop) => {
                    self.broken = true;
                    self.exchange().finish();
                    return Some(Err(why(stop)));
                }
            }
            // Before the last piece leaves: a client that has the whole answer finds it settled.
            self.finish_if_all_given();
        }
    }

    /// Gives the filter the next piece, or looks what a tick or a call-back did to a filter that paused.
    async fn step(&mut self) -> Result<Outcome, Stop> {
        if self.ended {
            return self.news().await;
        }
        if !self.exchange().is_paused(Side::Response) {
            let frame = self.body.frame().await;
            return self.give(frame);
        }
        let worker = Rc::clone(&self.exchange().worker);
        tokio::select! {
            frame = self.body.frame() => self.give(frame),
            () = worker.changed.notified() => self.exchange().news(),
        }
    }

    async fn news(&self) -> Result<Outcome, Stop> {
        self.exchange().worker.changed.notified().await;
        self.exchange().news()
    }

    fn give(&mut self, frame: Option<Result<Frame<Bytes>, BoxError>>) -> Result<Outcome, Stop> {
        let bytes = match frame.transpose().map_err(Stop::Close)?.map(Frame::into_data) {
            Some(Ok(bytes)) => {
                self.ended = self.body.is_end_stream();
                bytes
            }
            Some(Err(frame)) => {
                self.ended = true;
                let trailers = frame.into_trailers().map(|from| trailers(&from)).unwrap_or_default();
                return self.exchange().call(|vm, id| vm.response_trailers(id, trailers));
            }
            None => {
                self.ended = true;
                Bytes::new()
            }
        };
        let ended = self.ended;
        self.exchange().call(|vm, id| vm.response_body(id, &bytes, ended))
    }

    fn take(&mut self, outcome: Outcome) {
        if !outcome.response_goes_on {
            return;
        }
        if !outcome.body.is_empty() {
            self.ready.push_back(Frame::data(outcome.body.into()));
        }
        let exchange = Rc::clone(self.exchange());
        let trailers = exchange.worker.look(|vm| {
            vm.stream(exchange.id).map(|stream| to_http(stream.trailers(Side::Response))).unwrap_or_default()
        });
        if self.ended && !trailers.is_empty() {
            self.ready.push_back(Frame::trailers(trailers));
        }
    }

    fn finish_if_all_given(&self) -> bool {
        let all = self.ended && !self.exchange().is_paused(Side::Response);
        if all {
            self.exchange().finish();
        }
        all
    }
}

fn why(stop: Stop) -> BoxError {
    match stop {
        Stop::Close(why) => why,
        Stop::Reply(reply) => format!("answered with {} after an answer had begun", reply.status).into(),
    }
}
