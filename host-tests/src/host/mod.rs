//! A proxy-wasm host on wasmtime: owns the host's side of ABI 0.2.1 as Envoy, WasmX and APISIX answer it.
//! Called by tests of any filter and by the `tokenstile` command. It must not know any particular filter.
//!
//! [`Module`] is compiled once; [`Shared`] is what all workers of one proxy process have in common; a [`Vm`] is
//! one worker. Its methods are the callbacks of one stream, step by step; a [`Driver`] makes a whole exchange of
//! them, in the order in which that proxy would.

mod abi;
mod calls;
mod clock;
mod config;
mod driver;

mod error;
mod exports;
mod faults;
mod headers;
mod log;
mod metrics;
mod profile;
mod properties;
mod queues;
mod shared;
mod shared_data;
mod state;
mod status;
mod stream;
mod vm;
mod vm_calls;
mod vm_stream;

pub use calls::{GrpcCall, HttpCall};
pub use clock::Clock;
pub use config::{FailurePolicy, Module, VmConfig};

pub use driver::{Answer, ClientSaw, Driver, Ended, HangUp, Report, Request, Sent, Waiting, drive};
pub use error::{Error, Trap};
pub use faults::{Faults, Repeat};
pub use headers::HeaderMap;
pub use log::{Level, Log, LogLine};
pub use metrics::Metrics;
pub use profile::Profile;
pub use queues::Queues;
pub use shared::Shared;
pub use shared_data::SharedData;
pub use status::Status;
pub use stream::{Action, LocalReply, Outcome, Side, Stream, StreamId};
pub use vm::Vm;
