//! Messages between hyper and the host: which headers a filter sees, and which go on.
//!
//! Pure. Used by `request`, `answer`, `exchange` and `calls`. Names and values stay bytes throughout.

use crate::host::{HeaderMap, LocalReply, Profile};
use hyper::header::{HeaderName, HeaderValue};
use hyper::http::request::Parts;
use hyper::{HeaderMap as HttpHeaders, Method, StatusCode};

/// What concerns one connection only (RFC 9110, 7.6.1); hyper writes its own.
const HOP_BY_HOP: [&str; 7] =
    ["connection", "keep-alive", "proxy-connection", "te", "transfer-encoding", "upgrade", "host"];

/// A request's headers as Envoy shows them: pseudo-headers first, `host` as `:authority`.
pub(super) fn request_headers(parts: &Parts) -> HeaderMap {
    let path = parts.uri.path_and_query().map_or("/", |path| path.as_str());
    let host = parts.headers.get("host").map(HeaderValue::as_bytes);
    let authority = parts.uri.authority().map(|authority| authority.as_str().as_bytes());
    let mut headers: HeaderMap = [
        (&b":method"[..], parts.method.as_str().as_bytes()),
        (b":path", path.as_bytes()),
        (b":scheme", b"http"),
        (b":authority", authority.or(host).unwrap_or_default()),
    ]
    .into();
    append(&mut headers, &parts.headers);
    headers
}

/// An answer's headers with `:status`.
pub(super) fn response_headers(status: StatusCode, from: &HttpHeaders) -> HeaderMap {
    let mut headers: HeaderMap = [(":status", status.as_str())].into();
    append(&mut headers, from);
    headers
}

/// Trailers as they are.
pub(super) fn trailers(from: &HttpHeaders) -> HeaderMap {
    let mut headers = HeaderMap::new();
    append(&mut headers, from);
    headers
}

/// A local reply's headers, with those that the proxy adds.
pub(super) fn reply_headers(reply: &LocalReply) -> HeaderMap {
    let mut headers: HeaderMap = [(":status", reply.status.to_string())].into();
    for (name, value) in reply.headers.iter() {
        headers.add(name, value);
    }
    if !reply.body.is_empty() && headers.first("content-type").is_none() {
        headers.add("content-type", "text/plain");
    }
    headers.replace("content-length", reply.body.len().to_string());
    headers
}

fn append(headers: &mut HeaderMap, from: &HttpHeaders) {
    for (name, value) in from.iter().filter(|(name, _)| !HOP_BY_HOP.contains(&name.as_str())) {
        headers.add(name.as_str(), value.as_bytes());
    }
}

/// What a filter left, for hyper. Pseudo-headers and names that HTTP does not know are dropped.
pub(super) fn to_http(headers: &HeaderMap) -> HttpHeaders {
    let mut out = HttpHeaders::with_capacity(headers.len());
    for (name, value) in headers.iter().filter(|(name, _)| !name.starts_with(b":")) {
        let (Ok(name), Ok(value)) = (HeaderName::from_bytes(name), HeaderValue::from_bytes(value)) else {
            continue;
        };
        if !HOP_BY_HOP.contains(&name.as_str()) {
            out.append(name, value);
        }
    }
    out
}

/// `:method`, or GET where a filter left none that HTTP knows.
pub(super) fn method(headers: &HeaderMap) -> Method {
    headers.first(":method").and_then(|method| Method::from_bytes(method).ok()).unwrap_or_default()
}

/// `:status`, or 503 where a filter left none that HTTP knows.
pub(super) fn status(headers: &HeaderMap) -> StatusCode {
    let status = headers.first(":status").and_then(|status| StatusCode::from_bytes(status).ok());
    status.unwrap_or(StatusCode::SERVICE_UNAVAILABLE)
}

/// `:path`, with its query.
pub(super) fn path(headers: &HeaderMap) -> String {
    headers.text(":path").unwrap_or_else(|| "/".to_owned())
}

/// What the proxy answers when nobody can be reached.
pub(super) fn unreachable(profile: Profile) -> LocalReply {
    match profile {
        Profile::Envoy => by_host(503, "upstream connect error or disconnect/reset before headers"),
        Profile::Wasmx | Profile::Apisix => by_host(502, "Bad Gateway"),
    }
}

/// What the proxy answers when the filter failed.
pub(super) fn failure(profile: Profile) -> LocalReply {
    by_host(if profile == Profile::Wasmx { 500 } else { 503 }, "")
}

/// WasmX ends the filter's own answers with a line end.
pub(super) fn as_sent(profile: Profile, mut reply: LocalReply) -> LocalReply {
    if profile == Profile::Wasmx && !reply.by_host && !reply.body.is_empty() {
        reply.body.push(b'\n');
    }
    reply
}

fn by_host(status: u32, body: &str) -> LocalReply {
    LocalReply { status, body: body.into(), grpc_status: -1, by_host: true, ..LocalReply::default() }
}

#[cfg(test)]
mod tests {
    use super::{request_headers, to_http};
    use hyper::Request;

    #[test]
    fn headers_keep_their_bytes_and_their_repetitions_and_lose_what_is_the_connections() {
        let request = Request::builder()
            .method("POST")
            .uri("/a?b=c")
            .header("host", "one.test")
            .header("connection", "close")
            .header("transfer-encoding", "chunked")
            .header("x-bytes", hyper::header::HeaderValue::from_bytes(b"\xa1\xb1").unwrap())
            .header("x-twice", "1")
            .header("x-twice", "2")
            .body(())
            .unwrap();
        let seen = request_headers(&request.into_parts().0);
        assert_eq!(seen.text(":authority").unwrap(), "one.test");
        assert_eq!(seen.text(":path").unwrap(), "/a?b=c");
        assert_eq!(seen.first("x-bytes").unwrap(), b"\xa1\xb1");
        assert_eq!(seen.len(), 4 + 3);
        let out = to_http(&seen);
        assert_eq!(out.get("x-bytes").unwrap().as_bytes(), b"\xa1\xb1");
        assert_eq!(out.get_all("x-twice").iter().count(), 2);
        assert_eq!(out.len(), 3);
    }
}
