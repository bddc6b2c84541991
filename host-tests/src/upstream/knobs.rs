//! The `x-sim-*` request headers which say how the simulated provider behaves for one call.
//!
//! Read by `chat` and `echo`. A header that is absent or not a number means the default, so that a test sets
//! only what it is about.

use hyper::HeaderMap;
use std::time::Duration;

/// Tokens answered when the request does not say how many it wants.
const DEFAULT_OUTPUT_TOKENS: u64 = 24;

/// How to answer one call.
#[derive(Debug, Clone, Default)]
pub(super) struct Knobs {
    /// `x-sim-output-tokens`: what the model "wants" to say; the request's own bound may cut it.
    pub(super) output_tokens: u64,
    /// `x-sim-prompt-tokens`: billed for the prompt in place of the counted figure.
    pub(super) prompt_tokens: Option<u64>,
    /// `x-sim-cached-tokens`: how many of the prompt tokens are reported as read from the cache.
    pub(super) cached_tokens: u64,
    /// `x-sim-status`: refuse with this status and an error body.
    pub(super) status: Option<u16>,
    /// `x-sim-no-usage`: never say what was used, also when asked.
    pub(super) no_usage: bool,
    /// `x-sim-any-body`: answer although the body cannot be read (compressed, not JSON), as `gpt-4o`.
    pub(super) any_body: bool,
    /// `x-sim-cut-after`: break the connection after this many tokens of the answer.
    pub(super) cut_after: Option<u64>,
    /// `x-sim-stall-after`: fall silent after this many tokens of a stream, until the client hangs up.
    pub(super) stall_after: Option<u64>,
    /// `x-sim-delay-ms`: wait before the answer's headers.
    pub(super) delay: Duration,
    /// `x-sim-chunk-delay-ms`: wait before each chunk of a stream.
    pub(super) chunk_delay: Duration,
    /// `x-sim-split`: send the answer in pieces of this many bytes, wherever that cuts it.
    pub(super) split: Option<usize>,
    /// `x-sim-trailers`: end the answer with trailers.
    pub(super) trailers: bool,
    /// `x-sim-echo: raw`: echo the body alone, as it comes in.
    pub(super) raw_echo: bool,
}

impl Knobs {
    pub(super) fn read(headers: &HeaderMap) -> Self {
        let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok()).map(str::trim);
        let number = |name: &str| text(name).and_then(|value| value.parse::<u64>().ok());
        let flag = |name: &str| text(name).is_some_and(|value| value != "0");
        let wait = |name: &str| Duration::from_millis(number(name).unwrap_or(0));
        Self {
            output_tokens: number("x-sim-output-tokens").unwrap_or(DEFAULT_OUTPUT_TOKENS),
            prompt_tokens: number("x-sim-prompt-tokens"),
            cached_tokens: number("x-sim-cached-tokens").unwrap_or(0),
            status: number("x-sim-status").and_then(|status| u16::try_from(status).ok()),
            no_usage: flag("x-sim-no-usage"),
            any_body: flag("x-sim-any-body"),
            cut_after: number("x-sim-cut-after"),
            stall_after: number("x-sim-stall-after"),
            delay: wait("x-sim-delay-ms"),
            chunk_delay: wait("x-sim-chunk-delay-ms"),
            split: number("x-sim-split").and_then(|size| usize::try_from(size).ok()).filter(|size| *size > 0),
            trailers: flag("x-sim-trailers"),
            raw_echo: text("x-sim-echo") == Some("raw"),
        }
    }
}
