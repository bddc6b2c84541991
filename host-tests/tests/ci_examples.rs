//! The examples for CI systems, run as far as they can be here: what their files run is run in a folder that `tokenstile
//! init` made, their READMEs' commands print what stands there, pre-commit runs the hooks, and validators that know
//! nothing of us read the files.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test fails by a panic")]

mod walk_support;

use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::{Mutex, PoisonError};
use walk_support::walk;

/// pre-commit, and a validator that brings the schemas of GitHub's and GitLab's files along.
const REQUIREMENTS: [&str; 2] = ["pre-commit==4.7.0", "check-jsonschema==0.39.0"];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

fn example(file: &str) -> PathBuf {
    root().join("examples/ci").join(file)
}

/// A folder that `tokenstile init` made for this CI system.
fn scaffold(name: &str, ci: &str) -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("ci_examples").join(name);
    let _ = std::fs::remove_dir_all(&folder);
    std::fs::create_dir_all(&folder).unwrap();
    let mut init = Command::new(env!("CARGO_BIN_EXE_tokenstile"));
    let made = init.args(["init", ".", "--name", "acme", "--ci", ci]).current_dir(&folder).output().unwrap();
    assert!(made.status.success(), "{}", said(&made));
    folder
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr)
}

/// A PATH with `tokenstile` and what else is named.
fn path(more: &[PathBuf]) -> String {
    let bin = Path::new(env!("CARGO_BIN_EXE_tokenstile")).parent().unwrap().to_owned();
    let folders = more.iter().cloned().chain([bin]).map(|folder| folder.display().to_string());
    let own = std::env::var("PATH").unwrap_or_default();
    folders.chain([own]).collect::<Vec<_>>().join(":")
}

/// The commands of a file for CI, by the start of their lines.
fn commands(text: &str, starts: &[&str]) -> Vec<String> {
    let command =
        |line: &str| starts.iter().find_map(|start| line.trim().strip_prefix(start)).map(str::to_owned);
    text.lines().filter_map(command).collect()
}

/// What each command comes to in a repository that is right, and where it is not.
#[test]
fn what_the_files_run_passes_and_fails_where_it_must() {
    for (ci, file, starts, files) in [
        ("github", "github/policy.yml", ["- run: ", "run: "], ""),
        ("gitlab", "gitlab/.gitlab-ci.yml", ["- ", "- "], ""),
        ("pre-commit", "pre-commit/.pre-commit-config.yaml", ["entry: ", "entry: "], " policy.json"),
    ] {
        let folder = scaffold(&format!("steps-{ci}"), ci);
        let text = std::fs::read_to_string(example(file)).unwrap();
        let written = [".github/workflows/policy.yml", ".gitlab-ci.yml", ".pre-commit-config.yaml"];
        let written = written.iter().map(|name| folder.join(name)).find(|path| path.exists()).unwrap();
        assert_eq!(std::fs::read_to_string(written).unwrap(), text, "`init --ci {ci}` writes another file");
        let commands = commands(&text, &starts);
        let commands: Vec<&String> =
            commands.iter().filter(|command| command.starts_with("tokenstile ")).collect();
        assert!(commands.len() >= 2, "{text}");
        let run = |command: &str| {
            // pre-commit gives the names of the files that have changed.
            let files = if command.ends_with("--quiet") { files } else { "" };
            let mut shell = Command::new("sh");
            shell.args(["-c", &format!("{command}{files}")]).current_dir(&folder).env("PATH", path(&[]));
            shell.env("GITHUB_STEP_SUMMARY", folder.join("summary.md")).output().unwrap()
        };
        for command in &commands {
            let output = run(command);
            assert!(output.status.success(), "{command}\n{}", said(&output));
        }
        let policy = std::fs::read_to_string(folder.join("policy.json")).unwrap();
        std::fs::write(folder.join("policy.json"), policy.replace("\"warn\"", "\"wran\"")).unwrap();
        for command in &commands {
            assert_eq!(run(command).status.code(), Some(1), "{command}");
        }
    }
}

#[test]
fn the_readmes_print_what_they_say() {
    for (ci, blocks) in [("github", 8), ("gitlab", 3)] {
        let folder = scaffold(&format!("readme-{ci}"), ci);
        assert_eq!(walk(&example(ci).join("README.md"), &folder, &[]).len(), blocks);
    }
}

#[test]
fn pre_commit_runs_the_hooks() {
    let Some(venv) = venv() else { return };
    let folder = scaffold("readme-pre-commit", "pre-commit");
    git(&folder, &["init", "--quiet"]);
    git(&folder, &["add", "--all"]);
    let home = ("PRE_COMMIT_HOME", root().join("target/pre-commit"));
    let walked = walk(
        &example("pre-commit/README.md"),
        &folder,
        &[("PATH", path(&[venv.join("bin")]).into()), home.clone()],
    );
    assert_eq!(walked.len(), 3);
    // The hooks of this repository, from a repository of their own.
    let hooks = scaffold("hooks", "none");
    std::fs::copy(root().join(".pre-commit-hooks.yaml"), hooks.join(".pre-commit-hooks.yaml")).unwrap();
    git(&hooks, &["init", "--quiet"]);
    git(&hooks, &["add", "--all"]);
    let user = ["-c", "user.name=t", "-c", "user.email=t@example.com"];
    git(&hooks, &[&user[..], &["commit", "--quiet", "--no-gpg-sign", "--message", "hooks"]].concat());
    for (limit, status, word) in [("60000}", 1, "Failed"), ("50000}", 0, "Passed")] {
        let policy = std::fs::read_to_string(folder.join("policy.json")).unwrap();
        let policy = policy.replace("50000}", limit).replace("60000}", limit);
        std::fs::write(folder.join("policy.json"), policy).unwrap();
        git(&folder, &["add", "--all"]);
        for (id, expected) in [("tokenstile-check", (0, "Passed")), ("tokenstile-test", (status, word))] {
            let mut run = Command::new(venv.join("bin/pre-commit"));
            run.args(["try-repo", "--all-files"]).arg(&hooks).arg(id).current_dir(&folder);
            let output = run.env("PATH", path(&[venv.join("bin")])).env(home.0, &home.1).output().unwrap();
            let text = said(&output);
            assert!(output.status.code() == Some(expected.0) && text.contains(expected.1), "{id}: {text}");
        }
    }
}

#[test]
fn validators_that_know_nothing_of_us_take_the_files() {
    let Some(venv) = venv() else { return };
    let validate = |schema: &str, file: &Path| {
        let mut validator = Command::new(venv.join("bin/check-jsonschema"));
        validator.args(["--builtin-schema", schema]);
        if schema == "vendor.gitlab-ci" {
            validator.args(["--data-transform", "gitlab-ci"]);
        }
        validator.arg(file).output().unwrap()
    };
    for (schema, file, right, wrong) in [
        ("vendor.github-workflows", "github/policy.yml", "runs-on:", "run-on:"),
        ("vendor.gitlab-ci", "gitlab/.gitlab-ci.yml", "script:", "scripts:"),
    ] {
        let output = validate(schema, &example(file));
        assert!(output.status.success(), "{file}: {}", said(&output));
        // It judges: this is seen.
        let text = std::fs::read_to_string(example(file)).unwrap().replace(right, wrong);
        let broken = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("{schema}.yml"));
        std::fs::write(&broken, text).unwrap();
        assert!(!validate(schema, &broken).status.success(), "{schema} takes `{wrong}`");
    }
    for (what, file) in [
        ("validate-config", example("pre-commit/.pre-commit-config.yaml")),
        ("validate-manifest", root().join(".pre-commit-hooks.yaml")),
    ] {
        let output = Command::new(venv.join("bin/pre-commit")).arg(what).arg(&file).output().unwrap();
        assert!(output.status.success(), "{}: {}", file.display(), said(&output));
    }
}

fn git(folder: &Path, args: &[&str]) {
    let mut git = Command::new("git");
    git.args(args).current_dir(folder).env("GIT_CONFIG_GLOBAL", "/dev/null").env("GIT_CONFIG_NOSYSTEM", "1");
    let output = git.output().unwrap();
    assert!(output.status.success(), "git {args:?}: {}", said(&output));
}

/// The tools under `target/`, installed when they are missing; nothing where they cannot be.
fn venv() -> Option<PathBuf> {
    static INSTALLING: Mutex<()> = Mutex::new(());
    let _one = INSTALLING.lock().unwrap_or_else(PoisonError::into_inner);
    let skipped = |why: &str| println!("skipped: pre-commit and the schemas of CI files; {why}");
    if Command::new("git").arg("--version").output().is_err() {
        skipped("there is no git");
        return None;
    }
    let venv = root().join("target/ci-examples-venv");
    let installed = venv.join("installed.txt");
    if std::fs::read_to_string(&installed).is_ok_and(|text| text == REQUIREMENTS.join("\n")) {
        return Some(venv);
    }
    std::fs::create_dir_all(root().join("target")).unwrap();
    let python = Command::new("python3").args(["-m", "venv", "--clear"]).arg(&venv).output();
    let pip = python.ok().filter(|made| made.status.success()).and_then(|_| {
        let mut pip = Command::new(venv.join("bin/python"));
        pip.args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check"]).args(REQUIREMENTS);
        pip.output().ok().filter(|installed| installed.status.success())
    });
    if pip.is_none() {
        skipped("pip cannot install them here");
        return None;
    }
    std::fs::write(installed, REQUIREMENTS.join("\n")).unwrap();
    Some(venv)
}
