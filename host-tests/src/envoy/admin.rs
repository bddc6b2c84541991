//! Reads pages of Envoy's admin interface. Called by the parent; it must not know what they say.

use super::Error;
use bytes::Bytes;
use http_body_util::{BodyExt, Empty};
use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioExecutor;
use std::io;
use std::net::SocketAddr;
use std::time::Duration;

/// A page of statistics is ready in milliseconds.
const ANSWER_MAX: Duration = Duration::from_secs(20);

/// One page. On a thread of its own, since a caller may already be inside a runtime.
pub(super) fn get(admin: SocketAddr, path: &str) -> Result<String, Error> {
    let uri = format!("http://{admin}{path}");
    let fetched = std::thread::scope(|scope| {
        scope
            .spawn(|| {
                let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
                runtime.block_on(async {
                    tokio::time::timeout(ANSWER_MAX, fetch(&uri)).await.map_err(io::Error::other)?
                })
            })
            .join()
    });
    let page = fetched.unwrap_or_else(|_| Err(io::Error::other("the admin client panicked")));
    Ok(page?)
}

async fn fetch(uri: &str) -> io::Result<String> {
    let client = Client::builder(TokioExecutor::new()).build_http::<Empty<Bytes>>();
    let answer = client.get(uri.parse().map_err(io::Error::other)?).await.map_err(io::Error::other)?;
    let body = answer.into_body().collect().await.map_err(io::Error::other)?.to_bytes();
    Ok(String::from_utf8_lossy(&body).into_owned())
}
