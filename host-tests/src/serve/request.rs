//! The request's way: headers, pieces of the body and trailers to the filter, and what it lets go to the upstream.
//!
//! Runs as a task beside the answer's way and talks to it by events. A filter that pauses gets more of the body as
//! it comes, where the proxy would give it more, and is looked after when a tick or a call-back ran.

use super::client::{Body, BoxError};
use super::exchange::{Exchange, Stop};
use super::messages::{method, path, request_headers, to_http, trailers};
use crate::host::{Outcome, Profile, Side, Vm};
use bytes::Bytes;
use http_body_util::channel::{Channel, Sender};
use http_body_util::{BodyExt, Full};
use hyper::Request;
use hyper::body::{Body as _, Frame, Incoming};
use hyper::header::{CONTENT_LENGTH, HeaderValue, TRANSFER_ENCODING};
use std::rc::Rc;
use tokio::sync::mpsc::UnboundedSender;

/// Pieces that may wait for a slow upstream before the client is no longer read.
const PIECES_WAITING: usize = 16;

/// What the request's way has to tell.
pub(super) enum Event {
    /// The headers may go, and with them all of the body, or a way in for the rest of it.
    Send(Box<Request<Body>>),
    /// It ends here.
    Stop(Stop),
}

pub(super) async fn pump(exchange: Rc<Exchange>, request: Request<Incoming>, events: UnboundedSender<Event>) {
    let whole = exchange.worker.look(Vm::profile) != Profile::Envoy;
    let mut way =
        Way { exchange, events, upstream: Outgoing(None), sent: false, whole, gathered: Vec::new() };
    if let Err(stop) = way.go(request).await {
        // Nobody listens any more once the answer has begun.
        let _ = way.events.send(Event::Stop(stop));
    }
}

struct Way {
    exchange: Rc<Exchange>,
    events: UnboundedSender<Event>,
    upstream: Outgoing,
    sent: bool,
    /// The proxy sends requests whole.
    whole: bool,
    gathered: Vec<u8>,
}

/// The body's way in. Dropped before the end, it breaks the upstream's request rather than let half of a body pass
/// for a whole one.
struct Outgoing(Option<Sender<Bytes, BoxError>>);

impl Drop for Outgoing {
    fn drop(&mut self) {
        if let Some(sender) = self.0.take() {
            sender.abort("the request ended before its body did".into());
        }
    }
}

impl Way {
    async fn go(&mut self, request: Request<Incoming>) -> Result<(), Stop> {
        let (parts, mut body) = request.into_parts();
        let mut ended = body.is_end_stream();
        let headers = request_headers(&parts);
        let outcome = self.exchange.call(|vm, id| vm.request_headers(id, headers, ended))?;
        self.pass(outcome, ended).await?;
        if !self.exchange.takes_body_while_held() {
            self.wait(ended).await?;
        }
        while !ended {
            let Some(frame) = self.next(&mut body).await? else { continue };
            let outcome = self.give(frame, &body, &mut ended)?;
            self.pass(outcome, ended).await?;
        }
        self.wait(true).await?;
        // The end of the upstream's body.
        drop(self.upstream.0.take());
        self.watch().await
    }

    /// The next piece from the client; none if news came first. `Some(None)` is the end.
    async fn next(&mut self, body: &mut Incoming) -> Result<Option<Option<Frame<Bytes>>>, Stop> {
        if !self.exchange.is_paused(Side::Request) {
            return broken(body.frame().await.transpose()).map(Some);
        }
        let worker = Rc::clone(&self.exchange.worker);
        tokio::select! {
            frame = body.frame() => broken(frame.transpose()).map(Some),
            () = worker.changed.notified() => {
                let outcome = self.exchange.news()?;
                self.pass(outcome, false).await?;
                Ok(None)
            }
        }
    }

    fn give(&self, frame: Option<Frame<Bytes>>, body: &Incoming, ended: &mut bool) -> Result<Outcome, Stop> {
        // nginx drops trailers: the body ends the request.
        let frame = frame.filter(|frame| frame.is_data() || !self.whole);
        let bytes = match frame.map(Frame::into_data) {
            Some(Ok(bytes)) => {
                *ended = body.is_end_stream();
                bytes
            }
            Some(Err(frame)) => {
                *ended = true;
                let trailers = frame.into_trailers().map(|from| trailers(&from)).unwrap_or_default();
                return self.exchange.call(|vm, id| vm.request_trailers(id, trailers));
            }
            None => {
                *ended = true;
                Bytes::new()
            }
        };
        self.exchange.call(|vm, id| vm.request_body(id, &bytes, *ended))
    }

    /// Waits while the filter holds the request.
    async fn wait(&mut self, ended: bool) -> Result<(), Stop> {
        let worker = Rc::clone(&self.exchange.worker);
        while self.exchange.is_paused(Side::Request) {
            worker.changed.notified().await;
            let outcome = self.exchange.news()?;
            self.pass(outcome, ended).await?;
        }
        Ok(())
    }

    /// All is given, the upstream has not answered: a tick may still answer in its place.
    async fn watch(&self) -> Result<(), Stop> {
        while !self.exchange.answering.get() {
            self.exchange.worker.changed.notified().await;
            if !self.exchange.answering.get() {
                self.exchange.news()?;
            }
        }
        Ok(())
    }

    /// Sends on what the filter let go.
    async fn pass(&mut self, outcome: Outcome, ended: bool) -> Result<(), Stop> {
        if !outcome.request_goes_on {
            return Ok(());
        }
        let mut bytes = outcome.body;
        if self.whole {
            // nginx sends a request when it has all of it, and works out its length by itself.
            self.gathered.append(&mut bytes);
            if !ended {
                return Ok(());
            }
            bytes = std::mem::take(&mut self.gathered);
        }
        let trailers = self.exchange.worker.look(|vm| {
            let stream = vm.stream(self.exchange.id)?;
            Some(to_http(stream.trailers(Side::Request))).filter(|trailers| !trailers.is_empty())
        });
        let trailers = trailers.filter(|_| ended);
        if !self.sent {
            self.sent = true;
            if ended && trailers.is_none() {
                let body = Full::new(Bytes::from(bytes)).map_err(|never| match never {}).boxed_unsync();
                return self.send_head(body);
            }
            let (sender, channel) = Channel::new(PIECES_WAITING);
            self.upstream = Outgoing(Some(sender));
            self.send_head(channel.boxed_unsync())?;
        }
        let Some(sender) = &mut self.upstream.0 else { return Ok(()) };
        // The upstream may have gone; its own answer, or the lack of one, says so.
        if !bytes.is_empty() {
            let _ = sender.send_data(bytes.into()).await;
        }
        if let Some(trailers) = trailers {
            let _ = sender.send_trailers(trailers).await;
        }
        Ok(())
    }

    fn send_head(&self, body: Body) -> Result<(), Stop> {
        let worker = &self.exchange.worker;
        let headers =
            worker.look(|vm| vm.stream(self.exchange.id).map(|stream| stream.headers(Side::Request).clone()));
        let headers = headers.unwrap_or_default();
        let mut request = Request::new(body);
        *request.method_mut() = method(&headers);
        *request.uri_mut() = worker.upstream.uri(&path(&headers)).map_err(Stop::Close)?;
        *request.headers_mut() = to_http(&headers);
        let size = request.body().size_hint().exact();
        if self.whole && request.headers().contains_key(CONTENT_LENGTH) {
            request.headers_mut().insert(CONTENT_LENGTH, size.unwrap_or_default().into());
        } else if size.is_none() && !request.headers().contains_key(CONTENT_LENGTH) {
            // hyper takes it that a GET has no body otherwise.
            request.headers_mut().insert(TRANSFER_ENCODING, HeaderValue::from_static("chunked"));
        }
        // Nobody listens any more if the client hung up.
        let _ = self.events.send(Event::Send(Box::new(request)));
        Ok(())
    }
}

fn broken<T>(frame: Result<T, hyper::Error>) -> Result<T, Stop> {
    frame.map_err(|why| Stop::Close(why.into()))
}
