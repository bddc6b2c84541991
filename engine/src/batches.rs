//! Cost records on their way to a collector: together, bounded by their bytes, tried again by an [`Outbox`].
//!
//! What has no room, and what a collector does not take in the end, is given back: the shell logs it, so that no money
//! goes unrecorded. A record may arrive twice, and is known by its `id`.

use crate::outbox::{Failed, Fate, Letter, Outbox};
use crate::units::EpochMs;

/// A batch is sent when it has so many bytes, or at the next tick.
const BATCH_BYTES: usize = 256 << 10;
/// All that waits in one VM.
const QUEUE_BYTES: usize = 4 << 20;

/// The batches of one VM.
#[derive(Debug, Default)]
pub struct Batches {
    /// Lines of JSON that are in no letter yet.
    open: String,
    outbox: Outbox,
}

impl Batches {
    /// Whether nothing waits.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.open.is_empty() && self.outbox.is_empty()
    }

    /// Takes a record, a line of JSON, to be sent at the next tick. Says whether there was room.
    pub fn add(&mut self, record: &str, now: EpochMs) -> bool {
        let bytes = self.open.len().saturating_add(self.outbox.bytes()).saturating_add(record.len());
        if bytes > QUEUE_BYTES {
            return false;
        }
        self.open.push_str(record);
        self.open.push('\n');
        if self.open.len() >= BATCH_BYTES {
            self.close(now);
        }
        true
    }

    /// What was added becomes a letter, if there is room for one.
    fn close(&mut self, now: EpochMs) {
        if !self.open.is_empty() && self.outbox.has_room() {
            let body = std::mem::take(&mut self.open);
            let number = body.lines().count();
            self.outbox.post(Letter { number, id: String::new(), body }, now);
        }
    }

    /// Sends what is due: see [`Outbox::send`].
    pub fn send(
        &mut self,
        now: EpochMs,
        send: impl FnMut(&Letter) -> Result<(u32, u32), Failed>,
    ) -> Vec<Fate> {
        self.close(now);
        self.outbox.send(now, send)
    }

    /// A request is over: see [`Outbox::answered`].
    pub fn answered(
        &mut self,
        token: u32,
        status: Option<u16>,
        retry_after: Option<u32>,
        now: EpochMs,
    ) -> Option<Fate> {
        self.outbox.answered(token, status, retry_after, now)
    }

    /// Gives all that waits, and is empty.
    pub fn take(&mut self) -> String {
        let mut all = std::mem::take(&mut self.open);
        for letter in self.outbox.take() {
            all.push_str(&letter.body);
        }
        all
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: EpochMs = EpochMs(0);

    fn sent(batches: &mut Batches, now: EpochMs) -> Vec<String> {
        let mut bodies = Vec::new();
        let fates = batches.send(now, |letter| {
            bodies.push(letter.body.clone());
            Ok((u32::try_from(bodies.len()).unwrap(), 1_000))
        });
        assert!(fates.is_empty());
        bodies
    }

    #[test]
    fn records_of_a_tick_go_together_and_are_gone_when_they_arrived() {
        let mut batches = Batches::default();
        assert!(batches.add("{1}", NOW) && batches.add("{2}", NOW));
        assert_eq!(sent(&mut batches, NOW), ["{1}\n{2}\n"]);
        assert!(!batches.is_empty(), "it is on its way");
        assert_eq!(batches.answered(9, Some(200), None, NOW), None);
        let fate = batches.answered(1, Some(200), None, NOW);
        assert!(matches!(fate, Some(Fate::Sent(letter)) if letter.body == "{1}\n{2}\n"));
        assert!(batches.is_empty());
        assert!(sent(&mut batches, NOW).is_empty());
    }

    #[test]
    fn many_go_in_more_than_one_request_and_what_waits_is_bounded() {
        let mut batches = Batches::default();
        let record = "x".repeat(1023);
        let taken = (0..10_000).take_while(|_| batches.add(&record, NOW)).count();
        assert_eq!(taken, QUEUE_BYTES / 1024, "a record has 1,024 bytes with its line's end");
        let bodies = sent(&mut batches, NOW);
        assert_eq!(bodies.len(), crate::outbox::IN_FLIGHT_MAX);
        assert!(bodies.iter().all(|body| body.len() == BATCH_BYTES));
        assert!(!batches.add(&record, NOW), "what is on its way takes room, too");
        assert!(batches.answered(1, Some(200), None, NOW).is_some());
        assert!(batches.add(&record, NOW));
        let left = batches.take();
        assert_eq!(left.lines().count(), taken - BATCH_BYTES / 1024 + 1);
        assert!(batches.is_empty());
    }

    /// A collector that hangs: one small batch a second, until there are as many letters as may wait.
    #[test]
    fn small_batches_wait_together_when_there_are_too_many() {
        let mut batches = Batches::default();
        for _ in 0..crate::outbox::QUEUE_MAX + 10 {
            assert!(batches.add("{}", NOW));
            batches.close(NOW);
        }
        assert_eq!(batches.open.lines().count(), 10);
        assert_eq!(batches.take().lines().count(), crate::outbox::QUEUE_MAX + 10);
    }
}
