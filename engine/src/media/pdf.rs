//! How many pages a PDF has, by its page objects (ISO 32000-1, 7.7.3.3: `/Type /Page`), found while its bytes pass.
//! Called by `media`. A file that keeps its objects compressed shows none.

/// A PDF that is being read.
#[derive(Debug, Default)]
pub(super) struct Pdf {
    /// Bytes of [`NAME`] that have matched.
    matched: usize,
    pages: u64,
}

/// What a page object is named; `/Pages` is a node above.
const NAME: &[u8] = b"/Page";

impl Pdf {
    pub(super) fn byte(&mut self, byte: u8) {
        if self.matched == NAME.len() {
            self.pages = self.pages.saturating_add(u64::from(!byte.is_ascii_alphanumeric()));
            self.matched = 0;
        }
        // The name has its first byte nowhere else, so a mismatch begins anew.
        self.matched = match NAME.get(self.matched) {
            Some(expected) if *expected == byte => self.matched.saturating_add(1),
            _ => usize::from(byte == b'/'),
        };
    }

    /// Page objects seen.
    pub(super) const fn pages(&self) -> u64 {
        self.pages
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pages(text: &[u8]) -> u64 {
        let mut pdf = Pdf::default();
        text.iter().for_each(|byte| pdf.byte(*byte));
        pdf.pages()
    }

    #[test]
    fn pages_are_counted_and_what_is_above_them_is_not() {
        assert_eq!(
            pages(b"<</Type /Pages /Kids [1 0 R 2 0 R]>> <</Type/Page/Parent 3 0 R>> <</Type /Page>>"),
            2
        );
        assert_eq!(pages(b"//Page //P/Page\n/Pag/PageLabels /PageMode"), 2);
        assert_eq!(pages(b"compressed"), 0);
    }
}
