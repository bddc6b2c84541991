//! The vocabularies as tiktoken-rs has them: token bytes by rank. For the tools and tests only.

/// The name of each encoding and its tokens, without the special ones.
pub(crate) fn all() -> [(&'static str, Vec<Vec<u8>>); 2] {
    [
        ("cl100k", tokens(tiktoken_rs::cl100k_base_singleton(), 100_256)),
        ("o200k", tokens(tiktoken_rs::o200k_base_singleton(), 199_998)),
    ]
}

fn tokens(encoding: &tiktoken_rs::CoreBPE, count: u32) -> Vec<Vec<u8>> {
    (0..count).map(|rank| encoding.decode_bytes(&[rank]).expect("ranks have no gaps")).collect()
}
