//! Who pays: named dimensions, each the first of its sources that yields a value.

use siphasher::sip::SipHasher13;
use std::hash::Hasher;

/// One dimension of the policy's `identity`.
#[derive(Debug)]
pub struct Dimension {
    /// Its name: `user`, `tenant`, …
    pub name: String,
    /// Where its value comes from, in order.
    pub sources: Vec<Source>,
}

/// Where a value comes from.
#[derive(Debug, PartialEq, Eq)]
pub enum Source {
    /// A request header, by its lower-case name.
    Header(String),
    /// The API key (`authorization` or `api-key`), as a keyed hash: a key is never written down.
    ApiKey,
    /// This value.
    Constant(String),
}

/// The values of one caller, one a dimension, in the policy's order.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Identity(Vec<String>);

/// Longer values are cut: a header of a megabyte must not be copied into every record.
const VALUE_MAX: usize = 256;

impl Identity {
    /// Reads who pays. `header` gives the first value of a header by its lower-case name.
    pub fn of<'h>(
        dimensions: &[Dimension],
        seed: u64,
        header: impl Fn(&str) -> Option<&'h [u8]> + Copy,
    ) -> Self {
        let value = |dimension: &Dimension| {
            dimension.sources.iter().find_map(|source| source.value(seed, header)).unwrap_or_default()
        };
        Self(dimensions.iter().map(value).collect())
    }

    /// The value of the dimension at this place; empty when no source yielded one.
    #[must_use]
    pub fn value(&self, dimension: usize) -> &str {
        self.0.get(dimension).map_or("", String::as_str)
    }
}

impl Source {
    fn value<'h>(&self, seed: u64, header: impl Fn(&str) -> Option<&'h [u8]>) -> Option<String> {
        let present = |name| header(name).filter(|value: &&[u8]| !value.is_empty());
        match self {
            Self::Header(name) => present(name).map(readable),
            Self::Constant(value) => Some(value.clone()),
            Self::ApiKey => present("authorization").or_else(|| present("api-key")).map(|key| {
                let mut hasher = SipHasher13::new_with_keys(seed, 1);
                hasher.write(key);
                format!("key-{:016x}", hasher.finish())
            }),
        }
    }
}

/// Header bytes as text. Bytes that are not UTF-8 are escaped, so that two callers never become one.
/// A value too long is cut, and a hash of the whole keeps it apart from others cut alike.
fn readable(bytes: &[u8]) -> String {
    let mut text =
        std::str::from_utf8(bytes).map_or_else(|_| bytes.escape_ascii().to_string(), str::to_owned);
    if text.len() > VALUE_MAX {
        let mut hasher = SipHasher13::new();
        hasher.write(bytes);
        text.truncate(text.floor_char_boundary(VALUE_MAX));
        text.push_str(&format!("…{:016x}", hasher.finish()));
    }
    text
}
