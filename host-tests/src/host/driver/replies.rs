//! Owns the form of answers that do not come from the upstream, on each proxy.

use super::Answer;
use crate::host::{Error, HeaderMap, LocalReply, Profile};

/// A local reply as the messages that go to the client.
pub(super) fn answer(profile: Profile, reply: &LocalReply) -> Answer {
    let mut body = reply.body.clone();
    if profile == Profile::Wasmx && !body.is_empty() {
        body.push(b'\n');
    }
    let mut headers: HeaderMap = [(":status", reply.status.to_string())].into();
    for (name, value) in reply.headers.iter() {
        headers.add(name, value);
    }
    let mut answer = Answer { headers, ..Answer::default() };
    if !body.is_empty() {
        if answer.headers.first("content-type").is_none() {
            answer = answer.header("content-type", "text/plain");
        }
        answer = answer.body(body);
    }
    answer
}

/// What the proxy answers when the filter failed; none if its worker is gone with the connection.
pub(super) fn failure(profile: Profile, error: &Error) -> Option<LocalReply> {
    if matches!(error, Error::Trap(trap) if trap.worker_crashed) {
        return None;
    }
    let status = if profile == Profile::Wasmx { 500 } else { 503 };
    Some(LocalReply { status, grpc_status: -1, by_host: true, ..LocalReply::default() })
}

/// What the proxy answers when the upstream cannot be reached.
pub(super) fn unreachable(profile: Profile) -> LocalReply {
    let (status, body) = match profile {
        Profile::Envoy => (503, "upstream connect error or disconnect/reset before headers"),
        Profile::Wasmx | Profile::Apisix => (502, "Bad Gateway"),
    };
    LocalReply { status, body: body.into(), grpc_status: -1, by_host: true, ..LocalReply::default() }
}
