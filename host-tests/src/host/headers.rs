//! Owns header maps: ordered, with several values for a name, names compared without case, bytes throughout;
//! and their form in the guest's memory. It must not know who reads them, or when that is allowed.

use std::fmt;

/// An ordered multi-map of bytes. Names are compared without regard to case.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct HeaderMap(Vec<(Vec<u8>, Vec<u8>)>);

impl HeaderMap {
    /// An empty map.
    pub fn new() -> Self {
        Self::default()
    }

    /// The number of entries.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there is no entry.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The entries, in order.
    pub fn iter(&self) -> impl Iterator<Item = (&[u8], &[u8])> {
        self.0.iter().map(|(name, value)| (name.as_slice(), value.as_slice()))
    }

    /// The first value of `name`.
    pub fn first(&self, name: impl AsRef<[u8]>) -> Option<&[u8]> {
        let name = name.as_ref();
        self.iter().find(|(n, _)| n.eq_ignore_ascii_case(name)).map(|(_, value)| value)
    }

    /// The first value of `name` as text, for assertions; bytes that are not UTF-8 are replaced.
    pub fn text(&self, name: &str) -> Option<String> {
        self.first(name).map(|value| String::from_utf8_lossy(value).into_owned())
    }

    /// The values of `name` joined by a comma, as proxies hand over a repeated header.
    pub fn joined(&self, name: &[u8]) -> Option<Vec<u8>> {
        let values: Vec<&[u8]> =
            self.iter().filter(|(n, _)| n.eq_ignore_ascii_case(name)).map(|(_, value)| value).collect();
        if values.is_empty() { None } else { Some(values.join(&b","[..])) }
    }

    /// Adds an entry at the end.
    pub fn add(&mut self, name: impl Into<Vec<u8>>, value: impl Into<Vec<u8>>) {
        self.0.push((name.into(), value.into()));
    }

    /// Puts `value` in the place of the first entry of `name`, drops the others, or adds it.
    pub fn replace(&mut self, name: impl Into<Vec<u8>>, value: impl Into<Vec<u8>>) {
        let (name, value) = (name.into(), value.into());
        let Some(at) = self.0.iter().position(|(n, _)| n.eq_ignore_ascii_case(&name)) else {
            return self.add(name, value);
        };
        let mut index = 0;
        self.0.retain(|(n, _)| {
            let keep = index <= at || !n.eq_ignore_ascii_case(&name);
            index += 1;
            keep
        });
        if let Some(entry) = self.0.get_mut(at) {
            entry.1 = value;
        }
    }

    /// Drops every entry of `name`.
    pub fn remove(&mut self, name: impl AsRef<[u8]>) {
        let name = name.as_ref();
        self.0.retain(|(n, _)| !n.eq_ignore_ascii_case(name));
    }

    /// The map as the ABI lays it out: count, pairs of lengths, then names and values, each with a zero byte.
    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut out = (self.0.len() as u32).to_le_bytes().to_vec();
        for (name, value) in &self.0 {
            out.extend((name.len() as u32).to_le_bytes());
            out.extend((value.len() as u32).to_le_bytes());
        }
        for text in self.0.iter().flat_map(|(name, value)| [name, value]) {
            out.extend(text);
            out.push(0);
        }
        out
    }

    /// Reads what a filter laid out; `None` where lengths and bytes do not fit each other.
    pub(crate) fn decode(bytes: &[u8]) -> Option<Self> {
        if bytes.is_empty() {
            return Some(Self::new());
        }
        let word = |at: usize| -> Option<usize> {
            let four = bytes.get(at..at.checked_add(4)?)?;
            Some(u32::from_le_bytes(four.try_into().ok()?) as usize)
        };
        let count = word(0)?;
        let mut at = count.checked_mul(8)?.checked_add(4)?;
        let mut text = |len: usize| -> Option<Vec<u8>> {
            let end = at.checked_add(len)?;
            let found = bytes.get(at..end)?.to_vec();
            at = end.checked_add(1)?;
            Some(found)
        };
        let mut map = Self::new();
        for index in 0..count {
            let lengths = index.checked_mul(8)?.checked_add(4)?;
            let (name, value) = (word(lengths)?, word(lengths.checked_add(4)?)?);
            map.0.push((text(name)?, text(value)?));
        }
        Some(map)
    }
}

impl From<Vec<(Vec<u8>, Vec<u8>)>> for HeaderMap {
    fn from(entries: Vec<(Vec<u8>, Vec<u8>)>) -> Self {
        Self(entries)
    }
}

impl From<HeaderMap> for Vec<(Vec<u8>, Vec<u8>)> {
    fn from(map: HeaderMap) -> Self {
        map.0
    }
}

impl<N: Into<Vec<u8>>, V: Into<Vec<u8>>, const COUNT: usize> From<[(N, V); COUNT]> for HeaderMap {
    fn from(entries: [(N, V); COUNT]) -> Self {
        entries.into_iter().collect()
    }
}

impl<N: Into<Vec<u8>>, V: Into<Vec<u8>>> FromIterator<(N, V)> for HeaderMap {
    fn from_iter<I: IntoIterator<Item = (N, V)>>(entries: I) -> Self {
        Self(entries.into_iter().map(|(name, value)| (name.into(), value.into())).collect())
    }
}

impl fmt::Debug for HeaderMap {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = |bytes: &[u8]| bytes.escape_ascii().to_string();
        f.debug_map().entries(self.iter().map(|(name, value)| (text(name), text(value)))).finish()
    }
}
