//! One file for each subcommand of `tokenstile`; this file only lists them.
//! A subcommand is `Args` (clap) and `run(&Args) -> Result<ExitCode, String>`.

pub(crate) mod run;
pub(crate) mod upstream;

/// Waits for Ctrl-C.
pub(crate) fn until_interrupted() -> Result<(), String> {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .and_then(|runtime| runtime.block_on(tokio::signal::ctrl_c()))
        .map_err(|why| format!("cannot wait for Ctrl-C: {why}"))
}
