//! `tokenstile init`, from outside: what it writes is right, whole and never over what is there.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test fails by a panic")]

use std::path::{Path, PathBuf};
use std::process::Command;
use tokenstile_host::cases::filter;

fn tokenstile(folder: &Path, args: &[&str]) -> (i32, String) {
    let output =
        Command::new(env!("CARGO_BIN_EXE_tokenstile")).args(args).current_dir(folder).output().unwrap();
    let text = [output.stdout, output.stderr].concat();
    (output.status.code().unwrap(), String::from_utf8(text).unwrap())
}

fn folder(name: &str) -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    let _ = std::fs::remove_dir_all(&folder);
    std::fs::create_dir_all(&folder).unwrap();
    folder
}

#[test]
fn what_it_writes_is_right_for_every_proxy() {
    let folder = folder("init_command");
    let snippets = [
        ("envoy", "envoy-filter.yaml"),
        ("istio", "wasmplugin.yaml"),
        ("kong", "kong.yaml"),
        ("apisix", "apisix.yaml"),
    ];
    for (proxy, snippet) in snippets {
        let name = format!("acme-{proxy}");
        let (status, told) = tokenstile(&folder, &["init", &name, "--proxy", proxy]);
        assert_eq!(status, 0, "{told}");
        let (status, told) =
            tokenstile(&folder, &["check", "--deny-warnings", &format!("{name}/policy.json")]);
        assert_eq!(status, 0, "{told}");
        let args = ["test", &name, "--native", "--coverage", "--min-coverage", "100"];
        let (status, told) = tokenstile(&folder, &args);
        assert_eq!(status, 0, "{told}");
        // What it takes for an identity is there on that proxy.
        let profile = match proxy {
            "kong" => "wasmx",
            "apisix" => "apisix",
            _ => "envoy",
        };
        let wasm = filter::path().unwrap();
        let args = ["test", &name, "--profile", profile, "--wasm", wasm.to_str().unwrap()];
        let (status, told) = tokenstile(&folder, &args);
        assert_eq!(status, 0, "{proxy}: {told}");
        let text = std::fs::read_to_string(folder.join(&name).join(snippet)).unwrap();
        assert!(text.contains(&format!("\"name\": \"{name}\"")) && !text.contains("POLICY"), "{text}");
        assert!(folder.join(&name).join(".github/workflows/policy.yml").exists());
        // The policy in the snippet is the policy beside it, but for the schema that is not there.
        let from = text.find('{').filter(|_| proxy != "apisix").or_else(|| text.find("{\n")).unwrap();
        let from = text.get(from..).unwrap().find("{\n").map_or(from, |at| from + at);
        let inner = text.get(from..).unwrap().trim_end().trim_end_matches("#END");
        let inner: serde_json::Value = serde_json::from_str(inner).unwrap();
        let beside = std::fs::read_to_string(folder.join(&name).join("policy.json")).unwrap();
        let mut beside: serde_json::Value = serde_json::from_str(&beside).unwrap();
        beside.as_object_mut().unwrap().remove("$schema");
        assert_eq!(inner, beside);
    }
    let (status, told) = tokenstile(&folder, &["init", "acme-envoy", "--proxy", "istio"]);
    assert!(status == 2 && told.contains("is there already; nothing was written"), "{told}");
    assert!(!folder.join("acme-envoy/wasmplugin.yaml").exists());
}

#[test]
fn whatever_a_folder_is_called_its_policy_is_json() {
    let folder = folder("init_names");
    let (status, told) = tokenstile(&folder, &["init", "a b\"c\\d"]);
    assert_eq!(status, 0, "{told}");
    let (status, told) = tokenstile(&folder, &["check", "--deny-warnings", "a b\"c\\d/policy.json"]);
    assert_eq!(status, 0, "{told}");
    let (status, told) = tokenstile(&folder, &["init", "long", "--name", &"x".repeat(65)]);
    assert!(status == 2 && told.contains("1 to 64 characters"), "{told}");
    assert!(!folder.join("long").exists());
}

/// Two policies of one name share their budgets.
#[test]
fn a_policy_in_this_folder_has_the_folders_name() {
    let folder = folder("init_here").join("billing");
    std::fs::create_dir_all(&folder).unwrap();
    let (status, told) = tokenstile(&folder, &["init"]);
    assert_eq!(status, 0, "{told}");
    let policy = std::fs::read_to_string(folder.join("policy.json")).unwrap();
    assert!(policy.contains("\"name\": \"billing\""), "{policy}");
}

/// A letter is a character, however many bytes it has: for `init` as for the filter and the schema.
#[test]
fn a_name_may_have_64_characters_of_any_script() {
    let folder = folder("init_characters");
    for letter in ["ä", "算", "🧮"] {
        let name = letter.repeat(64);
        let (status, told) = tokenstile(&folder, &["init", letter, "--name", &name]);
        assert_eq!(status, 0, "{told}");
        let (status, told) =
            tokenstile(&folder, &["check", "--deny-warnings", &format!("{letter}/policy.json")]);
        assert_eq!(status, 0, "{told}");
        let (status, told) = tokenstile(&folder, &["init", "long", "--name", &letter.repeat(65)]);
        assert!(status == 2 && told.contains("1 to 64 characters"), "{told}");
    }
}
