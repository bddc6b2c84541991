//! Owns what a call came to, whatever ran it. Made by the runners, judged by `expect.rs`.

use crate::host::HeaderMap;
use serde_json::Value;
use std::collections::BTreeMap;
use tokenstile_engine::ledger::Level;
use tokenstile_engine::units::Amount;

/// What a call came to.
#[derive(Clone, Debug, Default)]
pub struct Seen {
    /// The client's status, if an answer began.
    pub status: Option<u16>,
    /// The client's headers.
    pub headers: HeaderMap,
    /// The client's body.
    pub body: Vec<u8>,
    /// `complete`, `cut`, `client_gone` or `open`.
    pub ended: String,
    /// What the upstream got, if it got a whole request.
    pub upstream: Option<UpstreamSaw>,
    /// The cost records written for this call; `None` where the runner cannot tell which they are.
    pub records: Option<Vec<Value>>,
    /// By how much counters grew; `None` where they cannot be told, or the proxy has none.
    pub counters: Option<BTreeMap<String, i64>>,
    /// The alerts that it raised; `None` where the runner cannot tell which they are.
    pub alerts: Option<Vec<Value>>,
    /// What each budget that the call met said, where the engine can be asked; empty elsewhere.
    pub weighed: Vec<Weighed>,
    /// What must never happen, whatever the case expects: a trap, a stale length, a request that waits for ever.
    pub problems: Vec<String>,
}

/// One budget that a call met.
#[derive(Clone, Debug)]
pub struct Weighed {
    /// Its place in the compiled policy: another limit of a budget is a place of its own.
    pub budget: usize,
    /// What stood there before, settled and held, in the meter's unit.
    pub before: Level,
    /// What the call held.
    pub hold: Amount,
    /// The steps that it reached, by their place in the ladder.
    pub reached: Vec<usize>,
    /// It refused the hold.
    pub refused: bool,
    /// Another budget before it had refused already.
    pub spared: bool,
}

/// What the upstream got.
#[derive(Clone, Debug, Default)]
pub struct UpstreamSaw {
    /// The headers.
    pub headers: HeaderMap,
    /// The body.
    pub body: Vec<u8>,
    /// The trailers.
    pub trailers: HeaderMap,
}

/// The records among lines of a log.
pub(crate) fn records<'l>(lines: impl IntoIterator<Item = &'l str>) -> Result<Vec<Value>, String> {
    marked("tokenstile-record ", lines)
}

/// The alerts among them.
pub(crate) fn alerts<'l>(lines: impl IntoIterator<Item = &'l str>) -> Result<Vec<Value>, String> {
    marked("tokenstile-alert ", lines)
}

fn marked<'l>(mark: &str, lines: impl IntoIterator<Item = &'l str>) -> Result<Vec<Value>, String> {
    let found = lines.into_iter().filter_map(|line| line.split_once(mark));
    found
        .map(|(_, json)| serde_json::from_str(json).map_err(|error| format!("{mark}is no JSON: {error}")))
        .collect()
}
