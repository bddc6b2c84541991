//! Owns how the generated parts of a document are held to what generates them. They stand between
//! `<!-- begin: NAME -->` and `<!-- end: NAME -->`; with `TOKENSTILE_UPDATE=1` they are written anew, and the
//! difference is for people to read.

use std::path::Path;

/// A document of the repository.
pub(crate) fn read(document: &str) -> String {
    std::fs::read_to_string(path(document)).unwrap()
}

/// Each of these parts of the document is what was generated.
pub(crate) fn assert_says(document: &str, parts: &[(&str, String)]) {
    let before = read(document);
    let text = parts.iter().fold(before.clone(), |text, (name, generated)| put(&text, name, generated));
    if std::env::var_os("TOKENSTILE_UPDATE").is_some() {
        std::fs::write(path(document), text).unwrap();
        return;
    }
    assert_eq!(before, text, "{document} is not what the code does; see the head of this test's file");
}

fn put(text: &str, name: &str, generated: &str) -> String {
    let (begin, end) = (format!("<!-- begin: {name} -->\n"), format!("<!-- end: {name} -->"));
    let (head, rest) = text.split_once(&begin).unwrap_or_else(|| panic!("no {begin}"));
    let (_, tail) = rest.split_once(&end).unwrap_or_else(|| panic!("no {end}"));
    format!("{head}{begin}{generated}{end}{tail}")
}

fn path(document: &str) -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(document)
}

/// A table of Markdown: its head, and its rows.
pub(crate) fn table(head: &[&str], rows: &[Vec<String>]) -> String {
    let line = |cells: &[String]| format!("| {} |\n", cells.join(" | "));
    let head_cells: Vec<String> = head.iter().map(|&cell| cell.to_owned()).collect();
    let rule = format!("|{}\n", " --- |".repeat(head.len()));
    let rows = rows.iter().map(|row| line(row));
    [line(&head_cells), rule].into_iter().chain(rows).collect()
}
