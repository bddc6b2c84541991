//! The built filter in a real Envoy with two workers: what goes in, what the upstream sees, what comes out,
//! what is billed. The simulated provider's ledger is the independent figure.
//!
//! `cargo xtask test` builds the filter and finds an Envoy. Without either, every test here fails and says so.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by a panic")]

mod bodies;
mod client;
mod concurrency;
mod configuration;
mod passing;
mod rewriting;
mod setup;
mod streams;
