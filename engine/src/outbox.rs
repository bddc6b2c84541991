//! Letters on their way, alerts or batches of cost records: a bounded queue, tried again with growing pauses, given up after a while.
//!
//! The shell sends from its tick and says what came of it; which one is due, and until when, is decided here.

use crate::units::EpochMs;
use std::collections::VecDeque;

/// Letters that wait, at most: what comes then is dropped, and counted.
pub const QUEUE_MAX: usize = 256;
/// Requests that run at once, so that a sink that hangs does not take the proxy's connections.
pub const IN_FLIGHT_MAX: usize = 4;
/// How often a letter is tried: with the pauses between, for about two minutes.
const ATTEMPTS_MAX: u32 = 8;
/// The first pause; each next one is twice as long.
const PAUSE_MS: i64 = 1_000;
/// The longest pause, also where the sink asks for more.
const PAUSE_MS_MAX: i64 = 60_000;
/// A host that forgets to say that a request is over is not waited for longer than this beyond its timeout.
const GRACE_MS: i64 = 5_000;

/// What is to be sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Letter {
    /// Of an alert its sink, by its place in the policy; of a batch how many records it has.
    pub number: usize,
    /// Of an alert its id.
    pub id: String,
    /// What is sent.
    pub body: String,
}

#[derive(Debug)]
struct Queued {
    letter: Letter,
    attempts: u32,
    /// Not before.
    due: EpochMs,
    /// The host's number of the request that runs, and when it is over in any case.
    running: Option<(u32, EpochMs)>,
}

/// What came of an attempt that ended a letter's way, or did not.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fate {
    /// It arrived: this one.
    Sent(Letter),
    /// It is sent again: the letter's number.
    Later(usize),
    /// It is given up: this one.
    GivenUp(Letter),
}

/// Why a request could not be made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Failed {
    /// It may be possible later.
    Now,
    /// This host makes no requests.
    Never,
}

/// The queue of one VM.
#[derive(Debug, Default)]
pub struct Outbox(VecDeque<Queued>);

impl Outbox {
    /// Whether nothing waits.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// How many wait.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether another letter may wait.
    #[must_use]
    pub fn has_room(&self) -> bool {
        self.0.len() < QUEUE_MAX
    }

    /// What all that wait have to say, in bytes.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.0.iter().fold(0, |sum, queued| sum.saturating_add(queued.letter.body.len()))
    }

    /// Gives all that wait, and is empty.
    pub fn take(&mut self) -> Vec<Letter> {
        self.0.drain(..).map(|queued| queued.letter).collect()
    }

    /// Takes a letter, to be sent at the next tick. Says whether there was room.
    pub fn post(&mut self, letter: Letter, now: EpochMs) -> bool {
        let fits = self.has_room();
        if fits {
            self.0.push_back(Queued { letter, attempts: 0, due: now, running: None });
        }
        fits
    }

    /// Sends what is due: `send` starts a request and gives the host's number of it and its timeout in
    /// milliseconds. Gives what became of those for which none was made, or none was answered in time.
    pub fn send(
        &mut self,
        now: EpochMs,
        mut send: impl FnMut(&Letter) -> Result<(u32, u32), Failed>,
    ) -> Vec<Fate> {
        let late = |queued: &Queued| queued.running.is_some_and(|(_, until)| until <= now);
        let mut fates = Vec::new();
        while let Some(place) = self.0.iter().position(late) {
            fates.extend(self.failed(place, 0, now));
        }
        let mut running = self.0.iter().filter(|queued| queued.running.is_some()).count();
        let mut refused = Vec::new();
        for (place, queued) in self.0.iter_mut().enumerate() {
            if running >= IN_FLIGHT_MAX {
                break;
            }
            if queued.running.is_some() || queued.due > now {
                continue;
            }
            running = running.saturating_add(1);
            queued.attempts = queued.attempts.saturating_add(1);
            match send(&queued.letter) {
                Ok((token, timeout_ms)) => {
                    let until = now.plus_ms(i64::from(timeout_ms).saturating_add(GRACE_MS));
                    queued.running = Some((token, until));
                }
                Err(Failed::Now) => refused.push(place),
                Err(Failed::Never) => {
                    fates.extend(self.take().into_iter().map(Fate::GivenUp));
                    return fates;
                }
            }
        }
        // From the last one, for each that is given up moves those behind it.
        for place in refused.into_iter().rev() {
            fates.extend(self.failed(place, 0, now));
        }
        fates
    }

    /// A request is over. `status`: that of the answer, if one came; `retry_after`: the seconds that it asks for.
    /// `None`: nobody knows of it.
    pub fn answered(
        &mut self,
        token: u32,
        status: Option<u16>,
        retry_after: Option<u32>,
        now: EpochMs,
    ) -> Option<Fate> {
        let is_it = |queued: &Queued| queued.running.is_some_and(|(known, _)| known == token);
        let place = self.0.iter().position(is_it)?;
        match status {
            Some(200..300) => self.0.remove(place).map(|queued| Fate::Sent(queued.letter)),
            // The request is wrong, and will be the next time.
            Some(400..=407 | 409..=428 | 430..500) => Some(Fate::GivenUp(self.0.remove(place)?.letter)),
            _ => self.failed(place, retry_after.unwrap_or(0), now),
        }
    }

    /// One more pause, or the end.
    fn failed(&mut self, place: usize, retry_after: u32, now: EpochMs) -> Option<Fate> {
        let queued = self.0.get_mut(place)?;
        queued.running = None;
        let doubled = 1_i64.checked_shl(queued.attempts.saturating_sub(1)).unwrap_or(i64::MAX);
        let pause = PAUSE_MS.saturating_mul(doubled).max(i64::from(retry_after).saturating_mul(1000));
        queued.due = now.plus_ms(pause.min(PAUSE_MS_MAX));
        if queued.attempts < ATTEMPTS_MAX {
            return Some(Fate::Later(queued.letter.number));
        }
        self.0.remove(place).map(|queued| Fate::GivenUp(queued.letter))
    }
}

#[cfg(test)]
mod tests;
