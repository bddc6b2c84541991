//! The ledger: who has used how much, in a table of bounded size.
//!
//! Owns the layout of a page, the arithmetic of holds and windows, and the order in which several
//! budgets are held (all or none). The shell owns the bytes and swaps them under compare-and-swap:
//! every change is a pure function of one page, which may run again.

mod page;
mod slot;
mod transaction;

pub use page::{NoRoom, PAGE_BYTES, Page, SLOTS_PER_PAGE};
pub use slot::{Booked, HOLD_LIFE_MS, Level, Passed, Receipt, SLICES};
pub use transaction::{Denied, Reserved, Settled, Store, StoreError, reserve_all, settle, settle_all};

use crate::units::{Amount, EpochMs};

/// Where a subject's amount stands: a page, and the tag that names it there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SlotKey {
    /// The page's number, less than the policy's number of pages.
    pub page: u32,
    /// A keyed hash of budget and subject, never 0.
    pub tag: u64,
}

/// How an amount is forgotten with time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WindowRule {
    /// All at once, when the calendar window that ends at this time is over.
    Until(EpochMs),
    /// Steadily: `refill` units every `every_ms`.
    Refill {
        /// Units that come back in `every_ms`.
        refill: Amount,
        /// The period in milliseconds, at least 1.
        every_ms: i64,
    },
    /// Slice by slice: what was used counts until [`SLICES`] whole slices have passed after its own.
    Rolling {
        /// The length of a slice in milliseconds, at least 1.
        slice_ms: i64,
    },
    /// Nothing stays: only calls that run now count.
    InFlight,
}

/// One amount to hold before a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Hold {
    /// Whose.
    pub key: SlotKey,
    /// How it is forgotten.
    pub window: WindowRule,
    /// How much this call is expected to use.
    pub amount: Amount,
    /// Above this total the hold is refused; `None` never refuses (shadow, or no `deny` step).
    pub cap: Option<Amount>,
    /// Thresholds of which callers are warned once: those that this hold reaches count as told.
    pub warns: [Amount; WARNINGS_MAX],
}

impl Hold {
    /// What stands there is asked: of no amount, and never refused.
    #[must_use]
    pub const fn of_nothing(key: SlotKey, window: WindowRule) -> Self {
        Self { key, window, amount: 0, cap: None, warns: [NO_WARNING; WARNINGS_MAX] }
    }
}

/// Warnings of one budget that are given once.
pub const WARNINGS_MAX: usize = 4;

/// A place for a warning that is none: no level reaches it.
pub const NO_WARNING: Amount = Amount::MAX;

/// One amount to settle after a call: the hold goes, what was used comes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Settle {
    /// Whose.
    pub key: SlotKey,
    /// How it is forgotten: as it was when held.
    pub window: WindowRule,
    /// The hold to give back; `None` if none was taken (a body never seen, a store that failed).
    pub receipt: Option<Receipt>,
    /// What was used.
    pub used: Amount,
    /// What had been settled before is to be told ([`Settled::before`]): something depends on it.
    pub watched: bool,
    /// The call came to nothing, and its caller was not told of the thresholds that its hold reached.
    pub untold: bool,
    /// Operators are told of thresholds, up to what is used then; and up to this, if that is more. Below zero
    /// where nothing else is known to have reached one.
    pub tells: Option<Amount>,
}

#[cfg(test)]
mod tests;
