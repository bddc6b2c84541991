//! What is sent: the scenarios, their bodies, and the policy under which ours runs them.
//!
//! Bodies are realistic chat, made from a fixed list of words by a fixed sequence: the same in
//! every run.

use bytes::Bytes;
use serde_json::{Value, json};

/// One kind of request with its answer.
pub(crate) struct Scenario {
    pub(crate) name: &'static str,
    pub(crate) path: &'static str,
    /// Who calls: the policy knows `free`, the exhausted `broke`, and `closed`, who has nothing.
    pub(crate) tier: &'static str,
    pub(crate) body: Bytes,
    /// What ours answers; any other filter answers 200.
    pub(crate) ours: Expected,
}

/// What must come back through our filter, so that a filter that does nothing cannot win.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Expected {
    /// 200 with `x-tokenstile-decision`.
    Decided,
    /// 429.
    Refused,
    /// 200 without any header of ours.
    Untouched,
}

pub(crate) const CHAT: &str = "/v1/chat/completions";

/// Every scenario of the throughput and CPU measurements; the first is the latency measurement's.
pub(crate) fn all() -> Vec<Scenario> {
    let chat = |name, bytes, stream| Scenario {
        name,
        path: CHAT,
        tier: "free",
        body: body(bytes, stream),
        ours: Expected::Decided,
    };
    vec![
        chat("1 KB, JSON", 1_000, false),
        chat("10 KB, JSON", 10_000, false),
        chat("100 KB, JSON", 100_000, false),
        chat("1 KB, SSE", 1_000, true),
        chat("10 KB, SSE", 10_000, true),
        chat("100 KB, SSE", 100_000, true),
        Scenario {
            name: "refused, 1 KB",
            path: CHAT,
            tier: "broke",
            body: body(1_000, false),
            ours: Expected::Refused,
        },
        Scenario {
            name: "refused before the upload, 10 KB",
            path: CHAT,
            tier: "closed",
            body: body(10_000, false),
            ours: Expected::Refused,
        },
        Scenario {
            name: "no LLM call, 1 KB",
            path: "/v1/other",
            tier: "free",
            body: body(1_000, false),
            ours: Expected::Untouched,
        },
    ]
}

/// Identity, two budgets for everybody that never end, one that is spent from the start, and one of nothing.
pub(crate) fn policy() -> Value {
    let day = json!({"calendar": "day"});
    json!({
        "version": 1,
        "name": "bench",
        "hold_headers": true,
        "identity": {
            "user": ["header:x-user-id", "value:anonymous"],
            "tier": ["header:x-tier", "value:free"],
        },
        "budgets": [
            {"name": "daily", "match": {"tier": "free"}, "per": ["user"], "window": day,
             "limit": {"tokens": 1_000_000_000_000_u64},
             "ladder": [{"at": "90%", "warn": {}}, {"at": "100%", "deny": {}}]},
            {"name": "everybody", "match": {"tier": "free"}, "per": [],
             "bucket": {"tokens": 1_000_000_000_000_u64,
                        "refill": {"tokens": 1_000_000_000_000_u64, "every": "1m"}},
             "ladder": [{"at": "100%", "deny": {}}]},
            {"name": "spent", "match": {"tier": "broke"}, "per": ["user"], "window": day,
             "limit": {"tokens": 1}, "ladder": [{"at": "100%", "deny": {}}]},
            {"name": "closed", "match": {"tier": "closed"}, "per": ["user"], "window": day,
             "limit": {"requests": 0}, "ladder": [{"at": "100%", "deny": {}}]},
        ],
    })
}

/// A chat of about `bytes` bytes.
fn body(bytes: usize, stream: bool) -> Bytes {
    let mut words = Words(1);
    let mut messages = vec![json!({"role": "system", "content": words.text(300.min(bytes / 4))})];
    let mut size = 500;
    while size < bytes {
        let role = if messages.len() % 2 == 1 { "user" } else { "assistant" };
        let length = (bytes - size).clamp(100, 2_000);
        messages.push(json!({"role": role, "content": words.text(length)}));
        size += length + 40;
    }
    let mut request = json!({"model": "gpt-4o", "messages": messages, "max_tokens": 400});
    if stream {
        request["stream"] = json!(true);
        request["stream_options"] = json!({"include_usage": true});
    }
    Bytes::from(request.to_string())
}

/// Text of words in a fixed order that does not repeat soon.
struct Words(u64);

impl Words {
    fn text(&mut self, bytes: usize) -> String {
        const WORDS: [&str; 24] = [
            "the",
            "customer",
            "asked",
            "for",
            "a",
            "refund",
            "of",
            "her",
            "last",
            "invoice",
            "which",
            "was",
            "paid",
            "twice",
            "in",
            "August",
            "because",
            "our",
            "\"gateway\"",
            "timed",
            "out",
            "naïvely",
            "and",
            "retried",
        ];
        let mut text = String::with_capacity(bytes + 16);
        while text.len() < bytes {
            // Knuth's MMIX generator: any fixed sequence without a short period would do.
            self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            let draw = (self.0 >> 33) as usize;
            text.push_str(WORDS[draw % WORDS.len()]);
            text.push_str(match draw {
                _ if draw.is_multiple_of(97) => ".\n\n",
                _ if draw.is_multiple_of(11) => ", ",
                _ => " ",
            });
        }
        text
    }
}
