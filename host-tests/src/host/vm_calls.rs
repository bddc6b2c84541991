//! Owns the callbacks that no message brings: ticks, answers to calls, queues. Called by tests, by `Driver`'s
//! users and by `serve`. What they did to a stream is told by `Vm::take_outcome`.

use super::calls::{GrpcCall, HttpCall};
use super::stream::Phase;
use super::{Error, HeaderMap, Profile, Vm};
use std::time::Duration;

impl Vm {
    /// How often the filter wants a tick; none if it did not ask.
    pub fn tick_period(&self) -> Option<Duration> {
        let period_ms = self.store.data().tick_period_ms;
        (period_ms > 0).then(|| Duration::from_millis(period_ms.into()))
    }

    /// One tick, if the filter asked for them; whether it did.
    ///
    /// # Errors
    /// [`Error::Trap`], [`Error::Dead`].
    pub fn tick(&mut self) -> Result<bool, Error> {
        if self.tick_period().is_none() {
            return Ok(false);
        }
        let root = self.root();
        self.call::<_, ()>("proxy_on_tick", Phase::Tick, root, root)?;
        self.delete_done()?;
        Ok(true)
    }

    /// The HTTP calls that wait for an answer, in the order of their tokens.
    pub fn http_calls(&self) -> Vec<HttpCall> {
        self.store.data().calls.http.values().cloned().collect()
    }

    /// Answers an HTTP call.
    ///
    /// # Errors
    /// [`Error::Unknown`], [`Error::Trap`], [`Error::Dead`].
    pub fn http_call_response(
        &mut self,
        token: u32,
        headers: impl Into<HeaderMap>,
        body: impl Into<Vec<u8>>,
        trailers: impl Into<HeaderMap>,
    ) -> Result<(), Error> {
        let (headers, body, trailers) = (headers.into(), body.into(), trailers.into());
        let lengths = [headers.len(), body.len(), trailers.len()];
        let calls = &mut self.state().calls;
        calls.headers = Some(headers);
        calls.body = Some(body);
        calls.trailers = Some(trailers);
        self.http_call_over(token, lengths)
    }

    /// Ends an HTTP call without any answer, as a reset does: no headers, no body. An address that cannot be
    /// reached is on Envoy an answer of 503 instead, a timeout one of 504.
    ///
    /// # Errors
    /// As [`Vm::http_call_response`].
    pub fn http_call_failed(&mut self, token: u32) -> Result<(), Error> {
        self.http_call_over(token, [0; 3])
    }

    fn http_call_over(&mut self, token: u32, lengths: [usize; 3]) -> Result<(), Error> {
        let missing = || Error::Unknown(format!("http call {token} outstanding"));
        let call = self.state().calls.http.remove(&token).ok_or_else(missing)?;
        let [headers, body, trailers] = lengths.map(|len| u32::try_from(len).unwrap_or(u32::MAX));
        // Envoy acts for the root context until the filter says otherwise; the nginx modules for the request.
        let root = self.root();
        let context = if self.profile() == Profile::Envoy { root } else { call.context };
        let params = (root, token, headers, body, trailers);
        let answered = self.call::<_, ()>("proxy_on_http_call_response", Phase::HttpCall, context, params);
        self.state().calls.delivered();
        answered?;
        self.delete_done()
    }

    /// The gRPC calls and streams that are open, in the order of their tokens.
    pub fn grpc_calls(&self) -> Vec<GrpcCall> {
        self.store.data().calls.grpc.values().cloned().collect()
    }

    /// Delivers the metadata with which a gRPC answer begins.
    ///
    /// # Errors
    /// As [`Vm::http_call_response`].
    pub fn grpc_metadata(&mut self, token: u32, metadata: impl Into<HeaderMap>) -> Result<(), Error> {
        let metadata = metadata.into();
        let len = metadata.len();
        self.state().calls.grpc_metadata = Some(metadata);
        self.grpc("proxy_on_grpc_receive_initial_metadata", token, len)
    }

    /// Delivers a gRPC message.
    ///
    /// # Errors
    /// As [`Vm::http_call_response`].
    pub fn grpc_message(&mut self, token: u32, message: impl Into<Vec<u8>>) -> Result<(), Error> {
        let message = message.into();
        let len = message.len();
        self.state().calls.grpc_message = Some(message);
        self.grpc("proxy_on_grpc_receive", token, len)
    }

    /// Delivers the metadata with which a gRPC answer ends.
    ///
    /// # Errors
    /// As [`Vm::http_call_response`].
    pub fn grpc_trailers(&mut self, token: u32, metadata: impl Into<HeaderMap>) -> Result<(), Error> {
        let metadata = metadata.into();
        let len = metadata.len();
        self.state().calls.grpc_trailers = Some(metadata);
        self.grpc("proxy_on_grpc_receive_trailing_metadata", token, len)
    }

    /// Ends a gRPC call with its status.
    ///
    /// # Errors
    /// As [`Vm::http_call_response`].
    pub fn grpc_close(&mut self, token: u32, status: u32, message: impl Into<Vec<u8>>) -> Result<(), Error> {
        self.state().calls.status = (status, message.into());
        let closed = self.grpc("proxy_on_grpc_close", token, status as usize);
        self.state().calls.grpc.remove(&token);
        closed
    }

    fn grpc(&mut self, callback: &str, token: u32, number: usize) -> Result<(), Error> {
        if !self.state().calls.grpc.contains_key(&token) {
            self.state().calls.delivered();
            return Err(Error::Unknown(format!("gRPC call {token} open")));
        }
        let number = u32::try_from(number).unwrap_or(u32::MAX);
        let root = self.root();
        let told = self.call::<_, ()>(callback, Phase::Grpc, root, (root, token, number));
        self.state().calls.delivered();
        told.map(|_| ())
    }

    /// Tells the filter of every item that came into the queues which this VM registered; how many.
    ///
    /// # Errors
    /// [`Error::Trap`], [`Error::Dead`].
    pub fn deliver_queues(&mut self) -> Result<u32, Error> {
        let mut told = 0;
        while let Some(token) = self.shared().queues().next_ready(self.store.data().worker) {
            let root = self.root();
            self.call::<_, ()>("proxy_on_queue_ready", Phase::Queue, root, (root, token))?;
            told += 1;
        }
        Ok(told)
    }
}
