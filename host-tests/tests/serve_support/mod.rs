//! Owns what the tests of the embedded proxy share: filters, an upstream that obeys the test step by step, and
//! clients. Used by `serve_*.rs`.

#![allow(dead_code, reason = "each test file uses a part of it")]

use bytes::Bytes;
use http_body_util::{BodyExt, combinators::UnsyncBoxBody};
use hyper::{Request, Response, body::Incoming};
use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioExecutor;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::time::{Duration, Instant};
use tokenstile_host::host::{LogLine, Module};
use tokenstile_host::serve::{Config, Server};

/// What a test waits for comes in milliseconds; after this long it never will.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

pub(crate) type Body = UnsyncBoxBody<Bytes, std::io::Error>;

/// A server with `module` in front of `upstream`.
pub(crate) fn serve(module: &Module, upstream: &str) -> Server {
    Server::start(&Config::new(module.clone(), "", upstream.parse().unwrap())).unwrap()
}

/// Waits until the filter has logged `line`, and tells everything that it logged.
pub(crate) fn wait_for_line(server: &Server, line: &str) -> Vec<String> {
    let since = Instant::now();
    loop {
        let lines: Vec<String> = server.shared().log().lines().iter().map(LogLine::text).collect();
        if lines.iter().any(|logged| logged.contains(line)) {
            return lines;
        }
        assert!(since.elapsed() < PATIENCE, "no line `{line}`; the log has {lines:?}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// A connection on which a test reads and writes what it wants, when it wants.
pub(crate) struct Raw(pub(crate) BufReader<TcpStream>);

impl Raw {
    pub(crate) fn connect(addr: SocketAddr) -> Self {
        Self::over(TcpStream::connect(addr).unwrap())
    }

    pub(crate) fn over(stream: TcpStream) -> Self {
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.set_nodelay(true).unwrap();
        Self(BufReader::new(stream))
    }

    pub(crate) fn send(&mut self, bytes: impl AsRef<[u8]>) {
        self.0.get_mut().write_all(bytes.as_ref()).unwrap();
    }

    /// One chunk of chunked transfer.
    pub(crate) fn send_chunk(&mut self, bytes: &str) {
        self.send(format!("{:x}\r\n{bytes}\r\n", bytes.len()));
    }

    /// The head of a message, up to the empty line.
    pub(crate) fn head(&mut self) -> String {
        let mut head = String::new();
        while !head.ends_with("\r\n\r\n") {
            assert!(self.0.read_line(&mut head).unwrap() > 0, "the connection ended in the head: {head}");
        }
        head
    }

    /// The next chunk of chunked transfer; empty at the end.
    pub(crate) fn chunk(&mut self) -> String {
        let mut size = String::new();
        self.0.read_line(&mut size).unwrap();
        let size =
            usize::from_str_radix(size.trim(), 16).unwrap_or_else(|_| panic!("`{size}` is no chunk size"));
        let mut bytes = vec![0; size + 2];
        self.0.read_exact(&mut bytes).unwrap();
        bytes.truncate(size);
        String::from_utf8(bytes).unwrap()
    }

    /// Reads until the other side closes.
    pub(crate) fn rest(&mut self) -> Vec<u8> {
        let mut rest = Vec::new();
        // A reset is an end too.
        let _ = self.0.read_to_end(&mut rest);
        rest
    }
}

/// An upstream that answers nothing until the test has accepted its connection.
pub(crate) struct ByHand(TcpListener);

impl ByHand {
    pub(crate) fn new() -> Self {
        Self(TcpListener::bind("127.0.0.1:0").unwrap())
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.0.local_addr().unwrap())
    }

    pub(crate) fn accept(&self) -> Raw {
        Raw::over(self.0.accept().unwrap().0)
    }
}

/// Sends one request over HTTP/2 or 1.1.
pub(crate) async fn send(request: Request<Body>, http2: bool) -> Response<Incoming> {
    let mut builder = Client::builder(TokioExecutor::new());
    let client = builder.http2_only(http2).build_http::<Body>();
    client.request(request).await.unwrap()
}

pub(crate) fn body(bytes: impl Into<Bytes>) -> Body {
    http_body_util::Full::new(bytes.into()).map_err(|never| match never {}).boxed_unsync()
}

pub(crate) fn on_runtime<T>(work: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let done = runtime.block_on(async { tokio::time::timeout(PATIENCE, work).await });
    done.expect("it takes for ever")
}
