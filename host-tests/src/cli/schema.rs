//! `tokenstile schema`: the JSON Schemas of policies and of scenarios, for editors and for other validators, and of cost
//! records, for whoever reads them. Called by `main`; tests hold the files equal to the types.

use super::Failure;
use std::process::ExitCode;

/// That of policies, as it ships.
pub(crate) const POLICY: &str = include_str!("../../../docs/policy.schema.json");
/// That of scenario files.
pub(crate) const SCENARIO: &str = include_str!("../../../docs/scenario.schema.json");
/// That of cost records.
const RECORD: &str = include_str!("../../../docs/record.schema.json");

const EXAMPLES: &str = "\
Examples:
  tokenstile schema > policy.schema.json
  tokenstile schema --scenario > scenario.schema.json
  tokenstile schema --record > record.schema.json

Name it in a file, and the editor completes and explains its keys: {\"$schema\": \"policy.schema.json\", …}";

/// Which.
#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    /// That of scenario files (`*.test.json`) instead of that of policies
    #[arg(long)]
    scenario: bool,
    /// That of cost records
    #[arg(long, conflicts_with = "scenario")]
    record: bool,
}

pub(crate) fn run(args: &Args) -> Result<ExitCode, Failure> {
    let schema = match (args.scenario, args.record) {
        (true, _) => SCENARIO,
        (_, true) => RECORD,
        _ => POLICY,
    };
    super::say(schema)?;
    Ok(ExitCode::SUCCESS)
}
