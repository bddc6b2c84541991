//! The rules of Tokenstile: what a request is, what it may cost, who pays, what is decided.
//!
//! Pure: no I/O, no clock, no threads, no proxy. Time comes in as [`units::EpochMs`]; effects go out
//! as values. The plugin and the test harness are shells around [`exchange::Exchange`].

pub mod alert;
mod base64;
pub mod batches;
mod cells;
pub mod dialect;
mod excerpt;
pub mod exchange;
pub mod json;
pub mod learned;
pub mod ledger;
mod media;
pub mod memo;
pub mod otlp;
pub mod outbox;
pub mod policy;
pub mod price;
pub mod quota;
pub mod refusal;
mod secret;
mod split;
pub mod units;
pub mod usage;
