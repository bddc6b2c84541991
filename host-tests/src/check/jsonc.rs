//! Owns a policy's text: JSON, also with comments and trailing commas, and where each of its parts stands. Called by
//! `mod.rs`. It must not know what any key means.

use super::text::{BYTE_ORDER_MARK, MARKED};
use jsonc_parser::ast::Value as Ast;
use jsonc_parser::common::Ranged;
use jsonc_parser::{CollectOptions, ParseOptions};
use std::ops::Range;

/// A part of a document and the bytes at which it stands.
#[derive(Debug)]
pub(super) struct Node {
    /// The bytes of the text.
    pub(super) span: Range<usize>,
    /// What it is.
    pub(super) kind: Kind,
}

/// What a part is.
#[derive(Debug)]
pub(super) enum Kind {
    /// Members in order, also those whose key stands twice.
    Object(Vec<Member>),
    /// Elements in order.
    Array(Vec<Node>),
    /// Anything else.
    Scalar,
}

/// A key and its value.
#[derive(Debug)]
pub(super) struct Member {
    /// The key, unescaped.
    pub(super) name: String,
    /// Where the key stands.
    pub(super) key: Range<usize>,
    /// The value.
    pub(super) value: Node,
}

/// A document: strict JSON of the same length, so that places are the same, and the tree.
#[derive(Debug)]
pub(super) struct Source {
    /// What the filter takes: comments and trailing commas are blanks.
    pub(super) strict: String,
    /// The whole.
    pub(super) root: Node,
}

/// Reads a document.
///
/// # Errors
/// Where it is no JSON, and why.
pub(super) fn read(text: &str) -> Result<Source, (Range<usize>, String)> {
    if text.starts_with(BYTE_ORDER_MARK) {
        return Err((0..BYTE_ORDER_MARK.len_utf8(), MARKED.to_owned()));
    }
    let options = ParseOptions {
        allow_comments: true,
        allow_trailing_commas: true,
        allow_loose_object_property_names: false,
        allow_missing_commas: false,
        allow_single_quoted_strings: false,
        allow_hexadecimal_numbers: false,
        allow_unary_plus_numbers: false,
        ..ParseOptions::default()
    };
    let read = jsonc_parser::parse_to_ast(text, &CollectOptions::default(), &options);
    let read = read.map_err(|error| (error.range().start..error.range().end, error.kind().to_string()))?;
    let root = read.value.ok_or((0..text.len(), "the file is empty".to_owned()))?;
    Ok(Source { strict: strict(text), root: node(&root) })
}

fn node(value: &Ast<'_>) -> Node {
    let span = value.range().start..value.range().end;
    let kind = match value {
        Ast::Object(object) => Kind::Object(
            object
                .properties
                .iter()
                .map(|property| Member {
                    name: property.name.as_str().to_owned(),
                    key: property.name.range().start..property.name.range().end,
                    value: node(&property.value),
                })
                .collect(),
        ),
        Ast::Array(array) => Kind::Array(array.elements.iter().map(node).collect()),
        _ => Kind::Scalar,
    };
    Node { span, kind }
}

/// Comments and trailing commas as blanks; lines stay lines.
fn strict(text: &str) -> String {
    let mut out = text.as_bytes().to_vec();
    let mut comma = None;
    let mut at = 0;
    while let Some(&byte) = out.get(at) {
        match (byte, out.get(at + 1)) {
            (b'"', _) => {
                at += 1;
                while out.get(at).is_some_and(|byte| *byte != b'"') {
                    at += if out.get(at) == Some(&b'\\') { 2 } else { 1 };
                }
                comma = None;
            }
            (b'/', Some(b'/')) => {
                let end = out.iter().skip(at).position(|byte| *byte == b'\n').map_or(out.len(), |n| at + n);
                blank(&mut out, at..end);
                at = end;
                continue;
            }
            (b'/', Some(b'*')) => {
                let close = text.get(at + 2..).and_then(|rest| rest.find("*/"));
                let end = close.map_or(out.len(), |n| at + n + 4);
                blank(&mut out, at..end);
                at = end;
                continue;
            }
            (b',', _) => comma = Some(at),
            (b']' | b'}', _) => {
                if let Some(comma) = comma.take() {
                    blank(&mut out, comma..comma + 1);
                }
            }
            (byte, _) if byte.is_ascii_whitespace() => {}
            _ => comma = None,
        }
        at += 1;
    }
    String::from_utf8(out).unwrap_or_else(|_| text.to_owned())
}

fn blank(bytes: &mut [u8], span: Range<usize>) {
    for byte in bytes.get_mut(span).into_iter().flatten().filter(|byte| **byte != b'\n') {
        *byte = b' ';
    }
}

impl Node {
    /// The part at a path such as `budgets[0].ladder[1].at`, as far as it is there; whether all of it is; and its key.
    /// Of keys that stand twice the last.
    #[must_use]
    pub(super) fn find(&self, path: &str) -> (&Self, Option<&Member>, bool) {
        let (mut node, mut member, mut rest) = (self, None, path);
        // Behind a last dot stands a key without a name.
        let mut goes_on = !path.is_empty();
        while goes_on {
            let next = match &node.kind {
                Kind::Object(members) => {
                    let fits = |member: &&Member| {
                        let after = rest.strip_prefix(member.name.as_str());
                        after.is_some_and(|after| after.is_empty() || after.starts_with(['.', '[']))
                    };
                    let found = members.iter().filter(fits).max_by_key(|member| member.name.len());
                    found.map(|found| {
                        (&found.value, Some(found), rest.get(found.name.len()..).unwrap_or_default())
                    })
                }
                Kind::Array(items) => {
                    let index = rest.strip_prefix('[').and_then(|rest| rest.split_once(']'));
                    index.and_then(|(index, rest)| {
                        Some((items.get(index.parse::<usize>().ok()?)?, None, rest))
                    })
                }
                Kind::Scalar => None,
            };
            let Some((found, key, after)) = next else { return (node, member, false) };
            goes_on = !after.is_empty();
            (node, member, rest) = (found, key, after.strip_prefix('.').unwrap_or(after));
        }
        (node, member, true)
    }

    /// The member of this name.
    #[must_use]
    pub(super) fn member(&self, name: &str) -> Option<&Member> {
        let Kind::Object(members) = &self.kind else { return None };
        members.iter().rev().find(|member| member.name == name)
    }

    /// The elements, if it is an array.
    #[must_use]
    pub(super) fn items(&self) -> &[Self] {
        if let Kind::Array(items) = &self.kind { items } else { &[] }
    }
}

#[cfg(test)]
mod tests {
    use super::{read, strict};

    #[test]
    fn comments_and_trailing_commas_are_blanks_and_nothing_moves() {
        let text = "{ // «why»\n  \"a\": [1, 2,], /* , */ \"b\": \"// no, \\\" ] comment\",\n}";
        let strict = strict(text);
        assert_eq!(strict.len(), text.len());
        assert_eq!(strict.lines().count(), text.lines().count());
        let value: serde_json::Value = serde_json::from_str(&strict).unwrap_or_default();
        assert_eq!(value, serde_json::json!({"a": [1, 2], "b": "// no, \" ] comment"}));
    }

    #[test]
    fn paths_lead_to_places_also_where_keys_have_dots() {
        let text = r#"{"aliases": {"gpt-4.1": "x", "gpt-4.1.b": "y"}, "budgets": [{"at": 1}]}"#;
        let Ok(source) = read(text) else { return assert_eq!(text, "no JSON") };
        let at = |path: &str| {
            let (node, _, whole) = source.root.find(path);
            (text.get(node.span.clone()).unwrap_or_default().to_owned(), whole)
        };
        assert_eq!(at("aliases.gpt-4.1.b"), ("\"y\"".to_owned(), true));
        assert_eq!(at("budgets[0].at"), ("1".to_owned(), true));
        assert_eq!(at("budgets[0].name"), ("{\"at\": 1}".to_owned(), false));
    }
}
