//! Where requests go: an address, and the HTTP client for it.
//!
//! Used by `exchange` for the upstream and by `calls` for what the filter calls by itself.

use bytes::Bytes;
use http_body_util::combinators::UnsyncBoxBody;
use hyper::body::Incoming;
use hyper::http::uri::{Authority, Scheme};
use hyper::{Request, Response, Uri};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use std::str::FromStr;
use std::time::Duration;

pub(super) type BoxError = Box<dyn std::error::Error + Send + Sync>;
/// A body on its way: to the upstream, or to the client.
pub(super) type Body = UnsyncBoxBody<Bytes, BoxError>;

const CONNECT_WITHIN: Duration = Duration::from_secs(5);

/// A server by its URL: `http://HOST[:PORT][/PREFIX]`, `https://…`, or `h2c://…` for HTTP/2 without TLS.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    scheme: Scheme,
    authority: Authority,
    /// Put before each path; empty, or begins with a slash and does not end with one.
    prefix: String,
    http2_only: bool,
}

impl FromStr for Target {
    type Err = String;

    fn from_str(url: &str) -> Result<Self, Self::Err> {
        let (http2_only, plain) = match url.strip_prefix("h2c://") {
            Some(rest) => (true, format!("http://{rest}")),
            None => (false, url.to_owned()),
        };
        let refused =
            |why: &str| format!("`{url}` is no upstream: {why}; write http://HOST:PORT or https://HOST");
        let uri: Uri = plain.parse().map_err(|_| refused("it is not a URL"))?;
        let parts = uri.into_parts();
        let scheme = parts.scheme.filter(|scheme| *scheme == Scheme::HTTP || *scheme == Scheme::HTTPS);
        let scheme = scheme.ok_or_else(|| refused("it begins with neither http:// nor https://"))?;
        let authority = parts.authority.ok_or_else(|| refused("it names no host"))?;
        let prefix = parts.path_and_query.map(|path| path.path().trim_end_matches('/').to_owned());
        Ok(Self { scheme, authority, prefix: prefix.unwrap_or_default(), http2_only })
    }
}

/// A [`Target`] with its pool of connections. One a worker: hyper's connections live on the worker's runtime.
#[derive(Clone)]
pub(super) struct Upstream {
    target: Target,
    client: Pool,
}

/// Certificates are looked up only when somebody wants TLS: a machine without any can still serve plain HTTP.
#[derive(Clone)]
enum Pool {
    Plain(Client<HttpConnector, Body>),
    Tls(Client<HttpsConnector<HttpConnector>, Body>),
}

impl Upstream {
    /// # Errors
    /// TLS is wanted and the machine has no certificates to trust.
    pub(super) fn new(target: &Target) -> std::io::Result<Self> {
        let mut http = HttpConnector::new();
        http.set_nodelay(true);
        http.set_connect_timeout(Some(CONNECT_WITHIN));
        http.enforce_http(false);
        let mut builder = Client::builder(TokioExecutor::new());
        builder.pool_timer(TokioTimer::new()).http2_only(target.http2_only);
        let client = if target.scheme == Scheme::HTTPS {
            let tls = HttpsConnectorBuilder::new().with_native_roots()?;
            Pool::Tls(builder.build(tls.https_or_http().enable_http1().enable_http2().wrap_connector(http)))
        } else {
            Pool::Plain(builder.build(http))
        };
        Ok(Self { target: target.clone(), client })
    }

    /// The full address of `path`. The target's own name goes into it, not the one that the client asked for: a
    /// provider would not know `localhost`.
    pub(super) fn uri(&self, path: &str) -> Result<Uri, BoxError> {
        let Target { scheme, authority, prefix, .. } = &self.target;
        Ok(format!("{scheme}://{authority}{prefix}{path}").parse()?)
    }

    pub(super) async fn send(&self, request: Request<Body>) -> Result<Response<Incoming>, BoxError> {
        let answer = match &self.client {
            Pool::Plain(client) => client.request(request).await,
            Pool::Tls(client) => client.request(request).await,
        };
        Ok(answer?)
    }
}

#[cfg(test)]
mod tests {
    use super::{Target, Upstream};

    #[test]
    fn a_prefix_goes_before_the_path_and_a_typo_is_named() {
        let target: Target = "http://127.0.0.1:9/openai/".parse().unwrap();
        let upstream = Upstream::new(&target).unwrap();
        assert_eq!(upstream.uri("/v1/models?x=1").unwrap(), "http://127.0.0.1:9/openai/v1/models?x=1");
        for wrong in ["", "localhost", "ftp://a", "http://", "http//a"] {
            let why = wrong.parse::<Target>().unwrap_err();
            assert!(why.contains(&format!("`{wrong}`")) && why.contains("write http://"), "{why}");
        }
    }
}
