//! What texts stand for where an API has numbers and truth values: servers differ in whether they take them.

/// A text as a number: most providers refuse `"n": "100"` (code-gpt-docs#273), servers that read by pydantic, such as
/// vLLM, take it for 100 (<https://docs.pydantic.dev/latest/concepts/conversion_table/>).
pub(crate) fn number_in(text: &[u8]) -> Option<u64> {
    let text = std::str::from_utf8(text).ok()?.trim().replace('_', "");
    let (whole, fraction) = text.split_once('.').unwrap_or((&text, ""));
    let digits = whole.strip_prefix('+').unwrap_or(whole);
    let is_number = !digits.is_empty()
        && digits.bytes().all(|byte| byte.is_ascii_digit())
        && fraction.bytes().all(|byte| byte == b'0');
    is_number.then(|| digits.parse().unwrap_or(u64::MAX))
}

/// Whether such servers take a text for `true`.
pub(crate) fn is_true(text: &[u8]) -> bool {
    ["true", "t", "yes", "y", "on", "1"]
        .iter()
        .any(|word| text.trim_ascii().eq_ignore_ascii_case(word.as_bytes()))
}
