//! tokenstile.wasm: a thin shell around `tokenstile-engine` that speaks proxy-wasm 0.2.1.
//!
//! Reads bytes, gets the time, swaps pages of shared data, carries out one decision. Every rule is in
//! the engine. It declares the host calls itself instead of using the Rust SDK: the SDK panics on
//! statuses that real hosts answer, and no status of any host may end a VM.

mod alerts;
mod exports;
mod host;
mod identity;
mod pairs;
mod quota;
mod records;
mod root;
mod store;
mod stream;
mod telemetry;
