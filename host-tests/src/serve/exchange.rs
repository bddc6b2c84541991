//! One request and its answer, from the client's first byte to `on_delete`.
//!
//! Called by `worker` for each request. The request's way is in `request.rs` and runs as a task of its own, since an
//! upstream may answer before it has read everything; the answer's way is in `answer.rs`.

use super::answer;
use super::client::{Body, BoxError};
use super::messages::{as_sent, failure, reply_headers, response_headers, to_http, unreachable};
use super::request::{self, Event};
use super::worker::Worker;
use crate::host::{Error, LocalReply, Outcome, Side, StreamId, Vm};
use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::header::{CONTENT_TYPE, HeaderValue};
use hyper::{Method, Request, Response, StatusCode};
use std::cell::Cell;
use std::net::SocketAddr;
use std::pin::Pin;
use std::rc::Rc;
use tokio::sync::mpsc::UnboundedReceiver;
use tokio::task::JoinHandle;

/// A body on its way to the client. It stays on the worker's thread, with the VM that is asked about each piece.
pub(super) type ClientBody = Pin<Box<dyn hyper::body::Body<Data = Bytes, Error = BoxError>>>;

/// Why an exchange does not go its usual way.
pub(super) enum Stop {
    /// An answer took the upstream's place.
    Reply(LocalReply),
    /// The connection is to be closed, by the filter's wish or because a peer broke it.
    Close(BoxError),
}

/// One stream of the filter.
pub(super) struct Exchange {
    pub(super) worker: Rc<Worker>,
    pub(super) id: StreamId,
    over: Cell<bool>,
    /// The answer has begun: what a tick says is no longer the request's business.
    pub(super) answering: Cell<bool>,
}

impl Exchange {
    pub(super) fn call(
        &self,
        work: impl FnOnce(&mut Vm, StreamId) -> Result<Outcome, Error>,
    ) -> Result<Outcome, Stop> {
        let outcome = self.worker.call(|vm| work(vm, self.id)).map_err(|why| failed(&self.worker, &why))?;
        checked(outcome)
    }

    /// What a tick or a call-back did to this stream.
    pub(super) fn news(&self) -> Result<Outcome, Stop> {
        if self.worker.look(|vm| vm.stream(self.id).is_none()) {
            return Err(failed(&self.worker, &Error::Dead));
        }
        checked(self.worker.call(|vm| vm.take_outcome(self.id)))
    }

    pub(super) fn is_paused(&self, side: Side) -> bool {
        self.worker.look(|vm| vm.stream(self.id).is_some_and(|stream| stream.is_paused(side)))
    }

    /// Whether more of a message may be given while its headers are held.
    pub(super) fn takes_body_while_held(&self) -> bool {
        self.worker.look(|vm| vm.config().hold_headers)
    }

    /// The filter's last callbacks; once.
    pub(super) fn finish(&self) {
        if !self.over.replace(true) {
            self.worker.close(self.id);
        }
    }
}

/// As the proxy answers when its filter fails closed.
fn failed(worker: &Worker, error: &Error) -> Stop {
    worker.warn(&error.to_string());
    Stop::Reply(failure(worker.look(Vm::profile)))
}

fn checked(mut outcome: Outcome) -> Result<Outcome, Stop> {
    if let Some(reply) = outcome.local_reply.take() {
        return Err(Stop::Reply(reply));
    }
    if outcome.closed {
        return Err(Stop::Close("the filter closed the stream".into()));
    }
    Ok(outcome)
}

/// Ends the exchange when it goes out of scope, also when hyper drops it because the client hung up.
pub(super) struct Owner {
    pub(super) exchange: Rc<Exchange>,
    /// The request's way, which ends with the exchange.
    pump: JoinHandle<()>,
}

impl Drop for Owner {
    fn drop(&mut self) {
        self.pump.abort();
        self.exchange.finish();
    }
}

/// Answers one request.
///
/// # Errors
/// The connection is to be closed without an answer.
pub(super) async fn handle(
    worker: Rc<Worker>,
    peer: SocketAddr,
    request: Request<Incoming>,
) -> Result<Response<ClientBody>, BoxError> {
    if request.method() == Method::CONNECT {
        return Ok(no_tunnel());
    }
    let id = match worker.open() {
        Ok(id) => id,
        Err(error) => return plain(failed(&worker, &error)),
    };
    let protocol = format!("{:?}", request.version());
    worker.call(|vm| {
        vm.set_property(id, "source.address", peer.to_string());
        vm.set_property(id, "source.port", u64::from(peer.port()).to_le_bytes());
        vm.set_property(id, "request.protocol", protocol);
    });
    let exchange = Rc::new(Exchange { worker, id, over: Cell::new(false), answering: Cell::new(false) });
    let (events, mut inbox) = tokio::sync::mpsc::unbounded_channel();
    let pump = tokio::task::spawn_local(request::pump(Rc::clone(&exchange), request, events));
    let owner = Owner { exchange, pump };
    match ask(&owner, &mut inbox).await {
        Ok(answer) => {
            let (head, body) = answer.into_parts();
            let headers = response_headers(head.status, &head.headers);
            answer::respond(owner, headers, body.map_err(Into::into).boxed_unsync()).await
        }
        // It takes the upstream's place: the filter sees it as it sees any answer.
        Err(Stop::Reply(reply)) => {
            let reply = as_sent(owner.exchange.worker.look(Vm::profile), reply);
            answer::respond(owner, reply_headers(&reply), full(reply.body)).await
        }
        Err(Stop::Close(why)) => Err(why),
    }
}

/// What a client is told that takes this for a forward proxy: nothing can be metered in a tunnel.
fn no_tunnel() -> Response<ClientBody> {
    const WHY: &str = "This proxy opens no tunnels: it must see a request to meter it. Give its address to the client as \
                       the base URL, such as OPENAI_BASE_URL=http://127.0.0.1:8080/v1, and not as a proxy.\n";
    let mut answer = Response::new(Box::pin(full(WHY.into())) as ClientBody);
    // https://www.rfc-editor.org/rfc/rfc9110#section-9.1: a method that is not implemented.
    *answer.status_mut() = StatusCode::NOT_IMPLEMENTED;
    answer.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
    answer
}

/// Waits until the filter lets the request go, then for the upstream's answer. The filter may answer before.
async fn ask(owner: &Owner, inbox: &mut UnboundedReceiver<Event>) -> Result<Response<Incoming>, Stop> {
    let nothing = || Stop::Close("the request ended before the filter let it go".into());
    let request = match inbox.recv().await.ok_or_else(nothing)? {
        Event::Send(request) => request,
        Event::Stop(stop) => return Err(stop),
    };
    tokio::select! {
        // A reply that is there counts before an answer that came at the same time.
        biased;
        Some(Event::Stop(stop)) = inbox.recv() => Err(stop),
        answer = owner.exchange.worker.upstream.send(*request) => answer.map_err(|why| {
            owner.exchange.worker.warn(&format!("no answer from the upstream: {}", with_causes(why.as_ref())));
            Stop::Reply(unreachable(owner.exchange.worker.look(Vm::profile)))
        }),
    }
}

/// An answer that the filter does not see.
pub(super) fn plain(stop: Stop) -> Result<Response<ClientBody>, BoxError> {
    match stop {
        Stop::Reply(reply) => {
            let headers = reply_headers(&reply);
            let mut answer = Response::new(Box::pin(full(reply.body)) as ClientBody);
            *answer.status_mut() = super::messages::status(&headers);
            *answer.headers_mut() = to_http(&headers);
            Ok(answer)
        }
        Stop::Close(why) => Err(why),
    }
}

fn full(body: Vec<u8>) -> Body {
    Full::new(Bytes::from(body)).map_err(|never| match never {}).boxed_unsync()
}

fn with_causes(error: &dyn std::error::Error) -> String {
    let causes = std::iter::successors(error.source(), |error| error.source());
    causes.fold(error.to_string(), |text, cause| format!("{text}: {cause}"))
}
