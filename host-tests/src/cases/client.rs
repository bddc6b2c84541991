//! Owns a client that sends what a case says and leaves when it says so. Called by `real.rs`. Each call has a
//! connection of its own, so that leaving is closing it.

use super::body::Sending;
use super::format::HangUp;
use super::scripted::{from_hyper, to_hyper};
use crate::host::HeaderMap;
use bytes::Bytes;
use http_body_util::BodyExt;
use http_body_util::channel::{Channel, Sender};
use hyper::body::Incoming;
use hyper::client::conn::{http1, http2};
use hyper::{Request, Response};
use hyper_util::rt::{TokioExecutor, TokioIo};
use std::future::Future;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpStream;
use tokio::sync::Notify;
use tokio::task::JoinHandle;

/// A call that hangs is a finding.
const ANSWER_MAX: Duration = Duration::from_secs(30);
/// For the proxy to see what was sent before the client leaves.
const BEFORE_LEAVING: Duration = Duration::from_millis(200);

/// What the client got.
#[derive(Debug, Default)]
pub(crate) struct Got {
    pub(crate) status: Option<u16>,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Vec<u8>,
    pub(crate) ended: &'static str,
    /// The connection of a client that did not leave. One that closed at the last byte would be taken for one that
    /// hung up, where the proxy learns of the answer's end a moment later.
    pub(crate) _open: Option<Open>,
}

/// A connection that is closed when this is dropped. hyper closes it already with the last handle to send by.
pub(crate) struct Open {
    connection: JoinHandle<()>,
    _sender: Box<dyn Send>,
}

impl std::fmt::Debug for Open {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Open")
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.connection.abort();
    }
}

/// When this client leaves.
#[derive(Clone)]
pub(crate) struct Leaving {
    pub(crate) when: Option<HangUp>,
    /// The bytes of the answer after which it leaves.
    pub(crate) after_bytes: usize,
    /// The upstream has the request.
    pub(crate) now: Arc<Notify>,
}

type Failed = Box<dyn std::error::Error + Send + Sync>;

/// Makes a call to its end.
pub(crate) async fn call(addr: SocketAddr, sending: Sending, leaving: Leaving) -> Result<Got, String> {
    let made = async {
        // Trailers need HTTP/2: of HTTP/1.1 Envoy drops them.
        if sending.trailers.is_some() {
            over_http2(addr, sending, leaving).await
        } else {
            over_http1(addr, sending, leaving).await
        }
    };
    let got = tokio::time::timeout(ANSWER_MAX, made).await;
    got.map_err(|_| "no whole answer in 30 s".to_owned())?.map_err(|error| error.to_string())
}

async fn over_http1(addr: SocketAddr, sending: Sending, leaving: Leaving) -> Result<Got, Failed> {
    let (mut to, connection) = http1::handshake(TokioIo::new(TcpStream::connect(addr).await?)).await?;
    let connection = tokio::spawn(async move { drop(connection.await) });
    let (request, body) = request(&sending, "")?;
    let answer = to.send_request(request);
    let open = Open { connection, _sender: Box::new(to) };
    exchange(answer, body, sending, leaving, open).await
}

async fn over_http2(addr: SocketAddr, sending: Sending, leaving: Leaving) -> Result<Got, Failed> {
    let io = TokioIo::new(TcpStream::connect(addr).await?);
    let (mut to, connection) = http2::handshake(TokioExecutor::new(), io).await?;
    let connection = tokio::spawn(async move { drop(connection.await) });
    let (request, body) = request(&sending, "http://llm.test")?;
    let answer = to.send_request(request);
    let open = Open { connection, _sender: Box::new(to) };
    exchange(answer, body, sending, leaving, open).await
}

type Body = Channel<Bytes>;

fn request(sending: &Sending, origin: &str) -> Result<(Request<Body>, Sender<Bytes>), Failed> {
    let pseudo = |name: &str| sending.headers.text(name).unwrap_or_default();
    let (sender, body) = Channel::new(1);
    let mut request = Request::new(body);
    *request.method_mut() = pseudo(":method").parse()?;
    *request.uri_mut() = format!("{origin}{}", pseudo(":path")).parse()?;
    *request.headers_mut() = to_hyper(&sending.headers)?;
    if origin.is_empty() {
        request.headers_mut().insert("host", pseudo(":authority").parse()?);
    }
    Ok((request, sender))
}

async fn exchange(
    answer: impl Future<Output = hyper::Result<Response<Incoming>>>,
    body: Sender<Bytes>,
    sending: Sending,
    leaving: Leaving,
    open: Open,
) -> Result<Got, Failed> {
    let early = leaving.when == Some(HangUp::InRequest);
    let sent = tokio::spawn(send(body, sending, early));
    let gone = Got { ended: "client_gone", ..Got::default() };
    let left = async {
        match leaving.when {
            Some(HangUp::InRequest) => tokio::time::sleep(BEFORE_LEAVING).await,
            Some(HangUp::BeforeAnswer) => leaving.now.notified().await,
            _ => std::future::pending().await,
        }
    };
    let got = tokio::select! {
        () = left => Ok(gone),
        answer = answer => match answer {
            Ok(answer) => Ok(read(answer, &leaving).await),
            Err(error) => Err(error.into()),
        },
    };
    sent.abort();
    got.map(|got: Got| if got.ended == "client_gone" { got } else { Got { _open: Some(open), ..got } })
}

async fn send(mut body: Sender<Bytes>, sending: Sending, early: bool) {
    let Sending { pieces, trailers, .. } = sending;
    let last = pieces.len().saturating_sub(1);
    for (index, piece) in pieces.into_iter().enumerate() {
        if early && index == last {
            return std::future::pending().await;
        }
        if body.send_data(piece.into()).await.is_err() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    if let Some(trailers) = trailers.and_then(|trailers| to_hyper(&trailers).ok()) {
        let _ = body.send_trailers(trailers).await;
    }
}

async fn read(answer: Response<Incoming>, leaving: &Leaving) -> Got {
    let (parts, mut body) = answer.into_parts();
    let mut got = Got {
        status: Some(parts.status.as_u16()),
        headers: from_hyper(&parts.headers),
        ended: "complete",
        ..Got::default()
    };
    loop {
        if matches!(leaving.when, Some(HangUp::AfterPieces(_))) && got.body.len() >= leaving.after_bytes {
            got.ended = "client_gone";
            return got;
        }
        match body.frame().await {
            Some(Ok(frame)) => got.body.extend(frame.into_data().unwrap_or_default()),
            Some(Err(_)) => {
                got.ended = "cut";
                return got;
            }
            None => return got,
        }
    }
}
