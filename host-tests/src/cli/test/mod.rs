//! `tokenstile test`: the scenarios beside policies, natively and through the filter. Called by `main`. It owns which
//! scenarios run where; how a case runs is `tokenstile_host::cases`', how it is told is `show`'s, what no case touched
//! is `coverage`'s, whether engine and filter agree is `differ`'s.

mod coverage;
mod differ;
mod show;
mod update;

use super::Failure;
use super::format::Format;
use coverage::Coverage;
use regex::Regex;
use serde_json::Value;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Instant;
use tokenstile_host::cases::{Native, Runner, Suite, Wasmtime, Went};
use tokenstile_host::host::{Module, Profile};

const EXAMPLES: &str = "\
Examples:
  tokenstile test policies
  tokenstile test policies/demo.test.json --run 'cheaper|refused'
  tokenstile test policies/demo.test.json --profile envoy --profile wasmx --workers 4
  tokenstile test policies --native --coverage --min-coverage 100
  tokenstile test policies --format junit > policies.xml

A scenario file stands beside its policy: policies/NAME.test.json beside policies/NAME.json. policies/README.md shows
what may stand in one.

Exit status: 0 if all hold, 1 if one does not, if none ran, or if one expects nothing, 2 for a mistake in the call or
a file that cannot be read.";

/// What to run, and where.
#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    /// Scenario files, or folders in which every `*.test.json` is one
    #[arg(required = true, value_name = "PATH")]
    paths: Vec<PathBuf>,
    /// Only scenarios whose name matches this
    #[arg(long, value_name = "REGEX")]
    run: Option<Regex>,
    /// The filter; without it $TOKENSTILE_WASM, else target/tokenstile.wasm
    #[arg(long, value_name = "FILE")]
    wasm: Option<PathBuf>,
    /// Run by the engine alone, without the filter
    #[arg(long, conflicts_with_all = ["wasm", "profile", "workers"])]
    native: bool,
    /// The proxy to stand in for: envoy, wasmx or apisix; may be repeated
    #[arg(long, default_value = "envoy")]
    profile: Vec<Profile>,
    /// Instances of the filter that take calls in turn
    #[arg(long, default_value_t = 2, value_parser = super::workers)]
    workers: usize,
    /// Tell which budgets and steps no scenario has reached
    #[arg(long)]
    coverage: bool,
    /// Fail if less is reached
    #[arg(long, value_name = "PERCENT", value_parser = clap::value_parser!(u8).range(0..=100))]
    min_coverage: Option<u8>,
    /// Put what was seen in the place of values that were expected, in the files, for review; then run anew, and tell what
    /// still fails
    #[arg(long)]
    update: bool,
    /// How to say it
    #[arg(long, value_enum, default_value = "human")]
    format: Format,
}

/// A scenario file and its policy.
pub(super) struct Scenarios {
    pub(super) file: PathBuf,
    pub(super) text: String,
    pub(super) suite: Suite,
    pub(super) policy: Value,
}

/// One scenario as it went.
pub(super) struct Ran {
    pub(super) file: String,
    pub(super) name: String,
    pub(super) seconds: f64,
    /// Where it was left off, and why.
    pub(super) skipped: Vec<String>,
    /// What is wrong: title and text.
    pub(super) failure: Option<(String, String)>,
}

pub(crate) fn run(args: &Args) -> Result<ExitCode, Failure> {
    let mut files = Vec::new();
    for path in &args.paths {
        find(path, &mut files)?;
    }
    let scenarios = files.iter().map(|file| read(file)).collect::<Result<Vec<_>, _>>()?;
    let module = if args.native { None } else { Some(super::filter(args.wasm.as_deref())?) };
    let (mut ran, mut coverage, mut updated, mut left) = (Vec::new(), Vec::new(), 0, Vec::new());
    for mut one in scenarios {
        let (mut cases, mut covered, mut missed) = run_all(&one, module.as_ref(), args);
        if args.update {
            let rewritten = update::write(&one, &missed)?;
            if rewritten > 0 {
                // Not all can be rewritten, and a step that is taken several times may want to see two things.
                updated += rewritten;
                one = read(&one.file)?;
                (cases, covered, missed) = run_all(&one, module.as_ref(), args);
            }
            left.extend(missed.into_iter().map(|missed| format!("{}: {}", one.file.display(), missed.text)));
        }
        ran.extend(cases);
        coverage.push((one.file.display().to_string(), covered));
    }
    let wanted = args.coverage || args.min_coverage.is_some();
    let coverage = if wanted { coverage } else { Vec::new() };
    let text = match args.format {
        Format::Human => show::human(&ran, &coverage),
        Format::Json => show::json(&ran, &coverage),
        Format::Junit => show::junit(&ran, &short(args, &coverage)),
        Format::Github => show::github(&ran, &short(args, &coverage)),
    };
    super::say(&text)?;
    if updated > 0 {
        tell!("tokenstile: {updated} expectations were rewritten; look at them before you keep them");
    }
    if !left.is_empty() {
        let count = left.len();
        tell!("tokenstile: {count} expectations were left and still fail; they are a person's to change:");
        left.iter().for_each(|one| tell!("  {one}"));
    }
    verdict(args, &ran, &coverage)
}

/// Runs the scenarios of a file that are asked for: how each went, what they reach, and what was not as expected.
fn run_all(
    one: &Scenarios,
    module: Option<&Module>,
    args: &Args,
) -> (Vec<Ran>, Coverage, Vec<update::Missed>) {
    let (mut covered, mut missed) = (Coverage::of(&one.policy), Vec::new());
    let wanted = |name: &str| args.run.as_ref().is_none_or(|only| only.is_match(name));
    let cases = one.suite.names().enumerate().filter(|(_, name)| wanted(name));
    let ran =
        cases.map(|(case, name)| case_of(one, case, name, module, args, &mut covered, &mut missed)).collect();
    (ran, covered, missed)
}

/// Files that reach less of their policies than they must, and what is said of it.
fn short<'c>(args: &Args, coverage: &'c [(String, Coverage)]) -> Vec<(&'c str, String)> {
    let least = args.min_coverage.unwrap_or_default();
    let short = coverage.iter().filter(|(_, covered)| covered.percent() < least);
    let said = |(file, covered): &'c (String, Coverage)| {
        let percent = covered.percent();
        (file.as_str(), format!("{file} reaches {percent}% of its policy; {least}% is the least"))
    };
    short.map(said).collect()
}

fn verdict(args: &Args, ran: &[Ran], coverage: &[(String, Coverage)]) -> Result<ExitCode, Failure> {
    if ran.is_empty() {
        let why = args.run.as_ref().map_or(String::new(), |only| format!(" whose name matches `{only}`"));
        return Err(Failure::Wrong(format!("no scenario{why} was found: nothing was tested")));
    }
    if ran.iter().any(|one| one.failure.is_some()) {
        return Ok(ExitCode::from(1));
    }
    match short(args, coverage).into_iter().next() {
        Some((_, why)) => Err(Failure::Wrong(why)),
        None => Ok(ExitCode::SUCCESS),
    }
}

/// Every scenario file at a path, sorted.
fn find(path: &Path, files: &mut Vec<PathBuf>) -> Result<(), String> {
    let wrong = |error: std::io::Error| format!("cannot read `{}`: {error}", path.display());
    if !std::fs::metadata(path).map_err(wrong)?.is_dir() {
        files.push(path.to_owned());
        return Ok(());
    }
    let mut entries = std::fs::read_dir(path).map_err(wrong)?.map(|entry| entry.map(|entry| entry.path()));
    let mut entries = entries.by_ref().collect::<Result<Vec<_>, _>>().map_err(wrong)?;
    entries.sort();
    for entry in entries {
        let name = entry.to_string_lossy();
        if entry.is_dir() {
            find(&entry, files)?;
        } else if name.ends_with(".test.json") || name.ends_with(".test.jsonc") {
            files.push(entry);
        }
    }
    Ok(())
}

fn read(file: &Path) -> Result<Scenarios, Failure> {
    let wrong = |error: String| Failure::Wrong(format!("{}: {error}", file.display()));
    let text = |file: &Path| {
        let named = |why: String| Failure::Wrong(format!("`{}`: {why}", file.display()));
        tokenstile_host::check::text(super::read(file)?).map_err(named)
    };
    let written = text(file)?;
    let beside = policy_of(file)
        .ok_or_else(|| format!("`{}` is no scenario file: its name ends in `.test.json`", file.display()))?;
    let strict = |text: &str| tokenstile_host::check::strict(text);
    let policy: Value = match text(&beside) {
        Ok(policy) => serde_json::from_str(&strict(&policy).map_err(wrong)?)
            .map_err(|error| wrong(error.to_string()))?,
        // Every scenario may bring its own.
        Err(_) if !beside.exists() => Value::Null,
        Err(error) => return Err(error),
    };
    let suite = Suite::read(&strict(&written).map_err(wrong)?, policy.clone()).map_err(wrong)?;
    // CI systems know their files without `./`.
    let file = file.strip_prefix(".").unwrap_or(file).to_owned();
    Ok(Scenarios { file, text: written, suite, policy })
}

/// `NAME.json` (or `.jsonc`) for `NAME.test.json`.
fn policy_of(file: &Path) -> Option<PathBuf> {
    let name = file.file_name()?.to_str()?;
    let stem = name.strip_suffix(".test.json").or_else(|| name.strip_suffix(".test.jsonc"))?;
    let (json, commented) =
        (file.with_file_name(format!("{stem}.json")), file.with_file_name(format!("{stem}.jsonc")));
    Some(if json.exists() || !commented.exists() { json } else { commented })
}

fn case_of(
    one: &Scenarios,
    case: usize,
    name: &str,
    module: Option<&Module>,
    args: &Args,
    covered: &mut Coverage,
    missed: &mut Vec<update::Missed>,
) -> Ran {
    let begun = Instant::now();
    let mut ran = Ran {
        file: one.file.display().to_string(),
        name: name.to_owned(),
        seconds: 0.0,
        skipped: Vec::new(),
        failure: None,
    };
    let policy = one.suite.policy_of(case).unwrap_or_default();
    ran.failure = match one.suite.tests_nothing(case) {
        Some(why) => Some(("it expects nothing".to_owned(), why)),
        None => judge(one, case, &policy, module, args, covered, missed, &mut ran.skipped).err(),
    };
    ran.seconds = begun.elapsed().as_secs_f64();
    ran
}

#[expect(clippy::too_many_arguments, reason = "what came of one scenario goes to three places")]
fn judge(
    one: &Scenarios,
    case: usize,
    policy: &Value,
    module: Option<&Module>,
    args: &Args,
    covered: &mut Coverage,
    missed: &mut Vec<update::Missed>,
    skipped: &mut Vec<String>,
) -> Result<(), (String, String)> {
    let broken = |runner: &dyn Runner, error: String| (format!("it cannot run ({})", runner.name()), error);
    let native = one.suite.walk(case, &Native).map_err(|error| broken(&Native, error))?;
    let mut first = None;
    match native {
        Ok(walk) => {
            for went in &walk {
                covered.add(policy, &went.seen);
            }
            missed.extend(update::of(case, &one.suite, &walk));
            first = failed(&Native, policy, &walk, &walk);
            let walk = Some(walk);
            if let (Some(module), Some(native)) = (module, &walk) {
                for profile in &args.profile {
                    let runner = runner(module, *profile, policy, args.workers);
                    match one.suite.walk(case, &runner).map_err(|error| broken(&runner, error))? {
                        Err(why) => skipped.push(format!("{}: {why}", runner.name())),
                        Ok(walk) => {
                            first = first.or_else(|| failed(&runner, policy, &walk, native));
                            // On a host that lacks something a filter must act otherwise; the expectations say how.
                            if *profile == Profile::Envoy {
                                first = first.or_else(|| differ::differs(&runner, native, &walk));
                            }
                        }
                    }
                }
            }
        }
        Err(why) => skipped.push(format!("native: {why}")),
    }
    first.map_or(Ok(()), Err)
}

fn runner(module: &Module, profile: Profile, policy: &Value, workers: usize) -> Wasmtime {
    let held = policy.get("hold_headers").and_then(Value::as_bool) == Some(true) && profile == Profile::Envoy;
    // APISIX has no shared data: a second worker would count for itself.
    let workers = if profile == Profile::Apisix { 1 } else { workers };
    Wasmtime::of(module.clone(), profile, held, workers)
}

/// The first step with something wrong, told with what decided it.
fn failed(runner: &dyn Runner, policy: &Value, walk: &[Went], native: &[Went]) -> Option<(String, String)> {
    let (place, went) = walk.iter().enumerate().find(|(_, went)| !went.found.is_empty())?;
    let weighed = native.get(place).map_or(&[][..], |went| &went.seen);
    Some((format!("step {} ({})", went.step + 1, runner.name()), show::failure(policy, went, weighed)))
}
