//! `tokenstile ab`: the arms of an experiment compared. Called by `main`; the statistics are
//! `tokenstile_host::records::ab`.

use super::Failure;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use tokenstile_engine::policy::Setting;
use tokenstile_host::records::ab::{Baseline, Builder};
use tokenstile_host::records::{Record, html, read, so_many};

const EXAMPLES: &str = "\
Examples:
  tokenstile ab --experiment cheap-for-chat envoy.log
  tokenstile ab --experiment cheap-for-chat --subject user --weights control=500,cheap=500 --json records.ndjson
  tokenstile ab --experiment cheap-for-chat --policy policy.json envoy.log
  tokenstile ab --experiment cheap-for-chat --html cheap-for-chat.html envoy.log

Exit status: 0 if the arms can be compared, 1 if subjects did not come in the shares of the split or some lines cannot
be read, 2 for a mistake in the call, a file that cannot be read, or no such experiment.";

/// What is asked.
#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    /// Cost records: a proxy's log, or their JSON alone; also packed by gzip or zstd
    #[arg(required = true, value_name = "RECORDS")]
    records: Vec<PathBuf>,
    /// The route that splits
    #[arg(long, value_name = "ROUTE")]
    experiment: String,
    /// The dimension that it splits by
    #[arg(long, default_value = "user", value_name = "DIMENSION")]
    subject: String,
    /// The shares of the arms, as `control=900,cheap=100`; else all are alike. The arm `holdout` is no part of them unless it has one here
    #[arg(long, value_delimiter = ',', value_name = "ARM=WEIGHT")]
    weights: Vec<String>,
    /// The arm that others are compared with; else `control`, an arm that changes nothing (with --policy), or the largest
    #[arg(long, value_name = "ARM")]
    baseline: Option<String>,
    /// The policy with the route, which says what arms change
    #[arg(long, value_name = "POLICY")]
    policy: Option<PathBuf>,
    /// Print JSON
    #[arg(long)]
    json: bool,
    /// Write a page with plots, one file for itself
    #[arg(long, value_name = "FILE")]
    html: Option<PathBuf>,
}

pub(crate) fn run(args: &Args) -> Result<ExitCode, Failure> {
    let mut weights = BTreeMap::new();
    for weight in &args.weights {
        let wrong = || format!("`{weight}` is no weight; write it as `arm=500`");
        let (arm, share) = weight.split_once('=').ok_or_else(wrong)?;
        let share = share.parse::<f64>().ok().filter(|share| share.is_finite() && *share > 0.0);
        weights.insert(arm.to_owned(), share.ok_or_else(wrong)?);
    }
    let idle = args.policy.as_deref().map(|file| idle(file, &args.experiment)).transpose()?;
    let (mut builder, mut routes) = (Builder::new(&args.experiment, &args.subject), BTreeSet::new());
    let seen = read(&args.records, |record: Record| {
        routes.extend(record.arms.keys().cloned());
        builder.add(&record);
    })?;
    if !routes.contains(&args.experiment) {
        let routes: Vec<String> = routes.into_iter().collect();
        let known = if routes.is_empty() { "none".to_owned() } else { routes.join(", ") };
        return Err(format!("no record is in experiment `{}`; there is {known}", args.experiment).into());
    }
    if builder.without_subject > 0 {
        let (without, subject) = (builder.without_subject, &args.subject);
        let (have, are) = if without == 1 { ("has", "is") } else { ("have", "are") };
        let records = so_many(without, "record");
        tell!("tokenstile: {records} of the experiment {have} no `{subject}` and {are} left out");
    }
    let found = || Baseline::Found(idle.as_deref().unwrap_or_default());
    let baseline = args.baseline.as_deref().map_or_else(found, Baseline::Asked);
    let experiment = builder.finish(&weights, baseline)?;
    super::report::write(args.html.as_deref(), || html::ab::page(&args.experiment, &experiment))?;
    super::say(&if args.json { format!("{:#}\n", experiment.json()) } else { experiment.text() })?;
    let status = super::report::tell(&seen);
    Ok(if experiment.is_mismatched() { ExitCode::from(1) } else { status })
}

/// The arms that change nothing, as the policy has them now.
fn idle(file: &Path, experiment: &str) -> Result<Vec<String>, String> {
    let policy = super::policy(file)?;
    let split =
        policy.routes.iter().find(|route| route.name == experiment).and_then(|route| route.split.as_ref());
    let split =
        split.ok_or_else(|| format!("`{}` has no route `{experiment}` that splits", file.display()))?;
    let changes_nothing = |set: &Setting| {
        set.model.is_none()
            && set.max_output_tokens.is_none()
            && set.service_tier.is_none()
            && set.headers.is_empty()
    };
    Ok(split.arms.iter().filter(|arm| changes_nothing(&arm.set)).map(|arm| arm.name.clone()).collect())
}
