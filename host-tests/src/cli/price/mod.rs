//! `tokenstile price`: what a model costs, or what a request would, by the very book and policy that the filter
//! uses. Called by `main`. It owns the question; the answers are `model` and `request`.

mod model;
mod request;

use super::Failure;
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use tokenstile_engine::policy::Policy;
use tokenstile_engine::price::{
    PRICES_AS_OF, PRICES_VERSION, Price, ServiceTier, Unit, is_provider, providers,
};
use tokenstile_engine::units::{EpochMs, grouped};
use tokenstile_engine::usage::Usage;

const EXAMPLES: &str = "\
Examples:
  tokenstile price claude-sonnet-4-5
  tokenstile price gpt-4o --input 10000 --cached 4000 --output 500 --tier batch
  tokenstile price chat-prod --provider azure --policy policy.json --format json
  tokenstile price --request body.json --path /v1/messages --host api.anthropic.com

Exit status: 0 if there is a price, 1 if the model is unknown or the request cannot be read, 2 for a mistake in
the call or a file that cannot be read.";

/// Where the price book has a surcharge.
const PLACES: [&str; 2] = ["regional", "us"];

/// What is asked.
#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    /// The model, as a request or an answer names it
    #[arg(required_unless_present = "request", conflicts_with = "request")]
    model: Option<String>,
    /// Who serves it, as the price book names them (`openai`, `aws`, `google`, …); else the model's name tells
    #[arg(long)]
    provider: Option<String>,
    /// A request instead of a model: its body, or one JSON line of a recorded exchange; `-` is standard input
    #[arg(long, value_name = "FILE")]
    request: Option<PathBuf>,
    /// Where the request goes
    #[arg(long, requires = "request", value_name = "PATH", value_parser = super::path)]
    path: Option<String>,
    /// The host that it goes to
    #[arg(long, requires = "request", value_name = "HOST")]
    host: Option<String>,
    /// The policy whose prices, aliases and rules hold
    #[arg(long, value_name = "FILE")]
    policy: Option<PathBuf>,
    /// The day or time of the call, as 2026-11-30 or 2026-11-30T12:00:00Z; else now
    #[arg(long, value_name = "DATE", value_parser = super::time)]
    at: Option<EpochMs>,
    /// How it is served
    #[arg(long, value_parser = ["standard", "batch", "flex", "priority", "fast"])]
    tier: Option<String>,
    /// Where it must be served, if that costs more: `us` (Anthropic), `regional` (Claude on Vertex AI)
    #[arg(long, value_parser = PLACES)]
    place: Option<String>,
    #[command(flatten)]
    tokens: Tokens,
    /// How to say it
    #[arg(long, value_enum, default_value = "human")]
    format: Format,
}

/// Tokens of a call, to be priced. Totals include their parts.
#[derive(clap::Args)]
#[command(next_help_heading = "What a call uses")]
struct Tokens {
    /// All input tokens
    #[arg(long, value_name = "N")]
    input: Option<u64>,
    /// Of these, read from the cache
    #[arg(long, value_name = "N", default_value_t = 0)]
    cached: u64,
    /// Of these, written to the cache
    #[arg(long, value_name = "N", default_value_t = 0)]
    cache_write: u64,
    /// Of the written ones, for an hour
    #[arg(long, value_name = "N", default_value_t = 0)]
    cache_write_1h: u64,
    /// Of the input, audio
    #[arg(long, value_name = "N", default_value_t = 0)]
    input_audio: u64,
    /// All output tokens
    #[arg(long, value_name = "N")]
    output: Option<u64>,
    /// Of these, reasoning
    #[arg(long, value_name = "N", default_value_t = 0)]
    reasoning: u64,
    /// Of the output, audio
    #[arg(long, value_name = "N", default_value_t = 0)]
    output_audio: u64,
    /// Searches that the provider makes
    #[arg(long, value_name = "N", default_value_t = 0)]
    web_searches: u64,
}

#[derive(Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Format {
    /// Text
    Human,
    /// One JSON object
    Json,
}

/// What was found: the text and the object that say it, and whether it is right.
struct Answer {
    text: String,
    json: Value,
    right: bool,
}

pub(crate) fn run(args: &Args) -> Result<ExitCode, Failure> {
    let Answer { text, json, right } = answer(args)?;
    match args.format {
        Format::Human => super::say(&text)?,
        Format::Json => super::say(&format!("{json:#}\n"))?,
    }
    Ok(ExitCode::from(u8::from(!right)))
}

fn answer(args: &Args) -> Result<Answer, String> {
    args.tokens.check()?;
    let policy = policy(args.policy.as_deref())?;
    let asked = Asked {
        provider: args.provider.as_deref().or(policy.provider.as_deref()),
        tier: args.tier.as_deref().map(ServiceTier::named),
        place: args.place.as_deref().unwrap_or_default(),
        at: args.at.unwrap_or_else(super::now),
        usage: args.tokens.usage(),
        policy: &policy,
    };
    let known = |name: &str| is_provider(name) || policy.provider.as_deref() == Some(name);
    if let Some(name) = args.provider.as_deref().filter(|name| !known(name)) {
        let all: Vec<&str> = providers().collect();
        return Err(format!("the price book knows no provider `{name}`; it knows {}", all.join(", ")));
    }
    match (&args.request, &args.model) {
        (Some(file), _) => {
            request::answer(&super::read(file)?, args.path.as_deref(), args.host.as_deref(), &asked)
        }
        (None, Some(model)) => Ok(model::answer(model, &asked)),
        (None, None) => Err("a model or `--request` is needed; see `tokenstile price --help`".to_owned()),
    }
}

/// What is known beside model or request.
struct Asked<'a> {
    provider: Option<&'a str>,
    tier: Option<ServiceTier>,
    place: &'a str,
    at: EpochMs,
    usage: Option<Usage>,
    policy: &'a Policy,
}

impl Tokens {
    /// Parts that are more than their totals.
    fn check(&self) -> Result<(), String> {
        let sums = [
            (
                self.input,
                "--input",
                self.cached.saturating_add(self.cache_write),
                "`--cached` and `--cache-write`",
            ),
            (self.input, "--input", self.input_audio, "`--input-audio`"),
            (self.output, "--output", self.reasoning, "`--reasoning`"),
            (self.output, "--output", self.output_audio, "`--output-audio`"),
            (
                Some(self.cache_write).filter(|all| *all > 0),
                "--cache-write",
                self.cache_write_1h,
                "`--cache-write-1h`",
            ),
        ];
        let wrong = |(all, total, part, parts): (Option<u64>, &str, u64, &str)| {
            let all = all.filter(|all| part > *all)?;
            Some(format!("{parts}: {part} tokens are more than the {all} of `{total}`, which includes them"))
        };
        sums.into_iter().find_map(wrong).map_or(Ok(()), Err)
    }

    /// `None` if nothing is asked.
    fn usage(&self) -> Option<Usage> {
        let cached = self.cached.saturating_add(self.cache_write.max(self.cache_write_1h));
        let usage = Usage {
            input: self.input.unwrap_or(0).max(cached).max(self.input_audio),
            cache_read: self.cached,
            cache_write: self.cache_write.max(self.cache_write_1h),
            cache_write_1h: self.cache_write_1h,
            input_audio: self.input_audio,
            output: self.output.unwrap_or(0).max(self.reasoning).max(self.output_audio),
            reasoning: self.reasoning,
            output_audio: self.output_audio,
            web_searches: self.web_searches,
            ..Usage::default()
        };
        let asked = self.input.is_some() || self.output.is_some() || usage != Usage::default();
        asked.then_some(usage)
    }
}

fn policy(file: Option<&Path>) -> Result<Policy, String> {
    let Some(file) = file else {
        return Policy::parse(br#"{"version": 1, "name": "none"}"#).map_err(|errors| errors.to_string());
    };
    let name = file.display();
    let wrong = |why: String| format!("`{name}`: {why}\n  `tokenstile check {name}` shows where");
    let text = tokenstile_host::check::text(super::read(file)?).map_err(wrong)?;
    let strict = tokenstile_host::check::strict(&text).map_err(wrong)?;
    Policy::parse(strict.as_bytes()).map_err(|errors| wrong(errors.to_string()))
}

/// Where the prices come from, in a sentence.
fn source() -> String {
    format!(
        "Prices of {PRICES_AS_OF}: genai-prices {PRICES_VERSION}, https://pypi.org/project/genai-prices/{PRICES_VERSION}/\n"
    )
}

fn source_json() -> Value {
    json!({
        "as_of": PRICES_AS_OF,
        "package": "genai-prices",
        "version": PRICES_VERSION,
        "source": format!("https://pypi.org/project/genai-prices/{PRICES_VERSION}/"),
    })
}

/// All rates of a price for a call of so many input tokens, as texts by unit.
fn rates(price: &Price, input_tokens: u64) -> Vec<(Unit, String)> {
    let rate = |unit: &Unit| Some((*unit, unit.rate_text(price.rate(*unit, input_tokens)?)));
    Unit::ALL.iter().filter_map(rate).collect()
}

/// `10,000 input (4,000 cache_read) and 500 output`.
fn spelled(usage: &Usage) -> String {
    let parts = |parts: &[(&str, u64)]| {
        let some = parts.iter().filter(|(_, count)| *count > 0);
        let some: Vec<String> = some.map(|(name, count)| format!("{} {name}", grouped(*count))).collect();
        if some.is_empty() { String::new() } else { format!(" ({})", some.join(", ")) }
    };
    let input = parts(&[
        ("cache_read", usage.cache_read),
        ("cache_write", usage.cache_write),
        ("cache_write_1h", usage.cache_write_1h),
        ("input_audio", usage.input_audio),
    ]);
    let output = parts(&[("reasoning", usage.reasoning), ("output_audio", usage.output_audio)]);
    let searches = match usage.web_searches {
        0 => String::new(),
        count => format!(" and {} web_searches", grouped(count)),
    };
    format!("{} input{input} and {} output{output}{searches}", grouped(usage.input), grouped(usage.output))
}

/// An amount as a decimal text: `0.0081`.
fn dollars(nano_usd: i64) -> String {
    let text = format!("{}.{:09}", nano_usd / 1_000_000_000, nano_usd % 1_000_000_000);
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

/// A table without lines, its columns lined up.
fn table(header: Vec<String>, rows: Vec<Vec<String>>) -> String {
    let mut table = comfy_table::Table::new();
    table.load_style(comfy_table::presets::NOTHING).set_header(header).add_rows(rows);
    table.lines().map(|line| format!("{}\n", line.trim_end())).collect()
}
