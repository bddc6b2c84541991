//! `tokenstile explain`: why a policy decides about a request as it does. Called by `main`. It owns the question; the
//! request is read by `request`, and what is said comes from `tokenstile_host::explain`.

mod request;

use super::Failure;
use serde_json::{Value, json};
use std::path::PathBuf;
use std::process::ExitCode;
use tokenstile_engine::policy::Policy;
use tokenstile_engine::units::{EpochMs, Meter, NanoUsd};
use tokenstile_host::check;
use tokenstile_host::explain::{Explanation, explain};

const EXAMPLES: &str = "\
Examples:
  tokenstile explain policy.json request.http
  tokenstile explain policy.json body.json --path /v1/messages --header 'x-user-id: ann'
  tokenstile explain policy.json body.json --used daily=9950
  tokenstile explain policy.json - --format json < request.json

A request is an HTTP message as it goes over the wire, a JSON object with `method`, `path`, `headers` and `body`, or a
body alone. What stands in the flags counts before what stands in it.

Exit status: 0 whatever is decided, 1 if the policy is wrong, 2 for a mistake in the call or a file that cannot be read.";

/// What to explain.
#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    /// The policy
    policy: PathBuf,
    /// The request; `-` is standard input
    #[arg(default_value = "-")]
    request: PathBuf,
    /// Its method; without it the request's own, else POST
    #[arg(long)]
    method: Option<String>,
    /// Its path; without it the request's own, else /v1/chat/completions
    #[arg(long, value_parser = super::path)]
    path: Option<String>,
    /// The host that it goes to
    #[arg(long)]
    host: Option<String>,
    /// A header, as `name: value`; may be repeated
    #[arg(long, short = 'H', value_name = "NAME: VALUE", value_parser = request::header)]
    header: Vec<(String, String)>,
    /// What the proxy knows beside it, such as `source.address=10.0.0.1:5000`; may be repeated
    #[arg(long, value_name = "NAME=VALUE", value_parser = pair)]
    property: Vec<(String, String)>,
    /// What a budget has used already, in its own unit; may be repeated
    #[arg(long, value_name = "BUDGET=AMOUNT", value_parser = pair)]
    used: Vec<(String, String)>,
    /// When it comes, as 2026-11-30 or 2026-11-30T12:00:00Z; else now
    #[arg(long, value_name = "DATE", value_parser = super::time)]
    at: Option<EpochMs>,
    /// How to say it
    #[arg(long, value_enum, default_value = "human")]
    format: Format,
}

#[derive(Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Format {
    /// Text
    Human,
    /// One JSON object
    Json,
}

pub(crate) fn run(args: &Args) -> Result<ExitCode, Failure> {
    let name = args.policy.display();
    let text = check::text(super::read(&args.policy)?)
        .map_err(|why| Failure::Wrong(format!("the policy `{name}`: {why}")))?;
    let checked = check::check(&text, args.at.unwrap_or_else(super::now));
    let sound = checked.policy.ok_or_else(|| {
        Failure::Wrong(format!("the policy `{name}` is wrong; `tokenstile check {name}` says where"))
    })?;
    let mut request = request::read(&super::read(&args.request)?)?;
    let over = |place: &mut String, given: Option<&String>| {
        if let Some(given) = given {
            place.clone_from(given);
        }
    };
    over(&mut request.method, args.method.as_ref());
    over(&mut request.path, args.path.as_ref());
    over(&mut request.host, args.host.as_ref());
    request
        .headers
        .retain(|(name, _)| !args.header.iter().any(|(given, _)| given.eq_ignore_ascii_case(name)));
    request.headers.extend(args.header.iter().cloned());
    request.properties.extend(args.property.iter().cloned());
    let used = args.used.iter().map(|used| amount(&sound.policy, used)).collect::<Result<Vec<_>, _>>()?;
    let told = explain(&sound.document, &request, &used, args.at.unwrap_or_else(super::now))?;
    super::say(&match args.format {
        Format::Human => human(&told),
        Format::Json => json(&told),
    })?;
    Ok(ExitCode::SUCCESS)
}

fn human(told: &Explanation) -> String {
    let mut out = String::new();
    for (number, step) in (1..).zip(&told.steps) {
        out += &format!("\u{1b}[1m{number}. {}\u{1b}[0m\n", step.title);
        for line in &step.lines {
            let colour = match line.as_bytes().first() {
                Some(b'-') => "\u{1b}[31m",
                Some(b'+') => "\u{1b}[32m",
                _ => "",
            };
            let end = if colour.is_empty() { "" } else { "\u{1b}[0m" };
            out += &format!("   {colour}{line}{end}\n");
        }
    }
    out
}

fn json(told: &Explanation) -> String {
    let steps: Vec<Value> =
        told.steps.iter().map(|step| json!({"step": step.title, "says": step.lines})).collect();
    let all = json!({"decision": told.decision, "refused_with": told.refused, "steps": steps, "record": told.record});
    format!("{all:#}\n")
}

fn pair(text: &str) -> Result<(String, String), String> {
    let (name, value) = text.split_once('=').ok_or("write it as NAME=VALUE")?;
    Ok((name.to_owned(), value.to_owned()))
}

/// An amount as its budget counts it: tokens, requests, or dollars.
fn amount(policy: &Policy, (name, text): &(String, String)) -> Result<(String, i64), String> {
    let budget = policy.budgets.iter().find(|budget| budget.name == *name);
    let budget = budget.ok_or_else(|| {
        // Limits of tiers and accounts are budgets of the same names.
        let names: Vec<String> =
            policy.declared().iter().map(|budget| format!("`{}`", budget.name)).collect();
        let known = if names.is_empty() { "none".to_owned() } else { names.join(", ") };
        format!("no budget `{name}`; there is {known}")
    })?;
    let amount = match budget.meter {
        Meter::Usd => NanoUsd::parse(text).map(|NanoUsd(nano)| nano),
        meter => text.parse().ok().map(|count| meter.amount(count)),
    };
    let amount = amount.ok_or_else(|| format!("`{text}` is no amount of `{}`", budget.meter.unit()))?;
    Ok((name.clone(), amount))
}
