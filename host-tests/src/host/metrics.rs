//! Owns counters, gauges and histograms, common to all workers and readable by name from outside.
//! It must not know the guest's memory.

use super::{Profile, Status};
use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Counter,
    Gauge,
    Histogram,
}

struct Metric {
    kind: Kind,
    name: Vec<u8>,
    /// The count, the level, or the sum of what was recorded.
    value: i64,
}

/// The metrics of one proxy process.
#[derive(Default)]
pub struct Metrics(Mutex<Vec<Metric>>);

impl Metrics {
    /// The value of a metric: the count, the level, or the sum of all that a histogram recorded.
    pub fn get(&self, name: &str) -> Option<i64> {
        self.all().iter().find(|metric| metric.name == name.as_bytes()).map(|metric| metric.value)
    }

    /// Every metric, by name.
    pub fn snapshot(&self) -> BTreeMap<String, i64> {
        let name = |metric: &Metric| String::from_utf8_lossy(&metric.name).into_owned();
        self.all().iter().map(|metric| (name(metric), metric.value)).collect()
    }

    /// What has changed since `before`, a [`Metrics::snapshot`].
    pub fn since(&self, before: &BTreeMap<String, i64>) -> BTreeMap<String, i64> {
        let now = self.snapshot().into_iter();
        now.map(|(name, value)| (value.wrapping_sub(before.get(&name).copied().unwrap_or(0)), name))
            .filter(|(change, _)| *change != 0)
            .map(|(change, name)| (name, change))
            .collect()
    }

    pub(crate) fn define(&self, kind: u32, name: &[u8]) -> Result<u32, Status> {
        let kind = match kind {
            0 => Kind::Counter,
            1 => Kind::Gauge,
            2 => Kind::Histogram,
            _ => return Err(Status::BAD_ARGUMENT),
        };
        let mut all = self.all();
        let known = all.iter().position(|metric| metric.name == name && metric.kind == kind);
        let at = known.unwrap_or_else(|| {
            all.push(Metric { kind, name: name.to_vec(), value: 0 });
            all.len() - 1
        });
        u32::try_from(at + 1).map_err(|_| Status::INTERNAL_FAILURE)
    }

    /// Adds to a counter or a gauge. A counter only grows, and Envoy does not take 0 as growth.
    pub(crate) fn increment(&self, profile: Profile, id: u32, by: i64) -> Result<(), Status> {
        let mut all = self.all();
        let metric = find(&mut all, id)?;
        let smallest = if profile == Profile::Envoy { 1 } else { 0 };
        match metric.kind {
            Kind::Counter if by < smallest => return Err(Status::BAD_ARGUMENT),
            Kind::Histogram => return Err(Status::BAD_ARGUMENT),
            _ => metric.value = metric.value.wrapping_add(by),
        }
        Ok(())
    }

    pub(crate) fn record(&self, id: u32, value: i64) -> Result<(), Status> {
        let mut all = self.all();
        let metric = find(&mut all, id)?;
        metric.value = if metric.kind == Kind::Gauge { value } else { metric.value.wrapping_add(value) };
        Ok(())
    }

    pub(crate) fn read(&self, id: u32) -> Result<i64, Status> {
        let mut all = self.all();
        let metric = find(&mut all, id)?;
        if metric.kind == Kind::Histogram { Err(Status::BAD_ARGUMENT) } else { Ok(metric.value) }
    }

    fn all(&self) -> MutexGuard<'_, Vec<Metric>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn find(all: &mut [Metric], id: u32) -> Result<&mut Metric, Status> {
    let at = (id as usize).checked_sub(1).ok_or(Status::NOT_FOUND)?;
    all.get_mut(at).ok_or(Status::NOT_FOUND)
}
