//! The built filter in wasmtime, as Envoy runs it: headers, body, the answer's headers, its pieces, the end.

use crate::Outcome;
use anyhow::{Result, anyhow};
use serde_json::Value;
use tokenstile_corpus::recording::{Exchange, header};
use tokenstile_engine::units::EpochMs;
use tokenstile_host::host::{Answer, LogLine, Module, Profile, Request, Shared, Vm, VmConfig, drive};

/// Before the JSON of each cost record in the filter's log.
const RECORD: &str = "tokenstile-record ";

/// The filter in one worker.
pub(crate) struct Filter {
    vm: Vm,
    shared: Shared,
}

impl Filter {
    pub(crate) fn new(module: &Module, policy: &Value) -> Result<Self> {
        let shared = Shared::new();
        let mut config = VmConfig::new(Profile::Envoy, policy.to_string());
        config.hold_headers = true;
        config.body_limit = Some(usize::MAX);
        let vm = Vm::new(module, &shared, config).map_err(|error| anyhow!("{error}"))?;
        Ok(Self { vm, shared })
    }

    /// The filter's clock.
    pub(crate) fn now(&self) -> EpochMs {
        EpochMs(i64::try_from(self.shared.clock().now_ns() / 1_000_000).unwrap_or(i64::MAX))
    }

    /// One exchange, its answer in pieces of so many bytes; and what went wrong in host and filter.
    pub(crate) fn run(
        &mut self,
        exchange: &Exchange,
        request: &[u8],
        response: &[u8],
        piece: usize,
    ) -> Result<(Outcome, Vec<String>)> {
        let before = self.shared.log().written();
        let answer = answer(exchange, response, piece);
        let report = drive(&mut self.vm, asked(exchange, request), move |_| answer.clone());
        let mut problems = report.problems.clone();
        problems.extend(report.error.iter().map(ToString::to_string));
        problems.extend(report.waiting.map(|_| "the request waits for ever".to_owned()));
        let lines = self.shared.log().since(before);
        let lines: Vec<String> = lines.iter().map(LogLine::text).collect();
        let mut records = lines.iter().filter_map(|line| line.strip_prefix(RECORD));
        let record = records.next().map(serde_json::from_str).transpose()?;
        if records.next().is_some() {
            problems.push("two cost records".to_owned());
        }
        let upstream = report.upstream.unwrap_or_default();
        let outcome = Outcome {
            record,
            path: upstream.headers.first(":path").unwrap_or_default().to_vec(),
            upstream: upstream.body,
            client: report.client.body(),
        };
        Ok((outcome, problems))
    }
}

/// The request in two pieces, so that the body is met in parts.
fn asked(exchange: &Exchange, body: &[u8]) -> Request {
    let mut request = Request::new(&exchange.method, &exchange.url_path);
    request.headers.replace(":authority", exchange.url_host.as_str());
    for name in exchange.request_headers.keys().filter(|name| passes(name)) {
        if let Some(value) = header(&exchange.request_headers, name) {
            request.headers.add(name.to_ascii_lowercase(), value);
        }
    }
    if body.is_empty() { request } else { request.body(body).split(body.len().div_ceil(2)) }
}

fn answer(exchange: &Exchange, body: &[u8], piece: usize) -> Answer {
    let mut answer = Answer::new(exchange.response_status);
    for name in exchange.response_headers.keys().filter(|name| passes(name)) {
        if let Some(value) = header(&exchange.response_headers, name) {
            answer = answer.header(name.to_ascii_lowercase(), value);
        }
    }
    answer.body(body).split(piece)
}

/// Recorded bodies are whole and decompressed: what says otherwise does not fit them.
fn passes(name: &str) -> bool {
    const NOT: [&str; 6] =
        ["content-length", "content-encoding", "transfer-encoding", "connection", "host", "expect"];
    !name.starts_with(':') && !NOT.iter().any(|not| name.eq_ignore_ascii_case(not))
}
