//! One file for each subcommand of `tokenstile`; this file only lists them.
//! A subcommand is `Args` (clap) and `run(&Args) -> Result<ExitCode, String>`.

pub(crate) mod run;
