//! `cargo xtask corpus … --wasm`: recorded exchanges through the built filter, as a proxy would show them, and
//! through the engine alone. Both must say and do the same.
//!
//! Reads `exchanges.*.jsonl.zst` of a folder that is no part of this repository. Owns the sample and the
//! comparison; [`native`] drives the engine, [`wasm`] the filter.

mod native;
mod wasm;

use anyhow::{Context as _, Result, ensure};
use clap::Parser;
use serde_json::{Value, json};
use std::collections::{BTreeMap, HashSet};
use std::path::PathBuf;
use std::process::ExitCode;
use tokenstile_corpus::recording::{self, Exchange};
use tokenstile_engine::policy::Policy;
use tokenstile_host::cases::filter;

/// Hold the built filter against the engine over recorded traffic.
#[derive(Parser)]
struct Args {
    /// The folder with exchanges.*.jsonl.zst.
    #[arg(env = "TOKENSTILE_CORPUS")]
    folder: PathBuf,
    /// About so many exchanges, evenly spread, at least three of every dialect and provider; 0 for all.
    #[arg(long, default_value_t = 600)]
    sample: usize,
    /// Only exchanges whose dialect (as recorded) contains this.
    #[arg(long, default_value = "")]
    dialect: String,
    /// Only exchanges of this provider.
    #[arg(long)]
    provider: Option<String>,
    /// The answer comes in pieces of so many bytes.
    #[arg(long, default_value_t = 1_000)]
    piece: usize,
    /// List no differences, only how many there are.
    #[arg(long)]
    brief: bool,
    /// One JSON object instead of text.
    #[arg(long)]
    json: bool,
}

/// What a call came to: the same words for filter and engine.
#[derive(Debug, Default, PartialEq, Eq)]
struct Outcome {
    /// The cost record; none for a call that is not metered.
    record: Option<Value>,
    /// What the upstream got.
    path: Vec<u8>,
    upstream: Vec<u8>,
    /// What the client got.
    client: Vec<u8>,
}

/// At least so many of every dialect and provider.
const EACH: usize = 3;

fn main() -> Result<ExitCode> {
    let args = Args::parse();
    let sample = sample(&args)?;
    let policy = policy();
    let engine =
        Policy::parse(policy.to_string().as_bytes()).map_err(|errors| anyhow::anyhow!("{errors}"))?;
    let mut engine = native::Engine::new(engine);
    let module = filter::module().map_err(anyhow::Error::msg)?;
    let mut filter = wasm::Filter::new(&module, &policy)?;
    let mut tally = Tally::default();
    recording::exchanges(&args.folder, |exchange| {
        if sample.contains(&exchange.id) {
            let differences = compare(&exchange, &mut engine, &mut filter, &mut tally, args.piece)
                .with_context(|| exchange.id.clone())?;
            tally.take(&exchange, differences);
        }
        Ok(())
    })?;
    tally.print(&args);
    Ok(ExitCode::from(u8::from(!tally.different.is_empty())))
}

/// Nothing is refused or changed; every prompt is counted, and held in a budget of each meter.
fn policy() -> Value {
    let budget = |name: &str, limit: Value| {
        json!({"name": name, "per": [], "limit": limit, "window": {"calendar": "day"},
               "ladder": [{"at": "100%", "deny": {}}]})
    };
    json!({
        "version": 1, "name": "corpus", "count": "always", "hold_headers": true, "max_body_bytes": 100_000_000,
        "budgets": [budget("tokens", json!({"tokens": 1_000_000_000_000_u64})), budget("usd", json!({"usd": "1000000"}))],
    })
}

/// The ids to run: of each dialect and provider its share, evenly spaced, and the same at every run.
fn sample(args: &Args) -> Result<HashSet<String>> {
    let mut groups: BTreeMap<(String, String), Vec<String>> = BTreeMap::new();
    let mut total = 0;
    recording::exchanges(&args.folder, |exchange| {
        let wanted = exchange.dialect.contains(&args.dialect)
            && args.provider.as_ref().is_none_or(|provider| *provider == exchange.provider);
        if wanted {
            total += 1;
            groups.entry((exchange.dialect, exchange.provider)).or_default().push(exchange.id);
        }
        Ok(())
    })?;
    ensure!(total > 0, "no exchange matches; `--help` tells the filters");
    let mut sample = HashSet::new();
    for ids in groups.values() {
        let share = if args.sample == 0 { ids.len() } else { (ids.len() * args.sample).div_ceil(total) };
        let count = share.max(EACH).min(ids.len());
        sample.extend((0..count).map(|i| ids[i * ids.len() / count].clone()));
    }
    Ok(sample)
}

fn compare(
    exchange: &Exchange,
    engine: &mut native::Engine,
    filter: &mut wasm::Filter,
    tally: &mut Tally,
    piece: usize,
) -> Result<Vec<String>> {
    let request = exchange.request().map_err(anyhow::Error::msg)?;
    let response = exchange.response().map_err(anyhow::Error::msg)?;
    let expected = engine.run(exchange, &request, &response, filter.now())?;
    let (found, mut differences) = filter.run(exchange, &request, &response, piece)?;
    tally.metered += usize::from(expected.record.is_some());
    tally.asked += usize::from(expected.upstream != request);
    for (what, ours, theirs) in [
        ("the path sent on", &found.path, &expected.path),
        ("the body sent on", &found.upstream, &expected.upstream),
        ("the answer passed on", &found.client, &expected.client),
    ] {
        if ours != theirs {
            differences.push(format!("{what} has {} bytes and {} natively", ours.len(), theirs.len()));
        }
    }
    // An answer only changes where usage was asked for that the client did not ask for.
    let untouched = expected.upstream == request;
    if untouched && expected.client != response {
        differences.push("the answer changed, though nothing was asked for".to_owned());
    }
    let put_in = r#""include_usage":true"#;
    if !untouched && !String::from_utf8_lossy(&expected.upstream).contains(put_in) {
        differences.push("the body changed by more than `include_usage`".to_owned());
    }
    match (&found.record, &expected.record) {
        (Some(ours), Some(theirs)) => differences.extend(fields(ours, theirs)),
        (None, None) => {}
        (ours, _) => differences.push(format!(
            "{} is metered",
            if ours.is_some() { "only in the filter it" } else { "only natively it" }
        )),
    }
    Ok(differences)
}

/// What a shell gives a call, and no engine.
const OF_THE_SHELL: [&str; 2] = ["id", "time_to_first_chunk_ms"];

/// Fields of two records that differ.
fn fields(ours: &Value, theirs: &Value) -> Vec<String> {
    let names = |value: &Value| value.as_object().map(|map| map.keys().cloned().collect::<Vec<_>>());
    let mut all = names(ours).unwrap_or_default();
    all.extend(names(theirs).unwrap_or_default());
    all.sort();
    all.dedup();
    let differs = |name: &String| ours.get(name) != theirs.get(name);
    let shown = |value: Option<&Value>| value.map_or_else(|| "nothing".to_owned(), Value::to_string);
    all.iter()
        .filter(|name| differs(name) && !OF_THE_SHELL.contains(&name.as_str()))
        .map(|name| format!("{name} {} and {} natively", shown(ours.get(name)), shown(theirs.get(name))))
        .collect()
}

/// How many agree, and who does not.
#[derive(Default)]
struct Tally {
    equal: usize,
    different: Vec<(String, Vec<String>)>,
    by_dialect: BTreeMap<String, (usize, usize)>,
    /// Have a cost record.
    metered: usize,
    /// Were asked to state their usage.
    asked: usize,
}

impl Tally {
    fn take(&mut self, exchange: &Exchange, differences: Vec<String>) {
        let row = self.by_dialect.entry(exchange.dialect.clone()).or_default();
        row.0 += 1;
        if differences.is_empty() {
            self.equal += 1;
        } else {
            row.1 += 1;
            let who = format!("{} {} {}", exchange.id, exchange.dialect, exchange.provider);
            self.different.push((who, differences));
        }
    }

    fn print(&self, args: &Args) {
        if args.json {
            let different: Vec<Value> = self
                .different
                .iter()
                .map(|(who, why)| json!({"exchange": who, "differences": why}))
                .collect();
            println!(
                "{:#}",
                json!({
                    "equal": self.equal, "metered": self.metered, "asked_for_usage": self.asked, "different": different,
                })
            );
            return;
        }
        for (dialect, (count, different)) in &self.by_dialect {
            println!("{dialect:32} {count:5} run {different:5} different");
        }
        if !args.brief {
            for (who, why) in &self.different {
                println!("{who}: {}", why.join("; "));
            }
        }
        println!(
            "\nfilter and engine: {} equal, {} different ({} metered, {} asked for their usage)",
            self.equal,
            self.different.len(),
            self.metered,
            self.asked
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_differs_is_named() {
        let ours = json!({"model": "a", "cost": 1, "usage": {"input": 1}});
        let theirs = json!({"model": "a", "cost": 2, "usage": {"input": 1, "output": 2}, "rule": "x"});
        assert_eq!(
            fields(&ours, &theirs),
            [
                "cost 1 and 2 natively",
                "rule nothing and \"x\" natively",
                "usage {\"input\":1} and {\"input\":1,\"output\":2} natively"
            ]
        );
        assert!(fields(&ours, &ours).is_empty());
    }
}
