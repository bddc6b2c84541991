//! The tokens of an encoding as a trie in read-only data. Called by `pair`, `piece` and `window`; knows
//! nothing of characters, text or splitting: a token is a run of bytes with a rank.
//!
//! # The layout
//!
//! A double-array trie, one array of 32-bit units. A node *is* a unit; all that is needed to go on is in it:
//!
//! ```text
//! bits  0..9    the label: 1 + the byte that leads to this node; 0 in a unit that holds a rank
//! bit   9       an inner node that is also a token
//! bit   10      a leaf: a token that begins no longer token
//! bits 13..32   the rank of a leaf; else the node's base
//! ```
//!
//! The child of a node for byte `b` can only be the unit `base + 1 + b`, and it is that child if its label says
//! so (each inner node has a base of its own, so no other node's child for `b` can be there). The rank of an inner
//! token is the unit at its base. Take a vocabulary of `a` = 0, `b` = 1, `ab` = 2, with a = 97 and b = 98:
//!
//! ```text
//! unit 98 (root's base 0 + 1 + 97)   label 98, inner token, base 1      the node "a"
//! unit 99 (root's base 0 + 1 + 98)   label 99, leaf, rank 1             the node "b"
//! unit 1  (base of "a")              label 0, rank 0                    the rank of "a"
//! unit 100 (base 1 + 1 + 98)         label 99, leaf, rank 2             the node "ab"
//! ```
//!
//! 100,256 tokens take 1.00 MB this way, 199,998 take 1.96 MB, and nothing is built at start. `tools/tables.rs`
//! lays the units out.

#![expect(clippy::arithmetic_side_effects, reason = "places in a slice, far from overflow; tests would stop")]

/// A vocabulary: where its tables are.
pub(crate) struct Vocabulary {
    units: &'static [[u8; 4]],
    halves: &'static [u8],
    long_halves: &'static [[u8; 4]],
    /// Which of the two this is, for the keys of the caches.
    pub(crate) id: u8,
}

/// `cl100k_base`.
pub(crate) static CL100K: Vocabulary = Vocabulary {
    units: include_bytes!("../tables/cl100k.units").as_chunks().0,
    halves: include_bytes!("../tables/cl100k.halves"),
    long_halves: include_bytes!("../tables/cl100k.long_halves").as_chunks().0,
    id: 0,
};

/// `o200k_base`.
pub(crate) static O200K: Vocabulary = Vocabulary {
    units: include_bytes!("../tables/o200k.units").as_chunks().0,
    halves: include_bytes!("../tables/o200k.halves"),
    long_halves: include_bytes!("../tables/o200k.long_halves").as_chunks().0,
    id: 1,
};

/// No token is longer, in bytes.
pub(crate) const TOKEN_BYTES_MAX: usize = 128;

const LABEL: u32 = 0x1FF;
const INNER_TOKEN: u32 = 1 << 9;
const LEAF: u32 = 1 << 10;
const PAYLOAD: u32 = 13;
/// What stands in `halves` for a half that is this long or longer.
const LONG_HALF: usize = 15;

/// A node of the trie: a copy of its unit.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Node(u32);

/// A token found in a text.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Token {
    /// Its place in the order of merges.
    pub(crate) rank: u32,
    /// Its bytes.
    pub(crate) len: usize,
    /// Where the trie goes on behind it.
    pub(crate) node: Node,
}

impl Vocabulary {
    /// The root: not a token, base 0.
    pub(crate) const ROOT: Node = Node(0);

    /// The child of `node` for `byte`.
    #[inline]
    pub(crate) fn child(&self, node: Node, byte: u8) -> Option<Node> {
        if node.0 & LEAF != 0 {
            return None;
        }
        let label = 1 + u32::from(byte);
        let child = self.unit((node.0 >> PAYLOAD).wrapping_add(label));
        (child & LABEL == label).then_some(Node(child))
    }

    /// The node that `bytes` lead to from `node`.
    #[inline]
    pub(crate) fn descend(&self, node: Node, bytes: &[u8]) -> Option<Node> {
        bytes.iter().try_fold(node, |node, &byte| self.child(node, byte))
    }

    /// The rank of `node`, if it is a token.
    #[inline]
    pub(crate) fn rank(&self, node: Node) -> Option<u32> {
        match node.0 & (INNER_TOKEN | LEAF) {
            0 => None,
            LEAF => Some(node.0 >> PAYLOAD),
            _ => Some(self.unit(node.0 >> PAYLOAD) >> PAYLOAD),
        }
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
            if node.0 & (INNER_TOKEN | LEAF) != 0 {
                (found, found_len) = (node, len + at + 1);
            }
        }
        Some(Token { rank: self.rank(found)?, len: found_len, node: found })
    }

    /// The token that is exactly `bytes`.
    #[inline]
    pub(crate) fn exact(&self, bytes: &[u8]) -> Option<Token> {
        let node = self.descend(Self::ROOT, bytes)?;
        Some(Token { rank: self.rank(node)?, len: bytes.len(), node })
    }

    /// The length of the left half in the last merge that makes the token of this rank; 0 for a single byte.
    #[inline]
    pub(crate) fn left_half(&self, rank: u32) -> usize {
        let pair = self.halves.get(rank as usize / 2).copied().map_or(0, usize::from);
        match pair >> (rank % 2 * 4) & LONG_HALF {
            LONG_HALF => self.long_half(rank),
            half => half,
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
