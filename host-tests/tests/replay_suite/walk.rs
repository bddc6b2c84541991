//! The walk-through in docs/replay.md, taken: its files are written, its commands run, and what they print is what it
//! says. A line `…` stands for any lines.

use std::path::{Path, PathBuf};
use std::process::Command;

/// Blocks of the document in their order: the words behind the fence, and the text.
fn blocks(text: &str) -> Vec<(&str, &str)> {
    let parts = text.split("\n```").skip(1).step_by(2);
    parts.filter_map(|block| block.split_once('\n')).collect()
}

/// Whether `seen` is what is written, in which `…` stands for any lines.
fn is_as_written(seen: &str, written: &str) -> bool {
    let mut parts = written.split("…\n");
    let Some(mut rest) = parts.next().and_then(|first| seen.strip_prefix(first)) else { return false };
    let parts: Vec<&str> = parts.collect();
    for (number, part) in (1..).zip(&parts) {
        let is_last = number == parts.len();
        let at = if is_last && rest.ends_with(part) {
            rest.len() - part.len()
        } else {
            match rest.find(part).filter(|_| !is_last) {
                Some(at) => at,
                None => return false,
            }
        };
        rest = &rest[at + part.len()..];
    }
    rest.is_empty()
}

#[test]
fn dots_stand_for_any_lines_and_nothing_else_does() {
    for (written, is) in [
        ("a\nb\n", true),
        ("a\n…\n", true),
        ("…\nb\n", true),
        ("a\n", false),
        ("b\n…\n", false),
        ("…\na\n", false),
    ] {
        assert_eq!(is_as_written("a\nb\n", written), is, "{written:?}");
    }
}

#[test]
fn the_walk_through_goes_as_it_is_written() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let document = std::fs::read_to_string(root.join("docs/replay.md")).unwrap();
    let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("walk");
    let _ = std::fs::remove_dir_all(&folder);
    std::fs::create_dir_all(&folder).unwrap();
    std::fs::copy(root.join("examples/replay/week.log.gz"), folder.join("week.log.gz")).unwrap();
    let (mut taken, mut told) = (0, String::new());
    for (words, text) in blocks(&document) {
        let text = &format!("{text}\n");
        match words.split_once(' ') {
            // ```json mine.json: a file that the reader writes.
            Some((_, name)) => std::fs::write(folder.join(name), text).unwrap(),
            None if words == "text" => {
                let (command, written) = text.split_once('\n').unwrap();
                let Some(command) = command.strip_prefix("$ ") else { panic!("{text}") };
                let path = format!(
                    "{}:/usr/bin:/bin",
                    Path::new(env!("CARGO_BIN_EXE_tokenstile")).parent().unwrap().display()
                );
                let shell = Command::new("sh")
                    .args(["-c", command])
                    .current_dir(&folder)
                    .env("PATH", path)
                    .output()
                    .unwrap();
                let seen = String::from_utf8([shell.stdout, shell.stderr].concat()).unwrap();
                if !is_as_written(&seen, written) {
                    told += &format!("$ {command}\n{seen}\n");
                }
                taken += 1;
            }
            None => {}
        }
    }
    assert!(told.is_empty(), "docs/replay.md says otherwise than this:\n{told}");
    assert_eq!(taken, 4);
}
