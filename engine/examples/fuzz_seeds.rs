//! Writes seeds for `engine/fuzz` from recorded traffic: `cargo xtask fuzz` calls it with the folder to write to.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    clippy::disallowed_methods,
    reason = "a tool may stop where it fails"
)]

#[path = "../tests/checks/mod.rs"]
mod checks;
#[path = "../tests/recordings/mod.rs"]
mod recordings;

use recordings::Exchange;
use std::collections::HashMap;
use std::path::{Path, PathBuf};

/// Longer inputs make a fuzzer slow, and find little more.
const BYTES_MAX: usize = 8192;
/// Seeds of one target and kind.
const EACH_MAX: usize = 40;

struct Seeds {
    folder: PathBuf,
    written: HashMap<String, usize>,
}

impl Seeds {
    fn add(&mut self, target: &str, kind: &str, head: &[u8], body: &[u8]) {
        let count = self.written.entry(format!("{target}-{kind}")).or_default();
        if body.len() > BYTES_MAX || *count >= EACH_MAX {
            return;
        }
        let folder = self.folder.join(target);
        std::fs::create_dir_all(&folder).expect("a folder for seeds");
        std::fs::write(folder.join(format!("seed-{kind}-{count}")), [head, body].concat()).expect("a seed");
        *count += 1;
    }

    fn exchange(&mut self, exchange: &Exchange) {
        let Some(route) = exchange.route() else { return };
        let (name, request, response) = (route.dialect.name, exchange.request(), exchange.response());
        let place = (0_u8..).take(checks::PLACES.len()).find(|n| checks::route(*n).dialect.name == name);
        let Some(place) = place else { return };
        let head = format!("{} {}\n", exchange.url_host, exchange.url_path);
        self.add("requests", name, head.as_bytes(), &request);
        self.add("splices", name, &[place], &request);
        if request.starts_with(b"--") {
            self.add("multipart", name, &[], &request);
        }
        let cut = [place, 0x55, 0x55];
        let target = match exchange.framing.as_deref().unwrap_or_default() {
            "sse" => "sse",
            "aws-eventstream" => "event_stream",
            "ndjson" | "json-array" => "lines",
            _ => "answers",
        };
        self.add(target, name, &cut, &response);
        // A type that says nothing may carry any of them.
        self.add("answers", &format!("{target}-{name}"), &cut, &response);
    }
}

/// The beginnings of pictures, and each way to send one.
fn pictures(seeds: &mut Seeds) {
    let jpeg = [
        &b"\xFF\xD8\xFF\xE0\0\x10JFIF\0\x01\x01\0\0\x01\0\x01\0\0"[..],
        b"\xFF\xC0\0\x11\x08\x03\0\x04\0\x03",
    ];
    let kinds = [
        ("png", b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\x04\0\0\0\x03\0\x08\x06\0\0\0\x01\x02\x03\x04".to_vec()),
        ("jpeg", jpeg.concat()),
        ("gif", b"GIF89a\0\x04\0\x03\xF7\0\0".to_vec()),
        ("webp", b"RIFF\0\0\0\0WEBPVP8X\x0a\0\0\0\0\0\0\0\xFF\x03\0\xFF\x02\0".to_vec()),
        ("lossy", b"RIFF\0\0\0\0WEBPVP8 \0\0\0\0\0\0\0\x9d\x01\x2a\0\x04\0\x03\0\0".to_vec()),
        ("lossless", b"RIFF\0\0\0\0WEBPVP8L\0\0\0\0\x2f\xFF\xC3\xBF\0\0\0\0".to_vec()),
        ("pdf", b"%PDF-1.7\n".to_vec()),
    ];
    for place in 0..6 {
        for (kind, picture) in &kinds {
            seeds.add("images", kind, &[place], picture);
        }
    }
}

fn main() {
    let folder = std::env::args().nth(1).expect("the folder for the seeds");
    let mut seeds = Seeds { folder: Path::new(&folder).to_owned(), written: HashMap::new() };
    pictures(&mut seeds);
    let exchanges = recordings::all(&mut |exchange| seeds.exchange(&exchange));
    println!("{} seeds from {exchanges} exchanges", seeds.written.values().sum::<usize>());
}
