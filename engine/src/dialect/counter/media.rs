//! Images, sound and files of a prompt, seen or elsewhere. Called by the pass of `counter`.

use super::Counter;
use crate::dialect::parts::PromptPart;
use crate::dialect::prompt::Adds;
use crate::media::Image;

/// A file of which nothing is seen but its name: some pages of text.
const UNSEEN_FILE_BYTES: u64 = 12_000;
/// A text shows by then that it is no base64.
const OPENING_MAX: usize = 256;

impl Counter<'_> {
    /// It may stand before its image or behind it.
    pub(super) fn detail_low(&mut self) {
        self.low = self.saving == 0;
        self.parts.take(PromptPart::Images, std::mem::take(&mut self.saving));
    }

    /// Some documents stand as plain text where others stand as base64: that shows soon.
    pub(super) fn image_piece(&mut self, piece: &[u8]) {
        let Some((_, image)) = &mut self.image else { return };
        let room = OPENING_MAX.saturating_sub(self.opening.len()).min(piece.len());
        let (opening, rest) = piece.split_at_checked(room).unwrap_or((piece, &[]));
        image.push(opening);
        self.opening.extend_from_slice(opening);
        if room == 0 || !image.is_plain_text() {
            return image.push(rest);
        }
        self.image = None;
        let mut counter = self.encoding.counter();
        counter.push(&self.opening);
        counter.push(rest);
        self.open = Some((PromptPart::Text, counter));
    }

    pub(super) fn media(&mut self, kind: Adds, image: &Image) {
        let is_elsewhere = image.decoded_bytes() == 0;
        self.is_partial |= is_elsewhere && !image.is_text();
        let is_link = kind == Adds::Image && is_elsewhere && !image.is_text();
        let is_other = image.is_text() || image.milliseconds().is_some() || image.is_other();
        let is_image = kind == Adds::Image && !is_other;
        if is_elsewhere && !image.is_text() {
            self.block.is_link = is_link;
            self.link(is_image);
        } else {
            self.images = self.images.saturating_add(u64::from(is_image));
        }
        if image.is_text() {
            // Four bytes a token is the usual mean.
            self.parts.add(PromptPart::Text, image.text_bytes().div_ceil(4));
        } else if kind == Adds::Image && is_elsewhere {
            // Counted by `link`.
        } else if kind == Adds::Image && image.size().is_some() {
            let tokens = |low| (self.counting.image)(self.model, image.size(), low);
            let spent = tokens(std::mem::take(&mut self.low));
            self.saving = spent.saturating_sub(tokens(true));
            self.parts.add(PromptPart::Images, spent);
            self.parts.add(PromptPart::ImageCount, 1);
        } else if let Some(milliseconds) = image.milliseconds() {
            self.parts.add(PromptPart::AudioMs, milliseconds);
        } else if let Some(pages) = image.pages() {
            self.parts.add(PromptPart::Pages, pages);
        } else {
            let bytes = if is_elsewhere { UNSEEN_FILE_BYTES } else { image.decoded_bytes() };
            self.parts.add(PromptPart::FileBytes, bytes);
            self.parts.add(PromptPart::Files, 1);
        }
    }

    /// What its block says of it decides; `is_image`: what it is where the block says nothing.
    pub(super) fn link(&mut self, is_image: bool) {
        let is_image = self.block.is_image.unwrap_or(is_image);
        self.images = self.images.saturating_add(u64::from(is_image));
        self.block.link = Some(is_image);
        if self.block.is_link {
            self.parts.add(unseen(is_image), 1);
        }
    }

    /// It may stand before the block's link or behind it.
    pub(super) fn kind_word(&mut self) {
        let is_image = self.word.starts_with(b"image") || self.word == b"input_image";
        self.block.is_image = Some(is_image);
        if let Some(was_image) = self.block.link.take() {
            self.images = self.images.saturating_sub(u64::from(was_image));
            if self.block.is_link {
                self.parts.take(unseen(was_image), 1);
            }
            self.link(is_image);
        }
    }
}

fn unseen(is_image: bool) -> PromptPart {
    if is_image { PromptPart::UnseenImages } else { PromptPart::UnseenFiles }
}
