//! Summaries that stand for what was said before them: <https://platform.claude.com/docs/en/build-with-claude/compaction>.
//! Called by the pass of `counter`. Whoever does not know of them reads all, so all that must be true of one is asked for.

use crate::dialect::parts::{Parts, PromptPart};
use crate::json::{Container, Event, Key};

/// How deep a message's block is: `messages`, message, `content`. One inside a tool's result is deeper.
const DEPTH: usize = 4;

/// What is known of them.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Compaction {
    /// Whether the request asks for such summaries.
    is_asked_for: bool,
    /// What there was where the conversation began, and where the block at hand did.
    conversation: Parts,
    block: Parts,
    /// How many types the block at hand has, whether one is that of a summary, and whether it says something: one that
    /// failed is empty, and stands for nothing.
    types: u8,
    is_summary: bool,
    says: bool,
    /// What the last one stands for.
    stands_for: Option<Parts>,
}

impl Compaction {
    /// A kind of edit that is asked for.
    pub(super) fn asked(&mut self, kind: &[u8]) {
        self.is_asked_for |= kind.starts_with(b"compact_");
    }

    pub(super) fn conversation(&mut self, parts: Parts) {
        self.conversation = parts;
    }

    /// A block begins or ends.
    pub(super) fn block(&mut self, path: &[Key], event: Event<'_>, parts: &Parts) {
        if path.len() != DEPTH {
            return;
        }
        if event == Event::Begin(Container::Object) {
            (self.block, self.types, self.is_summary, self.says) = (*parts, 0, false, false);
        } else if self.is_summary && self.types == 1 && self.says {
            self.stands_for = Some(self.block.without(&self.conversation));
        }
    }

    pub(super) fn kind(&mut self, path: &[Key], word: &[u8]) {
        if path.len() == DEPTH.saturating_add(1) {
            self.types = self.types.saturating_add(1);
            self.is_summary = word == b"compaction";
        }
    }

    pub(super) fn text(&mut self, path: &[Key]) {
        self.says |= path.len() == DEPTH.saturating_add(1) && path.last() == Some(&Key::Content);
    }

    /// What remains of these parts.
    pub(super) fn of(&self, parts: Parts) -> Parts {
        let Some(before) = self.stands_for.filter(|_| self.is_asked_for) else { return parts };
        let mut left = parts.without(&before);
        left.add(PromptPart::Summaries, 1);
        left
    }
}
