//! The command line of this repository: `cargo xtask build | test | demo | ci | bench | fit | …`.
//!
//! It owns what a contributor types, and nothing else: each command is a few calls of cargo, of
//! Envoy and of the `tokenstile` binary. It knows no policy, no budget and no proxy-wasm. It is
//! compiled before every other command, so it stays small.

mod bench;
mod ci;
mod corpus;
mod day;
mod debian;
mod demo;
mod envoy;
mod fit;
mod fuzz;
mod prices;
mod progress;
mod sh;
mod test;
mod wasm;

use std::{path::PathBuf, process::ExitCode};

use clap::{Parser, Subcommand};

/// Build, test, demonstrate and measure Tokenstile.
#[derive(Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask")]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Make target/tokenstile.wasm.
    Build {
        /// Use this way only, instead of the first that works.
        #[arg(long, value_enum)]
        way: Option<wasm::Way>,
    },
    /// Build the filter, then run every test, natively, in wasmtime and in a real Envoy.
    Test {
        /// Arguments handed to `cargo test`, for example `-p tokenstile-engine`.
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        cargo_args: Vec<String>,
    },
    /// Watch a day of LLM traffic go through the filter.
    Demo {
        /// Through a real Envoy and envoy.yaml instead of the embedded proxy.
        #[arg(long)]
        envoy: bool,
        /// Arguments handed to `tokenstile demo`.
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        demo_args: Vec<String>,
    },
    /// Everything that CI checks, in CI's order.
    Ci {
        /// Only the steps whose name contains this, for example `layering`.
        #[arg(default_value = "")]
        only: String,
    },
    /// Print the path of Envoy; install it under target/ when there is none.
    Envoy,
    /// Measure the engine over recorded exchanges with LLM APIs.
    Corpus {
        /// Arguments handed to the measuring program: the folder (`$TOKENSTILE_CORPUS`), `--json`, …
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        corpus_args: Vec<String>,
    },
    /// Send a recorded day (CSV with token counts) through a real Envoy: what records, metrics, ledger and the
    /// simulated provider's bill come to must be one amount.
    Day {
        /// The trace.
        trace: PathBuf,
    },
    /// Take the price facts anew from the PyPI package genai-prices.
    Prices {
        /// This version instead of the one that prices/book.json is from.
        #[arg(long, conflicts_with = "latest")]
        version: Option<String>,
        /// The newest version.
        #[arg(long)]
        latest: bool,
        /// Change nothing; fail if anything would differ.
        #[arg(long)]
        check: bool,
    },
    /// Fuzz the engine, with seeds from recorded traffic where `$TOKENSTILE_CORPUS` names some.
    Fuzz {
        /// The targets, files in engine/fuzz/fuzz_targets; every one if none is named.
        targets: Vec<String>,
        /// Seconds for each.
        #[arg(long, default_value_t = 600)]
        seconds: u32,
    },
    /// Fit the numbers of the repository that come from recorded traffic ($TOKENSTILE_CORPUS), and print them.
    Fit {
        /// What is fitted.
        #[arg(value_enum)]
        what: fit::What,
    },
    /// Compare Envoy without a filter, with an empty one, and with ours; `bench tokens` compares token counters,
    /// `bench engine` measures the engine's parts, `bench replay` how fast traffic is replayed.
    Bench {
        /// `tokens`; `replay`; `engine` and a filter of names; or arguments for the program that measures Envoys.
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        bench_args: Vec<String>,
    },
}

fn main() -> ExitCode {
    match run(Cli::parse().command) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // Not anyhow's own report: what a contributor needs is the chain, not our stack.
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(command: Command) -> anyhow::Result<()> {
    match command {
        Command::Build { way } => wasm::build(way).map(drop),
        Command::Test { cargo_args } => test::run(&cargo_args),
        Command::Demo { envoy, demo_args } => demo::run(envoy, &demo_args),
        Command::Ci { only } => ci::run(&only),
        Command::Prices { version, latest, check } => prices::run(version.as_deref(), latest, check),
        Command::Day { trace } => day::run(&trace),
        Command::Corpus { corpus_args } => corpus::run(&corpus_args),
        Command::Fuzz { targets, seconds } => fuzz::run(&targets, seconds),
        Command::Fit { what } => fit::run(what),
        Command::Envoy => envoy::find_or_install().map(|path| println!("{}", path.display())),
        Command::Bench { bench_args } => bench::run(&bench_args),
    }
}

/// The root of the repository: the folder above this crate.
fn root() -> PathBuf {
    let mut root = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    root.pop();
    root
}
