//! A table of names and numbers for people, as wide as it is or as a terminal. It owns what is shortened and left
//! out where there is no room. Called by `table`; it must not know what the numbers are.

use comfy_table::{CellAlignment, ContentArrangement, Table, presets};

/// No name is shortened to less, as long as there is a number to leave out.
const NAME_MIN: usize = 12;

/// Rows of names, and behind them numbers.
pub(super) struct Sheet {
    head: Vec<String>,
    rows: Vec<Vec<String>>,
    /// So many columns are names.
    names: usize,
    notes: Vec<String>,
}

impl Sheet {
    /// With so many columns of names.
    pub(super) fn new<'h>(head: impl Iterator<Item = &'h str>, names: usize) -> Self {
        Self { head: head.map(str::to_owned).collect(), rows: Vec::new(), names, notes: Vec::new() }
    }

    pub(super) fn row(&mut self, cells: Vec<String>) {
        self.rows.push(cells);
    }

    /// In so many columns of a terminal, or as wide as it is. `spared` are the numbers that can be left out, the
    /// first one first.
    pub(super) fn text(mut self, width: Option<u16>, spared: &[&str]) -> String {
        if let Some(width) = width {
            self.fit(width.into(), spared);
        }
        let mut table = Table::new();
        table.load_style(presets::UTF8_HORIZONTAL_ONLY).set_content_arrangement(ContentArrangement::Dynamic);
        if let Some(width) = width {
            table.set_width(width);
        }
        table.set_header(self.head).add_rows(self.rows);
        for column in table.column_iter_mut().skip(self.names) {
            column.set_cell_alignment(CellAlignment::Right);
        }
        let notes: String = self.notes.iter().map(|note| format!("{note}\n")).collect();
        format!("{table}\n{notes}")
    }

    /// First go numbers that say nothing, then those that can be spared; names are shortened by as much as is left
    /// to do.
    fn fit(&mut self, width: usize, spared: &[&str]) {
        if self.width() <= width {
            return;
        }
        for name in self.head.iter_mut().skip(self.names) {
            *name = name.replace(' ', "\n");
        }
        let mut idle = Vec::new();
        for name in spared {
            if self.width() <= width {
                break;
            }
            if self.is_idle(name) && self.take(name) {
                idle.push(*name);
            }
        }
        if !idle.is_empty() {
            self.notes.push(format!("There is none of: {}.", idle.join(", ")));
        }
        let mut gone = Vec::new();
        for name in spared {
            let room = width.saturating_sub(self.width() - self.of_names());
            if self.of_names() <= room || room >= self.names * NAME_MIN {
                break;
            }
            if self.take(name) {
                gone.push(*name);
            }
        }
        if !gone.is_empty() {
            self.notes.push(format!("No room for {}: a wider terminal or a file has all.", gone.join(", ")));
        }
        self.shorten(width.saturating_sub(self.width() - self.of_names()));
    }

    /// Whether a number says nothing in any row.
    fn is_idle(&self, name: &str) -> bool {
        let is_idle = |cell: &String| matches!(cell.as_str(), "" | "–" | "0" | "0.0%");
        self.place(name).is_some_and(|at| self.rows.iter().filter_map(|row| row.get(at)).all(is_idle))
    }

    fn place(&self, name: &str) -> Option<usize> {
        let numbers = self.head.iter().enumerate().skip(self.names);
        numbers.into_iter().find(|(_, head)| head.replace('\n', " ") == name).map(|(at, _)| at)
    }

    fn take(&mut self, name: &str) -> bool {
        let Some(at) = self.place(name) else { return false };
        self.head.remove(at);
        self.rows.iter_mut().filter(|row| row.len() > at).for_each(|row| {
            row.remove(at);
        });
        true
    }

    /// Shortens names, the longest first, until they have so much room together.
    fn shorten(&mut self, room: usize) {
        let mut widths: Vec<usize> = (0..self.names).map(|at| self.column(at)).collect();
        while widths.iter().sum::<usize>() > room {
            let Some(longest) = widths.iter_mut().max().filter(|longest| **longest > 1) else { break };
            *longest -= 1;
        }
        for row in self.rows.iter_mut().chain([&mut self.head]) {
            for (cell, width) in row.iter_mut().zip(&widths) {
                *cell = shortened(cell, *width);
            }
        }
    }

    fn of_names(&self) -> usize {
        (0..self.names).map(|at| self.column(at)).sum()
    }

    /// The width of a column's texts.
    fn column(&self, at: usize) -> usize {
        let cells = self.rows.iter().chain([&self.head]).filter_map(|row| row.get(at));
        cells.flat_map(|cell| cell.lines()).map(|line| line.chars().count()).max().unwrap_or(0)
    }

    /// Three blanks between columns, and one at each end.
    fn width(&self) -> usize {
        (0..self.head.len()).map(|at| self.column(at) + 3).sum::<usize>().saturating_sub(1)
    }
}

/// With an ellipsis in the place of what is too much.
fn shortened(text: &str, width: usize) -> String {
    if text.chars().count() <= width {
        return text.to_owned();
    }
    text.chars().take(width.saturating_sub(1)).chain(['…']).collect()
}

#[cfg(test)]
mod tests {
    use super::{Sheet, shortened};

    fn said(width: Option<u16>) -> String {
        let mut sheet = Sheet::new(["model", "requests", "per request", "refused"].into_iter(), 1);
        sheet.row(["a-model-with-a-long-name", "12,345", "$0.0160", "0"].map(str::to_owned).to_vec());
        sheet.row(["total", "12,345", "$0.0160", "0"].map(str::to_owned).to_vec());
        sheet.text(width, &["refused", "per request"])
    }

    #[test]
    fn what_has_no_room_is_left_out_before_names_are_hard_to_tell() {
        let widest = |text: &str| text.lines().map(|line| line.chars().count()).max().unwrap();
        let whole = said(None);
        assert_eq!((widest(&whole), said(Some(80))), (61, whole.clone()));
        // Two lines of its head are enough.
        let text = said(Some(58));
        assert!(
            widest(&text) <= 58 && text.contains("a-model-with-a-long-name") && text.contains("refused"),
            "{text}"
        );
        // Nothing was refused.
        let text = said(Some(48));
        assert!(widest(&text) <= 48 && text.ends_with("\nThere is none of: refused.\n"), "{text}");
        let text = said(Some(36));
        assert!(widest(&text) <= 36 && text.contains(" a-model-with… "), "{text}");
        let text = said(Some(30));
        assert!(text.contains("No room for per request: a wider terminal or a file has all.\n"), "{text}");
        assert_eq!([shortened("ärger", 4), shortened("ärger", 5)], ["ärg…", "ärger"]);
    }
}
