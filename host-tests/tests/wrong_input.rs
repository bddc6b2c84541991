//! What is no right input, whatever the command: it is refused, and told what would be right.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by a panic")]

use std::path::{Path, PathBuf};
use std::process::Command;

const POLICY: &str = r#"{"version": 1, "name": "t", "identity": {"user": ["api_key"]}, "budgets": [{"name": "b", "per": ["user"],
  "limit": {"usd": "0.5"}, "window": {"calendar": "day"}, "ladder": [{"at": "100%", "deny": {}}]}]}"#;

fn folder(name: &str) -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("wrong_input").join(name);
    let _ = std::fs::remove_dir_all(&folder);
    std::fs::create_dir_all(&folder).unwrap();
    let binary: Vec<u8> = (128..=255).collect();
    let marked = format!("\u{feff}{POLICY}");
    let utf_16: Vec<u8> = marked.encode_utf16().flat_map(u16::to_le_bytes).collect();
    for (name, bytes) in [
        ("policy.json", POLICY.as_bytes()),
        ("number.json", POLICY.replace("\"0.5\"", "0.5").as_bytes()),
        ("whole.json", POLICY.replace("\"0.5\"", "5").as_bytes()),
        ("limit.json", br#"{"version": 1, "name": "t", "request_limits": [{"name": "r", "limit": {"usd": 2}, "over": {"deny": {}}}]}"#),
        ("marked.json", marked.as_bytes()),
        ("utf16.json", &utf_16),
        ("packed.json", b"\x1f\x8b\x08\x00\x00"),
        ("binary.json", &binary),
        ("binary.test.json", &binary),
        ("list.test.json", b"[]"),
        ("counts.csv", b"arrival,input,output\n0,100,50\n"),
    ] {
        std::fs::write(folder.join(name), bytes).unwrap();
    }
    folder
}

/// Exit status, and standard output and error together.
fn run(folder: &Path, line: &str) -> (i32, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_tokenstile"));
    let output = command.args(line.split(' ')).current_dir(folder).env("NO_COLOR", "1").output().unwrap();
    let text = String::from_utf8([output.stdout, output.stderr].concat()).unwrap();
    (output.status.code().unwrap(), text)
}

const MARKED: &str =
    "a byte order mark stands before the JSON, where nothing may stand; save the file as UTF-8 without it";
const BINARY: &str = "it is no text: byte 0 is not UTF-8";
const WORKERS: &str = "a number from 1 to 1024 is needed";

#[test]
fn what_is_wrong_is_refused_with_the_way_out() {
    let folder = folder("table");
    for (line, status, says) in [
        (
            "replay --policy policy.json --zipf NaN counts.csv",
            2,
            "an exponent is a number from 0 on, such as 1.1",
        ),
        ("replay --policy policy.json --zipf=-1 counts.csv", 2, "an exponent is a number from 0 on"),
        ("suggest --zipf inf counts.csv", 2, "an exponent is a number from 0 on"),
        ("suggest --users 0 counts.csv", 2, "0 is not in 1.."),
        ("suggest --tenants 0 counts.csv", 2, "0 is not in 1.."),
        ("replay --policy policy.json --pace=-5 counts.csv", 2, "-5 is not in 0.."),
        ("serve --policy policy.json --upstream http://127.0.0.1:9 --workers 0", 2, WORKERS),
        ("test --workers 0 .", 2, WORKERS),
        ("run x.wasm --workers 0", 2, "0 is not in 1.."),
        (
            "price gpt-4o --input 100 --cached 4000",
            2,
            "`--cached` and `--cache-write`: 4000 tokens are more than the 100 of `--input`, which includes them",
        ),
        (
            "price gpt-4o --input 100 --cached 60 --cache-write 60",
            2,
            "120 tokens are more than the 100 of `--input`",
        ),
        ("price gpt-4o --output 100 --reasoning 101", 2, "101 tokens are more than the 100 of `--output`"),
        (
            "price gpt-4o --cache-write 5 --cache-write-1h 6",
            2,
            "6 tokens are more than the 5 of `--cache-write`",
        ),
        ("check -q number.json", 1, "help: write it as text: \"0.5\""),
        ("check -q whole.json", 1, "help: write it as text: \"5\""),
        ("replay --policy number.json counts.csv", 1, "`tokenstile check number.json` shows where"),
        ("price gpt-4o --policy number.json", 2, "`tokenstile check number.json` shows where"),
        ("check -q limit.json", 1, "help: write it as text: \"2\""),
        ("check -q marked.json", 1, MARKED),
        ("check -q utf16.json", 1, "it is UTF-16; save it as UTF-8"),
        ("check -q packed.json", 1, "it is compressed; unpack it first"),
        ("check -q binary.json", 1, BINARY),
        ("test --native binary.test.json", 1, "`binary.test.json`: it is no text: byte 0 is not UTF-8"),
        ("test --native list.test.json", 1, "a scenario file is an object with `cases`"),
        ("replay --policy marked.json counts.csv", 1, MARKED),
        ("replay --policy binary.json counts.csv", 1, BINARY),
        ("explain binary.json counts.csv", 1, BINARY),
        ("explain marked.json counts.csv", 1, "`tokenstile check marked.json` says where"),
        ("price gpt-4o --policy marked.json", 2, MARKED),
        ("serve --policy marked.json --upstream http://127.0.0.1:9", 1, MARKED),
        ("check nothing-here", 2, "cannot read `nothing-here`"),
        ("check list.test.json", 2, "no policy among `list.test.json`; `tokenstile test` runs scenarios"),
    ] {
        let (code, said) = run(&folder, line);
        assert!(code == status && said.contains(says), "{line}: {code}\n{said}");
    }
}

/// Also what would be right is taken.
#[test]
fn parts_that_are_no_more_than_their_totals_are_priced() {
    let folder = folder("price");
    for (line, says) in [
        ("price gpt-4o --input 100 --cached 100", "100 input (100 cache_read) and 0 output cost"),
        (
            "price gpt-4o --cached 60 --cache-write 60",
            "120 input (60 cache_read, 60 cache_write) and 0 output cost",
        ),
    ] {
        let (code, said) = run(&folder, line);
        assert!(code == 0 && said.contains(says), "{line}: {code}\n{said}");
    }
}

#[test]
fn a_folder_of_init_is_checked_and_what_is_no_policy_left_out_with_a_word() {
    let folder = folder("folder");
    let (status, said) = run(&folder, "init acme");
    assert_eq!(status, 0, "{said}");
    let schema = "`acme/policy.schema.json` is a JSON Schema and no policy: left out";
    let (status, said) = run(&folder, "check -q --deny-warnings acme");
    assert!(status == 0 && said.contains(schema) && said.starts_with("acme/policy.json: ok\n"), "{said}");
    let named = "check -q acme/policy.json acme/policy.schema.json acme/policy.test.json";
    let (status, said) = run(&folder, named);
    assert!(status == 0 && said.contains(schema) && said.matches(": ok").count() == 1, "{said}");
    std::fs::create_dir(folder.join("other")).unwrap();
    std::fs::write(folder.join("other/package.json"), "{\"name\": \"x\"}").unwrap();
    let (status, said) = run(&folder, "check other");
    assert!(status == 2 && said.contains("`other/package.json` has no key of a policy: left out"), "{said}");
    // What cannot be read is a mistake and nothing else.
    std::fs::write(folder.join("other/broken.json"), "{\"name\" \"x\"}").unwrap();
    let (status, said) = run(&folder, "check -q other");
    assert!(status == 1 && said.contains("other/broken.json: 1 error"), "{said}");
}

#[test]
fn a_sum_that_is_cut_off_says_so() {
    let folder = folder("sums");
    const MORE: &str = "more than $9,223,372,036";
    let much = u64::MAX.to_string();
    let (_, said) = run(&folder, &format!("price gpt-4o --input {much} --output {much}"));
    assert!(said.contains(&format!("output cost {MORE}, standard")), "{said}");
    let (_, said) = run(&folder, &format!("price gpt-4o --input {much} --format json"));
    assert!(said.contains("\"saturated\": true"), "{said}");
    let users = "check --model gpt-4o --users 99999999999999 --max-usd-month 5 policy.json";
    let (status, said) = run(&folder, users);
    assert!(status == 1 && said.contains(&format!("everyone together in a month: {MORE}\n")), "{said}");
    assert!(
        said.contains(&format!("everyone together can cost {MORE} in a month; $5.00 is the most")),
        "{said}"
    );
    let (_, said) = run(&folder, "price gpt-4o --input 5 --format json");
    assert!(said.contains("\"saturated\": false"), "{said}");
}

/// What stands in a log may be anybody's: quoted on standard error, it steers no terminal.
#[test]
fn what_is_quoted_steers_no_terminal() {
    let folder = folder("steering");
    std::fs::write(folder.join("odd.csv"), "arrival,input,output\n0,\u{1b}]0;mine\u{7}\u{1b}[2J,50\n0,1,1\n")
        .unwrap();
    let (_, said) = run(&folder, "replay --policy policy.json odd.csv");
    assert!(said.contains("is no count for `input`"), "{said}");
    assert!(!said.contains('\u{1b}') && !said.contains('\u{7}'), "{said:?}");
}

/// Whoever has read enough of both outputs (`2>&1 | head`) has not made the command fail.
#[test]
fn nobody_who_listens_is_no_failure() {
    let folder = folder("closed");
    for (line, status) in [("check nothing.json", 2), ("check -q policy.json", 0), ("init new", 0)] {
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        let mut command = Command::new(env!("CARGO_BIN_EXE_tokenstile"));
        command.args(line.split(' ')).current_dir(&folder).stdout(writer.try_clone().unwrap()).stderr(writer);
        assert_eq!(command.status().unwrap().code(), Some(status), "{line}");
    }
}
