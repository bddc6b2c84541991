//! `tokenstile reconcile`: cost records held against a provider's bill. Called by `main`; the comparison is
//! `tokenstile_host::records::reconcile`.

use super::Failure;
use jiff::tz::{Offset, TimeZone};
use std::path::PathBuf;
use std::process::ExitCode;
use tokenstile_host::records::bill::{self, Mark, Reading};
use tokenstile_host::records::reconcile::{Builder, Options};
use tokenstile_host::records::{Record, read};

const EXAMPLES: &str = "\
Examples:
  tokenstile reconcile envoy.log openai-costs.csv
  tokenstile reconcile --format csv records.ndjson openai-costs.csv > differences.csv
  tokenstile reconcile --columns date=Day,model=Model,cost=USD --tolerance 1 records.ndjson bill.csv

Bills are CSV: OpenAI's costs, the Claude Console's costs, AWS's cost and usage report (also 2.0), Google Cloud's billing
export, or any other with --columns. The answers of OpenAI's and Anthropic's cost APIs are read as JSON.

Exit status: 0 if the sum and that of each model are within the tolerance, 1 if they are not or some records cannot be
read, 2 for a mistake in the call, a file that cannot be read, or a bill that is not understood.";

/// What is asked.
#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    /// Cost records: a proxy's log, or their JSON alone; also packed by gzip or zstd; `-` is standard input
    #[arg(required = true, value_name = "RECORDS")]
    records: Vec<PathBuf>,
    /// The bill
    #[arg(required = true, value_name = "BILL")]
    bill: PathBuf,
    /// What is no difference, in percent of the bill
    #[arg(long, default_value_t = 2.0, value_name = "PERCENT")]
    tolerance: f64,
    /// Which column has what: `date`, `model`, `cost`, `currency`
    #[arg(long, value_delimiter = ',', value_name = "WHAT=COLUMN")]
    columns: Vec<String>,
    /// What the bill's amounts are
    #[arg(long, value_enum, default_value = "dollars")]
    unit: Unit,
    /// What stands before the decimals of a bill in CSV; else its amounts show it
    #[arg(long, value_enum, value_name = "MARK")]
    decimal: Option<Decimal>,
    /// By whose clock the bill's days begin: a zone such as America/Los_Angeles, or +02:00
    #[arg(long, default_value = "UTC", value_name = "ZONE")]
    timezone: String,
    /// Whose calls are compared; else those of the provider that the bill is from
    #[arg(long, value_delimiter = ',', value_name = "NAMES")]
    provider: Vec<String>,
    /// How to say it
    #[arg(long, value_enum, default_value = "human")]
    format: Format,
}

#[derive(Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Unit {
    /// US dollars
    Dollars,
    /// Hundredths of them
    Cents,
}

#[derive(Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Decimal {
    /// As in 1,234.50
    Point,
    /// As in 1.234,50
    Comma,
}

#[derive(Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Format {
    /// Tables and sentences
    Human,
    /// A line for each day and model, dollars as exact decimals
    Csv,
    /// One JSON object, dollars as whole billionths
    Json,
}

pub(crate) fn run(args: &Args) -> Result<ExitCode, Failure> {
    if !(0.0..100.0).contains(&args.tolerance) {
        return Err(Failure::Call("a tolerance is a number of percent from 0 to 100".to_owned()));
    }
    let decimal = args.decimal.map(|decimal| match decimal {
        Decimal::Point => Mark::Point,
        Decimal::Comma => Mark::Comma,
    });
    let (columns, cents) = (Reading::columns(&args.columns)?, args.unit == Unit::Cents);
    let reading = Reading { columns, cents, decimal };
    let bytes = super::read(&args.bill)?;
    let text = String::from_utf8(bytes).map_err(|_| "the bill is not UTF-8".to_owned());
    let bill = text.and_then(|text| bill::read(&text, &reading));
    let bill = bill.map_err(|error| format!("{}: {error}", args.bill.display()))?;
    let options = Options {
        tolerance: args.tolerance / 100.0,
        zone: zone(&args.timezone)?,
        providers: args.provider.clone(),
    };
    let mut builder = Builder::new(&bill, options);
    let seen = read(&args.records, |record: Record| builder.add(&record))?;
    let result = builder.finish(&seen);
    super::say(&match args.format {
        Format::Human => result.text(),
        Format::Csv => result.csv()?,
        Format::Json => format!("{:#}\n", result.json()),
    })?;
    let status = super::report::tell(&seen);
    Ok(if result.is_beyond() { ExitCode::from(1) } else { status })
}

/// A zone by its name, or an offset as `+02:00`: no clock is further from UTC than -12:00 and +14:00.
fn zone(text: &str) -> Result<TimeZone, String> {
    let offset = || {
        let (sign, rest) =
            text.strip_prefix('-').map(|rest| (-1, rest)).or(text.strip_prefix('+').map(|rest| (1, rest)))?;
        let (hours, minutes) = rest.split_once(':')?;
        let number = |digits: &str| {
            let is_number = (1..=2).contains(&digits.len()) && digits.bytes().all(|b| b.is_ascii_digit());
            digits.parse::<i32>().ok().filter(|_| is_number)
        };
        let minutes = number(minutes).filter(|minutes| *minutes < 60)?;
        let all = sign * (number(hours)? * 60 + minutes);
        let is_kept = (-12 * 60..=14 * 60).contains(&all);
        Offset::from_seconds(all * 60).ok().filter(|_| is_kept).map(Offset::to_time_zone)
    };
    let wrong = || format!("`{text}` is no time zone; name one such as Europe/Berlin, or write +02:00");
    TimeZone::get(text).ok().or_else(offset).ok_or_else(wrong)
}
