//! `cargo xtask fit`: hands over to the programs that fit numbers of this repository to recorded traffic.

use anyhow::Result;

use crate::{corpus, sh};

/// What is fitted.
#[derive(Clone, Copy, clap::ValueEnum)]
pub(crate) enum What {
    /// The weights of `tokens/src/estimate.rs`, and their errors.
    Tokens,
    /// The weights of prompt parts in the engine.
    Prompts,
}

/// Prints the numbers that fit best.
pub(crate) fn run(what: What) -> Result<()> {
    match what {
        What::Tokens => {
            let mut cargo = sh::cargo();
            cargo.args(["run", "--quiet", "--profile", "tool", "--package", "tokenstile-tokens"]);
            sh::run(cargo.args(["--example", "fit"]))
        }
        What::Prompts => corpus::run(&["--fit".to_owned()]),
    }
}
