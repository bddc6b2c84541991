//! Owns the way from a file's bytes to the text of a policy or a scenario, and what is said of files that are none.

/// What stands before some texts in UTF-8, and before no JSON (RFC 8259, section 8.1).
pub(super) const BYTE_ORDER_MARK: char = '\u{feff}';
/// What is wrong with it.
pub(super) const MARKED: &str =
    "a byte order mark stands before the JSON, where nothing may stand; save the file as UTF-8 without it";

/// Whether a text begins as JSON may.
///
/// # Errors
/// It begins with a byte order mark.
pub fn unmarked(text: &str) -> Result<(), String> {
    if text.starts_with(BYTE_ORDER_MARK) { Err(MARKED.to_owned()) } else { Ok(()) }
}

/// The text of a file.
///
/// # Errors
/// It is no text, and what it is instead.
pub fn text(bytes: Vec<u8>) -> Result<String, String> {
    let why = match bytes.as_slice() {
        [0xff, 0xfe, ..] | [0xfe, 0xff, ..] => "it is UTF-16; save it as UTF-8",
        [0x1f, 0x8b, ..] | [0x28, 0xb5, 0x2f, 0xfd, ..] => "it is compressed; unpack it first",
        _ => {
            return String::from_utf8(bytes).map_err(|error| {
                let at = error.utf8_error().valid_up_to();
                format!("it is no text: byte {at} is not UTF-8, in which JSON is written")
            });
        }
    };
    Err(why.to_owned())
}
