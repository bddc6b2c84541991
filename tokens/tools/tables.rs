//! Lays out the tables of `tables/`: the vocabulary as a double-array trie, the halves of each token, and
//! the classes of characters. Used by the example `make_tables`, which writes them, and by the test
//! `tables`, which makes them again and compares. Never part of the library.

use std::collections::{BTreeMap, HashMap};

/// The files of one encoding.
pub(crate) struct Tables {
    /// The trie: 32-bit units, little-endian. See the opening comment of `src/vocabulary.rs`.
    pub(crate) units: Vec<u8>,
    /// By rank, for halves of 15 bytes and more: 32-bit units, little-endian, of a rank in the upper 24 bits and a length.
    pub(crate) long_halves: Vec<u8>,
}

/// Makes the tables of a vocabulary: token bytes by rank.
pub(crate) fn vocabulary_tables(vocabulary: &[Vec<u8>]) -> Tables {
    let ranks: HashMap<&[u8], u32> =
        vocabulary.iter().enumerate().map(|(rank, token)| (token.as_slice(), rank as u32)).collect();
    let halves = vocabulary.iter().enumerate().map(|(rank, token)| left_half(token, rank as u32, &ranks));
    let halves: Vec<u8> = halves.collect();
    let long = halves.iter().enumerate().filter(|(_, half)| **half >= LONG_HALF);
    let long = long.flat_map(|(rank, half)| ((rank as u32) << 8 | u32::from(*half)).to_le_bytes());
    Tables { units: lay_out(&Trie::new(vocabulary), &halves), long_halves: long.collect() }
}

/// Runs byte pair encoding on `token` until two parts are left. The library relies on three facts that
/// are checked here for every token: single bytes have the lowest ranks, a token's own bytes encode
/// to that token, and 0xFF stands in no token but its own.
fn left_half(token: &[u8], rank: u32, ranks: &HashMap<&[u8], u32>) -> u8 {
    assert_eq!(token.len() == 1, rank < 256, "single bytes have the ranks below 256");
    assert!(token.len() == 1 || !token.contains(&0xFF), "0xFF ends a search");
    let mut ends: Vec<usize> = (0..=token.len()).collect();
    while ends.len() > 3 {
        let joined = |at: usize| ranks.get(&token[ends[at]..ends[at + 2]]).copied();
        let best = (0..ends.len() - 2).filter_map(|at| Some((joined(at)?, at))).min();
        let (lowest, at) = best.expect("a token of more than one part can be merged");
        assert!(lowest < rank, "the parts of a token have lower ranks");
        ends.remove(at + 1);
    }
    if token.len() == 1 { 0 } else { u8::try_from(ends[1]).expect("tokens are short") }
}

/// The vocabulary as a plain trie; node 0 is the root.
struct Trie {
    children: Vec<BTreeMap<u8, usize>>,
    rank: Vec<Option<u32>>,
}

impl Trie {
    fn new(vocabulary: &[Vec<u8>]) -> Self {
        let mut trie = Self { children: vec![BTreeMap::new()], rank: vec![None] };
        for (rank, token) in vocabulary.iter().enumerate() {
            let node = token.iter().fold(0, |node, &byte| trie.child(node, byte));
            trie.rank[node] = Some(rank as u32);
        }
        trie
    }

    fn child(&mut self, node: usize, byte: u8) -> usize {
        let next = self.children.len();
        let child = *self.children[node].entry(byte).or_insert(next);
        if child == next {
            self.children.push(BTreeMap::new());
            self.rank.push(None);
        }
        child
    }

    /// By node: the lowest rank of the tokens that begin with it.
    fn lowest_ranks(&self) -> Vec<u32> {
        let mut lowest: Vec<u32> = self.rank.iter().map(|rank| rank.unwrap_or(u32::MAX)).collect();
        // A child has a higher number than its parent.
        for node in (0..lowest.len()).rev() {
            let below = self.children[node].values().map(|&child| lowest[child]).min();
            lowest[node] = lowest[node].min(below.unwrap_or(u32::MAX));
        }
        lowest
    }

    /// The offsets that `node` needs from its base: 0 for its own rank, 1 + byte for each child.
    fn offsets(&self, node: usize) -> Vec<usize> {
        let value = self.rank[node].map(|_| 0);
        value.into_iter().chain(self.children[node].keys().map(|&byte| 1 + usize::from(byte))).collect()
    }
}

const INNER_TERMINAL: u32 = 1 << 9;
const LEAF: u32 = 1 << 10;
const BASE: u32 = 13;
const RANK: u32 = 14;
/// What stands in a unit for a half that is this long or longer.
const LONG_HALF: u8 = 15;

/// Gives each inner node a base of its own such that no two units collide. Nodes with many children choose first.
/// Then come those with few, frequent tokens before rare ones, each as near to its own unit as there is room, so that
/// walking down to a token touches few lines of the processor's caches (+ 5 % on English).
fn lay_out(trie: &Trie, halves: &[u8]) -> Vec<u8> {
    let offsets: Vec<Vec<usize>> = (0..trie.children.len()).map(|node| trie.offsets(node)).collect();
    let frequent = trie.lowest_ranks();
    let mut parents = vec![(0, 0); trie.children.len()];
    for (node, children) in trie.children.iter().enumerate() {
        for (&byte, &child) in children {
            parents[child] = (node, 1 + usize::from(byte));
        }
    }
    let mut inner: Vec<usize> = (0..trie.children.len()).filter(|&n| !trie.children[n].is_empty()).collect();
    let crowd = |node: usize| offsets[node].len().saturating_sub(FEW);
    inner.sort_by_key(|&node| (std::cmp::Reverse(crowd(node)), frequent[node], node));

    let mut places = Places::new(trie.children.len() + trie.rank.iter().flatten().count());
    let mut bases = vec![None; trie.children.len()];
    for &node in &inner {
        let (parent, offset) = parents[node];
        let own = bases[parent].map_or(0, |base: usize| base + offset);
        bases[node] = Some(places.take(&offsets[node], own));
    }
    assert_eq!(bases[0], Some(0), "the root comes first, so that its child for a byte is unit 1 + byte");

    assert!(places.end < 1 << (32 - BASE), "a base has 19 bits");
    assert!(halves.len() < 1 << (32 - RANK), "a rank has 18 bits");
    let merge = |rank: u32| {
        let half = u32::from(halves[rank as usize].min(LONG_HALF));
        rank << RANK | (half & 1) << 9 | half >> 1 << 11
    };
    let mut units = vec![0_u32; places.end];
    for &node in &inner {
        let base = bases[node].expect("each inner node has a base");
        if let Some(rank) = trie.rank[node] {
            units[base] = merge(rank);
        }
        for (&byte, &child) in &trie.children[node] {
            let payload = match (bases[child], trie.rank[child]) {
                (None, rank) => LEAF | merge(rank.expect("a leaf is a token")),
                (Some(base), Some(_)) => INNER_TERMINAL | (base as u32) << BASE,
                (Some(base), None) => (base as u32) << BASE,
            };
            units[base + 1 + usize::from(byte)] = payload | (1 + u32::from(byte));
        }
    }
    units.iter().flat_map(|unit| unit.to_le_bytes()).collect()
}

/// A node with no more units than this finds room anywhere.
const FEW: usize = 16;

/// Which units and which bases are taken, 64 to a word.
struct Places {
    units: Vec<u64>,
    bases: Vec<u64>,
    /// One past the last unit taken.
    end: usize,
    /// The first word with a free unit.
    free: usize,
    /// So many units there will be, as long as there is room.
    room: usize,
    /// The kind of the last set of offsets that found no room nearby, and the word where it found some: the next of its
    /// kind starts there.
    from: (Vec<usize>, usize),
}

impl Places {
    const fn new(room: usize) -> Self {
        Self { units: Vec::new(), bases: Vec::new(), end: 0, free: 0, room, from: (Vec::new(), 0) }
    }

    /// A base for these offsets, as near to the unit `own` as there is room.
    fn take(&mut self, offsets: &[usize], own: usize) -> usize {
        let few = offsets.len() <= FEW;
        let base =
            (if few { self.nearby(offsets, own) } else { None }).unwrap_or_else(|| self.first(offsets));
        set(&mut self.bases, base);
        for offset in offsets {
            set(&mut self.units, base + offset);
            self.end = self.end.max(base + offset + 1);
        }
        base
    }

    fn nearby(&self, offsets: &[usize], own: usize) -> Option<usize> {
        let near = own.saturating_sub(offsets[offsets.len() - 1]) / 64;
        let words = (0..NEARBY).flat_map(|away| [near.checked_sub(away), Some(near + away)]).flatten();
        let fitting = words.filter_map(|word| self.fit(word, offsets));
        fitting.into_iter().find(|base| base + offsets[offsets.len() - 1] < self.room)
    }

    fn first(&mut self, offsets: &[usize]) -> usize {
        while self.units.get(self.free) == Some(&u64::MAX) {
            self.free += 1;
        }
        if self.from.0 != offsets {
            self.from = (offsets.to_vec(), self.free.saturating_sub(256 / 64 + 1));
        }
        let base = (self.from.1..).find_map(|word| self.fit(word, offsets)).expect("the search has no end");
        self.from.1 = base / 64;
        base
    }

    /// The lowest free base of the 64 in `word` at which all offsets are free.
    fn fit(&self, word: usize, offsets: &[usize]) -> Option<usize> {
        let mut taken = self.bases.get(word).copied().unwrap_or(0);
        for offset in offsets {
            taken |= bits(&self.units, word * 64 + offset);
            if taken == u64::MAX {
                return None;
            }
        }
        Some(word * 64 + taken.trailing_ones() as usize)
    }
}

/// So many words of 64 units are looked through on both sides.
const NEARBY: usize = 256;

fn set(bits: &mut Vec<u64>, at: usize) {
    if bits.len() <= at / 64 {
        bits.resize(at / 64 + 1, 0);
    }
    bits[at / 64] |= 1 << (at % 64);
}

/// 64 bits from any bit on; past the end they are 0.
fn bits(words: &[u64], from: usize) -> u64 {
    let (word, shift) = (from / 64, from % 64);
    let low = words.get(word).copied().unwrap_or(0) >> shift;
    let high = words.get(word + 1).copied().unwrap_or(0);
    if shift == 0 { low } else { low | high << (64 - shift) }
}

/// The class of every character in two stages: a block number for each 128 characters (2 bytes, little-endian,
/// up to U+10FFFF), then the blocks, two characters a byte, the lower one in the lower half.
pub(crate) fn class_table() -> Vec<u8> {
    let classes = classes();
    let mut blocks: Vec<&[u8]> = Vec::new();
    let mut table = Vec::new();
    for block in classes.chunks(128) {
        let number = blocks.iter().position(|known| *known == block).unwrap_or_else(|| {
            blocks.push(block);
            blocks.len() - 1
        });
        table.extend(u16::try_from(number).expect("few blocks").to_le_bytes());
    }
    let nibbles = blocks.iter().flat_map(|block| block.chunks(2)).map(|pair| pair[0] | pair[1] << 4);
    table.extend(nibbles);
    table
}

/// As `src/classes.rs` numbers them; a character that no line names is of class 0.
fn classes() -> Vec<u8> {
    let patterns = [
        (r"\s", 1),
        (r"[\r\n]", 2),
        (r"\p{N}", 3),
        (r"[\p{Lu}\p{Lt}]", 4),
        (r"\p{Ll}", 5),
        (r"[\p{Lm}\p{Lo}]", 6),
        (r"\p{M}", 7),
    ];
    let mut classes = vec![0; 0x11_0000];
    for (pattern, class) in patterns {
        let hir = regex_syntax::parse(pattern).expect("the pattern is valid");
        let regex_syntax::hir::HirKind::Class(regex_syntax::hir::Class::Unicode(set)) = hir.kind() else {
            panic!("`{pattern}` is not a class");
        };
        for range in set.ranges() {
            classes[range.start() as usize..=range.end() as usize].fill(class);
        }
    }
    classes
}
