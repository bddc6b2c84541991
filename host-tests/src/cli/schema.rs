//! `tokenstile schema`: the policy's JSON Schema, for editors and for other validators. Called by `main`; a test holds
//! the file equal to the types that the engine reads.

use super::Failure;
use std::process::ExitCode;

/// The schema, as it ships.
pub(crate) const SCHEMA: &str = include_str!("../../../docs/policy.schema.json");

const EXAMPLES: &str = "\
Examples:
  tokenstile schema > policy.schema.json

Name it in a policy, and the editor completes and explains its keys: {\"$schema\": \"policy.schema.json\", …}";

/// Nothing to choose.
#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {}

pub(crate) fn run(_: &Args) -> Result<ExitCode, Failure> {
    super::say(SCHEMA)?;
    Ok(ExitCode::SUCCESS)
}
