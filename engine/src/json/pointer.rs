//! Single values of a document by their JSON Pointer (RFC 6901), found while it is read for something else.
//!
//! Only members of objects: a token is never an index of an array, since an identity that stands in a list is
//! somebody's mistake.

use super::{Event, Key, Visitor};
use crate::excerpt::Excerpt;

/// Longer than the keys of any identity, and shorter than what the reader keeps of a key: a longer key is never
/// taken for this one.
const TOKEN_MAX: usize = 63;
/// Deeper than any identity stands.
const TOKENS_MAX: usize = 16;

/// `/metadata/user_id`, read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pointer(Vec<String>);

impl Pointer {
    /// Reads `/metadata/user_id`; `~1` stands for a slash in a key, `~0` for a tilde.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn parse(text: &str) -> Result<Self, String> {
        let Some(tokens) = text.strip_prefix('/') else {
            return Err(format!("`{text}` is no JSON Pointer; write `/{text}`"));
        };
        Self::of(tokens.split('/').map(|token| token.replace("~1", "/").replace("~0", "~")).collect())
    }

    /// The pointer of these keys.
    ///
    /// # Errors
    /// One of them is empty or too long, or there are too many.
    pub fn of(keys: Vec<String>) -> Result<Self, String> {
        if keys.len() > TOKENS_MAX {
            return Err(format!("more than {TOKENS_MAX} keys"));
        }
        if keys.iter().any(|key| key.is_empty() || key.len() > TOKEN_MAX) {
            return Err(format!("each key has 1 to {TOKEN_MAX} bytes"));
        }
        Ok(Self(keys))
    }

    /// The keys, from the root.
    #[must_use]
    pub fn keys(&self) -> &[String] {
        &self.0
    }
}

/// Looks for the values of pointers.
#[derive(Debug)]
pub(crate) struct PointerFinder<'p> {
    searches: Vec<Search<'p>>,
}

#[derive(Debug)]
struct Search<'p> {
    keys: &'p [String],
    /// How many keys of the current path are the first ones of `keys`.
    matched: usize,
    /// How deep the path was met before.
    met: usize,
    /// A key of the path stood twice: parsers differ in which of them counts.
    twice: bool,
    text: Option<Excerpt>,
    value: Option<String>,
}

impl<'p> PointerFinder<'p> {
    pub(crate) fn new(pointers: &'p [Pointer]) -> Self {
        let search = |pointer: &'p Pointer| Search {
            keys: &pointer.0,
            matched: 0,
            met: 0,
            twice: false,
            text: None,
            value: None,
        };
        Self { searches: pointers.iter().map(search).collect() }
    }

    /// The values in the order of the pointers; containers, `null` and empty texts are none.
    ///
    /// # Errors
    /// The last key of a pointer that two parsers could read differently.
    pub(crate) fn values(self) -> Result<Vec<Option<String>>, String> {
        let value = |search: Search<'p>| match search.twice {
            true => Err(search.keys.last().cloned().unwrap_or_default()),
            false => Ok(search.value),
        };
        self.searches.into_iter().map(value).collect()
    }
}

impl Search<'_> {
    fn key(&mut self, depth: usize, name: &[u8]) {
        let above = depth.saturating_sub(1);
        self.matched = self.matched.min(above);
        if self.matched == above && self.keys.get(above).is_some_and(|key| key.as_bytes() == name) {
            self.matched = depth;
            self.twice |= self.met >= depth;
            self.met = self.met.max(depth);
        }
    }

    fn event(&mut self, depth: usize, event: Event<'_>) {
        if depth != self.keys.len() || self.matched != depth {
            return;
        }
        match event {
            Event::TextBegin { .. } => self.text = Some(Excerpt::default()),
            Event::Text(piece) => {
                if let Some(text) = &mut self.text {
                    text.push(piece);
                }
            }
            Event::TextEnd { .. } => self.value = self.text.take().and_then(Excerpt::finish),
            // Of a number too long to be kept nothing is known.
            Event::Number(number) if !number.is_cut() => {
                self.value = Excerpt::of(number_text(number.0).as_bytes());
            }
            Event::Bool(is) => self.value = Some(is.to_string()),
            Event::Number(_) | Event::Null | Event::Begin(_) | Event::End => {}
        }
    }
}

/// A number in one spelling: `42.0` and `4.2e1` are `42`, as where a proxy hands it over as a float.
fn number_text(number: &str) -> String {
    if number.bytes().all(|byte| byte.is_ascii_digit()) {
        return number.to_owned();
    }
    number.parse::<f64>().map_or_else(|_| number.to_owned(), |float| float.to_string())
}

impl Visitor for PointerFinder<'_> {
    fn key(&mut self, path: &[Key], name: &[u8]) {
        self.searches.iter_mut().for_each(|search| search.key(path.len(), name));
    }

    fn event(&mut self, path: &[Key], event: Event<'_>) {
        self.searches.iter_mut().for_each(|search| search.event(path.len(), event));
    }
}

/// Two visitors of one document.
pub(crate) struct Both<'v, A, B>(pub(crate) &'v mut A, pub(crate) &'v mut B);

impl<A: Visitor, B: Visitor> Visitor for Both<'_, A, B> {
    fn at(&mut self, span: std::ops::Range<usize>) {
        self.0.at(span.clone());
        self.1.at(span);
    }

    fn key(&mut self, path: &[Key], name: &[u8]) {
        self.0.key(path, name);
        self.1.key(path, name);
    }

    fn event(&mut self, path: &[Key], event: Event<'_>) {
        self.0.event(path, event);
        self.1.event(path, event);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::json::Reader;

    fn find(pointers: &[&str], json: &str) -> Result<Vec<Option<String>>, String> {
        let pointers: Vec<_> = pointers.iter().map(|text| Pointer::parse(text).unwrap()).collect();
        let mut finder = PointerFinder::new(&pointers);
        let mut reader = Reader::new();
        // Byte by byte: pieces may be cut anywhere.
        for byte in json.as_bytes().chunks(1) {
            reader.feed(byte, &mut finder).unwrap();
        }
        reader.finish(&mut finder).unwrap();
        finder.values()
    }

    #[test]
    fn values_are_found_where_they_stand_and_nowhere_else() {
        let cases = [
            (r#"{"user":"ana"}"#, "/user", Some("ana")),
            (r#"{"metadata":{"user":"no","user_id":"ana"},"user":"x"}"#, "/metadata/user_id", Some("ana")),
            (r#"{"a":{"b":{"c":"deep"}},"c":"x"}"#, "/a/b/c", Some("deep")),
            (r#"{"x":{"user":"no"}}"#, "/user", None),
            (r#"{"x":[{"user":"no"}],"user":"ana"}"#, "/user", Some("ana")),
            (r#"[{"user":"no"}]"#, "/user", None),
            (r#"{"a":[{"b":"no"}]}"#, "/a/b", None),
            (r#"{"a":["no"]}"#, "/a/0", None),
            (r#"{"a":{"b":1},"x":[{"b":"no"}]}"#, "/a/b", Some("1")),
            (r#"{"a":null}"#, "/a", None),
            (r#"{"a":{"user":"x"}}"#, "/a", None),
            (r#"{"a":""}"#, "/a", None),
            (r#"{"a":true}"#, "/a", Some("true")),
            (r#"{"a":42}"#, "/a", Some("42")),
            (r#"{"a":4.20e1}"#, "/a", Some("42")),
            (r#"{"us\u0065r":"\u0061na"}"#, "/user", Some("ana")),
            (r#"{"a/b":{"c~d":"x"}}"#, "/a~1b/c~0d", Some("x")),
        ];
        for (json, pointer, expected) in cases {
            assert_eq!(find(&[pointer], json), Ok(vec![expected.map(str::to_owned)]), "{pointer} in {json}");
        }
        let two = find(&["/b", "/a"], r#"{"a":"1","b":"2"}"#).unwrap();
        assert_eq!(two, [Some("2".to_owned()), Some("1".to_owned())]);
        // A key that is longer than what is kept of it is no other key.
        let long = format!(r#"{{"{}":"x"}}"#, "k".repeat(64));
        assert_eq!(find(&[&format!("/{}", "k".repeat(63))], &long), Ok(vec![None]));
    }

    #[test]
    fn a_key_that_stands_twice_on_the_way_has_no_value() {
        for json in [
            r#"{"m":{"u":"a"},"m":{"u":"b"}}"#,
            r#"{"m":{"u":"a"},"m":{}}"#,
            r#"{"m":{"u":"a","u":"b"}}"#,
            r#"{"m":1,"m":{"u":"b"}}"#,
        ] {
            assert_eq!(find(&["/m/u"], json), Err("u".to_owned()), "{json}");
        }
        assert!(find(&["/m/u"], r#"{"x":{"u":"a"},"y":{"u":"b"},"m":{"u":"c"}}"#).is_ok());
    }

    #[test]
    fn what_is_no_pointer_is_told() {
        assert!(Pointer::parse("user").unwrap_err().contains("write `/user`"));
        for wrong in ["/", "//", "/a//b", &format!("/{}", "k".repeat(64)), &"/a".repeat(17)] {
            assert!(Pointer::parse(wrong).is_err(), "{wrong}");
        }
    }
}
