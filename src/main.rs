//! The command line's entry: parse, start logging, hand over.

use std::process::ExitCode;

use clap::Parser;
use masthead::cli::{Cli, Command};

fn main() -> ExitCode {
    match run(Cli::parse()) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("masthead: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(cli: Cli) -> anyhow::Result<ExitCode> {
    match cli.command {
        #[cfg(feature = "controller")]
        Command::Crds => masthead::commands::crds(&mut std::io::stdout().lock())?,
        _ => anyhow::bail!("not yet"),
    }
    Ok(ExitCode::SUCCESS)
}
