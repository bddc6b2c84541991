//! Owns what a VM's host calls work on: the data of its wasmtime store. Every test has its own. It must not
//! know how callbacks are made.

use super::calls::Calls;
use super::faults::Injector;
use super::stream::{Phase, Stream};
use super::{Profile, Shared, VmConfig};
use std::collections::BTreeMap;
use std::fmt;
use wasmtime::{Memory, TypedFunc};

/// The first root context of every VM.
pub(crate) const ROOT: u32 = 1;

pub(crate) struct VmState {
    pub(crate) config: VmConfig,
    pub(crate) shared: Shared,
    /// This VM among those of the process.
    pub(crate) worker: u64,
    pub(crate) memory: Option<Memory>,
    pub(crate) allocate: Option<TypedFunc<u32, u32>>,
    pub(crate) streams: BTreeMap<u32, Stream>,
    /// The root context of the configuration that is in force.
    pub(crate) root: u32,
    /// The context for which the callback runs.
    pub(crate) current: u32,
    /// The context that the filter asked to act for instead.
    pub(crate) effective: Option<u32>,
    pub(crate) phase: Phase,
    pub(crate) tick_period_ms: u32,
    pub(crate) calls: Calls,
    pub(crate) faults: Injector,
    /// Streams that wait for `proxy_done`, and those for which it came.
    pub(crate) undone: Vec<u32>,
    pub(crate) done: Vec<u32>,
}

impl VmState {
    pub(crate) fn new(config: VmConfig, shared: Shared, worker: u64) -> Self {
        Self {
            config,
            shared,
            worker,
            memory: None,
            allocate: None,
            streams: BTreeMap::new(),
            root: ROOT,
            current: ROOT,
            effective: None,
            phase: Phase::Start,
            tick_period_ms: 0,
            calls: Calls::default(),
            faults: Injector::default(),
            undone: Vec::new(),
            done: Vec::new(),
        }
    }

    pub(crate) fn profile(&self) -> Profile {
        self.config.profile
    }

    /// The context that host calls act for.
    pub(crate) fn context(&self) -> u32 {
        self.effective.unwrap_or(self.current)
    }

    /// The stream that host calls act for; none in the root context.
    pub(crate) fn stream(&mut self) -> Option<&mut Stream> {
        self.streams.get_mut(&self.context())
    }
}

/// A host call that ends the callback. Travels through wasmtime's own error.
#[derive(Debug)]
pub(crate) struct HostTrap {
    pub(crate) message: String,
    pub(crate) worker_crashed: bool,
}

impl fmt::Display for HostTrap {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for HostTrap {}
