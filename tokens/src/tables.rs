//! The tables of the encodings, and that one is in memory before it is read. Called by `encoding`; knows nothing of what
//! stands in them.
//!
//! A VM copies the data of a module into its memory when it starts, and V8 takes a millisecond or two for both tables,
//! whether a text is ever counted or not. So `cargo xtask build` takes `tables/*.units` out of that data
//! (`xtask/src/wasm/on_demand.rs`), and has the functions here that bear their marks copy them: a worker that never counts
//! with cl100k neither waits for its table nor keeps it. Without that step the tables are there from the start, the
//! functions do nothing, and counts are the same.
//!
//! To the compiler the tables are constants: if it knew that an address is one of theirs, it could read there before they
//! are. So the address goes through `black_box`, behind the load, and nobody else can name the statics. New text is counted as
//! fast as with an address that is known (1.01 times), text seen before too.

use std::hint::black_box;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

use crate::vocabulary::Vocabulary;

static CL100K: Vocabulary = Vocabulary::new(
    include_bytes!("../tables/cl100k.units"),
    include_bytes!("../tables/cl100k.long_halves"),
    0,
);

static O200K: Vocabulary = Vocabulary::new(
    include_bytes!("../tables/o200k.units"),
    include_bytes!("../tables/o200k.long_halves"),
    1,
);

/// `cl100k_base`.
#[inline]
pub(crate) fn cl100k() -> &'static Vocabulary {
    static IS_LOADED: AtomicBool = AtomicBool::new(false);
    loaded(&CL100K, &IS_LOADED, load_cl100k)
}

/// `o200k_base`.
#[inline]
pub(crate) fn o200k() -> &'static Vocabulary {
    static IS_LOADED: AtomicBool = AtomicBool::new(false);
    loaded(&O200K, &IS_LOADED, load_o200k)
}

/// The vocabulary, its table loaded. Natively it always is.
#[inline(always)]
fn loaded(vocabulary: &'static Vocabulary, is_loaded: &AtomicBool, load: fn()) -> &'static Vocabulary {
    if cfg!(not(target_arch = "wasm32")) {
        return vocabulary;
    }
    if !is_loaded.load(Relaxed) {
        load();
        is_loaded.store(true, Relaxed);
    }
    black_box(vocabulary)
}

/// Found by the number in it, which stands nowhere else in a module; all of it is replaced. A name that a module exports would
/// do as well, but takes `unsafe`, and would stand in the modules of others who use this crate.
#[cold]
#[inline(never)]
fn load_cl100k() {
    black_box(u64::from_le_bytes(*b"#cl100k#"));
}

/// As the other.
#[cold]
#[inline(never)]
fn load_o200k() {
    black_box(u64::from_le_bytes(*b"##o200k#"));
}
