//! `tokenstile check`: what is wrong with a policy, what it means, and what it can cost at most. Called by `main`. It
//! owns the question and the verdict; what is found is `tokenstile_host::check`'s, how it is shown is `show`'s.

mod files;
mod show;

use super::Failure;
use super::format::Format;
use std::path::PathBuf;
use std::process::ExitCode;
use tokenstile_engine::units::{EpochMs, NanoUsd};
use tokenstile_host::check::{self, Assumed, Checked, Economics, Severity, Sound};
use tokenstile_host::records::money;
use tokenstile_host::replay::policy;

const EXAMPLES: &str = "\
Examples:
  tokenstile check policies/demo.json
  tokenstile check policies
  tokenstile check --deny-warnings --allow no-stop --format github policies/*.json
  tokenstile check policy.json --model gpt-4o --users 1000 --max-usd-month 6000
  tokenstile check policies/shadow-rollout.json --enforce --model gpt-4o --max-usd-per-user-month 100
  tokenstile check policy.json --model gpt-4o --users free=9000,pro=300 --max-usd-per-user-month 20
  tokenstile check --print-json policy.jsonc > policy.json

Exit status: 0 if all are right, 1 if one is not or can cost too much, 2 for a mistake in the call or a file that
cannot be read.";

/// What to look at.
#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    /// Policies, or folders of them; `-` is standard input. Scenarios (`*.test.json`) among them are left to `tokenstile test`, schemas (`*.schema.json`) out. Comments and trailing commas are taken; the filter itself takes none
    #[arg(required = true, value_name = "POLICY")]
    policies: Vec<PathBuf>,
    /// How to say it
    #[arg(long, value_enum, default_value = "human")]
    format: Format,
    /// Fail on warnings too
    #[arg(long)]
    deny_warnings: bool,
    /// A kind of warning or hint that is meant, such as `no-stop`: it is not told; may be repeated
    #[arg(long, value_name = "KIND", value_parser = clap::builder::PossibleValuesParser::new(check::WARNINGS.into_iter().chain(check::HINTS)), hide_possible_values = true)]
    allow: Vec<String>,
    /// Work out the worst case as if every rule was in force: a policy in shadow mode bounds nothing
    #[arg(long)]
    enforce: bool,
    /// Print the policy as the filter takes it, without comments, and nothing else
    #[arg(long)]
    print_json: bool,
    /// Only what is wrong: no hints, and not what the policy says and costs
    #[arg(long, short)]
    quiet: bool,
    /// The day of the check, as 2026-11-30 or 2026-11-30T12:00:00Z; else now
    #[arg(long, value_name = "DATE", value_parser = super::time)]
    at: Option<EpochMs>,
    #[command(flatten)]
    gate: Gate,
}

/// What a policy may cost.
#[derive(clap::Args)]
#[command(next_help_heading = "Worst case")]
struct Gate {
    /// A model that users call; may be repeated. Without it the dearest of all counts
    #[arg(long, value_name = "MODEL")]
    model: Vec<String>,
    /// How many users there are: N, or by tier as `free=9000,pro=300`. Budgets are a user's by the names of the dimensions in
    /// their `per`: user, tier, tenant, org, organization, team, account and customer; any other multiplies what a user has
    #[arg(long, value_name = "N|TIER=N,…", value_delimiter = ',', value_parser = users)]
    users: Vec<(String, u64)>,
    /// Fail if one call can cost more
    #[arg(long, value_name = "USD", value_parser = usd, requires = "model")]
    max_usd_per_request: Option<NanoUsd>,
    /// Fail if a user of any tier can cost more in a month, or an account of `overrides` or `exempt`
    #[arg(long, value_name = "USD", value_parser = usd)]
    max_usd_per_user_month: Option<NanoUsd>,
    /// Fail if everyone together can cost more in a month
    #[arg(long, value_name = "USD", value_parser = usd)]
    max_usd_month: Option<NanoUsd>,
}

/// One policy and what came of it.
struct Looked {
    file: String,
    text: String,
    checked: Checked,
    economics: Option<Economics>,
    /// Budgets that are in shadow mode were taken as such.
    waits: bool,
    /// What can cost too much.
    exceeded: Vec<String>,
    seconds: f64,
}

impl Looked {
    fn count(&self, severity: Severity) -> usize {
        self.checked.findings.iter().filter(|finding| finding.severity == severity).count()
    }

    fn is_right(&self, deny_warnings: bool) -> bool {
        let warned = deny_warnings && self.count(Severity::Warning) > 0;
        self.checked.policy.is_some() && self.exceeded.is_empty() && !warned
    }
}

pub(crate) fn run(args: &Args) -> Result<ExitCode, Failure> {
    let (policies, left_out) = files::policies(&args.policies)?;
    for what in left_out {
        tell!("tokenstile: {what}");
    }
    let tiers = args.gate.users.iter().map(|(tier, _)| tier);
    if let Some(twice) =
        tiers.clone().enumerate().find(|(i, tier)| tiers.clone().take(*i).any(|other| other == *tier))
    {
        let whose = if twice.1.is_empty() {
            "how many there are".to_owned()
        } else {
            format!("the tier `{}`", twice.1)
        };
        return Err(Failure::Call(format!("`--users` says {whose} twice")));
    }
    let looked = policies.iter().map(|file| look(file, args)).collect::<Result<Vec<_>, _>>()?;
    let right = looked.iter().all(|one| one.is_right(args.deny_warnings));
    if args.print_json && right {
        let strict = looked.iter().filter_map(|one| one.checked.policy.as_ref());
        for sound in strict {
            super::say(&format!("{:#}\n", sound.document))?;
        }
        return Ok(ExitCode::SUCCESS);
    }
    let text = match args.format {
        Format::Human => show::human(&looked, args.quiet),
        Format::Json => show::json(&looked, args.deny_warnings),
        Format::Junit => show::junit(&looked, args.deny_warnings),
        Format::Github => show::github(&looked),
    };
    super::say(&text)?;
    Ok(ExitCode::from(u8::from(!right)))
}

fn look(file: &std::path::Path, args: &Args) -> Result<Looked, Failure> {
    let begun = std::time::Instant::now();
    let name =
        if file == std::path::Path::new("-") { "<stdin>".to_owned() } else { file.display().to_string() };
    let now = args.at.unwrap_or_else(super::now);
    let (text, mut checked) = match check::text(super::read(file)?) {
        Ok(text) => {
            let checked = check::check(&text, now);
            (text, checked)
        }
        Err(why) => (String::new(), Checked::no_json(0..0, why, None)),
    };
    let is_meant = |finding: &check::Finding| {
        finding.severity != Severity::Error && args.allow.iter().any(|kind| kind == finding.code)
    };
    checked.findings.retain(|finding| !is_meant(finding));
    let assumed = Assumed { models: args.gate.model.clone(), users: args.gate.users.clone() };
    for said in checked.policy.iter().flat_map(|sound| check::not_known(sound, &assumed, now)) {
        tell!("tokenstile: {name}: {said}");
    }
    let in_force = checked.policy.as_ref().filter(|_| args.enforce).and_then(|sound| in_force(sound, now));
    let counted = in_force.as_ref().or(checked.policy.as_ref());
    let economics = counted.map(|sound| check::economics(sound, &assumed, now));
    let exceeded = economics.as_ref().map(|economics| args.gate.exceeded(economics)).unwrap_or_default();
    if let (Some(sound), Some(economics)) = (counted, &economics) {
        let warnings = args.gate.warnings(sound, economics, &text);
        checked.findings.extend(warnings.into_iter().filter(|one| !is_meant(one)));
    }
    let is_shadow = |sound: &Sound| sound.policy.budgets.iter().any(|budget| budget.shadow);
    let waits = !args.enforce && checked.policy.as_ref().is_some_and(is_shadow);
    Ok(Looked {
        file: name,
        text,
        checked,
        economics,
        waits,
        exceeded,
        seconds: begun.elapsed().as_secs_f64(),
    })
}

/// The policy as if every rule was in force.
fn in_force(sound: &Sound, now: EpochMs) -> Option<Sound> {
    let mut document = sound.document.clone();
    policy::in_force(&mut document);
    check::check(&document.to_string(), now).policy
}

impl Gate {
    /// What the gate cannot promise.
    fn warnings(&self, sound: &Sound, economics: &Economics, text: &str) -> Vec<check::Finding> {
        [
            self.not_counted(sound, economics, text),
            self.of_clients(sound, economics, text),
            small_table(economics, text),
        ]
        .into_iter()
        .flatten()
        .collect()
    }

    /// The budgets by which it judges.
    fn rules(&self, economics: &Economics) -> Vec<String> {
        let by_one = economics.tiers.iter().flat_map(|row| &row.rules);
        let by_one = by_one.chain(economics.accounts.iter().flat_map(|row| &row.rules));
        let by_one = by_one.filter(|_| self.max_usd_per_user_month.is_some());
        let of_all = economics.month_rules.iter().filter(|_| self.max_usd_month.is_some());
        by_one.chain(of_all).cloned().collect()
    }

    /// Of what it bounds, it leaves something out.
    fn not_counted(&self, sound: &Sound, economics: &Economics, text: &str) -> Option<check::Finding> {
        let searches = economics.not_counted.iter().any(|left| left.unit != "requests");
        let of_calls = self.max_usd_per_request.is_some() && searches;
        if !of_calls && !economics.leaves_out(sound, &self.rules(economics)) {
            return None;
        }
        let left: Vec<String> = economics.not_counted.iter().map(check::NotCounted::text).collect();
        let message = format!(
            "not counted: {}, which no amount of tokens bounds: calls can cost more than the gate says",
            left.join(" and ")
        );
        let help = "a budget in `usd` counts all that is charged; a block on `\"uses\": [\"server_tools\"]` refuses \
                    calls that search";
        Some(check::warning(text, "not-counted", "budgets", message, help.to_owned()))
    }

    /// Who writes another name is another user to it.
    fn of_clients(&self, sound: &Sound, economics: &Economics, text: &str) -> Option<check::Finding> {
        let rules = self.rules(economics);
        let (dimension, budgets) = check::of_clients(sound, &rules).into_iter().next()?;
        let message = format!(
            "clients can write `{dimension}` themselves: each value that they make up has a budget of its own in `{}`",
            budgets.join("`, `")
        );
        let help = "let the proxy set what it is read from, and remove what clients send; then say `--allow \
                    clients-dimension`";
        let path = format!("identity.{dimension}");
        Some(check::warning(text, "clients-dimension", &path, message, help.to_owned()))
    }

    /// What can cost more than it may.
    fn exceeded(&self, economics: &Economics) -> Vec<String> {
        let over = |worst: Option<NanoUsd>, most: NanoUsd| worst.is_none_or(|worst| worst > most);
        let said = |worst: Option<NanoUsd>| worst.map_or("any amount".to_owned(), money::sum);
        let mut exceeded = Vec::new();
        if let Some(most) = self.max_usd_per_request {
            for request in economics.per_request.iter().filter(|request| over(request.usd, most)) {
                let cost = said(request.usd);
                let whose = match (request.tier.as_str(), request.exempt) {
                    (_, true) => " of somebody in `exempt`, whom no request limit bounds,".to_owned(),
                    ("", _) => String::new(),
                    (tier, _) => format!(" of the `{tier}` tier"),
                };
                let model = &request.model;
                exceeded.push(format!("one call{whose} to `{model}` can cost {cost}; {most} is the most"));
            }
        }
        if let Some(most) = self.max_usd_per_user_month {
            for tier in economics.tiers.iter().filter(|tier| over(tier.user_month, most)) {
                let whose =
                    if tier.tier.is_empty() { "any".to_owned() } else { format!("the `{}`", tier.tier) };
                let cost = said(tier.user_month);
                exceeded
                    .push(format!("a user of {whose} tier can cost {cost} in a month; {most} is the most"));
            }
        }
        if let Some(most) = self.max_usd_per_user_month {
            for account in economics.accounts.iter().filter(|account| over(account.month, most)) {
                let (whose, cost) = (show::account(account), said(account.month));
                let way_out = if account.exempt {
                    "it is in `exempt`, where nothing bounds it; give it a limit in `overrides` instead"
                } else {
                    "lower its limit in `overrides`"
                };
                exceeded.push(format!("{whose} can cost {cost} in a month; {most} is the most ({way_out})"));
            }
        }
        if let Some(most) = self.max_usd_month.filter(|most| over(economics.month, *most)) {
            let exempt = economics.accounts.iter().find(|account| account.exempt);
            let help = match (economics.month, exempt) {
                (None, Some(exempt)) => {
                    let whose = show::account(exempt);
                    format!(
                        " ({whose} is in `exempt`, where nothing bounds it; give it a limit in `overrides` instead)"
                    )
                }
                (None, None) if self.users.is_empty() => " (say how many `--users` there are)".to_owned(),
                _ => String::new(),
            };
            let cost = said(economics.month);
            exceeded.push(format!("everyone together can cost {cost} in a month{help}; {most} is the most"));
        }
        exceeded
    }
}

/// So many users that the table has no room for all of them.
fn small_table(economics: &Economics, text: &str) -> Option<check::Finding> {
    let small = economics.small_table?;
    let message = format!("not bounded: {}", show::table(&small));
    let help = format!("write `\"table_slots\": {}`, or `\"table_full\": \"deny\"`", small.enough);
    Some(check::warning(text, "small-table", "table_slots", message, help))
}

fn usd(text: &str) -> Result<NanoUsd, String> {
    NanoUsd::parse(text).ok_or_else(|| "write dollars, such as 20 or 0.50".to_owned())
}

fn users(text: &str) -> Result<(String, u64), String> {
    let (tier, count) = text.split_once('=').unwrap_or(("", text));
    let count = count.parse().map_err(|_| "write a number, or TIER=NUMBER".to_owned())?;
    Ok((tier.to_owned(), count))
}
