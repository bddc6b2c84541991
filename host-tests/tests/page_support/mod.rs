//! Looks at pages: what stands in them, and what a real browser draws of them. Called by the tests of every page.
//! Where no Chromium is found the test says so; `.ci/run` installs it.

use std::path::{Path, PathBuf};
use std::process::Command;

/// Nothing is fetched, every plot has a name and its numbers, and no id stands twice. How many plots there are.
pub(crate) fn stands_alone(html: &str) -> usize {
    for fetched in ["src=", "<link", "@import", "url(", "<script"] {
        assert!(!html.contains(fetched), "`{fetched}`");
    }
    let count = |text: &str| html.matches(text).count();
    assert_eq!(count("role=\"img\" aria-label=\""), count("<svg"));
    assert_eq!(count("<svg"), count("<details>"), "a plot without its numbers");
    let ids: Vec<&str> = html.split(" id=\"").skip(1).map(|rest| rest.split('"').next().unwrap()).collect();
    let mut once = ids.clone();
    once.sort_unstable();
    once.dedup();
    assert_eq!(once.len(), ids.len(), "an id stands twice: {ids:?}");
    // A user's name is text, whatever it is.
    assert!(!html.contains("<script>") && html.starts_with("<!DOCTYPE html><html lang=\"en\">"));
    count("<svg")
}

fn chromium() -> Option<&'static str> {
    let runs = |name: &&str| {
        Command::new(name).arg("--version").output().is_ok_and(|output| output.status.success())
    };
    ["chromium", "chromium-browser", "google-chrome"].into_iter().find(runs)
}

/// What Chromium makes of the page.
fn browse(browser: &str, args: &[&str], page: &Path) -> Vec<u8> {
    // Chromium locks its folder: tests run side by side.
    let name = page.file_stem().unwrap().to_string_lossy().into_owned();
    let home = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("chromium").join(name);
    let output = Command::new(browser)
        .args([
            "--headless=new",
            "--no-sandbox",
            "--disable-gpu",
            "--hide-scrollbars",
            "--virtual-time-budget=2000",
        ])
        .arg(format!("--user-data-dir={}", home.display()))
        .args(args)
        .arg(format!("file://{}", page.display()))
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    output.stdout
}

/// How much of a PNG is not of its first pixel's colour, in thousandths; and that pixel's brightness.
fn drawn(path: &Path) -> (usize, u32) {
    let decoder = png::Decoder::new(std::io::BufReader::new(std::fs::File::open(path).unwrap()));
    let mut reader = decoder.read_info().unwrap();
    let mut pixels = vec![0; reader.output_buffer_size().unwrap()];
    let info = reader.next_frame(&mut pixels).unwrap();
    let each = info.color_type.samples();
    let paper = pixels[..each].to_vec();
    let other = pixels.chunks(each).filter(|pixel| **pixel != *paper).count();
    (other * 1_000 / (pixels.len() / each), paper[..3].iter().map(|part| u32::from(*part)).sum::<u32>() / 3)
}

/// A browser draws the page, about so high, by day, by night and for paper.
pub(crate) fn is_drawn(path: &Path, height: u32) {
    let Some(browser) = chromium() else {
        eprintln!("skipped: there is no Chromium (Debian: apt-get install chromium)");
        return;
    };
    let name = path.file_stem().unwrap().to_string_lossy().into_owned();
    let shot = |time: &str, more: &[&str]| {
        let picture = path.with_file_name(format!("{name}-{time}.png"));
        let screenshot = format!("--screenshot={}", picture.display());
        let size = format!("--window-size=1100,{height}");
        browse(browser, &[&[screenshot.as_str(), size.as_str()], more].concat(), path);
        drawn(&picture)
    };
    let (by_day, paper) = shot("day", &["--blink-settings=preferredColorScheme=1"]);
    let (by_night, night) = shot("night", &["--blink-settings=preferredColorScheme=0"]);
    assert!(
        by_day > 30 && by_night > 30,
        "hardly anything is drawn: {by_day} and {by_night} of 1,000 pixels"
    );
    assert!(paper > 200 && night < 60, "paper has the brightness {paper} by day and {night} by night");
    let printed = path.with_file_name(format!("{name}.pdf"));
    browse(browser, &[&format!("--print-to-pdf={}", printed.display())], path);
    assert!(std::fs::read(&printed).unwrap().starts_with(b"%PDF"));
}
