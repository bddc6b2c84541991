//! The `tokenstile` command: owns the list of subcommands and nothing else. Each subcommand is one file
//! under `cli/`; this file must not know what any of them does.

/// Says something on standard error, as `eprintln!`; see [`cli::talk`].
macro_rules! tell {
    ($($text:tt)*) => { $crate::cli::talk(&format!($($text)*)) };
}

mod cli;

use clap::{CommandFactory, Parser, Subcommand};
use std::process::ExitCode;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const BEGIN: &str = "\
To begin: `tokenstile init acme`, then `check`, `test` and `explain`. With a log of what was: `report`, `suggest` and
`replay`. Each command's `--help` has examples.";

/// One WebAssembly filter, one JSON policy, in front of any LLM API.
#[derive(Parser)]
#[command(name = "tokenstile", version, after_help = BEGIN)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Say what is wrong with a policy, what it means, and what it can cost at most.
    Check(cli::check::Args),
    /// Run the scenarios beside policies, by the engine and through the filter.
    Test(cli::test::Args),
    /// Say why a policy decides about a request as it does.
    Explain(cli::explain::Args),
    /// Write a policy to begin with, its scenarios, and what puts it into a proxy and into CI.
    Init(cli::init::Args),
    /// Say what a model costs, or what a request would.
    Price(cli::price::Args),
    /// Replay past traffic under a policy: what would have happened, rule by rule.
    Replay(Box<cli::replay::Args>),
    /// Suggest budgets from past traffic, as a policy in shadow mode.
    Suggest(Box<cli::suggest::Args>),
    /// Say what was spent, by whom and on what, from cost records.
    Report(cli::report::Args),
    /// Hold cost records against a provider's bill, and say why they differ.
    Reconcile(cli::reconcile::Args),
    /// Write cost records as rows of FOCUS, the format of cloud bills.
    Focus(cli::focus::Args),
    /// Watch what is spent, by whom and on what, in a terminal.
    Top(cli::top::Args),
    /// Compare the arms of an experiment, with what is certain of the difference.
    Ab(cli::ab::Args),
    /// Print the JSON Schema of policies, of scenario files, or of cost records.
    Schema(cli::schema::Args),
    /// Drive any proxy-wasm filter with one request and print what came out.
    Run(cli::run::Args),
    /// Run the filter in a small local proxy, with no proxy installed.
    Serve(cli::serve::Args),
    /// Watch a day of three users go through the filter.
    Demo(cli::demo::Args),
    /// Print a completion script for a shell.
    Completions(cli::manual::CompletionsArgs),
    /// Print the manual page.
    Man(cli::manual::ManArgs),
    /// Serve a simulated OpenAI, which remembers what it billed.
    Upstream(cli::upstream::Args),
}

fn main() -> ExitCode {
    let done = match Cli::parse().command {
        Command::Run(args) => cli::run::run(&args),
        Command::Serve(args) => cli::serve::run(&args),
        Command::Check(args) => cli::check::run(&args),
        Command::Completions(args) => cli::manual::completions(&args, Cli::command()),
        Command::Man(args) => cli::manual::man(&args, Cli::command()),
        Command::Test(args) => cli::test::run(&args),
        Command::Explain(args) => cli::explain::run(&args),
        Command::Init(args) => cli::init::run(&args),
        Command::Report(args) => cli::report::run(&args),
        Command::Reconcile(args) => cli::reconcile::run(&args),
        Command::Focus(args) => cli::focus::run(&args),
        Command::Top(args) => cli::top::run(&args),
        Command::Ab(args) => cli::ab::run(&args),
        Command::Schema(args) => cli::schema::run(&args),
        Command::Demo(args) => cli::demo::run(&args),
        Command::Replay(args) => cli::replay::run(&args),
        Command::Suggest(args) => cli::suggest::run(&args),
        Command::Price(args) => cli::price::run(&args),
        Command::Upstream(args) => cli::upstream::run(&args),
    };
    done.unwrap_or_else(|failure| {
        let (message, status) = failure.end();
        tell!("tokenstile: {message}");
        status
    })
}
