//! `tokenstile schema`: the JSON Schemas of policies and of scenarios, for editors and for other validators. Called by
//! `main`; tests hold the files equal to the types that read them.

use super::Failure;
use std::process::ExitCode;

/// That of policies, as it ships.
pub(crate) const POLICY: &str = include_str!("../../../docs/policy.schema.json");
/// That of scenario files.
pub(crate) const SCENARIO: &str = include_str!("../../../docs/scenario.schema.json");

const EXAMPLES: &str = "\
Examples:
  tokenstile schema > policy.schema.json
  tokenstile schema --scenario > scenario.schema.json

Name it in a file, and the editor completes and explains its keys: {\"$schema\": \"policy.schema.json\", …}";

/// Which.
#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    /// That of scenario files (`*.test.json`) instead of that of policies
    #[arg(long)]
    scenario: bool,
}

pub(crate) fn run(args: &Args) -> Result<ExitCode, Failure> {
    super::say(if args.scenario { SCENARIO } else { POLICY })?;
    Ok(ExitCode::SUCCESS)
}
