//! Header maps as the ABI writes them: a count, the lengths, then names and values each with a NUL.

use tokenstile_engine::policy::Header;

/// Headers in order, in the bytes that the host gave.
pub(crate) type Pairs<'b> = Vec<Header<'b>>;

/// Reads a map. What a host cut short is left out.
pub(crate) fn decode(bytes: &[u8]) -> Pairs<'_> {
    let count = word(bytes, 0).unwrap_or(0);
    let mut at = count.saturating_mul(8).saturating_add(4);
    let mut pairs = Vec::with_capacity(count.min(bytes.len()));
    for i in 0..count {
        let lengths = i.saturating_mul(8).saturating_add(4);
        let (Some(key_len), Some(value_len)) = (word(bytes, lengths), word(bytes, lengths.saturating_add(4)))
        else {
            break;
        };
        let (Some(key), Some(value)) = (field(bytes, &mut at, key_len), field(bytes, &mut at, value_len))
        else {
            break;
        };
        pairs.push((key, value));
    }
    pairs
}

/// Writes a map.
pub(crate) fn encode(headers: &[(&str, String)]) -> Vec<u8> {
    let length = |n: usize| u32::try_from(n).unwrap_or(0).to_le_bytes();
    let mut out = length(headers.len()).to_vec();
    for (name, value) in headers {
        out.extend(length(name.len()));
        out.extend(length(value.len()));
    }
    for (name, value) in headers {
        for field in [name.as_bytes(), value.as_bytes()] {
            out.extend_from_slice(field);
            out.push(0);
        }
    }
    out
}

/// The first value of a header, by its lower-case name.
pub(crate) fn find<'b>(pairs: &[Header<'b>], name: &str) -> Option<&'b [u8]> {
    pairs.iter().find(|(key, _)| key.eq_ignore_ascii_case(name.as_bytes())).map(|(_, value)| *value)
}

fn word(bytes: &[u8], at: usize) -> Option<usize> {
    let word = bytes.get(at..at.checked_add(4)?)?;
    Some(u32::from_le_bytes(word.try_into().ok()?) as usize)
}

fn field<'b>(bytes: &'b [u8], at: &mut usize, len: usize) -> Option<&'b [u8]> {
    let end = at.checked_add(len)?;
    let field = bytes.get(*at..end)?;
    *at = end.saturating_add(1);
    Some(field)
}
