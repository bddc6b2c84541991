//! One subject's amount in 96 bytes, how time and calls change it, and which thresholds were told already.

use super::{Hold, NO_WARNING, Settle, WindowRule};
use crate::units::{Amount, EpochMs};

/// A hold that was never settled (its stream was lost to a trap or a reload) is forgotten after one
/// to two of these: longer than any answer streams.
pub const HOLD_LIFE_MS: i64 = 15 * 60 * 1000;

/// The bytes of a slot in a page.
pub(super) const SLOT_BYTES: usize = 96;

/// Slices that a rolling window is made of, besides the one that is running. More would forget sooner
/// after the window's length, and every slot of every window pays for them.
pub const SLICES: usize = 4;

/// What stands against a budget.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Level {
    /// Settled.
    pub used: Amount,
    /// Held by calls in flight.
    pub held: Amount,
    /// Of what is settled in a rolling window, that of earlier slices, the latest first.
    pub earlier: [Amount; SLICES],
    /// Which of [`Hold::warns`] were told in this window, a bit each.
    pub warned: u8,
    /// Thresholds below this amount were told to operators in this window.
    pub alerted_below: Amount,
}

impl Level {
    /// Settled and held.
    #[must_use]
    pub const fn total(self) -> Amount {
        self.used.saturating_add(self.held)
    }
}

/// What a hold left behind, to settle it by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Receipt {
    /// The amount held.
    pub amount: Amount,
    /// The generation in which it was taken.
    generation: i64,
    /// The slot's window when it was taken: what the clock of another worker says does not matter.
    at: i64,
    /// Which of [`Hold::warns`] are told with this hold.
    warned: u8,
}

/// What a settlement that was booked tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Booked {
    /// What had been settled before.
    pub before: Amount,
    /// The thresholds that operators are to be told of: each once, among all workers and whatever runs again, for
    /// the mark is swapped with the amount.
    pub passed: Option<Passed>,
}

/// Thresholds that were passed now, for the first time in this window.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Passed {
    /// The least amount that is new.
    from: Amount,
    /// The least amount that was not reached.
    to: Amount,
    /// What stands.
    pub level: Level,
}

impl Passed {
    /// Whether the threshold at this amount is one of them.
    #[must_use]
    pub const fn has(&self, at: Amount) -> bool {
        self.from <= at && at < self.to
    }
}

/// A slot read from its bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Slot {
    /// 0 when the slot is free.
    pub(super) tag: u64,
    used: Amount,
    /// Holds by generation: even, odd. Two are enough to let lost ones expire.
    held: [Amount; 2],
    /// The window's end (calendar), the time up to which the refill was given, or the start of the running
    /// slice.
    at: i64,
    generation: i64,
    /// From this time on an absent slot means the same, if nothing is held: the window is over, or
    /// the bucket has refilled.
    forget_at: i64,
    /// Settled in earlier slices of a rolling window, the latest first.
    earlier: [Amount; SLICES],
    /// As in [`Level`].
    warned: u8,
    /// As in [`Level`]: an amount and not a percentage, for a subject's limit may differ from call to call.
    alerted_below: Amount,
}

impl Slot {
    pub(super) fn tag_of(bytes: &[u8; SLOT_BYTES]) -> u64 {
        bytes.first_chunk::<8>().map_or(0, |tag| u64::from_le_bytes(*tag))
    }

    pub(super) fn from_bytes(bytes: &[u8; SLOT_BYTES]) -> Self {
        let (words, _) = bytes.as_chunks::<8>();
        let word = |i: usize| words.get(i).map_or(0, |w| i64::from_le_bytes(*w));
        Self {
            tag: word(0).cast_unsigned(),
            used: word(1),
            held: [word(2), word(3)],
            at: word(4),
            generation: word(5) >> 8,
            warned: bytes.get(40).copied().unwrap_or(0),
            forget_at: word(6),
            earlier: [word(7), word(8), word(9), word(10)],
            alerted_below: word(11),
        }
    }

    pub(super) fn to_bytes(self) -> [u8; SLOT_BYTES] {
        let mut bytes = [0; SLOT_BYTES];
        let [even, odd] = self.held;
        let [e0, e1, e2, e3] = self.earlier;
        let tag = self.tag.cast_signed();
        // A generation of the clock has 44 bits at most.
        let generation = (self.generation << 8) | i64::from(self.warned);
        let words = [
            tag,
            self.used,
            even,
            odd,
            self.at,
            generation,
            self.forget_at,
            e0,
            e1,
            e2,
            e3,
            self.alerted_below,
        ];
        for (to, word) in bytes.as_chunks_mut::<8>().0.iter_mut().zip(words) {
            *to = word.to_le_bytes();
        }
        bytes
    }

    /// A slot for a subject never seen, or forgotten.
    pub(super) fn fresh(tag: u64, window: WindowRule, now: EpochMs) -> Self {
        let at = match window {
            WindowRule::Until(end) => end.0,
            WindowRule::Refill { .. } => now.0,
            WindowRule::Rolling { slice_ms } => slice_start(slice_ms, now),
            WindowRule::InFlight => 0,
        };
        Self { tag, at, generation: generation(now), ..Self::default() }
    }

    pub(super) fn level(&self) -> Level {
        let [even, odd] = self.held;
        let used = self.earlier.iter().fold(self.used, |sum, earlier| sum.saturating_add(*earlier));
        Level {
            used,
            held: even.saturating_add(odd),
            earlier: self.earlier,
            warned: self.warned,
            alerted_below: self.alerted_below,
        }
    }

    /// Brings the slot to `now`: lost holds expire, windows end, buckets refill. A clock that went
    /// back changes nothing.
    pub(super) fn advance(&mut self, window: WindowRule, now: EpochMs) {
        self.expire_holds(now);
        match window {
            WindowRule::Until(end) if end.0 > self.at => {
                *self = Self { tag: self.tag, at: end.0, generation: self.generation, ..Self::default() };
            }
            WindowRule::Until(_) => return,
            WindowRule::InFlight => {}
            WindowRule::Refill { refill, every_ms } => self.refill(refill, every_ms, now),
            WindowRule::Rolling { slice_ms } => self.roll(slice_ms, now),
        }
        self.alerted_below = self.alerted_below.min(self.armed_from());
    }

    /// Where nothing begins anew, a threshold is told again once no more than half of it stands: a level that
    /// sways around one says so once.
    fn armed_from(&self) -> Amount {
        self.level().total().saturating_mul(2).max(1)
    }

    /// Moves on by whole slices; what was used before the last [`SLICES`] of them is forgotten.
    fn roll(&mut self, slice_ms: i64, now: EpochMs) {
        let current = slice_start(slice_ms, now);
        let passed = slices_between(self.at, current, slice_ms);
        for _ in 0..passed.clamp(0, SLICES_AND_ONE) {
            self.earlier.rotate_right(1);
            if let Some(latest) = self.earlier.first_mut() {
                *latest = std::mem::take(&mut self.used);
            }
        }
        self.at = self.at.max(current);
    }

    fn expire_holds(&mut self, now: EpochMs) {
        let current = generation(now);
        match current.saturating_sub(self.generation) {
            ..=0 => return,
            1 => *self.held_in(current) = 0,
            _ => self.held = [0; 2],
        }
        self.generation = current;
    }

    fn refill(&mut self, refill: Amount, every_ms: i64, now: EpochMs) {
        let elapsed = now.0.saturating_sub(self.at);
        if elapsed <= 0 {
            return;
        }
        let given = i128::from(elapsed)
            .saturating_mul(i128::from(refill))
            .checked_div(i128::from(every_ms))
            .unwrap_or_default();
        // Below zero there is nothing to give back: a full bucket does not grow.
        self.used = i64::try_from(i128::from(self.used).saturating_sub(given).max(0)).unwrap_or(0);
        self.at = now.0;
    }

    /// Takes a hold, or says what stands in the way.
    pub(super) fn reserve(&mut self, hold: &Hold, now: EpochMs) -> Result<(Level, Receipt), Level> {
        self.advance(hold.window, now);
        self.rearm_warnings(hold);
        let before = self.level();
        if hold.cap.is_some_and(|cap| before.total().saturating_add(hold.amount) > cap) {
            return Err(before);
        }
        let generation = self.generation;
        let held = self.held_in(generation);
        *held = held.saturating_add(hold.amount);
        let warned = self.warn(hold);
        self.set_forget_at(hold.window);
        Ok((before, Receipt { amount: hold.amount, generation, at: self.at, warned }))
    }

    fn rearm_warnings(&mut self, hold: &Hold) {
        if !matches!(hold.window, WindowRule::Until(_)) {
            let from = self.armed_from();
            self.warned &= !bits(hold, |at| at >= from);
        }
    }

    /// Marks the warnings that this hold reaches as told; those that were not yet.
    fn warn(&mut self, hold: &Hold) -> u8 {
        let after = self.level().total();
        let new = bits(hold, |at| at <= after) & !self.warned;
        self.warned |= new;
        new
    }

    /// Gives the hold back and books what was used. A hold belongs to the window in which it was
    /// taken: when that is over, so is the call's cost for this budget.
    pub(super) fn settle(&mut self, settle: &Settle, now: EpochMs) -> Option<Booked> {
        self.advance(settle.window, now);
        let taken_at = match (settle.receipt, settle.window) {
            (Some(receipt), _) => receipt.at,
            (None, WindowRule::Until(end)) => end.0,
            (None, _) => self.at,
        };
        if matches!(settle.window, WindowRule::Until(_)) && taken_at < self.at {
            return None;
        }
        if let Some(receipt) = settle.receipt
            && self.generation.saturating_sub(receipt.generation) <= 1
        {
            let held = self.held_in(receipt.generation);
            *held = held.saturating_sub(receipt.amount).max(0);
        }
        if let Some(receipt) = settle.receipt.filter(|_| settle.untold) {
            self.warned &= !receipt.warned;
        }
        let before = self.level().used;
        if let Some(used) = self.used_at(settle.window, taken_at) {
            *used = used.saturating_add(settle.used);
        }
        self.set_forget_at(settle.window);
        Some(Booked { before, passed: settle.tells.and_then(|reached| self.tell(reached)) })
    }

    /// Marks the thresholds up to what is settled, and up to `reached`.
    fn tell(&mut self, reached: Amount) -> Option<Passed> {
        let level = self.level();
        let (from, to) = (self.alerted_below, past(level.used.max(reached)));
        self.alerted_below = from.max(to);
        (from < to).then_some(Passed { from, to, level })
    }

    /// Where a call of that time is booked; `None` when its slice is forgotten.
    fn used_at(&mut self, window: WindowRule, taken_at: i64) -> Option<&mut Amount> {
        let WindowRule::Rolling { slice_ms } = window else { return Some(&mut self.used) };
        match usize::try_from(slices_between(taken_at, self.at, slice_ms)) {
            Err(_) | Ok(0) => Some(&mut self.used),
            Ok(age) => self.earlier.get_mut(age.saturating_sub(1)),
        }
    }

    /// Nothing is lost by forgetting this slot.
    pub(super) fn is_worthless(&self, now: EpochMs) -> bool {
        let holds_live = generation(now).saturating_sub(self.generation) <= 1;
        self.forget_at <= now.0 && !(holds_live && self.level().held != 0)
    }

    fn set_forget_at(&mut self, window: WindowRule) {
        self.forget_at = match window {
            WindowRule::Until(_) => self.at,
            WindowRule::Refill { refill, every_ms } => {
                let ms = i128::from(self.used.max(0))
                    .saturating_mul(i128::from(every_ms))
                    .checked_div(i128::from(refill))
                    .unwrap_or(i128::MAX);
                self.at.saturating_add(i64::try_from(ms).unwrap_or(i64::MAX)).saturating_add(1)
            }
            WindowRule::Rolling { slice_ms } => {
                self.at.saturating_add(slice_ms.saturating_mul(SLICES_AND_ONE))
            }
            WindowRule::InFlight => i64::MIN,
        };
    }

    fn held_in(&mut self, generation: i64) -> &mut Amount {
        let [even, odd] = &mut self.held;
        if generation & 1 == 0 { even } else { odd }
    }
}

/// As many slices as a rolling window counts.
const SLICES_AND_ONE: i64 = SLICES as i64 + 1;

fn slice_start(slice_ms: i64, now: EpochMs) -> i64 {
    now.0.saturating_sub(now.0.checked_rem_euclid(slice_ms).unwrap_or_default())
}

/// Negative when the clock went back.
fn slices_between(from: i64, to: i64, slice_ms: i64) -> i64 {
    to.saturating_sub(from).checked_div(slice_ms).unwrap_or_default()
}

/// The warnings of a hold of which this holds, a bit each.
fn bits(hold: &Hold, holds: impl Fn(Amount) -> bool) -> u8 {
    let mut bits = 0;
    for (i, at) in hold.warns.into_iter().enumerate() {
        bits |= u8::from(at != NO_WARNING && holds(at)) << i;
    }
    bits
}

/// The first amount above `level`; 0 is one that was reached, too.
const fn past(level: Amount) -> Amount {
    level.saturating_add(1)
}

fn generation(now: EpochMs) -> i64 {
    now.0.div_euclid(HOLD_LIFE_MS)
}
