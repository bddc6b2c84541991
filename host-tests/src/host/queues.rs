//! Owns shared queues, and the list of those that became ready for the VM that registered them. Called by the
//! queue host calls and by `Vm`. It must not know the guest's memory.

use super::Status;
use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};

struct Queue {
    vm_id: Vec<u8>,
    name: Vec<u8>,
    /// The worker that hears of new items: the one that registered the queue last.
    worker: u64,
    items: VecDeque<Vec<u8>>,
    /// Items that the worker has not been told of yet.
    untold: u32,
}

/// The shared queues of one proxy process.
#[derive(Default)]
pub struct Queues(Mutex<Vec<Queue>>);

impl Queues {
    pub(crate) fn register(&self, vm_id: &[u8], name: &[u8], worker: u64) -> Result<u32, Status> {
        let mut all = self.all();
        let known = all.iter().position(|queue| queue.vm_id == vm_id && queue.name == name);
        let at = known.unwrap_or_else(|| {
            let (vm_id, name) = (vm_id.to_vec(), name.to_vec());
            all.push(Queue { vm_id, name, worker, items: VecDeque::new(), untold: 0 });
            all.len() - 1
        });
        if let Some(queue) = all.get_mut(at) {
            queue.worker = worker;
        }
        u32::try_from(at + 1).map_err(|_| Status::INTERNAL_FAILURE)
    }

    /// The token of a queue.
    ///
    /// # Errors
    /// [`Status::NOT_FOUND`].
    pub fn resolve(&self, vm_id: &[u8], name: &[u8]) -> Result<u32, Status> {
        let all = self.all();
        let at = all.iter().position(|queue| queue.vm_id == vm_id && queue.name == name);
        at.and_then(|at| u32::try_from(at + 1).ok()).ok_or(Status::NOT_FOUND)
    }

    /// Adds an item at the end.
    ///
    /// # Errors
    /// [`Status::NOT_FOUND`].
    pub fn enqueue(&self, token: u32, item: &[u8]) -> Result<(), Status> {
        let mut all = self.all();
        let queue = find(&mut all, token)?;
        queue.items.push_back(item.to_vec());
        queue.untold += 1;
        Ok(())
    }

    /// Takes the first item.
    ///
    /// # Errors
    /// [`Status::NOT_FOUND`], or [`Status::EMPTY`].
    pub fn dequeue(&self, token: u32) -> Result<Vec<u8>, Status> {
        find(&mut self.all(), token)?.items.pop_front().ok_or(Status::EMPTY)
    }

    /// The next queue that `worker` is to hear of, once for each item.
    pub(crate) fn next_ready(&self, worker: u64) -> Option<u32> {
        let mut all = self.all();
        let at = all.iter().position(|queue| queue.worker == worker && queue.untold > 0)?;
        all.get_mut(at)?.untold -= 1;
        u32::try_from(at + 1).ok()
    }

    fn all(&self) -> MutexGuard<'_, Vec<Queue>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn find(all: &mut [Queue], token: u32) -> Result<&mut Queue, Status> {
    let at = (token as usize).checked_sub(1).ok_or(Status::NOT_FOUND)?;
    all.get_mut(at).ok_or(Status::NOT_FOUND)
}
