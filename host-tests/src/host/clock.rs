//! Owns the time that filters see: a virtual one that stands still until it is moved, or the machine's.
//! It must not know who asks.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// Where a virtual clock stands at first: 2026-11-22T12:00:00Z.
const START_NS: u64 = 1_795_348_800_000_000_000;

/// The time of one proxy process, in nanoseconds since 1970.
pub struct Clock {
    now_ns: AtomicU64,
    real: AtomicBool,
}

impl Default for Clock {
    fn default() -> Self {
        Self { now_ns: AtomicU64::new(START_NS), real: AtomicBool::new(false) }
    }
}

impl Clock {
    /// The time now, in nanoseconds since 1970.
    pub fn now_ns(&self) -> u64 {
        if !self.real.load(Ordering::SeqCst) {
            return self.now_ns.load(Ordering::SeqCst);
        }
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        u64::try_from(since.as_nanos()).unwrap_or(u64::MAX)
    }

    /// Puts the virtual clock to a time, in milliseconds since 1970.
    pub fn set_ms(&self, now_ms: u64) {
        self.now_ns.store(now_ms.saturating_mul(1_000_000), Ordering::SeqCst);
    }

    /// Moves the virtual clock on.
    pub fn advance(&self, by: Duration) {
        let by_ns = u64::try_from(by.as_nanos()).unwrap_or(u64::MAX);
        self.now_ns.fetch_add(by_ns, Ordering::SeqCst);
    }

    /// Follows the machine's clock from now on.
    pub fn follow_machine(&self) {
        self.real.store(true, Ordering::SeqCst);
    }
}
