//! The engine's parts as a module: `buffer(n)` gives room for a body, `open(n)` takes what was written there, and each
//! of the others does its part with it. Measured by `host-tests/benches/engine.rs`.

#![expect(unsafe_code, reason = "exports have no mangled names")]

use std::cell::RefCell;
use work::Work;

#[path = "../benches/work/mod.rs"]
mod work;

thread_local! {
    static BUFFER: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
    static WORK: RefCell<Work> = RefCell::new(Work::default());
}

/// Room for `bytes` bytes.
#[unsafe(no_mangle)]
pub extern "C" fn buffer(bytes: usize) -> *mut u8 {
    BUFFER.with_borrow_mut(|buffer| {
        buffer.resize(bytes, 0);
        buffer.as_mut_ptr()
    })
}

/// Takes what stands in the buffer: from now on it is the body.
#[unsafe(no_mangle)]
pub extern "C" fn open() {
    let body = BUFFER.with_borrow_mut(std::mem::take);
    WORK.with_borrow_mut(|work| *work = Work::new(body));
}

/// Reads it.
#[unsafe(no_mangle)]
pub extern "C" fn read() -> u64 {
    WORK.with_borrow(Work::read)
}

/// Counts its prompt.
#[unsafe(no_mangle)]
pub extern "C" fn count() -> u64 {
    WORK.with_borrow(Work::count)
}

/// Puts another model in.
#[unsafe(no_mangle)]
pub extern "C" fn splice() -> u64 {
    WORK.with_borrow(Work::splice)
}

/// Reads the usage of it, which is a streamed answer.
#[unsafe(no_mangle)]
pub extern "C" fn usage() -> u64 {
    WORK.with_borrow(Work::usage)
}
