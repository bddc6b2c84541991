//! What a viewer sees, and which keys it has.

use crate::terminal::Terminal;
use crate::{append, file, record};
use serde_json::{Value, json};
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};
use tokenstile_host::cases::filter;
use tokenstile_host::upstream::Upstream;

const POLICY: &str = r#"{
  "version": 1, "name": "top", "hold_headers": true, "quota_path": "/.well-known/llm-quota",
  "identity": {"user": ["header:x-user-id"], "feature": ["header:x-feature"]},
  "budgets": [{"name": "daily", "per": ["user"], "limit": {"tokens": 1000}, "window": {"rolling": "24h"},
               "ladder": [{"at": "50%", "warn": {}}, {"at": "100%", "deny": {}}]}]
}"#;

/// A running `tokenstile serve` that writes its records into a file.
struct Serve {
    child: Child,
    url: String,
}

impl Serve {
    fn start(records: &Path, upstream: SocketAddr) -> Self {
        let policy = file("policy.json");
        std::fs::write(&policy, POLICY).unwrap();
        let mut child = Command::new(env!("CARGO_BIN_EXE_tokenstile"))
            .args(["serve", "--listen", "127.0.0.1:0", "--upstream", &format!("http://{upstream}")])
            .arg("--wasm")
            .arg(filter::path().unwrap())
            .arg("--policy")
            .arg(&policy)
            .arg("--records")
            .arg(records)
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let url = line.split(' ').find(|word| word.starts_with("http://")).unwrap();
        let url = url.trim_end_matches([';', ',', '\n']).to_owned();
        Self { child, url }
    }

    /// One call, answered to its end.
    fn call(&self, user: &str) {
        let body =
            json!({"model": "gpt-4o", "messages": [{"role": "user", "content": "Say hello."}]}).to_string();
        let mut stream = TcpStream::connect(self.url.trim_start_matches("http://")).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
        let head = format!(
            "POST /v1/chat/completions HTTP/1.1\r\nhost: llm\r\nconnection: close\r\nx-user-id: {user}\r\nx-feature: chat\r\n\
             x-sim-output-tokens: 600\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n",
            body.len()
        );
        stream.write_all((head + &body).as_bytes()).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        assert!(answer.starts_with("HTTP/1.1 "), "{answer}");
    }
}

impl Drop for Serve {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The records of a file, once there are so many.
fn records(path: &Path, count: usize) -> Vec<Value> {
    let since = Instant::now();
    loop {
        let text = std::fs::read_to_string(path).unwrap();
        let records: Vec<Value> = text.lines().filter_map(|line| serde_json::from_str(line).ok()).collect();
        if records.len() >= count {
            return records;
        }
        assert!(since.elapsed() < Duration::from_secs(60), "{} records of {count}", records.len());
        std::thread::sleep(Duration::from_millis(10));
    }
}

#[test]
fn what_a_proxy_spends_stands_on_the_screen_as_it_is_spent() {
    let path = file("served.ndjson");
    let upstream = Upstream::start(SocketAddr::from(([127, 0, 0, 1], 0))).unwrap();
    let serve = Serve::start(&path, upstream.addr());
    let quota = format!("{}/.well-known/llm-quota", serve.url);
    let asks = ["--quota", &quota, "--header", "x-user-id: ana"];
    let source = path.to_str().unwrap();
    let mut terminal = Terminal::run(&[&["top"], &asks[..], &[source]].concat(), &[]);
    terminal.shows(&["tokenstile top", "nothing yet", "q quit", "daily", "0 of 1000 tokens"]);
    serve.call("ana");
    serve.call("ben");
    let written = records(&path, 2);
    let cost: i64 = written.iter().map(|record| record["cost_nano_usd"].as_i64().unwrap()).sum();
    let of_ana = written.iter().find(|record| record["identity"]["user"] == "ana").unwrap();
    let tokens = ["input", "output"].map(|kind| of_ana["usage"][kind].as_u64().unwrap()).iter().sum::<u64>();
    let cost = format!("${}.{:04}", cost / 1_000_000_000, (cost % 1_000_000_000 + 50_000) / 100_000);
    // The total, the spenders by feature, and Ana's budget; nobody else's.
    let parts =
        [&format!("{cost} in 2 requests"), "by feature", "complete 2", &format!("{tokens} of 1000 tokens")];
    let text = terminal.shows(&parts);
    assert!(text.lines().any(|line| line.contains("chat") && line.contains(&cost)), "{text}");
    // Ana has used more than half, and then all.
    serve.call("ana");
    serve.call("ana");
    records(&path, 4);
    terminal.shows(&["in 4 requests", "refused"]);
    terminal.press("\t");
    terminal.shows(&["by user", "ana", "ben"]);
    terminal.press("\t");
    terminal.shows(&["by model", "gpt-4o"]);
    terminal.press("\x1b[Z");
    terminal.shows(&["by user"]);
    terminal.press("q");
    assert_eq!(terminal.end(), (0, true));
}

#[test]
fn however_it_ends_the_terminal_is_as_it_was_before() {
    let path = file("ends.log");
    append(&path, &record(0, "ana", &json!({})));
    let source = path.to_str().unwrap();
    for key in ["q", "\x1b", "\x03"] {
        let mut terminal = Terminal::run(&["top", source], &[]);
        terminal.shows(&["in 1 requests"]);
        terminal.press(key);
        assert_eq!(terminal.end(), (0, true), "{key:?}");
        assert!(terminal.bytes().windows(8).any(|bytes| bytes == b"\x1b[?1049l"));
    }
    for signal in ["-TERM", "-INT"] {
        let mut terminal = Terminal::run(&["top", source], &[]);
        terminal.shows(&["in 1 requests"]);
        let process = terminal.process().to_string();
        assert!(Command::new("kill").args([signal, &process]).status().unwrap().success());
        assert_eq!(terminal.end(), (0, true), "{signal}");
    }
}

/// A log that is rotated in its place is read on from its new beginning; half a line waits for its other half.
#[test]
fn a_file_that_begins_anew_is_followed() {
    let path = file("rotated.log");
    append(&path, &record(0, "ana", &json!({})));
    append(&path, &record(0, "dan", &json!({})));
    let mut terminal = Terminal::run(&["top", path.to_str().unwrap()], &[]);
    terminal.shows(&["in 2 requests"]);
    let line = record(1, "ben", &json!({}));
    let (half, other) = line.split_at(100);
    append(&path, half);
    append(&path, other);
    terminal.shows(&["in 3 requests"]);
    std::fs::write(&path, record(2, "cleo", &json!({}))).unwrap();
    terminal.shows(&["in 4 requests"]);
    terminal.press("q");
    assert_eq!(terminal.end(), (0, true));
}

/// A colour is `ESC [ 3x m`, `38;…` or `39`.
#[test]
fn no_color_is_obeyed() {
    let path = file("colours.log");
    append(&path, &record(0, "ana", &json!({"decision": "deny", "rule": "daily", "ending": "refused"})));
    let colours = |environment: &[(&str, &str)]| {
        let mut terminal = Terminal::run(&["top", path.to_str().unwrap()], environment);
        terminal.shows(&["deny", "daily", "refused 1"]);
        terminal.press("q");
        terminal.end();
        let text = String::from_utf8_lossy(&terminal.bytes()).into_owned();
        regex::Regex::new("\x1b\\[[0-9;]*(3[0-7]|38;[0-9;]+)m").unwrap().find_iter(&text).count()
    };
    assert!(colours(&[]) > 0);
    assert_eq!(colours(&[("NO_COLOR", "1")]), 0);
}
