//! What an estimate is made of: tokens of `o200k_base` by kind of text. Filled by `counter` in the same pass, weighed by
//! `models`; must not know models.

use crate::classes::{Class, class_at, code_at};
use crate::split::{WORD, WORD_OR_MARK};

/// A kind of text. Tokenizers differ by the languages and formats that they were trained on, so each kind has a
/// weight of its own in an estimate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Script {
    /// Words of ASCII letters.
    Ascii,
    /// Words with other letters that have case: accents, Greek, Cyrillic.
    Cased,
    /// Han, Kana, Hangul.
    Ideographs,
    /// Words in all other scripts.
    Others,
    /// Digits.
    Numbers,
    /// Punctuation, symbols, white space.
    Symbols,
}

/// Tokens of `o200k_base` by [`Script`], in the order of its variants.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Scripts(pub [u64; 6]);

impl Scripts {
    /// The tokens of `text`.
    #[must_use]
    pub fn of(text: &str) -> Self {
        let mut counter = crate::Counter::with_scripts();
        counter.push(text.as_bytes());
        counter.finish_scripts()
    }

    pub(crate) fn add(&mut self, script: Script, tokens: u64) {
        if let Some(sum) = self.0.get_mut(script as usize) {
            *sum = sum.saturating_add(tokens);
        }
    }
}

impl Script {
    /// The kind of a piece. Its first characters tell, so the beginning of a long piece will do.
    pub(crate) fn of_piece(piece: &[u8]) -> Self {
        let (first, len) = class_at(piece, 0);
        let (second, _) = class_at(piece, len);
        if first == Class::NUMBER {
            return Self::Numbers;
        }
        if !first.is(WORD) && !second.is(WORD_OR_MARK) {
            return Self::Symbols;
        }
        let Some(at) = piece.iter().skip(1).position(|byte| !byte.is_ascii()) else { return Self::Ascii };
        let at = if piece.first().is_some_and(u8::is_ascii) { at.saturating_add(1) } else { 0 };
        match class_at(piece, at).0 {
            Class::UPPER | Class::LOWER => Self::Cased,
            Class::LETTER if is_ideograph(code_at(piece, at)) => Self::Ideographs,
            _ => Self::Others,
        }
    }
}

/// Hangul Jamo, Kana to Hangul syllables, compatibility and half-width forms, and the planes of Han.
const fn is_ideograph(code: u32) -> bool {
    matches!(code, 0x1100..=0x11FF | 0x3005..=0xA4CF | 0xA960..=0xA97F | 0xAC00..=0xD7FF | 0xF900..=0xFAFF
        | 0xFF66..=0xFFDC | 0x1_B000..=0x1_B2FF | 0x2_0000..=0x3_FFFF)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_have_the_kind_of_their_letters() {
        let cases = [
            (" word", Script::Ascii),
            ("don't", Script::Ascii),
            (" größer", Script::Cased),
            ("Привет", Script::Cased),
            ("中文", Script::Ideographs),
            (" 한국", Script::Ideographs),
            ("かな", Script::Ideographs),
            ("مرحبا", Script::Others),
            ("123", Script::Numbers),
            ("٣", Script::Numbers),
            (" ==", Script::Symbols),
            ("…\n", Script::Symbols),
            ("\n\n", Script::Symbols),
        ];
        for (piece, script) in cases {
            assert_eq!(Script::of_piece(piece.as_bytes()), script, "{piece:?}");
        }
    }

    #[test]
    fn nothing_is_lost() {
        let text = "The 3 größten Städte: 東京, Delhi (दिल्ली) & 上海!\n\n".repeat(300) + &"中A".repeat(9000);
        assert_eq!(Scripts::of(&text).0.iter().sum::<u64>(), crate::Encoding::O200k.count(&text));
    }
}
