//! The tokens of an encoding as a trie in read-only data. Called by `pair`, `piece` and `window`; knows
//! nothing of characters, text or splitting: a token is a run of bytes with a rank.
//!
//! # The layout
//!
//! A double-array trie, one array of 32-bit units. A node *is* a unit; all that is needed to go on is in it:
//!
//! ```text
//! bits  0..9    the label: 1 + the byte that leads to this node; 0 in a unit that holds a merge
//! bit   9       an inner node that is also a token
//! bit   10      a leaf: a token that begins no longer token
//! bits 13..32   an inner node's base
//! ```
//!
//! The child of a node for byte `b` can only be the unit `base + 1 + b`, and it is that child if its label says
//! so (each inner node has a base of its own, so no other node's child for `b` can be there). Of a token the merge that
//! makes it is kept too: in a leaf's own unit, or in the one at an inner node's base.
//!
//! ```text
//! bits 9, 11..14   the length of the left half, four bits; 15 for one that stands in `long_halves`, 0 for a single byte
//! bits 14..32      the rank
//! ```
//!
//! Take a vocabulary of `a` = 0, `b` = 1, `ab` = 2, with a = 97 and b = 98:
//!
//! ```text
//! unit 98 (root's base 0 + 1 + 97)   label 98, inner token, base 1      the node "a"
//! unit 99 (root's base 0 + 1 + 98)   label 99, leaf, rank 1             the node "b"
//! unit 1  (base of "a")              label 0, rank 0                    the rank of "a"
//! unit 100 (base 1 + 1 + 98)         label 99, leaf, half 1, rank 2     the node "ab"
//! ```
//!
//! 100,256 tokens take 1.00 MB this way, 199,998 take 1.96 MB, and nothing is built at start. `tools/tables.rs`
//! lays the units out; `tables` has them, and loads them.

#![expect(clippy::arithmetic_side_effects, reason = "places in a slice, far from overflow; tests would stop")]

/// A vocabulary: where its tables are.
pub(crate) struct Vocabulary {
    units: &'static [[u8; 4]],
    long_halves: &'static [[u8; 4]],
    /// Which encoding's this is, for the keys of the caches.
    pub(crate) id: u8,
}

/// No token is longer, in bytes.
pub(crate) const TOKEN_BYTES_MAX: usize = 128;

const LABEL: u32 = 0x1FF;
const INNER_TOKEN: u32 = 1 << 9;
const LEAF: u32 = 1 << 10;
/// In no inner node: says that a search is over.
const OVER: u32 = 1 << 11;
const BASE: u32 = 13;
const RANK: u32 = 14;
/// What stands in a unit for a half that is this long or longer.
const LONG_HALF: u32 = 15;

/// A node of the trie: a copy of its unit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Node(u32);

impl Node {
    /// A number below 2²⁰ that no other node has. Unlike a rank it takes no look into the trie.
    #[inline]
    pub(crate) const fn id(self) -> u32 {
        self.0 >> BASE | (self.0 & LEAF) << (32 - BASE - LEAF.trailing_zeros())
    }

    #[inline]
    pub(crate) const fn is_token(self) -> bool {
        self.0 & (INNER_TOKEN | LEAF) != 0
    }
}

/// The merge that makes a token: a copy of the unit where it is kept.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Merge(u32);

impl Merge {
    /// Its place in the order of merges: the token's rank.
    #[inline]
    pub(crate) const fn rank(self) -> u32 {
        self.0 >> RANK
    }

    #[inline]
    const fn left_half(self) -> u32 {
        self.0 >> 9 & 1 | self.0 >> 10 & 0b1110
    }
}

/// A token found in a text.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Token {
    /// Its bytes.
    pub(crate) len: usize,
    /// Where the trie goes on behind it.
    pub(crate) node: Node,
}

impl Vocabulary {
    /// The root: not a token, base 0.
    pub(crate) const ROOT: Node = Node(0);

    /// Of the bytes of its tables, numbers of 32 bits.
    pub(crate) const fn new(units: &'static [u8], long_halves: &'static [u8], id: u8) -> Self {
        Self { units: units.as_chunks().0, long_halves: long_halves.as_chunks().0, id }
    }

    /// The child of `node` for `byte`.
    #[inline]
    pub(crate) fn child(&self, node: Node, byte: u8) -> Option<Node> {
        if node.0 & LEAF != 0 {
            return None;
        }
        let label = 1 + u32::from(byte);
        let child = self.unit((node.0 >> BASE).wrapping_add(label));
        (child & LABEL == label).then_some(Node(child))
    }

    /// The node that `bytes` lead to from `node`.
    #[inline]
    pub(crate) fn descend(&self, node: Node, bytes: &[u8]) -> Option<Node> {
        bytes.iter().try_fold(node, |node, &byte| self.child(node, byte))
    }

    /// The merge that makes the token of `node`, if it is one.
    #[inline]
    pub(crate) fn merge(&self, node: Node) -> Option<Merge> {
        if node.0 & LEAF != 0 {
            return Some(Merge(node.0));
        }
        (node.0 & INNER_TOKEN != 0).then(|| Merge(self.unit(node.0 >> BASE)))
    }

    /// The longest token that `text` begins with. Every byte is a token, so only an empty text has none.
    #[inline]
    pub(crate) fn longest(&self, text: &[u8]) -> Option<Token> {
        self.longest_behind(Self::ROOT, 0, text)
    }

    /// The longest token that is made of the `len` bytes that lead to `node` and at least one of those behind.
    #[inline]
    pub(crate) fn longest_behind(&self, mut node: Node, len: usize, behind: &[u8]) -> Option<Token> {
        let (mut found, mut found_len) = (Self::ROOT, 0);
        for (at, &byte) in behind.iter().enumerate() {
            let Some(child) = self.child(node, byte) else { break };
            node = child;
            if node.is_token() {
                (found, found_len) = (node, len + at + 1);
            }
        }
        found.is_token().then_some(Token { len: found_len, node: found })
    }

    /// The longest token that each of the pieces begins with, found side by side: while one step of a search waits for
    /// memory, so do those of the others, and not one behind the other. Bytes of 0xFF, which stand in no token but their
    /// own, end a piece.
    #[inline]
    pub(crate) fn longest_each<const PIECES: usize>(&self, pieces: &[[u8; 16]; PIECES]) -> [Token; PIECES] {
        let mut nodes = [Self::ROOT; PIECES];
        let mut found = [Token::default(); PIECES];
        for at in 0..16 {
            let mut go_on = false;
            for ((node, found), piece) in nodes.iter_mut().zip(&mut found).zip(pieces) {
                let label = 1 + piece.get(at).copied().map_or(0, u32::from);
                let child = self.unit((node.0 >> BASE).wrapping_add(label));
                let is_child = child & LABEL == label | node.0 & (LEAF | OVER);
                *node = Node(if is_child { child } else { OVER });
                go_on |= is_child;
                *found = if node.is_token() { Token { len: at + 1, node: *node } } else { *found };
            }
            if !go_on {
                break;
            }
        }
        found
    }

    /// The token that is exactly `bytes`.
    #[inline]
    pub(crate) fn exact(&self, bytes: &[u8]) -> Option<Token> {
        let node = self.descend(Self::ROOT, bytes)?;
        node.is_token().then_some(Token { len: bytes.len(), node })
    }

    /// The length of the left one of the parts that a merge joins; 0 for a single byte.
    #[inline]
    pub(crate) fn left_half(&self, merge: Merge) -> usize {
        match merge.left_half() {
            LONG_HALF => self.long_half(merge.rank()),
            half => half as usize,
        }
    }

    #[cold]
    fn long_half(&self, rank: u32) -> usize {
        let entry = |entry: &[u8; 4]| u32::from_le_bytes(*entry);
        let at = self.long_halves.partition_point(|kept| entry(kept) >> 8 < rank);
        self.long_halves.get(at).map_or(0, |kept| (entry(kept) & 0xFF) as usize)
    }

    #[inline]
    fn unit(&self, at: u32) -> u32 {
        self.units.get(at as usize).copied().map_or(0, u32::from_le_bytes)
    }
}
