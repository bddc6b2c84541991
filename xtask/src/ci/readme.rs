//! The commands that README.md gives are run, so that the first thing a stranger types works.

use std::{fs, process::Command, time::Duration};

use anyhow::{Context, Result, bail};

use super::Outcome;
use crate::{root, sh};

/// Commands that README must name, because they are the promise of this repository.
const REQUIRED: [&str; 2] = ["cargo xtask demo", "cargo xtask test"];

/// Commands that another step has just run, that would start this one again, or that take an hour.
const ELSEWHERE: [&str; 4] = ["cargo xtask build", "cargo xtask test", "cargo xtask ci", "cargo xtask bench"];

/// Much more than any of them needs, on a slow machine that compiles the host once more for it.
const LIMIT: Duration = Duration::from_secs(1_800);

pub(super) fn check() -> Result<Outcome> {
    let text = fs::read_to_string(root().join("README.md")).context("cannot read `README.md`")?;
    let commands = commands(&text);
    for required in REQUIRED {
        if !commands.contains(&required) {
            bail!("README.md has no line `{required}` in a block of shell commands");
        }
    }
    for command in commands {
        if ELSEWHERE.contains(&command) {
            continue;
        }
        println!("$ {command}");
        sh::run_within(Command::new("sh").args(["-c", command]).current_dir(root()), LIMIT)?;
    }
    Ok(Outcome::Done)
}

/// Lines that begin with `cargo xtask` inside blocks fenced as `sh`, without their comments, and
/// such commands between backticks in prose; each once.
fn commands(markdown: &str) -> Vec<&str> {
    let mut block = None;
    let mut found = Vec::new();
    for line in markdown.lines() {
        match (line.trim_start().strip_prefix("```"), block) {
            (Some(language), None) => block = Some(language.trim()),
            (Some(_), Some(_)) => block = None,
            (None, Some("sh")) => found.push(line.split(" #").next().unwrap_or(line).trim()),
            (None, Some(_)) => {}
            (None, None) => found.extend(line.split('`').skip(1).step_by(2)),
        }
    }
    let mut unique: Vec<&str> = Vec::new();
    for command in found.into_iter().filter(|command| command.starts_with("cargo xtask")) {
        if !unique.contains(&command) {
            unique.push(command);
        }
    }
    unique
}

#[cfg(test)]
mod tests {
    #[test]
    fn shell_blocks_and_prose_give_commands_without_comments_once() {
        let markdown = "cargo xtask prose\n```sh\ngit clone x\ncargo xtask demo   # look\n```\n\
                        ```text\ncargo xtask output\n```\nAlso `cargo xtask demo --envoy` or `cargo xtask demo`.\n\
                        ```sh\ncargo xtask test\n```\n";
        assert_eq!(
            super::commands(markdown),
            ["cargo xtask demo", "cargo xtask demo --envoy", "cargo xtask test"]
        );
    }
}
