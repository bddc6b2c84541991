//! Where a path leads inside a JSON schema. Called by `prompt`; knows nothing of counting.

use crate::json::Key;

/// What a place in a JSON schema is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    /// A schema.
    Schema,
    /// The properties or definitions by name.
    Names,
    /// A property's name, and its schema.
    Property,
    Type,
    Description,
    Enum,
    Required,
    Other,
}

/// The place that this path inside a schema leads to.
fn place(path: &[Key]) -> Place {
    path.iter().fold(Place::Schema, |place, key| match (place, key) {
        (Place::Names, _) => Place::Property,
        (Place::Schema | Place::Property, Key::Properties | Key::Defs | Key::Definitions) => Place::Names,
        (
            Place::Schema | Place::Property,
            Key::Items | Key::AdditionalProperties | Key::AnyOf | Key::OneOf | Key::AllOf | Key::Item,
        ) => Place::Schema,
        (Place::Schema | Place::Property, Key::Type) => Place::Type,
        (Place::Schema | Place::Property, Key::Description) => Place::Description,
        (Place::Schema | Place::Property, Key::Enum | Key::Const) => Place::Enum,
        (Place::Schema | Place::Property, Key::Required) => Place::Required,
        (Place::Type | Place::Enum | Place::Required, Key::Item) => place,
        _ => Place::Other,
    })
}

/// The tail of `path` inside a schema that begins `depth` steps before its end.
pub(super) fn schema_place(path: &[Key], depth: usize) -> Place {
    place(path.get(path.len().saturating_sub(depth)..).unwrap_or_default())
}
