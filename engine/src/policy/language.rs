//! Sentences in several languages, and which of them a caller reads: the lookup of RFC 4647, section 3.4, over
//! `accept-language` (RFC 9110, section 12.5.4).
//!
//! Sentences without a language are English, as all that are not the policy's own.

use super::PolicyErrors;
use super::compile::Compiler;
use super::named::Named;
use super::template::Template;
use deserr::{DeserializeError, Deserr, ErrorKind, IntoValue, Value, ValueKind, ValuePointerRef};

/// A sentence as written: one text, or one for each language.
#[derive(Debug)]
pub(super) enum Message {
    One(String),
    Each(Named<String>),
}

impl Deserr<PolicyErrors> for Message {
    fn deserialize_from_value<V: IntoValue>(
        value: Value<V>,
        location: ValuePointerRef,
    ) -> Result<Self, PolicyErrors> {
        match value {
            Value::String(text) => Ok(Self::One(text)),
            Value::Map(map) => Named::deserialize_from_value(Value::<V>::Map(map), location).map(Self::Each),
            actual => {
                let accepted = &[ValueKind::String, ValueKind::Map];
                let kind = ErrorKind::IncorrectValueKind { actual, accepted };
                Err(super::named::all(PolicyErrors::error::<V>(None, kind, location)))
            }
        }
    }
}

/// One sentence in every language that the policy has it in.
#[derive(Debug, Clone, Default)]
pub struct Messages {
    /// For whoever reads none of the others.
    default: Template,
    others: Vec<(String, Template)>,
}

impl Messages {
    /// The sentence for this `accept-language`, and the tag of its language; no tag: the default, which is English.
    #[must_use]
    pub fn pick(&self, accepted: &str) -> (&str, &Template) {
        let default = ("", &self.default);
        if self.others.is_empty() {
            return default;
        }
        let english = |range: &str| range.split('-').next().is_some_and(|l| l.eq_ignore_ascii_case("en"));
        let mut ranges: Vec<(u32, &str)> = accepted.split(',').take(RANGES_MAX).filter_map(range).collect();
        while let Some(range) = take_best(&mut ranges) {
            let mut wanted = range;
            loop {
                let found = self.others.iter().find(|(tag, _)| tag.eq_ignore_ascii_case(wanted));
                if let Some((tag, template)) = found {
                    return (tag, template);
                }
                let Some((shorter, _)) = wanted.rsplit_once('-') else { break };
                // A subtag of one letter only begins what stood behind it.
                wanted = match shorter.rsplit_once('-') {
                    Some((shortest, single)) if single.len() == 1 => shortest,
                    _ => shorter,
                };
            }
            // The default is one of the languages that are there.
            if english(range) {
                return default;
            }
        }
        default
    }

    /// The same sentences; where the policy has none of its own for everyone, this one of ours.
    pub(super) fn or_else(&self, wire: Option<&Message>, ours: &str) -> Self {
        let is_own = match wire {
            Some(Message::One(_)) => true,
            Some(Message::Each(each)) => each.named("en").is_some(),
            None => false,
        };
        let ours = Template::parse(ours).ok().filter(|_| !is_own);
        Self { default: ours.unwrap_or_else(|| self.default.clone()), others: self.others.clone() }
    }

    /// Whether any of them says this.
    #[must_use]
    pub fn say(&self, name: &str) -> bool {
        self.all().any(|template| template.says(name))
    }

    /// The first placeholder that is none of these.
    pub(super) fn other_than(&self, names: &[&str]) -> Option<&'static str> {
        self.all().find_map(|template| template.other_than(names))
    }

    fn all(&self) -> impl Iterator<Item = &Template> {
        self.others.iter().map(|(_, template)| template).chain([&self.default])
    }

    /// Whether callers are told different sentences.
    pub(super) const fn are_several(&self) -> bool {
        !self.others.is_empty()
    }
}

/// The first of those that weigh most. A handful of them needs no sorting.
fn take_best<'a>(ranges: &mut Vec<(u32, &'a str)>) -> Option<&'a str> {
    let most = ranges.iter().map(|(weight, _)| *weight).max()?;
    let at = ranges.iter().position(|(weight, _)| *weight == most)?;
    Some(ranges.remove(at).1)
}

/// More than a browser sends; what stands behind them is not read.
const RANGES_MAX: usize = 32;

/// `de-CH;q=0.8`, its weight in thousandths. One that is not acceptable is none, and `*` says nothing in a lookup.
fn range(text: &str) -> Option<(u32, &str)> {
    let (range, weight) = text.split_once(';').unwrap_or((text, "q=1"));
    let weight = weight.trim().strip_prefix(['q', 'Q'])?.trim_start().strip_prefix('=')?.trim();
    let (whole, part) = weight.split_once('.').unwrap_or((weight, ""));
    let digits = format!("{part:0<3}");
    let weight =
        whole.parse::<u32>().ok()?.saturating_mul(1000).saturating_add(digits.get(..3)?.parse().ok()?);
    let range = range.trim();
    (weight > 0 && range != "*" && !range.is_empty()).then_some((weight, range))
}

impl Compiler<'_> {
    /// A sentence with its placeholders checked, in each of its languages; `default` where the policy has none.
    pub(super) fn messages(&mut self, path: &str, wire: Option<&Message>, default: &str) -> Messages {
        let mut messages = Messages::default();
        let own = match wire {
            Some(Message::Each(each)) => {
                for (tag, text) in each.iter().filter(|(tag, _)| *tag != "en") {
                    let path = format!("{path}.{tag}");
                    if !is_tag(tag) {
                        let wrong = format!("`{tag}` is no language tag; write it like `de` or `pt-BR`");
                        self.errors.add(&path, wrong);
                    } else if each.names().any(|other| other != tag && other.eq_ignore_ascii_case(tag)) {
                        self.errors.add(&path, "this language stands twice");
                    }
                    let template = self.template(&path, text);
                    messages.others.push((tag.clone(), template));
                }
                each.named("en")
            }
            Some(Message::One(text)) => Some(text),
            None => None,
        };
        let path = if messages.are_several() { format!("{path}.en") } else { path.to_owned() };
        messages.default = self.template(&path, own.map_or(default, String::as_str));
        messages
    }

    fn template(&mut self, path: &str, text: &str) -> Template {
        Template::parse(text).unwrap_or_else(|message| {
            self.errors.add(path, message);
            Template::default()
        })
    }
}

/// RFC 5646, section 2.1, by its shape: a language of two to eight letters and subtags of up to eight letters and
/// digits.
fn is_tag(tag: &str) -> bool {
    let mut parts = tag.split('-');
    let is_language =
        |part: &str| (2..=8).contains(&part.len()) && part.bytes().all(|b| b.is_ascii_alphabetic());
    let is_subtag =
        |part: &str| (1..=8).contains(&part.len()) && part.bytes().all(|b| b.is_ascii_alphanumeric());
    parts.next().is_some_and(is_language) && parts.all(is_subtag)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_language_is_looked_up_as_rfc_4647_does() {
        let template = |text: &str| Template::parse(text).unwrap();
        let others = ["de", "pt-BR", "zh-Hant"].map(|tag| (tag.to_owned(), template(tag)));
        let messages = Messages { default: template(""), others: others.to_vec() };
        for (accepted, expected) in [
            ("", ""),
            ("de", "de"),
            ("DE-ch-1996", "de"),
            // Section 3.4's own example: single letters go with what they begin.
            ("zh-Hant-CN-x-private1-private2", "zh-Hant"),
            ("zh", ""),
            ("pt", ""),
            ("pt-br", "pt-BR"),
            ("fr-CH, fr;q=0.9, en;q=0.8, de;q=0.7, *;q=0.5", ""),
            ("fr-CH, fr;q=0.9, de;q=0.8, en;q=0.7", "de"),
            ("de;q=0.5, pt-BR ; q=0.75", "pt-BR"),
            ("de;q=0", ""),
            ("de;q=0.001", "de"),
            ("en-GB, de;q=0.9", ""),
            ("*", ""),
            ("de;q=x, pt-BR;q=0.1", "pt-BR"),
            (";,;q=1,-,de-", "de"),
        ] {
            assert_eq!(messages.pick(accepted).0, expected, "{accepted}");
        }
    }

    #[test]
    fn a_tag_is_one_by_its_shape() {
        for tag in ["de", "de-CH", "zh-Hant-TW", "sl-rozaj-biske-1994", "es-419", "en"] {
            assert!(is_tag(tag), "{tag}");
        }
        for tag in ["", "d", "de_DE", "de-", "-de", "*", "german-language9", "123"] {
            assert!(!is_tag(tag), "{tag}");
        }
    }
}
