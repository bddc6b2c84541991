//! A proxy-wasm host on wasmtime: owns the host's side of ABI 0.2.1 as Envoy, WasmX and APISIX answer it.
//! Called by tests of any filter and by the `tokenstile` command. It must not know any particular filter.
//!
//! [`Module`] is compiled once; [`Shared`] is what all workers of one proxy process have in common; a [`Vm`] is
//! one worker. Its methods are the callbacks of one stream, step by step; a [`Driver`] makes a whole exchange of
//! them, in the order in which that proxy would.
//!
//! ```
//! use tokenstile_host::host::{Answer, Module, Profile, Request, Shared, Vm, VmConfig, drive};
//!
//! # let wasm = wat::parse_str(
//! #     r#"(module (memory (export "memory") 1) (func (export "proxy_abi_version_0_2_1")))"#,
//! # )
//! # .unwrap();
//! let module = Module::compile(&wasm)?;
//! for profile in Profile::ALL {
//!     let mut vm = Vm::new(&module, &Shared::new(), VmConfig::new(profile, "{}"))?;
//!     let report = drive(&mut vm, Request::post("/", "hello"), |_| Answer::json(200, "{}"));
//!     assert_eq!(report.upstream.unwrap().body, b"hello");
//!     assert_eq!(report.client.status, Some(200));
//! }
//! # Ok::<(), tokenstile_host::host::Error>(())
//! ```

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
