//! A table of fixed size by hash: whoever comes to another's place takes it. Empty tables take no memory.

/// The table, of so many values; a tag of 0 is none.
#[derive(Debug)]
pub(crate) struct Cells<V, const CELLS: usize>(Vec<(u64, V)>);

impl<V, const CELLS: usize> Default for Cells<V, CELLS> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<V: Clone + Default, const CELLS: usize> Cells<V, CELLS> {
    /// The value of this tag, if it is kept.
    pub(crate) fn get(&self, tag: u64) -> Option<&V> {
        let (kept, value) = self.0.get(place(tag, CELLS)?)?;
        (*kept == tag).then_some(value)
    }

    /// The value of this tag, which takes its place if another has it.
    pub(crate) fn entry(&mut self, tag: u64, value: impl FnOnce() -> V) -> Option<&mut V> {
        if self.0.is_empty() {
            self.0 = vec![(0, V::default()); CELLS];
        }
        let cell = self.0.get_mut(place(tag, CELLS)?)?;
        if cell.0 != tag {
            *cell = (tag, value());
        }
        Some(&mut cell.1)
    }

    #[cfg(test)]
    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }
}

fn place(tag: u64, cells: usize) -> Option<usize> {
    usize::try_from(tag.checked_rem(cells as u64)?).ok()
}
