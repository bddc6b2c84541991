//! The proxy of the demo: embedded, or a real Envoy. Hides from the rest which of them it is.

use crate::envoy::{self, Envoy};
use crate::host::{Module, Shared};
use crate::serve::{Config, Server};
use serde_json::Value;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

/// Midnight of the demo's Monday, Pacific time: 2026-11-23T08:00:00Z.
const MIDNIGHT_MS: u64 = 1_795_420_800_000;
/// A record is written when a call is over, which a client that left does not see.
const RECORD_WITHIN: Duration = Duration::from_secs(10);
/// What stands before each record in the filter's log.
const RECORD: &str = "tokenstile-record ";

/// Which proxy runs the filter.
pub enum Way {
    /// The embedded one, on a clock that the demo moves.
    Embedded(Module),
    /// An Envoy, by `$ENVOY` or on `PATH`.
    Envoy,
}

impl Way {
    pub(super) fn name(&self) -> &'static str {
        match self {
            Way::Embedded(_) => "the embedded proxy",
            Way::Envoy => "Envoy",
        }
    }
}

pub(super) enum Proxy {
    Embedded(Server),
    Envoy(Box<Envoy>),
}

impl Proxy {
    pub(super) fn start(way: Way, policy: &str, upstream: SocketAddr) -> Result<Self, String> {
        match way {
            Way::Embedded(module) => {
                let mut config = Config::new(module, policy, format!("http://{upstream}").parse()?);
                // A clock of its own: the day passes in a second, and the next one comes.
                config.shared = Shared::new();
                config.shared.clock().set_ms(MIDNIGHT_MS);
                Server::start(&config).map(Self::Embedded).map_err(|why| why.to_string())
            }
            Way::Envoy => {
                let options = envoy::Options::new(policy, upstream);
                Envoy::start(&options).map(Box::new).map(Self::Envoy).map_err(|why| why.to_string())
            }
        }
    }

    pub(super) fn url(&self) -> String {
        match self {
            Self::Embedded(server) => server.url(),
            Self::Envoy(envoy) => envoy.url(),
        }
    }

    /// Whether the demo can move the clock.
    pub(super) fn can_wait(&self) -> bool {
        matches!(self, Self::Embedded(_))
    }

    /// Makes it that many minutes past midnight, where the clock can be moved.
    pub(super) fn at(&self, minute: u32) {
        if let Self::Embedded(server) = self {
            server.shared().clock().set_ms(MIDNIGHT_MS + u64::from(minute) * 60_000);
        }
    }

    /// The `number`th cost record, from 0.
    pub(super) fn record(&self, number: usize) -> Option<Value> {
        match self {
            Self::Embedded(server) => embedded_record(server, number),
            Self::Envoy(envoy) => envoy.records_after(number, 1, RECORD_WITHIN).into_iter().next(),
        }
    }
}

fn embedded_record(server: &Server, number: usize) -> Option<Value> {
    let since = Instant::now();
    loop {
        let lines = server.shared().log().lines();
        let texts = lines.iter().map(crate::host::LogLine::text);
        let record =
            texts.filter_map(|text| serde_json::from_str(text.strip_prefix(RECORD)?).ok()).nth(number);
        if record.is_some() || since.elapsed() > RECORD_WITHIN {
            return record;
        }
        std::thread::sleep(Duration::from_millis(5));
    }
}
