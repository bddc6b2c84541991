//! Endless fresh text of several kinds for the benchmarks: words, identifiers and characters drawn by Zipf's law, so that
//! common ones come back and rare ones are new, as in real text.

use crate::vocabularies;

/// A kind of text and how it goes on.
pub(crate) struct Texts {
    words: Vec<String>,
    ideographs: Vec<String>,
    state: u64,
}

/// The kinds: four as users write them, two as attackers do.
pub(crate) const KINDS: [&str; 6] = ["english", "code", "json", "chinese", "letters", "rulers"];

impl Texts {
    pub(crate) fn new(seed: u64) -> Self {
        let [_, (_, o200k)] = vocabularies::all();
        let tokens: Vec<String> =
            o200k.into_iter().filter_map(|token| String::from_utf8(token).ok()).collect();
        let is_word =
            |t: &&String| t.len() > 2 && t.starts_with(' ') && t[1..].bytes().all(|b| b.is_ascii_lowercase());
        let words = tokens.iter().filter(is_word).map(|t| t[1..].to_owned()).collect();
        let is_han = |t: &&String| t.chars().all(|c| ('\u{4e00}'..'\u{9fff}').contains(&c));
        let ideographs = tokens.iter().filter(is_han).cloned().collect();
        Self { words, ideographs, state: seed }
    }

    /// About so many bytes of a kind.
    pub(crate) fn next(&mut self, kind: &str, bytes: usize) -> String {
        let mut text = String::with_capacity(bytes + 200);
        while text.len() < bytes {
            match kind {
                "english" => self.sentence(&mut text),
                "code" => self.line(&mut text),
                "json" => self.object(&mut text),
                "chinese" => self.han(&mut text),
                "letters" => text.push(char::from(b'a' + self.below(26) as u8)),
                _ => text.push_str(&["-", "=", "*", "#", "/"][self.below(5)].repeat(20 + self.below(400))),
            }
        }
        text
    }

    fn below(&mut self, end: usize) -> usize {
        self.state =
            self.state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        ((self.state >> 33) % end as u64) as usize
    }

    /// A place below `end`: half of the time among the first few hundred, any place at times.
    fn zipf(&mut self, end: usize) -> usize {
        let share = (1 + self.below(1 << 20)) as f64 / f64::from(1 << 20);
        (((end as f64).powf(share) - 1.0) as usize).min(end - 1)
    }

    fn word(&mut self) -> String {
        // One in twenty is a name that no vocabulary has.
        if self.below(20) == 0 {
            let syllables = ["ka", "rel", "mon", "ti", "os", "vra", "shi", "dun", "el", "pha", "qui", "zor"];
            return (0..2 + self.below(3)).map(|_| syllables[self.below(syllables.len())]).collect();
        }
        let at = self.zipf(self.words.len());
        self.words[at].clone()
    }

    fn sentence(&mut self, text: &mut String) {
        for at in 0..4 + self.below(18) {
            let mut word = self.word();
            if at == 0 || self.below(25) == 0 {
                word[..1].make_ascii_uppercase();
            }
            text.push_str(&word);
            text.push_str(match self.below(24) {
                0 | 1 => ", ",
                2 => "'s ",
                3 => " (",
                4 => "-",
                _ => " ",
            });
        }
        if self.below(4) == 0 {
            text.push_str(&self.below(3000).to_string());
        }
        text.push_str(if self.below(6) == 0 { ".\n\n" } else { ". " });
    }

    fn line(&mut self, text: &mut String) {
        text.push_str(&"    ".repeat(self.below(5)));
        let name = [self.word(), self.word()].join("_");
        let (kind, field) = (self.word(), self.word());
        let digits = self.below(20);
        let number = self.below(2 << digits);
        match self.below(6) {
            0 => text.push_str(&format!("let {name} = self.{field}.get({number})?;\n")),
            1 => text.push_str(&format!(
                "if {name}.{field}() != {number} {{ return Err(\"{kind} {field}\".into()); }}\n"
            )),
            2 => text.push_str(&format!("// {kind} {} {name}: see {field}.\n", self.word())),
            3 => text.push_str(&format!("pub fn {name}(&mut self, {field}: &[u8]) -> Option<{kind}> {{\n")),
            4 => text.push_str(&format!("{name}[{number}] += {field} << {};\n}}\n\n", number % 64)),
            _ => text.push_str(&format!("for ({kind}, {field}) in {name}.iter().zip(&self.{kind}) {{\n")),
        }
    }

    fn object(&mut self, text: &mut String) {
        let id: String = (0..16).map(|_| char::from(b"0123456789abcdef"[self.below(16)])).collect();
        let (name, role, body) =
            (self.word(), self.word(), [self.word(), self.word(), self.word()].join(" "));
        let number = self.below(1_000_000);
        text.push_str(&format!(
            "{{\"id\":\"{id}\",\"{name}\":{number},\"role\":\"{role}\",\"content\":\"{body}\",\"score\":0.{number},\"ok\":true}},"
        ));
    }

    fn han(&mut self, text: &mut String) {
        for _ in 0..4 + self.below(14) {
            let at = self.zipf(self.ideographs.len());
            text.push_str(&self.ideographs[at].clone());
        }
        text.push_str(if self.below(3) == 0 { "。" } else { "," });
    }
}
