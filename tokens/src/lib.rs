//! Token counts made for a WebAssembly VM: exact for OpenAI's encodings, an estimate that says so for every other model.
//!
//! Owns: counting, and which encoding belongs to a model name. Called by the engine and the plugin.
//! Must not know: JSON, HTTP, budgets, clocks, files.
//!
//! A proxy starts a VM for each of its threads and counts text that strangers send. So nothing is built at start (the
//! tables are read-only data, and in a module that `cargo xtask build` makes even copying one waits for the first count
//! that needs it), memory is a few megabytes and fixed, time grows with the length of the text and no faster, and no text
//! makes it panic. There are no dependencies and no `unsafe`.
//!
//! ```
//! use tokenstile_tokens::{Count, Encoding, encoding_for_model, upper_bound};
//!
//! let text = "How many tokens is this?";
//! assert_eq!(Encoding::O200k.count(text), 6);
//! assert_eq!(encoding_for_model("gpt-4o").count(text), Count::Exact(6));
//! assert!(Encoding::O200k.count(text) <= upper_bound(text.len() as u64));
//! ```
//!
//! # How a text becomes a number
//!
//! Take `don't count==` in o200k.
//!
//! 1. `split` cuts it into pieces that no token crosses: `don't`, ` count`, `==`. It does what the encoding's regular
//!    expression does, without one. Where the text is plain ASCII, `block` does so for 64 bytes at once: one bit mask says
//!    where letters are, another where blanks are, and the mask of the places where words begin is "a letter, behind
//!    neither a letter nor a blank, or a blank": `letter & !(letter << 1) & …`.
//! 2. `piece` looks each short piece up among those `seen` lately: a slot has 16 bytes, 15 for the piece (filled up with
//!    0xFF) and one for its count and encoding, so that one comparison of 16 bytes tells. Those that are not there are
//!    looked for in the trie four at a time (`unseen`). What is not one token is encoded:
//! 3. `greedy` takes the longest token that the piece begins with, then the longest behind it, and so on. Byte pair encoding
//!    does not work that way (it merges), so for each two neighbours
//! 4. `pair` checks that merging could have left them side by side. If not, a shorter token is tried.
//! 5. `vocabulary` finds tokens and their ranks: a trie in one array, 4 bytes a node.
//!
//! Very long pieces are done part by part in `window`; `counter` takes text in parts and gives `long` the pieces that do
//! not end; `run` keeps lines of `====` from costing more than prose.
//!
//! # The data
//!
//! All of it is read-only, laid out by `examples/make_tables.rs` from the vocabularies of tiktoken-rs, and checked by a test:
//!
//! - `tables/*.units`: the tokens of an encoding, a double-array trie (1.00 MB for cl100k, 1.96 MB for o200k). To walk
//!   from a node with base 5000 by the byte `a` (97) is to look at unit 5000 + 1 + 97 and to see whether its label says
//!   98. Each unit holds its label, its base, and whether it ends a token; `vocabulary` has a worked example. Of a token it
//!   also holds the length of the left one of the two parts that its last merge joined. ` count` is ` c` + `ount`, so it
//!   has 2: all that `pair` needs to undo the merge. The few that are longer than its four bits can say stand in
//!   `tables/*.long_halves`.
//! - `tables` has them, and sees to it that one is loaded before it is read.
//! - `tables/classes`: letter, mark, number, white space or other, for each character there is (32 KB).
//!
//! What is written to is as small as it is fixed: 432 KB of pieces and 32 KB of verdicts of `pair`.

#![cfg_attr(
    test,
    allow(
        clippy::unwrap_used,
        clippy::indexing_slicing,
        clippy::arithmetic_side_effects,
        reason = "a test may stop where it fails"
    )
)]

#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;

mod block;
mod classes;
mod count;
mod counter;
mod encoding;
mod estimate;
mod greedy;
mod long;
mod models;
mod pair;
mod piece;
mod run;
mod scripts;
mod seen;
mod split;
mod tables;
mod unseen;
mod vocabulary;
mod window;

pub use count::Count;
pub use counter::Counter;
pub use encoding::Encoding;
pub use estimate::Estimator;
pub use models::{ModelCounter, ModelEncoding, encoding_for_model};
pub use scripts::{Script, Scripts};

/// The most tokens that `bytes` bytes of text can have in any encoding: each token has at least one byte.
#[must_use]
pub const fn upper_bound(bytes: u64) -> u64 {
    bytes
}
