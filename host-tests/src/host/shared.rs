//! Owns what all workers of one proxy process have in common. Cloned into every `Vm`; there is no global, so
//! two tests never see each other. It must not know any VM.

use super::{Clock, Log, Metrics, Queues, SharedData, Status};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

type Foreign = Arc<dyn Fn(&[u8]) -> Result<Vec<u8>, Status> + Send + Sync>;

#[derive(Default)]
struct Inner {
    data: SharedData,
    queues: Queues,
    metrics: Metrics,
    log: Log,
    clock: Clock,
    foreign: Mutex<BTreeMap<Vec<u8>, Foreign>>,
    clusters: Mutex<Option<BTreeSet<Vec<u8>>>>,
    workers: AtomicU64,
}

/// One proxy process. Cheap to clone, and safe to hand to other threads.
#[derive(Clone, Default)]
pub struct Shared(Arc<Inner>);

impl Shared {
    /// A process with nothing stored, on a virtual clock.
    pub fn new() -> Self {
        Self::default()
    }

    /// The shared data.
    pub fn data(&self) -> &SharedData {
        &self.0.data
    }

    /// The shared queues.
    pub fn queues(&self) -> &Queues {
        &self.0.queues
    }

    /// The metrics.
    pub fn metrics(&self) -> &Metrics {
        &self.0.metrics
    }

    /// The log.
    pub fn log(&self) -> &Log {
        &self.0.log
    }

    /// The clock.
    pub fn clock(&self) -> &Clock {
        &self.0.clock
    }

    /// Lets filters call `function` by `proxy_call_foreign_function`.
    pub fn foreign_function(
        &self,
        name: impl Into<Vec<u8>>,
        function: impl Fn(&[u8]) -> Result<Vec<u8>, Status> + Send + Sync + 'static,
    ) {
        let mut all = self.0.foreign.lock().unwrap_or_else(PoisonError::into_inner);
        all.insert(name.into(), Arc::new(function));
    }

    /// Says which clusters Envoy knows: a call to another one fails at once. Until then, every name is known.
    pub fn clusters<N: Into<Vec<u8>>>(&self, names: impl IntoIterator<Item = N>) {
        let mut known = self.0.clusters.lock().unwrap_or_else(PoisonError::into_inner);
        *known = Some(names.into_iter().map(Into::into).collect());
    }

    pub(crate) fn foreign(&self, name: &[u8]) -> Option<Foreign> {
        self.0.foreign.lock().unwrap_or_else(PoisonError::into_inner).get(name).cloned()
    }

    pub(crate) fn knows_cluster(&self, name: &[u8]) -> bool {
        let known = self.0.clusters.lock().unwrap_or_else(PoisonError::into_inner);
        known.as_ref().is_none_or(|names| names.contains(name))
    }

    pub(crate) fn next_worker(&self) -> u64 {
        self.0.workers.fetch_add(1, Ordering::SeqCst) + 1
    }
}
