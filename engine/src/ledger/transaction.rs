//! Several holds as one: all of them or none, over any store that can swap a page.

use super::page::PageRefusal;
use super::{Hold, Level, NoRoom, Page, Passed, Receipt, Settle, SlotKey};
use crate::units::{Amount, EpochMs};

/// Why a store did not carry a change out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StoreError {
    /// Others changed the page too often meanwhile: worth trying again in a moment.
    Busy,
    /// The store answered with this status of its host: no use in trying again now.
    Failed(u32),
}

/// Anything that can swap pages: the host's shared data, a VM's own memory, a test's map.
pub trait Store {
    /// Replaces page `number` by what `change` makes of it, as one step among all workers. `change`
    /// may run more than once. What it answers for the page finally stored is given back.
    ///
    /// # Errors
    /// Nothing was stored.
    fn update<T>(&mut self, number: u32, change: impl FnMut(&mut Page) -> T) -> Result<T, StoreError>;
}

/// A hold that was taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Reserved {
    /// What stood before it.
    pub before: Level,
    /// To settle it by. `None` when the table had no room and the policy lets such calls through.
    pub receipt: Option<Receipt>,
}

/// The hold that was refused; the others were given back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Denied {
    /// Its place among the holds asked for.
    pub index: usize,
    /// What stands already. `None`: the table has no room for this subject.
    pub level: Option<Level>,
    /// The holds before it, as they had been taken.
    pub taken: Vec<Reserved>,
}

/// Takes every hold, in order, or none: the first refusal gives back what was taken.
///
/// `full_is_denied` says what a table without room means. Amounts that could not be given back
/// because the store failed are added to `owed`, for [`settle_all`] to try again later.
///
/// # Errors
/// The store is busy or failed; what had been taken was given back.
pub fn reserve_all(
    store: &mut impl Store,
    holds: &[Hold],
    now: EpochMs,
    full_is_denied: bool,
    owed: &mut Vec<Settle>,
) -> Result<Result<Vec<Reserved>, Denied>, StoreError> {
    let mut taken = Vec::with_capacity(holds.len());
    for (index, hold) in holds.iter().enumerate() {
        let step = store.update(hold.key.page, |page| page.reserve(hold, now));
        let denied = match step {
            Ok(Ok((before, receipt))) => {
                taken.push(Reserved { before, receipt: Some(receipt) });
                continue;
            }
            Ok(Err(PageRefusal::Full)) if !full_is_denied => {
                taken.push(Reserved { before: Level::default(), receipt: None });
                continue;
            }
            Ok(Err(PageRefusal::Full)) => Ok(None),
            Ok(Err(PageRefusal::OverCap(level))) => Ok(Some(level)),
            Err(error) => Err(error),
        };
        let mut back: Vec<Settle> = holds.iter().zip(&taken).map(|(hold, got)| hold.give_back(got)).collect();
        settle_all(store, &mut back, now);
        owed.append(&mut back);
        return denied.map(|level| Err(Denied { index, level, taken }));
    }
    Ok(Ok(taken))
}

/// What became of settlements.
#[derive(Debug, Default)]
pub struct Settled {
    /// How many could not be booked because their page has no room: they are dropped.
    pub without_room: usize,
    /// What had been settled before each that was [`Settle::watched`].
    pub before: Vec<(SlotKey, Amount)>,
}

/// Settles one call, and adds what became of it. Gives the thresholds that operators are to be told of.
///
/// # Errors
/// The store did not take it: it is to be tried again, and is not watched any more.
pub fn settle(
    store: &mut impl Store,
    owed: &mut Settle,
    now: EpochMs,
    settled: &mut Settled,
) -> Result<Option<Passed>, StoreError> {
    match store.update(owed.key.page, |page| page.settle(owed, now)) {
        Ok(Ok(booked)) => {
            let before = booked.filter(|_| owed.watched).map(|booked| (owed.key, booked.before));
            settled.before.extend(before);
            Ok(booked.and_then(|booked| booked.passed))
        }
        Ok(Err(NoRoom)) => {
            settled.without_room = settled.without_room.saturating_add(1);
            Ok(None)
        }
        Err(error) => {
            owed.watched = false;
            Err(error)
        }
    }
}

/// Settles what it can; what the store did not take stays in `owed`.
pub fn settle_all(store: &mut impl Store, owed: &mut Vec<Settle>, now: EpochMs) -> Settled {
    let mut settled = Settled::default();
    owed.retain_mut(|owed| settle(store, owed, now, &mut settled).is_err());
    settled
}

impl Hold {
    /// The settlement of this hold by what was used.
    #[must_use]
    pub const fn settle(&self, reserved: &Reserved, used: i64) -> Settle {
        let Self { key, window, .. } = *self;
        Settle { key, window, receipt: reserved.receipt, used, watched: false, untold: false, tells: None }
    }

    /// The settlement of this hold as if there had been no call.
    #[must_use]
    pub const fn give_back(&self, reserved: &Reserved) -> Settle {
        Settle { untold: true, ..self.settle(reserved, 0) }
    }
}
