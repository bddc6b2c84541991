//! `cargo xtask ci`: everything that is checked before a change is taken, in one order, the same
//! on a laptop and on a server.
//!
//! Each step is one function; the first that fails ends the run. Warnings are denied here, on the
//! command line, and never in the sources, so that a newer compiler does not break a user's build.

mod features;
mod layering;
mod readme;

use std::{env, fs, path::PathBuf, process::Command, time::Instant};

use anyhow::{Context, Result, bail};

use crate::{envoy, fuzz, root, sh, wasm};

/// How a step that did not fail has ended.
enum Outcome {
    Done,
    /// Not checked here, and how it could be.
    Skipped(String),
}

type Step = (&'static str, fn() -> Result<Outcome>);

const STEPS: [Step; 13] = [
    ("format", format),
    ("features", features::check),
    ("clippy, native", clippy_native),
    ("clippy, wasm32", clippy_wasm),
    ("fuzz targets compile", fuzz_targets),
    ("wasm build", build),
    ("tests", test),
    ("policy tests", policies),
    ("docs", docs),
    ("layering", layering::check),
    ("README commands", readme::check),
    ("envoy --mode validate", envoy_configs),
    ("cargo deny", deny),
];

/// Runs every step, or those whose name contains `only`.
pub(crate) fn run(only: &str) -> Result<()> {
    let start = Instant::now();
    let mut skipped = Vec::new();
    if !STEPS.iter().any(|(name, _)| name.contains(only)) {
        bail!("no step has `{only}` in its name; they are: {}", STEPS.map(|(name, _)| name).join(", "));
    }
    for (number, (name, step)) in (1..).zip(STEPS).filter(|(_, (name, _))| name.contains(only)) {
        println!("[{number}/{}] {name} …", STEPS.len());
        let began = Instant::now();
        let outcome = step().with_context(|| format!("step {number}, {name}"))?;
        let seconds = began.elapsed().as_secs_f32();
        match outcome {
            Outcome::Done => println!("[{number}/{}] {name}: ok ({seconds:.1} s)", STEPS.len()),
            Outcome::Skipped(why) => {
                println!("[{number}/{}] {name}: skipped: {why}", STEPS.len());
                skipped.push(name);
            }
        }
    }
    let rest = if skipped.is_empty() { String::new() } else { format!(", skipped: {}", skipped.join(", ")) };
    println!("ci: ok ({:.0} s{rest})", start.elapsed().as_secs_f32());
    Ok(())
}

fn done(command: &mut Command) -> Result<Outcome> {
    sh::run(command)?;
    Ok(Outcome::Done)
}

fn format() -> Result<Outcome> {
    done(sh::cargo().args(["fmt", "--all", "--check"]))
}

fn clippy_native() -> Result<Outcome> {
    done(sh::cargo().args(["clippy", "--workspace", "--all-targets", "--locked", "--", "--deny", "warnings"]))
}

fn clippy_wasm() -> Result<Outcome> {
    wasm::lint()?;
    Ok(Outcome::Done)
}

fn fuzz_targets() -> Result<Outcome> {
    fuzz::check()?;
    Ok(Outcome::Done)
}

fn build() -> Result<Outcome> {
    wasm::build(None)?;
    Ok(Outcome::Done)
}

fn test() -> Result<Outcome> {
    crate::test::run(&[])?;
    Ok(Outcome::Done)
}

/// The policies that are ready to use, as a user would look at them.
fn policies() -> Result<Outcome> {
    let mut policies: Vec<_> = fs::read_dir(root().join("policies"))
        .context("cannot read `policies`")?
        .map(|entry| Ok(entry?.path()))
        .collect::<Result<_>>()?;
    let is_policy = |path: &PathBuf| {
        let name = path.to_string_lossy();
        name.ends_with(".json") && !name.ends_with(".test.json")
    };
    policies.retain(is_policy);
    policies.sort();
    let tokenstile = || {
        let mut command = sh::cargo();
        command.args(["run", "--quiet", "--locked", "--package", "tokenstile-host", "--"]);
        command
    };
    // An enterprise is told and never stopped: that is meant.
    let (open, closed): (Vec<_>, Vec<_>) =
        policies.into_iter().partition(|path| path.ends_with("free-pro-enterprise.json"));
    let check = ["check", "--quiet", "--deny-warnings"];
    sh::run(tokenstile().args(check).args(closed))?;
    sh::run(tokenstile().args(check).args(["--allow", "no-stop"]).args(open))?;
    done(tokenstile().args(["test", "policies", "--coverage", "--min-coverage", "100"]))
}

fn docs() -> Result<Outcome> {
    done(
        sh::cargo()
            .args(["doc", "--workspace", "--no-deps", "--locked"])
            .env("RUSTDOCFLAGS", "--deny warnings"),
    )
}

/// envoy.yaml, and each configuration of the examples: with the real filter, so that a policy with
/// a mistake fails here too.
fn envoy_configs() -> Result<Outcome> {
    let envoy = envoy::find_or_install()?;
    let mut configs = vec![root().join("envoy.yaml")];
    configs.extend(yaml_files("examples/envoy")?);
    for config in configs {
        let mut command = Command::new(&envoy);
        command.args(["--mode", "validate", "--log-level", "error", "-c"]).arg(&config).current_dir(root());
        sh::read(&mut command)?;
        println!("{}: valid", sh::pretty(&config));
    }
    Ok(Outcome::Done)
}

fn yaml_files(dir: &str) -> Result<Vec<PathBuf>> {
    let entries = fs::read_dir(root().join(dir)).with_context(|| format!("cannot read `{dir}`"))?;
    let paths = entries.map(|entry| Ok(entry?.path())).collect::<Result<Vec<_>>>()?;
    let mut files: Vec<_> =
        paths.into_iter().filter(|path| path.extension().is_some_and(|end| end == "yaml")).collect();
    files.sort();
    Ok(files)
}

fn deny() -> Result<Outcome> {
    // `.ci/run` names one that it installed; everybody else has it on PATH or not at all.
    let program = env::var("CARGO_DENY").unwrap_or_else(|_| "cargo-deny".to_owned());
    if sh::read(Command::new(&program).arg("--version")).is_err() {
        return Ok(Outcome::Skipped(
            "cargo-deny is not on PATH; `cargo install cargo-deny` installs it".to_owned(),
        ));
    }
    let mut command = Command::new(program);
    command.args(["--locked", "check", "bans", "licenses", "sources"]);
    done(command.current_dir(root()))
}
