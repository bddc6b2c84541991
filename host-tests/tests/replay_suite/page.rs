//! The page of a replay: nothing is fetched, every plot has a name and a table, and a real browser draws it by day, by
//! night and for paper. Where no Chromium is found the test says so; `.ci/run` installs it.

use super::command::{POLICY, counts, tokenstile};
use super::file;
use std::path::{Path, PathBuf};
use std::process::Command;

/// The page of a replay of two policies; each test has files of its own.
fn page(test: &str) -> (PathBuf, String) {
    let file = |name: &str, bytes: &[u8]| file(&format!("{test}-{name}"), bytes);
    let path = file("page.html", b"");
    let (policy, trace) = (file("page.jsonc", POLICY.as_bytes()), file("page.csv", counts().as_bytes()));
    let wide = POLICY.replace("60000", "600000").replace("\"daily\"", "\"wide\"");
    let wide = file("page-wide.jsonc", wide.as_bytes());
    let text = |path: &Path| path.to_str().unwrap().to_owned();
    let (status, _, err) = tokenstile(&[
        "replay",
        "--policy",
        &text(&policy),
        "--against",
        &text(&wide),
        "--html",
        &text(&path),
        &text(&trace),
    ]);
    assert_eq!(status, 0, "{err}");
    let html = std::fs::read_to_string(&path).unwrap();
    (path, html)
}

#[test]
fn the_page_stands_alone_and_says_in_words_what_it_draws() {
    let (_, html) = page("alone");
    for fetched in ["src=", "<link", "@import", "url(", "<script"] {
        assert!(!html.contains(fetched), "`{fetched}`");
    }
    let count = |text: &str| html.matches(text).count();
    assert!(count("role=\"img\"") >= 7, "{} plots", count("role=\"img\""));
    assert_eq!(count("role=\"img\" aria-label=\""), count("<svg"));
    assert_eq!(count("<svg"), count("<details>"), "a plot without its numbers");
    let ids: Vec<&str> = html.split(" id=\"").skip(1).map(|rest| rest.split('"').next().unwrap()).collect();
    let mut once = ids.clone();
    once.sort_unstable();
    once.dedup();
    assert_eq!(once.len(), ids.len(), "an id stands twice: {ids:?}");
    // A user's name is text, whatever it is.
    assert!(!html.contains("<script>") && html.starts_with("<!DOCTYPE html><html lang=\"en\">"));
}

fn chromium() -> Option<&'static str> {
    let runs = |name: &&str| {
        Command::new(name).arg("--version").output().is_ok_and(|output| output.status.success())
    };
    ["chromium", "chromium-browser", "google-chrome"].into_iter().find(runs)
}

/// What Chromium makes of the page.
fn browse(browser: &str, args: &[&str], page: &Path) -> Vec<u8> {
    let home = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("chromium");
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

#[test]
fn a_browser_draws_the_page_by_day_by_night_and_for_paper() {
    let Some(browser) = chromium() else {
        eprintln!("skipped: there is no Chromium (Debian: apt-get install chromium)");
        return;
    };
    let (path, _) = page("browser");
    let shot = |name: &str, more: &[&str]| {
        let picture = path.with_file_name(format!("replay-{name}.png"));
        let screenshot = format!("--screenshot={}", picture.display());
        browse(browser, &[&[screenshot.as_str(), "--window-size=1100,3600"], more].concat(), &path);
        drawn(&picture)
    };
    let (by_day, paper) = shot("day", &["--blink-settings=preferredColorScheme=1"]);
    let (by_night, night) = shot("night", &["--blink-settings=preferredColorScheme=0"]);
    assert!(
        by_day > 30 && by_night > 30,
        "hardly anything is drawn: {by_day} and {by_night} of 1,000 pixels"
    );
    assert!(paper > 200 && night < 60, "paper has the brightness {paper} by day and {night} by night");
    let printed = path.with_file_name("replay-page.pdf");
    browse(browser, &[&format!("--print-to-pdf={}", printed.display())], &path);
    assert!(std::fs::read(&printed).unwrap().starts_with(b"%PDF"));
}
