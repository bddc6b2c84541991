//! Owns the callbacks of one stream: what the filter is given, when it is asked at all, and what follows from
//! its answer. Called by tests, by `Driver` and by `serve`. It must not know who waits for whom.

use super::properties::body_wanted;
use super::stream::{Action, LocalReply, Outcome, Part, Phase, Side, Stream, StreamId};
use super::{Error, HeaderMap, Profile, Trap, Vm};

impl Vm {
    /// Opens a stream. A VM that trapped is made anew first, where the proxy does so.
    ///
    /// # Errors
    /// [`Error::Dead`], or what a reload or `proxy_on_context_create` comes to.
    pub fn create_stream(&mut self) -> Result<StreamId, Error> {
        if self.is_dead() && self.revives() {
            self.reload()?;
        }
        if self.is_dead() {
            return Err(Error::Dead);
        }
        let id = self.next_context;
        self.next_context += 1;
        let started_ns = self.shared().clock().now_ns();
        self.state().streams.insert(id, Stream { started_ns, ..Stream::default() });
        let root = self.root();
        self.call::<_, ()>("proxy_on_context_create", Phase::Start, id, (id, root))?;
        Ok(StreamId(id))
    }

    /// Gives the request's headers.
    ///
    /// # Errors
    /// [`Error::Trap`], [`Error::Dead`], [`Error::Unknown`]; so do all callbacks of a stream.
    pub fn request_headers(
        &mut self,
        id: StreamId,
        headers: impl Into<HeaderMap>,
        end: bool,
    ) -> Result<Outcome, Error> {
        self.headers(id, Side::Request, headers.into(), end)
    }

    /// Gives the next bytes of the request's body. The nginx modules gather them and ask the filter at the end.
    ///
    /// # Errors
    /// As [`Vm::request_headers`].
    pub fn request_body(&mut self, id: StreamId, bytes: &[u8], end: bool) -> Result<Outcome, Error> {
        self.body(id, Side::Request, bytes, end)
    }

    /// Gives the request's trailers, which end it.
    ///
    /// # Errors
    /// As [`Vm::request_headers`].
    pub fn request_trailers(
        &mut self,
        id: StreamId,
        trailers: impl Into<HeaderMap>,
    ) -> Result<Outcome, Error> {
        self.trailers(id, Side::Request, trailers.into())
    }

    /// Gives the answer's headers, with `:status`.
    ///
    /// # Errors
    /// As [`Vm::request_headers`].
    pub fn response_headers(
        &mut self,
        id: StreamId,
        headers: impl Into<HeaderMap>,
        end: bool,
    ) -> Result<Outcome, Error> {
        self.headers(id, Side::Response, headers.into(), end)
    }

    /// Gives the next bytes of the answer's body.
    ///
    /// # Errors
    /// As [`Vm::request_headers`].
    pub fn response_body(&mut self, id: StreamId, bytes: &[u8], end: bool) -> Result<Outcome, Error> {
        self.body(id, Side::Response, bytes, end)
    }

    /// Gives the answer's trailers, which end it.
    ///
    /// # Errors
    /// As [`Vm::request_headers`].
    pub fn response_trailers(
        &mut self,
        id: StreamId,
        trailers: impl Into<HeaderMap>,
    ) -> Result<Outcome, Error> {
        self.trailers(id, Side::Response, trailers.into())
    }

    /// `proxy_on_log`, which APISIX does not call.
    ///
    /// # Errors
    /// As [`Vm::request_headers`].
    pub fn log(&mut self, id: StreamId) -> Result<(), Error> {
        self.known(id)?;
        if self.profile() != Profile::Apisix {
            self.call::<_, ()>("proxy_on_log", Phase::Log, id.0, id.0)?;
        }
        Ok(())
    }

    /// `proxy_on_done`: whether the context may be deleted now. If not, it stays until `proxy_done`.
    ///
    /// # Errors
    /// As [`Vm::request_headers`].
    pub fn done(&mut self, id: StreamId) -> Result<bool, Error> {
        self.known(id)?;
        self.state().undone.push(id.0);
        let done: Option<u32> = self.call("proxy_on_done", Phase::Done, id.0, id.0)?;
        let done = done != Some(0);
        if done {
            self.state().undone.retain(|waiting| *waiting != id.0);
        }
        Ok(done)
    }

    /// `proxy_on_delete`, and forgets the stream.
    ///
    /// # Errors
    /// As [`Vm::request_headers`].
    pub fn delete(&mut self, id: StreamId) -> Result<(), Error> {
        self.known(id)?;
        let deleted = self.call::<_, ()>("proxy_on_delete", Phase::Done, id.0, id.0);
        self.forget(id);
        deleted.map(|_| ())
    }

    /// The end of a stream, complete or not: log, done, and delete unless the filter wants to live on.
    ///
    /// # Errors
    /// As [`Vm::request_headers`]; the stream is forgotten all the same.
    pub fn finish(&mut self, id: StreamId) -> Result<(), Error> {
        let ended = self.log(id).and_then(|()| self.done(id));
        match ended {
            Ok(true) => self.delete(id),
            Ok(false) => self.delete_done(),
            Err(error) => {
                self.forget(id);
                Err(error)
            }
        }
    }

    /// Deletes the contexts for which `proxy_done` came since.
    pub(crate) fn delete_done(&mut self) -> Result<(), Error> {
        let done = std::mem::take(&mut self.state().done);
        done.into_iter().try_for_each(|id| self.delete(StreamId(id)))
    }

    /// What a tick or a call-back did to the stream: an answer, or that a side goes on. Tells each thing once.
    pub fn take_outcome(&mut self, id: StreamId) -> Outcome {
        let Some(stream) = self.state().streams.get_mut(&id.0) else { return Outcome::default() };
        let mut outcome = Outcome {
            local_reply: stream.reply.take(),
            closed: std::mem::take(&mut stream.closed),
            ..Outcome::default()
        };
        for side in [Side::Request, Side::Response] {
            let half = stream.half_mut(side);
            let resumed = std::mem::take(&mut half.resumed) && half.paused.is_some();
            if resumed && outcome.local_reply.is_none() {
                half.paused = None;
                outcome.body.append(&mut half.body);
                match side {
                    Side::Request => outcome.request_goes_on = true,
                    Side::Response => outcome.response_goes_on = true,
                }
            }
        }
        outcome
    }

    fn known(&mut self, id: StreamId) -> Result<&mut Stream, Error> {
        let missing = || Error::Unknown(format!("stream {}", id.0));
        self.state().streams.get_mut(&id.0).ok_or_else(missing)
    }

    /// Drops the stream, and on the nginx modules the calls that it made.
    pub(crate) fn forget(&mut self, id: StreamId) {
        let root_owns_calls = self.profile() == Profile::Envoy;
        let state = self.state();
        state.streams.remove(&id.0);
        state.undone.retain(|waiting| *waiting != id.0);
        if !root_owns_calls {
            state.calls.http.retain(|_, call| call.context != id.0);
        }
    }

    fn headers(&mut self, id: StreamId, side: Side, headers: HeaderMap, end: bool) -> Result<Outcome, Error> {
        let profile = self.profile();
        let half = self.known(id)?.half_mut(side);
        half.headers = as_seen(profile, headers);
        half.headers_seen = true;
        let count = half.headers.len();
        // APISIX tells neither how many there are nor whether a body follows.
        let (count, end) = if profile == Profile::Apisix { (0, true) } else { (count, end) };
        self.ask_stream(id, side, Part::Headers, (count, end))
    }

    fn body(&mut self, id: StreamId, side: Side, bytes: &[u8], end: bool) -> Result<Outcome, Error> {
        let profile = self.profile();
        let limit = self.config().body_limit();
        let stream = self.known(id)?;
        let wanted = profile != Profile::Apisix || body_wanted(stream, side);
        let whole = profile != Profile::Envoy && side == Side::Request;
        let half = stream.half_mut(side);
        // Bytes that went on are gone; those of a half that stands still come before the new ones.
        half.body.extend(bytes);
        if whole && !end {
            return Ok(Outcome::default());
        }
        if !wanted {
            return Ok(goes_on(side, std::mem::take(&mut half.body)));
        }
        half.body_unreadable = whole && half.body.len() > limit;
        half.body_seen = true;
        let len = half.body.len();
        self.ask_stream(id, side, Part::Body, (len, end))
    }

    fn trailers(&mut self, id: StreamId, side: Side, trailers: HeaderMap) -> Result<Outcome, Error> {
        let profile = self.profile();
        let half = self.known(id)?.half_mut(side);
        half.trailers = as_seen(profile, trailers);
        half.trailers_seen = true;
        let count = half.trailers.len();
        self.ask_stream(id, side, Part::Trailers, (count, true))
    }

    fn ask_stream(
        &mut self,
        id: StreamId,
        side: Side,
        part: Part,
        (size, end): (usize, bool),
    ) -> Result<Outcome, Error> {
        let callback = callback(side, part);
        let size = u32::try_from(size).unwrap_or(u32::MAX);
        let phase = Phase::Stream(side, part);
        let answer: Option<u32> = match part {
            Part::Trailers => self.call(callback, phase, id.0, (id.0, size))?,
            _ => self.call(callback, phase, id.0, (id.0, size, u32::from(end)))?,
        };
        let action = if answer.unwrap_or(0) == 0 { Action::Continue } else { Action::Pause };
        self.check_pause(id, side, part, action)?;
        let limit = self.config().body_limit();
        let limited = self.profile() == Profile::Envoy;
        let stream = self.known(id)?;
        let mut outcome = conclude(stream, side, part, action);
        if limited && part == Part::Body && action == Action::Pause && stream.half(side).body.len() > limit {
            outcome.local_reply = outcome.local_reply.or(Some(too_large(side)));
            stream.replied = true;
        }
        Ok(outcome)
    }

    /// APISIX loses its worker to a `Pause` that nothing will end.
    fn check_pause(&mut self, id: StreamId, side: Side, part: Part, action: Action) -> Result<(), Error> {
        let called = self.state().calls.http.values().any(|call| call.context == id.0);
        let replied = self.known(id)?.replied;
        let fine = action == Action::Continue || called || replied || side == Side::Response;
        if self.profile() != Profile::Apisix || fine {
            return Ok(());
        }
        let message = "paused a request with no call outstanding".to_owned();
        let callback = callback(side, part).to_owned();
        let error = Error::Trap(Trap { callback, message, worker_crashed: true });
        self.trapped(&error);
        Err(error)
    }
}

fn callback(side: Side, part: Part) -> &'static str {
    match (side, part) {
        (Side::Request, Part::Headers) => "proxy_on_request_headers",
        (Side::Request, Part::Body) => "proxy_on_request_body",
        (Side::Request, Part::Trailers) => "proxy_on_request_trailers",
        (Side::Response, Part::Headers) => "proxy_on_response_headers",
        (Side::Response, Part::Body) => "proxy_on_response_body",
        (Side::Response, Part::Trailers) => "proxy_on_response_trailers",
    }
}

fn as_seen(profile: Profile, headers: HeaderMap) -> HeaderMap {
    if profile != Profile::Envoy {
        return headers;
    }
    headers.iter().map(|(name, value)| (name.to_ascii_lowercase(), value)).collect()
}

fn goes_on(side: Side, body: Vec<u8>) -> Outcome {
    let (request_goes_on, response_goes_on) = (side == Side::Request, side == Side::Response);
    Outcome { request_goes_on, response_goes_on, body, ..Outcome::default() }
}

fn conclude(stream: &mut Stream, side: Side, part: Part, action: Action) -> Outcome {
    let local_reply = stream.reply.take();
    let closed = std::mem::take(&mut stream.closed);
    let half = stream.half_mut(side);
    // Headers that a callback held stay readable, whatever later callbacks return.
    if part == Part::Headers {
        half.headers_kept = action == Action::Pause && !half.resumed;
    }
    let resumed = std::mem::take(&mut half.resumed);
    if local_reply.is_some() || closed {
        return Outcome { action: Some(action), local_reply, closed, ..Outcome::default() };
    }
    if action == Action::Pause && !resumed {
        half.paused = Some(part);
        return Outcome { action: Some(action), ..Outcome::default() };
    }
    half.paused = None;
    Outcome { action: Some(action), ..goes_on(side, std::mem::take(&mut half.body)) }
}

fn too_large(side: Side) -> LocalReply {
    let (status, body) = match side {
        Side::Request => (413, "Payload Too Large"),
        Side::Response => (500, "Internal Server Error"),
    };
    LocalReply { status, body: body.into(), grpc_status: -1, by_host: true, ..LocalReply::default() }
}
