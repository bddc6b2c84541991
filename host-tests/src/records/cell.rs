//! Texts of others in CSV. Clients choose names of models and values of dimensions, and spreadsheets carry out what begins
//! like a formula: such a text gets an apostrophe before it, by which they show it as it is
//! (<https://owasp.org/www-community/attacks/CSV_Injection>). Numbers of ours are not meant.

/// The text as a spreadsheet shows it.
pub(super) fn text(text: &str) -> String {
    let is_formula = text.starts_with(['=', '+', '-', '@', '\t', '\r']);
    if is_formula { format!("'{text}") } else { text.to_owned() }
}
