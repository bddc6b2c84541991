//! Documents whose commands are run: their files are written, their commands run in the order of the document, and what
//! they print is what it says. A line `…` stands for any lines.

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

/// Takes the steps of a document in this folder, with these variables; gives its commands.
///
/// A block "```json NAME" is a file that the reader writes; a block "```text" that begins with `$ ` a command and all that
/// it prints.
pub(crate) fn walk(document: &Path, folder: &Path, variables: &[(&str, PathBuf)]) -> Vec<String> {
    let text = std::fs::read_to_string(document).unwrap();
    let bin = Path::new(env!("CARGO_BIN_EXE_tokenstile")).parent().unwrap();
    let path = format!("{}:{}", bin.display(), std::env::var("PATH").unwrap_or_default());
    let (mut commands, mut told) = (Vec::new(), String::new());
    for (words, text) in blocks(&text) {
        let text = &format!("{text}\n");
        if let Some((_, name)) = words.split_once(' ') {
            std::fs::write(folder.join(name), text).unwrap();
            continue;
        }
        let Some((command, written)) = text.split_once('\n').filter(|_| words == "text") else { continue };
        let Some(command) = command.strip_prefix("$ ") else { panic!("{}: {text}", document.display()) };
        let mut shell = Command::new("sh");
        shell.args(["-c", command]).current_dir(folder).env("PATH", &path).env("NO_COLOR", "1");
        shell.env_remove("TOKENSTILE_WASM").envs(variables.iter().cloned());
        let output = shell.output().unwrap();
        let seen = String::from_utf8([output.stdout, output.stderr].concat()).unwrap();
        // Spaces at the ends of lines are not seen in a document, and editors take them away.
        let trimmed =
            |text: &str| text.lines().map(|line| format!("{}\n", line.trim_end())).collect::<String>();
        if !is_as_written(&trimmed(&seen), &trimmed(written)) {
            told += &format!("$ {command}\n{seen}\n");
        }
        commands.push(command.to_owned());
    }
    assert!(told.is_empty(), "{} says otherwise than this:\n{told}", document.display());
    commands
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
