//! The simulated provider: a server with OpenAI's, Anthropic's and Gemini's shapes which always answers the same way
//! and remembers what it billed.
//!
//! Owns the server's life (start, address, stop) and the choice of answer by path. Called by the tests, by
//! `tokenstile upstream` and by the demo. It must not know Tokenstile: its token counts and its bill are the
//! independent figures that Tokenstile's own records are compared with.

mod answer;
mod anthropic;
mod api;
mod chat;
mod echo;
mod gemini;
mod knobs;
mod ledger;
mod openai;
mod prompt;
mod responses;
mod stream;

use knobs::Knobs;

pub use ledger::{Bill, Ledger, Seen};

use bytes::Bytes;
use http_body_util::{BodyExt, combinators::UnsyncBoxBody};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper::{Method, Request, Response};
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use tokio::net::TcpListener;
use tokio::runtime::Runtime;

type BoxError = Box<dyn std::error::Error + Send + Sync>;
type Body = UnsyncBoxBody<Bytes, BoxError>;
type Answer = Response<Body>;

/// A running simulated provider. Dropping it closes the port and every connection.
#[derive(Debug)]
pub struct Upstream {
    addr: SocketAddr,
    ledger: Arc<Ledger>,
    runtime: Option<Runtime>,
}

impl Upstream {
    /// Listens on `listen` (port 0 chooses a free one) and serves on two threads of its own, so that it can be
    /// started from a plain test as well as from inside another runtime.
    ///
    /// # Errors
    /// The address cannot be listened on, or no thread can be started.
    pub fn start(listen: SocketAddr) -> std::io::Result<Self> {
        prompt::warm_up();
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .thread_name("simulated-upstream")
            .enable_all()
            .build()?;
        let ledger = Arc::new(Ledger::default());
        let listener = {
            let _entered = runtime.enter();
            crate::net::bind(listen)?
        };
        let addr = listener.local_addr()?;
        runtime.spawn(accept(listener, Arc::clone(&ledger)));
        Ok(Self { addr, ledger, runtime: Some(runtime) })
    }

    /// Where it listens.
    #[must_use]
    pub fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// `http://ADDR`, without a slash at the end.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://{}", self.addr)
    }

    /// What it has seen and billed so far; shared with the running server.
    #[must_use]
    pub fn ledger(&self) -> Arc<Ledger> {
        Arc::clone(&self.ledger)
    }
}

impl Drop for Upstream {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            // A blocking shutdown panics inside another runtime, where tests may drop it.
            runtime.shutdown_background();
        }
    }
}

async fn accept(listener: TcpListener, ledger: Arc<Ledger>) {
    loop {
        // A failed accept (too many open files) passes when connections close: wait, do not spin.
        let Ok((stream, _peer)) = listener.accept().await else {
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
            continue;
        };
        // Each event of a stream has to leave at once; a failure only makes it slower.
        let _ = stream.set_nodelay(true);
        let ledger = Arc::clone(&ledger);
        tokio::spawn(async move {
            let service = service_fn(move |request| route(request, Arc::clone(&ledger)));
            // A connection ends in an error whenever a client hangs up: part of the job, nobody to tell.
            let _ = auto::Builder::new(TokioExecutor::new())
                .serve_connection(TokioIo::new(stream), service)
                .await;
        });
    }
}

async fn route(request: Request<Incoming>, ledger: Arc<Ledger>) -> Result<Answer, BoxError> {
    let path = request.uri().path();
    match (request.method(), path) {
        (&Method::GET, "/__sim/ledger") => Ok(answer::json(200, &ledger.to_json())),
        (&Method::GET, "/v1/models") => {
            ledger.saw(Seen::of(request.method(), request.uri(), request.headers()));
            Ok(answer::json(200, &openai::models()))
        }
        (&Method::POST, path) => match api(path) {
            Some(api) => chat::answer(request, api, &ledger).await,
            None => echo::answer(request, &ledger).await,
        },
        _ => echo::answer(request, &ledger).await,
    }
}

/// Which API a path is of.
fn api(path: &str) -> Option<&'static api::Api> {
    match path {
        path if path.ends_with("/chat/completions") => Some(&openai::CHAT),
        path if path.ends_with("/responses") => Some(&responses::RESPONSES),
        path if path.ends_with("/v1/messages") => Some(&anthropic::MESSAGES),
        path if path.ends_with(":generateContent") || path.ends_with(":streamGenerateContent") => {
            Some(&gemini::GENERATE)
        }
        _ => None,
    }
}

fn full(bytes: impl Into<Bytes>) -> Body {
    http_body_util::Full::new(bytes.into()).map_err(|never: Infallible| match never {}).boxed_unsync()
}
