//! Texts for the benchmarks, 10 KB each and none twice. For the benchmarks only.
//!
//! Prose, code and JSON are real, and of the kind that any machine has which builds this crate: the sources of its
//! dependencies in cargo's registry (their doc comments are the prose), and what `cargo metadata` says. Chinese is made up:
//! tokens of a vocabulary drawn by Zipf's law, one independent of the other, which is less regular than real text.
//! Hostile texts are made up too.

use crate::vocabularies;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Bytes of a text; a few more where a character would be cut.
pub(crate) const BYTES: usize = 10_000;
/// Bytes of each kind.
const ALL: usize = 2_000_000;

/// What users write; speeds on these make the geometric mean.
pub(crate) const KINDS: [&str; 4] = ["English", "code", "JSON", "Chinese"];
/// What attackers write.
pub(crate) const HOSTILE: [&str; 5] = ["letters", "rulers", "dashes", "blanks", "ideographs"];

/// The texts of one of `KINDS` or `HOSTILE`.
pub(crate) fn texts(kind: &str) -> Vec<String> {
    let all = match kind {
        "English" => prose(),
        "code" => code(),
        "JSON" => json(),
        "Chinese" => chinese(),
        _ => hostile(kind, ALL / 4),
    };
    let (mut rest, mut texts) = (all.as_str(), Vec::new());
    while rest.len() > BYTES {
        let (text, later) = rest.split_at(rest.ceil_char_boundary(BYTES));
        texts.push(text.to_owned());
        rest = later;
    }
    texts
}

/// Sources of Rust, in an order that mixes their crates.
fn sources() -> Vec<String> {
    let home = std::env::var_os("CARGO_HOME")
        .map(PathBuf::from)
        .or_else(|| std::env::home_dir().map(|home| home.join(".cargo")))
        .expect("there is a home folder");
    let mut files = Vec::new();
    find_sources(&home.join("registry/src"), &mut files);
    files.sort();
    let mut random = Random(1);
    for at in (1..files.len()).rev() {
        files.swap(at, random.below(at + 1));
    }
    let texts: Vec<String> = files.iter().filter_map(|file| std::fs::read_to_string(file).ok()).collect();
    assert!(texts.len() > 100, "cargo's registry has sources; `cargo fetch` brings them");
    texts
}

fn find_sources(folder: &Path, files: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
        let (path, kind) = (entry.path(), entry.file_type());
        if kind.is_ok_and(|kind| kind.is_dir()) {
            find_sources(&path, files);
        } else if path.extension().is_some_and(|end| end == "rs")
            && entry.metadata().is_ok_and(|file| file.len() < 100_000)
        {
            files.push(path);
        }
    }
}

fn code() -> String {
    let mut all = String::new();
    for text in sources().into_iter().rev().take_while({
        let mut bytes = 0;
        move |text| {
            bytes += text.len();
            bytes < 2 * ALL
        }
    }) {
        all.push_str(&text[..text.floor_char_boundary(20_000)]);
        if all.len() > ALL {
            break;
        }
    }
    all
}

/// Doc comments without their code.
fn prose() -> String {
    let mut all = String::new();
    for text in sources() {
        let (mut prose, mut in_code) = (String::new(), false);
        for line in text.lines().map(str::trim_start) {
            let Some(line) = line.strip_prefix("//! ").or_else(|| line.strip_prefix("/// ")) else {
                continue;
            };
            in_code ^= line.starts_with("```");
            if !in_code && !line.starts_with("```") {
                prose.push_str(line);
                prose.push('\n');
            }
        }
        // Little of each file, and nothing of those that repeat one sentence.
        if prose.len() > 500 {
            all.push_str(&prose[..prose.floor_char_boundary(20_000)]);
        }
        if all.len() > ALL {
            break;
        }
    }
    all
}

fn json() -> String {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut metadata = Command::new(cargo);
    metadata
        .args(["metadata", "--format-version", "1", "--all-features"])
        .current_dir(env!("CARGO_MANIFEST_DIR"));
    let output = metadata.output().expect("cargo runs");
    let mut all = String::from_utf8(output.stdout).expect("JSON is UTF-8");
    assert!(all.len() > 50 * BYTES, "cargo metadata says much: {}", String::from_utf8_lossy(&output.stderr));
    all.truncate(all.floor_char_boundary(ALL));
    all
}

fn chinese() -> String {
    let [_, (_, tokens)] = vocabularies::all();
    let is_han = |text: &String| text.chars().all(|c| ('\u{4e00}'..'\u{9fff}').contains(&c));
    let words: Vec<String> =
        tokens.into_iter().filter_map(|token| String::from_utf8(token).ok()).filter(is_han).collect();
    let (mut random, mut all) = (Random(2), String::new());
    while all.len() < ALL {
        for _ in 0..4 + random.below(14) {
            all.push_str(&words[random.zipf(words.len())]);
        }
        all.push_str(if random.below(3) == 0 { "。" } else { "," });
    }
    all
}

/// About so many bytes of one of `HOSTILE`.
pub(crate) fn hostile(kind: &str, bytes: usize) -> String {
    let (mut random, mut text) = (Random(3), String::new());
    while text.len() < bytes {
        match kind {
            "letters" => text.push(char::from(b'a' + random.below(26) as u8)),
            "rulers" => {
                let byte = ["-", "=", "*", "#", "/"][random.below(5)];
                text.push_str(&byte.repeat(20 + random.below(400)));
            }
            "dashes" => text.push('-'),
            "blanks" => text.push(' '),
            _ => text.extend(char::from_u32(0x4E00 + random.below(0x5000) as u32)),
        }
    }
    text
}

/// Numbers that are the same every time.
struct Random(u64);

impl Random {
    fn below(&mut self, end: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        ((self.0 >> 33) % end as u64) as usize
    }

    /// A place below `end`, each with a probability that falls as its number grows.
    fn zipf(&mut self, end: usize) -> usize {
        let share = (1 + self.below(1 << 20)) as f64 / f64::from(1 << 20);
        (((end as f64).powf(share) - 1.0) as usize).min(end - 1)
    }
}
