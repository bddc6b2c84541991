//! Reads the document of a policy. Keys that nobody knows are left out then, so that what the rest means is looked at too,
//! and all that is wrong is told at once. Called by [`super::compile`].

use super::errors::{PolicyError, PolicyErrors};
use super::wire::Document;
use serde_json::Value;

/// The objects of which keys were left out: what they mean is not clear.
#[derive(Debug, Default)]
pub(super) struct Unclear(Vec<String>);

impl Unclear {
    /// Whether an error is one all the same: of no such object, nor within one or around it.
    pub(super) fn leaves(&self, error: &PolicyError) -> bool {
        let meets = |path: &String| error.path.starts_with(path.as_str()) || path.starts_with(&error.path);
        !self.0.iter().any(meets)
    }
}

/// The document of this value, which is that of `json`, as far as shapes are right.
///
/// # Errors
/// Some are not, beside keys that nobody knows.
pub(super) fn document(
    value: Value,
    json: &[u8],
    errors: &mut PolicyErrors,
) -> Result<(Document, Unclear), PolicyErrors> {
    let wrong = match read(value) {
        Ok(document) => return Ok((document, Unclear::default())),
        Err(wrong) => wrong.0,
    };
    let mut rest: Value = serde_json::from_slice(json).unwrap_or_default();
    let unclear = wrong.iter().filter_map(|error| leave_out(&mut rest, error)).collect();
    errors.0.extend(wrong);
    read(rest).map(|document| (document, Unclear(unclear))).map_err(|_| errors.clone())
}

// Twice the code of all types would be a hundred kilobytes of the filter.
#[inline(never)]
fn read(value: Value) -> Result<Document, PolicyErrors> {
    deserr::deserialize::<_, _, PolicyErrors>(value)
}

/// Leaves out the key that nobody knows; the path of the object that had it.
fn leave_out(value: &mut Value, error: &PolicyError) -> Option<String> {
    let key = error.message.strip_prefix("unknown field `")?.split('`').next()?;
    let place = error.path.replace(['.', '['], "/").replace(']', "");
    let place = if place.is_empty() { place } else { ["/", &place].concat() };
    value.pointer_mut(&place)?.as_object_mut()?.remove(key)?;
    Some(error.path.clone())
}
