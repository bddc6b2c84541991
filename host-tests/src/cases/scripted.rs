//! Owns an upstream that answers what a case says, once it is told to, and keeps what it got. Called by `real.rs`.
//! It must not know the filter: it is HTTP alone.

use super::UpstreamSaw;
use super::body::Answering;
use crate::host::HeaderMap;
use bytes::Bytes;
use http_body_util::BodyExt;
use http_body_util::channel::{Channel, Sender};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::sync::watch;

/// A body that may end in an error.
pub(crate) type Body = Channel<Bytes, std::io::Error>;

/// Between the last piece and a break, so that the piece is not lost with the connection.
const BEFORE_CUT: Duration = Duration::from_millis(100);

/// What to answer.
#[derive(Clone)]
pub(crate) struct Script {
    pub(crate) answering: Answering,
    /// After that many pieces nothing more comes: the client is about to leave.
    pub(crate) stop_after: Option<usize>,
}

#[derive(Default)]
struct State {
    script: Mutex<Option<Script>>,
    got: Mutex<Vec<UpstreamSaw>>,
}

pub(crate) struct Scripted {
    pub(crate) addr: SocketAddr,
    state: Arc<State>,
    /// Whether it may answer.
    gate: watch::Sender<bool>,
}

impl Scripted {
    /// Listens on a free port.
    pub(crate) async fn start() -> std::io::Result<Self> {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
        let addr = listener.local_addr()?;
        let (gate, opened) = watch::channel(false);
        let state = Arc::new(State::default());
        tokio::spawn(accept(listener, state.clone(), opened));
        Ok(Self { addr, state, gate })
    }

    /// Forgets what it got, and answers this from now on, as soon as it may.
    pub(crate) fn script(&self, script: Script) {
        self.gate.send_replace(false);
        *locked(&self.state.script) = Some(script);
        locked(&self.state.got).clear();
    }

    pub(crate) fn may_answer(&self) {
        self.gate.send_replace(true);
    }

    /// The whole requests that came since it was scripted.
    pub(crate) fn got(&self) -> Vec<UpstreamSaw> {
        locked(&self.state.got).clone()
    }
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

async fn accept(listener: TcpListener, state: Arc<State>, opened: watch::Receiver<bool>) {
    while let Ok((socket, _)) = listener.accept().await {
        let (state, opened) = (state.clone(), opened.clone());
        tokio::spawn(async move {
            let service = service_fn(|request| answer(request, state.clone(), opened.clone()));
            // A connection that breaks is what some cases are about.
            let _ = auto::Builder::new(TokioExecutor::new())
                .serve_connection(TokioIo::new(socket), service)
                .await;
        });
    }
}

type Failed = Box<dyn std::error::Error + Send + Sync>;

async fn answer(
    request: Request<Incoming>,
    state: Arc<State>,
    mut opened: watch::Receiver<bool>,
) -> Result<Response<Body>, Failed> {
    let (parts, body) = request.into_parts();
    let body = body.collect().await?;
    let trailers = body.trailers().map(from_hyper).unwrap_or_default();
    let mut headers = HeaderMap::new();
    headers.add(":method", parts.method.as_str());
    headers.add(":path", parts.uri.path_and_query().map_or("/", |path| path.as_str()));
    headers.add(":scheme", "http");
    let authority = parts.uri.authority().map(|authority| authority.as_str().as_bytes().to_vec());
    let host = parts.headers.get("host").map(|host| host.as_bytes().to_vec());
    headers.add(":authority", authority.or(host).unwrap_or_default());
    for (name, value) in from_hyper(&parts.headers).iter() {
        headers.add(name, value);
    }
    locked(&state.got).push(UpstreamSaw { headers, body: body.to_bytes().to_vec(), trailers });
    opened.wait_for(|open| *open).await?;
    let script = locked(&state.script).clone().ok_or("a request came before the script")?;
    if script.answering.unreachable {
        return Err("this upstream cannot be reached".into());
    }
    let (sender, body) = Channel::new(1);
    let mut response = Response::new(body);
    *response.status_mut() = hyper::StatusCode::from_u16(script.answering.status)?;
    *response.headers_mut() = to_hyper(&script.answering.headers)?;
    tokio::spawn(send(sender, script));
    Ok(response)
}

async fn send(mut sender: Sender<Bytes, std::io::Error>, script: Script) {
    let Script { answering, stop_after } = script;
    for (index, piece) in answering.pieces.into_iter().enumerate() {
        if stop_after.is_some_and(|last| index >= last) {
            tokio::time::sleep(Duration::from_secs(60)).await;
        }
        if sender.send_data(piece.into()).await.is_err() {
            return;
        }
        // Apart, so that each piece passes the proxy by itself.
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    if answering.cut {
        tokio::time::sleep(BEFORE_CUT).await;
        return sender.abort(std::io::Error::other("the upstream breaks off"));
    }
    if let Some(trailers) = answering.trailers.and_then(|trailers| to_hyper(&trailers).ok()) {
        let _ = sender.send_trailers(trailers).await;
    }
}

/// Header maps of the two kinds.
pub(crate) fn from_hyper(headers: &hyper::HeaderMap) -> HeaderMap {
    headers.iter().map(|(name, value)| (name.as_str(), value.as_bytes())).collect()
}

/// Without the pseudo-headers, which hyper has elsewhere.
pub(crate) fn to_hyper(headers: &HeaderMap) -> Result<hyper::HeaderMap, Failed> {
    let mut map = hyper::HeaderMap::new();
    for (name, value) in headers.iter().filter(|(name, _)| !name.starts_with(b":")) {
        map.append(
            hyper::header::HeaderName::from_bytes(name)?,
            hyper::header::HeaderValue::from_bytes(value)?,
        );
    }
    Ok(map)
}
