//! Images and files as they stand in JSON: base64, or a data URL, fed in pieces cut anywhere. Finds width and
//! height in the header of PNG, JPEG, GIF and WebP, how long a recording is and how many pages a PDF has, without
//! keeping any of it.
//!
//! Formats: PNG (W3C, 11.2.2 IHDR), GIF89a (section 18), JPEG (ITU T.81, annex B: SOFn), WebP (RFC 9649).

mod audio;
mod pdf;

use audio::Audio;
use pdf::Pdf;

/// Bytes of a header that are kept: PNG, GIF and WebP say their size within them.
const HEAD: usize = 32;

/// An image that is being read.
#[derive(Debug, Default)]
pub(crate) struct Image {
    /// What stands before the base64: `data:image/png;base64,` is passed over.
    prefix: Prefix,
    /// What was read before that is known.
    start: Vec<u8>,
    bits: u32,
    count: u32,
    head: Vec<u8>,
    jpeg: Jpeg,
    audio: Audio,
    pdf: Pdf,
    size: Option<(u32, u32)>,
    bytes: u64,
    /// Bytes behind the prefix, and those of them that base64 does not have.
    signs: u64,
    strange: u64,
    /// The beginning of the media type that a data URL states.
    kind: Vec<u8>,
}

#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
enum Prefix {
    /// Not known yet.
    #[default]
    Start,
    /// Inside `data:…,`.
    Url,
    /// Base64 from here on.
    Body,
    /// A link: nothing to be seen.
    Foreign,
}

/// So many bytes show a link or a data URL: `https://`, `gs://`.
const START: usize = 12;
/// Longer than any link: a text that begins as one.
const LINK_MAX: u64 = 8_192;

impl Image {
    /// Takes the next piece of the string.
    pub(crate) fn push(&mut self, piece: &[u8]) {
        for &byte in piece {
            match self.prefix {
                Prefix::Body => self.base64(byte),
                Prefix::Url if byte == b',' => self.prefix = Prefix::Body,
                Prefix::Url if self.kind.len() < b"text/".len() => self.kind.push(byte),
                Prefix::Url | Prefix::Foreign => self.signs = self.signs.saturating_add(1),
                Prefix::Start => self.start(byte),
            }
        }
    }

    fn start(&mut self, byte: u8) {
        const DATA: &[u8] = b"data:";
        self.start.push(byte);
        if self.start.len() < START {
            return;
        }
        let start = std::mem::take(&mut self.start);
        let (opening, rest) = start.split_at(DATA.len());
        if opening.eq_ignore_ascii_case(DATA) {
            self.prefix = Prefix::Url;
            self.push(rest);
        } else if memchr::memmem::find(&start, b"://").is_some() {
            self.prefix = Prefix::Foreign;
        } else {
            self.prefix = Prefix::Body;
            self.push(&start);
        }
    }

    fn base64(&mut self, byte: u8) {
        self.signs = self.signs.saturating_add(1);
        let Some(value) = crate::base64::sextet(byte) else {
            let is_usual = matches!(byte, b'=' | b'\r' | b'\n');
            self.strange = self.strange.saturating_add(u64::from(!is_usual));
            return;
        };
        self.bits = (self.bits << 6 | value) & 0xFFFF;
        self.count = self.count.saturating_add(6);
        if self.count >= 8 {
            self.count = self.count.saturating_sub(8);
            self.byte(u8::try_from(self.bits >> self.count & 0xFF).unwrap_or(0));
        }
    }

    fn byte(&mut self, byte: u8) {
        self.bytes = self.bytes.saturating_add(1);
        if self.head.len() < HEAD {
            self.head.push(byte);
            if self.head.len() == HEAD {
                self.size = from_head(&self.head);
            }
        }
        if self.size.is_none() && self.head.starts_with(&[0xFF, 0xD8]) {
            self.size = self.jpeg.byte(byte);
        }
        self.audio.byte(byte);
        if self.is_pdf() {
            self.pdf.byte(byte);
        }
    }

    fn is_pdf(&self) -> bool {
        self.head.starts_with(b"%PDF")
    }

    /// Whether it begins as what is no image: a PDF, a film or a recording (`ftyp`: ISO 14496-12, 4.3, which pictures
    /// have too, by the brands of ISO 23008-12 and AVIF; WebM: RFC 8794, 8.1).
    pub(crate) fn is_other(&self) -> bool {
        const PICTURES: [&[u8]; 9] =
            [b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"avif", b"avis"];
        let is_film = self.head.get(4..8) == Some(b"ftyp")
            && self.head.get(8..12).is_some_and(|brand| !PICTURES.contains(&brand));
        self.is_pdf() || is_film || self.head.starts_with(&[0x1A, 0x45, 0xDF, 0xA3])
    }

    /// How long it is, if it is a recording in a known format.
    pub(crate) fn milliseconds(&self) -> Option<u64> {
        self.audio.milliseconds()
    }

    /// How many pages it has, if it is a PDF that shows them.
    pub(crate) fn pages(&self) -> Option<u64> {
        Some(self.pdf.pages()).filter(|pages| self.is_pdf() && *pages > 0)
    }

    /// Width and height in pixels, if the header was seen.
    pub(crate) fn size(&self) -> Option<(u32, u32)> {
        self.size.or_else(|| from_head(&self.head)).filter(|(width, height)| *width > 0 && *height > 0)
    }

    /// Whether it says that it is a text, or cannot be base64 and is no link.
    pub(crate) fn is_text(&self) -> bool {
        match self.prefix {
            Prefix::Url | Prefix::Foreign => self.signs > LINK_MAX,
            _ => self.kind.starts_with(b"text/") || self.strange > 0,
        }
    }

    /// Whether it is a text that stands for itself.
    pub(crate) fn is_plain_text(&self) -> bool {
        self.strange > 0 && self.kind.is_empty() && self.prefix == Prefix::Body
    }

    /// The bytes of a text.
    pub(crate) const fn text_bytes(&self) -> u64 {
        if self.bytes == 0 || self.strange > 0 { self.signs } else { self.bytes }
    }

    /// How many bytes it has, decoded; 0 for a link.
    pub(crate) const fn decoded_bytes(&self) -> u64 {
        self.bytes
    }
}

fn from_head(head: &[u8]) -> Option<(u32, u32)> {
    let be = |at: usize| Some(u32::from_be_bytes(head.get(at..at.checked_add(4)?)?.try_into().ok()?));
    let le16 =
        |at: usize| Some(u32::from(u16::from_le_bytes(head.get(at..at.checked_add(2)?)?.try_into().ok()?)));
    let le24 = |at: usize| Some(le16(at)? | u32::from(*head.get(at.checked_add(2)?)?) << 16);
    if head.starts_with(b"\x89PNG\r\n\x1a\n") {
        return Some((be(16)?, be(20)?));
    }
    if head.starts_with(b"GIF8") {
        return Some((le16(6)?, le16(8)?));
    }
    if !(head.starts_with(b"RIFF") && head.get(8..12)? == b"WEBP") {
        return None;
    }
    match head.get(12..16)? {
        b"VP8 " => Some((le16(26)? & 0x3FFF, le16(28)? & 0x3FFF)),
        b"VP8L" => {
            let bits = le16(21)? | le16(23)? << 16;
            Some(((bits & 0x3FFF).saturating_add(1), (bits >> 14 & 0x3FFF).saturating_add(1)))
        }
        b"VP8X" => Some((le24(24)?.saturating_add(1), le24(27)?.saturating_add(1))),
        _ => None,
    }
}

/// Walks JPEG segments, however long, to the frame header.
#[derive(Debug, Default)]
struct Jpeg {
    /// Bytes of the segment that are passed over.
    skip: u32,
    /// Marker, length and frame header read so far.
    seen: Vec<u8>,
    /// The image data began: no frame header any more.
    over: bool,
    started: u8,
}

impl Jpeg {
    fn byte(&mut self, byte: u8) -> Option<(u32, u32)> {
        // The first two bytes are the start of the image.
        if self.started < 2 {
            self.started = self.started.saturating_add(1);
            // The start was seen by its second byte only.
            if self.started == 1 {
                self.started = 2;
                return None;
            }
        }
        if self.over {
            return None;
        }
        if self.skip > 0 {
            self.skip = self.skip.saturating_sub(1);
            return None;
        }
        if self.seen.len() == 1 && byte == 0xFF {
            return None;
        }
        self.seen.push(byte);
        let marker = self.seen.get(1).copied();
        let is_frame = marker.is_some_and(|m| matches!(m, 0xC0..=0xCF) && !matches!(m, 0xC4 | 0xC8 | 0xCC));
        match (self.seen.len(), marker) {
            (1, _) => self.over = byte != 0xFF,
            (2, Some(0xD0..=0xD8 | 0x01)) => self.seen.clear(),
            (2, Some(0xD9 | 0xDA)) => self.over = true,
            (4, _) if !is_frame => {
                let length = self.number(2);
                self.skip = length.saturating_sub(2);
                self.over = length < 2;
                self.seen.clear();
            }
            (9, _) => {
                self.over = true;
                return Some((self.number(7), self.number(5)));
            }
            _ => {}
        }
        None
    }

    fn number(&self, at: usize) -> u32 {
        let bytes = self.seen.get(at..at.saturating_add(2)).and_then(|b| b.try_into().ok());
        bytes.map_or(0, |bytes| u32::from(u16::from_be_bytes(bytes)))
    }
}

#[cfg(test)]
#[expect(clippy::arithmetic_side_effects, reason = "small numbers of the tests")]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn encoded(bytes: &[u8]) -> String {
        const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
        bytes
            .chunks(3)
            .flat_map(|three| {
                let bits = three.iter().fold(0_u32, |bits, byte| bits << 8 | u32::from(*byte))
                    << (8 * (3 - three.len()));
                (0..=three.len()).map(move |i| char::from(DIGITS[(bits >> (18 - 6 * i) & 63) as usize]))
            })
            .collect()
    }

    fn size(text: &str, cut: usize) -> Option<(u32, u32)> {
        let mut image = Image::default();
        for piece in text.as_bytes().chunks(cut.max(1)) {
            image.push(piece);
        }
        image.size()
    }

    fn png() -> Vec<u8> {
        let mut png = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR".to_vec();
        png.extend([0, 0, 4, 0, 0, 0, 3, 0, 8, 6, 0, 0, 0, 1, 2, 3, 4]);
        png
    }

    fn jpeg() -> Vec<u8> {
        let mut jpeg = vec![0xFF, 0xD8, 0xFF, 0xE1, 0x80, 0x00];
        jpeg.extend(vec![0xC0; 0x7FFE]);
        jpeg.extend([0xFF, 0xFF, 0xC4, 0, 4, 1, 2, 0xFF, 0xC2, 0, 17, 8, 3, 0, 4, 0, 3]);
        jpeg
    }

    #[test]
    fn sizes_are_found_in_every_header_however_it_is_cut() {
        let mut webp = b"RIFF\0\0\0\0WEBPVP8X\0\0\0\0\0\0\0\0".to_vec();
        webp.extend([0xFF, 3, 0, 0xFF, 2, 0, 0, 0]);
        let mut lossy = b"RIFF\0\0\0\0WEBPVP8 \0\0\0\0\0\0\0\x9d\x01\x2a".to_vec();
        lossy.extend([0, 4, 0, 3, 0, 0]);
        let mut lossless = b"RIFF\0\0\0\0WEBPVP8L\0\0\0\0\x2f".to_vec();
        lossless.extend((1023_u32 | 767 << 14).to_le_bytes());
        let gif = b"GIF89a\x00\x04\x00\x03".to_vec();
        for bytes in [png(), jpeg(), webp, lossy, lossless, gif] {
            for text in [encoded(&bytes), format!("data:image/x;base64,{}", encoded(&bytes))] {
                for cut in [1, 3, 7, 1_000_000] {
                    assert_eq!(size(&text, cut), Some((1024, 768)), "{}", &text[..40]);
                }
            }
        }
        for text in ["https://example.com/a.png", "", "file-123", "data:", "data:image/png;base64,"] {
            assert_eq!(size(text, 3), None, "{text}");
        }
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_without_a_panic(mut bytes in prop::collection::vec(any::<u8>(), 0..200), at in 0..200_usize) {
            for start in [png(), jpeg()[..40].to_vec(), b"RIFF\0\0\0\0WEBPVP8L".to_vec(), b"GIF8".to_vec()] {
                let mut all = start.clone();
                all.truncate(at);
                all.append(&mut bytes);
                let _ = size(&encoded(&all), 5);
            }
        }
    }
}
