//! One counter as a wasm module, for `cargo xtask bench tokens`: `buffer(n)` gives room for a text, `count(encoding, n)` counts it.

use std::cell::RefCell;

thread_local! {
    static BUFFER: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
}

/// Room for `bytes` bytes.
#[unsafe(no_mangle)]
pub extern "C" fn buffer(bytes: usize) -> *mut u8 {
    BUFFER.with_borrow_mut(|buffer| {
        buffer.resize(bytes, 0);
        buffer.as_mut_ptr()
    })
}

/// The tokens of the buffer; encoding 0 is cl100k, 1 is o200k.
#[unsafe(no_mangle)]
pub extern "C" fn count(encoding: u32, bytes: usize) -> u64 {
    BUFFER.with_borrow(|buffer| tokens(encoding, std::str::from_utf8(&buffer[..bytes]).unwrap_or_default()))
}

#[cfg(not(any(feature = "tiktoken-rs", feature = "bpe-openai", feature = "one-encoding")))]
fn tokens(encoding: u32, text: &str) -> u64 {
    use tokenstile_tokens::Encoding;
    if encoding == 0 { Encoding::Cl100k.count(text) } else { Encoding::O200k.count(text) }
}

#[cfg(feature = "one-encoding")]
fn tokens(_: u32, text: &str) -> u64 {
    tokenstile_tokens::Encoding::Cl100k.count(text)
}

#[cfg(feature = "tiktoken-rs")]
fn tokens(encoding: u32, text: &str) -> u64 {
    let counter = if encoding == 0 { tiktoken_rs::cl100k_base_singleton() } else { tiktoken_rs::o200k_base_singleton() };
    counter.encode_ordinary(text).len() as u64
}

#[cfg(feature = "bpe-openai")]
fn tokens(encoding: u32, text: &str) -> u64 {
    (if encoding == 0 { bpe_openai::cl100k_base() } else { bpe_openai::o200k_base() }).count(text) as u64
}
