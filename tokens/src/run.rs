//! Runs of one byte inside a piece, such as lines of `=`. Called by `greedy`.
//!
//! There, dozens of tokens begin at each place and nearly all of them lead nowhere, as many times as there are places:
//! going back and forth over `-` was a hundred times slower than over letters. But inside a run all places are alike: a
//! token is no more than a length, a set of tokens is 128 bits, and which of them may follow another token is found
//! once for all places. So the longest token at a place that fits what is before and leads on is a few bit operations.
//! Mixed lines of `-`, `=`, `*`, `#` and `/` of 20 to 419 characters: 3 MB/s without this, 50 MB/s with it.

#![expect(clippy::arithmetic_side_effects, reason = "places in a slice, far from overflow; tests would stop")]

use std::ops::Range;

use crate::pair;
use crate::vocabulary::{Node, TOKEN_BYTES_MAX, Token, Vocabulary};

/// Shorter runs are not worth the tables.
const RUN: usize = 16;
/// How far a run is looked at; a longer one is several runs.
const AHEAD: usize = 4 * TOKEN_BYTES_MAX;

/// What is known of the runs of a piece.
pub(crate) struct Runs {
    /// The run that was entered last.
    here: Range<usize>,
    /// Its byte's place in `tables`.
    table: usize,
    tables: Vec<Table>,
    followers: Vec<Followers>,
}

/// Tokens made of one byte.
struct Table {
    byte: u8,
    /// By length less one: where the byte, so many times, leads to.
    nodes: Vec<Node>,
    /// The lengths, less one, of which there are tokens: one bit each.
    tokens: u128,
}

/// Which tokens of a run may follow a token.
#[derive(Clone, Copy, Default)]
struct Followers {
    node: Node,
    byte: u8,
    known: u128,
    possible: u128,
}

/// The followers of so many tokens are remembered: as many as lines of four kinds ask for.
const FOLLOWERS: usize = 256;

/// Whether a run begins here.
#[inline]
pub(crate) fn begins(text: &[u8], at: usize) -> bool {
    let next = text.get(at + 1).filter(|next| text.get(at) == Some(next));
    next.is_some_and(|next| text.get(at..at + RUN).is_some_and(|run| run.iter().all(|byte| byte == next)))
}

impl Runs {
    pub(crate) fn new() -> Self {
        Self { here: 0..0, table: 0, tables: Vec::new(), followers: vec![Followers::default(); FOLLOWERS] }
    }

    /// Whether `at` lies in a run; if one begins there, it is entered.
    pub(crate) fn enter(&mut self, vocabulary: &Vocabulary, text: &[u8], at: usize) -> bool {
        let inside = self.here.contains(&at);
        let goes_on = inside && self.here.len() == AHEAD && self.here.end - at <= TOKEN_BYTES_MAX;
        if !goes_on && (inside || !begins(text, at)) {
            return inside;
        }
        let (Some(byte), Some(ahead)) = (text.get(at), text.get(at..text.len().min(at + AHEAD))) else {
            return false;
        };
        let length = ahead.iter().take_while(|other| *other == byte).count();
        let known = self.tables.iter().position(|table| table.byte == *byte);
        self.table = known.unwrap_or_else(|| {
            self.tables.push(Table::new(vocabulary, *byte));
            self.tables.len() - 1
        });
        self.here = at..at + length;
        true
    }

    /// The longest token of less than `below` bytes at `at`, a place in a run. A token of the run's byte alone may follow
    /// `last` and ends at none of the places that are `dead` (a bit for each, from `at + 1` on), and `true` comes
    /// with it; one that goes on behind the run may be impossible.
    pub(crate) fn candidate(
        &mut self,
        vocabulary: &Vocabulary,
        text: &[u8],
        at: usize,
        last: Option<Token>,
        below: usize,
        dead: u128,
    ) -> Option<(Token, bool)> {
        let table = self.tables.get(self.table)?;
        let ahead = self.here.end - at;
        if below > ahead + 1
            && let Some(node) = table.nodes.get(ahead - 1)
            && let Some(behind) = text.get(at + ahead..text.len().min(at.saturating_add(below - 1)))
            && let Some(token) = vocabulary.longest_behind(*node, ahead, behind)
        {
            return Some((token, false));
        }
        let longest = ahead.min(below - 1).min(TOKEN_BYTES_MAX);
        if longest == 0 {
            return None;
        }
        let mut left = table.tokens & (u128::MAX >> (TOKEN_BYTES_MAX - longest)) & !dead;
        let Some(last) = last else { return Some((table.token(left.checked_ilog2()?)?, true)) };
        let slot = (last.node.id() as usize ^ usize::from(table.byte) << 3) % FOLLOWERS;
        let followers = self.followers.get_mut(slot)?;
        if (followers.node, followers.byte) != (last.node, table.byte) {
            *followers = Followers { node: last.node, byte: table.byte, ..Followers::default() };
        }
        while let Some(bit) = (left & !(followers.known & !followers.possible)).checked_ilog2() {
            let token = table.token(bit)?;
            if followers.known >> bit & 1 == 0 {
                followers.known |= 1 << bit;
                followers.possible |= u128::from(pair::possible(vocabulary, text, at, last, token)) << bit;
            }
            if followers.possible >> bit & 1 != 0 {
                return Some((token, true));
            }
            left &= !(1 << bit);
        }
        None
    }

    /// The token of the bytes from `from` to `to`, where they are of the run.
    pub(crate) fn token_at(&self, from: usize, to: usize) -> Option<Token> {
        let inside = self.here.start <= from && to <= self.here.end;
        if inside { self.tables.get(self.table)?.token(u32::try_from(to - from - 1).ok()?) } else { None }
    }
}

impl Table {
    fn new(vocabulary: &Vocabulary, byte: u8) -> Self {
        let mut table = Self { byte, nodes: Vec::new(), tokens: 0 };
        let mut node = Vocabulary::ROOT;
        while let Some(child) = vocabulary.child(node, byte) {
            table.tokens |= u128::from(child.is_token()) << table.nodes.len();
            table.nodes.push(child);
            node = child;
        }
        table
    }

    fn token(&self, bit: u32) -> Option<Token> {
        let node = *self.nodes.get(bit as usize)?;
        Some(Token { len: bit as usize + 1, node })
    }
}
