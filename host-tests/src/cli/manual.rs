//! `tokenstile completions` and `tokenstile man`: made from the command line's own definition. Called by `main`.

use super::Failure;
use clap_complete::Shell;
use std::path::PathBuf;
use std::process::ExitCode;

const COMPLETIONS: &str = "\
Examples:
  tokenstile completions bash > ~/.local/share/bash-completion/completions/tokenstile
  tokenstile completions zsh > ~/.zfunc/_tokenstile
  tokenstile completions fish > ~/.config/fish/completions/tokenstile.fish";

const MAN: &str = "\
Examples:
  tokenstile man > tokenstile.1
  tokenstile man --all target/man";

/// For which shell.
#[derive(clap::Args)]
#[command(after_help = COMPLETIONS)]
pub(crate) struct CompletionsArgs {
    /// The shell
    shell: Shell,
}

/// Which pages.
#[derive(clap::Args)]
#[command(after_help = MAN)]
pub(crate) struct ManArgs {
    /// Write a page for the command and for each of its subcommands into this folder
    #[arg(long, value_name = "FOLDER")]
    all: Option<PathBuf>,
}

pub(crate) fn completions(args: &CompletionsArgs, mut command: clap::Command) -> Result<ExitCode, Failure> {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut command, "tokenstile", &mut script);
    super::say(&String::from_utf8_lossy(&script))?;
    Ok(ExitCode::SUCCESS)
}

pub(crate) fn man(args: &ManArgs, command: clap::Command) -> Result<ExitCode, Failure> {
    let Some(folder) = &args.all else {
        let mut page = Vec::new();
        clap_mangen::Man::new(command).render(&mut page).map_err(|error| error.to_string())?;
        super::say(&String::from_utf8_lossy(&page))?;
        return Ok(ExitCode::SUCCESS);
    };
    let written = std::fs::create_dir_all(folder).and_then(|()| clap_mangen::generate_to(command, folder));
    written.map_err(|error| format!("cannot write to `{}`: {error}", folder.display()))?;
    tell!("tokenstile: the pages are in `{}`", folder.display());
    Ok(ExitCode::SUCCESS)
}
