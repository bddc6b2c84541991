//! A piece so long that it is counted while it arrives. Called by `counter` once a piece that is not yet over has
//! filled its buffer; must not keep the piece.
//!
//! Where such a piece ends may stay open for any length: `中AAAA…` is one o200k word if a small letter follows and
//! two if not; of white space, the last line end decides. So the last place where the piece may have ended is marked
//! (`Window::mark`), and what comes after it is counted a second time, as a piece of its own.

#![expect(clippy::arithmetic_side_effects, reason = "places in a slice, far from overflow; tests would stop")]

use crate::Encoding;
use crate::classes::{Class, class_at};
use crate::scripts::Script;
use crate::split::{BOTH, HEAD, SPACE, SYMBOL, Splitter, TAIL, WORD, WORD_OR_MARK};
use crate::window::Window;

/// A long piece, from its beginning on.
#[derive(Debug, Clone)]
pub(crate) struct Long {
    encoding: Encoding,
    /// What its beginning is, for an estimate.
    pub(crate) script: Script,
    kind: Kind,
    /// The piece as if it went on to here.
    whole: Window,
    /// Whether the last character is one behind which the piece may end.
    may_end: bool,
    /// What follows the mark in `whole`, if there is one.
    rest: Option<Window>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    /// A cl100k word.
    Word,
    /// An o200k word in its first half: it may end behind a character that both halves may hold.
    Head,
    /// An o200k word in its second half.
    Tail,
    Symbols,
    /// Line ends (in o200k also slashes) behind symbols.
    Newlines,
    /// White space: it may end behind a line end.
    Space,
}

/// What became of the text given to a long piece.
pub(crate) enum Fed {
    /// So many bytes of it are taken, and the piece may go on; the others are to be given again with more.
    Open(usize),
    /// So many bytes of it are taken, and the piece ended there.
    Ended(usize),
}

impl Long {
    /// The piece that `text` begins with, no end of it in sight, and the length of the character it takes of it.
    pub(crate) fn new(encoding: Encoding, text: &[u8]) -> (Self, usize) {
        let (class, len) = class_at(text, 0);
        let (second, _) = class_at(text, len);
        let begins_word = |any| class.is(WORD) || (class != Class::NEWLINE && second.is(any));
        let kind = match encoding {
            Encoding::Cl100k if begins_word(WORD) => Kind::Word,
            Encoding::O200k if class == Class::LOWER => Kind::Tail,
            Encoding::O200k if begins_word(WORD_OR_MARK) => Kind::Head,
            _ if class.is(SPACE) && !second.is(SYMBOL) => Kind::Space,
            _ => Kind::Symbols,
        };
        let mut long = Self {
            encoding,
            script: Script::of_piece(text),
            kind,
            whole: Window::new(),
            may_end: false,
            rest: None,
        };
        long.may_end = long.may_end_behind(class);
        long.take(text.get(..len).unwrap_or_default());
        (long, len)
    }

    /// Takes what belongs to the piece. `last`: no text follows.
    pub(crate) fn feed(&mut self, text: &[u8], last: bool) -> Fed {
        let (mut taken, mut at, mut before) = (0, 0, 0);
        let class = loop {
            let (class, len) = class_at(text, at);
            if !self.goes_on(class, text.get(at)) {
                break class;
            }
            if self.may_end && !self.may_end_behind(class) {
                self.take(text.get(taken..at).unwrap_or_default());
                self.whole.mark();
                self.rest = Some(Window::new());
                taken = at;
            }
            self.may_end = self.may_end_behind(class);
            if self.may_end {
                self.rest = None;
            }
            before = at;
            at += len;
        };
        let fed = match class {
            Class::END if last => self.end_with_text(at),
            Class::END if self.kind == Kind::Space => Fed::Open(before),
            Class::END => Fed::Open(at),
            _ if self.kind == Kind::Space && !self.may_end => Fed::Ended(before),
            _ => self.end_of_word(text, at, last),
        };
        let (Fed::Open(end) | Fed::Ended(end)) = fed;
        self.take(text.get(taken..end).unwrap_or_default());
        fed
    }

    /// The tokens of the piece, and of the one that followed it if it had ended at the mark.
    pub(crate) fn finish(self) -> u64 {
        let vocabulary = self.encoding.vocabulary();
        match self.rest {
            Some(rest) => self.whole.finish_at_mark(vocabulary).saturating_add(rest.finish(vocabulary)),
            None => self.whole.finish(vocabulary),
        }
    }

    /// Whether a character belongs to the piece; some of them lead to its next part.
    fn goes_on(&mut self, class: Class, byte: Option<&u8>) -> bool {
        match self.kind {
            Kind::Word => class.is(WORD),
            Kind::Head if class == Class::LOWER => {
                (self.kind, self.may_end, self.rest) = (Kind::Tail, false, None);
                true
            }
            Kind::Head => class.is(HEAD),
            Kind::Tail => class.is(TAIL),
            Kind::Symbols if class == Class::NEWLINE => {
                self.kind = Kind::Newlines;
                true
            }
            Kind::Symbols => class.is(SYMBOL),
            Kind::Newlines => {
                class == Class::NEWLINE || (self.encoding == Encoding::O200k && byte == Some(&b'/'))
            }
            Kind::Space => class.is(SPACE),
        }
    }

    /// Whether the piece may end behind a character of this class, whatever follows.
    fn may_end_behind(&self, class: Class) -> bool {
        match self.kind {
            Kind::Head => class.is(BOTH),
            Kind::Space => class == Class::NEWLINE,
            Kind::Word | Kind::Tail | Kind::Symbols | Kind::Newlines => false,
        }
    }

    /// At the end of the text, white space is one cl100k piece, line ends or not.
    fn end_with_text(&mut self, at: usize) -> Fed {
        if self.kind == Kind::Space && self.encoding == Encoding::Cl100k {
            self.rest = None;
        }
        Fed::Ended(at)
    }

    /// An o200k word takes a contraction with it, which may have come in part.
    fn end_of_word(&self, text: &[u8], at: usize, last: bool) -> Fed {
        if !matches!(self.kind, Kind::Head | Kind::Tail) {
            return Fed::Ended(at);
        }
        let mut splitter = Splitter::new(text);
        match splitter.contraction(at) {
            Some(end) => Fed::Ended(end),
            None if splitter.touched_end && !last => Fed::Open(at),
            None => Fed::Ended(at),
        }
    }

    /// The bytes held in memory.
    #[cfg(test)]
    pub(crate) fn memory(&self) -> usize {
        self.whole.memory() + self.rest.as_ref().map_or(0, Window::memory)
    }

    fn take(&mut self, bytes: &[u8]) {
        let vocabulary = self.encoding.vocabulary();
        self.whole.push(vocabulary, bytes);
        if let Some(rest) = &mut self.rest {
            rest.push(vocabulary, bytes);
        }
    }
}
