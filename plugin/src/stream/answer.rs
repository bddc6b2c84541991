//! The answer of a metered call as the proxy shows it: its headers, its chunks, its trailers.

use super::{Stream, request};
use crate::host::{self, Buffer, Map};
use crate::pairs;
use crate::root::HostKind;
use tokenstile_engine::policy;

impl Stream {
    /// The answer's headers are there.
    pub(crate) fn response_headers(&mut self, end_of_stream: bool) {
        self.is_now = false;
        let now = self.now();
        if self.exchange.is_reading() {
            let _ = self.exchange.unread("the proxy did not show the whole body", None, false, now);
        }
        if self.kind == HostKind::Apisix {
            // It shows an answer's body only to a filter that asked for it by now.
            let ask = || host::set_property("wasm_process_resp_body", b"1");
            if ask().or_else(|_| ask()).is_err() {
                let _ = self.exchange.answer_chunk_lost();
            }
        }
        // All at once cost as much as two single ones; one by one where a host does not give them so.
        let bytes = host::headers(Map::ResponseHeaders).ok();
        let all = bytes.as_deref().map(pairs::decode);
        let one = |name: &str| host::header(Map::ResponseHeaders, name);
        // Once more: without status and type the answer cannot be read.
        let text = |name: &str| {
            let listed = all.as_ref().and_then(|all| pairs::find(all, name)).map(<[u8]>::to_vec);
            let asks = all.is_none() || name == ":status";
            listed.or_else(|| asks.then(|| one(name).or_else(|_| one(name)).ok())?).unwrap_or_default()
        };
        let status = std::str::from_utf8(&text(":status")).ok().and_then(|s| s.parse().ok()).unwrap_or(0);
        let (kind, encoding) = (text("content-type"), text("content-encoding"));
        let encoded = request::encodes(&encoding);
        let names = self.exchange.answer_headers().iter();
        let stated: Vec<_> =
            names.map(|name| (*name, text(name))).filter(|(_, value)| !value.is_empty()).collect();
        // What an upstream says by our names is not ours.
        let theirs = all.iter().flatten().filter(|_| self.exchange.is_forwarded());
        for (name, _) in theirs.filter(|(name, _)| policy::is_ours(name)) {
            let _ = std::str::from_utf8(name).map(|name| host::remove_header(Map::ResponseHeaders, name));
        }
        for (name, value) in self.exchange.answer_head(status, &kind, encoded, &stated, now) {
            if let Err(status) = host::add_header(Map::ResponseHeaders, name, value.as_bytes()) {
                let why = format!("adding `{name}` to the answer answered status {status}");
                self.root.borrow_mut().metrics.failed("header", &why);
            }
        }
        if self.exchange.changes_answer() && remove_answer_length().is_err() {
            self.exchange.answer_is_read_only();
        }
        // APISIX says so of every answer.
        if end_of_stream && self.kind != HostKind::Apisix {
            let _ = self.finished();
        }
    }

    /// A chunk of the answer passes.
    pub(crate) fn response_body(&mut self, size: usize, end_of_stream: bool) {
        self.is_now = false;
        if !std::mem::replace(&mut self.began, true) {
            let now = self.now();
            self.exchange.answer_began(now);
        }
        let holds_back = end_of_stream && self.exchange.changes_answer();
        if (size > 0 || holds_back) && self.exchange.is_answering() {
            let chunk = if size > 0 { host::buffer(Buffer::ResponseBody) } else { Ok(Vec::new()) };
            match chunk.or_else(|_| host::buffer(Buffer::ResponseBody)) {
                Ok(chunk) => self.pass_on(&chunk, end_of_stream),
                Err(status) => self.chunk_lost(status),
            }
        }
        if end_of_stream {
            let _ = self.finished();
        }
    }

    /// A chunk that passes could not be read.
    fn chunk_lost(&mut self, status: host::Status) {
        let held = self.exchange.answer_chunk_lost();
        let put = || match &held {
            Some(held) if held.is_empty() => Ok(()),
            Some(held) => host::prepend_buffer(Buffer::ResponseBody, held),
            None => host::set_buffer(Buffer::ResponseBody, &[]),
        };
        let put = put().or_else(|_| put());
        let why = format!("a chunk of the answer answered status {status}");
        let mut root = self.root.borrow_mut();
        root.metrics.failed("answer", &why);
        if let Err(status) = put {
            root.metrics.failed("edit", &format!("putting a lost chunk right answered status {status}"));
        }
    }

    fn pass_on(&mut self, chunk: &[u8], last: bool) {
        let mut passed = self.exchange.answer_chunk(chunk, last);
        if self.exchange.is_stopping() {
            let now = self.now();
            passed.get_or_insert_with(|| chunk.to_vec()).extend(self.exchange.stop(now));
        }
        if let Some(note) = last.then(|| self.finished()).flatten() {
            passed.get_or_insert_with(|| chunk.to_vec()).extend(note);
        }
        if let Some(passed) = passed {
            self.replace_answer(&passed);
        }
    }

    /// Puts another chunk in the place of the one that passes.
    fn replace_answer(&mut self, chunk: &[u8]) {
        let replace = || host::set_buffer(Buffer::ResponseBody, chunk);
        if let Err(status) = replace().or_else(|_| replace()) {
            // From here on the answer goes as it is; the client sees a usage event that it did not ask for.
            self.exchange.answer_is_read_only();
            let why = format!("replacing a chunk of the answer answered status {status}");
            self.root.borrow_mut().metrics.failed("edit", &why);
        }
    }

    /// The answer ended in trailers. An event of a stream that was cut there and held back is not sent on:
    /// readers of event streams throw it away (HTML standard, 9.2.6).
    pub(crate) fn response_trailers(&mut self) {
        self.is_now = false;
        let _ = self.finished();
    }
}

fn remove_answer_length() -> Result<(), host::Status> {
    let remove = || host::remove_header(Map::ResponseHeaders, "content-length");
    remove().or_else(|_| remove())
}
