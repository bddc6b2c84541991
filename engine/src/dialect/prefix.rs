//! What of a request stands before its conversation: the text of the system or developer, and the tools. Providers
//! cache prompts by how they begin, so this is the part that they can keep from one conversation to the next.
//!
//! Found in the pass that reads the facts, as places in the body: no text is kept. The names do not clash, so one
//! function says it for all dialects.

use crate::json::{Event, Key as K, Visitor};
use siphasher::sip::SipHasher13;
use std::hash::Hasher;
use std::ops::Range;

/// Parts that are kept. Real requests have a handful; what follows belongs to the conversation.
const PARTS_MAX: usize = 32;
/// Longer than every word for a role.
const ROLE_MAX: usize = 16;

/// A part of the prefix.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PrefixPart {
    /// The key at the top that it stands under.
    key: K,
    /// It is one of several messages there.
    is_message: bool,
    /// Where it stands in the body.
    span: Range<usize>,
}

/// What a path has to do with the prefix.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    /// All that stands here belongs to it.
    Whole,
    /// It belongs to it if all before it do, and the system speaks.
    Message,
    /// Who speaks.
    Role,
}

fn place(path: &[K]) -> Option<Place> {
    Some(match path {
        [
            K::Tools
            | K::Functions
            | K::ToolConfig
            | K::System
            | K::SystemInstruction
            | K::SystemInstructionSnake
            | K::Instructions,
        ] => Place::Whole,
        [K::Messages | K::Input, K::Item] => Place::Message,
        [K::Messages | K::Input, K::Item, K::Role] => Place::Role,
        _ => return None,
    })
}

/// Looks for the prefix while a body is read.
#[derive(Debug, Default)]
pub(crate) struct PrefixFinder {
    parts: Vec<PrefixPart>,
    /// Where the event at hand stands.
    span: Range<usize>,
    /// Where the value at hand begins.
    start: usize,
    role: Vec<u8>,
    /// A message of somebody else stood already.
    is_over: bool,
}

impl PrefixFinder {
    /// The parts in the order in which providers put them: tools, then what the system says.
    pub(crate) fn parts(mut self) -> Vec<PrefixPart> {
        let rank = |part: &PrefixPart| match part.key {
            K::Tools | K::Functions | K::ToolConfig => 0,
            _ if !part.is_message => 1,
            _ => 2,
        };
        self.parts.sort_by_key(rank);
        self.parts
    }

    fn push(&mut self, path: &[K], end: usize, is_message: bool) {
        if let (Some(key), true) = (path.first(), self.parts.len() < PARTS_MAX) {
            self.parts.push(PrefixPart { key: *key, is_message, span: self.start..end });
        }
    }
}

impl Visitor for PrefixFinder {
    fn at(&mut self, span: Range<usize>) {
        self.span = span;
    }

    fn event(&mut self, path: &[K], event: Event<'_>) {
        // Most of a body stands deeper.
        if path.len() > 3 {
            return;
        }
        match (place(path), event) {
            (Some(Place::Whole), Event::Begin(_)) => self.start = self.span.start,
            (Some(Place::Whole), Event::End) => self.push(path, self.span.end, false),
            (Some(Place::Whole), Event::TextBegin { at }) => self.start = at,
            (Some(Place::Whole), Event::TextEnd { end }) => self.push(path, end, false),
            (Some(Place::Message), Event::Begin(_)) => {
                self.start = self.span.start;
                self.role.clear();
            }
            (Some(Place::Message), Event::End) => {
                self.is_over |= !matches!(self.role.as_slice(), b"system" | b"developer");
                if !self.is_over {
                    self.push(path, self.span.end, true);
                }
            }
            (Some(Place::Role), Event::TextBegin { .. }) => self.role.clear(),
            (Some(Place::Role), Event::Text(piece)) => {
                let room = ROLE_MAX.saturating_sub(self.role.len()).min(piece.len());
                self.role.extend_from_slice(piece.get(..room).unwrap_or_default());
            }
            _ => {}
        }
    }
}

/// A keyed hash of a prefix: who has the key and no prompt learns nothing from it.
pub(crate) fn hash(parts: &[PrefixPart], body: &[u8], seed: u64) -> u64 {
    let mut hasher = SipHasher13::new_with_keys(seed, PURPOSE);
    for part in parts {
        // Names and lengths part them, so that no two prefixes run together.
        let (name, text) = (part.key.name().as_bytes(), body.get(part.span.clone()).unwrap_or_default());
        for field in [name, text] {
            hasher.write_u64(field.len() as u64);
            hasher.write(field);
        }
    }
    hasher.finish()
}

/// Keeps these hashes apart from those of keys and cookies.
const PURPOSE: u64 = 3;

/// A request that has the prefix and nothing else.
pub(crate) fn alone(parts: &[PrefixPart], body: &[u8]) -> Vec<u8> {
    let mut out = b"{".to_vec();
    let mut before: Option<&PrefixPart> = None;
    for part in parts {
        let goes_on =
            before.is_some_and(|other| other.is_message && part.is_message && other.key == part.key);
        if !goes_on {
            close(&mut out, before);
            out.extend_from_slice(format!("\"{}\":", part.key.name()).as_bytes());
            out.extend_from_slice(if part.is_message { b"[" } else { b"" });
        } else {
            out.push(b',');
        }
        out.extend_from_slice(body.get(part.span.clone()).unwrap_or_default());
        before = Some(part);
    }
    close(&mut out, before);
    // Behind the last part stands a comma, as behind each.
    if out.last() == Some(&b',') {
        out.pop();
    }
    out.push(b'}');
    out
}

fn close(out: &mut Vec<u8>, part: Option<&PrefixPart>) {
    if let Some(part) = part {
        out.extend_from_slice(if part.is_message { b"]," } else { b"," });
    }
}

#[cfg(test)]
mod tests;
