//! Whether two neighbouring tokens can stand side by side in an encoding. Called by `piece` and `window`.
//!
//! Byte pair encoding merges the neighbours of lowest rank first, the leftmost among equals. Tokens `a` and `b`, each
//! the encoding of its own bytes, are the encoding of `a` + `b` if no merge across their border would have come before
//! one of the merges that made them. So undo these merges, the latest first: whenever the two parts that meet at the
//! border could be joined by a merge earlier than all those undone so far, the pair is impossible. And a row of
//! tokens in which every adjacent pair is possible is the encoding of its bytes (the insight of GitHub's `bpe` crate).
//!
//! Only the trie is needed: the parts are substrings of the text, and it keeps the length of the left one.

#![expect(clippy::arithmetic_side_effects, reason = "places in a slice, far from overflow; tests would stop")]

use std::cell::Cell;

use crate::vocabulary::{Merge, Node, Token, Vocabulary};

/// Whether `left`, which ends at `border` of `text`, and `right`, which begins there, can be neighbours.
#[inline]
pub(crate) fn possible(
    vocabulary: &Vocabulary,
    text: &[u8],
    border: usize,
    left: Token,
    right: Token,
) -> bool {
    let key = Key::new(vocabulary, left.node, right.node);
    if let Some(verdict) = key.look_up() {
        return verdict;
    }
    let a = border.checked_sub(left.len).and_then(|start| text.get(start..border));
    let b = text.get(border..).and_then(|behind| behind.get(..right.len));
    let (Some(a), Some(b)) = (a, b) else { return false };
    let verdict = undo_merges(vocabulary, a, b, left.node, right.node).unwrap_or(false);
    key.store(verdict);
    verdict
}

/// Tokens of one byte have the ranks below this (the generator of the tables checks it); longer ones have halves.
const SINGLE_BYTES: u32 = 256;

/// `a` are the bytes of the token `node`, `b` those of `right`.
///
/// The parts on the right are looked for only once a part on the left goes on with the byte behind the border: nearly
/// none does between two Chinese characters.
fn undo_merges(
    vocabulary: &Vocabulary,
    mut a: &[u8],
    mut b: &[u8],
    mut node: Node,
    right: Node,
) -> Option<bool> {
    let &next = b.first()?;
    let (mut left, mut right) = (vocabulary.merge(node)?, vocabulary.merge(right)?);
    let mut earliest = u32::MAX;
    loop {
        if vocabulary.child(node, next).is_some() {
            // Parts on the right that were undone before the last one on the left.
            while right.rank() >= SINGLE_BYTES && right.rank() >= earliest {
                (b, right) = left_part(vocabulary, b, right)?;
            }
            loop {
                if joined(vocabulary, node, b).is_some_and(|rank| rank < earliest) {
                    return Some(false);
                }
                // Of two equal ranks the left one was merged first, so the right one is undone first; and a merge across
                // the border of the same rank as the right one would have come before it, being further left.
                if left.rank() > right.rank() {
                    break;
                }
                if right.rank() < SINGLE_BYTES {
                    return Some(true);
                }
                earliest = right.rank() + 1;
                (b, right) = left_part(vocabulary, b, right)?;
            }
        }
        if left.rank() < SINGLE_BYTES {
            return Some(true);
        }
        earliest = left.rank();
        a = a.get(vocabulary.left_half(left)..).unwrap_or_default();
        node = vocabulary.exact(a)?.node;
        left = vocabulary.merge(node)?;
    }
}

/// The left half of a token, and the merge that makes it.
#[inline]
fn left_part<'t>(vocabulary: &Vocabulary, bytes: &'t [u8], merge: Merge) -> Option<(&'t [u8], Merge)> {
    let half = bytes.get(..vocabulary.left_half(merge))?;
    Some((half, vocabulary.merge(vocabulary.exact(half)?.node)?))
}

/// The rank of the token made of `left` and `right`.
#[inline]
fn joined(vocabulary: &Vocabulary, left: Node, right: &[u8]) -> Option<u32> {
    Some(vocabulary.merge(vocabulary.descend(left, right)?)?.rank())
}

const KEY_BITS: u32 = 41;
const INDEX_BITS: u32 = 12;
const TAG_BITS: u32 = KEY_BITS - INDEX_BITS;
const VERDICT: u32 = 1 << 30;
const USED: u32 = 1 << 31;

/// Two verdicts found lately, so that two pairs that meet here do not drive each other out (hostile runs of `=`
/// ask for a few hundred pairs over and over, and were ten times slower with one). Half as many slots are too few for
/// those (- 15 %), and twice as many drive more of the trie out of the processor's caches (- 2 % on code).
type Slot = [Cell<u32>; 2];

thread_local! {
    /// Verdicts found before: 32 KB, zero at start, so not in the file. In a VM without threads this is a plain static.
    static VERDICTS: [Slot; 1 << INDEX_BITS] = const { [const { [const { Cell::new(0) }; 2] }; 1 << INDEX_BITS] };
}

/// A pair and an encoding, scrambled by steps that can be undone: some bits choose the slot and all the others are kept
/// in it, so that no verdict is ever taken for another pair's.
struct Key {
    slot: usize,
    tag: u32,
}

impl Key {
    #[inline]
    fn new(vocabulary: &Vocabulary, left: Node, right: Node) -> Self {
        let pair = u64::from(vocabulary.id) << 40 | u64::from(left.id()) << 20 | u64::from(right.id());
        // Multiplying by an odd number is one to one modulo a power of two.
        let mixed = pair.wrapping_mul(0x9E37_79B9_7F4A_7C15) & ((1 << KEY_BITS) - 1);
        Self { slot: (mixed >> TAG_BITS) as usize, tag: (mixed & ((1 << TAG_BITS) - 1)) as u32 | USED }
    }

    #[inline]
    fn look_up(&self) -> Option<bool> {
        VERDICTS.with(|slots| {
            let kept =
                slots.get(self.slot)?.iter().map(Cell::get).find(|kept| kept & !VERDICT == self.tag)?;
            Some(kept & VERDICT != 0)
        })
    }

    fn store(&self, verdict: bool) {
        VERDICTS.with(|slots| {
            let Some([first, second]) = slots.get(self.slot) else { return };
            second.set(first.get());
            first.set(self.tag | if verdict { VERDICT } else { 0 });
        });
    }
}
