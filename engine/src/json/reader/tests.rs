//! The reader against serde_json: same verdict, same values, however the bytes are cut.

use super::*;
use proptest::prelude::*;

/// Every value with its path, written down as text.
#[derive(Default)]
struct Log(Vec<String>, Vec<u8>);

impl Visitor for Log {
    fn event(&mut self, path: &[Key], event: Event<'_>) {
        match event {
            Event::Text(piece) => self.1.extend_from_slice(piece),
            Event::TextEnd { .. } => {
                let text = String::from_utf8_lossy(&std::mem::take(&mut self.1)).into_owned();
                self.0.push(format!("{} {text:?}", path.len()));
            }
            Event::TextBegin { .. } => {}
            other => self.0.push(format!("{} {other:?}", path.len())),
        }
    }
}

fn read(pieces: &[&[u8]]) -> Result<Vec<String>, JsonError> {
    let (mut reader, mut log) = (Reader::new(), Log::default());
    for piece in pieces {
        reader.feed(piece, &mut log)?;
    }
    reader.finish(&mut log)?;
    Ok(log.0)
}

#[test]
fn accepts_and_refuses_what_serde_json_does() {
    let cases = [
        "{}",
        "[]",
        " [ ] ",
        "[[],[]]",
        "[1,2]",
        "{\"a\":{}}",
        "1",
        "-0.5e+3",
        "\"\\u00e9\\n\"",
        "null",
        "[1,]",
        "{\"a\":1,}",
        "{,}",
        "[,1]",
        "01",
        "1.",
        ".5",
        "+1",
        "1e",
        "nul",
        "NaN",
        "{\"a\" 1}",
        "{\"a\":}",
        "{1:2}",
        "[1}",
        "{\"a\":1]",
        "[1",
        "\"a",
        "{}{}",
        "{} x",
        "",
        "\u{feff}{}",
        "\"\\x\"",
        "\"\\u12\"",
        "tru",
        "[true false]",
    ];
    for case in cases {
        let expected = serde_json::from_str::<serde_json::Value>(case).is_ok();
        assert_eq!(read(&[case.as_bytes()]).is_ok(), expected, "{case}");
    }
}

/// Found by fuzzing: beyond the bytes that are kept, anything was a number.
#[test]
fn a_number_has_one_grammar_however_long_it_is() {
    let digits = "2".repeat(60);
    for (number, is_one) in [
        (digits.clone(), true),
        (format!("-{digits}.{digits}e-{digits}"), true),
        (format!("{digits}true"), false),
        (format!("{digits}."), false),
        (format!("{digits}e5.5"), false),
        (format!("0{digits}"), false),
        ("-".repeat(60), false),
    ] {
        for size in [1, 7, 1000] {
            let pieces: Vec<&[u8]> = number.as_bytes().chunks(size).collect();
            assert_eq!(read(&pieces).is_ok(), is_one, "{number} in pieces of {size}");
        }
    }
}

/// How much a reader hands on: events, and bytes of text.
#[derive(Default)]
struct Tally {
    events: usize,
    bytes: usize,
}

impl Visitor for Tally {
    fn event(&mut self, _: &[Key], event: Event<'_>) {
        self.events = self.events.saturating_add(1);
        if let Event::Text(piece) = event {
            self.bytes = self.bytes.saturating_add(piece.len());
        }
    }
}

/// A hundred times the input makes a hundred times the work, whatever it is made of.
#[test]
fn work_grows_with_the_input_and_no_faster() {
    let strings =
        ["a", " ", "\\n", "[", "😀", "\\ud83d", "\\u0061", "iVBORw0KGgo"].map(|unit| ("\"", unit, "\""));
    let structures =
        [("[", "[],", "0]"), ("[", "{\"a\":1},", "0]"), ("[", "1,", "0]"), ("", " ", "1"), ("[", "\n", "]")];
    for (begin, unit, end) in strings.into_iter().chain(structures) {
        let tally = |bytes: usize| {
            let text = format!("{begin}{}{end}", unit.repeat(bytes / unit.len()));
            let (mut reader, mut tally) = (Reader::new(), Tally::default());
            text.as_bytes().chunks(4096).for_each(|chunk| reader.feed(chunk, &mut tally).unwrap());
            reader.finish(&mut tally).unwrap();
            assert!(tally.bytes <= text.len() && tally.events <= text.len() + 2, "{unit}: {}", tally.events);
            tally.events
        };
        let (small, large) = (tally(10_000), tally(1_000_000));
        assert!(
            large <= small * 101 + 400,
            "{unit}: {small} events, and {large} of a hundred times the input"
        );
    }
}

#[test]
fn unescapes_surrogates_and_replaces_lone_ones() {
    assert_eq!(read(&[br#""\ud83d\ude00""#]), Ok(vec!["0 \"😀\"".to_owned()]));
    assert_eq!(read(&[br#""\ud83dx\ude00""#]), Ok(vec!["0 \"\u{fffd}x\u{fffd}\"".to_owned()]));
}

#[test]
fn depth_is_bounded() {
    let deep = "[".repeat(1_000_000);
    assert_eq!(read(&[deep.as_bytes()]), Err(JsonError::TooDeep));
}

#[test]
fn counts_are_read_however_they_are_written() {
    let cases = [("16", Some(16)), ("1e3", Some(1000)), ("10.0", Some(10)), ("-5", None), ("1.5", None)];
    for (text, count) in cases {
        assert_eq!(Number(text).as_count(), count, "{text}");
    }
    assert_eq!(Number(&"9".repeat(40)).as_count(), Some(u64::MAX));
}

fn json() -> impl Strategy<Value = serde_json::Value> {
    let leaf = prop_oneof![
        Just(serde_json::Value::Null),
        any::<bool>().prop_map(Into::into),
        any::<i64>().prop_map(Into::into),
        ".{0,12}".prop_map(Into::into),
    ];
    leaf.prop_recursive(4, 32, 5, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..5).prop_map(Into::into),
            prop::collection::vec((".{0,6}", inner), 0..5)
                .prop_map(|pairs| serde_json::Value::Object(pairs.into_iter().collect())),
        ]
    })
}

proptest! {
    #[test]
    fn any_cut_reads_the_same(value in json(), step in 1_usize..9) {
        let text = serde_json::to_string(&value).unwrap();
        let whole = read(&[text.as_bytes()]);
        prop_assert!(whole.is_ok());
        let pieces: Vec<&[u8]> = text.as_bytes().chunks(step).collect();
        prop_assert_eq!(read(&pieces), whole);
    }

    #[test]
    fn any_bytes_are_read_without_a_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let _ = read(&[&bytes]);
    }
}
