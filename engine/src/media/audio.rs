//! How long a recording is, by the header of WAV and MP3 and the bytes that follow. Called by `media`.
//!
//! Formats: WAV (Microsoft, Multimedia Programming Interface 1.0: the byte rate of the `fmt ` chunk), MP3
//! (ISO/IEC 11172-3 and 13818-3: the bit rate of the first frame), its Xing header (the number of frames, in the
//! first frame of those with other rates: `mpg123`, `LAME`), ID3 (id3.org, v2.4).

/// Kilobits a second by the four bits of a layer III frame header: MPEG 1, and MPEG 2 and 2.5.
const RATES: [[u64; 16]; 2] = [
    [0, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 0],
    [0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160, 0],
];

/// Samples a second by two bits: MPEG 1, MPEG 2, MPEG 2.5.
const SAMPLES: [[u64; 4]; 3] =
    [[44_100, 48_000, 32_000, 0], [22_050, 24_000, 16_000, 0], [11_025, 12_000, 8_000, 0]];

/// The header of a recording that is being read.
#[derive(Debug, Default)]
pub(super) struct Audio {
    /// Bytes seen.
    at: u64,
    /// The ten bytes that may be an ID3 tag, or begin a frame or a WAV file.
    head: Vec<u8>,
    /// The first frame, behind a tag.
    frame: Vec<u8>,
    /// Where the sound begins.
    start: u64,
    /// Bytes a second of a WAV file: the four bytes at 28.
    wav: Vec<u8>,
}

const TAG: usize = 10;
/// A frame's header, the longest side information, and a Xing header up to the number of frames.
const FRAME: usize = 4 + 32 + 12;
/// Where a WAV file whose first chunk is `fmt ` has its byte rate, and where its samples begin at the earliest.
const WAV_RATE_AT: u64 = 28;
const WAV_HEADER: u64 = 44;

impl Audio {
    pub(super) fn byte(&mut self, byte: u8) {
        if self.head.len() < TAG {
            self.head.push(byte);
            if self.head.len() == TAG {
                self.start = tag_length(&self.head);
            }
        }
        let is_wav = self.head.starts_with(b"RIFF");
        if is_wav && self.at >= WAV_RATE_AT && self.wav.len() < 4 {
            self.wav.push(byte);
        }
        self.at = self.at.saturating_add(1);
        // Without a tag the frame is the head's continuation: it is copied once the head is whole.
        if self.head.len() < TAG || is_wav || self.frame.len() >= FRAME {
            return;
        }
        if self.start == 0 && self.frame.is_empty() {
            self.frame.extend_from_slice(&self.head);
        } else if self.at > self.start {
            self.frame.push(byte);
        }
    }

    /// Milliseconds, if the header was one of a recording.
    pub(super) fn milliseconds(&self) -> Option<u64> {
        if self.head.starts_with(b"RIFF") {
            let rate = u32::from_le_bytes(self.wav.as_slice().try_into().ok()?);
            let bytes = self.at.saturating_sub(WAV_HEADER);
            return bytes.saturating_mul(1000).checked_div(u64::from(rate));
        }
        let frame = Frame::new(&self.frame)?;
        let bytes = self.at.saturating_sub(self.start);
        let samples = frame.count.map(|count| count.saturating_mul(frame.samples));
        match samples {
            Some(samples) => samples.saturating_mul(1000).checked_div(frame.samples_per_second),
            None => bytes.saturating_mul(1000).checked_div(frame.bytes_per_second),
        }
    }
}

/// What an MP3's first frame says.
struct Frame {
    bytes_per_second: u64,
    samples_per_second: u64,
    /// In each frame.
    samples: u64,
    /// The frames of the file, if it says so.
    count: Option<u64>,
}

impl Frame {
    fn new(frame: &[u8]) -> Option<Self> {
        let &[sync, kind, rate, ..] = frame else { return None };
        // Eleven bits of sync, any version but the reserved one, layer III.
        if sync != 0xFF || kind & 0xE0 != 0xE0 || kind & 0x06 != 0x02 {
            return None;
        }
        let version = match kind >> 3 & 3 {
            3 => 0,
            2 => 1,
            0 => 2,
            _ => return None,
        };
        let kilobits = *RATES.get(version.min(1))?.get(usize::from(rate >> 4))?;
        let samples_per_second = *SAMPLES.get(version)?.get(usize::from(rate >> 2 & 3))?;
        let is_sound = kilobits > 0 && samples_per_second > 0;
        is_sound.then(|| Self {
            bytes_per_second: kilobits.saturating_mul(125),
            samples_per_second,
            samples: if version == 0 { 1_152 } else { 576 },
            count: frame_count(frame),
        })
    }
}

/// The number of frames by a Xing header, whose place depends on version and channels.
fn frame_count(frame: &[u8]) -> Option<u64> {
    let at = [b"Xing", b"Info"].iter().find_map(|name| memchr::memmem::find(frame, *name))?;
    let number = |at: usize| Some(u32::from_be_bytes(frame.get(at..at.checked_add(4)?)?.try_into().ok()?));
    let states_frames = number(at.saturating_add(4))? & 1 == 1;
    states_frames.then(|| number(at.saturating_add(8))).flatten().map(u64::from)
}

/// The bytes of an ID3 tag with its header; 0 if there is none.
fn tag_length(head: &[u8]) -> u64 {
    let (true, Some(size)) = (head.starts_with(b"ID3"), head.get(6..10)) else { return 0 };
    size.iter().fold(0_u64, |size, byte| size << 7 | u64::from(byte & 0x7F)).saturating_add(TAG as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn milliseconds(head: &[u8], length: usize) -> Option<u64> {
        let mut audio = Audio::default();
        let zeros = std::iter::repeat_n(0, length.saturating_sub(head.len()));
        head.iter().copied().chain(zeros).for_each(|byte| audio.byte(byte));
        audio.milliseconds()
    }

    #[test]
    fn the_length_follows_from_the_header_and_the_bytes() {
        let mut wav = b"RIFF\0\0\0\0WAVEfmt \x10\0\0\0\x01\0\x01\0".to_vec();
        wav.extend(24_000_u32.to_le_bytes());
        wav.extend(48_000_u32.to_le_bytes());
        assert_eq!(milliseconds(&wav, 48_044), Some(1_000));
        // MPEG 1 at 128 kbit/s, alone and behind a tag of 300 bytes; MPEG 2 at 48 kbit/s.
        assert_eq!(milliseconds(&[0xFF, 0xFB, 0x90, 0], 32_000), Some(2_000));
        assert_eq!(milliseconds(&[0xFF, 0xF3, 0x64, 0], 12_000), Some(2_000));
        let mut tagged = b"ID3\x04\0\0\0\0\x02\x2c".to_vec();
        tagged.extend([0; 300]);
        tagged.extend([0xFF, 0xFB, 0x90, 0]);
        assert_eq!(milliseconds(&tagged, 16_310), Some(1_000));
        // A Xing header counts frames of 1,152 samples: what the first frame's rate says is wrong then.
        let mut counted = vec![0xFF, 0xFB, 0x50, 0];
        counted.extend([0; 32]);
        counted.extend(b"Info\0\0\0\x01\0\0\0\x7d");
        assert_eq!(milliseconds(&counted, 52_000), Some(125 * 1152 * 1000 / 44_100));
    }

    #[test]
    fn what_is_no_recording_has_no_length() {
        for head in
            [&b""[..], b"RIFF", b"ID3\x04\0\0\x7f\x7f\x7f\x7f", b"\xFF\xFB\xF0\0", b"\x89PNG\r\n\x1a\n\0\0"]
        {
            assert_eq!(milliseconds(head, 100), None, "{head:?}");
        }
        assert_eq!(milliseconds(b"RIFF\0\0\0\0WAVEfmt \x10\0\0\0\x01\0\x01\0", 100), None, "no byte rate");
    }
}
