//! A server that takes what the filter sends of itself: alerts, and batches of cost records.

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use tokio::net::TcpListener;

/// What came in: path, type and body.
pub(crate) type Got = Arc<Mutex<Vec<(String, String, Bytes)>>>;

/// One that answers its first requests with 500.
pub(crate) async fn receiver(failures: usize) -> (SocketAddr, Got) {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let (addr, got) = (listener.local_addr().unwrap(), Got::default());
    let seen = got.clone();
    tokio::spawn(async move {
        while let Ok((socket, _)) = listener.accept().await {
            let seen = seen.clone();
            let service = service_fn(move |request| answer(request, seen.clone(), failures));
            tokio::spawn(async move {
                let _ = auto::Builder::new(TokioExecutor::new())
                    .serve_connection(TokioIo::new(socket), service)
                    .await;
            });
        }
    });
    (addr, got)
}

async fn answer(
    request: Request<Incoming>,
    seen: Got,
    failures: usize,
) -> Result<Response<Full<Bytes>>, Infallible> {
    let (head, body) = request.into_parts();
    let kind = head.headers.get("content-type").map_or("", |kind| kind.to_str().unwrap()).to_owned();
    let body = body.collect().await.unwrap().to_bytes();
    let mut seen = seen.lock().unwrap();
    seen.push((head.uri.path().to_owned(), kind, body));
    let status = if seen.len() <= failures { 500 } else { 202 };
    Ok(Response::builder().status(status).body(Full::default()).unwrap())
}
