//! Owns the cases: one data format, and the runners that take the same cases natively, through the built filter
//! in wasmtime, and through a real Envoy. Called by `tests/cases_*.rs`. It must not know any single rule: what is
//! right stands in the data.
//!
//! `tokenstile test` runs the same format beside policies, and `tokenstile explain` one call of it.
//!
//! The files in `tests/cases/` are read by [`Suite::load`]; the format is described in `format.rs`.

mod body;
mod books;
mod client;
mod expect;
pub mod filter;
mod format;
mod matcher;
mod names;
mod native;
mod real;
mod scripted;
mod seen;
mod suite;
mod world;

pub use books::Books;
pub use expect::Difference;
pub use native::{Native, Used};
pub use real::RealEnvoy;
pub use seen::{Seen, UpstreamSaw, Weighed};
pub use suite::{Outcome, Suite, Walk, Went};
pub use world::Wasmtime;

pub(crate) use format::{BodyText, Call, ScriptedAnswer};
use serde_json::Value;

/// One place in which cases can run.
pub trait Runner {
    /// The name in failures.
    fn name(&self) -> String;

    /// The words by which a case's `on` and `skip` speak of this runner, the widest first.
    fn tags(&self) -> Vec<&'static str>;

    /// A fresh proxy with this policy.
    ///
    /// # Errors
    /// It does not start.
    fn begin(&self, policy: &Value) -> Result<Box<dyn Run>, String>;
}

/// A proxy that runs one case.
pub trait Run {
    /// Puts the clock to a time, in milliseconds since 1970. False if this runner has no virtual clock.
    fn set_clock(&mut self, now_ms: i64) -> bool;

    /// Makes these calls; each has reached the upstream, or was answered, before any of them is answered by it.
    ///
    /// # Errors
    /// The runner itself failed.
    fn calls(&mut self, calls: &[Exchange]) -> Result<Vec<Seen>, String>;
}

/// One call and what the upstream answers to it.
#[derive(Clone, Debug)]
pub struct Exchange {
    pub(crate) call: Call,
    pub(crate) answer: ScriptedAnswer,
}
