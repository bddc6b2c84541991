//! `tokenstile focus`: cost records as rows of FOCUS. Called by `main`; the rows are `tokenstile_host::records::focus`.

use super::Failure;
use std::path::PathBuf;
use std::process::ExitCode;
use tokenstile_host::records::focus::Builder;
use tokenstile_host::records::{Record, read, so_many};

const EXAMPLES: &str = "\
Examples:
  tokenstile focus envoy.log > focus.csv
  tokenstile focus --billing-account acme-prod records.ndjson > focus.csv

One row for each hour (UTC), policy, model in one service tier, kind of token and set of identity dimensions, which
are the Tags. The sum of BilledCost is the sum of the records' cost_nano_usd.

Exit status: 0 if all records were read, 1 if some lines cannot be read or have no time, 2 for a mistake in the call,
a file that cannot be read, or no record.";

/// What is asked.
#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    /// Cost records: a proxy's log, or their JSON alone; also packed by gzip or zstd; `-` is standard input
    #[arg(required = true, value_name = "RECORDS")]
    records: Vec<PathBuf>,
    /// The BillingAccountId of all rows; else each has the name of its records' policy
    #[arg(long, value_name = "ID")]
    billing_account: Option<String>,
}

pub(crate) fn run(args: &Args) -> Result<ExitCode, Failure> {
    let mut builder = Builder::new(args.billing_account.clone());
    let seen = read(&args.records, |record: Record| builder.add(&record))?;
    super::say(&builder.csv()?)?;
    let status = super::report::tell(&seen);
    if builder.without_time == 0 {
        return Ok(status);
    }
    let (have, are) = if builder.without_time == 1 { ("has", "is") } else { ("have", "are") };
    let records = so_many(builder.without_time, "record");
    tell!("tokenstile: {records} {have} no time and {are} in no row");
    Ok(ExitCode::from(1))
}
