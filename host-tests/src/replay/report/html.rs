//! page
use crate::replay::Report;
/// The page.
#[must_use]
pub fn page(_report: &Report) -> String {
    String::new()
}
