//! The inside of a long run of one byte, such as a line of `=`. Called by `greedy`.
//!
//! There, dozens of tokens begin at each place and nearly all of them lead nowhere, as many times as there are places:
//! going back and forth over `-` was a hundred times slower than over letters. But inside a run all places are alike.
//! Which tokens there are is found once, and which of them may follow some token once for each such token.

#![expect(clippy::arithmetic_side_effects, reason = "places in a slice, far from overflow; tests would stop")]

use std::ops::Range;

use crate::pair;
use crate::vocabulary::{Node, TOKEN_BYTES_MAX, Token, Vocabulary};

/// A run: the places where every token is made of its byte alone.
pub(crate) struct Run {
    pub(crate) range: Range<usize>,
    /// By length less one: where the byte, so many times, leads to.
    nodes: Vec<Node>,
    /// The lengths, less one, of which there are tokens: one bit each.
    tokens: u128,
    /// By length less one of the token before: its rank, and which tokens may follow it.
    followers: Vec<Option<(u32, u128)>>,
}

impl Run {
    /// The run that begins at `at`, if one does.
    #[inline(never)]
    pub(crate) fn new(vocabulary: &Vocabulary, text: &[u8], at: usize) -> Option<Self> {
        let ahead = text.get(at..)?;
        let byte = ahead.first()?;
        let length = ahead.iter().take_while(|other| *other == byte).count();
        if length < TOKEN_BYTES_MAX {
            return None;
        }
        // Near the end of the run a token may hold what follows it, unless nothing does.
        let places = if length == ahead.len() { length } else { length - TOKEN_BYTES_MAX };
        let mut node = Vocabulary::ROOT;
        let (mut nodes, mut tokens) = (Vec::new(), 0);
        while let Some(child) = vocabulary.child(node, *byte) {
            tokens |= u128::from(vocabulary.rank(child).is_some()) << nodes.len();
            nodes.push(child);
            node = child;
        }
        Some(Self { range: at..at + places, nodes, tokens, followers: vec![None; TOKEN_BYTES_MAX] })
    }

    /// The longest token of less than `below` bytes that may follow `last` at `at`.
    pub(crate) fn candidate(
        &mut self,
        vocabulary: &Vocabulary,
        text: &[u8],
        at: usize,
        last: Option<Token>,
        below: usize,
    ) -> Option<Token> {
        let tokens = last.map_or(self.tokens, |last| self.followers_of(vocabulary, text, at, last));
        let below = below.min(text.len() - at + 1);
        let shorter = if below > TOKEN_BYTES_MAX { tokens } else { tokens & ((1 << (below - 1)) - 1) };
        self.token(vocabulary, shorter.checked_ilog2()?)
    }

    fn followers_of(&mut self, vocabulary: &Vocabulary, text: &[u8], at: usize, last: Token) -> u128 {
        let slot = last.len - 1;
        if let Some(Some((rank, followers))) = self.followers.get(slot)
            && *rank == last.rank
        {
            return *followers;
        }
        let ahead = text.len() - at;
        let may_follow = |&bit: &u32| {
            let token = self.token(vocabulary, bit).filter(|token| token.len <= ahead);
            token.is_some_and(|token| pair::possible(vocabulary, text, at, last, token))
        };
        let followers = (0..128).filter(may_follow).fold(0, |bits, bit| bits | 1 << bit);
        if let Some(slot) = self.followers.get_mut(slot).filter(|_| ahead >= TOKEN_BYTES_MAX) {
            *slot = Some((last.rank, followers));
        }
        followers
    }

    /// The token of the bytes from `from` to `to`, where they are of the run.
    pub(crate) fn token_at(&self, vocabulary: &Vocabulary, from: usize, to: usize) -> Option<Token> {
        let inside = self.range.contains(&from) && self.range.contains(&to);
        if inside { self.token(vocabulary, u32::try_from(to - from - 1).ok()?) } else { None }
    }

    fn token(&self, vocabulary: &Vocabulary, bit: u32) -> Option<Token> {
        let node = *self.nodes.get(bit as usize)?;
        Some(Token { rank: vocabulary.rank(node)?, len: bit as usize + 1, node })
    }
}
