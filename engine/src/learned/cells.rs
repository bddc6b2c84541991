//! A table of fixed size by hash: whoever comes to another's place takes it. Empty tables take no memory.

/// How many values a table keeps.
pub(super) const CELLS: usize = 1024;

/// The table; a tag of 0 is none.
#[derive(Debug)]
pub(super) struct Cells<V>(Vec<(u64, V)>);

impl<V> Default for Cells<V> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<V: Clone + Default> Cells<V> {
    /// The value of this tag, if it is kept.
    pub(super) fn get(&self, tag: u64) -> Option<&V> {
        let (kept, value) = self.0.get(place(tag)?)?;
        (*kept == tag).then_some(value)
    }

    /// The value of this tag, which takes its place if another has it.
    pub(super) fn entry(&mut self, tag: u64, value: impl FnOnce() -> V) -> Option<&mut V> {
        if self.0.is_empty() {
            self.0 = vec![(0, V::default()); CELLS];
        }
        let cell = self.0.get_mut(place(tag)?)?;
        if cell.0 != tag {
            *cell = (tag, value());
        }
        Some(&mut cell.1)
    }

    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.0.len()
    }
}

fn place(tag: u64) -> Option<usize> {
    usize::try_from(tag.checked_rem(CELLS as u64)?).ok()
}
