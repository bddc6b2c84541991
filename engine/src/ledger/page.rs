//! A page: sixteen slots that are swapped together. One page is one key of the host's shared data.

use super::slot::{SLOT_BYTES, Slot};
use super::{Booked, Hold, Level, Receipt, Settle};
use crate::units::EpochMs;

/// Slots in a page: few enough to copy in a hundred nanoseconds, enough that a page of a table half
/// full overflows for one subject in 250 (Poisson, mean 8).
pub const SLOTS_PER_PAGE: usize = 16;

/// The size of a page.
pub const PAGE_BYTES: usize = SLOT_BYTES * SLOTS_PER_PAGE;

/// The slots of one page.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page {
    bytes: [u8; PAGE_BYTES],
    is_changed: bool,
}

impl Default for Page {
    fn default() -> Self {
        Self { bytes: [0; PAGE_BYTES], is_changed: false }
    }
}

/// Why a hold was not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PageRefusal {
    /// It would pass the cap; this stands already.
    OverCap(Level),
    /// Every slot is held by a subject that cannot be forgotten yet.
    Full,
}

/// A settlement that could not be booked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NoRoom;

impl Page {
    /// A page from stored bytes. Bytes of another size are another layout's: they count as empty.
    #[must_use]
    pub fn from_bytes(bytes: Option<&[u8]>) -> Self {
        let bytes = bytes.and_then(|bytes| bytes.try_into().ok());
        bytes.map_or_else(Self::default, |bytes| Self { bytes, is_changed: false })
    }

    /// Whether it says anything else than when it was made.
    #[must_use]
    pub const fn is_changed(&self) -> bool {
        self.is_changed
    }

    /// The bytes to store.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Takes a hold for its subject, finding or making its slot.
    ///
    /// # Errors
    /// It would pass the cap, or the page is full.
    pub fn reserve(&mut self, hold: &Hold, now: EpochMs) -> Result<(Level, Receipt), PageRefusal> {
        let (index, mut slot) = self.find(hold.key.tag).map_or_else(
            || {
                let free = self.free(now).ok_or(PageRefusal::Full)?;
                Ok((free, Slot::fresh(hold.key.tag, hold.window, now)))
            },
            Ok,
        )?;
        let taken = slot.reserve(hold, now).map_err(PageRefusal::OverCap)?;
        self.write(index, slot);
        Ok(taken)
    }

    /// Settles a call; nothing is booked if its window is over.
    ///
    /// # Errors
    /// A page full of others' amounts has no room for a subject that holds nothing there.
    pub fn settle(&mut self, settle: &Settle, now: EpochMs) -> Result<Option<Booked>, NoRoom> {
        let found = self.find(settle.key.tag);
        if found.is_none() && settle.used == 0 && settle.tells.is_none_or(|reached| reached < 0) {
            return Ok(None);
        }
        let fresh = || Some((self.free(now)?, Slot::fresh(settle.key.tag, settle.window, now)));
        let Some((index, mut slot)) = found.or_else(fresh) else {
            return Err(NoRoom);
        };
        let booked = slot.settle(settle, now);
        self.write(index, slot);
        Ok(booked)
    }

    /// What stands for a subject at `now`, without changing it.
    #[must_use]
    pub fn level(&self, hold: &Hold, now: EpochMs) -> Level {
        self.find(hold.key.tag).map_or_else(Level::default, |(_, mut slot)| {
            slot.advance(hold.window, now);
            slot.level()
        })
    }

    fn slots(&self) -> impl Iterator<Item = (usize, Slot)> {
        self.bytes.as_chunks::<SLOT_BYTES>().0.iter().map(Slot::from_bytes).enumerate()
    }

    /// Of the others the tag alone is read.
    fn find(&self, tag: u64) -> Option<(usize, Slot)> {
        let mut slots = self.bytes.as_chunks::<SLOT_BYTES>().0.iter().enumerate();
        let (index, slot) = slots.find(|(_, slot)| Slot::tag_of(slot) == tag)?;
        Some((index, Slot::from_bytes(slot)))
    }

    fn free(&self, now: EpochMs) -> Option<usize> {
        self.slots().find(|(_, slot)| slot.tag == 0 || slot.is_worthless(now)).map(|(index, _)| index)
    }

    fn write(&mut self, index: usize, slot: Slot) {
        let slot = slot.to_bytes();
        if let Some(to) = self.bytes.as_chunks_mut::<SLOT_BYTES>().0.get_mut(index)
            && *to != slot
        {
            *to = slot;
            self.is_changed = true;
        }
    }
}
