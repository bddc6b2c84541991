//! A client that can do what an SDK never would: pieces, trailers, bytes that are no text, hanging up.
//!
//! Used by every test of the suite; it knows HTTP and nothing of budgets.

use bytes::Bytes;
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Full, StreamBody};
use hyper::body::{Frame, Incoming};
use hyper::header::{CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue};
use hyper::{Method, Request, Response};
use hyper_util::client::legacy::{Builder, connect::HttpConnector};
use hyper_util::rt::TokioExecutor;
use serde_json::Value;
use std::convert::Infallible;
use std::time::Duration;

pub(crate) type Body = UnsyncBoxBody<Bytes, Infallible>;
type Pool = hyper_util::client::legacy::Client<HttpConnector, Body>;

/// A request that hangs is a finding: every wait ends.
const ANSWER_MAX: Duration = Duration::from_secs(30);

/// The key of every call; it must stand nowhere but in the request.
pub(crate) const KEY: &str = "sk-very-secret";

/// A connection pool to one server.
#[derive(Clone)]
pub(crate) struct Client {
    pool: Pool,
    url: String,
}

impl Client {
    pub(crate) fn http1(url: String) -> Self {
        Self { pool: Builder::new(TokioExecutor::new()).build_http(), url }
    }

    /// HTTP/2 without TLS and without asking: "prior knowledge".
    pub(crate) fn http2(url: String) -> Self {
        Self { pool: Builder::new(TokioExecutor::new()).http2_only(true).build_http(), url }
    }

    /// One request and its whole answer.
    pub(crate) async fn send(&self, call: Call) -> Answer {
        let answer = tokio::time::timeout(ANSWER_MAX, async { Answer::of(self.start(call).await).await });
        answer.await.expect("no whole answer in time")
    }

    /// One request and the head of its answer.
    pub(crate) async fn start(&self, call: Call) -> Response<Incoming> {
        let request = call.into_request(&self.url);
        let head = tokio::time::timeout(ANSWER_MAX, self.pool.request(request)).await;
        head.expect("no answer in time").expect("the connection failed")
    }
}

/// A request that is being made.
pub(crate) struct Call {
    method: Method,
    path: String,
    headers: HeaderMap,
    body: Body,
}

impl Call {
    pub(crate) fn new(method: Method, path: &str) -> Self {
        Self { method, path: path.to_owned(), headers: HeaderMap::new(), body: whole(Bytes::new()) }
    }

    /// A chat call with this body.
    pub(crate) fn chat(body: impl Into<Bytes>) -> Self {
        Self::new(Method::POST, "/v1/chat/completions")
            .header(CONTENT_TYPE.as_str(), "application/json")
            .header("authorization", format!("Bearer {KEY}"))
            .body(body)
    }

    pub(crate) fn header(mut self, name: &str, value: impl AsRef<[u8]>) -> Self {
        let name = HeaderName::from_bytes(name.as_bytes()).unwrap();
        self.headers.append(name, HeaderValue::from_bytes(value.as_ref()).unwrap());
        self
    }

    /// A body of known length.
    pub(crate) fn body(mut self, body: impl Into<Bytes>) -> Self {
        self.body = whole(body.into());
        self
    }

    /// The body in pieces of `size` bytes and of unknown length, a little apart; then these trailers.
    pub(crate) fn pieces(
        mut self,
        body: &[u8],
        size: usize,
        trailers: &[(&'static str, &'static str)],
    ) -> Self {
        let mut frames: Vec<Frame<Bytes>> =
            body.chunks(size).map(|piece| Frame::data(Bytes::copy_from_slice(piece))).collect();
        if !trailers.is_empty() {
            let pairs = trailers.iter();
            let map = pairs.map(|(k, v)| (HeaderName::from_static(k), HeaderValue::from_static(v))).collect();
            frames.push(Frame::trailers(map));
        }
        let stream = futures_util::stream::unfold(frames.into_iter(), |mut frames| async move {
            tokio::time::sleep(Duration::from_millis(3)).await;
            let frame = frames.next()?;
            Some((Ok::<_, Infallible>(frame), frames))
        });
        self.body = StreamBody::new(stream).boxed_unsync();
        self
    }

    /// The beginning of a body whose end never comes.
    pub(crate) fn unfinished(mut self, first: &str) -> Self {
        let first = Frame::data(Bytes::copy_from_slice(first.as_bytes()));
        let stream = futures_util::stream::unfold(Some(first), |frame| async move {
            match frame {
                Some(frame) => Some((Ok::<_, Infallible>(frame), None)),
                None => std::future::pending().await,
            }
        });
        self.body = StreamBody::new(stream).boxed_unsync();
        self
    }

    fn into_request(self, url: &str) -> Request<Body> {
        let request = Request::builder().method(self.method).uri(format!("{url}{}", self.path));
        let mut request = request.body(self.body).unwrap();
        *request.headers_mut() = self.headers;
        request
    }
}

fn whole(bytes: Bytes) -> Body {
    Full::new(bytes).boxed_unsync()
}

/// A whole answer.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

impl Answer {
    async fn of(response: Response<Incoming>) -> Self {
        let (head, body) = response.into_parts();
        let body = body.collect().await.expect("the answer broke off").to_bytes();
        Self { status: head.status.as_u16(), headers: head.headers, body }
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(|value| value.to_str().expect("a header that is no text"))
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error}: {}", self.text()))
    }

    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// What the first budget in the `ratelimit` header has left.
    pub(crate) fn remaining(&self) -> u64 {
        let header = self.header("ratelimit").unwrap_or_else(|| panic!("no ratelimit header: {self:?}"));
        let rest = header.split(";r=").nth(1).and_then(|rest| rest.split(';').next());
        rest.and_then(|number| number.parse().ok()).unwrap_or_else(|| panic!("`{header}`"))
    }
}
