//! Owns what an exchange came to, as client, upstream and operator see it.

use super::{Sent, Waiting};
use crate::host::{Error, HeaderMap, LocalReply, LogLine};
use std::collections::BTreeMap;

/// How an exchange ended for the client.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Ended {
    /// It has not ended.
    #[default]
    Open,
    /// With a whole answer.
    Complete,
    /// The proxy or the upstream broke the connection.
    Cut,
    /// The client went away.
    ClientGone,
}

/// What the client received.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ClientSaw {
    /// The status, if an answer began.
    pub status: Option<u16>,
    /// The headers, with `:status`.
    pub headers: HeaderMap,
    /// The body, in the pieces in which it came.
    pub chunks: Vec<Vec<u8>>,
    /// The trailers.
    pub trailers: Option<HeaderMap>,
    /// How it ended.
    pub ended: Ended,
}

impl ClientSaw {
    /// The whole body.
    pub fn body(&self) -> Vec<u8> {
        self.chunks.concat()
    }

    /// The whole body as text; bytes that are not UTF-8 are replaced.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body()).into_owned()
    }
}

/// What an exchange came to.
#[derive(Clone, Debug, Default)]
pub struct Report {
    /// What the client received.
    pub client: ClientSaw,
    /// What the upstream got, as far as anything was let through.
    pub upstream: Option<Sent>,
    /// The answer that the filter, or the proxy, gave in place of the upstream.
    pub local_reply: Option<LocalReply>,
    /// What the exchange waits for.
    pub waiting: Option<Waiting>,
    /// It waits, with no call outstanding and no tick to come: it will wait for ever.
    pub hung: bool,
    /// The first error of the filter.
    pub error: Option<Error>,
    /// What the filter logged.
    pub log: Vec<LogLine>,
    /// By how much metrics changed, those that did.
    pub metrics: BTreeMap<String, i64>,
    /// What a real peer would trip over, such as a `content-length` that is not the body's.
    pub problems: Vec<String>,
}

impl Report {
    /// The lines of the log as text.
    pub fn log_text(&self) -> Vec<String> {
        self.log.iter().map(LogLine::text).collect()
    }

    pub(super) fn check_length(&mut self, who: &str, headers: &HeaderMap, body_len: usize) {
        let Some(said) = headers.text("content-length") else { return };
        if said != body_len.to_string() {
            let problem = format!("{who}: content-length is `{said}` and the body has {body_len} bytes");
            self.problems.push(problem);
        }
    }
}
