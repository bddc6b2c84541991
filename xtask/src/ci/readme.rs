//! The commands that README.md gives are run, so that the first thing a stranger types works.

use std::{fs, process::Command, time::Duration};

use anyhow::{Context, Result, bail};

use super::Outcome;
use crate::{root, sh};

/// Commands that README must name, because they are the promise of this repository.
const REQUIRED: [&str; 2] = ["cargo xtask demo", "cargo xtask test"];

/// Commands that another step has just run, that would start this one again, or that take an hour.
const ELSEWHERE: [&str; 4] = ["cargo xtask build", "cargo xtask test", "cargo xtask ci", "cargo xtask bench"];

/// Much more than any of them needs, on a slow machine.
const LIMIT: Duration = Duration::from_secs(600);

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

/// Lines that begin with `cargo xtask` inside blocks fenced as `sh`, without their comments.
fn commands(markdown: &str) -> Vec<&str> {
    let mut shell = false;
    let mut found = Vec::new();
    for line in markdown.lines() {
        if let Some(language) = line.trim_start().strip_prefix("```") {
            shell = !shell && language.trim() == "sh";
        } else if shell && line.starts_with("cargo xtask") {
            found.push(line.split(" #").next().unwrap_or(line).trim());
        }
    }
    found
}

#[cfg(test)]
mod tests {
    #[test]
    fn only_shell_blocks_give_commands_and_comments_are_cut() {
        let markdown = "cargo xtask prose\n```sh\ngit clone x\ncargo xtask demo   # look\n```\n\
                        ```text\ncargo xtask output\n```\n```sh\ncargo xtask test\n```\n";
        assert_eq!(super::commands(markdown), ["cargo xtask demo", "cargo xtask test"]);
    }
}
