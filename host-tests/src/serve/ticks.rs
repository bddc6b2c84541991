//! What runs without a request: the filter's ticks, and word of new items in its queues.
//!
//! Started once by each worker.

use super::worker::Worker;
use crate::host::{Error, Vm};
use std::rc::Rc;
use std::time::Duration;

/// How long an item may lie in a queue before this worker's filter hears of it.
const QUEUE_LOOK: Duration = Duration::from_millis(20);

/// Ticks in the rhythm that the filter asked for, and follows it when it changes.
pub(super) async fn tick(worker: Rc<Worker>) {
    loop {
        let changed = worker.rhythm_changed.notified();
        let Some(period) = worker.look(Vm::tick_period) else {
            changed.await;
            continue;
        };
        tokio::select! {
            () = tokio::time::sleep(period) => {}
            () = changed => continue,
        }
        let ticked = worker.call(Vm::tick);
        worker.changed.notify_waiters();
        if matches!(ticked, Err(Error::Dead)) {
            // The next request makes the VM anew, and with it a rhythm.
            worker.rhythm_changed.notified().await;
        }
    }
}

/// Looks for items, which any worker may have put there. A filter without queues is left alone.
pub(super) async fn queues(worker: Rc<Worker>) {
    if !worker.has_queues {
        return;
    }
    loop {
        tokio::time::sleep(QUEUE_LOOK).await;
        if worker.call(Vm::deliver_queues).is_ok_and(|told| told > 0) {
            worker.changed.notify_waiters();
        }
    }
}
